# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import time

from scapy.layers.inet import ICMP, IP

from shared.tests.foreign import saved_firewall, saved_table
from tests.wire.pcap import frames

VIP = "170.210.122.104"
INSIDE = "192.168.0.0/25"


VIP6 = "2001:db8:170::104"
INSIDE6 = "fd00:192:168::/64"


def fetch(client, address=VIP, port=80):
    url = f"http://{address}:{port}/" if ":" not in address else f"http://[{address}]:{port}/"
    return client.check_output(f"curl --silent --fail --max-time 10 {url}")


def test_the_table_is_the_description(director):
    assert saved_table(director) == [
        f"-A -t {VIP}:21 -s rr",
        f"-A -t {VIP}:80 -s rr",
        f"-A -t {VIP}:8080 -s wrr",
        f"-A -t {VIP}:8082 -s rr -p 300",
        f"-A -t [{VIP6}]:8080 -s rr",
        f"-A -u {VIP}:53 -s rr",
        f"-a -t {VIP}:21 -r 192.168.0.107:21 -m -w 1",
        f"-a -t {VIP}:21 -r 192.168.0.108:21 -m -w 1",
        f"-a -t {VIP}:80 -r 192.168.0.107:80 -m -w 1",
        f"-a -t {VIP}:80 -r 192.168.0.108:80 -m -w 1",
        f"-a -t {VIP}:8080 -r 192.168.0.107:80 -m -w 2",
        f"-a -t {VIP}:8080 -r 192.168.0.108:80 -m -w 1",
        f"-a -t {VIP}:8080 -r 192.168.1.109:80 -m -w 1",
        f"-a -t {VIP}:8082 -r 192.168.0.107:80 -m -w 1",
        f"-a -t {VIP}:8082 -r 192.168.0.108:80 -m -w 1",
        f"-a -t [{VIP6}]:8080 -r [fd00:192:168:1::109]:80 -m -w 1",
        f"-a -t [{VIP6}]:8080 -r [fd00:192:168::107]:80 -m -w 1",
        f"-a -t [{VIP6}]:8080 -r [fd00:192:168::108]:80 -m -w 1",
        f"-a -u {VIP}:53 -r 192.168.0.107:53 -m -w 1",
        f"-a -u {VIP}:53 -r 192.168.0.108:53 -m -w 1",
    ]
    assert "1800 60 300" in director.check_output("ipvsadm -L --timeout")


def test_requests_are_served_in_turn(client):
    answers = [fetch(client) for _time in range(4)]
    assert answers in (["rs1", "rs2"] * 2, ["rs2", "rs1"] * 2)


def test_another_port_is_shared_out_by_weight_also_behind_the_router(client):
    answers = [fetch(client, port=8080) for _time in range(8)]
    assert {name: answers.count(name) for name in set(answers)} == {"rs1": 4, "rs2": 2, "rs3": 2}


def test_ipv6_is_served_in_turn(client):
    """Often, and each in its turn: a redirect would lead answers past the director."""
    answers = [fetch(client, VIP6, 8080) for _time in range(9)]
    assert {name: answers.count(name) for name in set(answers)} == dict.fromkeys(
        ("rs1", "rs2", "rs3"), 3
    )


def test_both_real_servers_have_worked(director, client):
    def connections():
        time.sleep(3)  # the kernel adds its counters up every two seconds
        lines = director.check_output("ipvsadm -Ln --stats --exact").splitlines()
        of_web = lines[lines.index(next(line for line in lines if f"{VIP}:80 " in line)) + 1 :][:2]
        return [int(line.split()[2]) for line in of_web]

    before = connections()
    for _time in range(4):
        fetch(client)
    assert [after - then for after, then in zip(connections(), before, strict=True)] == [2, 2]


def test_the_director_forwards_and_sends_no_redirects(director):
    for setting, value in (
        ("ipv4.ip_forward", 1),
        ("ipv6.conf.all.forwarding", 1),
        ("ipv4.conf.all.send_redirects", 0),
        ("ipv4.conf.eth1.send_redirects", 0),
        ("ipv4.vs.expire_nodest_conn", 1),
    ):
        assert director.sysctl(f"net.{setting}") == value


def test_the_firewall_has_our_rules_once(director):
    comment = '-m comment --comment "lvs.cluster:cluster-default"'
    rules = saved_firewall(director)
    assert len(rules) == len(set(rules))
    assert f"-A FORWARD {comment} -j LVS-FWD-cluster-default" in rules
    assert f"-A LVS-FWD-cluster-default -s {INSIDE} {comment} -j ACCEPT" in rules
    assert f"-A LVS-POST-cluster-default -s {INSIDE} {comment} -j MASQUERADE" in rules
    assert all("lvs.cluster:cluster-default" in rule for rule in rules)


def test_answers_go_back_through_the_director(machine):
    """By policy, by default route, and by way of the router; and so they do over IPv6."""
    for name, own, own6, gateway, gateway6 in (
        ("rs1", "192.168.0.107", "fd00:192:168::107", "192.168.0.104", "fd00:192:168::104"),
        ("rs2", "192.168.0.108", "fd00:192:168::108", "192.168.0.104", "fd00:192:168::104"),
        ("rs3", "192.168.1.109", "fd00:192:168:1::109", "192.168.1.1", "fd00:192:168:1::1"),
    ):
        for client, source, expected in (
            ("170.210.122.101", own, gateway),
            ("2001:db8:170::101", own6, gateway6),
        ):
            command = f"ip -json route get {client} from {source}"
            assert json.loads(machine(name).check_output(command))[0]["gateway"] == expected
    assert machine("rs1").check_output("ip -4 rule").count("lookup 1704") == 1
    assert "1704" not in machine("rs2").check_output("ip -4 rule")


def test_the_real_servers_reach_out_masqueraded(machine, lab):
    """To the client, which has no way to their network, they come from the director."""
    capture = lab.capture("client")
    machine("rs1").check_output("ping -c 1 -W 5 170.210.122.101")
    pings = [frame for frame in frames(capture.read()) if ICMP in frame]
    assert {frame[IP].src for frame in pings if frame[ICMP].type == 8} == {"192.168.0.107", VIP}
