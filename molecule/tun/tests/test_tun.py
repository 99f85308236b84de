# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tunnels: what is in which packet, from whom real servers take them, and that large uploads fit."""

from __future__ import annotations

import pytest

from shared.tests.foreign import saved_table
from shared.tests.hands import by_hand
from tests.wire.forwarding import GRE_TUNNEL, GUE, IPIP, Walk, check

CLIENT, DIRECTOR, RS1, RS2 = "10.80.0.5", "10.80.0.1", "10.80.0.11", "10.81.0.12"


def test_the_table_is_the_description(director):
    assert saved_table(director) == [
        "-A -t 10.80.0.100:80 -s rr",
        "-A -t 10.80.0.101:80 -s rr",
        "-A -t 10.80.0.102:80 -s rr",
        f"-a -t 10.80.0.100:80 -r {RS1}:80 -i -w 1 --tun-type ipip",
        f"-a -t 10.80.0.100:80 -r {RS2}:80 -i -w 1 --tun-type ipip",
        f"-a -t 10.80.0.101:80 -r {RS1}:80 -i -w 1 --tun-type gre --tun-nocsum",
        f"-a -t 10.80.0.102:80 -r {RS2}:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum",
    ]


@pytest.mark.parametrize(
    ("vip", "server", "kind", "largest"),
    [
        # Of 1500: outer IP, what the tunnel adds, inner IP, TCP. What each real server announces is for the
        # worst of its tunnels.
        ("10.80.0.101", "rs1", GRE_TUNNEL, 1500 - 20 - 4 - 20 - 20),
        ("10.80.0.102", "rs2", GUE, 1500 - 20 - 12 - 20 - 20),
        ("10.80.0.100", "rs1", IPIP, 1500 - 20 - 4 - 20 - 20),
        ("10.80.0.100", "rs2", IPIP, 1500 - 20 - 12 - 20 - 20),
    ],
)
def test_the_walk(seen, macs, vip, server, kind, largest):
    """The packet inside is the client's; the answer goes past the director, and announces what fits."""
    for _time in range(2):
        answer, frames = seen(vip)
        if answer == server:
            break
    assert answer == server
    # The other segment is behind the router, of which this one sees the hither side.
    address, hop = (RS1, macs["rs1"]) if server == "rs1" else (RS2, macs["router"])
    walk = Walk(
        kind,
        (CLIENT, macs["client"]),
        (DIRECTOR, macs["director"]),
        (address, hop),
        vip,
        gue_port=6080,
    )
    assert check(frames, walk).mss == largest


@pytest.mark.parametrize(("vip", "server"), [("10.80.0.101", "rs1"), ("10.80.0.102", "rs2")])
def test_an_upload_fits_without_any_icmp(upload, vip, server):
    assert upload(vip, server) == "100000"


def test_without_the_lowered_segment_size_it_would_hang(upload, lab):
    """So that the test above is known to be one."""
    with by_hand(lab, "rs2"):
        lab.ssh("rs2", "iptables -t mangle -F LVS-MSS-cluster-default")
        assert upload("10.80.0.102", "rs2") != "100000"


def test_tunnels_of_others_are_dropped(lab, machine):
    """A packet that the client wraps itself for a real server comes to nothing; unwrapped, it would be answered."""
    command = (
        "ip link add spoof type ipip local 10.80.0.5 remote 10.80.0.11 && ip link set spoof up"
    )
    lab.ssh("client", f"{command} && ip route add 10.80.0.100/32 dev spoof src 10.80.0.5")
    try:
        failed = machine("client").run("curl --silent --max-time 3 http://10.80.0.100/")
        assert failed.rc == 28, "somebody has answered"
        with by_hand(lab, "rs1"):
            jump = "-m comment --comment lvs.cluster:cluster-default -j LVS-DECAP-cluster-default"
            lab.ssh("rs1", f"iptables -D INPUT {jump}")
            answered = machine("client").run("curl --silent --max-time 5 http://10.80.0.100/")
            assert answered.stdout.strip() == "rs1"
    finally:
        lab.ssh("client", "ip link del spoof")


def test_the_strict_reverse_path_is_loosened_on_the_tunnel_only(machine):
    """rs1 began with rp_filter=1 everywhere: see molecule/shared/prepare.yml."""
    host = machine("rs1")
    assert host.sysctl("net.ipv4.conf.all.rp_filter") == 1
    assert host.sysctl("net.ipv4.conf.eth1.rp_filter") == 1
    for device in ("lvs-ipip", "lvs-gre"):
        assert host.sysctl(f"net.ipv4.conf.{device}.rp_filter") == 2
