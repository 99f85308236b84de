# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every scenario has to show while its cluster is up, be it after converging or after a reboot."""

from __future__ import annotations

import pytest

from shared.tests.heard import answers, asked, heard


def answering(fetch, service):
    """Who answers on each address and port of a service: name to how often."""
    places = [(service["address"], service["port"])] if "address" in service else []
    places += [(each["address"], 80) for each in service.get("match", [])]
    rounds = sum(server.get("weight", 1) for server in service["real_servers"])
    found = [fetch(*place) for place in places for _time in range(rounds)]
    return {name: found.count(name) for name in set(found)}


def test_every_service_is_shared_out_as_described(fetch, services):
    """Within one round each real server has its weight; a client with persistence keeps to one."""
    for service in services:
        if service.get("protocol", "tcp") != "tcp" or service.get("port", 80) not in (80, 8080):
            continue
        found = answering(fetch, service)
        wanted = {each["host"]: each.get("weight", 1) for each in service["real_servers"]}
        if service.get("persistence_timeout"):
            assert len(found) == 1, service["name"]
            assert set(found) <= set(wanted)
        else:
            assert found == wanted, service["name"]


def test_only_the_director_answers_for_a_virtual_address(lab, macs, vips):
    """Through everything since the machines were booted, as the client's segment has heard it."""
    frames = heard(lab)
    found, times = answers(frames, vips), asked(frames)
    assert set(found) == set(vips), "the prober hears nobody"
    for address in vips:
        assert set(found[address]) == {macs["director"]}, address
        assert times[address] > 500


@pytest.fixture(scope="module")
def holding(lab, vips):
    """Every machine that has a virtual address on an interface that can be asked for it."""
    return [
        (name, address)
        for name in lab.nodes
        for address in vips
        if address
        in lab.ssh(name, "ip -brief address show dev eth1").stdout.replace("/", " ").split()
    ]


def test_nobody_else_has_one_on_the_segment(holding):
    """A routed one is on the director's loopback."""
    assert {name for name, _address in holding} <= {"director"}
