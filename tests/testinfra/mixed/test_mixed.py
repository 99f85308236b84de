# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One service, three real servers, each by a method of its own."""

from __future__ import annotations

from tests.testinfra.foreign import saved_table


def test_the_table_is_the_description(director):
    assert saved_table(director) == [
        "-A -t 10.82.0.100:80 -s wrr",
        "-a -t 10.82.0.100:80 -r 10.82.0.12:80 -g -w 2",
        "-a -t 10.82.0.100:80 -r 10.82.0.13:80 -i -w 1 --tun-type ipip",
        "-a -t 10.82.0.100:80 -r 192.168.82.11:80 -m -w 3",
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
    links = {name: machine(name).check_output("ip -brief link") for name in rules}
    assert [name for name in links if "lvs-ipip" in links[name]] == ["rs3"]
