# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Chains of ours in the firewall: what they hold, what they are called, and how they are compared. Pure.

Nothing of anybody else's is touched: each chain of ours is jumped to from a built-in one, and every rule
bears a comment that says whose it is.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# XT_EXTENSION_MAXNAMELEN less one.
MAX_CHAIN_NAME = 28
COMMENT = "lvs.cluster:"
PREFIX = "LVS-"
# As /etc/protocols may call what a rule has by its number.
_PROTOCOLS: Mapping[str, str] = {
    "ipencap": "4",
    "ipip": "4",
    "ipv4": "4",
    "ipv6": "41",
    "gre": "47",
}

Rule = tuple[str, ...]


def chain_name(part: str, owner: str) -> str:
    """``LVS-FORWARD-web``; a long owner is cut, and told from others by a digest."""
    name = f"{PREFIX}{part}-{owner}"
    if len(name) <= MAX_CHAIN_NAME:
        return name
    digest = hashlib.sha256(owner.encode()).hexdigest()[:6]
    return f"{name[: MAX_CHAIN_NAME - 7]}-{digest}"


@dataclass(frozen=True)
class Chain:
    """A chain of ours.

    :ivar hook: the built-in chain from which it is reached.
    :ivar rules: the words of each rule, without ``-A`` and the chain's name.
    """

    table: str
    name: str
    hook: str
    rules: tuple[Rule, ...]
    owner: str

    @property
    def jump(self) -> Rule:
        """The rule in the built-in chain."""
        return (*comment(self.owner), "-j", self.name)


def comment(owner: str) -> Rule:
    """The words that say whose a rule is."""
    return "-m", "comment", "--comment", COMMENT + owner


def chains_of(
    places: Iterable[tuple[str, str, str]], rules: Mapping[str, Iterable[Rule]], owner: str
) -> list[Chain]:
    """Chains of an owner, each rule with the comment that says so.

    :param places: (table, the part of the chain's name, the built-in chain).
    :param rules: by the part of the name.
    """
    return [
        Chain(
            table,
            chain_name(part, owner),
            hook,
            tuple(_with_comment(rule, owner) for rule in rules[part]),
            owner,
        )
        for table, part, hook in places
    ]


def _with_comment(rule: Rule, owner: str) -> Rule:
    """The comment stands before the target, where the tools write it."""
    at = rule.index("-j")
    return (*rule[:at], *comment(owner), *rule[at:])


@dataclass(frozen=True)
class Firewall:
    """The firewall of one family as it is: table to chain to rules, as ``iptables-save`` tells it."""

    tables: Mapping[str, Mapping[str, tuple[Rule, ...]]]

    @classmethod
    def parse(cls, text: str) -> Firewall:
        """:param text: what ``iptables-save`` or ``ip6tables-save`` writes."""
        tables: dict[str, dict[str, list[Rule]]] = {}
        chains: dict[str, list[Rule]] = {}
        for line in text.splitlines():
            if line.startswith("*"):
                chains = tables.setdefault(line[1:].strip(), {})
            elif line.startswith(":"):
                chains.setdefault(line[1:].split()[0], [])
            elif line.startswith("-A "):
                words = shlex.split(line)
                chains.setdefault(words[1], []).append(tuple(words[2:]))
        return cls(
            {
                table: {name: tuple(rules) for name, rules in its_chains.items()}
                for table, its_chains in tables.items()
            }
        )

    def rules(self, table: str, chain: str) -> tuple[Rule, ...] | None:
        """The rules of a chain; None where there is none of that name."""
        return self.tables.get(table, {}).get(chain)

    def jumps(self, chain: Chain) -> list[Rule]:
        """The rules of the built-in chain that lead to ours."""
        return [
            rule
            for rule in self.rules(chain.table, chain.hook) or ()
            if rule[-2:] in (("-j", chain.name), ("-g", chain.name)) or _target(rule) == chain.name
        ]


def _target(rule: Rule) -> str | None:
    for word, following in zip(rule, rule[1:]):
        if word in ("-j", "-g"):
            return following
    return None


def canonical(rule: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """A rule as its options, sorted: what tools write in different orders is the same all the same."""
    options: list[list[str]] = []
    negated = False
    for word in rule:
        if word == "!":
            negated = True
        elif word.startswith("-") and len(word) > 1:
            options.append(["!", word] if negated else [word])
            negated = False
        elif options:
            named = _PROTOCOLS.get(word, word) if options[-1][-1] == "-p" else word
            options[-1].append(",".join(sorted(named.split(","))))
    return tuple(sorted(tuple(option) for option in options))


def same(ours: Iterable[Rule], theirs: Iterable[Rule]) -> bool:
    """Whether two chains hold the same rules in the same order."""
    return [canonical(rule) for rule in ours] == [canonical(rule) for rule in theirs]


def line(chain: str, rule: Rule) -> str:
    """A rule as ``iptables-restore`` reads it."""
    return " ".join(["-A", chain, *(quoted(word) for word in rule)])


def quoted(word: str) -> str:
    """A word as ``iptables-restore`` reads it, which knows double quotes only."""
    if word and all(sign.isalnum() or sign in "-_./:,!+%@" for sign in word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
