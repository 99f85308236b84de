# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import subprocess

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
    transaction,
)

INSIDE = ipaddress.ip_network("192.168.0.0/25")
WISH = nat.Nat(
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
KEYS_WITHOUT_PORT = [{"address": "198.51.100.1", "port": 0, "protocol": "udp"}]
WHOSE = "-m comment --comment lvs.cluster:web"


def of(family="ipv4", wish=WISH):
    return [chain for chain in nat.chains(wish, family, "web") if chain.rules]


class Planned:
    """What the chains of an owner need, and the transactions for it: of growing, then of shrinking."""

    def __init__(self, text, wish):
        firewall = Firewall.parse(text)
        plans = [plan("ipv4", firewall, chain, True) for chain in nat.chains(wish, "ipv4", "web")]
        self.grow = transactions(each.grow for each in plans)
        self.shrink = transactions(each.shrink for each in plans)
        self.before = [line for each in plans for line in each.before]
        self.after = [line for each in plans for line in each.after]


def transactions(steps):
    tables = {}
    for step in steps:
        if step:
            tables.setdefault(step.table, []).append(step)
    return "".join(transaction(listed) for listed in tables.values())


def planned(text, wish=WISH):
    return Planned(text, wish)


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


def test_ports_of_one_address_share_rules():
    """At most 15 ports in each, and none where all ports are accepted; the order of a list changes nothing."""
    keys = [
        *({"address": "198.51.100.1", "port": port} for port in range(81, 97)),
        {"address": "198.51.100.1", "port": 53, "protocol": "udp"},
        {"address": "198.51.100.2", "port": 80},
        {"address": "198.51.100.2", "port": 0},
        {"fwmark": 7},
        {"fwmark": 7, "family": "ipv6"},
    ]
    rules = [
        " ".join(rule).replace(f" {WHOSE}", "")
        for rule in of(wish=nat.Nat(services=nat.services(keys)))[0].rules
    ]
    assert rules == [
        "-d 198.51.100.1/32 -p tcp -m multiport --dports "
        f"{','.join(str(port) for port in range(81, 96))} -j ACCEPT",
        "-d 198.51.100.1/32 -p tcp -m tcp --dport 96 -j ACCEPT",
        "-d 198.51.100.1/32 -p udp -m udp --dport 53 -j ACCEPT",
        "-d 198.51.100.2/32 -p tcp -j ACCEPT",
        "-m mark --mark 0x7 -j ACCEPT",
    ]
    assert of(wish=nat.Nat(services=nat.services(keys[::-1] * 2))) == of(
        wish=nat.Nat(services=nat.services(keys))
    )


def test_clients_are_masqueraded_towards_real_servers():
    keys = [{"fwmark": 7}, {"address": "198.51.100.1", "port": 80}, *KEYS_WITHOUT_PORT]
    (chain,) = of(wish=nat.Nat(snat=nat.services(keys)))
    assert (chain.table, chain.name, chain.hook) == ("nat", "LVS-SNAT-web", "POSTROUTING")
    assert [" ".join(rule).replace(f" {WHOSE}", "") for rule in chain.rules] == [
        "-m ipvs --vproto 6 --vaddr 198.51.100.1 --vport 80 --vmethod MASQ -j MASQUERADE",
        "-m ipvs --vproto 17 --vaddr 198.51.100.1 --vmethod MASQ -j MASQUERADE",
        "-m mark --mark 0x7 -m ipvs --vmethod MASQ -j MASQUERADE",
    ]
    (chain,) = of("ipv6", nat.Nat(snat=nat.services([{"address": "2001:db8::1", "port": 80}])))
    assert "2001:db8::1" in chain.rules[0]


def test_other_directors_are_heard_and_nobody_else():
    peers = (ipaddress.ip_network("192.0.2.3"), ipaddress.ip_network("2001:db8::3"))
    (chain,) = of(wish=nat.Nat(peers=peers))
    assert (chain.table, chain.hook) == ("filter", "INPUT")
    assert [" ".join(rule) for rule in chain.rules] == [
        f"-s 192.0.2.3/32 -p 112 {WHOSE} -j ACCEPT",
        f"-s 192.0.2.3/32 -d 224.0.0.81/32 -p udp -m udp --dport 8848 {WHOSE} -j ACCEPT",
    ]
    (chain,) = of("ipv6", nat.Nat(peers=peers))
    assert [" ".join(rule) for rule in chain.rules] == [
        f"-s 2001:db8::3/128 -p 112 {WHOSE} -j ACCEPT"
    ]
    assert canonical(("-p", "vrrp")) == canonical(("-p", "112")), "iptables-save gives its name"


def test_narrowed():
    wish = nat.Nat((INSIDE,), out_interface="eth0", ipvs=True, accept=False)
    (chain,) = of(wish=wish)
    assert chain.rules[-1][:7] == ("-s", "192.168.0.0/25", "-o", "eth0", "-m", "ipvs", "--ipvs")
    assert of(wish=nat.Nat((INSIDE,), masquerade=False, accept=False)) == []


def test_into_an_empty_firewall_one_transaction_a_table():
    text = planned("").grow
    assert planned("").shrink == ""
    assert text.count("COMMIT") == 2
    assert text.startswith("*filter\n:LVS-IN-web - [0:0]\n:LVS-FWD-web - [0:0]\n-A LVS-IN-web ")
    assert f"-I FORWARD 1 {WHOSE} -j LVS-FWD-web\n" in text


def test_what_is_right_stays():
    todo = planned(saved(of()))
    assert (todo.grow, todo.shrink, todo.before, todo.after) == ("", "", [], [])


def test_only_the_chain_that_differs_is_written():
    fewer = nat.Nat((INSIDE,), services=WISH.services[:1])
    todo = planned(saved(of()), fewer)
    assert todo.grow == "", "the union is there"
    assert todo.shrink.splitlines()[:2] == ["*filter", ":LVS-IN-web - [0:0]"]
    assert len(todo.shrink.splitlines()) == 4
    back = planned(saved(of(wish=fewer)))
    assert back.shrink == ""
    for text in (todo.shrink, back.grow):
        assert "LVS-FWD" not in text
        assert "-I INPUT" not in text
        assert "*nat" not in text


def test_a_jump_that_is_there_twice_or_otherwise_is_made_right():
    twice = saved(of(), more=[("filter", "-A FORWARD -s 10.0.0.0/8 -j LVS-FWD-web")])
    text = planned(twice).grow
    assert "-D FORWARD -s 10.0.0.0/8 -j LVS-FWD-web" in text
    assert text.count("-D FORWARD") == 2
    assert text.count("-I FORWARD 1") == 1


def test_all_goes_and_nothing_else():
    foreign = [("filter", "-A FORWARD -s 203.0.113.0/24 -j ACCEPT")]
    todo = planned(saved(of(), foreign), nat.Nat())
    assert todo.grow == ""
    assert "203.0.113" not in todo.shrink
    assert [line for line in todo.shrink.splitlines() if line.startswith("-X")] == [
        "-X LVS-IN-web",
        "-X LVS-FWD-web",
        "-X LVS-POST-web",
    ]
    assert todo.after == []
    assert planned("*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n", nat.Nat()).shrink == ""


def test_other_owners_are_not_ours():
    todo = planned(saved(nat.chains(WISH, "ipv4", "other")))
    assert "other" not in todo.grow + todo.shrink


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


def test_any_address_is_no_match_at_all():
    """So iptables-save prints it, and so 0.0.0.0/0 in a description is no change at every run."""
    for anywhere in ("0.0.0.0/0", "::/0"):
        for option in ("-s", "-d"):
            rule = [option, anywhere, "-p", "tcp", "-j", "ACCEPT"]
            assert canonical(rule) == canonical(["-p", "tcp", "-j", "ACCEPT"])
            assert canonical(["!", *rule]) != canonical(["-p", "tcp", "-j", "ACCEPT"])
    assert canonical(["-d", "0.0.0.0/1"]) != canonical([])


def test_an_ipv6_address_is_the_same_in_every_spelling():
    assert canonical(["-d", "::ffff:c000:201/128"]) == canonical(["-d", "::ffff:192.0.2.1/128"])


def test_a_full_prefix_length_may_be_omitted():
    for address, length in (("192.0.2.1", 32), ("2001:db8::1", 128)):
        assert canonical(["--vaddr", address]) == canonical(["--vaddr", f"{address}/{length}"])
        assert canonical(["--vaddr", address]) != canonical(["--vaddr", f"{address}/{length - 1}"])


@pytest.mark.parametrize("owner", ["x", "a" * 64, "director"])
def test_a_chains_name_fits(owner):
    assert len(chain_name("POST", owner)) <= MAX_CHAIN_NAME
    assert chain_name("POST", owner) != chain_name("POST", owner + "y")


@pytest.mark.parametrize(("word", "text"), [("a:b", "a:b"), ("a b", '"a b"'), ('a"b', '"a\\"b"')])
def test_quoting(word, text):
    assert quoted(word) == text


@pytest.mark.parametrize("name", ["", "a b", "x" * 16, "a/b", "-j", "a\nb"])
def test_interfaces(name):
    with pytest.raises(InvalidInput, match="is not the name of an interface"):
        nat.interface(name)
    assert nat.interface("eth0.7") == "eth0.7"


@pytest.mark.parametrize("missing", [None, "chain", "rule", "jump"])
def test_the_script_changes_nothing_where_nothing_is_missing(tmp_path, missing):
    """A watcher runs it whenever a rule has gone, and changes would set it off again."""
    chains = of()
    rules = [text.partition(" ")[2] for text in shown(chains)]
    if missing == "chain":
        rules = [rule for rule in rules if "-A LVS-FWD-web" not in rule]
    if missing == "rule":
        rules.remove(next(rule for rule in rules if "-A LVS-IN-web" in rule))
    (tmp_path / "rules").write_text("".join(f"{rule}\n" for rule in rules))
    programs = {
        "iptables-save": f'grep -e "^$2 " {tmp_path}/rules',
        "iptables-restore": f"cat > {tmp_path}/restored",
        "iptables": f"[ '{missing}' != jump ] || case $* in *--check*) exit 1 ;; *) echo $* ;; esac",
    }
    for name, body in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", script_body({"ipv4": chains, "ipv6": []})],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "restored").exists() == (missing in ("chain", "rule"))
    assert done.stdout.count("--insert") == (len(chains) if missing == "jump" else 0)


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
