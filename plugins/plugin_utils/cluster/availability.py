# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must be true where directors stand in for each other, and where something checks the real servers. Pure.

Each rule is one function. keepalived itself takes most of these mistakes for warnings and does something else than
what was meant (``validate_check_config`` in check_data.c, ``vrrp_complete_instance`` in vrrp.c).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ansible_collections.lvs.cluster.plugins.module_utils.net import (
    FAMILY_NAMES,
    IPV4,
    IPV6,
    family_of,
    network_of,
)

from .checks import Cluster, Rule
from .description import virtual_addresses
from .findings import Findings
from .variables import KEEPALIVED
from .vrrp import ADDRESS, PASSWORD, Director, Segment, Vrrp


class Move(NamedTuple):
    """A segment whose VRRP instance moves addresses."""

    segment: Segment
    addresses: tuple[str, ...]


def check(cluster: Cluster, findings: Findings) -> None:
    """Collect everything that is wrong, and what is probably wrong."""
    health_checks_have_an_effect(cluster, findings)
    if cluster.vrrp:
        for rule in VRRP_RULES:
            rule(cluster, findings)
    if cluster.checked:
        for rule in TABLE_RULES:
            rule(cluster, findings)


def floating_addresses(cluster: Cluster) -> list[str]:
    """All addresses that move from director to director."""
    return list(dict.fromkeys([*virtual_addresses(cluster.services), *floating_gateways(cluster)]))


def floating_gateways(cluster: Cluster) -> list[str]:
    """The next hops of real servers that are no host's own address, and on a network of the directors.

    Another one is that of a router, which leads to the directors. If another program moves the addresses, their
    networks are not known, and every next hop counts that is no host's own address.
    """
    vrrp = cluster.vrrp
    owned = {*cluster.topology.owners, *(vrrp.own_addresses if vrrp else ())}
    return [
        address
        for address in cluster.gateways
        if address not in owned
        and (vrrp is None or any(each.holds(address) for each in vrrp.segments))
    ]


def moves(cluster: Cluster) -> list[Move]:
    """What VRRP moves. A segment without such addresses is left out: it can have no instance."""
    vrrp = cluster.vrrp
    if not vrrp:
        return []
    found: dict[int, list[str]] = {}
    for address in floating_addresses(cluster):
        segment = vrrp.segment_of(address)
        if segment:
            found.setdefault(segment.number, []).append(address)
    return [Move(each, tuple(found[each.number])) for each in vrrp.segments if each.number in found]


def sync_segment(cluster: Cluster) -> Segment | None:
    """Where connections are synchronised; None where they are not.

    IPVS sends to an IPv4 group, from an IPv4 address of the interface (``bind_mcastif_addr`` in ip_vs_sync.c).
    """
    vrrp = cluster.vrrp
    if not vrrp or not vrrp.sync or len(vrrp.directors) < 2:
        return None
    return next((each.segment for each in moves(cluster) if each.segment.family == IPV4), None)


def health_checks_have_an_effect(cluster: Cluster, findings: Findings) -> None:
    """Somebody has to check the real servers."""
    if cluster.checked:
        return
    option = "keepalived_table" if cluster.vrrp else "lvs_high_availability"
    for each in cluster.services:
        if each.options:
            several = len(each.options) > 1
            findings.warn(
                each.path,
                each.options[0],
                None,
                "has no effect"
                + (f" (nor do {', '.join(each.options[1:])})" if several else "")
                + ", because nothing checks real servers",
                f"set {option} to {KEEPALIVED}, or omit {'them' if several else 'it'}",
            )


def _vrrp(cluster: Cluster) -> Vrrp:
    """:raises AssertionError: the rule is for clusters with VRRP."""
    if cluster.vrrp is None:
        raise AssertionError(f"the cluster {cluster.name} has no VRRP")
    return cluster.vrrp


def _directors(cluster: Cluster) -> Iterator[tuple[str, str, Director]]:
    """Each director: (its name, where its addresses are set, the director)."""
    for host, each in _vrrp(cluster).directors.items():
        name = ADDRESS if each.declared else "lvs_address"
        yield host, f"hostvars[{host}].{name}", each


def somebody_takes_over(cluster: Cluster, findings: Findings) -> None:
    """A single director has no other to move its addresses to."""
    directors = cluster.topology.directors
    if len(directors) == 1:
        findings.warn(
            "",
            "lvs_high_availability",
            None,
            f"is {KEEPALIVED}, and {directors[0]} is the only director, so nothing takes over when it fails",
            "add a second host to lvs_directors",
        )


def directors_hear_each_other(cluster: Cluster, findings: Findings) -> None:
    """The n-th addresses of all directors are of one family, and on one network."""
    vrrp = _vrrp(cluster)
    first = cluster.topology.directors[0]
    for host, path, each in _directors(cluster):
        addresses = [source.address for source in each.sources]
        if each.declared != vrrp.directors[first].declared:
            missing, other = (first, host) if each.declared else (host, first)
            findings.error(
                f"hostvars[{missing}]",
                ADDRESS,
                None,
                f"is not set, and that of {other} is",
                "list one address for each network on which the directors hear each other, in the same order for all",
            )
        elif each.declared and len(addresses) != len(vrrp.directors[first].sources):
            findings.error(
                "",
                path,
                addresses,
                f"does not have as many addresses as that of {first}",
                "list one address for each network on which the directors hear each other, in the same order for all",
            )
        else:
            for segment, _moved in moves(cluster):
                _hears(host, path, each, segment, findings)


def _hears(host: str, path: str, each: Director, segment: Segment, findings: Findings) -> None:
    source = each.counterpart(segment.number, segment.family)
    if not source:
        # It has no address of the family, which another rule tells.
        return
    other = next(iter(segment.addresses))
    where = f"{path}[{segment.number - 1}]" if each.declared and len(each.sources) > 1 else path
    family = family_of(source.address)
    if family != segment.family:
        findings.error(
            "",
            where,
            source.address,
            f"is {FAMILY_NAMES[family]}, and the address of {other} at this position is {FAMILY_NAMES[segment.family]}",
            f"list the addresses of {host} in the order of those of {other}",
        )
    elif source.network and segment.network and source.network != segment.network:
        findings.error(
            "",
            where,
            f"{source.address}/{source.network.prefixlen}",
            f"is not on {segment.network}, as the address of {other} at this position is",
            "list the addresses of all directors in the order of the networks, or correct the prefix length",
        )


def every_family_is_spoken(cluster: Cluster, findings: Findings) -> None:
    """A VRRP instance moves addresses of its own family only."""
    families = {family_of(address) for address in floating_addresses(cluster)}
    for host, path, each in _directors(cluster):
        for family in sorted(families - {family_of(source.address) for source in each.sources}):
            name = FAMILY_NAMES[family]
            findings.error(
                "",
                path,
                [source.address for source in each.sources],
                f"has no {name} address, and the virtual addresses or the inside gateways are {name} too",
                f"add an {name} address of {host} by which the other directors reach it",
            )


def sources_stay(cluster: Cluster, findings: Findings) -> None:
    """VRRP can't move the addresses that it speaks from."""
    own = {
        **{
            address: host
            for address, host in cluster.topology.owners.items()
            if host in cluster.topology.directors
        },
        **_vrrp(cluster).own_addresses,
    }
    for each in cluster.services:
        for address in each.addresses:
            if address in own:
                findings.error(
                    each.path,
                    each.option,
                    address,
                    f"is an address of the director {own[address]} itself, which VRRP can't move",
                    "use an address of its own for the service",
                )
    if len(cluster.topology.directors) > 1:
        for address, path in cluster.gateways.items():
            # That of lvs_address is refused where the real server is configured.
            if address in own and address not in cluster.topology.owners:
                findings.error(
                    "",
                    path,
                    address,
                    f"stays with {own[address]}, whichever director is active",
                    "use a floating address, which moves together with the virtual addresses",
                )


def gateways_float(cluster: Cluster, findings: Findings) -> None:
    """With NAT the real servers' gateway moves in the same instant as the virtual addresses."""
    floating = floating_gateways(cluster)
    owned = {*cluster.topology.owners, *_vrrp(cluster).own_addresses}
    for address, path in cluster.gateways.items():
        if address in floating or address in owned:
            continue
        for host, _path, each in _directors(cluster):
            wrong = _unmoved(address, host, each, cluster)
            if wrong:
                findings.error("", path, address, *wrong)
                break


def _unmoved(
    gateway: str, host: str, director: Director, cluster: Cluster
) -> tuple[str, str] | None:
    """(what is wrong, what to do) where a gateway seems to be on a network of a director; None where it is not."""
    family, topology = family_of(gateway), cluster.topology
    sources = {source.address: source.network for source in director.sources}
    own = topology.addresses_of(host).get(family)
    known = topology.networks.get(host, {}).get(family)
    if known and network_of(gateway, [known]):
        return (
            f"is on the network {known} of {host}, and no {ADDRESS} is, so nothing would move it",
            f"add the address of each director on that network to its {ADDRESS}",
        )
    network = network_of(gateway, cluster.inside)
    unknown = [address for address, its in sources.items() if its is None]
    if own and own not in sources and known is None:
        unknown.append(own)
    for address in unknown:
        if family_of(address) == family and network and network_of(address, [network]):
            return (
                f"may be on the network of {address} of {host}, whose prefix length is not known, so it is not known "
                "whether it is a floating address",
                f"write that address with its prefix length, such as {address}/{network.prefixlen}, for each director",
            )
    return None


def priorities_differ(cluster: Cluster, findings: Findings) -> None:
    """Of two with the same priority, the one with the higher address is preferred."""
    seen: dict[int, str] = {}
    for host, each in _vrrp(cluster).directors.items():
        other = seen.setdefault(each.priority, host)
        if other != host:
            findings.warn(
                f"hostvars[{host}]",
                "keepalived_priority",
                each.priority,
                f"is that of {other} too, so the one with the higher address is preferred",
                "give each director its own",
            )


def router_ids_differ(cluster: Cluster, findings: Findings) -> None:
    """Two instances of one family on one interface need different ids."""
    seen: dict[tuple[str, int], int] = {}
    for each in _vrrp(cluster).segments:
        other = seen.setdefault((each.family, each.router_id), each.number)
        if other != each.number:
            findings.error(
                "",
                "keepalived_router_ids",
                each.router_id,
                f"is the id of the networks {other} and {each.number} of the cluster {cluster.name}",
                "use a different number for each",
            )


def delays_need_preemption(cluster: Cluster, findings: Findings) -> None:
    """A director that does not preempt never waits to do so."""
    if _vrrp(cluster).preempt:
        return
    for host, each in _vrrp(cluster).directors.items():
        if each.preempt_delay:
            findings.error(
                f"hostvars[{host}]",
                "keepalived_preempt_delay",
                each.preempt_delay,
                "has no effect without keepalived_preempt",
                "set keepalived_preempt to true, or omit the delay",
            )


def passwords_are_of_ipv4(cluster: Cluster, findings: Findings) -> None:
    """VRRP version 3, which IPv6 needs, has no authentication."""
    if _vrrp(cluster).password and any(each.segment.family == IPV6 for each in moves(cluster)):
        findings.error(
            "",
            PASSWORD,
            None,
            "can't protect IPv6: VRRP version 3 has no passwords",
            "omit it; unicast and the firewall rules keep others out",
        )


def connections_can_be_synchronised(cluster: Cluster, findings: Findings) -> None:
    """What the kernel's sync daemon can do (``mixed_address_family_dests`` in ip_vs_ctl.c)."""
    vrrp = _vrrp(cluster)
    if not vrrp.sync or len(vrrp.directors) < 2:
        return
    if moves(cluster) and not sync_segment(cluster):
        findings.error(
            "",
            "keepalived_sync",
            True,
            "needs a network on which IPv4 addresses move, because the kernel sends to an IPv4 group",
            f"add IPv4 addresses to {ADDRESS}, or set it to false; connections then break when a director fails",
        )
    for each in cluster.services:
        for server, _attributes, _host in each.forwarded:
            if server.family != each.key.family:
                findings.error(
                    each.path,
                    each.option_of(server),
                    server.address,
                    f"is {FAMILY_NAMES[server.family]}, and the service {FAMILY_NAMES[each.key.family]}: the kernel "
                    "refuses that while connections are synchronized",
                    "use an address of the service's family, or set keepalived_sync to false",
                )


def services_can_be_said(cluster: Cluster, findings: Findings) -> None:
    """keepalived ignores a virtual server without real servers."""
    for each in cluster.services:
        if not each.service.real_servers:
            findings.error(
                each.path,
                "real_servers",
                None,
                "is empty, and keepalived does not accept a service without real servers",
                "add some, or remove the service, or set keepalived_table to ours",
            )


def quorums_can_be_met(cluster: Cluster, findings: Findings) -> None:
    """keepalived counts the weights of those that work (``update_quorum_state`` in ipwrapper.c)."""
    for each in cluster.services:
        servers = each.service.real_servers
        total = sum(attributes.weight for attributes in servers.values())
        needed = each.availability.quorum + each.availability.hysteresis
        if not servers or total >= needed:
            continue
        if total == 0:
            findings.error(
                each.path,
                "real_servers",
                None,
                "all have the weight 0, and keepalived never regards such a service as available",
                "give one a weight above 0, or drain them instead (lvs.cluster.ipvs_drain)",
            )
        else:
            findings.error(
                each.path,
                "quorum",
                each.availability.quorum,
                f"is too high: with hysteresis it is {needed}, but the weights of the service add up to {total} only",
                "reduce it, or raise the weights",
            )


VRRP_RULES: Sequence[Rule] = (
    somebody_takes_over,
    directors_hear_each_other,
    every_family_is_spoken,
    sources_stay,
    gateways_float,
    priorities_differ,
    router_ids_differ,
    delays_need_preemption,
    passwords_are_of_ipv4,
    connections_can_be_synchronised,
)
TABLE_RULES: Sequence[Rule] = (
    services_can_be_said,
    quorums_can_be_met,
)


def check_clusters(clusters: Sequence[Cluster], findings: Findings) -> None:
    """Two clusters on one segment need different virtual router ids."""
    seen: list[tuple[Cluster, Segment]] = []
    for cluster in clusters:
        mine = [each.segment for each in moves(cluster)]
        for segment in mine:
            for other, its in seen:
                _check_router_ids(cluster, segment, other, its, findings)
        seen += [(cluster, segment) for segment in mine]


def _check_router_ids(
    cluster: Cluster, segment: Segment, other: Cluster, its: Segment, findings: Findings
) -> None:
    if (segment.family, segment.router_id) != (its.family, its.router_id):
        return
    problem = f"is the virtual router id of the clusters {other.name} and {cluster.name}"
    remedy = "set keepalived_router_ids of one of them to other numbers"
    if segment.network and its.network:
        if segment.network == its.network:
            problem += f", which are both on {segment.network}"
            findings.error("", "keepalived_router_ids", segment.router_id, problem, remedy)
    elif _vrrp(cluster).multicast and _vrrp(other).multicast:
        # By unicast each hears its own peers only.
        problem += ", and with multicast they interfere with each other if they are on one network"
        findings.warn("", "keepalived_router_ids", segment.router_id, problem, remedy)
