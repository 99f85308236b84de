# SPDX-License-Identifier: GPL-3.0-or-later
"""Captures."""

from __future__ import annotations

import struct

from lab.capture import Capture, complete_records, set_aside

HEADER = struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65536, 1)


def record(payload: bytes) -> bytes:
    return struct.pack("=IIII", 1, 2, len(payload), len(payload)) + payload


def test_a_capture_has_the_header_and_what_came_since(tmp_path):
    path = tmp_path / "x.pcap"
    path.write_bytes(HEADER + record(b"before"))
    capture = Capture(path)
    assert capture.read() == HEADER
    with path.open("ab") as file:
        file.write(record(b"after"))
    assert capture.read() == HEADER + record(b"after")
    assert capture.read() == HEADER + record(b"after")


def test_a_capture_from_the_start(tmp_path):
    path = tmp_path / "x.pcap"
    path.write_bytes(HEADER + record(b"before"))
    assert Capture(path, 0).read() == path.read_bytes()


def test_a_packet_being_written_is_left_out():
    whole = record(b"one") + record(b"two")
    for cut in range(1, len(record(b"two"))):
        assert complete_records(whole[:-cut]) == record(b"one")


def test_following_gives_every_packet_once(tmp_path):
    path = tmp_path / "x.pcap"
    path.write_bytes(HEADER)
    capture = Capture(path)
    assert capture.header() == HEADER
    with path.open("ab") as file:
        file.write(record(b"one") + record(b"two")[:-1])
    assert capture.read_on() == record(b"one")
    with path.open("ab") as file:
        file.write(record(b"two")[-1:])
    assert capture.read_on() == record(b"two")
    assert capture.read_on() == b""


def test_a_capture_goes_on_where_its_machine_boots(tmp_path):
    path = tmp_path / "x.pcap"
    path.write_bytes(HEADER + record(b"before"))
    whole, capture, following = Capture(path, 0), Capture(path), Capture(path)
    for name in (b"one", b"two"):
        with path.open("ab") as file:
            file.write(record(b"last before " + name) + record(b"cut")[:-1])
        set_aside(path)
        # It may take several attempts; meanwhile nothing is there twice.
        assert Capture(path, 0).read().count(b"last before " + name) == 1
        set_aside(path)
        path.write_bytes(HEADER + record(b"first after " + name))
    records = [
        record(when + name)
        for name in (b"one", b"two")
        for when in (b"last before ", b"first after ")
    ]
    assert capture.read() == HEADER + b"".join(records)
    assert whole.read() == HEADER + record(b"before") + b"".join(records)
    assert following.read_on() == b"".join(records)
    assert following.read_on() == b""
    assert Capture(path).read() == HEADER


def test_where_nothing_was_recorded_nothing_is_kept(tmp_path):
    set_aside(tmp_path / "missing.pcap")
    (tmp_path / "empty.pcap").touch()
    set_aside(tmp_path / "empty.pcap")
    assert [path.name for path in tmp_path.iterdir()] == ["empty.pcap"]
