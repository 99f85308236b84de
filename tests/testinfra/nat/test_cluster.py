# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time

from scapy.layers.inet import ICMP, IP

from tests.testinfra.foreign import saved_firewall, saved_table
from tests.wire.pcap import frames

VIP = "170.210.122.104"
INSIDE = "192.168.0.0/25"


def fetch(client):
    return client.check_output(f"curl --silent --fail --max-time 10 http://{VIP}/")


def test_the_table_is_the_description(director):
    assert saved_table(director) == [
        f"-A -t {VIP}:80 -s rr",
        f"-a -t {VIP}:80 -r 192.168.0.107:80 -m -w 1",
        f"-a -t {VIP}:80 -r 192.168.0.108:80 -m -w 1",
    ]


def test_requests_are_served_in_turn(client):
    answers = [fetch(client) for _time in range(4)]
    assert answers in (["rs1", "rs2"] * 2, ["rs2", "rs1"] * 2)


def test_both_real_servers_have_worked(director, client):
    def connections():
        time.sleep(3)  # the kernel adds its counters up every two seconds
        lines = director.check_output("ipvsadm -Ln --stats --exact").splitlines()
        return [
            int(line.split()[2]) for line in lines if line.strip().startswith("-> 192.168.0.10")
        ]

    before = connections()
    for _time in range(4):
        fetch(client)
    assert [after - then for after, then in zip(connections(), before, strict=True)] == [2, 2]


def test_the_director_forwards_and_sends_no_redirects(director):
    for setting, value in (
        ("ip_forward", 1),
        ("conf.all.send_redirects", 0),
        ("conf.eth1.send_redirects", 0),
    ):
        assert director.sysctl(f"net.ipv4.{setting}") == value


def test_the_firewall_has_our_rules_once(director):
    comment = '-m comment --comment "lvs.cluster"'
    assert sorted(saved_firewall(director)) == [
        f"-A FORWARD -s {INSIDE} {comment} -j ACCEPT",
        f"-A POSTROUTING -s {INSIDE} {comment} -j MASQUERADE",
    ]


def test_the_real_servers_reach_out_masqueraded(machine, lab):
    """To the client, which has no way to their network, they come from the director."""
    capture = lab.capture("client")
    machine("rs1").check_output("ping -c 1 -W 5 170.210.122.101")
    pings = [frame for frame in frames(capture.read()) if ICMP in frame]
    assert {frame[IP].src for frame in pings if frame[ICMP].type == 8} == {"192.168.0.107", VIP}
