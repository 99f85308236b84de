# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts that are down or left out, and descriptions that are wrong: what site.yml does then, run for real."""

from __future__ import annotations

import re

import pytest

from shared.tests.foreign import saved_firewall, saved_table
from shared.tests.playbooks import succeed

VIP = "170.210.122.104"


def said(done):
    """All that Ansible has said, on one line; errors go here or there, as it is set up."""
    return " ".join((done.stdout + done.stderr).split())


def added(services):
    """The description with one more service, which rs1 and rs2 shall serve, and one more real server."""
    more = [{**service, "real_servers": list(service["real_servers"])} for service in services]
    more[0]["real_servers"].append({"host": "rs3"})
    extra = {"name": "extra", "address": VIP, "port": 8081}
    extra["real_servers"] = [{"host": "rs1", "port": 80}, {"host": "rs2", "port": 80}]
    return [*more, extra]


def test_a_real_server_that_is_down_keeps_what_it_has_and_is_not_added(site, director, services):
    before = saved_table(director)
    done = site(added(services), ("rs2",))
    assert done.returncode != 0, done.stdout
    assert "was not reached and keeps what it has" in said(done)
    assert set(saved_table(director)) - set(before) == {
        f"-a -t {VIP}:80 -r 192.168.1.109:80 -m -w 1",
        f"-A -t {VIP}:8081 -s wlc",
        f"-a -t {VIP}:8081 -r 192.168.0.107:80 -m -w 1",
    }
    assert set(before) <= set(saved_table(director))
    script = director.check_output("cat /etc/lvs.cluster/boot.d/40-table-cluster-default")
    assert f"{VIP}:8081 -r 192.168.0.108" not in script
    assert f"{VIP}:80 -r 192.168.0.108" in script


@pytest.mark.long
def test_a_limit_takes_the_others_for_prepared(site, director, services):
    done = site(added(services), (), "--limit", "director")
    assert done.returncode == 0, done.stdout
    assert f"-a -t {VIP}:8081 -r 192.168.0.108:80 -m -w 1" in saved_table(director)


@pytest.mark.long
def test_all_real_servers_down_block_no_director(site, director, services):
    done = site(services, ("rs1", "rs2", "rs3"))
    assert done.returncode != 0, done.stdout
    assert "was not reached and keeps what it has" in said(done)
    assert not [
        line
        for line in saved_table(director)
        if ":8081" in line or ("109:80 -m -w 1" in line and f"{VIP}:80 " in line)
    ]


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ({"scheduler": "rrr"}, "lvs_virtual_services[web].scheduler: unknown value"),
        ({"port": 8080}, "lvs_virtual_services[web-alternate]: is already the service web"),
        (
            {"real_servers": [{"host": "rs9"}]},
            "lvs_virtual_services[web].real_servers[0].host: is not a host of the inventory",
        ),
    ],
)
def test_a_mistake_is_told_before_any_host_is_touched(site, director, services, mistake, words):
    before = saved_table(director)
    done = site([{**services[0], **mistake}, *services[1:]])
    assert done.returncode != 0
    assert words in said(done)
    assert "Add what the real servers need" not in done.stdout
    assert saved_table(director) == before


def test_an_emptied_inventory_takes_no_site_down(site, director):
    before = saved_table(director), saved_firewall(director)
    done = site([], (), "--limit", "director")
    assert done.returncode == 2
    assert "max_removals='75%': is less than what the plan would remove" in said(done)
    assert re.search(r"director +: ok=\d+ +changed=0 ", done.stdout), done.stdout
    assert (saved_table(director), saved_firewall(director)) == before
    assert director.sysctl("net.ipv4.ip_forward") == 1


def without_rs1(services):
    """The description without this real server, whose return routes are then no longer needed."""
    return [
        {**each, "real_servers": [its for its in each["real_servers"] if its["host"] != "rs1"]}
        for each in services
    ]


def return_rules(machine):
    return machine("rs1").check_output("ip rule").count("lookup 1704")


@pytest.mark.long
@pytest.mark.parametrize("emptied", [False, True])
def test_a_limit_to_a_real_server_takes_nothing_from_it(site, machine, services, emptied):
    """The director still sends to it."""
    before = return_rules(machine)
    done = site([] if emptied else without_rs1(services), (), "--limit", "rs1")
    assert done.returncode == 0, said(done)
    assert "rs1 keeps what it no longer needs, because the directors director were not" in said(
        done
    )
    assert return_rules(machine) == before > 0


@pytest.mark.long
def test_a_director_that_is_down_may_still_send_to_a_real_server(site, machine, services):
    before = return_rules(machine)
    done = site(without_rs1(services), ("director",))
    assert done.returncode != 0
    assert "rs1 keeps what it no longer needs" in said(done)
    assert "director was not reached and keeps what it has" in said(done)
    assert return_rules(machine) == before


@pytest.mark.long
def test_a_real_server_that_is_down_keeps_its_port(site, director, services, fetch):
    """The service would be empty, or send to a port that nobody listens on."""
    moved = [{**services[0], "real_servers": [{"host": "rs1", "port": 8080}]}, *services[1:]]
    done = site(moved, ("rs1",), "-e", "director_max_removals=100%")
    assert done.returncode != 0
    assert f"-a -t {VIP}:80 -r 192.168.0.107:80 -m -w 1" in saved_table(director)
    assert fetch(VIP) == "rs1"
    assert director.sysctl("net.ipv4.ip_forward") == 1


def test_afterwards_all_is_as_described(site, services):
    succeed(site(services))
    assert "changed=0 " in succeed(site(services))
