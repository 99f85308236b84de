# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import struct

import pytest

scapy = pytest.importorskip("scapy.all", reason="scapy is for the newer Pythons only")

from tests.wire.share import Share, share  # noqa: E402

CLIENT, DIRECTOR, SERVER = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"


def capture(*frames):
    found = bytes(24)
    for frame in frames:
        data = bytes(frame).ljust(60, b"\0")
        found += struct.pack("=IIII", 0, 0, len(data), len(data)) + data
    return found


def frame(source, target, towards, data=b"", port=80):
    layer = scapy.IP(src="192.0.2.7", dst=towards) / scapy.TCP(sport=port, dport=1024, flags="A")
    return scapy.Ether(src=source, dst=target) / layer / data


def test_what_passes_the_director_is_counted():
    found = capture(
        frame(SERVER, CLIENT, "192.0.2.5", b"x" * 1000),
        frame(SERVER, DIRECTOR, "192.0.2.5", b"x" * 1000),
        frame(DIRECTOR, CLIENT, "192.0.2.5", b"x" * 1000),
        frame(DIRECTOR, CLIENT, "192.0.2.5"),
        frame(DIRECTOR, SERVER, "192.0.2.100", b"x" * 100),
        frame(DIRECTOR, CLIENT, "192.0.2.5", b"x", port=22),
        scapy.Ether(src=DIRECTOR, dst=CLIENT) / scapy.ARP(),
    )
    assert share(found, DIRECTOR, "192.0.2.5", 80) == Share(1054 * 2 + 60 + 154 + 60 + 60, 2)
