# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests from a vantage host to services, with real clients and real servers in namespaces."""

from __future__ import annotations

import time

import pytest

from tests.kernel.children import apart
from tests.kernel.harness import VIP, ModuleFailed, run_module, sh


def requests(*given, namespace="client", **params):
    found = apart(lambda: run_module("lvs_request_info", requests=list(given), **params), namespace)
    assert not found["changed"]
    assert [each["name"] for each in found["requests"]] == [each["name"] for each in given]
    return {each["name"]: each for each in found["requests"]}


def test_requests(network):
    sh("ipvsadm", "-A", "-t", f"{VIP}:80", "-s", "rr")
    sh("ipvsadm", "-a", "-t", f"{VIP}:80", "-r", "10.97.0.1:8080", "-m")
    sh("iptables", "-A", "INPUT", "-p", "tcp", "--dport", "82", "-j", "DROP")
    sh("iptables", "-A", "INPUT", "-p", "udp", "--dport", "82", "-j", "DROP")
    try:
        found = requests(
            {"name": "good", "command": "true"},
            {"name": "web", "address": VIP, "port": 80},
            {"name": "closed", "address": VIP, "port": 81},
            {"name": "silent", "address": VIP, "port": 82},
            {"name": "udp", "address": VIP, "port": 81, "protocol": "udp"},
            {"name": "silent udp", "address": VIP, "port": 82, "protocol": "udp"},
            {"name": "bad", "command": "sh -c 'echo no >&2; exit 3'"},
            timeout=1,
        )
    finally:
        sh("iptables", "-D", "INPUT", "-p", "tcp", "--dport", "82", "-j", "DROP")
        sh("iptables", "-D", "INPUT", "-p", "udp", "--dport", "82", "-j", "DROP")
    assert {name: (each["ok"], each["problem"]) for name, each in found.items()} == {
        "web": (True, ""),
        "closed": (False, "Connection refused"),
        "silent": (False, "no answer within 1 seconds"),
        "udp": (False, "Connection refused"),
        "silent udp": (True, ""),
        "good": (True, ""),
        "bad": (False, "no"),
    }
    assert found["web"]["to"] == f"tcp {VIP}:80"
    assert {name for name, each in found.items() if not each["answered"]} == {
        "silent",
        "silent udp",
    }
    with pytest.raises(ModuleFailed, match="request web: port=None: is not a port"):
        requests({"name": "web", "address": VIP})


def test_a_command_that_hangs_or_is_missing_hides_no_other_result(network):
    """What a command that hangs has started ends with it, and what one leaves behind is not waited for."""
    began = time.monotonic()
    found = requests(
        {"name": "hangs", "command": "sh -c 'sleep 4242; true'"},
        {"name": "leaves", "command": "sh -c 'sleep 4 & exit 0'"},
        {"name": "missing", "command": "no-such-command"},
        {"name": "torn", "command": "sh -c 'exit"},
        {"name": "empty", "command": ""},
        {"name": "killed", "command": "sh -c 'kill -9 $$'"},
        {"name": "wordless", "command": "false"},
        {"name": "good", "command": "true"},
        timeout=1,
    )
    assert time.monotonic() - began < 4
    assert {name: each["problem"] for name, each in found.items()} == {
        "hangs": "did not end within 1 seconds",
        "leaves": "",
        "missing": "there is no command no-such-command on this host",
        "torn": "the command can't be split into words: No closing quotation",
        "empty": "the command is empty",
        "killed": "ended by signal 9",
        "wordless": "exit code 1",
        "good": "",
    }
    assert not sh("pgrep", "-f", "sleep 4242", check=False)


def test_the_hosts_own_address_tells_nothing_of_a_service(network):
    """The director, which holds the address, must not be the one that asks."""
    sh("ipvsadm", "-A", "-t", f"{VIP}:80", "-s", "rr")
    sh("ipvsadm", "-a", "-t", f"{VIP}:80", "-r", "10.97.0.1:8080", "-m")
    found = requests(
        {"name": "web", "address": VIP, "port": 80},
        {"name": "udp", "address": VIP, "port": 80, "protocol": "udp"},
        namespace=None,
    )
    own = "the address is this host's own; make the request from another host"
    assert {name: each["problem"] for name, each in found.items()} == {"web": own, "udp": own}
