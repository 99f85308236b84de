# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our chains in the firewall: their names, their rules, and how rules are compared. Pure.

Rules of others are never touched: a built-in chain jumps to each chain of ours, and every rule of ours has a
comment that names its owner.
"""

from __future__ import annotations

import hashlib
import shlex
import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..net import FAMILY_OF_VERSION, FULL_LENGTH, Network, family_of

# XT_EXTENSION_MAXNAMELEN less one.
MAX_CHAIN_NAME = 28
COMMENT = "lvs.cluster:"
PREFIX = "LVS-"
# What one multiport rule takes (XT_MULTI_PORTS); a range counts twice.
MOST_PORTS = 15
# The names in /etc/protocols of protocols that our rules give by number.
_PROTOCOLS: Mapping[str, str] = {
    "ipencap": "4",
    "ipip": "4",
    "ipv4": "4",
    "ipv6": "41",
    "gre": "47",
    "vrrp": "112",
}

# iptables-save omits a match of any address.
_ANY = ("0.0.0.0/0", "::/0")
_ADDRESSES = ("-s", "-d", "--vaddr")

Rule = tuple[str, ...]


def chain_name(part: str, owner: str) -> str:
    """Such as ``LVS-FWD-web``; a long owner is cut, and a digest tells it from others."""
    name = f"{PREFIX}{part}-{owner}"
    if len(name) <= MAX_CHAIN_NAME:
        return name
    digest = hashlib.sha256(owner.encode()).hexdigest()[:6]
    return f"{name[: MAX_CHAIN_NAME - 7]}-{digest}"


class Chain(NamedTuple):
    """A chain of ours.

    :ivar hook: the built-in chain that jumps to it.
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
    """The words that name the owner of a rule."""
    return "-m", "comment", "--comment", COMMENT + owner


def chains_of(
    places: Iterable[tuple[str, str, str]], rules: Mapping[str, Iterable[Rule]], owner: str
) -> list[Chain]:
    """The chains of an owner, each rule with the comment that names it.

    :param places: (table, the part of the chain's name, the built-in chain).
    :param rules: by the part of the name.
    """
    return [
        Chain(
            table,
            chain_name(part, owner),
            hook,
            tuple(_with_comment(rule, owner) for rule in dict.fromkeys(rules.get(part, ()))),
            owner,
        )
        for table, part, hook in places
    ]


def _with_comment(rule: Rule, owner: str) -> Rule:
    """The comment comes before the target, where iptables-save writes it."""
    at = rule.index("-j")
    return (*rule[:at], *comment(owner), *rule[at:])


class Firewall(NamedTuple):
    """The current firewall of one family: table to chain to rules, as ``iptables-save`` prints it."""

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
            if target_of(rule) == chain.name
        ]


def target_of(rule: Sequence[str]) -> str | None:
    """The target of a rule, or the chain that it jumps to; None where it has none."""
    for word, following in zip(rule, rule[1:]):
        if word in ("-j", "-g"):
            return following
    return None


def canonical(rule: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """A rule as its sorted options, the same for all ways in which tools write one rule."""
    options: list[list[str]] = []
    negated = False
    for word in rule:
        if word == "!":
            negated = True
        elif word.startswith("-") and len(word) > 1:
            options.append(["!", word] if negated else [word])
            negated = False
        elif options:
            options[-1].append(_value(options[-1][-1], word))
    return tuple(
        sorted(
            tuple(option)
            for option in options
            if not (option[0] in _ADDRESSES and option[1:] and option[1] in _ANY)
        )
    )


def _value(option: str, word: str) -> str:
    if option == "-p":
        return _PROTOCOLS.get(word, word)
    if option in _ADDRESSES:
        address, _slash, length = word.partition("/")
        if ":" in address:
            # Python versions differ on ::ffff:192.0.2.1.
            address = socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, address))
        full = str(FULL_LENGTH[family_of(address)])
        # Of the address of a virtual service, iptables-save prints no full length.
        return f"{address}/{length or full}"
    return ",".join(sorted(word.split(",")))


def same(ours: Iterable[Rule], theirs: Iterable[Rule]) -> bool:
    """Whether two chains have the same rules in the same order."""
    return [canonical(rule) for rule in ours] == [canonical(rule) for rule in theirs]


def of_family(networks: Iterable[Network], family: str) -> list[str]:
    """The networks of one family as text, sorted: their order in a description has no meaning."""
    own = {each for each in networks if FAMILY_OF_VERSION[each.version] == family}
    return [str(each) for each in sorted(own)]


def port_matches(protocol: str, ranges: Iterable[tuple[int, int]]) -> list[Rule]:
    """The words that match a protocol and ports, as few rules as they fit into.

    :param ranges: (first, last) of each; none for all ports.
    """
    rules: list[Rule] = []
    words: list[str] = []
    room = MOST_PORTS
    for first, last in sorted(set(ranges)):
        takes = 2 if first != last else 1
        if takes > room:
            rules.append(_ports(protocol, words))
            words, room = [], MOST_PORTS
        words.append(f"{first}:{last}" if first != last else str(first))
        room -= takes
    return [*rules, _ports(protocol, words)]


def _ports(protocol: str, words: Sequence[str]) -> Rule:
    if not words:
        return ("-p", protocol)
    if len(words) == 1:
        return ("-p", protocol, "-m", protocol, "--dport", words[0])
    return ("-p", protocol, "-m", "multiport", "--dports", ",".join(words))


def line(chain: str, rule: Rule) -> str:
    """A rule as ``iptables-restore`` reads it."""
    return " ".join(["-A", chain, *(quoted(word) for word in rule)])


def quoted(word: str) -> str:
    """A word as ``iptables-restore`` reads it, which knows no quotes but double ones."""
    if word and all(sign.isalnum() or sign in "-_./:,!+%@" for sign in word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
