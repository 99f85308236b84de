# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The firewall rules of a director that forwards by NAT. Pure.

IPVS takes packets at INPUT, behind the filter, and sends them at OUTPUT. Only the replies of real servers
cross FORWARD, and with net.ipv4.vs.conntrack=0 they are in the state INVALID: so they are accepted by their
source. Connections that real servers open themselves are masqueraded; replies to those have a state.

Where clients and real servers share a segment, a redirect would tell a real server a way around the
director. For IPv4 a setting keeps the kernel from sending redirects; for IPv6 there is none (``ip6_forward``
in ``ip6_output.c``), so they are dropped here.

A director whose real servers have another default gateway (one-armed NAT) also rewrites the source of
what it forwards, so that replies return to it. Such rules have a chain of their own, because the other one
returns on packets for real servers.

Directors that stand in for each other hear each other: VRRP (protocol 112, RFC 5798) and the messages of IPVS's sync
daemon (``ip_vs_sync.c``: UDP port 8848 of the group 224.0.0.81) are accepted from them alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import InvalidInput
from ..ipvs.daemon import DEFAULT_GROUP, DEFAULT_PORT
from ..ipvs.model import ServiceKey
from ..ipvs.options import SERVICE_KEY_SPEC, service_key
from ..ipvs.words import PROTOCOLS
from ..net import FULL_LENGTH, Network, network, packed
from .model import Chain, Rule, chains_of, of_family, port_matches

# (table, the part of the chain's name, the built-in chain)
CHAINS = (
    ("filter", "IN", "INPUT"),
    ("filter", "FWD", "FORWARD"),
    ("filter", "OUT", "OUTPUT"),
    ("nat", "POST", "POSTROUTING"),
    ("nat", "SNAT", "POSTROUTING"),
)
SUBJECT = "the firewall rules"
_LIST: Mapping[str, Any] = {"type": "list", "elements": "str", "default": []}
_SERVICES: Mapping[str, Any] = {
    "type": "list",
    "elements": "dict",
    "default": [],
    "options": SERVICE_KEY_SPEC,
}
OPTIONS: Mapping[str, Any] = {
    "networks": _LIST,
    "services": _SERVICES,
    "masquerade": {"type": "bool", "default": True},
    "exclude": _LIST,
    "out_interface": {"type": "str"},
    "ipvs": {"type": "bool", "default": False},
    "snat": _SERVICES,
    "accept": {"type": "bool", "default": True},
    "peers": _LIST,
}
# IANA's numbers, as iptables-save prints them.
_NUMBERS: Mapping[str, str] = {"tcp": "6", "udp": "17", "sctp": "132"}


class Nat(NamedTuple):
    """What is desired.

    :ivar networks: the networks of real servers.
    :ivar exclude: other destinations to which nothing is masqueraded.
    :ivar services: the virtual services that are accepted.
    :ivar masquerade: whether connections that real servers open are masqueraded.
    :ivar accept: whether packets from and replies to real servers are accepted.
    :ivar ipvs: whether only packets of IPVS are masqueraded.
    :ivar snat: the virtual services whose clients are masqueraded towards the real servers.
    :ivar peers: the addresses of other directors, from which VRRP and connection synchronisation are accepted.
    """

    networks: tuple[Network, ...] = ()
    exclude: tuple[Network, ...] = ()
    services: tuple[ServiceKey, ...] = ()
    out_interface: str = ""
    masquerade: bool = True
    accept: bool = True
    ipvs: bool = False
    snat: tuple[ServiceKey, ...] = ()
    peers: tuple[Network, ...] = ()


def of_options(options: Mapping[str, Any]) -> Nat:
    """The desired state, of all options of the module.

    :raises InvalidInput: a value that can't be.
    """
    return Nat(
        networks=tuple(network(SUBJECT, "networks", text) for text in options["networks"]),
        exclude=tuple(network(SUBJECT, "exclude", text) for text in options["exclude"]),
        services=services(options["services"]),
        out_interface=interface(options["out_interface"]) if options["out_interface"] else "",
        masquerade=options["masquerade"],
        accept=options["accept"],
        ipvs=options["ipvs"],
        snat=services(options["snat"]),
        peers=tuple(network(SUBJECT, "peers", text) for text in options["peers"]),
    )


def interface(name: str) -> str:
    """The name of an interface; a + at its end matches any longer name.

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
            SUBJECT,
            "out_interface",
            name,
            "is not the name of an interface",
            "use one that 'ip link' shows",
        )
    return name


def services(given: Sequence[Mapping[str, Any]]) -> tuple[ServiceKey, ...]:
    """:raises InvalidInput: one that names no service."""
    return tuple(service_key(each) for each in given)


def chains(wanted: Nat, family: str, owner: str) -> list[Chain]:
    """Every chain that an owner could have in one family; those that are not needed have no rules."""
    rules: dict[str, list[Rule]] = {
        "IN": _accept_services(wanted, family) + _accept_peers(wanted, family),
        "FWD": _forward(wanted, family) if wanted.accept else [],
        "OUT": _no_redirects(wanted, family) if wanted.accept else [],
        "POST": _masquerade(wanted, family) if wanted.masquerade else [],
        "SNAT": _masquerade_clients(wanted, family),
    }
    return chains_of(CHAINS, rules, owner)


def _order(key: ServiceKey) -> tuple[Any, ...]:
    """Services in an order that does not depend on that of the description."""
    if key.fwmark:
        return (1, key.fwmark)
    return (0, packed(key.family, key.address), PROTOCOLS.index(key.protocol), key.port)


def _sorted(keys: Sequence[ServiceKey], family: str) -> list[ServiceKey]:
    return sorted({key for key in keys if key.family == family}, key=_order)


def _accept_services(wanted: Nat, family: str) -> list[Rule]:
    ports: dict[tuple[str, str], list[int]] = {}
    marked: list[Rule] = []
    for key in _sorted(wanted.services, family):
        if key.fwmark:
            marked.append(("-m", "mark", "--mark", hex(key.fwmark), "-j", "ACCEPT"))
        else:
            ports.setdefault((key.address, key.protocol), []).append(key.port)
    return [
        *(
            ("-d", f"{address}/{FULL_LENGTH[family]}", *words, "-j", "ACCEPT")
            for (address, protocol), its in ports.items()
            for words in port_matches(protocol, [] if 0 in its else [(port, port) for port in its])
        ),
        *marked,
    ]


def _accept_peers(wanted: Nat, family: str) -> list[Rule]:
    peers = of_family(wanted.peers, family)
    vrrp: list[Rule] = [("-s", peer, "-p", "112", "-j", "ACCEPT") for peer in peers]
    if family != "ipv4":
        # The sync daemon sends to an IPv4 group, unless it is told another one.
        return vrrp
    words = ("-d", f"{DEFAULT_GROUP}/32", "-p", "udp", "-m", "udp", "--dport", str(DEFAULT_PORT))
    return vrrp + [("-s", peer, *words, "-j", "ACCEPT") for peer in peers]


def _forward(wanted: Nat, family: str) -> list[Rule]:
    inside = of_family(wanted.networks, family)
    out: list[Rule] = [("-s", network, "-j", "ACCEPT") for network in inside]
    back: list[Rule] = [
        ("-d", network, "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT")
        for network in inside
    ]
    return out + back


def _no_redirects(wanted: Nat, family: str) -> list[Rule]:
    if family != "ipv6":
        return []
    redirect: Rule = ("-p", "ipv6-icmp", "-m", "icmp6", "--icmpv6-type", "137")
    return [
        ("-d", network, *redirect, "-j", "DROP") for network in of_family(wanted.networks, family)
    ]


def _masquerade(wanted: Nat, family: str) -> list[Rule]:
    inside = of_family(wanted.networks, family)
    if not inside:
        return []
    stays: list[Rule] = [
        ("-d", network, "-j", "RETURN") for network in [*inside, *of_family(wanted.exclude, family)]
    ]
    narrowed: Rule = ("-o", wanted.out_interface) if wanted.out_interface else ()
    if wanted.ipvs:
        narrowed = (*narrowed, "-m", "ipvs", "--ipvs")
    return stays + [("-s", network, *narrowed, "-j", "MASQUERADE") for network in inside]


def _masquerade_clients(wanted: Nat, family: str) -> list[Rule]:
    """The words of the match are in the order in which ``iptables-save`` prints them."""
    found: list[Rule] = []
    for key in _sorted(wanted.snat, family):
        if key.fwmark:
            # IPVS sends the very packet that got the mark.
            words: Rule = ("-m", "mark", "--mark", hex(key.fwmark), "-m", "ipvs")
        else:
            words = ("-m", "ipvs", "--vproto", _NUMBERS[key.protocol], "--vaddr", key.address)
            if key.port:
                words = (*words, "--vport", str(key.port))
        found.append((*words, "--vmethod", "MASQ", "-j", "MASQUERADE"))
    return found
