# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""On the network of the kernel's own self-test: all three methods, one after another, by our roles."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, TCP

from shared.tests.foreign import saved_table
from shared.tests.playbooks import succeed
from tests.wire.pcap import frames

VIP, PORT, CLIENT = "207.175.44.110", 8080, "10.0.0.2"


# The last is what the scenario began with, and goes on with.
@pytest.mark.parametrize(("method", "letter"), [("nat", "m"), ("tun", "i"), ("dr", "g")])
def test_a_request_is_answered_the_way_it_should_be(
    playbook, method, letter, lab, fetch, director, macs
):
    succeed(playbook("site.yml", variables={"selftest_forwarding": method}))
    lines = saved_table(director)
    assert len(lines) == 2
    assert f" -r 172.16.0.2:{PORT} -{letter} -w 1" in lines[1]
    outside, inside = lab.capture("client"), lab.capture("rs1")
    assert fetch(VIP, PORT) == "rs1"
    mac = lab.ssh("rs1", "cat /sys/class/net/eth2/address").stdout.strip()
    answers = [
        frame
        for frame in frames(outside.read())
        if TCP in frame and (frame[IP].src, frame[IP].dst) == (VIP, CLIENT)
    ]
    # By NAT the director answers; else the real server does, on its own way back.
    assert {frame.src for frame in answers} == {macs["director"] if method == "nat" else mac}
    carried = [frame[IP] for frame in frames(inside.read()) if IP in frame]
    towards = {
        "nat": lambda ip: (ip.src, ip.dst) == (CLIENT, "172.16.0.2") and TCP in ip,
        "dr": lambda ip: (ip.src, ip.dst) == (CLIENT, VIP) and TCP in ip,
        "tun": lambda ip: (ip.src, ip.dst, ip.proto) == ("172.16.0.1", "172.16.0.2", 4),
    }
    assert [ip for ip in carried if towards[method](ip)], (
        f"nothing by {method} on the inner segment"
    )


def test_the_reverse_path_filter_is_loosened_where_requests_come_in(machine):
    """The client's address is not routed towards the segment that its requests come in by."""
    host = machine("rs1")
    assert host.sysctl("net.ipv4.conf.eth1.rp_filter") == 2
    assert host.sysctl("net.ipv4.conf.all.rp_filter") == 1


def test_nothing_is_left_of_the_other_methods(machine):
    host = machine("rs1")
    assert "1704" not in host.check_output("ip -4 rule")
    assert "lvs-" not in host.check_output("ip -brief link")
    assert "LVS-" not in host.check_output("iptables-save")
    director = machine("director")
    assert director.sysctl("net.ipv4.ip_forward") == 0
    assert "LVS-FWD" not in director.check_output("iptables-save")
