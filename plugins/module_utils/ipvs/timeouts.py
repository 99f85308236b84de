# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long IPVS remembers idle connections: what is asked for, planned. Pure.

The kernel has three timeouts for each network namespace; to set one to 0 leaves it as it is
(``ip_vs_set_timeout`` in ``ip_vs_ctl.c``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import InvalidInput
from ..host.manifest import Claim

KIND, NAME = "ipvs_timeout", "timeouts"
SUBJECT = "the timeouts"
# The kernel counts in ticks, in an int, and there may be 1000 of them a second.
MAX_SECONDS = (2**31 - 1) // 1000

OPTIONS: Mapping[str, Any] = {
    name: {"type": "int", "default": 0} for name in ("tcp", "tcpfin", "udp")
}


class Timeouts(NamedTuple):
    """Seconds: of TCP sessions, of TCP sessions after a FIN, of UDP. The defaults are the kernel's."""

    tcp: int = 900
    tcpfin: int = 120
    udp: int = 300

    def __str__(self) -> str:
        return f"--set {self.tcp} {self.tcpfin} {self.udp}"


def check(wanted: Mapping[str, int]) -> None:
    """:raises InvalidInput: seconds that the kernel can't keep."""
    for name, seconds in wanted.items():
        if not 0 <= seconds <= MAX_SECONDS:
            raise InvalidInput(
                SUBJECT,
                name,
                seconds,
                "is out of range",
                f"use a number of seconds from 1 to {MAX_SECONDS}, or 0 to leave it unchanged",
            )


class TimeoutPlan(NamedTuple):
    """From the timeouts in force to those that are asked for.

    :ivar grown: with those that are asked for.
    :ivar after: besides, with those restored that are no longer asked for.
    :ivar claim: what is remembered while some are ours: by name, the seconds ``found`` and ``set``; None where none is.
    :ivar remaining: those that are ours and no longer asked for, and stay.
    """

    before: Timeouts
    grown: Timeouts
    after: Timeouts
    claim: Claim | None = None
    remaining: Mapping[str, int] | None = None


def plan(
    current: Timeouts,
    wanted: Mapping[str, int],
    claim: Claim | None,
    others: Mapping[str, Claim],
    prune: bool = True,
) -> TimeoutPlan:
    """:raises InvalidInput: another owner has set one of them to another value.

    :param wanted: seconds; one that is left out or 0 is not asked for.
    :param others: the claims of other owners.
    :param prune: whether those that are no longer asked for are restored.
    """
    now = current._asdict()
    own = dict((claim.found if claim else None) or {})
    asked = {name: seconds for name, seconds in wanted.items() if seconds}
    _check_others(asked, others)
    shared = {name: each for other in others.values() for name, each in (other.found or {}).items()}
    kept: dict[str, Mapping[str, int]] = {}
    for name, seconds in asked.items():
        known = own.get(name) or shared.get(name)
        if known or now[name] != seconds:
            kept[name] = {"found": known["found"] if known else now[name], "set": seconds}
    going = {name: each for name, each in own.items() if name not in asked and name not in shared}
    if not prune:
        kept.update(going)
    grown = current._replace(**asked)
    restored = {name: each["found"] for name, each in going.items() if prune}
    return TimeoutPlan(
        current,
        grown,
        grown._replace(**restored),
        Claim(kept) if kept else None,
        {} if prune else {name: each["set"] for name, each in going.items()},
    )


def _check_others(asked: Mapping[str, int], others: Mapping[str, Claim]) -> None:
    for owner, other in others.items():
        for name, each in (other.found or {}).items():
            if name in asked and asked[name] != each["set"]:
                raise InvalidInput(
                    SUBJECT,
                    name,
                    asked[name],
                    f"contradicts the {each['set']} seconds that the owner {owner} has set on this host",
                    f"use the same value for both, or remove it from {owner} first",
                )


def script_body(wanted: Mapping[str, int]) -> str | None:
    """The command that sets them at boot; None where none is asked for."""
    seconds = [wanted.get(name, 0) for name in OPTIONS]
    if not any(seconds):
        return None
    return "ipvsadm --set {} {} {}\n".format(*seconds)
