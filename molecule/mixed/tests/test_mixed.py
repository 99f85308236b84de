# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One service, three real servers, each by a method of its own; and where each frame goes."""

from __future__ import annotations

import time

import pytest

from shared.tests.foreign import saved_table
from tests.wire.forwarding import DIRECT, IPIP, Walk, check


def test_the_table_is_the_description(director):
    assert saved_table(director) == [
        "-A -t 10.82.0.100:80 -s wrr",
        "-A -t [fd82::100]:80 -s rr",
        "-a -t 10.82.0.100:80 -r 10.82.0.12:80 -g -w 2",
        "-a -t 10.82.0.100:80 -r 10.82.0.13:80 -i -w 1 --tun-type ipip",
        "-a -t 10.82.0.100:80 -r 192.168.82.11:80 -m -w 3",
        "-a -t [fd82::100]:80 -r [fd82::12]:80 -g -w 1",
        "-a -t [fd82::100]:80 -r [fd82::13]:80 -i -w 1 --tun-type ipip",
    ]


def test_shares_are_exact_within_a_request(fetch):
    answers = [fetch("10.82.0.100") for _time in range(20)]
    for name, weight in (("rs1", 3), ("rs2", 2), ("rs3", 1)):
        assert abs(answers.count(name) - 20 * weight / 6) <= 1, answers


def test_each_real_server_has_just_what_its_method_needs(machine):
    rules = {name: machine(name).check_output("ip -4 rule") for name in ("rs1", "rs2", "rs3")}
    assert [name for name in rules if "lookup 1704" in rules[name]] == ["rs1"]
    held = {name: machine(name).check_output("ip -brief address show dev lo") for name in rules}
    assert [name for name in held if "10.82.0.100/32" in held[name]] == ["rs2", "rs3"]
    assert [name for name in held if "fd82::100/128" in held[name]] == ["rs2", "rs3"]
    links = {name: machine(name).check_output("ip -brief link") for name in rules}
    assert [name for name in links if "lvs-ipip" in links[name]] == ["rs3"]


@pytest.mark.parametrize(
    ("vip", "server", "kind", "largest"),
    [
        # Of 1500: outer IP of the worst tunnel, which is IPv6, where there is one; inner IP, TCP.
        ("10.82.0.100", "rs2", DIRECT, 1500 - 20 - 20),
        ("10.82.0.100", "rs3", IPIP, 1500 - 40 - 20 - 20),
        ("fd82::100", "rs2", DIRECT, 1500 - 40 - 20),
        ("fd82::100", "rs3", IPIP, 1500 - 40 - 40 - 20),
    ],
)
def test_the_walk(seen, macs, vip, server, kind, largest):
    """Requests pass the director, answers do not; what is announced fits the way."""
    network = "10.82.0." if "." in vip else "fd82::"
    for _time in range(6):
        answer, frames = seen(vip)
        if answer == server:
            break
    assert answer == server
    walk = Walk(
        kind,
        (f"{network}5", macs["client"]),
        (f"{network}1", macs["director"]),
        (f"{network}{server.replace('rs', '1')}", macs[server]),
        vip,
    )
    assert check(frames, walk).mss == largest


@pytest.mark.parametrize("vip", ["10.82.0.100", "fd82::100"])
def test_an_upload_by_tunnel_fits_without_any_icmp(upload, director, vip):
    """Only the real server by tunnel gets new connections meanwhile."""
    host = f"[{vip}]" if ":" in vip else vip
    others = [line.split() for line in saved_table(director) if f"-a -t {host}:80 " in line]
    others = [words for words in others if "-i" not in words]
    for words in others:
        director.check_output(f"ipvsadm -e -t {host}:80 -r {words[4]} {words[5]} -w 0")
    try:
        assert upload(vip, "rs3") == "100000"
    finally:
        for words in others:
            director.check_output(f"ipvsadm -e -t {host}:80 -r {words[4]} {words[5]} -w {words[7]}")


@pytest.mark.long
def test_a_network_manager_that_starts_anew_takes_nothing_for_long(machine):
    """systemd-networkd drops what it does not know; the boot service follows it."""

    def is_back(host, command, words):
        for _time in range(20):
            if words in host.check_output(command):
                return True
            time.sleep(0.5)
        return False

    for name, command, words in (
        ("director", "ip -brief address show dev eth1", "10.82.0.100/32"),
        ("director", "ip -brief address show dev eth1", "fd82::100/128"),
        ("rs1", "ip -4 rule", "lookup 1704"),
        ("rs3", "ip -brief address show dev lo", "10.82.0.100/32"),
    ):
        host = machine(name)
        host.check_output("systemctl restart systemd-networkd.service")
        time.sleep(2)
        assert is_back(host, command, words), name
