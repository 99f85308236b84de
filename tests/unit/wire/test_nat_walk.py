# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The judge of the packet walk must see every way in which a walk can be wrong."""

from __future__ import annotations

import pytest
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.l2 import ARP, Ether

from tests.wire.nat_walk import Cluster, WrongWalk, follow

CLIENT, VIP, INSIDE = "170.210.122.101", "170.210.122.104", "192.168.0.104"
ONE, TWO = "192.168.0.107", "192.168.0.108"
MAC = {name: f"52:54:00:00:00:0{n}" for n, name in enumerate((CLIENT, VIP, ONE, TWO), 1)}
ALL = "ff:ff:ff:ff:ff:ff"
CLUSTER = Cluster(
    client=(CLIENT, MAC[CLIENT]),
    director=(INSIDE, MAC[VIP]),
    real_servers={ONE: MAC[ONE], TWO: MAC[TWO]},
    service=(VIP, 80),
    real_port=80,
)


def who_has(source, address, target):
    return Ether(src=MAC[source], dst=ALL) / ARP(op=1, hwsrc=MAC[source], psrc=address, pdst=target)


def is_at(source, address):
    return Ether(src=MAC[source], dst=MAC[CLIENT]) / ARP(op=2, hwsrc=MAC[source], psrc=address)


def segment(direction, side, flags, payload=b"", seq=1, ack=1, real=ONE):
    to_server = direction == ">"
    server = VIP if (side == "in") == to_server else real
    macs = {
        (">", "in"): (CLIENT, VIP),
        (">", "out"): (VIP, real),
        ("<", "in"): (real, VIP),
        ("<", "out"): (VIP, CLIENT),
    }[direction, side]
    ends = (CLIENT, server, 40000, 80) if to_server else (server, CLIENT, 80, 40000)
    frame = (
        Ether(src=MAC[macs[0]], dst=MAC[macs[1]])
        / IP(src=ends[0], dst=ends[1], ttl=64 if side == "in" else 63)
        / TCP(sport=ends[2], dport=ends[3], flags=flags, seq=seq, ack=ack)
        / payload
    )
    return Ether(bytes(frame))


def both(direction, flags, payload=b"", **numbers):
    return [segment(direction, side, flags, payload, **numbers) for side in ("in", "out")]


def good_walk():
    ok = b"HTTP/1.1 200 OK\r\n\r\nrs1\n"
    return [
        who_has(CLIENT, CLIENT, VIP),
        is_at(VIP, VIP),
        segment(">", "in", "S"),
        who_has(VIP, INSIDE, ONE),
        is_at(ONE, ONE),
        segment(">", "out", "S"),
        *both("<", "SA"),
        *both(">", "A"),
        *both(">", "PA", b"GET / HTTP/1.0\r\n\r\n"),
        *both("<", "A"),
        *both("<", "PA", ok),
        *both(">", "A", ack=24),
        *both("<", "FA", seq=24),
        *both(">", "FA", ack=25),
        *both("<", "A", seq=25),
    ]


def test_a_good_walk():
    walk = follow(good_walk(), CLUSTER)
    assert walk.real_server == ONE
    assert walk.asked_for_real_server
    assert [step.phases for step in walk.steps] == [
        ("SYN",), ("SYN/ACK",), ("ACK",), ("GET",), ("ACK",),
        ("200 OK",), ("ACK",), ("FIN",), ("FIN",), ("ACK",),
    ]  # fmt: skip


def test_a_real_server_that_was_known_is_not_asked_for():
    frames = good_walk()
    del frames[3:5]
    assert not follow(frames, CLUSTER).asked_for_real_server


def test_an_answer_and_its_end_may_share_a_segment():
    frames = good_walk()
    answer = b"HTTP/1.1 200 OK\r\n\r\n"
    frames[14:20] = [*both("<", "FPA", answer), *both(">", "A", ack=30)]
    assert ("200 OK", "FIN") in [step.phases for step in follow(frames, CLUSTER).steps]


def without(*numbers):
    return lambda frames: [frame for n, frame in enumerate(frames) if n not in numbers]


def edited(number, layer, **values):
    def edit(frames):
        for name, value in values.items():
            setattr(frames[number][layer], name, value)
        return frames

    return edit


def inserted(number, frame):
    return lambda frames: [*frames[:number], frame, *frames[number:]]


REDIRECT = Ether(src=MAC[VIP]) / IP(src=VIP, dst=CLIENT) / ICMP(type=5)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda frames: [], "no TCP"),
        (inserted(9, REDIRECT), "ICMP redirect"),
        (inserted(2, is_at(ONE, VIP)), "answers for the VIP"),
        (inserted(20, is_at(TWO, VIP)), "answers for the VIP"),
        (without(0), "'client asks who has the VIP' is due"),
        (without(1), "'director answers' is due"),
        (edited(3, ARP, psrc=VIP), "asks from"),
        (without(5), "never leaves"),
        (without(2), "never entered"),
        (without(8, 9), "GET comes where 'ACK' is due"),
        (without(10, 11), "'GET' is due"),
        (without(14, 15), "'200 OK' is due"),
        (without(18, 19, 20, 21), "no 'FIN'"),
        (edited(2, Ether, dst=MAC[ONE]), "goes from"),
        (edited(5, Ether, dst=MAC[TWO]), "goes from"),
        (edited(5, Ether, src=MAC[CLIENT]), "goes from"),
        (edited(5, IP, src=INSIDE), "should"),
        (edited(5, IP, dst=VIP), "should be of"),
        (edited(5, TCP, dport=8080), "should be of"),
        (edited(5, TCP, seq=7), "never entered"),
        (edited(5, IP, ttl=64), "never entered"),
        (edited(6, Ether, dst=MAC[CLIENT]), "goes from"),
        (edited(7, IP, src=ONE), "should be of"),
        (edited(15, TCP, sport=8080), "should be of"),
        (edited(14, IP, src=TWO), "one real server"),
        (inserted(12, segment("<", "in", "R")), "never leaves"),
        (lambda frames: frames[:12] + both("<", "R") + frames[12:], "reset"),
    ],
)
def test_a_wrong_walk(spoil, words):
    with pytest.raises(WrongWalk, match=words):
        follow(spoil(good_walk()), CLUSTER)
