# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must be true of all services of a cluster together, and of the hosts that serve them. Pure.

Each rule is one function, and reads every service once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import RealServerKey
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.words import DR, NAT, TUN
from ansible_collections.lvs.cluster.plugins.module_utils.net import (
    FAMILY_NAMES,
    Network,
    family_of,
    network_of,
    one_of_each_family,
)
from ansible_collections.lvs.cluster.plugins.module_utils.netfilter.mark import Match

from .description import Forwarded, VirtualService
from .findings import Findings
from .topology import Topology, end_of, unusable
from .variables import NO_HIGH_AVAILABILITY
from .vrrp import Vrrp

# They count connections or go round, whatever the weights (ip_vs_rr.c, ip_vs_lc.c, ip_vs_dh.c).
IGNORING_WEIGHTS = ("rr", "lc", "dh")


@dataclass(frozen=True)
class Cluster:
    """A cluster as it is described.

    :ivar inside: lvs_inside_networks.
    :ivar high_availability: who moves the virtual addresses between directors.
    :ivar snat: the names of the services whose clients' addresses every director replaces by its own.
    :ivar vrrp: how the directors find the active one; None where keepalived does not move the addresses.
    :ivar gateways: the next hops of real servers by NAT, each with where it is set.
    """

    name: str
    topology: Topology
    services: tuple[VirtualService, ...] = ()
    inside: tuple[Network, ...] = ()
    high_availability: str = NO_HIGH_AVAILABILITY
    snat: frozenset[str] = frozenset()
    vrrp: Vrrp | None = None
    gateways: Mapping[str, str] = field(default_factory=dict)

    @property
    def checked(self) -> bool:
        """Whether keepalived has the IPVS table, and checks the real servers."""
        return self.vrrp is not None and self.vrrp.owns_table


Rule = Callable[[Cluster, Findings], None]


def check(cluster: Cluster, findings: Findings) -> None:
    """Collect everything that is wrong, and what is probably wrong."""
    for rule in RULES:
        rule(cluster, findings)


def keys_are_unique(cluster: Cluster, findings: Findings) -> None:
    """The table has one service of each key."""
    found: dict[str, VirtualService] = {}
    for each in cluster.services:
        other = found.setdefault(str(each.key), each)
        if other is not each:
            findings.error(
                each.path,
                None,
                str(each.key),
                f"is already the service {other.name}",
                "remove one of the two, or give this one another address, port or mark",
            )


def traffic_is_disjoint(cluster: Cluster, findings: Findings) -> None:
    """A packet that gets a mark belongs to no other service.

    Services of one address may overlap: one of all ports takes what no other of that address does
    (``ip_vs_service_find`` in ip_vs_ctl.c).
    """
    seen: dict[tuple[str, str], list[tuple[Match, VirtualService]]] = {}
    networks: list[tuple[Match, VirtualService]] = []
    for each in cluster.services:
        for its in each.traffic:
            place = (its.network, its.protocol)
            others = [*seen.get(place, ()), *networks]
            if not its.address:
                others = [pair for pairs in seen.values() for pair in pairs]
            other = _overlapping(each, its, others)
            if other:
                findings.error(
                    each.path,
                    each.option,
                    its.network,
                    f"matches packets that belong to the service {other.name} too",
                    "use other ports, or remove one of the two services",
                )
            seen.setdefault(place, []).append((its, each))
            if not its.address:
                networks.append((its, each))


def _overlapping(
    each: VirtualService, its: Match, others: Iterable[tuple[Match, VirtualService]]
) -> VirtualService | None:
    for match, other in others:
        marked = each.key.fwmark or other.key.fwmark
        if marked and other.key != each.key and its.overlaps(match):
            return other
    return None


def there_is_a_director(cluster: Cluster, findings: Findings) -> None:
    """Without one nothing is served. With two, the description must say which has the addresses."""
    directors = cluster.topology.directors
    if cluster.services and not directors:
        remedy = "put the director into that group of the inventory"
        if cluster.name != "default":
            remedy += f", with lvs_cluster {cluster.name}"
        problem = f"has no host that belongs to the cluster {cluster.name}"
        findings.error("groups.lvs_directors", None, None, problem, remedy)
    if len(directors) > 1 and cluster.high_availability == NO_HIGH_AVAILABILITY:
        findings.error(
            "",
            "lvs_high_availability",
            cluster.high_availability,
            f"does not say which of {', '.join(directors)} has the virtual addresses",
            "set it to keepalived, or to external where another program moves the addresses, or keep one host in "
            "lvs_directors",
        )


def addresses_are_usable(cluster: Cluster, findings: Findings) -> None:
    """A virtual address is a unicast address that only the director has."""
    topology = cluster.topology
    servers = _bare_real_servers(cluster.services)
    segments = list(
        dict.fromkeys(
            [
                *cluster.inside,
                *(net for nets in topology.networks.values() for net in nets.values()),
            ]
        )
    )
    for each in cluster.services:
        for address in each.addresses:
            wrong = unusable(address) or _end_of_a_segment(address, segments)
            remedy = "use the unicast address that clients connect to"
            if not wrong:
                wrong, remedy = _taken(address, each, topology, servers)
            if wrong:
                findings.error(each.path, each.option, address, wrong, remedy)


def _end_of_a_segment(address: str, segments: Sequence[Network]) -> str:
    segment = network_of(address, segments)
    return end_of(address, segment) if segment else ""


def _taken(
    address: str,
    each: VirtualService,
    topology: Topology,
    servers: Mapping[str, VirtualService],
) -> tuple[str, str]:
    """(whose address it is already, what to do), or empty texts."""
    owner = topology.owners.get(address)
    if owner is None:
        if address in servers:
            return (
                f"is the address of a real server of the service {servers[address].name}",
                "use an address that only the director has",
            )
        return "", ""
    if owner not in topology.directors:
        return (
            f"is the address of {owner}, which is not a director",
            "use an address that only the director has, or correct lvs_address of that host",
        )
    direct = [
        attributes.forwarding
        for _server, attributes, host in each.forwarded
        if attributes.forwarding != NAT and host != owner
    ]
    if direct:
        return (
            f"is the lvs_address of the director {owner}, and a real server with {direct[0]} has the virtual address "
            "too: it would drop what the director itself sends, ARP included (martian source)",
            "use an address of its own for the service, or forward by nat",
        )
    return "", ""


def _bare_real_servers(services: Iterable[VirtualService]) -> dict[str, VirtualService]:
    return {
        server.address: each
        for each in services
        for server, _attributes, host in each.forwarded
        if host is None
    }


def real_servers_are_usable(cluster: Cluster, findings: Findings) -> None:
    """Each is a host that is prepared, or an address that can be one."""
    topology = cluster.topology
    virtual = {address: each.name for each in cluster.services for address in each.addresses}
    for each in cluster.services:
        if not each.service.real_servers and not cluster.checked:
            problem = "is empty, so every connection is refused"
            findings.warn(
                each.path, "real_servers", None, problem, "add some, or remove the service"
            )
        for server, attributes, host in each.forwarded:
            option = each.option_of(server)
            wrong = unusable(server.address)
            if wrong:
                remedy = "use the unicast address of the real server"
                findings.error(each.path, option, server.address, wrong, remedy)
            elif host is None:
                _bare(each, server, attributes.forwarding, virtual, findings)
            elif host not in topology.directors and host not in topology.real_servers:
                findings.warn(
                    each.path,
                    option,
                    host,
                    "is not in the group lvs_real_servers, so it is not set up",
                    "add it to that group, or set it up yourself",
                )


def _bare(
    each: VirtualService,
    server: RealServerKey,
    method: str,
    virtual: Mapping[str, str],
    findings: Findings,
) -> None:
    if server.address in virtual:
        findings.warn(
            each.path,
            each.option_of(server),
            server.address,
            f"is a virtual address of the service {virtual[server.address]}, and a director does not forward a packet "
            "twice",
            "name the real servers of that service",
        )
        return
    findings.warn(
        each.path,
        each.option_of(server),
        server.address,
        f"is not the lvs_address of a host, so it is not set up for {method}",
        "add the host to lvs_real_servers and use the option host, or set it up yourself",
    )


def directors_as_real_servers(cluster: Cluster, findings: Findings) -> None:
    """IPVS delivers packets to an address of its own host as they are, whatever the forwarding method."""
    directors = cluster.topology.directors
    for each in cluster.services:
        for server, _attributes, host in each.forwarded:
            if host not in directors:
                continue
            if len(directors) > 1:
                findings.error(
                    each.path,
                    each.option_of(server),
                    host,
                    "is a director, and there are several: another director would forward packets to it that it "
                    "would have to forward again",
                    "use hosts that are not directors, or one director",
                )
                continue
            findings.warn(
                each.path,
                each.option_of(server),
                host,
                f"is a director: packets for {server} are delivered unmodified, whatever the forwarding method",
                f"make its application listen on {', '.join(each.addresses) or 'the virtual address'} too",
            )


def nat_real_servers_are_inside(cluster: Cluster, findings: Findings) -> None:
    """A director lets the replies of lvs_inside_networks through only."""
    for each, (server, attributes, host) in _forwarded(cluster):
        if attributes.forwarding == NAT and network_of(server.address, cluster.inside) is None:
            findings.error(
                each.path,
                each.option_of(server),
                host or server.address,
                f"has the address {server.address}, which is in none of lvs_inside_networks, so the director would "
                "not forward its replies",
                "add its network there, or use another forwarding method",
            )


def virtual_addresses_are_known(cluster: Cluster, findings: Findings) -> None:
    """By direct routing and tunnels a real server has the virtual address too."""
    for each, (_server, attributes, _host) in _forwarded(cluster):
        method = attributes.forwarding
        if method != NAT and not each.addresses:
            findings.error(
                each.path,
                "match",
                None,
                f"is missing, and without it the virtual address that real servers with {method} must have is unknown",
                "list the addresses and ports that get the mark, or forward by nat",
            )


def direct_routing_shares_a_segment(cluster: Cluster, findings: Findings) -> None:
    """Only the hardware address of a packet is changed."""
    topology = cluster.topology
    for each, (server, attributes, host) in _forwarded(cluster):
        if attributes.forwarding != DR or host is None:
            continue
        own = topology.networks.get(host, {}).get(server.family)
        for director in topology.directors:
            its = topology.networks.get(director, {}).get(server.family)
            if own and its and own != its:
                findings.error(
                    each.path,
                    "forwarding",
                    DR,
                    f"needs a common segment, and according to lvs_address {host} is on {own} and {director} on {its}",
                    "forward to it by tun or nat, or correct lvs_address",
                )


def tunnels_have_a_source(cluster: Cluster, findings: Findings) -> None:
    """A real server takes tunnelled packets from the directors' addresses only."""
    topology = cluster.topology
    for each, (server, attributes, _host) in _forwarded(cluster):
        if attributes.forwarding != TUN:
            continue
        if attributes.tunnel_type == "gre" and attributes.tunnel_checksum != "none":
            findings.error(
                each.path,
                "tunnel_checksum",
                attributes.tunnel_checksum,
                "is not supported with gre",
                "omit it; the packet inside has a checksum of its own",
            )
        for director in topology.directors:
            if server.family in topology.addresses_of(director):
                continue
            name = FAMILY_NAMES[server.family]
            findings.error(
                f"hostvars[{director}]",
                "lvs_address",
                list(topology.addresses_of(director).values()),
                f"has no {name} address, and the service {each.name} tunnels to {server.address}, which accepts "
                "tunnelled packets from the directors' addresses only",
                f"add the {name} address from which {director} sends",
            )


def weights_matter(cluster: Cluster, findings: Findings) -> None:
    """Weights that the scheduler ignores, or with which no real server gets new connections."""
    for each in cluster.services:
        scheduler = each.service.attributes.scheduler
        weights = [attributes.weight for attributes in each.service.real_servers.values()]
        if weights and not any(weights) and not cluster.checked:
            findings.warn(
                each.path,
                "real_servers",
                None,
                "all have the weight 0, so every new connection is refused",
                "give a weight above 0 to those that are to serve",
            )
        serving = {weight for weight in weights if weight}
        if scheduler in IGNORING_WEIGHTS and len(serving) > 1:
            findings.warn(
                each.path,
                "scheduler",
                scheduler,
                "ignores weights other than 0",
                f"use w{scheduler}, or omit the weights"
                if scheduler != "dh"
                else "omit the weights",
            )


def ports_matter(cluster: Cluster, findings: Findings) -> None:
    """A service of all ports keeps the port of each packet (ip_vs_sched_persist in ip_vs_core.c)."""
    for each in cluster.services:
        if each.key.fwmark or each.key.port:
            continue
        for server in each.service.real_servers:
            if server.port:
                findings.warn(
                    each.path,
                    "real_servers",
                    str(server),
                    "has a port, which a service of all ports ignores",
                    "omit it",
                )


def _forwarded(cluster: Cluster) -> Iterable[tuple[VirtualService, Forwarded]]:
    """All that packets are forwarded to but the directors themselves."""
    for each in cluster.services:
        for its in each.forwarded:
            if its.host not in cluster.topology.directors:
                yield each, its


RULES: tuple[Rule, ...] = (
    keys_are_unique,
    traffic_is_disjoint,
    there_is_a_director,
    addresses_are_usable,
    real_servers_are_usable,
    directors_as_real_servers,
    nat_real_servers_are_inside,
    virtual_addresses_are_known,
    direct_routing_shares_a_segment,
    tunnels_have_a_source,
    weights_matter,
    ports_matter,
)


def gateways(
    host: str,
    given: Sequence[str],
    families: Sequence[str],
    cluster: Cluster,
    path: str,
    findings: Findings,
) -> dict[str, str]:
    """The next hops of a real server by NAT, towards the director: family to address.

    :param given: lvs_inside_gateway as the host has it.
    :param families: of the services that it works for.
    :param path: where that variable is set.
    """
    topology = cluster.topology
    declared: dict[str, str] = {}
    with findings.at("", path):
        declared = one_of_each_family(path, path, given)
    for family in families:
        own, gateway = topology.addresses_of(host).get(family), declared.get(family)
        if own is None:
            continue
        if gateway is None:
            name = FAMILY_NAMES[family]
            findings.error(
                "",
                path,
                list(given),
                f"has no {name} address, and {host} is a real server with nat in an {name} service",
                "add the director's address on its network: its replies must return through the director",
            )
            continue
        wrong = _wrong_gateway(gateway, own, cluster)
        if wrong:
            findings.error("", path, gateway, *wrong)
            continue
        doubt = _doubtful_gateway(gateway, cluster)
        if doubt:
            findings.warn("", path, gateway, *doubt)
    return {family: declared[family] for family in families if family in declared}


def _wrong_gateway(gateway: str, own: str, cluster: Cluster) -> tuple[str, str] | None:
    """(what is wrong with it, what to do instead), or None."""
    directors = cluster.topology.directors
    owner = cluster.topology.owners.get(gateway)
    if gateway == own:
        return "is the real server's own address", "use the director's address on its network"
    if network_of(gateway, cluster.inside) != network_of(own, cluster.inside):
        return (
            f"is not on the network of {own} in lvs_inside_networks",
            "give this host a lvs_inside_gateway of its own: the router there that leads to the director",
        )
    if owner in directors and len(directors) > 1:
        return (
            f"stays with {owner}, whichever director is active",
            "use a floating address, which moves together with the virtual addresses",
        )
    if owner and owner not in directors:
        return (
            f"is the address of {owner}, which is not a director",
            "use the director's address: replies must return through the director",
        )
    return None


def _doubtful_gateway(gateway: str, cluster: Cluster) -> tuple[str, str] | None:
    """The only director is on this network, and has another address than the gateway, which nothing moves."""
    topology = cluster.topology
    if len(topology.directors) != 1 or gateway in topology.owners or cluster.vrrp:
        return None
    director = topology.directors[0]
    address = topology.addresses_of(director).get(family_of(gateway))
    if address is None or network_of(address, cluster.inside) != network_of(
        gateway, cluster.inside
    ):
        return None
    return (
        f"is not the lvs_address of {director}, which is on the same network",
        "make sure that it leads to the director, or use the director's address",
    )
