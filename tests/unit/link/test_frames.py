# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Frames as an independent reader, scapy, takes them apart, and as it builds answers."""

from __future__ import annotations

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.link import frames

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
