# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests from a vantage host, and who answers for an address, with real neighbours in namespaces."""

from __future__ import annotations

import json

import pyroute2
import pytest

from tests.kernel.children import apart
from tests.kernel.harness import VIP, ModuleFailed, run_module, sh

# Dear to import: the children have it from here.
LIBRARY = pyroute2


def requests(*given, **params):
    found = apart(lambda: run_module("lvs_request_info", requests=list(given), **params), "client")
    assert not found["changed"]
    return {each["name"]: each for each in found["requests"]}


def test_requests(network):
    sh("ipvsadm", "-A", "-t", f"{VIP}:80", "-s", "rr")
    sh("ipvsadm", "-a", "-t", f"{VIP}:80", "-r", "10.97.0.1:8080", "-m")
    sh("iptables", "-A", "INPUT", "-p", "tcp", "--dport", "82", "-j", "DROP")
    try:
        found = requests(
            {"name": "web", "address": VIP, "port": 80},
            {"name": "closed", "address": VIP, "port": 81},
            {"name": "silent", "address": VIP, "port": 82},
            {"name": "udp", "address": VIP, "port": 81, "protocol": "udp"},
            {"name": "good", "command": "true"},
            {"name": "bad", "command": "sh -c 'echo no >&2; exit 3'"},
            timeout=1,
        )
    finally:
        sh("iptables", "-D", "INPUT", "-p", "tcp", "--dport", "82", "-j", "DROP")
    assert {name: (each["ok"], each["problem"]) for name, each in found.items()} == {
        "web": (True, ""),
        "closed": (False, "Connection refused"),
        "silent": (False, "no answer within 1 seconds"),
        "udp": (False, "Connection refused"),
        "good": (True, ""),
        "bad": (False, "no"),
    }
    assert found["web"]["to"] == f"tcp {VIP} port 80"
    with pytest.raises(ModuleFailed, match="request web: port=None: is no port"):
        requests({"name": "web", "address": VIP})


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
