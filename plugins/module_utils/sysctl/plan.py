# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the settings that are to those that are desired: what is written, and what is claimed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..host.manifest import Claim
from .profiles import AFFECTED, Setting, rank, same_setting, side_effects

KIND = "sysctl"


class Write(NamedTuple):
    """One setting gets a value.

    :ivar restores: whether it is the value that was found before our first change.
    """

    name: str
    before: str
    after: str
    restores: bool = False


class SettingsPlan(NamedTuple):
    """:ivar writes: in order.
    :ivar claims: name to claim, of all that is ours while the plan is in force.
    :ivar values: every desired setting as it then is.
    :ivar surplus: what is ours, no longer desired and kept.
    """

    writes: tuple[Write, ...]
    claims: Mapping[str, Claim]
    values: Mapping[str, str]
    surplus: tuple[Setting, ...] = ()

    @property
    def lines(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The settings that change, as lines: before, after."""
        first: dict[str, str] = {}
        last: dict[str, str] = {}
        for write in self.writes:
            first.setdefault(write.name, write.before)
            last[write.name] = write.after
        changed = sorted(name for name in first if first[name] != last[name])
        return (
            tuple(f"{name} = {first[name]}" for name in changed),
            tuple(f"{name} = {last[name]}" for name in changed),
        )


def plan(
    desired: Iterable[Setting],
    current: Mapping[str, str],
    claims: Mapping[str, Claim],
    prune: bool = True,
    others: Mapping[str, Mapping[str, Claim]] | None = None,
) -> SettingsPlan:
    """Compute the writes.

    What we have set and is no longer desired gets back what was found, unless somebody else has set it
    since, or another owner claims it too. Forwarding resets other settings when it is written: what was found
    of them is remembered with it, and what is desired of them is written after it.

    :param current: every setting that is desired or claimed and that the kernel has, and all that may be
        reset along with them.
    :param prune: whether what is no longer desired is restored.
    :param others: the claims of other owners: name, owner, claim.
    """
    others = others or {}
    by_name = {setting.name: setting for setting in desired}
    now = dict(current)
    kept = dict(claims)
    writes: list[Write] = []

    def put(name: str, value: str, restores: bool = False) -> None:
        if now[name] == value:
            return
        writes.append(Write(name, now[name], value, restores))
        now.update(side_effects(name, value, now))
        now[name] = value

    for name in sorted(by_name, key=lambda name: (rank(name), name)):
        setting = by_name[name]
        shared = others.get(name)
        if setting.is_met(now[name]) and not (shared and name not in kept):
            continue
        earlier = kept.get(name)
        # What another owner found is what whoever gives it up last restores.
        for claim in (shared or {}).values():
            earlier = earlier or claim
        found = earlier.found if earlier and earlier.found else _found(name, current)
        kept[name] = Claim({**found, "set": setting.value})
        if not setting.is_met(now[name]):
            put(name, setting.value)
    # A later write may have reset what an earlier one had set.
    for name, setting in by_name.items():
        if not setting.is_met(now[name]):
            put(name, setting.value)
    # In the reverse order: accept_ra goes back to 1 after forwarding has ended.
    for name in sorted(claims, key=lambda name: (-rank(name), name)):
        if prune and name not in by_name:
            if name not in others:
                _restore(name, claims[name], now, put)
            del kept[name]
    # Ending forwarding may have reset what is desired.
    for name, setting in by_name.items():
        if not setting.is_met(now[name]):
            put(name, setting.value, True)
    surplus = [
        Setting(name, str((kept[name].found or {}).get("set")))
        for name in kept
        if name not in by_name
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


def _restore(name: str, claim: Claim, now: Mapping[str, str], put: Any) -> None:
    found = claim.found or {}
    if name not in now or not same_setting(name, now[name], str(found.get("set"))):
        return
    put(name, found["value"], True)
    for other, value in sorted(found.get("beside", {}).items()):
        if other in now and now[other] != value and not other.endswith(".all.forwarding"):
            put(other, value, True)
