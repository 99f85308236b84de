# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one host has to do for the cluster: (description, declared topology, host) -> its part. Pure.

Of facts gathered on hosts it knows nothing, so that a host that is down, or left out by ``--limit``,
changes nothing for the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from ..errors import InvalidInput
from ..ipvs import data
from ..ipvs.model import RealServerAttributes, RealServerKey
from ..ipvs.options import Options
from ..link.tunnel import Tunnel
from ..netfilter.decap import Outer
from ..netfilter.mark import match_data
from .description import EXTERNAL, Description, VirtualService, check_gateway, read
from .topology import Topology

FAMILIES = ("ipv4", "ipv6")
FORWARDING = ("nat", "dr", "tun")
FTP = 21


def host_part(host: str, variables: Options, topology: Topology) -> dict[str, Any]:
    """A host's part, as plain data.

    :param variables: the shared variables by their names without ``lvs_``, as the host has them.
    :returns: ``state``, present or absent; ``errors`` and ``warnings``, sentences; ``services``, of
        each its ``name``, virtual ``addresses``, and in ``places`` where a request can be made;
        ``director``, None where it is none: ``services`` as ipvs_table takes them, ``forwarding`` and
        ``families`` that occur, ``accepted`` as iptables_masq takes services, ``inside_networks``,
        ``addresses`` of each real server's host, ``marks`` as iptables_mark takes them, ``modules`` of
        the kernel, ``virtual_addresses`` as lvs_vip takes them, ``own`` addresses, those of real
        servers that are reached ``directly`` and by ``tunnelled`` packets; ``real_server``, None where
        it is none: ``forwarding`` methods by which it gets packets, ``gateway``, ``source`` and
        ``keep`` as lvs_route takes them, ``virtual_addresses``, their ``families``, ``tunnels`` as
        lvs_tunnel and ``outer`` as iptables_decap takes them, ``decapsulating`` devices, ``directors``'
        addresses, its ``own``.
    """
    state = variables.get("state") or "present"
    description = Description() if state == "absent" else read(variables, topology)
    errors, warnings = list(description.errors), list(description.warnings)
    director = real_server = None
    if host in topology.directors:
        director = _director(host, variables, description, topology)
    if host in topology.real_servers:
        real_server, found, noticed = _real_server(host, variables, description, topology)
        errors += [str(error) for error in found]
        warnings += [str(warning) for warning in noticed]
    return {
        "state": state,
        "errors": errors,
        "warnings": warnings,
        "services": [_shown(each) for each in description.services],
        "director": director,
        "real_server": real_server,
    }


def _director(
    host: str, variables: Options, description: Description, topology: Topology
) -> dict[str, Any]:
    services = description.services
    methods = {method for each in services for method in _methods(each)}
    families = {each.service.key.family for each in services}
    hosts = sorted({name for each in services for name in each.hosts.values()})

    def reached_by(method: str) -> list[str]:
        found = {
            server.address
            for each in services
            for server, attributes in each.service.real_servers.items()
            if attributes.forwarding == method and each.hosts.get(server) not in topology.directors
        }
        return sorted(found)

    floating = (variables.get("high_availability") or "") == EXTERNAL
    return {
        "services": [data.service_data(each.service) for each in services],
        "forwarding": [method for method in FORWARDING if method in methods],
        "families": [family for family in FAMILIES if family in families],
        "inside_networks": [str(network) for network in description.inside_networks]
        if "nat" in methods
        else [],
        "accepted": [data.service_key_data(each.service.key) for each in services],
        "addresses": {name: list(topology.addresses_of(name).values()) for name in hosts},
        "marks": [
            {"fwmark": each.service.key.fwmark, "match": [match_data(its) for its in each.matches]}
            for each in services
            if each.matches
        ],
        "modules": ["ip_vs_ftp"] if any(_is_ftp_by_nat(each) for each in services) else [],
        "virtual_addresses": [] if floating else _virtual_addresses(services),
        "own": list(topology.addresses_of(host).values()),
        "directly": reached_by("dr"),
        "tunnelled": reached_by("tun"),
    }


def _shown(each: VirtualService) -> dict[str, Any]:
    places = [
        {"name": each.name, "address": its.address, "port": port, "protocol": its.protocol}
        for its in each.traffic
        for port in [first for first, _last in its.ports]
        if its.address
    ]
    return {"name": each.name, "addresses": each.addresses, "places": places[:1]}


def _virtual_addresses(services: Iterable[VirtualService]) -> list[str]:
    return list(dict.fromkeys(address for each in services for address in each.addresses))


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
        **_held(host, description, topology),
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


def _held(host: str, description: Description, topology: Topology) -> dict[str, Any]:
    """What it takes to be reached by direct routing and tunnels. A director that is one needs nothing."""
    holding: list[VirtualService] = []
    tunnels: dict[Tunnel, None] = {}
    outer: dict[Outer, None] = {}
    own: dict[str, None] = {}
    for each in description.services:
        for server, its_host in each.hosts.items():
            attributes = each.service.real_servers[server]
            if its_host != host or host in topology.directors or attributes.forwarding == "nat":
                continue
            holding.append(each)
            own[server.address] = None
            if attributes.forwarding == "tun":
                for tunnel, packet in receiving(each.service.key.family, server, attributes):
                    tunnels[tunnel] = outer[packet] = None
    addresses = _virtual_addresses(holding)
    families = {each.service.key.family for each in holding}
    directors = [topology.addresses_of(name) for name in topology.directors]
    return {
        "virtual_addresses": addresses,
        "families": [family for family in FAMILIES if family in families],
        "own": list(own),
        "tunnels": [_given(asdict(each)) for each in tunnels],
        "outer": [_given(asdict(each)) for each in outer],
        "decapsulating": [each.device for each in tunnels if each.device],
        "directors": [address for its in directors for address in its.values()] if outer else [],
    }


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value}


def receiving(
    family: str, server: RealServerKey, attributes: RealServerAttributes
) -> list[tuple[Tunnel, Outer]]:
    """What a real server needs to unwrap a service's packets (``ip_vs_xmit.c`` wraps them).

    :param family: of the service.
    """
    outer = server.family
    if attributes.tunnel_type == "gre":
        kinds = ["gre" if outer == "ipv4" else "ip6gre"]
    elif outer == "ipv4":
        kinds = ["ipip" if family == "ipv4" else "sit"]
    else:
        kinds = ["ip6tnl"]
    found = [
        (Tunnel(kind, f"lvs-{kind}", server.address, 0, outer), Outer(kind, family=outer))
        for kind in kinds
    ]
    if attributes.tunnel_type == "gue":
        port = attributes.tunnel_port
        packet = Outer("gue", port, outer, attributes.tunnel_checksum)
        found.append((Tunnel("gue", port=port, family=outer), packet))
    return found


def _is_ftp_by_nat(each: VirtualService) -> bool:
    """Its data connections are announced in the control connection, where NAT has to find them."""
    return "nat" in _methods(each) and any(
        match.protocol == "tcp" and (FTP, FTP) in match.ports for match in each.traffic
    )


def _methods(each: VirtualService) -> set[str]:
    return {attributes.forwarding for attributes in each.service.real_servers.values()}
