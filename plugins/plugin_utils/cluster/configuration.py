# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configuration of one host, as the module lvs_host takes it, out of its cluster. Pure.

Facts that are gathered on hosts play no part, so that a host that is down, or left out by ``--limit``, changes
nothing for the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import data
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import (
    RealServerAttributes,
    RealServerKey,
)
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.words import (
    DR,
    FORWARDING_METHODS,
    NAT,
    TUN,
)
from ansible_collections.lvs.cluster.plugins.module_utils.net import FAMILIES, IPV4
from ansible_collections.lvs.cluster.plugins.module_utils.netfilter.decap import Outer
from ansible_collections.lvs.cluster.plugins.module_utils.netfilter.mark import match_data
from ansible_collections.lvs.cluster.plugins.module_utils.network.tunnel import Tunnel

from . import keepalived
from .availability import floating_addresses, sync_segment
from .checks import Cluster, gateways
from .description import VirtualService, virtual_addresses
from .findings import Findings
from .variables import EXTERNAL, KEEPALIVED, Values

FTP = 21
Configuration = dict[str, Any]
# A real server as a host is one: (service, real server, its attributes).
Served = tuple[VirtualService, RealServerKey, RealServerAttributes]


def is_whole(methods: Collection[str]) -> bool:
    """Whether hosts are set up for every forwarding method."""
    return set(methods) == set(FORWARDING_METHODS)


def served_by_host(cluster: Cluster) -> dict[str, list[Served]]:
    """By host, as which real servers it serves. A director that is one needs nothing for it."""
    found: dict[str, list[Served]] = {}
    for each in cluster.services:
        for server, attributes, host in each.forwarded:
            if host is not None and host not in cluster.topology.directors:
                found.setdefault(host, []).append((each, server, attributes))
    return found


def drainable(serving: Iterable[Served]) -> list[str]:
    """The addresses of a host by which directors send to it; a sorry server gets no share that could be drained."""
    return sorted(
        {
            server.address
            for each, server, _attributes in serving
            if server in each.service.real_servers
        }
    )


def requests(serving: Iterable[Served]) -> list[dict[str, Any]]:
    """Requests straight to a real server, one for each of its ports by TCP, as lvs_request_info takes them."""
    found: dict[tuple[str, int], str] = {}
    for each, server, _attributes in serving:
        if server.port and each.key.protocol == "tcp":
            found.setdefault((server.address, server.port), each.name)
    return [
        {"name": name, "address": address, "port": port} for (address, port), name in found.items()
    ]


def returning(serving: Iterable[Served], cluster: Cluster) -> list[Served]:
    """Of what a host serves, that whose replies have to return through the director.

    Replies to a director's own address find their way by any route.
    """
    return [
        each for each in serving if each[2].forwarding == NAT and each[0].name not in cluster.snat
    ]


def director(
    host: str,
    cluster: Cluster,
    values: Values,
    methods: Collection[str],
    render: keepalived.Renderer,
) -> Configuration:
    """What a director needs.

    :param methods: the forwarding methods that it is set up for; of all, it is a whole director. ``keepalived`` among
        them sets that up too.
    :param render: makes keepalived.conf.
    """
    whole = is_whole(methods)
    redundant = cluster.vrrp is not None and (whole or KEEPALIVED in methods)
    services = [each for each in cluster.services if whole or methods_of(each) & set(methods)]
    used = [
        each for each in FORWARDING_METHODS if each in methods and any(_by(services, each, cluster))
    ]
    found: Configuration = {
        "requirements": _reachable(host, services, cluster, values, used),
        "modules": _modules(services, values, used, whole),
        "settings": _director_settings(
            services,
            values,
            used,
            {
                **(_availability_settings(cluster) if redundant else {}),
                **(values["director_sysctls"] if whole else {}),
            },
        ),
        "firewall": _firewall(services, cluster, values, used) if whole or NAT in methods else {},
        "next_hops": {"to": _addresses(_by(services, DR, cluster))} if DR in used else {},
    }
    if whole:
        found |= _table(services, cluster, values)
    if redundant:
        peers = keepalived.peers(host, cluster)
        if peers:
            found["firewall"] = {
                "networks": [],
                "services": [],
                **found["firewall"],
                "peers": peers,
            }
        found["keepalived"] = keepalived.entry(host, cluster, values, render)
    return {kind: entry for kind, entry in found.items() if entry}


def _by(
    services: Iterable[VirtualService], method: str, cluster: Cluster
) -> Iterator[RealServerKey]:
    """The real servers that are reached by a method, without directors."""
    for each in services:
        for server, attributes, host in each.forwarded:
            if attributes.forwarding == method and host not in cluster.topology.directors:
                yield server


def _addresses(servers: Iterable[RealServerKey]) -> list[str]:
    return sorted({server.address for server in servers})


def _reachable(
    host: str,
    services: list[VirtualService],
    cluster: Cluster,
    values: Values,
    used: Collection[str],
) -> Configuration:
    if TUN not in used:
        return {}
    own = list(cluster.topology.addresses_of(host).values())
    sources = {
        "to": _addresses(_by(services, TUN, cluster)),
        "from": [*own, *values["tun_directors"]],
    }
    return {"tunnel_sources": sources}


def _modules(
    services: list[VirtualService], values: Values, used: Collection[str], whole: bool
) -> list[Configuration]:
    found: list[Configuration] = []
    if whole and values["director_conn_tab_bits"]:
        params = {"conn_tab_bits": values["director_conn_tab_bits"]}
        found.append({"name": "ip_vs", "params": params})
    if NAT in used and any(_is_ftp_by_nat(each) for each in services):
        found.append({"name": "ip_vs_ftp", "load": True})
    return found


def _director_settings(
    services: list[VirtualService],
    values: Values,
    used: Collection[str],
    explicit: Configuration,
) -> Configuration:
    """:param explicit: settings by name, besides those that the forwarding methods need."""
    families = {each.key.family for each in services}
    if values["nat_snat_services"] and NAT in used:
        explicit.setdefault("net.ipv4.vs.conntrack", 1)
    if not used and not explicit:
        return {}
    return {
        "profiles": ["director"],
        "forwarding": list(used),
        "families": [family for family in FAMILIES if family in families],
        "interfaces": list(values["director_interfaces"]),
        "values": explicit,
    }


def _availability_settings(cluster: Cluster) -> Configuration:
    """What directors need that stand in for each other, or remove real servers that have failed.

    A connection is made known to the other director at its third packet, then every ten seconds while it lasts, so
    that the other does not forget it (``ip_vs_sync_conn_needed`` in ip_vs_sync.c). A client whose real server was
    removed is refused at once instead of being kept waiting (ipvs-sysctl.rst).
    """
    found: Configuration = {}
    if sync_segment(cluster):
        found["net.ipv4.vs.sync_threshold"] = "3 0"
        found["net.ipv4.vs.sync_refresh_period"] = keepalived.SYNC_REFRESH_SECONDS
    if cluster.checked:
        found["net.ipv4.vs.expire_nodest_conn"] = 1
    return found


def _firewall(
    services: list[VirtualService], cluster: Cluster, values: Values, used: Collection[str]
) -> Configuration:
    if not services:
        return {}
    found: Configuration = {
        "networks": [str(network) for network in cluster.inside] if NAT in used else [],
        "services": [data.service_key_data(each.key) for each in services],
    }
    if values["nat_out_interface"]:
        found["out_interface"] = values["nat_out_interface"]
    snat = [each for each in services if NAT in used and each.name in values["nat_snat_services"]]
    if snat:
        found["snat"] = [data.service_key_data(each.key) for each in snat]
    return found


def _table(services: list[VirtualService], cluster: Cluster, values: Values) -> Configuration:
    """What attracts packets, and what comes right before."""
    marks = [
        {"fwmark": each.key.fwmark, "match": [match_data(its) for its in each.matches]}
        for each in services
        if each.matches
    ]
    virtual = virtual_addresses(services)
    holding: Configuration = {}
    if cluster.vrrp or cluster.high_availability == EXTERNAL:
        holding = {"addresses": [], "release": floating_addresses(cluster)}
    elif virtual:
        holding = {
            "addresses": virtual,
            "interface": values["director_vip_interface"],
            "announce": True,
            "probe": True,
        }
    table: Configuration = {
        "services": [data.service_data(each.service) for each in services],
        "max_removals": values["director_max_removals"],
    }
    return {
        "timeouts": dict(values["director_timeouts"]),
        # What another program holds by now is given up and not removed.
        "table": {"release": True} if cluster.checked else table,
        "marks": {"marks": marks} if marks else {},
        "addresses": holding,
    }


def real_server(
    host: str,
    serving: Iterable[Served],
    cluster: Cluster,
    values: Values,
    path: str,
    findings: Findings,
    methods: Collection[str],
) -> Configuration:
    """What a real server needs.

    :param serving: as which real servers it serves.
    :param path: where its lvs_inside_gateway is set.
    :param methods: the forwarding methods that it is set up for.
    """
    mine = [each for each in serving if each[2].forwarding in methods]
    routed = returning(mine, cluster)
    holding = [each for each in mine if each[2].forwarding != NAT]
    found: Configuration = {}
    if routed:
        found["routes"] = _routes(host, routed, cluster, values, path, findings)
    if holding:
        _check_routing(host, routed, holding, values, findings)
        found |= _holding(holding, cluster, values)
    return {kind: entry for kind, entry in found.items() if entry}


def _routes(
    host: str,
    routed: list[Served],
    cluster: Cluster,
    values: Values,
    path: str,
    findings: Findings,
) -> Configuration:
    families = {server.family for _each, server, _attributes in routed}
    ordered = [family for family in FAMILIES if family in families]
    found = gateways(host, values["lvs_inside_gateway"], ordered, cluster, path, findings)
    own = cluster.topology.addresses_of(host)
    if not found:
        return {}
    return {
        "gateway": list(found.values()),
        "source": [own[family] for family in found if family in own],
        "keep": list(values["lvs_management_networks"]),
        "through": list(values["nat_through"]),
        "mode": values["nat_routing"],
        "rollback": values["nat_rollback_seconds"],
    }


def _check_routing(
    host: str,
    routed: list[Served],
    holding: list[Served],
    values: Values,
    findings: Findings,
) -> None:
    """A director drops packets from its own virtual address, and would get them by a default route."""
    if routed and values["nat_routing"] == "default":
        method, service = holding[0][2].forwarding, holding[0][0].name
        findings.error(
            f"hostvars[{host}]",
            "nat_routing",
            "default",
            f"would route the replies of this host for the service {service} ({method}) to the director, which drops "
            "packets from its own virtual address",
            "set nat_routing to policy for this host",
        )


def _holding(holding: list[Served], cluster: Cluster, values: Values) -> Configuration:
    """What it takes to have the virtual addresses, and to unwrap tunnelled packets."""
    addresses = virtual_addresses(each for each, _server, _attributes in holding)
    own = list(dict.fromkeys(server.address for _each, server, _attributes in holding))
    families = {each.key.family for each, _server, _attributes in holding}
    used = {attributes.forwarding for _each, _server, attributes in holding}
    tunnels: dict[Tunnel, None] = {}
    outer: dict[Outer, None] = {}
    for each, server, attributes in holding:
        if attributes.forwarding == TUN:
            for tunnel, packet in receiving(each.key.family, server, attributes):
                tunnels[tunnel] = outer[packet] = None
    directors = cluster.topology.director_addresses()
    found: Configuration = {
        "requirements": {
            "no_return_through": {
                "gateways": list(dict.fromkeys([*directors, *values["lvs_inside_gateway"]])),
                "addresses": addresses,
            }
        },
        "settings": {
            "profiles": ["real_server"],
            "forwarding": [method for method in FORWARDING_METHODS if method in used],
            "families": [family for family in FAMILIES if family in families],
            "interfaces": list(values["real_server_interfaces"]),
            "ingress": own,
            "decapsulating": [each.device for each in tunnels if each.device],
        },
        "addresses": {"addresses": addresses, "interface": values["real_server_vip_interface"]},
    }
    if tunnels:
        found["tunnel_filter"] = {
            "directors": [*directors, *values["tun_directors"]],
            "tunnels": [_without_defaults(each) for each in outer],
            "addresses": addresses,
            "local": own,
            **({"mtu": values["tun_mtu"]} if values["tun_mtu"] else {}),
        }
        found["tunnels"] = {"tunnels": [_without_defaults(each) for each in tunnels]}
    return found


def _without_defaults(each: Tunnel | Outer) -> Configuration:
    return {name: value for name, value in each._asdict().items() if value}


def receiving(
    family: str, server: RealServerKey, attributes: RealServerAttributes
) -> list[tuple[Tunnel, Outer]]:
    """What a real server needs to unwrap a service's packets (``ip_vs_xmit.c`` wraps them).

    :param family: of the service.
    """
    outer = server.family
    if attributes.tunnel_type == "gre":
        kind = "gre" if outer == IPV4 else "ip6gre"
    elif outer == IPV4:
        kind = "ipip" if family == IPV4 else "sit"
    else:
        kind = "ip6tnl"
    found = [(Tunnel(kind, f"lvs-{kind}", server.address, 0, outer), Outer(kind, family=outer))]
    if attributes.tunnel_type == "gue":
        port = attributes.tunnel_port
        packet = Outer("gue", port, outer, attributes.tunnel_checksum)
        found.append((Tunnel("gue", port=port, family=outer), packet))
    return found


def _is_ftp_by_nat(each: VirtualService) -> bool:
    """Its data connections are announced in the control connection, where NAT has to find them."""
    return NAT in methods_of(each) and any(
        match.protocol == "tcp" and (FTP, FTP) in match.ports for match in each.traffic
    )


def methods_of(each: VirtualService) -> set[str]:
    """The forwarding methods of its real servers."""
    return {attributes.forwarding for _server, attributes, _host in each.forwarded}


def shown(each: VirtualService) -> dict[str, Any]:
    """What verification needs to know of a service.

    :returns: its ``name``, virtual ``addresses``, the ``places`` (address, port, protocol) where clients reach it,
        ``askable``: True, or why not all places are known, and ``keys``: how the table names it.
    """
    places: list[Mapping[str, Any]] = []
    askable: bool | str = True
    for its in each.traffic:
        for first, last in its.ports if its.address else ():
            if first == last:
                places.append({"address": its.address, "port": first, "protocol": its.protocol})
            else:
                askable = f"the ports {first}-{last} are not tested"
    return {
        "name": each.name,
        "addresses": each.addresses,
        "places": places,
        "askable": askable,
        "keys": [str(each.key)],
    }
