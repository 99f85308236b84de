# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Firewall marks on a director, by which several ports or addresses are one virtual service. Pure.

IPVS takes packets at INPUT (``ip_vs_core.c``), so the mark has to be set before, at PREROUTING.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import InvalidInput
from ..ipvs.options import service_key
from ..ipvs.words import PROTOCOLS
from ..net import FAMILY_OF_VERSION, listed
from .model import Chain, chains_of, port_matches

CHAINS = (("mangle", "MARK", "PREROUTING"),)
_PORTS = re.compile(r"([0-9]{1,5})(?:[:-]([0-9]{1,5}))?")
_MATCH: Mapping[str, Any] = {
    "address": {"type": "str", "required": True},
    "protocol": {
        "type": "str",
        "choices": [*PROTOCOLS, *(protocol.upper() for protocol in PROTOCOLS)],
        "default": "tcp",
    },
    "ports": {"type": "list", "elements": "str", "default": []},
}
_MARK: Mapping[str, Any] = {
    "fwmark": {"type": "int", "required": True},
    "match": {"type": "list", "elements": "dict", "required": True, "options": _MATCH},
}
OPTIONS: Mapping[str, Any] = {
    "marks": {"type": "list", "elements": "dict", "default": [], "options": _MARK},
}


class Match(NamedTuple):
    """Which packets get a mark.

    :ivar network: their destination; an address with its full prefix length.
    :ivar ports: (first, last) of each range; none for all ports.
    """

    network: str
    family: str
    protocol: str
    ports: tuple[tuple[int, int], ...] = ()

    @property
    def address(self) -> str | None:
        """The virtual address; None for a whole network."""
        network = ipaddress.ip_network(self.network)
        return str(network.network_address) if network.num_addresses == 1 else None

    def overlaps(self, other: Match) -> bool:
        """Whether one packet could match both."""
        one, two = ipaddress.ip_network(self.network), ipaddress.ip_network(other.network)
        if self.protocol != other.protocol or one.version != two.version:
            return False
        ports = any(
            first <= end and begin <= last
            for first, last in self.ports or ((0, 65535),)
            for begin, end in other.ports or ((0, 65535),)
        )
        return ports and (one.network_address in two or two.network_address in one)


def of_options(options: Mapping[str, Any]) -> list[tuple[int, Match]]:
    """The marks, each with the packets that get it, of all options of the module.

    :raises InvalidInput: a value that can't be.
    """
    return [
        (fwmark, match(f"mark {fwmark}", given))
        for each in options["marks"]
        for fwmark in [service_key({"fwmark": each["fwmark"]}).fwmark]
        for given in each["match"] or ()
    ]


def match(subject: str, given: Mapping[str, Any]) -> Match:
    """A match, of its options.

    :raises InvalidInput: a value that can't be.
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
    protocol = str(given.get("protocol") or "tcp").lower()
    if protocol not in PROTOCOLS:
        raise InvalidInput(
            subject,
            "protocol",
            given.get("protocol"),
            "cannot be matched",
            "choose one of " + ", ".join(PROTOCOLS),
        )
    ranges = tuple(sorted({_range(subject, port) for port in listed(given.get("ports"))}))
    return Match(str(network), FAMILY_OF_VERSION[network.version], protocol, ranges)


def _range(subject: str, given: Any) -> tuple[int, int]:
    found = None if isinstance(given, bool) else _PORTS.fullmatch(str(given).strip())
    if found:
        first = int(found[1])
        last = int(found[2] or found[1])
        if 1 <= first <= last <= 65535:
            return first, last
    raise InvalidInput(
        subject,
        "ports",
        given,
        "is not a port",
        "write a number from 1 to 65535, or a range such as 8000-8080",
    )


def match_data(each: Match) -> dict[str, Any]:
    """The reverse, as a module takes it."""
    ports = [f"{first}:{last}" if first != last else str(first) for first, last in each.ports]
    return {"address": each.network, "protocol": each.protocol, "ports": ports}


def chains(marks: Sequence[tuple[int, Match]], family: str, owner: str) -> list[Chain]:
    """Every chain that an owner could have in one family; without rules where nothing is marked.

    :param marks: (mark, which packets get it); of several for one packet, the last counts.
    """
    rules = [
        ("-d", each.network, *words, "-j", "MARK", "--set-xmark", f"{fwmark:#x}/0xffffffff")
        for fwmark, each in marks
        if each.family == family
        for words in port_matches(each.protocol, each.ports)
    ]
    return chains_of(CHAINS, {"MARK": rules}, owner)
