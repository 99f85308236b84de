# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.netfilter.decap import (
    DecapWish,
    Outer,
    chains,
    mss,
)

DIRECTORS = tuple(map(ipaddress.ip_network, ("192.0.2.1/32", "2001:db8::/64")))
VIP, VIP6 = ("ipv4", "198.51.100.10"), ("ipv6", "2001:db8::10")


def rules(family, *tunnels, mtu=1500):
    wish = DecapWish(DIRECTORS, tunnels, (VIP, VIP6), mtu)
    return {
        (chain.table, chain.hook): [
            " ".join(rule).replace("-m comment --comment lvs.cluster:web ", "")
            for rule in chain.rules
        ]
        for chain in chains(wish, family, "web")
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


def test_segments_fit():
    assert rules("ipv4", Outer("ipip"))["mangle", "OUTPUT"] == [
        "-s 198.51.100.10/32 -p tcp -m tcp --tcp-flags SYN,RST SYN -m tcpmss --mss 1441:65535 "
        "-j TCPMSS --set-mss 1440"
    ]
    assert ("mangle", "OUTPUT") not in rules("ipv4", Outer("ipip"), mtu=0)
    assert chains(DecapWish(), "ipv4", "web") == []


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
