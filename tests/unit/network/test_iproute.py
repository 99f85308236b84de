# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What iproute2 6.1 of Debian 12 has printed, as values."""

from __future__ import annotations

import ipaddress
import json

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.errors import MissingPackage, Unavailable
from ansible_collections.lvs.cluster.plugins.module_utils.host.commands import Commands
from ansible_collections.lvs.cluster.plugins.module_utils.network import iproute
from ansible_collections.lvs.cluster.plugins.module_utils.network.address import Address
from ansible_collections.lvs.cluster.plugins.module_utils.network.iproute import IpRoute
from ansible_collections.lvs.cluster.plugins.module_utils.network.model import (
    MAIN,
    Link,
    NextHop,
    Route,
    Rule,
)

LINKS = [
    {
        "ifname": "lo",
        "flags": ["LOOPBACK", "UP", "LOWER_UP"],
        "mtu": 65536,
        "link_type": "[772]",
        "address": "00:00:00:00:00:00",
        "addr_info": [
            {
                "family": "inet",
                "local": "198.51.100.10",
                "prefixlen": 32,
                "scope": "254",
                "preferred_life_time": 4294967295,
            },
            {
                "family": "inet6",
                "local": "2001:db8::10",
                "prefixlen": 128,
                "scope": "0",
                "nodad": True,
                "deprecated": True,
                "preferred_life_time": 0,
            },
        ],
    },
    {
        "ifname": "eth1",
        "flags": ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"],
        "mtu": 1500,
        "link_type": "[1]",
        "address": "52:54:00:4c:01:01",
        "addr_info": [
            {"family": "inet", "local": "10.99.0.1", "prefixlen": 24, "scope": "0"},
            {
                "family": "inet6",
                "local": "fe80::1",
                "prefixlen": 64,
                "scope": "253",
                "preferred_life_time": 4294967295,
            },
        ],
    },
    {
        "ifname": "tunl0",
        "flags": ["NOARP"],
        "mtu": 1480,
        "link_type": "[768]",
        "address": "0.0.0.0",
        "linkinfo": {"info_kind": "ipip", "info_data": {"remote": "any", "local": "any"}},
        "addr_info": [],
    },
    {
        "ifname": "lvs-6g",
        "flags": ["NOARP"],
        "mtu": 1448,
        "link_type": "[823]",
        "address": "fd99::1",
        "linkinfo": {"info_kind": "ip6gre", "info_data": {"remote": "any", "local": "fd99::1"}},
        "addr_info": [],
    },
]
ROUTES = [
    {"dst": "default", "gateway": "10.96.0.9", "dev": "eth1", "flags": []},
    {
        "dst": "default",
        "gateway": "10.77.0.9",
        "dev": "eth1",
        "table": "1705",
        "protocol": "70",
        "metric": 7,
        "prefsrc": "10.96.0.7",
        "flags": ["onlink"],
    },
    {
        "dst": "default",
        "table": "1706",
        "protocol": "70",
        "flags": [],
        "nexthops": [{"gateway": "10.96.0.9", "dev": "eth1", "weight": 1, "flags": []}],
    },
    {"dst": "default", "via": {"family": "inet6", "host": "fe80::5"}, "dev": "eth1", "flags": []},
    {"type": "7", "dst": "default", "table": "1709", "flags": []},
    {"dst": "10.99.0.0/24", "dev": "eth1", "protocol": "2", "scope": "253", "flags": []},
    {"dst": "192.0.2.1", "gateway": "10.96.0.9", "dev": "eth1", "flags": []},
    {"dst": "10.98.0.0/24", "dev": "eth1", "table": "1705", "flags": []},
    {"type": "2", "dst": "10.99.0.1", "dev": "eth1", "table": "255", "flags": []},
]
RULES = [
    {"priority": 0, "src": "all", "table": "255"},
    {"priority": 17040, "src": "all", "dst": "10.20.0.0", "dstlen": 16, "table": "1704"},
    {"priority": 17041, "src": "10.96.0.7", "table": "254", "suppress_prefixlen": 0},
    {"priority": 17042, "src": "10.96.0.0", "srclen": 24, "dst": "10.20.3.4", "table": "1704"},
    {"priority": 17043, "src": "10.96.0.7", "table": "254", "suppress_prefixlen": 8},
    {"priority": 17044, "src": "10.96.0.7", "action": "7"},
]
PRINTED = {
    "-details address show": LINKS,
    "-4 route show table all": ROUTES,
    "-4 rule": RULES,
    "route get 10.99.0.9": [{"dst": "10.99.0.9", "dev": "eth1", "prefsrc": "10.99.0.1"}],
    "route get 192.0.2.9 from 10.99.0.1": [
        {"dst": "192.0.2.9", "gateway": "10.99.0.254", "dev": "eth1"}
    ],
    "route get 10.99.0.1": [{"type": "2", "dst": "10.99.0.1", "dev": "lo", "prefsrc": "10.99.0.1"}],
}


class Host:
    """Prints what was printed, and counts how often it was asked."""

    def __init__(self):
        self.asked = []
        self.ip = IpRoute(Commands(self.run))

    def run(self, words, **_options):
        assert words[1:3] == ["-json", "-N"]
        question = " ".join(words[3:])
        self.asked.append(question)
        if question not in PRINTED:
            return 2, "", "RTNETLINK answers: Network is unreachable"
        return 0, json.dumps(PRINTED[question]), ""


@pytest.fixture(name="host")
def _host(monkeypatch):
    monkeypatch.setattr(Commands, "find", staticmethod(lambda name: f"/sbin/{name}"))
    return Host()


def test_links_and_addresses_by_one_command(host):
    assert host.ip.links() == {
        "lo": Link("lo", 65536, True),
        "eth1": Link("eth1", 1500, True, "52:54:00:4c:01:01"),
        "tunl0": Link("tunl0", 1480, False, "", "ipip"),
        "lvs-6g": Link("lvs-6g", 1448, False, "", "ip6gre", "fd99::1"),
    }
    found = host.ip.addresses()
    assert found == [
        Address("198.51.100.10", 32, "lo", "host"),
        Address("2001:db8::10", 128, "lo", passive=True),
        Address("10.99.0.1", 24, "eth1"),
        Address("fe80::1", 64, "eth1"),
    ]
    assert [each.nodad for each in found] == [False, True, False, False]
    assert host.asked == ["-details address show"]
    host.ip.forget()
    assert len(host.ip.addresses()) == 4
    assert len(host.asked) == 2


def test_routes_and_rules(host):
    found = host.ip.routing(["ipv4"])
    assert found.routes == (
        Route("ipv4", "10.96.0.9", "eth1", protocol=3),
        Route("ipv4", "10.77.0.9", "eth1", 1705, 7, source="10.96.0.7", onlink=True),
        Route("ipv4", "", "", 1706),
        Route("ipv4", "", "", protocol=3),
    )
    assert found.specific == (
        Route("ipv4", "", "eth1", protocol=2, destination="10.99.0.0/24"),
        Route("ipv4", "10.96.0.9", "eth1", protocol=3, destination="192.0.2.1"),
    )
    assert found.networks == [
        ipaddress.ip_network("10.99.0.0/24"),
        ipaddress.ip_network("192.0.2.1/32"),
    ]
    assert found.rules == (
        Rule("ipv4", 0, 255),
        Rule("ipv4", 17040, 1704, destination="10.20.0.0/16"),
        Rule("ipv4", 17041, MAIN, "10.96.0.7", no_default=True),
        Rule("ipv4", 17042, 1704, "10.96.0.0/24", "10.20.3.4/32"),
        Rule("ipv4", 17043, MAIN, "10.96.0.7"),
    )
    host.ip.routing(["ipv4"])
    assert host.asked == ["-4 route show table all", "-4 rule"]


def test_how_packets_leave(host):
    assert host.ip.next_hop("10.99.0.9") == NextHop("", "eth1")
    assert host.ip.next_hop("192.0.2.9", "10.99.0.1") == NextHop("10.99.0.254", "eth1")
    assert host.ip.next_hop("10.99.0.1") is None
    assert host.ip.next_hop("203.0.113.1") is None
    assert host.ip.source_to("10.99.0.9") == "10.99.0.1"
    assert host.ip.source_to("203.0.113.1") == ""


def test_what_fails_is_told(host, monkeypatch):
    with pytest.raises(Unavailable, match=r"'ip -6 route show table all' failed .*unreachable"):
        host.ip.routing(["ipv6"])
    monkeypatch.setitem(PRINTED, "-details address show", [{}])
    assert host.ip.links() == {}
    host.ip.forget()
    monkeypatch.setattr(iproute.json, "loads", lambda _text: json.JSONDecoder().decode("port"))
    with pytest.raises(Unavailable, match="prints no JSON on this host; it needs iproute2"):
        host.ip.links()
    monkeypatch.setattr(Commands, "find", staticmethod(lambda _name: None))
    with pytest.raises(MissingPackage, match="lacks the package iproute2"):
        host.ip.links()
