# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import rules
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import (
    RealServerAttributes,
    RealServerKey,
    Service,
    ServiceAttributes,
    ServiceKey,
)

WEB = ServiceKey.at("tcp", "170.210.122.104", 80)
ONE = RealServerKey.at("192.168.0.107", 80)


@pytest.mark.parametrize(
    ("name", "selector"),
    [
        ("tcp 192.0.2.1:80", "-t 192.0.2.1:80"),
        ("udp [2001:db8::1]:53", "-u [2001:db8::1]:53"),
        ("sctp 192.0.2.1:80", "--sctp-service 192.0.2.1:80"),
        ("fwmark 4294967295 ipv4", "-f 4294967295"),
        ("fwmark 1 ipv6", "-f 1 -6"),
    ],
)
def test_selectors(name, selector):
    assert rules.service_selector(ServiceKey.parse(name)) == selector


def test_a_service_with_all_it_can_have():
    attributes = ServiceAttributes(
        "sh",
        "255.255.255.0",
        persistence_timeout=300,
        persistence_engine="sip",
        one_packet=True,
        scheduler_flags=frozenset({"flag-2", "flag-1"}),
    )
    assert rules.service_line(ServiceKey.parse("udp 192.0.2.1:5060"), attributes) == (
        "-A -u 192.0.2.1:5060 -s sh -p 300 -M 255.255.255.0 --pe sip -o -b flag-1,flag-2"
    )


def test_a_full_mask_is_not_written():
    attributes = ServiceAttributes("rr", "255.255.255.255", persistence_timeout=60)
    assert rules.service_line(WEB, attributes) == "-A -t 170.210.122.104:80 -s rr -p 60"


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        (RealServerAttributes(), "-m -w 1"),
        (RealServerAttributes(forwarding="dr", weight=0), "-g -w 0"),
        (RealServerAttributes(upper_threshold=9, lower_threshold=7), "-m -w 1 -x 9 -y 7"),
        (
            RealServerAttributes(
                "tun", tunnel_type="gue", tunnel_port=6080, tunnel_checksum="csum"
            ),
            "-i -w 1 --tun-type gue --tun-port 6080 --tun-csum",
        ),
        (
            RealServerAttributes("tun", tunnel_type="gre"),
            "-i -w 1 --tun-type gre --tun-nocsum",
        ),
        (RealServerAttributes("unknown-7"), "(unknown-7) -w 1"),
    ],
)
def test_real_servers(attributes, words):
    line = rules.real_server_line(WEB, ONE, attributes)
    assert line == f"-a -t 170.210.122.104:80 -r 192.168.0.107:80 {words}"


def test_real_servers_are_sorted_by_number():
    servers = {RealServerKey.at(f"10.0.0.{n}", 80): RealServerAttributes() for n in (10, 9, 100)}
    service = Service(WEB, ServiceAttributes("rr", "255.255.255.255"), servers)
    assert [line.split()[4] for line in rules.service_lines(service)[1:]] == [
        "10.0.0.9:80",
        "10.0.0.10:80",
        "10.0.0.100:80",
    ]
