# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One HTTP request through a director that forwards by NAT, as its frames on one hub tell it.

What must hold, in this order:

* the client asks who has the VIP, and only the director answers;
* the client's SYN goes to the director, which asks (if it does not know) for the real server, from its
  own address on that network;
* the director forwards the SYN to the real server: the source is still the client, the destination now
  the real server, the sequence number the same;
* the real server answers the client by its IP address, but by way of the director's MAC, and the
  director forwards that with the VIP as the source;
* the rest of the handshake, the request, the answer and the FINs all go in and out like that, by way
  of one and the same real server;
* there is never an ICMP redirect, and no frame of the conversation that does not belong.

Pure: frames in, findings out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.l2 import ARP, Ether

WHO_HAS, IS_AT = 1, 2
REDIRECT = 5
TO_SERVER, TO_CLIENT = "to the server", "to the client"

PHASES = (
    "client asks who has the VIP",
    "director answers",
    "SYN",
    "SYN/ACK",
    "ACK",
    "GET",
    "200 OK",
    "FIN",
    "FIN",
)


class WrongWalk(AssertionError):
    """A frame that must not be, or one that is missing."""


@dataclass(frozen=True)
class Cluster:
    """Who is who: addresses with the MAC that they are on.

    :ivar director: its address on the real servers' network.
    """

    client: tuple[str, str]
    director: tuple[str, str]
    real_servers: Mapping[str, str]
    service: tuple[str, int]
    real_port: int


@dataclass(frozen=True)
class Step:
    """A segment on its way through the director: the number of the frame in, and of that out."""

    phases: tuple[str, ...]
    entered: int
    left: int


@dataclass(frozen=True)
class Walk:
    """What was found.

    :ivar real_server: the address of the one that served.
    :ivar asked_for_real_server: whether the director had to ask for it.
    """

    real_server: str
    asked_for_real_server: bool
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        steps = [f"{'+'.join(s.phases)}: {s.entered} -> {s.left}" for s in self.steps]
        return "\n".join([f"served by {self.real_server}", *steps])


def follow(frames: Sequence[Ether], cluster: Cluster) -> Walk:
    """Follow the one request in these frames.

    :raises WrongWalk: with the first thing that is not as it must be.
    """
    for number, frame in enumerate(frames):
        if ICMP in frame and frame[ICMP].type == REDIRECT:
            raise WrongWalk(f"frame {number} is an ICMP redirect: {frame.summary()}")
    segments = [(number, frame) for number, frame in enumerate(frames) if TCP in frame]
    if not segments:
        raise WrongWalk("there is no TCP segment at all")
    asking = _client_asks(frames, cluster, before=segments[0][0])
    real_server = _real_server(segments, cluster)
    steps = _pairs(segments, cluster, real_server)
    _in_order([*asking, *(phase for step in steps for phase in step.phases)])
    asked = _director_asks(frames, cluster, real_server)
    return Walk(real_server, asked, tuple(steps))


def _client_asks(frames: Sequence[Ether], cluster: Cluster, before: int) -> list[str]:
    """The neighbour discovery of the VIP, and that nobody but the director answers it, ever."""
    vip, _port = cluster.service
    phases: list[str] = []
    for number, frame in enumerate(frames):
        if ARP not in frame:
            continue
        arp = frame[ARP]
        if arp.op == IS_AT and arp.psrc == vip:
            if {arp.hwsrc, frame.src} != {cluster.director[1]}:
                raise WrongWalk(f"frame {number}: {arp.hwsrc} answers for the VIP: {arp.summary()}")
            if number < before:
                phases.append(PHASES[1])
        elif arp.op == WHO_HAS and arp.pdst == vip and number < before:
            if frame.src == cluster.client[1] and not phases:
                phases.append(PHASES[0])
    return phases


def _director_asks(frames: Sequence[Ether], cluster: Cluster, real_server: str) -> bool:
    """Whether it asks for the real server; if so, from its address on that network."""
    asked = False
    address, mac = cluster.director
    for number, frame in enumerate(frames):
        if ARP in frame and frame.src == mac and frame[ARP].op == WHO_HAS:
            arp = frame[ARP]
            if arp.pdst == real_server:
                if arp.psrc != address:
                    raise WrongWalk(f"frame {number}: the director asks from {arp.psrc}")
                asked = True
    return asked


def _real_server(segments: Sequence[tuple[int, Ether]], cluster: Cluster) -> str:
    """The one that took part."""
    ends = {frame[IP].dst for _number, frame in segments} | {
        frame[IP].src for _number, frame in segments
    }
    served = ends & set(cluster.real_servers)
    if len(served) != 1:
        raise WrongWalk(f"one real server must take part, and it was {sorted(served) or 'none'}")
    return served.pop()


def _pairs(segments: Sequence[tuple[int, Ether]], cluster: Cluster, real_server: str) -> list[Step]:
    """Every segment that enters the director leaves it, translated and otherwise the same."""
    client, client_mac = cluster.client
    director_mac = cluster.director[1]
    server_mac = cluster.real_servers[real_server]
    inside = (real_server, cluster.real_port)
    # MAC from and to, then IP and port at the server's end, of a frame in and of the same out.
    legs = {
        ("in", TO_SERVER): (client_mac, director_mac, cluster.service),
        ("out", TO_SERVER): (director_mac, server_mac, inside),
        ("in", TO_CLIENT): (server_mac, director_mac, inside),
        ("out", TO_CLIENT): (director_mac, client_mac, cluster.service),
    }
    waiting: list[tuple[int, Ether, str]] = []
    steps: list[Step] = []
    for number, frame in segments:
        direction = TO_SERVER if frame[IP].src == client else TO_CLIENT
        side = "in" if frame.dst == director_mac else "out"
        source, target, end = legs[side, direction]
        ours, theirs = (frame[IP].dst, frame[TCP].dport), (frame[IP].src, frame[TCP].sport)
        server_end, client_end = (ours, theirs) if direction == TO_SERVER else (theirs, ours)
        if (frame.src, frame.dst) != (source, target):
            raise WrongWalk(
                f"frame {number} goes from {frame.src} to {frame.dst}, and should from {source} to "
                f"{target}: {frame.summary()}"
            )
        if server_end != end or client_end[0] != client:
            raise WrongWalk(f"frame {number} should be of {end} and {client}: {frame.summary()}")
        if side == "in":
            waiting.append((number, frame, direction))
            continue
        for index, (entered, original, its_direction) in enumerate(waiting):
            if its_direction == direction and _same(original, frame):
                del waiting[index]
                steps.append(Step(_phases(frame, direction), entered, number))
                break
        else:
            raise WrongWalk(f"frame {number} leaves the director and never entered it")
    if waiting:
        raise WrongWalk(f"frame {waiting[0][0]} enters the director and never leaves it")
    return sorted(steps, key=lambda step: step.entered)


def _same(one: Ether, other: Ether) -> bool:
    """The same segment but for the addresses, one hop further."""
    return (
        one[IP].ttl == other[IP].ttl + 1
        and all(
            getattr(one[TCP], name) == getattr(other[TCP], name)
            for name in ("seq", "ack", "flags", "window", "options")
        )
        and _payload(one) == _payload(other)
    )


def _payload(frame: Ether) -> bytes:
    # Not what pads a short frame to Ethernet's 60 bytes.
    size = frame[IP].len - frame[IP].ihl * 4 - frame[TCP].dataofs * 4
    return bytes(frame[TCP].payload)[:size]


def _phases(frame: Ether, direction: str) -> tuple[str, ...]:
    """What a segment does; data and FIN may share one."""
    flags, payload = frame[TCP].flags, _payload(frame)
    if flags.R:
        raise WrongWalk(f"the connection is reset: {frame.summary()}")
    if flags.S:
        return ("SYN/ACK" if flags.A else "SYN",)
    does: list[str] = []
    if payload.startswith(b"GET ") and direction == TO_SERVER:
        does.append("GET")
    elif payload.startswith(b"HTTP/1.1 200 ") and direction == TO_CLIENT:
        does.append("200 OK")
    elif payload:
        does.append("more")
    if flags.F:
        does.append("FIN")
    return tuple(does) or ("ACK",)


def _in_order(phases: Sequence[str]) -> None:
    """All phases have to occur in their order; acknowledgements may stand between them."""
    position = 0
    for phase in phases:
        if position < len(PHASES) and phase == PHASES[position]:
            position += 1
        elif phase not in ("ACK", "more", PHASES[0], PHASES[1]):
            due = PHASES[position] if position < len(PHASES) else "nothing more"
            raise WrongWalk(f"{phase} comes where {due!r} is due: {', '.join(phases)}")
    if position < len(PHASES):
        raise WrongWalk(f"there is no {PHASES[position]!r} in its place: {', '.join(phases)}")
