# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Direct routing: what the table is, and where each frame goes."""

from __future__ import annotations

import pytest

from shared.tests.foreign import saved_table
from tests.wire.forwarding import DIRECT, Walk, check

SERVERS = {"rs1": ("10.80.0.11", "fd80::11"), "rs2": ("10.80.0.12", "fd80::12")}


def test_the_table_is_the_description(director):
    assert saved_table(director) == sorted(
        [
            "-A -t 10.80.0.100:80 -s rr",
            "-A -t [fd80::100]:80 -s rr",
            "-A -f 10 -s rr -p 300",
            *(f"-a -t 10.80.0.100:80 -r {four}:80 -g -w 1" for four, _six in SERVERS.values()),
            *(f"-a -t [fd80::100]:80 -r [{six}]:80 -g -w 1" for _four, six in SERVERS.values()),
            *(f"-a -f 10 -r {four}:0 -g -w 1" for four, _six in SERVERS.values()),
        ]
    )


@pytest.mark.parametrize(
    ("vip", "source", "director_address", "version"),
    [
        ("10.80.0.100", "10.80.0.5", "10.80.0.1", 0),
        ("fd80::100", "fd80::5", "fd80::1", 1),
        ("10.80.0.102", "10.80.0.5", "10.80.0.1", 0),
    ],
)
def test_requests_pass_the_director_and_answers_do_not(
    seen, macs, vip, source, director_address, version
):
    """The request's addresses are untouched, its MAC is the real server's, the answer's too."""
    answer, frames = seen(vip)
    walk = Walk(
        DIRECT,
        (source, macs["client"]),
        (director_address, macs["director"]),
        (SERVERS[answer][version], macs[answer]),
        vip,
    )
    shown = check(frames, walk)
    assert shown.requests >= 4
    assert shown.replies >= 3


def test_ports_and_addresses_with_one_mark_are_one_service(client, fetch):
    assert (
        len({fetch(address) for address in ("10.80.0.101", "10.80.0.102") for _time in range(3)})
        == 1
    )


def test_the_real_servers_keep_quiet_without_lowering_anything(machine):
    for name in SERVERS:
        host = machine(name)
        assert host.sysctl("net.ipv4.conf.all.arp_ignore") == 1
        assert host.sysctl("net.ipv4.conf.all.arp_announce") == 2
        assert "10.80.0.100/32 scope host" in host.check_output("ip address show dev lo")
        assert "deprecated" in host.check_output("ip -6 address show dev lo to fd80::100")


def test_the_marks_are_in_a_chain_of_their_own(director):
    rules = director.check_output("iptables-save -t mangle")
    assert rules.count("LVS-MARK-cluster-default") == 4
    assert "--dports 80,443,8000:8080" in rules
