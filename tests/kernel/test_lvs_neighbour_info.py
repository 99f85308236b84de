# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who answers for an address, with real neighbours in namespaces."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.network import wire
from tests.kernel.harness import VIP, run_module, sh


def test_who_answers(network):
    """rs1 keeps an address on its loopback and answers, until arp_ignore is set; of IPv6 it never does."""
    inside = ("ip", "netns", "exec", "rs1")
    sh(*inside, "ip", "address", "add", "198.51.100.77/32", "dev", "lo")
    sh(*inside, "ip", "-6", "address", "add", "2001:db8::77/128", "dev", "lo", "nodad")
    sh(*inside, "ip", "-6", "address", "add", "2001:db8::78/128", "dev", "eth0", "nodad")
    wanted = ["198.51.100.77", "2001:DB8::77", "2001:db8::78", VIP]
    mac = json.loads(sh(*inside, "ip", "-json", "link", "show", "eth0"))[0]["address"]

    def look():
        found = run_module("lvs_neighbour_info", addresses=wanted)
        assert found["held"] == {VIP: ["lo"]}
        assert not found["changed"]
        # A bridge and its port both hear.
        assert {each["interface"] for each in found["answers"]} <= {"inside", "to-rs1"}
        return {(each["address"], each["mac"]) for each in found["answers"]}

    assert look() == {("198.51.100.77", mac), ("2001:db8::78", mac)}
    sh(*inside, "sysctl", "-q", "net.ipv4.conf.all.arp_ignore=1")
    assert look() == {("2001:db8::78", mac)}


def test_nobody_is_asked_about_no_address(network):
    found = run_module("lvs_neighbour_info", addresses=[], seconds=30)
    assert (found["answers"], found["held"]) == ([], {})
    assert "inside" in found["interfaces"]


# Sends one frame (in hexadecimal) over and over.
FLOOD = """
import socket, sys
frame = bytes.fromhex(sys.argv[2])
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
    sender.bind((sys.argv[1], 0))
    print("ready", flush=True)
    while True:
        try:
            sender.send(frame)
        except OSError:
            pass
"""
ETHERNET = "ffffffffffff" + "020000000009"
ARP_REPLY = ETHERNET + "0806" + "0001080006040002" + "020000000009cb007109" + "ffffffffffff00000000"
DATAGRAM = ETHERNET + "0800" + "4500002e0000000040110000" + "cb007109ffffffff" + "00090009001a0000"


@contextlib.contextmanager
def flood(frame):
    """rs1 sends this as fast as it can."""
    command = (
        "ip",
        "netns",
        "exec",
        "rs1",
        sys.executable,
        "-c",
        FLOOD,
        "eth0",
        frame.ljust(120, "0"),
    )
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        try:
            yield
        finally:
            process.kill()


@pytest.mark.parametrize("frame", [ARP_REPLY, DATAGRAM], ids=["arp", "datagrams"])
def test_listening_ends_on_a_busy_segment(network, frame):
    with flood(frame):
        began = time.monotonic()
        run_module("lvs_neighbour_info", addresses=[VIP], interfaces=["to-rs1"], seconds=0.5)
    assert 1.5 <= time.monotonic() - began < 4


def test_only_neighbours_are_listened_to(network):
    """A segment full of datagrams does not keep the answer from being heard."""
    with flood(DATAGRAM):
        found = run_module("lvs_neighbour_info", addresses=["10.97.0.2"], interfaces=["inside"])
        assert [each["address"] for each in found["answers"]] == ["10.97.0.2"]
        with wire._listener("to-rs1") as sock:
            sock.settimeout(0.5)
            with contextlib.suppress(TimeoutError):
                while True:
                    frame = sock.recv(2048)
                    assert frame[12:14] == b"\x08\x06" or (frame[12:14], frame[20]) == (
                        b"\x86\xdd",
                        58,
                    )


def test_another_interface_of_the_host_is_nobody_else(network):
    """Linux answers on any interface for an address that it has on another one."""
    sh("ip", "link", "add", "second", "type", "veth", "peer", "second-port")
    sh("ip", "address", "add", "198.51.100.66/32", "dev", "lo")
    try:
        sh("ip", "link", "set", "second-port", "master", "inside", "up")
        sh("ip", "link", "set", "second", "up")
        found = run_module("lvs_neighbour_info", addresses=["198.51.100.66"], interfaces=["inside"])
        assert found["answers"] == []
    finally:
        sh("ip", "link", "del", "second")
        sh("ip", "address", "del", "198.51.100.66/32", "dev", "lo")
