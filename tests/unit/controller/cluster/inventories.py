# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Inventories as the tests of the control node write them down."""

from __future__ import annotations

import copy
import functools
import pathlib

from ansible_collections.lvs.cluster.plugins.plugin_utils.cluster.derive import Inventory, derive
from ansible_collections.lvs.cluster.plugins.plugin_utils.cluster.rendering import (
    TEMPLATE,
    render,
)

RENDER = functools.partial(
    render, (pathlib.Path(__file__).resolve().parents[4] / TEMPLATE).read_text(encoding="utf-8")
)
VIP, VIP6 = "198.51.100.10", "2001:db8::10"
DIRECTORS, REAL_SERVERS = "lvs_directors", "lvs_real_servers"
DESCRIPTION = {
    "lvs_virtual_services": [
        {
            "name": "web",
            "address": VIP,
            "port": 80,
            "scheduler": "wrr",
            "real_servers": [
                {"host": "rs1", "port": 8080, "weight": 3},
                {"host": "rs2"},
                {"host": "far", "weight": 0},
            ],
        },
        {
            "name": "web6",
            "address": "2001:DB8::0010",
            "port": "443",
            "real_servers": [{"host": "rs1"}],
        },
        {"name": "mark", "fwmark": 7, "real_servers": [{"host": "rs2", "forwarding": "masq"}]},
    ],
    "lvs_inside_networks": ["192.168.0.0/24", "192.168.1.0/24", "fd00::/64"],
    "lvs_inside_gateway": ["192.168.0.1", "fd00::1"],
    "lvs_management_networks": ["10.0.0.0/8"],
}
HOSTS = {
    "director": {"lvs_address": ["192.168.0.1", "fd00::1"]},
    "rs1": {"lvs_address": ["192.168.0.7", "fd00:0::7"]},
    "rs2": {"lvs_address": "192.168.0.8"},
    "far": {"lvs_address": "192.168.1.9", "lvs_inside_gateway": "192.168.1.1"},
}
GROUPS = {DIRECTORS: ["director"], REAL_SERVERS: ["rs1", "rs2", "far"]}
OTHERS = ("elsewhere", "nameless")


def inventory(description=None, hosts=None, groups=None):
    """An inventory.

    :param description: changes to the variables of all hosts; None removes one.
    :param hosts: by host, changes to its variables, or None for a host that does not exist.
    """
    variables = {}
    for host in dict.fromkeys([*HOSTS, *(hosts or {})]):
        if host in (hosts or {}) and hosts[host] is None:
            continue
        given = {**copy.deepcopy(DESCRIPTION), **(description or {})}
        given |= {**HOSTS.get(host, {}), **(hosts or {}).get(host, {})}
        variables[host] = {name: value for name, value in given.items() if value is not None}
    groups = {**GROUPS, **(groups or {})}
    every = [*variables, *OTHERS]
    return Inventory({"all": every, **groups}, variables)


def derived(description=None, hosts=None, groups=None, **more):
    return derive(inventory(description, hosts, groups), RENDER, **more)


def configuration(host, *args, **more):
    """A host's configuration out of a description without mistakes."""
    found = derived(*args, **more)
    assert found.errors == ()
    return found.hosts[host]["configuration"]


def service(**changes):
    return {"name": "web", "address": VIP, "port": 80, "real_servers": [{"host": "rs1"}], **changes}


def server(**changes):
    """The service with one real server, changed."""
    given = {"host": "rs1", **changes}
    return service(real_servers=[{name: each for name, each in given.items() if each is not None}])


def services(*given):
    return {"lvs_virtual_services": list(given)}


MARKED = {"name": "mark", "fwmark": 7, "real_servers": [{"host": "rs1"}]}
SECOND = {
    "hosts": {"second": {"lvs_address": "192.168.0.2"}},
    "groups": {DIRECTORS: ["director", "second"]},
}
# Two directors that stand in for each other, each on the network of the clients and on that of the real servers.
KEEPALIVED = {
    "lvs_high_availability": "keepalived",
    "lvs_inside_gateway": ["192.168.0.254", "fd00::fe"],
}
PAIR = {
    "hosts": {
        "director": {
            "lvs_address": ["192.168.0.1/24", "fd00::1/64"],
            "keepalived_address": ["198.51.100.1/24", "192.168.0.1/24", "fd00::1/64"],
        },
        "second": {
            "lvs_address": ["192.168.0.2/24", "fd00::2/64"],
            "keepalived_address": ["198.51.100.2/24", "192.168.0.2/24", "fd00::2/64"],
        },
    },
    "groups": {DIRECTORS: ["director", "second"]},
}


def pair(**changes):
    """These directors, with changes to the variables of both; None removes one."""
    hosts = {
        host: {name: each for name, each in {**given, **changes}.items() if each is not None}
        for host, given in PAIR["hosts"].items()
    }
    return {**PAIR, "hosts": hosts}


def of_pair(host, **changes):
    """These directors, with changes to the variables of one."""
    hosts = {name: dict(given) for name, given in PAIR["hosts"].items()}
    hosts[host] |= changes
    return {**PAIR, "hosts": hosts}
