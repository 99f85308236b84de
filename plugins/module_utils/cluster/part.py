# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one host has to do for the cluster: (description, declared topology, host) -> its part. Pure.

Of facts gathered on hosts it knows nothing, so that a host that is down, or left out by ``--limit``,
changes nothing for the others.
"""

from __future__ import annotations

from typing import Any

from ..errors import InvalidInput
from ..ipvs import data
from ..ipvs.options import Options
from .description import Description, VirtualService, check_gateway, read
from .topology import Topology

FAMILIES = ("ipv4", "ipv6")
FORWARDING = ("nat", "dr", "tun")
# What the roles of this collection prepare real servers for.
PREPARED = ("nat",)


def host_part(host: str, variables: Options, topology: Topology) -> dict[str, Any]:
    """A host's part, as plain data.

    :param variables: the shared variables by their names without ``lvs_``, as the host has them.
    :returns: ``state``, present or absent; ``errors`` and ``warnings``, sentences; ``director``, None where
        it is none: ``services`` as ipvs_table takes them, ``forwarding`` and ``families`` that occur,
        ``accepted`` as iptables_masq takes services, ``inside_networks``, ``addresses`` of each real
        server's host; ``real_server``, None where it is none: ``forwarding`` methods by which it gets
        packets, ``gateway``, ``source`` and ``keep`` as lvs_route takes them.
    """
    state = variables.get("state") or "present"
    description = Description() if state == "absent" else read(variables, topology)
    errors, warnings = list(description.errors), list(description.warnings)
    director = real_server = None
    if host in topology.directors:
        director = _director(description, topology)
    if host in topology.real_servers:
        real_server, found, noticed = _real_server(host, variables, description, topology)
        errors += [str(error) for error in found]
        warnings += [str(warning) for warning in noticed]
    for each in description.services:
        errors += [str(error) for error in _unprepared_methods(each)]
    return {
        "state": state,
        "errors": errors,
        "warnings": warnings,
        "director": director,
        "real_server": real_server,
    }


def _director(description: Description, topology: Topology) -> dict[str, Any]:
    services = description.services
    methods = {
        attributes.forwarding
        for each in services
        for attributes in each.service.real_servers.values()
    }
    families = {each.service.key.family for each in services}
    by_nat = [each for each in services if "nat" in _methods(each)]
    hosts = sorted({host for each in services for host in each.hosts.values()})
    return {
        "services": [data.service_data(each.service) for each in services],
        "forwarding": [method for method in FORWARDING if method in methods],
        "families": [family for family in FAMILIES if family in families],
        "inside_networks": [str(network) for network in description.inside_networks],
        "accepted": [data.service_key_data(each.service.key) for each in by_nat],
        "addresses": {host: list(topology.addresses_of(host).values()) for host in hosts},
    }


def _real_server(
    host: str, variables: Options, description: Description, topology: Topology
) -> tuple[dict[str, Any], list[InvalidInput], list[InvalidInput]]:
    methods: set[str] = set()
    families: set[str] = set()
    for each in description.services:
        for server, its_host in each.hosts.items():
            if its_host == host:
                method = each.service.real_servers[server].forwarding
                methods.add(method)
                if method == "nat":
                    families.add(server.family)
    part: dict[str, Any] = {
        "forwarding": [method for method in FORWARDING if method in methods],
        "gateway": [],
        "source": [],
        "keep": [str(network) for network in description.management_networks],
    }
    # A director is its own way back.
    if not families or host in topology.directors or description.errors:
        return part, [], []
    ordered = [family for family in FAMILIES if family in families]
    gateways, errors, warnings = check_gateway(
        host, variables.get("inside_gateway"), ordered, description.inside_networks, topology
    )
    own = topology.addresses_of(host)
    part["gateway"] = list(gateways.values())
    part["source"] = [own[family] for family in gateways if family in own]
    return part, errors, warnings


def _methods(each: VirtualService) -> set[str]:
    return {attributes.forwarding for attributes in each.service.real_servers.values()}


def _unprepared_methods(each: VirtualService) -> list[InvalidInput]:
    return [
        InvalidInput(
            f"service {each.name}",
            "forwarding",
            method,
            "needs real servers that hold the virtual address, which the roles do not set up yet",
            "write nat",
        )
        for method in sorted(_methods(each) - set(PREPARED))
    ]
