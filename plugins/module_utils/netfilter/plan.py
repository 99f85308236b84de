# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the current firewall to the desired chains, first by growing, then by shrinking. Pure.

A chain whose rules are replaced grows to the union of its current and its desired rules, and shrinks to the
desired ones once everything else has grown. So at no time is a packet dropped that both let through.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..net import IPV4
from .model import Chain, Firewall, Rule, canonical, line, same, target_of

# Targets by which no packet is dropped or changed for good. Rules with others come after them in a union.
_PERMISSIVE = ("ACCEPT", "RETURN", "MARK", "TCPMSS")


class Step(NamedTuple):
    """One change of one chain, a part of a table's transaction.

    :ivar heads: the lines that create chains or empty them, which come first in a transaction.
    :ivar lines: the other lines.
    """

    family: str
    table: str
    heads: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.heads or self.lines)


class ChainPlan(NamedTuple):
    """What leads one chain to its desired rules.

    :ivar verb: add, edit or delete.
    :ivar grow: what comes first; empty where nothing is to be done.
    :ivar shrink: what comes last; empty where nothing is to be done.
    :ivar before: the rules, jumps included, if they change.
    :ivar after: the same once all is done.
    :ivar kept: the chain once all is done, None where it is gone.
    :ivar remaining: rules that are no longer desired, and stay because nothing is pruned.
    """

    verb: str
    grow: Step
    shrink: Step
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    kept: Chain | None = None
    remaining: tuple[str, ...] = ()


def union(old: Sequence[Rule], new: Sequence[Rule]) -> tuple[Rule, ...]:
    """Rules that let everything through that the old or the new ones let through.

    Permissive rules come before all others. Of the permissive ones the new come last, because the last mark
    that a packet gets is the one it keeps.
    """
    known = {canonical(rule) for rule in new}
    gone = [rule for rule in old if canonical(rule) not in known]
    if not gone:
        return tuple(new)
    if _is_union(old, new, known):
        return tuple(old)
    return tuple(
        rule for first in (True, False) for rule in [*gone, *new] if _is_permissive(rule) is first
    )


def _is_union(
    old: Sequence[Rule], new: Sequence[Rule], known: set[tuple[tuple[str, ...], ...]]
) -> bool:
    """Whether the old rules already hold the new ones in a right order, so that none has to move."""
    own = [rule for rule in old if canonical(rule) in known]
    permissive = [_is_permissive(rule) for rule in old]
    marks = [canonical(rule) in known for rule in old if target_of(rule) == "MARK"]
    return (
        same(own, new) and permissive == sorted(permissive, reverse=True) and marks == sorted(marks)
    )


def _is_permissive(rule: Rule) -> bool:
    return target_of(rule) in _PERMISSIVE


def plan(family: str, firewall: Firewall, wanted: Chain, prune: bool) -> ChainPlan:
    """Plan the change of one chain to its desired rules; a chain without desired rules is removed.

    Rules that are right are left alone, and so is the place of a jump that exists once: others may have put
    theirs before it.

    :param prune: whether rules and chains that are no longer desired are removed.
    """
    if not wanted.rules:
        return _without(family, firewall, wanted, prune)
    current, jumps = firewall.rules(wanted.table, wanted.name), firewall.jumps(wanted)
    between = union(current or (), wanted.rules)
    last = wanted.rules if prune else between
    wrong_jump = not same(jumps, [wanted.jump])
    lines = [_deleting(wanted.hook, jump) for jump in jumps] if wrong_jump else []
    heads: list[str] = []
    if current is None or not same(current, between):
        heads, rules = _replacing(wanted, between)
        lines += rules
    if wrong_jump:
        lines.append(_inserting(wanted.hook, wanted.jump))
    grow = Step(family, wanted.table, tuple(heads), tuple(lines))
    shrink = Step(family, wanted.table)
    if not same(between, last):
        heads, lines = _replacing(wanted, last)
        shrink = shrink._replace(heads=tuple(heads), lines=tuple(lines))
    kept = wanted._replace(rules=last)
    known = {canonical(rule) for rule in wanted.rules}
    remaining = [
        f"{family} {_shown(wanted.table, wanted.name, rule)}"
        for rule in last
        if canonical(rule) not in known
    ]
    result = ChainPlan(
        "add" if current is None else "edit", grow, shrink, kept=kept, remaining=tuple(remaining)
    )
    if not grow and not shrink:
        return result
    before = _as_it_is(wanted, current, jumps)
    return result._replace(before=before, after=tuple(_all_shown(kept)))


def _without(family: str, firewall: Firewall, chain: Chain, prune: bool) -> ChainPlan:
    """Remove one chain, or keep it where nothing is pruned."""
    current, jumps = firewall.rules(chain.table, chain.name), firewall.jumps(chain)
    nothing = Step(family, chain.table)
    result = ChainPlan("delete", nothing, nothing)
    if current is None and not jumps:
        return result
    if not prune:
        kept = None if current is None else chain._replace(rules=current)
        return result._replace(kept=kept, remaining=(f"{family} {chain.table} {chain.name}",))
    heads = (f":{chain.name} - [0:0]",) if current is not None else ()
    lines = [_deleting(chain.hook, jump) for jump in jumps]
    if current is not None:
        lines.append(f"-X {chain.name}")
    return result._replace(
        shrink=nothing._replace(heads=heads, lines=tuple(lines)),
        before=_as_it_is(chain, current, jumps),
    )


def transaction(steps: Iterable[Step]) -> str:
    """The input of ``iptables-restore --noflush`` that takes these steps in one table."""
    listed = list(steps)
    heads = [head for step in listed for head in step.heads]
    lines = [line for step in listed for line in step.lines]
    return "\n".join([f"*{listed[0].table}", *heads, *lines, "COMMIT", ""])


def _replacing(chain: Chain, rules: Sequence[Rule]) -> tuple[list[str], list[str]]:
    return [f":{chain.name} - [0:0]"], [line(chain.name, rule) for rule in rules]


def _inserting(hook: str, jump: Rule) -> str:
    return line(hook, jump).replace(f"-A {hook}", f"-I {hook} 1", 1)


def _deleting(hook: str, jump: Rule) -> str:
    return line(hook, jump).replace("-A", "-D", 1)


def _shown(table: str, chain: str, rule: Rule) -> str:
    return f"-t {table} {line(chain, rule)}"


def _as_it_is(chain: Chain, rules: Sequence[Rule] | None, jumps: Sequence[Rule]) -> tuple[str, ...]:
    return (
        *(_shown(chain.table, chain.hook, jump) for jump in jumps),
        *(_shown(chain.table, chain.name, rule) for rule in rules or ()),
    )


def _all_shown(chain: Chain) -> list[str]:
    return list(_as_it_is(chain, chain.rules, [chain.jump]))


def shown(chains: Iterable[Chain]) -> list[str]:
    """Every rule of these chains, with the jumps to them."""
    return [text for chain in chains for text in _all_shown(chain)]


def script_body(chains: Mapping[str, Sequence[Chain]]) -> str | None:
    """The commands that restore the chains, and do nothing where they exist; None where there are none.

    :param chains: by family.
    """
    parts = [_script(family, own) for family, own in chains.items() if own]
    return "".join([_HAS, *parts]) if parts else None


def _script(family: str, own: Sequence[Chain]) -> str:
    command = "iptables" if family == IPV4 else "ip6tables"
    tables: dict[str, list[Step]] = {}
    for chain in own:
        heads, lines = _replacing(chain, chain.rules)
        step = Step(family, chain.table, tuple(heads), tuple(lines))
        tables.setdefault(chain.table, []).append(step)
    there = " &&\n  ".join(
        f"has {command} {chain.table} {chain.name} {len(chain.rules)}" for chain in own
    )
    text = "".join(transaction(steps) for steps in tables.values())
    parts = [f"{{ {there}; }} || {command}-restore --noflush --wait <<'END' || exit 1\n{text}END\n"]
    for chain in own:
        jump = shlex.join(chain.jump)
        at = f"{command} --wait --table {chain.table}"
        parts.append(
            f"{at} --check {chain.hook} {jump} 2> /dev/null ||\n"
            f"  {at} --insert {chain.hook} 1 {jump} || exit 1\n"
        )
    return "".join(parts)


_HAS = """\
# Whether a chain has this many rules.
has() {
  [ "$("$1-save" -t "$2" | grep -cF -e "-A $3 ")" = "$4" ]
}
"""
