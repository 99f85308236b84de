# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the settings that are to those that shall be: what is written, and what is remembered. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..manifest import Claim
from .profiles import AFFECTED, Wish, rank, same_setting, side_effects

KIND = "sysctl"


@dataclass(frozen=True)
class Write:
    """One setting gets a value."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class SettingsPlan:
    """:ivar writes: in order.
    :ivar claims: name to claim, of all that is ours while the plan is in force.
    :ivar values: every wished setting as it then is.
    :ivar surplus: what is ours and not wished, and is kept.
    """

    writes: tuple[Write, ...]
    claims: Mapping[str, Claim]
    values: Mapping[str, str]
    surplus: tuple[Wish, ...] = ()

    @property
    def diff(self) -> dict[str, str]:
        first: dict[str, str] = {}
        last: dict[str, str] = {}
        for write in self.writes:
            first.setdefault(write.name, write.before)
            last[write.name] = write.after
        return {
            "before_header": "settings before",
            "after_header": "settings after",
            "before": "".join(f"{name} = {first[name]}\n" for name in sorted(first)),
            "after": "".join(f"{name} = {last[name]}\n" for name in sorted(last)),
        }


def plan(
    wishes: Iterable[Wish],
    current: Mapping[str, str],
    claims: Mapping[str, Claim],
    exclusive: bool = True,
) -> SettingsPlan:
    """Compute the writes.

    What we have set and is wished no more gets back what was found, unless somebody else has set it
    since. Forwarding resets other settings when it is written: what was found of them is remembered
    with it, and what is wished of them is written after it.

    :param current: every setting that is wished or claimed and that the kernel has, and all that may be
        reset along with them.
    :param exclusive: whether what is wished no more is given back.
    """
    by_name = {wish.name: wish for wish in wishes}
    now = dict(current)
    kept = dict(claims)
    writes: list[Write] = []

    def put(name: str, value: str) -> None:
        if now[name] == value:
            return
        writes.append(Write(name, now[name], value))
        now.update(side_effects(name, value, now))
        now[name] = value

    # Given back in the other order: accept_ra goes back to 1 after forwarding has ended.
    for name in sorted(claims, key=lambda name: (-rank(name), name)):
        if exclusive and name not in by_name:
            _give_back(name, claims[name], now, put)
            del kept[name]
    for name in sorted(by_name, key=lambda name: (rank(name), name)):
        wish = by_name[name]
        if wish.is_met(now[name]):
            continue
        earlier = kept.get(name)
        found = earlier.found if earlier and earlier.found else _found(name, current)
        kept[name] = Claim({**found, "set": wish.value})
        put(name, wish.value)
    # A later write may have reset what an earlier one had set.
    for name, wish in by_name.items():
        if not wish.is_met(now[name]):
            put(name, wish.value)
    surplus = [
        Wish(name, str((kept[name].found or {}).get("set"))) for name in kept if name not in by_name
    ]
    values = {name: now[name] for name in sorted(by_name)}
    return SettingsPlan(tuple(writes), kept, values, tuple(surplus))


def _found(name: str, now: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {"value": now[name]}
    if name in AFFECTED:
        found["beside"] = {
            other: now[other] for other in side_effects(name, "0", now) if other != name
        }
    return found


def _give_back(name: str, claim: Claim, now: Mapping[str, str], put: Any) -> None:
    found = claim.found or {}
    if name not in now or not same_setting(name, now[name], str(found.get("set"))):
        return
    put(name, found["value"])
    for other, value in sorted(found.get("beside", {}).items()):
        if other in now and now[other] != value and not other.endswith(".all.forwarding"):
            put(other, value)
