# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The firewall rules of a real server that directors reach by tunnels. Pure.

A tunnel device unwraps what anybody sends, so tunnelled packets are accepted from the directors only. And
the maximum segment size (MSS) that the real server announces has to leave room for the tunnel's header: its
SYN/ACK leaves by another device, whose MTU knows nothing of the tunnel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import InvalidInput
from ..net import FAMILIES, FULL_LENGTH, IPV4, Network, canonical_address, network
from .model import (
    COMMENT,
    PREFIX,
    Chain,
    Firewall,
    Rule,
    canonical,
    chains_of,
    of_family,
    target_of,
)

CHAINS = (("filter", "DECAP", "INPUT"), ("mangle", "MSS", "OUTPUT"))
SUBJECT = "the tunnel filter"
# RFC 8200 demands that every link of IPv6 carries this much; with less, tunnels make no sense.
LEAST_MTU = 1280
_GUE_TYPE = "gue"
# The outer packet by type of tunnel: its family, and its protocols (IANA's numbers).
_PROTOCOLS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "ipip": ("ipv4", ("4",)),
    "sit": ("ipv4", ("41",)),
    "ip6tnl": ("ipv6", ("4", "41")),
    "gre": ("ipv4", ("47",)),
    "ip6gre": ("ipv6", ("47",)),
}
TYPES = (*_PROTOCOLS, _GUE_TYPE)
_HEADERS: Mapping[str, int] = {"ipv4": 20, "ipv6": 40}
_TCP_HEADER = 20
# ip_vs_xmit.c: GRE with its checksum; UDP and GUE, and GUE's private option of remote checksum.
_GRE, _GRE_CHECKSUM, _GUE, _GUE_REMOTE = 4, 4, 12, 8
CHECKSUMS = ("none", "csum", "remcsum")
_LIST: Mapping[str, Any] = {"type": "list", "elements": "str", "default": []}
_TUNNEL: Mapping[str, Any] = {
    "type": {"type": "str", "choices": list(TYPES), "required": True},
    "port": {"type": "int"},
    "family": {"type": "str", "choices": list(FAMILIES), "default": IPV4},
    "checksum": {"type": "str", "choices": list(CHECKSUMS), "default": "none"},
    "local": {"type": "str"},
}
OPTIONS: Mapping[str, Any] = {
    "directors": _LIST,
    "tunnels": {"type": "list", "elements": "dict", "default": [], "options": _TUNNEL},
    "addresses": _LIST,
    "local": _LIST,
    "mtu": {"type": "int"},
}


class Outer(NamedTuple):
    """A kind of outer packet.

    :ivar type: as in the module lvs_tunnel.
    :ivar family: of gue; the others have one of their own.
    :ivar local: the address of this host that directors send to; empty where that is not known.
    """

    type: str
    port: int = 0
    family: str = IPV4
    checksum: str = "none"
    local: str = ""

    @property
    def outer_family(self) -> str:
        return self.family if self.type == _GUE_TYPE else _PROTOCOLS[self.type][0]

    @property
    def overhead(self) -> int:
        """The bytes that the tunnel adds to each packet."""
        size = _HEADERS[self.outer_family]
        if self.type == _GUE_TYPE:
            return size + _GUE + (_GUE_REMOTE if self.checksum == "remcsum" else 0)
        if self.type in ("gre", "ip6gre"):
            return size + _GRE + (_GRE_CHECKSUM if self.checksum == "csum" else 0)
        return size

    @property
    def matches(self) -> list[Rule]:
        """The words that match such packets."""
        if self.type == _GUE_TYPE:
            return [("-p", "udp", "-m", "udp", "--dport", str(self.port))]
        return [("-p", protocol) for protocol in _PROTOCOLS[self.type][1]]


class TunnelFilter(NamedTuple):
    """What is desired.

    :ivar directors: the sources from which tunnelled packets are accepted; if empty, all are dropped.
    :ivar addresses: the virtual addresses, (family, address), whose segments have to fit.
    :ivar local: the host's own addresses, (family, address), for tunnels that name none.
    :ivar mtu: of the network between the directors and this host; None for that of the interface that has the
        local addresses, 0 for leaving segments as they are.
    """

    directors: tuple[Network, ...] = ()
    tunnels: tuple[Outer, ...] = ()
    addresses: tuple[tuple[str, str], ...] = ()
    local: tuple[tuple[str, str], ...] = ()
    mtu: int | None = 0

    @property
    def own_addresses(self) -> list[str]:
        """The host's addresses that directors send to."""
        named = [each.local for each in self.tunnels if each.local]
        return list(dict.fromkeys([address for _family, address in self.local] or named))

    @property
    def needs_mtu(self) -> bool:
        """Whether the MTU of an interface has to be found out."""
        return bool(self.mtu is None and self.own_addresses and self.addresses and self.tunnels)

    def with_mtu(self, found: int) -> TunnelFilter:
        """The same with the MTU that the host has; 0 where no interface has a local address.

        :raises InvalidInput: none has.
        """
        if not found:
            raise InvalidInput(
                SUBJECT,
                "local",
                self.own_addresses,
                "holds no address of this host",
                "use one that 'ip address' shows here (for the roles: correct lvs_address), or set mtu",
            )
        return self._replace(mtu=found)

    def destinations(self, tunnel: Outer) -> list[str]:
        """The host's addresses at which packets of a tunnel arrive; none where that is not known."""
        if tunnel.local:
            return [tunnel.local]
        return sorted(address for family, address in self.local if family == tunnel.outer_family)


def of_options(options: Mapping[str, Any]) -> TunnelFilter:
    """The desired state, of all options of the module.

    :raises InvalidInput: a value that can't be.
    """
    mtu = options["mtu"]
    if mtu is not None and not LEAST_MTU <= mtu <= 65535:
        remedy = f"use a number of bytes from {LEAST_MTU} to 65535"
        raise InvalidInput(SUBJECT, "mtu", mtu, "is out of range", remedy)
    return TunnelFilter(
        tuple(network(SUBJECT, "directors", text) for text in options["directors"]),
        tuple(outer(each) for each in options["tunnels"]),
        tuple(canonical_address(text, SUBJECT, "addresses") for text in options["addresses"]),
        tuple(canonical_address(text, SUBJECT, "local") for text in options["local"]),
        mtu,
    )


def outer(given: Mapping[str, Any]) -> Outer:
    """A kind of outer packet, of its options.

    :raises InvalidInput: a value that can't be.
    """
    port = given["port"] or 0
    if given["type"] == _GUE_TYPE and not 1 <= port <= 65535:
        remedy = "use a number from 1 to 65535"
        raise InvalidInput(SUBJECT, "port", port, "is not a UDP port", remedy)
    found = Outer(given["type"], port, given["family"], given["checksum"])
    if not given["local"]:
        return found
    family, address = canonical_address(given["local"], SUBJECT, "local")
    if family != found.outer_family:
        raise InvalidInput(
            SUBJECT,
            "local",
            given["local"],
            f"is not of the family of the outer packets of {found.type}",
            f"use an address of {found.outer_family}, or omit it",
        )
    return found._replace(local=address)


def mss(mtu: int, tunnels: Sequence[Outer], family: str) -> int:
    """The largest segment that fits all of these tunnels, in bytes.

    :param family: of the inner packet.
    """
    return mtu - max(each.overhead for each in tunnels) - _HEADERS[family] - _TCP_HEADER


def chains(wanted: TunnelFilter, family: str, owner: str) -> list[Chain]:
    """Every chain that an owner could have in one family; those that are not needed have no rules."""
    rules = {"DECAP": _from_directors(wanted, family), "MSS": _fitting(wanted, family)}
    return chains_of(CHAINS, rules, owner)


def _from_directors(wanted: TunnelFilter, family: str) -> list[Rule]:
    """Only what is for a tunnel of ours is dropped: others may have tunnels to other addresses."""
    kinds: set[Rule] = set()
    for tunnel in wanted.tunnels:
        if tunnel.outer_family == family:
            length = FULL_LENGTH[family]
            local: list[Rule] = [("-d", f"{each}/{length}") for each in wanted.destinations(tunnel)]
            kinds.update((*to, *words) for to in local or [()] for words in tunnel.matches)
    sources = of_family(wanted.directors, family)
    accepted = [
        ("-s", source, *words, "-j", "ACCEPT") for words in sorted(kinds) for source in sources
    ]
    return [*accepted, *((*words, "-j", "DROP") for words in sorted(kinds))]


def _fitting(wanted: TunnelFilter, family: str) -> list[Rule]:
    if not wanted.mtu or not wanted.tunnels:
        return []
    size = mss(wanted.mtu, wanted.tunnels, family)
    flags: Rule = ("-p", "tcp", "-m", "tcp", "--tcp-flags", "SYN,RST", "SYN")
    larger: Rule = ("-m", "tcpmss", "--mss", f"{size + 1}:65535")
    return [
        (
            *("-s", f"{address}/{FULL_LENGTH[family]}", *flags, *larger),
            *("-j", "TCPMSS", "--set-mss", str(size)),
        )
        for its, address in sorted(set(wanted.addresses))
        if its == family
    ]


class Filter(NamedTuple):
    """What one chain does with one kind of outer packets.

    :ivar owner: of the chain.
    :ivar sources: from which they are accepted.
    """

    owner: str
    sources: frozenset[str]


def filters(rules: Sequence[Rule]) -> dict[tuple[tuple[str, ...], ...], Filter]:
    """What a chain does, by the outer packets that it drops unless they come from a director.

    :param rules: those of one chain, as desired or as ``iptables-save`` prints them.
    """
    sources: dict[tuple[tuple[str, ...], ...], set[str]] = {}
    dropped: dict[tuple[tuple[str, ...], ...], str] = {}
    for rule in rules:
        words = canonical(rule)
        kind = tuple(
            each
            for each in words
            if each[0] not in ("-s", "-j", "--comment") and each[1:] != ("comment",)
        )
        if target_of(rule) == "DROP":
            texts = [each[1] for each in words if each[0] == "--comment"]
            dropped[kind] = texts[0][len(COMMENT) :] if texts else ""
        else:
            sources.setdefault(kind, set()).update(each[1] for each in words if each[0] == "-s")
    return {kind: Filter(dropped[kind], frozenset(sources.get(kind, ()))) for kind in dropped}


def check_others(ours: Chain, firewall: Firewall) -> None:
    """Two owners can't filter the same outer packets differently: each would drop what only the other accepts.

    :raises InvalidInput: another owner does.
    """
    prefix = f"{PREFIX}{CHAINS[0][1]}-"
    wanted = filters(ours.rules)
    for name, rules in firewall.tables.get(ours.table, {}).items():
        if name == ours.name or not name.startswith(prefix):
            continue
        for kind, theirs in filters(rules).items():
            own = wanted.get(kind)
            if own and own.sources != theirs.sources:
                raise InvalidInput(
                    SUBJECT,
                    "directors",
                    sorted(own.sources),
                    f"differ between {ours.owner} and {theirs.owner}, which both receive tunnels to one address of "
                    f"this host: {theirs.owner} accepts {', '.join(sorted(theirs.sources)) or 'none'}, and each would "
                    "drop what only the other accepts",
                    "use another address of this host in one of the clusters, or list the directors of both in "
                    "tun_directors of both",
                )
