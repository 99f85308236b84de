# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import subprocess

import pytest

from tests.kernel.children import events
from tests.kernel.harness import VIP, ModuleFailed, four_steps, our_files, run_module, sh
from tests.kernel.network import Conversation

RULES = {
    "networks": ["10.97.0.0/24", "fd97::/64"],
    "services": [
        {"address": VIP, "port": 80},
        {"address": "2001:db8::1", "port": 0},
        {"fwmark": 7},
    ],
}
FOREIGN = (
    ("iptables", "-A FORWARD -s 203.0.113.0/24 -m comment --comment somebody -j ACCEPT"),
    ("iptables", "-t nat -A POSTROUTING -s 203.0.113.0/24 -j MASQUERADE"),
    ("ip6tables", "-A INPUT -s 2001:db8:9::/64 -j DROP"),
)


def firewall():
    """All rules and chains, and policies that are not to accept, as iptables saves them.

    Without comments and counters; and an empty table is as good as none.
    """
    text = sh("iptables-save") + sh("ip6tables-save")
    lines = [re.sub(r" \[\d+:\d+\]", "", line) for line in text.splitlines()]
    return [line for line in lines if line[0] not in "#*C" and not re.match(r":\S+ ACCEPT$", line)]


def ours():
    return [line for line in firewall() if "LVS-" in line and line.startswith("-A")]


def flush():
    for command in ("iptables", "ip6tables"):
        for table in ("filter", "nat"):
            for word in ("-F", "-X"):
                sh(command, "-t", table, word)
        sh(command, "-P", "FORWARD", "ACCEPT")
        sh(command, "-P", "INPUT", "ACCEPT")


def use(backend):
    for command in ("iptables", "ip6tables"):
        sh("update-alternatives", "--set", command, f"/usr/sbin/{command}-{backend}")


# Most rules are the same by both; so some tests are enough for the other one.
BOTH_BACKENDS = pytest.mark.parametrize(
    "backend", ["nft", pytest.param("legacy", marks=pytest.mark.long)], indirect=True
)


@pytest.fixture
def backend(request):
    chosen = getattr(request, "param", "nft")
    use(chosen)
    # So that the tables are there before.
    flush()
    for command, rule in FOREIGN:
        sh(command, *rule.split())
    yield chosen
    flush()
    use("nft")


def four(**params):
    return four_steps("iptables_masq", look=firewall, **params)


@BOTH_BACKENDS
def test_it_comes_changes_and_goes(backend):
    before = firewall()
    done = four(**RULES)
    assert len(ours()) == 9 + 10, "three or four jumps, and what they lead to"
    assert [line for line in firewall() if line in before] == before
    chains = ["FWD", "IN", "OUT", "POST"]
    assert {(each["verb"], each["family"], each["chain"]) for each in done["operations"]} == {
        ("add", family, f"LVS-{part}-default")
        for family in ("ipv4", "ipv6")
        for part in chains
        if (family, part) != ("ipv4", "OUT")
    }
    done = four(networks=["10.97.0.0/24"], out_interface="eth0", at_boot=False)
    assert any("-s 10.97.0.0/24 -o eth0" in line and "MASQUERADE" in line for line in ours())
    edits = [each for each in done["operations"] if each["chain"] == "LVS-POST-default"]
    assert [(each["verb"], each["text"].count("MASQUERADE")) for each in edits] == [
        ("edit", 2),
        ("edit", 1),
        ("delete", 0),
    ], "the old rule goes when the new one is there"
    assert not [line for line in sh("ip6tables-save").splitlines() if "LVS-" in line]
    four(state="absent")
    assert firewall() == before
    assert our_files() == {}


@BOTH_BACKENDS
def test_the_script_puts_it_back_and_stays_calm(backend):
    four(**RULES)
    after = firewall()
    flush()
    for command, rule in FOREIGN:
        sh(command, *rule.split())
    sh("/etc/lvs.cluster/restore")
    assert sorted(firewall()) == sorted(after)
    # The watcher runs it after such events: it must cause none.
    with events() as heard:
        sh("/etc/lvs.cluster/restore")
    assert (sorted(firewall()), heard) == (sorted(after), [])
    assert not run_module("iptables_masq", **RULES)["changed"]


def test_any_network_is_no_change_at_every_run(backend):
    """iptables-save omits it; four_steps sees whether a second run changes anything."""
    before = firewall()
    four(networks=["0.0.0.0/0", "::/0"], exclude=["0.0.0.0/0"])
    four(state="absent")
    assert firewall() == before


def test_many_ports_share_rules(backend):
    services = [{"address": VIP, "port": port} for port in range(8001, 8021)]
    services += [{"address": "2001:db8::1", "port": port, "protocol": "udp"} for port in (53, 54)]
    four(services=services)
    assert sum("LVS-IN-default -d" in line for line in ours()) == 3


def test_other_directors_are_heard(backend):
    before = firewall()
    four(peers=["192.0.2.3", "2001:db8::3"])
    heard = [line for line in ours() if "-j ACCEPT" in line]
    assert sum("192.0.2.3/32" in line for line in heard) == 2
    assert sum("2001:db8::3/128" in line for line in heard) == 1
    four(state="absent")
    assert firewall() == before


@BOTH_BACKENDS
def test_what_somebody_has_changed_in_it_is_mended(backend):
    four(**RULES)
    after = firewall()
    sh("iptables", "-A", "LVS-FWD-default", "-j", "DROP")
    sh("iptables", "-D", "LVS-IN-default", "1")
    sh("iptables", "-t", "nat", "-D", "POSTROUTING", "1")
    sh("iptables", "-I", "INPUT", "-j", "LVS-IN-default")
    four(**RULES)
    assert sorted(firewall()) == sorted(after)


def test_two_owners_beside_each_other(backend):
    before = firewall()
    four(networks=["10.97.0.0/24"], owner="one")
    four(networks=["10.97.0.0/24"], owner="a-very-long-name-of-an-owner-that-is-cut-off-somewhere")
    four(state="absent", owner="a-very-long-name-of-an-owner-that-is-cut-off-somewhere")
    assert any("LVS-FWD-one" in line for line in firewall())
    four(state="absent", owner="one")
    assert firewall() == before


def test_answers_pass_a_firewall_that_drops(backend, network):
    run_module(
        "ipvs_table",
        services=[
            {
                "address": VIP,
                "port": 80,
                "real_servers": [{"address": "10.97.0.1", "port": 8080}],
            }
        ],
    )
    sh("iptables", "-P", "FORWARD", "DROP")
    sh("iptables", "-A", "INPUT", "-d", VIP, "-j", "DROP")
    assert not answered(), "the firewall lets it through without us"
    assert not reaches_out(), "the firewall lets real servers out without us"
    run_module("iptables_masq", networks=["10.97.0.0/24"], services=[{"address": VIP, "port": 80}])
    assert answered()
    assert reaches_out()
    run_module("iptables_masq", state="absent")
    assert not answered()


def answered():
    with Conversation() as conversation:
        return conversation.say("hello") == ["rs1", "hello"]


def reaches_out():
    """To the client, which has no way to the real servers' network: only the director's address does."""
    sh("ip", "-n", "client", "route", "replace", "unreachable", "10.97.0.0/24")
    try:
        command = ["ip", "netns", "exec", "rs1", "ping", "-c", "1", "-W", "1", "10.98.0.1"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    finally:
        sh("ip", "-n", "client", "route", "del", "unreachable", "10.97.0.0/24")


@BOTH_BACKENDS
def test_the_ipvs_match_needs_conntrack(backend):
    with pytest.raises(
        ModuleFailed, match=r"ipvs=True: sees no packet while net\.ipv4\.vs\.conntrack"
    ):
        run_module("iptables_masq", networks=["10.97.0.0/24"], ipvs=True)
    assert ours() == []
    sh("sysctl", "-w", "net.ipv4.vs.conntrack=1")
    try:
        four(networks=["10.97.0.0/24"], ipvs=True)
    finally:
        sh("sysctl", "-w", "net.ipv4.vs.conntrack=0")
    assert any("-m ipvs --ipvs" in line for line in ours())


@pytest.fixture
def _conntrack():
    sh("sysctl", "-w", "net.ipv4.vs.conntrack=1")
    yield
    sh("sysctl", "-w", "net.ipv4.vs.conntrack=0")


@pytest.mark.usefixtures("_conntrack")
def test_masquerading_clients_is_no_change_at_every_run(backend):
    before = firewall()
    snat = [
        {"address": VIP, "port": 80},
        {"address": VIP, "port": 0, "protocol": "udp"},
        {"address": VIP, "port": 90, "protocol": "sctp"},
        {"address": "2001:db8::1", "port": 80},
        {"fwmark": 7},
        {"fwmark": 4294967295, "family": "ipv6"},
    ]
    four(snat=snat)
    assert len(ours()) == 2 + len(snat)
    after = firewall()
    flush()
    for command, rule in FOREIGN:
        sh(command, *rule.split())
    sh("/etc/lvs.cluster/restore")
    assert sorted(firewall()) == sorted(after)
    four(state="absent")
    assert firewall() == before


@pytest.mark.parametrize("by", ["address", "mark"])
@pytest.mark.usefixtures("_conntrack")
def test_real_servers_with_another_router_answer(backend, network, by):
    """Without a route to the client: to the director, which is on their segment."""
    mark = by == "mark"
    service = {"fwmark": 7} if mark else {"address": VIP, "port": 80}
    if mark:
        match = [{"address": VIP, "ports": ["80"]}]
        run_module("iptables_mark", marks=[{"fwmark": 7, "match": match}])
    sh("ipvsadm", "-A", *(("-f", "7") if mark else ("-t", f"{VIP}:80")), "-s", "rr")
    to = ("-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "80")
    to = (*to, "-j", "REDIRECT", "--to-port", "8080")
    sh("ip", "netns", "exec", "rs1", "iptables", *to)
    where = ("-f", "7", "-r", "10.97.0.1:0") if mark else ("-t", f"{VIP}:80", "-r", "10.97.0.1:80")
    sh("ipvsadm", "-a", *where, "-m")
    sh("ip", "-n", "rs1", "route", "del", "default")
    try:
        assert not answered(), "the real server finds the client without us"
        run_module("iptables_masq", networks=["10.97.0.0/24"], services=[service], snat=[service])
        assert answered()
        run_module("iptables_masq", networks=["10.97.0.0/24"], services=[service])
        assert not answered()
    finally:
        sh("ip", "-n", "rs1", "route", "add", "default", "via", "10.97.0.254")
        sh(
            "ip",
            "netns",
            "exec",
            "rs1",
            "iptables",
            *("-D" if word == "-A" else word for word in to),
        )
        if mark:
            run_module("iptables_mark", state="absent")


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"snat": [{"address": VIP, "port": 80}]}, r"snat=.*sees no packet while"),
        ({"networks": ["10.97.0.1/24"]}, r"networks='10\.97\.0\.1/24'.*write 10\.97\.0\.0/24"),
        ({"networks": ["inside"]}, "is not a network"),
        ({"exclude": ["10.0.0.0/99"]}, "exclude='10.0.0.0/99': is not a network"),
        (
            {"networks": ["10.97.0.0/24"], "out_interface": "no such"},
            "is not the name of an interface",
        ),
        ({"services": [{"address": VIP}]}, "port=None: is missing"),
    ],
)
def test_refused(params, words):
    before = firewall()
    with pytest.raises(ModuleFailed, match=words):
        run_module("iptables_masq", **params)
    assert firewall() == before


def test_who_else_filters_is_told():
    sh("nft", "add", "table", "inet", "mine")
    sh(
        "nft",
        "add",
        "chain inet mine through { type filter hook forward priority 0; policy drop; }",
    )
    try:
        done = run_module("iptables_masq", networks=["10.97.0.0/24"])
    finally:
        sh("nft", "delete", "table", "inet", "mine")
    run_module("iptables_masq", state="absent")
    assert any("inet mine" in str(warning) for warning in done["warnings"])
