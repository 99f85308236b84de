# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Firewall marks on a director, by which several ports or addresses are one virtual service. Pure.

IPVS takes packets at INPUT (``ip_vs_core.c``), so that the mark has to be set before, at PREROUTING.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidInput
from .model import Chain, Rule, chains_of
from .nat import FAMILIES

CHAINS = (("mangle", "MARK", "PREROUTING"),)
# What one rule of multiport takes (XT_MULTI_PORTS); a range counts twice.
_MOST_PORTS = 15
_PORTS = re.compile(r"(\d{1,5})(?:[:-](\d{1,5}))?")
PROTOCOLS = ("tcp", "udp", "sctp")


@dataclass(frozen=True)
class Match:
    """Which packets.

    :ivar network: their destination; of an address, with its full length.
    :ivar ports: (first, last) of each; none for all.
    """

    network: str
    family: str
    protocol: str
    ports: tuple[tuple[int, int], ...] = ()

    @property
    def address(self) -> str | None:
        """The virtual address, None where it is a whole network."""
        network = ipaddress.ip_network(self.network)
        return str(network.network_address) if network.num_addresses == 1 else None

    def overlaps(self, other: Match) -> bool:
        """Whether a packet could be of both."""
        one, two = ipaddress.ip_network(self.network), ipaddress.ip_network(other.network)
        if self.protocol != other.protocol or one.version != two.version:
            return False
        ports = any(
            first <= end and begin <= last
            for first, last in self.ports or ((0, 65535),)
            for begin, end in other.ports or ((0, 65535),)
        )
        return ports and (one.network_address in two or two.network_address in one)


def match(subject: str, given: Mapping[str, Any]) -> Match:
    """A match out of its options.

    :raises InvalidInput: it can't be one.
    """
    text = str(given.get("address") or "")
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        raise InvalidInput(
            subject,
            "match",
            text,
            "is neither an IP address nor a network",
            "write the virtual address, such as 198.51.100.10",
        ) from None
    protocol = given.get("protocol") or "tcp"
    if protocol not in PROTOCOLS:
        raise InvalidInput(
            subject,
            "protocol",
            protocol,
            "can't be matched",
            "choose one of " + ", ".join(PROTOCOLS),
        )
    ports = given.get("ports") or ()
    listed = ports if isinstance(ports, (list, tuple)) else [ports]
    ranges = tuple(sorted({_range(subject, str(port)) for port in listed}))
    return Match(str(network), FAMILIES[network.version], protocol, ranges)


def _range(subject: str, text: str) -> tuple[int, int]:
    found = _PORTS.fullmatch(text.strip())
    if found:
        first = int(found[1])
        last = int(found[2] or found[1])
        if 1 <= first <= last <= 65535:
            return first, last
    raise InvalidInput(
        subject,
        "ports",
        text,
        "is no port",
        "write one from 1 to 65535, or a range such as 8000:8080",
    )


def match_data(each: Match) -> dict[str, Any]:
    """The reverse, as a module takes it."""
    ports = [f"{first}:{last}" if first != last else str(first) for first, last in each.ports]
    return {"address": each.network, "protocol": each.protocol, "ports": ports}


def possible(owner: str) -> list[Chain]:
    """Every chain that an owner could have, without rules."""
    return chains_of(CHAINS, {"MARK": ()}, owner)


def chains(marks: Sequence[tuple[int, Match]], family: str, owner: str) -> list[Chain]:
    """The chains of one family, none where there is nothing to be marked.

    :param marks: (mark, which packets get it).
    """
    rules = [
        rule for fwmark, each in marks if each.family == family for rule in _rules(fwmark, each)
    ]
    return [chain for chain in chains_of(CHAINS, {"MARK": rules}, owner) if chain.rules]


def _rules(fwmark: int, each: Match) -> list[Rule]:
    begin: Rule = ("-d", each.network, "-p", each.protocol)
    target: Rule = ("-j", "MARK", "--set-xmark", f"{fwmark:#x}/0xffffffff")
    if not each.ports:
        return [(*begin, *target)]
    if len(each.ports) == 1:
        first, last = each.ports[0]
        text = f"{first}:{last}" if first != last else str(first)
        return [(*begin, "-m", each.protocol, "--dport", text, *target)]
    rules: list[Rule] = []
    words: list[str] = []
    room = _MOST_PORTS
    for first, last in each.ports:
        takes = 2 if first != last else 1
        if takes > room:
            rules.append((*begin, "-m", "multiport", "--dports", ",".join(words), *target))
            words, room = [], _MOST_PORTS
        words.append(f"{first}:{last}" if first != last else str(first))
        room -= takes
    return [*rules, (*begin, "-m", "multiport", "--dports", ",".join(words), *target)]
