# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.netfilter.mark import (
    Match,
    chains,
    match,
    match_data,
)

VIP = "198.51.100.10"
PORT = st.integers(1, 65535)
RANGES = st.tuples(PORT, PORT).map(lambda pair: f"{min(pair)}:{max(pair)}")
PORTS = st.lists(st.one_of(PORT.map(str), RANGES), max_size=60)


def rules(fwmark=10, **options):
    (chain,) = chains([(fwmark, match("service web", {"address": VIP, **options}))], "ipv4", "web")
    return [
        " ".join(rule).replace("-m comment --comment lvs.cluster:web ", "") for rule in chain.rules
    ]


def test_several_ports_get_one_mark():
    assert rules(ports=[443, "80", "8000-8080"]) == [
        f"-d {VIP}/32 -p tcp -m multiport --dports 80,443,8000:8080 -j MARK --set-xmark 0xa/0xffffffff"
    ]


def test_ranges_and_protocols_in_every_spelling():
    assert rules(ports="20-21", protocol="TCP") == rules(ports=["20:21"]) == rules(ports="20:21")
    assert "--dport 20:21 " in rules(ports="20-21")[0]


def test_one_port_and_all():
    assert rules(ports=53, protocol="udp") == [
        f"-d {VIP}/32 -p udp -m udp --dport 53 -j MARK --set-xmark 0xa/0xffffffff"
    ]
    assert rules(fwmark=2**32 - 1) == [
        f"-d {VIP}/32 -p tcp -j MARK --set-xmark 0xffffffff/0xffffffff"
    ]


def test_each_family_has_its_own():
    each = match("service web", {"address": "2001:DB8::10"})
    assert chains([(1, each)], "ipv4", "web")[0].rules == ()
    assert chains([(1, each)], "ipv6", "web")[0].rules[0][1] == "2001:db8::10/128"


@given(PORTS)
def test_every_port_stands_in_a_rule_and_no_rule_takes_too_many(ports):
    each = match("service web", {"address": VIP, "ports": ports})
    found = []
    for rule in chains([(1, each)], "ipv4", "web")[0].rules:
        words = next(
            (rule[at + 1] for at, word in enumerate(rule) if word in ("--dports", "--dport")), ""
        )
        assert sum(1 + (":" in word) for word in words.split(",")) <= 15
        found += [word for word in words.split(",") if word]
    # A range of one port is that port.
    wanted = {re.sub(r"^(\d+):\1$", r"\1", port) for port in ports}
    assert (sorted(found), len(set(found))) == (sorted(wanted), len(found))
    assert match("again", match_data(each)) == each


@given(PORTS, PORTS)
def test_overlaps_are_symmetric_and_true(one, two):
    ours, theirs = (match("a", {"address": VIP, "ports": ports}) for ports in (one, two))

    def all_of(each):
        return {p for first, last in each.ports or ((0, 65535),) for p in range(first, last + 1)}

    assert ours.overlaps(theirs) == theirs.overlaps(ours) == bool(all_of(ours) & all_of(theirs))


def test_what_does_not_overlap():
    ours = Match(f"{VIP}/32", "ipv4", "tcp")
    assert not ours.overlaps(Match(f"{VIP}/32", "ipv4", "udp"))
    assert not ours.overlaps(Match("198.51.100.11/32", "ipv4", "tcp"))
    assert not ours.overlaps(Match("2001:db8::/64", "ipv6", "tcp"))
    assert ours.overlaps(Match("198.51.100.0/24", "ipv4", "tcp"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"address": "www"}, "match='www': is neither an IP address nor a network"),
        ({"address": None}, "match='': is neither"),
        ({"protocol": "icmp"}, "protocol='icmp': cannot be matched"),
        ({"ports": ["http"]}, "ports='http': is not a port"),
        ({"ports": [0]}, "ports=0: is not a port"),
        ({"ports": ["90:80"]}, "ports='90:80': is not a port"),
        ({"ports": ["8²"]}, "ports='8²': is not a port"),
        ({"ports": ["٣"]}, "ports='٣': is not a port"),
        ({"ports": ["--5"]}, "ports='--5': is not a port"),
        ({"ports": ["8" * 5000]}, "is not a port"),
        ({"ports": [True]}, "ports=True: is not a port"),
        ({"ports": [80.5]}, "ports=80.5: is not a port"),
        ({"ports": [65536]}, "ports=65536: is not a port"),
    ],
)
def test_refused(options, words):
    with pytest.raises(InvalidInput, match=re.escape(words)):
        match("service web", {"address": VIP, **options})
