# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Marks on a director and the tunnel filter of a real server, as iptables-save shows them, with both backends."""

from __future__ import annotations

import subprocess

import pytest

from tests.kernel.harness import VIP, ModuleFailed, four_steps, our_files, run_module, sh
from tests.kernel.network import Conversation
from tests.kernel.test_iptables_masq import (
    BOTH_BACKENDS,
    FOREIGN,
    firewall,
    flush,
    ours,
    use,
)

MARKS = {
    "marks": [
        {"fwmark": 10, "match": [{"address": VIP, "ports": ["443", "80", "8000-8080"]}]},
        {
            "fwmark": 4294967295,
            "match": [{"address": "2001:db8::10", "protocol": "udp", "ports": ["53"]}],
        },
    ]
}
TUNNELS = [{"type": kind} for kind in ("ipip", "sit", "ip6tnl", "gre", "ip6gre")]
DECAP = {
    "directors": ["10.98.0.254", "fd98::/64"],
    "tunnels": [
        *TUNNELS,
        {"type": "gue", "port": 6080},
        {"type": "gue", "port": 6080, "family": "ipv6"},
    ],
    "addresses": [VIP, "2001:db8::10"],
    "local": ["10.99.0.1"],
}


@pytest.fixture(autouse=True)
def backend(request):
    chosen = getattr(request, "param", "nft")
    use(chosen)
    for command, words in FOREIGN:
        sh(command, *words.split())
    yield chosen
    flush()
    for command in ("iptables", "ip6tables"):
        for word in ("-F", "-X"):
            sh(command, "-t", "mangle", word)
    use("nft")


@BOTH_BACKENDS
@pytest.mark.parametrize(
    ("module", "params", "count"), [("iptables_mark", MARKS, 4), ("iptables_decap", DECAP, 22)]
)
def test_rules_beside_those_of_others_and_away_again(module, params, count):
    before = firewall()
    four_steps(module, look=firewall, **params)
    assert len(ours()) == count
    after = firewall()
    for command in ("iptables", "ip6tables"):
        for table in ("mangle", "filter"):
            for hook in ("INPUT", "OUTPUT", "PREROUTING"):
                for word in (("-F", hook),) if (table, hook) != ("filter", "PREROUTING") else ():
                    if not (command == "ip6tables" and table == "filter"):
                        sh(command, "-t", table, *word)
    for _time in range(2):
        sh("/etc/lvs.cluster/restore")
        assert firewall() == after
    four_steps(module, look=firewall, state="absent")
    assert firewall() == before
    assert our_files() == {}


@pytest.mark.parametrize(
    ("module", "params"),
    [
        (
            "iptables_mark",
            {
                "marks": [
                    {
                        "fwmark": 10,
                        "match": [{"address": "0.0.0.0/0", "ports": 80, "protocol": "TCP"}],
                    },
                    {"fwmark": 11, "match": [{"address": "::/0", "ports": ["20-21"]}]},
                ]
            },
        ),
        ("iptables_decap", {**DECAP, "directors": ["0.0.0.0/0", "::/0"]}),
    ],
)
def test_any_network_is_no_change_at_every_run(module, params):
    """iptables-save omits it; four_steps sees whether a second run changes anything."""
    before = firewall()
    four_steps(module, look=firewall, **params)
    four_steps(module, look=firewall, state="absent")
    assert firewall() == before


def test_a_tunnel_of_the_administrator_survives(network):
    """Another one of the same type, to another address of this host."""
    inside = ("ip", "netns", "exec", "client")
    for where, local, remote, address in (
        ((), "10.98.0.254", "10.98.0.1", "10.96.0.1/30"),
        (inside, "10.98.0.1", "10.98.0.254", "10.96.0.2/30"),
    ):
        ends = ("local", local, "remote", remote)
        sh(*where, "ip", "link", "add", "admins", "type", "gre", *ends)
        sh(*where, "ip", "address", "add", address, "dev", "admins")
        sh(*where, "ip", "link", "set", "admins", "up")
    ping = (*inside, "ping", "-c", "1", "-W", "1", "10.96.0.1")

    def passes():
        return subprocess.run(ping, capture_output=True, check=False).returncode == 0

    rules = {"directors": ["10.97.0.1"], "addresses": [VIP]}
    try:
        assert passes()
        run_module("iptables_decap", tunnels=[{"type": "gre"}], local=["10.97.0.254"], **rules)
        assert passes()
        ours = [{"type": "gre", "local": "10.98.0.254"}]
        run_module("iptables_decap", tunnels=ours, local=["10.97.0.254"], **rules)
        assert not passes(), "what is for our tunnel's address is dropped"
    finally:
        run_module("iptables_decap", state="absent")
        sh("ip", "link", "del", "admins")
        sh(*inside, "ip", "link", "del", "admins")


def test_two_ports_are_one_service(network):
    """What a client says to one port and to the other is heard by one real server."""
    match = [{"address": VIP, "ports": ["80", "81"]}]
    run_module("iptables_mark", marks=[{"fwmark": 10, "match": match}])
    sh("ipvsadm", "-A", "-f", "10", "-s", "rr", "-p", "60")
    for address in ("10.97.0.1:0", "10.97.0.2:0"):
        sh("ipvsadm", "-a", "-f", "10", "-r", address, "-m")
    for name in ("rs1", "rs2"):
        for port in ("80", "81"):
            to = ("-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", port)
            sh("ip", "netns", "exec", name, "iptables", *to, "-j", "REDIRECT", "--to-port", "8080")
    answers = []
    for port in (80, 81, 80, 81):
        with Conversation(port=port) as peer:
            answers.append(peer.say("hello")[0])
    assert len(set(answers)) == 1, answers
    assert answers[0] in ("rs1", "rs2")
    run_module("iptables_mark", state="absent")
    with Conversation(port=80) as peer:
        assert peer.say("hello")[:1] == ["failed"]


@pytest.mark.parametrize(
    ("module", "params", "words"),
    [
        ("iptables_mark", {"marks": [{"fwmark": 0, "match": []}]}, "fwmark=0"),
        ("iptables_mark", {"marks": [{"fwmark": 1, "match": [{"address": "x"}]}]}, "match='x'"),
        ("iptables_decap", {**DECAP, "tunnels": [{"type": "gue"}]}, "port=0: is not a UDP port"),
        ("iptables_decap", {**DECAP, "local": ["192.0.2.9"]}, "holds no address of this host"),
        ("iptables_decap", {**DECAP, "mtu": 100}, "mtu=100: is out of range"),
        ("iptables_decap", {**DECAP, "directors": ["x"]}, "directors='x': is not a network"),
    ],
)
def test_refused(module, params, words):
    before = firewall()
    with pytest.raises(ModuleFailed, match=words):
        run_module(module, **params)
    assert (firewall(), our_files()) == (before, {})
