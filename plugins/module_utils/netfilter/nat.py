# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a director that forwards by NAT needs of the firewall. Pure.

IPVS takes packets at INPUT, behind the filter, and sends them on at OUTPUT. Only the answers of real
servers cross FORWARD, and with net.ipv4.vs.conntrack=0 in the state INVALID: so they are accepted by
their source. What real servers send on their own is masqueraded, and the answers to that have a state.

Where clients and real servers share a segment, a redirect would tell a real server the way around the
director. For IPv4 a setting keeps the kernel from sending them; for IPv6 there is none (``ip6_forward`` in
``ip6_output.c``), so they are dropped here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

from ..errors import InvalidInput
from ..ipvs import options
from ..ipvs.model import ServiceKey
from .model import Chain, Rule, chains_of

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
FAMILIES: Mapping[int, str] = {4: "ipv4", 6: "ipv6"}
# (table, the part of the chain's name, the built-in chain)
CHAINS = (
    ("filter", "IN", "INPUT"),
    ("filter", "FWD", "FORWARD"),
    ("filter", "OUT", "OUTPUT"),
    ("nat", "POST", "POSTROUTING"),
)


@dataclass(frozen=True)
class NatWish:
    """:ivar networks: where real servers are.
    :ivar exclude: destinations to which nothing is masqueraded, besides these networks.
    :ivar services: what is let in.
    :ivar masquerade: whether what real servers send on their own is masqueraded.
    :ivar accept: whether the answers of real servers are let through.
    :ivar ipvs: whether masquerading is for packets of IPVS only.
    """

    networks: tuple[Network, ...] = ()
    exclude: tuple[Network, ...] = ()
    services: tuple[ServiceKey, ...] = ()
    out_interface: str = ""
    masquerade: bool = True
    accept: bool = True
    ipvs: bool = False


def interface(name: str) -> str:
    """An interface's name; a + at its end stands for any more.

    :raises InvalidInput: it can't be one.
    """
    if (
        not 1 <= len(name) <= 15
        or "/" in name
        or name.startswith("-")
        or not name.isprintable()
        or " " in name
    ):
        raise InvalidInput(
            "the masquerading",
            "out_interface",
            name,
            "is no interface's name",
            "name one that 'ip link' shows",
        )
    return name


def services(given: Sequence[Mapping[str, Any]]) -> tuple[ServiceKey, ...]:
    """:raises InvalidInput: one names no service."""
    return tuple(options.service_key(each) for each in given)


def possible(owner: str) -> list[Chain]:
    """Every chain that an owner could have, without rules."""
    return chains_of(CHAINS, {part: [] for _table, part, _hook in CHAINS}, owner)


def chains(wish: NatWish, family: str, owner: str) -> list[Chain]:
    """The chains of one family, those that would be empty left out."""
    rules: dict[str, list[Rule]] = {
        "IN": _let_in(wish, family),
        "FWD": _forward(wish, family) if wish.accept else [],
        "OUT": _no_redirects(wish, family) if wish.accept else [],
        "POST": _masquerade(wish, family) if wish.masquerade else [],
    }
    return [chain for chain in chains_of(CHAINS, rules, owner) if chain.rules]


def _of(networks: Sequence[Network], family: str) -> list[str]:
    return [str(network) for network in networks if FAMILIES[network.version] == family]


def _let_in(wish: NatWish, family: str) -> list[Rule]:
    found: list[Rule] = []
    for key in wish.services:
        if key.family != family:
            continue
        if key.fwmark:
            found.append(("-m", "mark", "--mark", hex(key.fwmark), "-j", "ACCEPT"))
            continue
        rule: Rule = ("-d", f"{key.address}/{32 if family == 'ipv4' else 128}", "-p", key.protocol)
        if key.port:
            rule = (*rule, "-m", key.protocol, "--dport", str(key.port))
        found.append((*rule, "-j", "ACCEPT"))
    return found


def _forward(wish: NatWish, family: str) -> list[Rule]:
    inside = _of(wish.networks, family)
    out: list[Rule] = [("-s", network, "-j", "ACCEPT") for network in inside]
    back: list[Rule] = [
        ("-d", network, "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT")
        for network in inside
    ]
    return out + back


def _no_redirects(wish: NatWish, family: str) -> list[Rule]:
    if family != "ipv6":
        return []
    redirect: Rule = ("-p", "ipv6-icmp", "-m", "icmp6", "--icmpv6-type", "137")
    return [("-d", network, *redirect, "-j", "DROP") for network in _of(wish.networks, family)]


def _masquerade(wish: NatWish, family: str) -> list[Rule]:
    inside = _of(wish.networks, family)
    if not inside:
        return []
    stays: list[Rule] = [
        ("-d", network, "-j", "RETURN") for network in [*inside, *_of(wish.exclude, family)]
    ]
    narrowed: Rule = ("-o", wish.out_interface) if wish.out_interface else ()
    if wish.ipvs:
        narrowed = (*narrowed, "-m", "ipvs", "--ipvs")
    return stays + [("-s", network, *narrowed, "-j", "MASQUERADE") for network in inside]
