# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.netfilter import nat, others
from ansible_collections.lvs.cluster.plugins.module_utils.netfilter.model import (
    MAX_CHAIN_NAME,
    Firewall,
    canonical,
    chain_name,
    quoted,
)
from ansible_collections.lvs.cluster.plugins.module_utils.netfilter.plan import (
    plan,
    script_body,
    shown,
)

INSIDE = ipaddress.ip_network("192.168.0.0/25")
WISH = nat.NatWish(
    networks=(INSIDE, ipaddress.ip_network("fd00::/64")),
    services=nat.services(
        [
            {"address": "198.51.100.1", "port": 80},
            {"address": "198.51.100.1", "port": 0, "protocol": "sctp"},
            {"address": "2001:db8::1", "port": 53, "protocol": "udp"},
            {"fwmark": 10},
        ]
    ),
)
WHOSE = "-m comment --comment lvs.cluster:web"


def of(family="ipv4", wish=WISH):
    return nat.chains(wish, family, "web")


def planned(text, chains):
    return plan("ipv4", Firewall.parse(text), chains, nat.possible("web"))


def saved(chains, more=()):
    """What iptables-save would write of these chains."""
    lines = []
    for table in ("filter", "nat"):
        lines.append(f"*{table}")
        lines += [":FORWARD ACCEPT [0:0]", *(rule for name, rule in more if name == table)]
        for chain in chains:
            if chain.table == table:
                lines.append(f":{chain.name} - [0:0]")
        for text in shown([chain for chain in chains if chain.table == table]):
            lines.append(
                text.partition(f"-t {table} ")[2].replace("lvs.cluster:web", '"lvs.cluster:web"')
            )
        lines.append("COMMIT")
    return "\n".join(lines) + "\n"


def test_the_rules():
    assert shown(of()) == [
        f"-t filter -A INPUT {WHOSE} -j LVS-IN-web",
        f"-t filter -A LVS-IN-web -d 198.51.100.1/32 -p tcp -m tcp --dport 80 {WHOSE} -j ACCEPT",
        f"-t filter -A LVS-IN-web -d 198.51.100.1/32 -p sctp {WHOSE} -j ACCEPT",
        f"-t filter -A LVS-IN-web -m mark --mark 0xa {WHOSE} -j ACCEPT",
        f"-t filter -A FORWARD {WHOSE} -j LVS-FWD-web",
        f"-t filter -A LVS-FWD-web -s 192.168.0.0/25 {WHOSE} -j ACCEPT",
        "-t filter -A LVS-FWD-web -d 192.168.0.0/25 -m conntrack --ctstate RELATED,ESTABLISHED "
        f"{WHOSE} -j ACCEPT",
        f"-t nat -A POSTROUTING {WHOSE} -j LVS-POST-web",
        f"-t nat -A LVS-POST-web -d 192.168.0.0/25 {WHOSE} -j RETURN",
        f"-t nat -A LVS-POST-web -s 192.168.0.0/25 {WHOSE} -j MASQUERADE",
    ]
    assert [rule for rule in shown(of("ipv6")) if "LVS-IN-web -d" in rule] == [
        f"-t filter -A LVS-IN-web -d 2001:db8::1/128 -p udp -m udp --dport 53 {WHOSE} -j ACCEPT"
    ]
    assert [rule for rule in shown(of("ipv6")) if "LVS-OUT-web -d" in rule] == [
        f"-t filter -A LVS-OUT-web -d fd00::/64 -p ipv6-icmp -m icmp6 --icmpv6-type 137 {WHOSE} -j DROP"
    ]


def test_narrowed():
    wish = nat.NatWish((INSIDE,), out_interface="eth0", ipvs=True, accept=False)
    (chain,) = of(wish=wish)
    assert chain.rules[-1][:7] == ("-s", "192.168.0.0/25", "-o", "eth0", "-m", "ipvs", "--ipvs")
    assert of(wish=nat.NatWish((INSIDE,), masquerade=False, accept=False)) == []


def test_into_an_empty_firewall_one_transaction_a_table():
    text = planned("", of()).text
    assert text.count("COMMIT") == 2
    assert text.startswith("*filter\n:LVS-IN-web - [0:0]\n:LVS-FWD-web - [0:0]\n-A LVS-IN-web ")
    assert f"-I FORWARD 1 {WHOSE} -j LVS-FWD-web\n" in text


def test_what_is_right_stays():
    todo = planned(saved(of()), of())
    assert not todo
    assert (todo.before, todo.after) == ((), ())


def test_only_the_chain_that_differs_is_written():
    more = nat.NatWish((INSIDE,), services=WISH.services[:1])
    todo = planned(saved(of()), of(wish=more))
    assert todo.text.splitlines()[:2] == ["*filter", ":LVS-IN-web - [0:0]"]
    assert "LVS-FWD" not in todo.text
    assert "-I INPUT" not in todo.text
    assert "*nat" not in todo.text


def test_a_jump_that_is_there_twice_or_otherwise_is_made_right():
    twice = saved(of(), more=[("filter", "-A FORWARD -s 10.0.0.0/8 -j LVS-FWD-web")])
    text = planned(twice, of()).text
    assert "-D FORWARD -s 10.0.0.0/8 -j LVS-FWD-web" in text
    assert text.count("-D FORWARD") == 2
    assert text.count("-I FORWARD 1") == 1


def test_all_goes_and_nothing_else():
    foreign = [("filter", "-A FORWARD -s 203.0.113.0/24 -j ACCEPT")]
    todo = planned(saved(of(), foreign), [])
    assert "203.0.113" not in todo.text
    assert [line for line in todo.text.splitlines() if line.startswith("-X")] == [
        "-X LVS-IN-web",
        "-X LVS-FWD-web",
        "-X LVS-POST-web",
    ]
    assert todo.after == ()
    assert not planned("*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n", [])


def test_other_owners_are_not_ours():
    todo = planned(saved(nat.chains(WISH, "ipv4", "other")), of())
    assert "other" not in todo.text


def test_the_order_of_options_is_no_difference():
    one = canonical(
        ["-p", "tcp", "-d", "192.0.2.1/32", "-m", "tcp", "--dport", "80", "-j", "ACCEPT"]
    )
    assert one == canonical(
        ["-d", "192.0.2.1/32", "-p", "tcp", "-m", "tcp", "--dport", "80", "-j", "ACCEPT"]
    )
    assert one != canonical(
        ["!", "-d", "192.0.2.1/32", "-p", "tcp", "-m", "tcp", "--dport", "80", "-j", "ACCEPT"]
    )
    assert canonical(["--ctstate", "A,B"]) == canonical(["--ctstate", "B,A"])


@pytest.mark.parametrize("owner", ["x", "a" * 64, "director"])
def test_a_chains_name_fits(owner):
    assert len(chain_name("POST", owner)) <= MAX_CHAIN_NAME
    assert chain_name("POST", owner) != chain_name("POST", owner + "y")


@pytest.mark.parametrize(("word", "text"), [("a:b", "a:b"), ("a b", '"a b"'), ('a"b', '"a\\"b"')])
def test_quoting(word, text):
    assert quoted(word) == text


@pytest.mark.parametrize("name", ["", "a b", "x" * 16, "a/b", "-j", "a\nb"])
def test_interfaces(name):
    with pytest.raises(InvalidInput, match="no interface's name"):
        nat.interface(name)
    assert nat.interface("eth0.7") == "eth0.7"


def test_nothing_at_boot():
    assert script_body({"ipv4": [], "ipv6": []}) is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("nf_tables", [], [], False), []),
        (("nf_tables", ["filter"], [], False), ["iptables-legacy has tables"]),
        (("legacy", ["filter"], [], False), []),
        (("nf_tables", [], [], True), ["firewalld runs"]),
        (
            (
                "nf_tables",
                [],
                [{"family": "inet", "table": "mine", "hook": "forward", "policy": "drop"}],
                False,
            ),
            ["inet mine", "forward (policy drop)"],
        ),
        (("nf_tables", [], [{"family": "ip", "table": "filter", "hook": "input"}], False), []),
        (
            ("legacy", [], [{"family": "ip", "table": "filter", "hook": "input"}], False),
            ["ip filter"],
        ),
        (("nf_tables", [], [{"family": "inet", "table": "mine", "hook": "output"}], False), []),
        (("nf_tables", [], [{"family": "arp", "table": "mine", "hook": "input"}], False), []),
    ],
)
def test_who_else_filters(given, words):
    found = " ".join(others.warnings(*given))
    assert bool(found) is bool(words)
    assert all(word in found for word in words)
