# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import re

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.host.options import filled
from ansible_collections.lvs.cluster.plugins.module_utils.netfilter.decap import (
    OPTIONS,
    Outer,
    TunnelFilter,
    chains,
    check_others,
    mss,
    of_options,
)
from ansible_collections.lvs.cluster.plugins.module_utils.netfilter.model import Firewall

DIRECTORS = tuple(map(ipaddress.ip_network, ("192.0.2.1/32", "2001:db8::/64")))
OTHER = (ipaddress.ip_network("192.0.2.2/32"),)
VIP, VIP6 = ("ipv4", "198.51.100.10"), ("ipv6", "2001:db8::10")


def rules(family, *tunnels, mtu=1500, local=()):
    wanted = TunnelFilter(DIRECTORS, tunnels, (VIP, VIP6), local, mtu)
    return {
        (chain.table, chain.hook): [
            " ".join(rule).replace("-m comment --comment lvs.cluster:web ", "")
            for rule in chain.rules
        ]
        for chain in chains(wanted, family, "web")
    }


def test_directors_first_then_nobody():
    assert rules("ipv4", Outer("ipip"), Outer("gue", 6080), Outer("ip6tnl"))["filter", "INPUT"] == [
        "-s 192.0.2.1/32 -p 4 -j ACCEPT",
        "-s 192.0.2.1/32 -p udp -m udp --dport 6080 -j ACCEPT",
        "-p 4 -j DROP",
        "-p udp -m udp --dport 6080 -j DROP",
    ]
    assert rules("ipv6", Outer("ip6tnl"))["filter", "INPUT"] == [
        "-s 2001:db8::/64 -p 4 -j ACCEPT",
        "-s 2001:db8::/64 -p 41 -j ACCEPT",
        "-p 4 -j DROP",
        "-p 41 -j DROP",
    ]


def test_only_what_is_for_the_tunnels_own_address_is_dropped():
    gue = Outer("gue", 6080, local="192.0.2.7")
    local = (("ipv4", "192.0.2.9"), ("ipv6", "2001:db8::9"))
    assert rules("ipv4", Outer("gre"), gue, local=local)["filter", "INPUT"] == [
        "-s 192.0.2.1/32 -d 192.0.2.7/32 -p udp -m udp --dport 6080 -j ACCEPT",
        "-s 192.0.2.1/32 -d 192.0.2.9/32 -p 47 -j ACCEPT",
        "-d 192.0.2.7/32 -p udp -m udp --dport 6080 -j DROP",
        "-d 192.0.2.9/32 -p 47 -j DROP",
    ]
    assert rules("ipv6", Outer("ip6gre"), local=local)["filter", "INPUT"] == [
        "-s 2001:db8::/64 -d 2001:db8::9/128 -p 47 -j ACCEPT",
        "-d 2001:db8::9/128 -p 47 -j DROP",
    ]


def test_the_order_in_a_description_changes_nothing():
    tunnels = [Outer("ipip"), Outer("gre"), Outer("gue", 6080)]
    one = TunnelFilter(DIRECTORS, tuple(tunnels), (VIP, VIP6))
    two = TunnelFilter(DIRECTORS[::-1], tuple(tunnels[::-1]), (VIP6, VIP))
    assert chains(one, "ipv4", "web") == chains(two, "ipv4", "web")


ENTRY = {
    "directors": ["192.0.2.1"],
    "tunnels": [{"type": "ipip"}],
    "addresses": ["198.51.100.10"],
    "local": ["192.0.2.7"],
}


def test_when_the_mtu_of_an_interface_counts():
    found = of_options(filled(ENTRY, OPTIONS))
    assert found.needs_mtu
    assert found.own_addresses == ["192.0.2.7"]
    assert found.with_mtu(1500).mtu == 1500
    with pytest.raises(InvalidInput, match="holds no address of this host"):
        found.with_mtu(0)
    for other in ({"mtu": 1500}, {"addresses": []}, {"tunnels": []}, {"local": []}):
        assert not of_options(filled({**ENTRY, **other}, OPTIONS)).needs_mtu
    tunnels = [{"type": "ipip", "local": "192.0.2.8"}, {"type": "gre", "local": "192.0.2.8"}]
    named = of_options(filled({**ENTRY, "tunnels": tunnels, "local": []}, OPTIONS))
    assert named.needs_mtu
    assert named.own_addresses == ["192.0.2.8"]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"mtu": 1279}, "mtu=1279: is out of range"),
        ({"mtu": 65536}, "mtu=65536: is out of range"),
        ({"tunnels": [{"type": "gue"}]}, "port=0: is not a UDP port"),
        ({"tunnels": [{"type": "gue", "port": 65536}]}, "port=65536: is not a UDP port"),
        ({"tunnels": [{"type": "ipip", "local": "2001:db8::1"}]}, "is not of the family"),
        ({"directors": ["x"]}, "directors='x': is not a network"),
    ],
)
def test_refused(entry, words):
    with pytest.raises(InvalidInput, match=re.escape(words)):
        of_options(filled({**ENTRY, **entry}, OPTIONS))


def test_the_bounds_are_taken():
    for mtu in (1280, 65535):
        assert of_options(filled({**ENTRY, "mtu": mtu}, OPTIONS)).mtu == mtu
    for port in (1, 65535):
        tunnels = [{"type": "gue", "port": port}]
        assert of_options(filled({**ENTRY, "tunnels": tunnels}, OPTIONS)).tunnels[0].port == port


def test_segments_fit():
    assert rules("ipv4", Outer("ipip"))["mangle", "OUTPUT"] == [
        "-s 198.51.100.10/32 -p tcp -m tcp --tcp-flags SYN,RST SYN -m tcpmss --mss 1441:65535 "
        "-j TCPMSS --set-mss 1440"
    ]
    assert rules("ipv4", Outer("ipip"), mtu=0)["mangle", "OUTPUT"] == []
    assert [chain.rules for chain in chains(TunnelFilter(), "ipv4", "web")] == [(), ()]


@pytest.mark.parametrize(
    ("tunnel", "family", "size"),
    [
        (Outer("ipip"), "ipv4", 1500 - 20 - 20 - 20),
        (Outer("sit"), "ipv6", 1500 - 20 - 40 - 20),
        (Outer("ip6tnl"), "ipv4", 1500 - 40 - 20 - 20),
        (Outer("ip6tnl"), "ipv6", 1500 - 40 - 40 - 20),
        (Outer("gre"), "ipv4", 1500 - 20 - 4 - 20 - 20),
        (Outer("gre", checksum="csum"), "ipv4", 1500 - 20 - 8 - 20 - 20),
        (Outer("ip6gre"), "ipv6", 1500 - 40 - 4 - 40 - 20),
        (Outer("gue", 1), "ipv4", 1500 - 20 - 8 - 4 - 20 - 20),
        (Outer("gue", 1, "ipv6", "remcsum"), "ipv6", 1500 - 40 - 8 - 4 - 8 - 40 - 20),
    ],
)
def test_what_a_tunnel_leaves_of_a_segment(tunnel, family, size):
    """Outer IP header, what the tunnel adds, inner IP header, TCP header."""
    assert mss(1500, [Outer("ipip"), tunnel], family) == size


def filtering(owner, directors=DIRECTORS, local="192.0.2.9", kind="ipip"):
    wanted = TunnelFilter(directors, (Outer(kind),), (VIP,), (("ipv4", local),), 1500)
    return chains(wanted, "ipv4", owner)[0]


def firewall(*found):
    return Firewall({"filter": {each.name: each.rules for each in found}})


@pytest.mark.parametrize(
    "other",
    [
        filtering("east", DIRECTORS),
        filtering("east", OTHER, local="192.0.2.10"),
        filtering("east", OTHER, kind="gre"),
        filtering("west", OTHER),
    ],
)
def test_filters_of_several_owners_that_drop_nothing_of_each_other(other):
    check_others(filtering("west"), firewall(other, filtering("west")))


def test_filters_of_two_owners_that_would_drop_the_others_packets_are_refused():
    with pytest.raises(InvalidInput) as found:
        check_others(filtering("west"), firewall(filtering("east", OTHER)))
    text = str(found.value)
    assert "west and east" in text
    assert "192.0.2.2/32" in text
    assert "192.0.2.1/32" in text
    # An owner that removes its own filter is never refused.
    gone = chains(TunnelFilter(), "ipv4", "west")[0]
    check_others(gone, firewall(filtering("east", OTHER)))
