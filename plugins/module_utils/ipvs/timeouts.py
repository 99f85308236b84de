# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""For how long IPVS remembers idle connections: what is asked for, planned. Pure.

The kernel keeps three timeouts for each network namespace; to set one to 0 leaves it as it is
(``ip_vs_set_timeout`` in ``ip_vs_ctl.c``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from ..errors import InvalidInput
from ..manifest import Claim

KIND, NAME = "ipvs_timeout", "timeouts"
# The kernel counts in ticks, in an int, and there may be 1000 of them a second.
MAX_SECONDS = (2**31 - 1) // 1000


@dataclass(frozen=True)
class Timeouts:
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
                "the timeouts",
                name,
                seconds,
                "is no timeout that IPVS can keep",
                f"give seconds from 1 to {MAX_SECONDS}, or 0 to leave it as it is",
            )


@dataclass(frozen=True)
class TimeoutPlan:
    """:ivar claim: what is remembered while the timeouts are ours; None where none is."""

    before: Timeouts
    after: Timeouts
    claim: Claim | None = field(default=None)

    @property
    def diff(self) -> dict[str, str]:
        changed = self.before != self.after
        return {
            "before_header": "IPVS timeouts before",
            "after_header": "IPVS timeouts after",
            "before": f"{self.before}\n" if changed else "",
            "after": f"{self.after}\n" if changed else "",
        }


def plan(current: Timeouts, wanted: Mapping[str, int], claim: Claim | None) -> TimeoutPlan:
    """From the timeouts in force to the wanted ones.

    :param wanted: seconds; one that is left out or 0 is not asked for, and gets back the value that was
        found, where we have changed it.
    """
    found = dict((claim.found if claim else None) or {})
    now = asdict(current)
    asked = {name: seconds for name, seconds in wanted.items() if seconds}
    given_back = {name: seconds for name, seconds in found.items() if name not in asked}
    kept = {
        name: found.get(name, now[name])
        for name, seconds in asked.items()
        if name in found or now[name] != seconds
    }
    after = replace(current, **{**given_back, **asked})
    return TimeoutPlan(current, after, Claim(kept) if kept else None)


def script_body(wanted: Mapping[str, int]) -> str | None:
    """The command that sets them at boot; None where none is asked for."""
    seconds = [wanted.get(name, 0) for name in ("tcp", "tcpfin", "udp")]
    if not any(seconds):
        return None
    return "ipvsadm --set {} {} {}\n".format(*seconds)
