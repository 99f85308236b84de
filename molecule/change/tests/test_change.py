# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes of a cluster at work: no request to a service that is described before and after fails.

Each change is one run of site.yml, with clients that go on making requests. With LVS_CHANGES=some, only those are made
that are tested every day.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from shared.tests.playbooks import described, succeed
from shared.tests.traffic import places, under_load

VIP, OTHER_VIP = "10.83.0.100", "10.83.0.101"
RULES = "ipvsadm --save --numeric"

Description = dict[str, Any]


def with_services(description: Description, services: list[dict[str, Any]]) -> Description:
    return {**description, "lvs_virtual_services": services}


def forwarded(method: str) -> Callable[[Description], Description]:
    """All services by this method, and with no other options of their real servers."""

    def change(description: Description) -> Description:
        services = [
            {
                **service,
                "forwarding": method,
                "real_servers": [{"host": server["host"]} for server in service["real_servers"]],
            }
            for service in description["lvs_virtual_services"]
        ]
        return with_services(description, services)

    return change


def tunnelled_by_gre(description: Description) -> Description:
    services = [
        {
            **service,
            "real_servers": [
                {**server, "tunnel_type": "gre"} for server in service["real_servers"]
            ],
        }
        for service in description["lvs_virtual_services"]
    ]
    return with_services(description, services)


def with_another(**options: Any) -> Callable[[Description], Description]:
    """One more service, which differs from the first by these options."""

    def change(description: Description) -> Description:
        services = description["lvs_virtual_services"]
        return with_services(description, [*services, {**services[0], **options}])

    return change


def marked(description: Description) -> Description:
    """The first service by a firewall mark; its traffic stays the same."""
    first, *others = description["lvs_virtual_services"]
    mark = {"fwmark": 83, "match": [{"address": first["address"], "ports": [first["port"]]}]}
    rest = {key: value for key, value in first.items() if key not in ("address", "port")}
    return with_services(description, [{**rest, **mark}, *others])


def addressed(description: Description) -> Description:
    """The first service by its address again."""
    first, *others = description["lvs_virtual_services"]
    (match,) = first["match"]
    place = {"address": match["address"], "port": match["ports"][0]}
    rest = {key: value for key, value in first.items() if key not in ("fwmark", "match")}
    return with_services(description, [{**rest, **place}, *others])


def by_another_gateway(description: Description) -> Description:
    return {**description, "lvs_inside_gateway": "192.168.83.2"}


@dataclass(frozen=True)
class Change:
    """:ivar make: of the description before, the one after.
    :ivar shown: what a command on the director prints after it, and not before.
    :ivar host: another host where the command is to be run.
    """

    name: str
    make: Callable[[Description], Description]
    shown: str
    command: str = RULES
    host: str = "director"
    daily: bool = False


# In this order, each upon what those before it have left; it begins with NAT.
ALL = (
    Change(
        "another gateway",
        by_another_gateway,
        "via 192.168.83.2 ",
        "ip route get 10.83.0.5 from 192.168.83.11",
        "rs1",
        daily=True,
    ),
    Change("nat to dr", forwarded("dr"), "-r 192.168.83.11:80 -g", daily=True),
    Change("dr to tun", forwarded("tun"), "-r 192.168.83.11:80 -i -w 1 --tun-type ipip"),
    Change(
        "a new address",
        with_another(name="web2", address=OTHER_VIP),
        f"-A -t {OTHER_VIP}:80 ",
        daily=True,
    ),
    Change("a new port", with_another(name="web8080", port=8080), f"-A -t {VIP}:8080 "),
    Change("address to firewall mark", marked, "-A -f 83 "),
    Change("firewall mark to address", addressed, f"-A -t {VIP}:80 "),
    Change("ipip to gre", tunnelled_by_gre, "-r 192.168.83.11:80 -i -w 1 --tun-type gre"),
)
CHANGES = [each for each in ALL if each.daily or os.environ.get("LVS_CHANGES") != "some"]


class Cluster:
    """The cluster as the last run of site.yml has left it.

    :ivar description: None where a run has failed, so that nobody knows.
    """

    def __init__(self, description: Description) -> None:
        self.description: Description | None = description

    def become(self, description: Description, playbook: Callable[..., Any]) -> str:
        """Run site.yml, once; what it has printed."""
        self.description = None
        printed = succeed(playbook("site.yml", variables=description))
        self.description = description
        return printed


@pytest.fixture(scope="module")
def cluster():
    """The scenario has converged to its own description."""
    return Cluster(described())


@pytest.fixture(scope="module")
def descriptions():
    """Of each change by its name: the description before, and after."""
    found, description = {}, described()
    for change in CHANGES:
        before, description = description, change.make(description)
        found[change.name] = (before, description)
    return found


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_no_request_fails(change, cluster, descriptions, playbook, lab, machine, fetch, capsys):
    before, after = descriptions[change.name]
    if cluster.description != before:
        cluster.become(before, playbook)
    assert change.shown not in machine(change.host).check_output(change.command)
    with under_load(lab, before) as traffic:
        began = time.monotonic()
        cluster.become(after, playbook)
        seconds = time.monotonic() - began
    assert change.shown in machine(change.host).check_output(change.command)
    with capsys.disabled():
        print(f"{change.name}: {seconds:.0f} s, {traffic.figures()}")
    assert not traffic.failed, "\n".join(traffic.failures())
    assert traffic.seconds > seconds
    traffic.check_steady()
    for name in places(before):
        assert traffic.answers(name) == {"rs1", "rs2"}
    for address, port in places(after).values():
        assert fetch(address, port) in ("rs1", "rs2")


def test_one_run_has_made_the_whole_last_change(cluster, descriptions, playbook):
    _before, after = descriptions[CHANGES[-1].name]
    assert cluster.description == after
    recap = cluster.become(after, playbook).partition("PLAY RECAP")[2]
    assert recap.count("changed=0 ") == recap.count("ok=") > 0
