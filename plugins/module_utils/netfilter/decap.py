# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a real server behind tunnels needs of the firewall. Pure.

A tunnel's device unwraps what anybody sends, so tunnelled packets are taken from the directors only. And what
it announces as its maximum segment size (MSS) has to leave room for the tunnel's header: its SYN/ACK leaves
by another device, whose MTU knows nothing of the tunnel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .model import Chain, Rule, chains_of
from .nat import FAMILIES, Network

CHAINS = (("filter", "DECAP", "INPUT"), ("mangle", "MSS", "OUTPUT"))
# Of the outer packet, by the tunnel's type: its family, and its protocols (IANA's numbers).
_PROTOCOLS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "ipip": ("ipv4", ("4",)),
    "sit": ("ipv4", ("41",)),
    "ip6tnl": ("ipv6", ("4", "41")),
    "gre": ("ipv4", ("47",)),
    "ip6gre": ("ipv6", ("47",)),
}
_HEADERS: Mapping[str, int] = {"ipv4": 20, "ipv6": 40}
_TCP_HEADER = 20
# ip_vs_xmit.c: GRE with its checksum; UDP and GUE, and GUE's private option of remote checksum.
_GRE, _GRE_CHECKSUM, _GUE, _GUE_REMOTE = 4, 4, 12, 8
CHECKSUMS = ("none", "csum", "remcsum")


@dataclass(frozen=True)
class Outer:
    """A kind of outer packet.

    :ivar type: as the module lvs_tunnel has it.
    :ivar family: of gue.
    """

    type: str
    port: int = 0
    family: str = "ipv4"
    checksum: str = "none"

    @property
    def outer_family(self) -> str:
        return self.family if self.type == "gue" else _PROTOCOLS[self.type][0]

    @property
    def overhead(self) -> int:
        """Bytes that the tunnel takes of each packet."""
        size = _HEADERS[self.outer_family]
        if self.type == "gue":
            return size + _GUE + (_GUE_REMOTE if self.checksum == "remcsum" else 0)
        if self.type in ("gre", "ip6gre"):
            return size + _GRE + (_GRE_CHECKSUM if self.checksum == "csum" else 0)
        return size

    @property
    def matches(self) -> list[Rule]:
        """The words that tell such packets from others."""
        if self.type == "gue":
            return [("-p", "udp", "-m", "udp", "--dport", str(self.port))]
        return [("-p", protocol) for protocol in _PROTOCOLS[self.type][1]]


@dataclass(frozen=True)
class DecapWish:
    """:ivar directors: whose tunnelled packets are taken; nobody's where there are none.
    :ivar addresses: the virtual addresses, (family, address), whose segments are to fit.
    :ivar mtu: of the network between the directors and this host; 0 leaves segments as they are.
    """

    directors: tuple[Network, ...] = ()
    tunnels: tuple[Outer, ...] = ()
    addresses: tuple[tuple[str, str], ...] = ()
    mtu: int = 0


def mss(mtu: int, tunnels: Sequence[Outer], family: str) -> int:
    """The largest segment that fits all of these tunnels, in bytes.

    :param family: of the inner packet.
    """
    return mtu - max(each.overhead for each in tunnels) - _HEADERS[family] - _TCP_HEADER


def possible(owner: str) -> list[Chain]:
    """Every chain that an owner could have, without rules."""
    return chains_of(CHAINS, {"DECAP": (), "MSS": ()}, owner)


def chains(wish: DecapWish, family: str, owner: str) -> list[Chain]:
    """The chains of one family, those that would be empty left out."""
    rules = {"DECAP": _from_directors(wish, family), "MSS": _fitting(wish, family)}
    return [chain for chain in chains_of(CHAINS, rules, owner) if chain.rules]


def _from_directors(wish: DecapWish, family: str) -> list[Rule]:
    kinds = list(
        dict.fromkeys(
            words for each in wish.tunnels if each.outer_family == family for words in each.matches
        )
    )
    sources = [str(each) for each in wish.directors if FAMILIES[each.version] == family]
    accepted = [("-s", source, *words, "-j", "ACCEPT") for words in kinds for source in sources]
    return [*accepted, *((*words, "-j", "DROP") for words in kinds)]


def _fitting(wish: DecapWish, family: str) -> list[Rule]:
    if not wish.mtu or not wish.tunnels:
        return []
    size = mss(wish.mtu, wish.tunnels, family)
    length = 32 if family == "ipv4" else 128
    flags: Rule = ("-p", "tcp", "-m", "tcp", "--tcp-flags", "SYN,RST", "SYN")
    larger: Rule = ("-m", "tcpmss", "--mss", f"{size + 1}:65535")
    return [
        ("-s", f"{address}/{length}", *flags, *larger, "-j", "TCPMSS", "--set-mss", str(size))
        for its, address in wish.addresses
        if its == family
    ]
