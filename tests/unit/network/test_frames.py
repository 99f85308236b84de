# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Frames as an independent reader, scapy, takes them apart, and as it builds answers."""

from __future__ import annotations

import struct

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.network import frames

scapy = pytest.importorskip("scapy.all", reason="scapy is for the newer Pythons only")
MAC, OTHER = bytes.fromhex("525400000001"), "52:54:00:00:00:02"
VIP, VIP6, OWN6 = "198.51.100.10", "2001:db8::1:2:10", "fe80::7"


def test_gratuitous_arp():
    frame = scapy.Ether(frames.announcement(MAC, VIP))
    arp = frame[scapy.ARP]
    assert (frame.dst, frame.src) == ("ff:ff:ff:ff:ff:ff", "52:54:00:00:00:01")
    assert (arp.op, arp.psrc, arp.pdst, arp.hwsrc) == (1, VIP, VIP, "52:54:00:00:00:01")


def rebuilt(frame):
    """With the checksum that scapy computes."""
    del frame[scapy.IPv6].payload.cksum
    return bytes(scapy.Ether(bytes(frame)))


def test_unsolicited_advertisement():
    data = frames.announcement(MAC, VIP6)
    frame = scapy.Ether(data)
    told = frame[scapy.ICMPv6ND_NA]
    assert (frame.dst, frame[scapy.IPv6].dst) == ("33:33:00:00:00:01", "ff02::1")
    assert (frame[scapy.IPv6].src, frame[scapy.IPv6].hlim) == (VIP6, 255)
    assert (told.tgt, told.R, told.S, told.O) == (VIP6, 0, 0, 1)
    assert frame[scapy.ICMPv6NDOptDstLLAddr].lladdr == "52:54:00:00:00:01"
    assert rebuilt(frame) == data


def test_questions():
    arp = scapy.Ether(frames.question(MAC, VIP))[scapy.ARP]
    assert (arp.op, arp.psrc, arp.pdst) == (1, "0.0.0.0", VIP)
    data = frames.question(MAC, VIP6, OWN6)
    frame = scapy.Ether(data)
    assert (frame.dst, frame[scapy.IPv6].dst) == ("33:33:ff:02:00:10", "ff02::1:ff02:10")
    assert frame[scapy.IPv6].src == OWN6
    assert frame[scapy.ICMPv6ND_NS].tgt == VIP6
    assert frame[scapy.ICMPv6NDOptSrcLLAddr].lladdr == "52:54:00:00:00:01"
    assert rebuilt(frame) == data


def test_answers():
    ether = scapy.Ether(src=OTHER, dst="52:54:00:00:00:01")
    arp = ether / scapy.ARP(op=2, hwsrc=OTHER, psrc=VIP, pdst="0.0.0.0")
    told = ether / scapy.IPv6(src=VIP6, dst=OWN6, hlim=255) / scapy.ICMPv6ND_NA(tgt=VIP6)
    for frame, address in ((arp, VIP), (told, VIP6)):
        found, mac = frames.answer(bytes(frame).ljust(60, b"\0"))
        assert (found, frames.mac_text(mac)) == (address, OTHER)


@pytest.mark.parametrize(
    "frame",
    [b"", b"x" * 60, frames.question(MAC, VIP), frames.question(MAC, VIP6, OWN6)],
)
def test_what_is_no_answer(frame):
    assert frames.answer(frame) is None


@pytest.mark.parametrize("frame", [scapy.ARP(op=2, psrc=VIP), scapy.ARP(op=1, psrc=VIP)])
def test_what_is_cut_off_or_a_question_is_no_answer(frame):
    whole = bytes(scapy.Ether(src=OTHER) / frame)
    assert (frames.answer(whole) is not None) == (frame.op == 2)
    assert frames.answer(whole[:41]) is None
    told = bytes(scapy.Ether(src=OTHER) / scapy.IPv6(src=VIP6) / scapy.ICMPv6ND_NA(tgt=VIP6))
    assert frames.answer(told) is not None
    assert frames.answer(told[:77]) is None
    assert frames.answer(b"x" * 80) is None


def passes(frame):
    """What the kernel would do with the program: a small machine for classic BPF, after its documentation."""
    program = list(struct.iter_unpack("=HBBI", frames.socket_filter()))
    accumulator = position = 0
    while True:
        operation, if_true, if_false, number = program[position]
        position += 1
        if operation == 0x06:
            return number > 0
        size = {0x28: 2, 0x30: 1}.get(operation)
        if size:
            if number + size > len(frame):
                return False
            accumulator = int.from_bytes(frame[number : number + size], "big")
        else:
            true = {0x15: accumulator == number, 0x25: accumulator > number}[operation]
            position += if_true if true else if_false


def test_only_neighbours_pass_the_filter_of_the_socket():
    ether = scapy.Ether(src=OTHER, dst="52:54:00:00:00:01")
    over_ipv6 = ether / scapy.IPv6(src=VIP6, dst=OWN6)
    neighbours = [
        frames.announcement(MAC, VIP),
        frames.announcement(MAC, VIP6),
        frames.question(MAC, VIP),
        frames.question(MAC, VIP6, OWN6),
        ether / scapy.ARP(op=2, hwsrc=OTHER, psrc=VIP),
        over_ipv6 / scapy.ICMPv6ND_NA(tgt=VIP6),
        over_ipv6 / scapy.ICMPv6ND_RS(),
        over_ipv6 / scapy.ICMPv6ND_Redirect(),
    ]
    others = [
        b"",
        ether / scapy.IP() / scapy.UDP(),
        ether / scapy.IP() / scapy.ICMP(),
        over_ipv6 / scapy.UDP(),
        over_ipv6 / scapy.ICMPv6EchoRequest(),
        over_ipv6 / scapy.ICMPv6MLReport2(),
        over_ipv6 / scapy.ICMPv6MLDone(),
        over_ipv6 / scapy.ICMPv6NIQueryNOOP(),
        over_ipv6,
    ]
    assert [passes(bytes(each)) for each in neighbours] == [True] * len(neighbours)
    assert [passes(bytes(each)) for each in others] == [False] * len(others)
