# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One TCP connection through a director by direct routing or a tunnel, checked frame by frame. Pure.

What the client sends reaches the director, which sends it on to the real server with nothing changed but
the hardware addresses and the hop count (direct routing), or wrapped in another packet (a tunnel). What the
real server answers goes from its own hardware address straight to the next hop, with the virtual address
for its source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import GRE, Ether
from scapy.packet import Packet

DIRECT, IPIP, GRE_TUNNEL, GUE = "direct", "ipip", "gre", "gue"
# A header of GUE without options: draft-ietf-intarea-gue, version 0.
_GUE_HEADER = 4


class WrongWalk(Exception):
    """The frames are not what they should be."""


@dataclass(frozen=True)
class Walk:
    """Who has to be seen where.

    :ivar kind: of the way from the director to the real server.
    :ivar client: (address, MAC of the client or of the router that leads to it).
    :ivar director: (address, MAC).
    :ivar real_server: (address, MAC of it or of the router that leads to it).
    :ivar vip: the virtual address.
    """

    kind: str
    client: tuple[str, str]
    director: tuple[str, str]
    real_server: tuple[str, str]
    vip: str
    port: int = 80
    gue_port: int = 0


@dataclass(frozen=True)
class Seen:
    """What the frames have shown.

    :ivar requests: how many segments the client has sent to the virtual address.
    :ivar replies: how many came back.
    :ivar mss: what the SYN/ACK has announced.
    """

    requests: int
    replies: int
    mss: int


def network(packet: Packet) -> Packet | None:
    """The packet's own network layer, IPv4 or IPv6; None where it has none."""
    for layer in packet.iterpayloads():
        if isinstance(layer, (IP, IPv6)):
            return layer
    return None


def ends(layer: Packet) -> tuple[str, str]:
    return layer.src, layer.dst


def check(frames: Sequence[Ether], walk: Walk) -> Seen:
    """:raises WrongWalk: the frames show something else."""
    sent = [frame for frame in frames if frame.src == walk.client[1] and _is_request(frame, walk)]
    passed = [frame for frame in frames if frame.src == walk.director[1] and _carried(frame, walk)]
    replies = [frame for frame in frames if _is_reply(frame, walk)]
    if not sent or not replies:
        raise WrongWalk(f"there are {len(sent)} requests and {len(replies)} replies")
    if len(sent) != len(passed):
        raise WrongWalk(f"the client has sent {len(sent)} segments, the director {len(passed)}")
    for before, after in zip(sent, passed, strict=False):
        _check_request(before, after, walk)
    for reply in replies:
        if (reply.src, reply.dst) != (walk.real_server[1], walk.client[1]):
            raise WrongWalk(f"a reply goes from {reply.src} to {reply.dst}: {reply.summary()}")
    answers = [frame for frame in replies if frame[TCP].flags == "SA"]
    if len(answers) != 1:
        raise WrongWalk(f"there are {len(answers)} SYN/ACKs")
    sizes = [value for name, value in answers[0][TCP].options if name == "MSS"]
    return Seen(len(sent), len(replies), sizes[0] if sizes else 536)


def _is_request(frame: Ether, walk: Walk) -> bool:
    layer = network(frame)
    return bool(
        layer is not None
        and ends(layer) == (walk.client[0], walk.vip)
        and isinstance(layer.payload, TCP)
        and layer.payload.dport == walk.port
    )


def _is_reply(frame: Ether, walk: Walk) -> bool:
    layer = network(frame)
    return bool(
        layer is not None
        and ends(layer) == (walk.vip, walk.client[0])
        and isinstance(layer.payload, TCP)
        and layer.payload.sport == walk.port
    )


def _carried(frame: Ether, walk: Walk) -> Packet | None:
    """The client's packet as the director has sent it on; None where it is something else."""
    layer = network(frame)
    if layer is None:
        return None
    inner = layer
    if walk.kind != DIRECT:
        if ends(layer) != (walk.director[0], walk.real_server[0]):
            return None
        found = _inside(layer, walk)
        if found is None:
            return None
        inner = found
    mine = ends(inner) == (walk.client[0], walk.vip) and isinstance(inner.payload, TCP)
    return inner if mine and inner.payload.dport == walk.port else None


def _inside(outer: Packet, walk: Walk) -> Packet | None:
    if walk.kind == IPIP:
        return outer.payload if isinstance(outer.payload, (IP, IPv6)) else None
    if walk.kind == GRE_TUNNEL:
        gre = outer.payload
        return gre.payload if isinstance(gre, GRE) and isinstance(gre.payload, (IP, IPv6)) else None
    datagram = outer.payload
    if not isinstance(datagram, UDP) or datagram.dport != walk.gue_port:
        return None
    data = bytes(datagram.payload)
    kind = {4: IP, 41: IPv6}.get(data[1])
    return kind(data[_GUE_HEADER:]) if kind and data[0] == 0 else None


def _check_request(before: Ether, after: Ether, walk: Walk) -> None:
    if (before.dst, after.dst) != (walk.director[1], walk.real_server[1]):
        raise WrongWalk(f"a request goes to {before.dst} and then to {after.dst}")
    one, two = network(before), _carried(after, walk)
    assert one is not None
    assert two is not None
    if bytes(one.payload)[: _size(one)] != bytes(two.payload)[: _size(two)]:
        raise WrongWalk(f"a segment is not what it was: {before.summary()} and {after.summary()}")


def _size(layer: Packet) -> int:
    """Of what is in it, in bytes: not what pads a short frame to Ethernet's 60."""
    return int(layer.plen) if isinstance(layer, IPv6) else int(layer.len) - int(layer.ihl) * 4
