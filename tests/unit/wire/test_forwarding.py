# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The check of a walk by direct routing or a tunnel, with right frames and with wrong ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

scapy = pytest.importorskip("scapy.all", reason="scapy is for the newer Pythons only")

from tests.wire.forwarding import (  # noqa: E402
    DIRECT,
    GRE_TUNNEL,
    GUE,
    IPIP,
    Seen,
    Walk,
    WrongWalk,
    check,
)

CLIENT, DIRECTOR, SERVER = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"
FOUR = Walk(
    DIRECT, ("192.0.2.5", CLIENT), ("192.0.2.1", DIRECTOR), ("192.0.2.7", SERVER), "192.0.2.100"
)
SIX = Walk(DIRECT, ("fd00::5", CLIENT), ("fd00::1", DIRECTOR), ("fd00::7", SERVER), "fd00::100")


def wrapped(walk, packet):
    ip = scapy.IPv6 if ":" in walk.vip else scapy.IP
    outer = ip(src=walk.director[0], dst=walk.real_server[0])
    if walk.kind == DIRECT:
        return packet
    if walk.kind == IPIP:
        return outer / packet
    if walk.kind == GRE_TUNNEL:
        return outer / scapy.GRE() / packet
    header = bytes([0, 41 if ":" in walk.vip else 4, 0, 0])
    return outer / scapy.UDP(sport=9, dport=walk.gue_port) / scapy.Raw(header + bytes(packet))


def conversation(walk):
    ip = scapy.IPv6 if ":" in walk.vip else scapy.IP

    def to(flags, data=b"", hops=64):
        layer = ip(src=walk.client[0], dst=walk.vip)
        layer.hlim = layer.ttl = hops
        return layer / scapy.TCP(sport=1024, dport=80, flags=flags, seq=len(data)) / data

    def back(flags, options=()):
        tcp = scapy.TCP(sport=80, dport=1024, flags=flags, options=list(options))
        return ip(src=walk.vip, dst=walk.client[0]) / tcp

    frames = []
    for flags, data in (("S", b""), ("A", b""), ("PA", b"GET / HTTP/1.0\r\n\r\n")):
        frames.append(scapy.Ether(src=CLIENT, dst=DIRECTOR) / to(flags, data))
        passed = wrapped(walk, to(flags, data, 63))
        frames.append(scapy.Ether(src=DIRECTOR, dst=SERVER) / passed)
    frames.append(scapy.Ether(src=SERVER, dst=CLIENT) / back("SA", [("MSS", 1440)]))
    frames.append(scapy.Ether(src=SERVER, dst=CLIENT) / back("PA"))
    return [scapy.Ether(bytes(frame).ljust(60, b"\0")) for frame in frames]


WALKS = [
    replace(walk, kind=kind, gue_port=6080)
    for walk in (FOUR, SIX)
    for kind in (DIRECT, IPIP, GRE_TUNNEL, GUE)
]


@pytest.mark.parametrize("walk", WALKS)
def test_a_right_walk(walk):
    assert check(conversation(walk), walk) == Seen(3, 2, 1440)


def changed(frames, number, **fields):
    """One frame with other fields: mac_src and so on of Ethernet, the others of TCP."""
    frame = frames[number].copy()
    for name, value in fields.items():
        if name.startswith("mac_"):
            setattr(frame, name[4:], value)
        else:
            setattr(frame[scapy.TCP], name, value)
    return [*frames[:number], frame, *frames[number + 1 :]]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (
            lambda frames: changed(frames, 6, mac_src=DIRECTOR),
            "a reply goes from 02:00:00:00:00:02",
        ),
        (lambda frames: changed(frames, 7, mac_dst=DIRECTOR), "to 02:00:00:00:00:02"),
        (lambda frames: changed(frames, 1, mac_dst=CLIENT), "and then to 02:00:00:00:00:01"),
        (lambda frames: changed(frames, 5, seq=99), "is not what it was"),
        (lambda frames: changed(frames, 3, sport=99), "is not what it was"),
        (lambda frames: frames[:5] + frames[6:], "has sent 3 segments, the director 2"),
        (lambda frames: frames[:6], "3 requests and 0 replies"),
        (lambda frames: frames[:6] + frames[7:], "0 SYN/ACKs"),
    ],
)
def test_wrong_walks(wrong, words):
    with pytest.raises(WrongWalk, match=words):
        check(wrong(conversation(FOUR)), FOUR)


@pytest.mark.parametrize("other", [DIRECT, GRE_TUNNEL, GUE])
def test_another_kind_of_way(other):
    tunnel = replace(FOUR, kind=IPIP)
    with pytest.raises(WrongWalk, match="the director 0"):
        check(conversation(replace(FOUR, kind=other, gue_port=6080)), tunnel)
