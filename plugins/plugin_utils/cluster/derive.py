# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From an inventory to the configuration of every host of its clusters, each cluster read once. Pure."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.words import FORWARDING_METHODS
from ansible_collections.lvs.cluster.plugins.module_utils.net import Network, canonical_address

from . import availability, checks, configuration
from .description import named_hosts, read_services
from .findings import Findings
from .keepalived import Renderer, ready_seconds
from .topology import Topology, read_addresses, read_networks
from .variables import (
    ABSENT,
    KEEPALIVED,
    PRESENT,
    VARIABLES,
    Values,
    check_alike,
    check_names,
    path_of,
    read_values,
)
from .vrrp import Vrrp, read_vrrp
from .words import value_of

DIRECTORS, REAL_SERVERS = "lvs_directors", "lvs_real_servers"
ROLES: Mapping[str, str] = {DIRECTORS: "director", REAL_SERVERS: "real_server"}
# With the prefix of an owner, it is the name of files on hosts.
_CLUSTER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")


@dataclass(frozen=True)
class Inventory:
    """What an inventory declares.

    :ivar groups: with their hosts, in the inventory's order; ``all`` is every host.
    :ivar variables: by host, the variables whose names begin as ours do. Needed of the hosts of the two groups; of
        others that a description names, lvs_address and lvs_cluster.
    """

    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    variables: Mapping[str, Values] = field(default_factory=dict)

    @property
    def members(self) -> list[str]:
        """The hosts that belong to clusters."""
        return list(dict.fromkeys(name for group in ROLES for name in self.groups.get(group, ())))

    @functools.cached_property
    def named(self) -> list[str]:
        """Other hosts of the inventory that descriptions name."""
        members, known = set(self.members), set(self.groups.get("all", ()))
        found: dict[str, None] = {}
        described: list[Any] = []
        for host in self.members:
            services = self.variables.get(host, {}).get("lvs_virtual_services")
            if services not in described:
                described.append(services)
                found.update(dict.fromkeys(named_hosts(services, self.groups)))
        return [name for name in found if name in known and name not in members]


@dataclass(frozen=True)
class Derived:
    """What has been found.

    :ivar hosts: by host ``configuration``, ``owner``, ``cluster``, ``state``, ``roles``, ``addresses``,
        ``directors`` of its cluster, and the ``services`` of that.
    """

    hosts: Mapping[str, Mapping[str, Any]]
    errors: Sequence[str]
    warnings: Sequence[str]


def derive(
    inventory: Inventory,
    render: Renderer,
    methods: Collection[str] = FORWARDING_METHODS,
) -> Derived:
    """The configuration of every host, and all that is wrong.

    :param render: makes keepalived.conf of a document; called for clusters that keepalived moves.
    :param methods: the forwarding methods that hosts are set up for, and ``keepalived``, which all of them imply.
    """
    findings = Findings()
    if not inventory.members:
        findings.error(
            "groups",
            DIRECTORS,
            None,
            f"neither this group nor {REAL_SERVERS} has a host",
            "add the directors and the real servers to these groups of the inventory",
        )
    check_names({host: inventory.variables.get(host, {}) for host in inventory.members}, findings)
    hosts: dict[str, Mapping[str, Any]] = {}
    clusters: list[checks.Cluster] = []
    for name, members in _by_cluster(inventory, findings).items():
        cluster, found = _derive_cluster(name, members, inventory, findings, methods, render)
        clusters.append(cluster)
        hosts.update(found)
    _check_clusters(clusters, findings)
    availability.check_clusters(clusters, findings)
    return Derived(hosts, tuple(findings.errors), tuple(findings.warnings))


def cluster_of(host: str, inventory: Inventory) -> str:
    """The name of the cluster that a host belongs to."""
    return str(inventory.variables.get(host, {}).get("lvs_cluster") or "default")


def _by_cluster(inventory: Inventory, findings: Findings) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for host in inventory.members:
        name = cluster_of(host, inventory)
        if not _CLUSTER.fullmatch(name):
            findings.error(
                f"hostvars[{host}]",
                "lvs_cluster",
                name,
                "is not the name of a cluster",
                "use 1 to 40 letters, digits, '.', '_' and '-', the first a letter or a digit",
            )
        found.setdefault(name, []).append(host)
    return found


def _derive_cluster(
    name: str,
    members: Sequence[str],
    inventory: Inventory,
    findings: Findings,
    methods: Collection[str],
    render: Renderer,
) -> tuple[checks.Cluster, dict[str, Mapping[str, Any]]]:
    given = {host: inventory.variables.get(host, {}) for host in members}
    values = {host: read_values(host, given, findings) for host in members}
    present = [host for host in members if values[host]["lvs_state"] == PRESENT]
    directors = inventory.groups.get(DIRECTORS, ())
    check_alike(name, {host: given[host] for host in present}, directors, findings)
    cluster = checks.Cluster(name, Topology())
    if present:
        cluster = _read(name, present, inventory, values, findings)
        checks.check(cluster, findings)
        availability.check(cluster, findings)
    serving = configuration.served_by_host(cluster)
    services = [configuration.shown(each) for each in cluster.services]
    kept = "cluster"
    if not configuration.is_whole(methods):
        kept = ".".join(each for each in (*FORWARDING_METHODS, KEEPALIVED) if each in methods)
    hosts: dict[str, Mapping[str, Any]] = {}
    for host in members:
        roles = [ROLES[group] for group in ROLES if host in inventory.groups.get(group, ())]
        mine: configuration.Configuration = {}
        if host in cluster.topology.directors:
            mine = configuration.director(host, cluster, values[host], methods, render)
        elif host in present:
            path = path_of(host, "lvs_inside_gateway", given)
            mine = configuration.real_server(
                host, serving.get(host, ()), cluster, values[host], path, findings, methods
            )
        hosts[host] = {
            "configuration": mine,
            "owner": f"{kept}-{name}",
            "cluster": name,
            "state": PRESENT if host in present else ABSENT,
            "roles": roles,
            "settle_seconds": values[host]["director_settle_seconds"],
            "addresses": list(cluster.topology.addresses_of(host).values()),
            "directors": list(cluster.topology.directors),
            "services": services,
            "ready_seconds": ready_seconds(host, cluster),
            "drainable": configuration.drainable(serving.get(host, ())),
            "requests": configuration.requests(serving.get(host, ())),
        }
    return cluster, hosts


def _read(
    name: str,
    present: Sequence[str],
    inventory: Inventory,
    values: Mapping[str, Values],
    findings: Findings,
) -> checks.Cluster:
    """The description of a cluster, as its first host that remains has it; the others have the same."""
    first = values[present[0]]
    topology = _topology(present, inventory, values, findings)
    weights = _weights(inventory, values, findings)
    inside = read_networks("lvs_inside_networks", first["lvs_inside_networks"], findings)
    for host in present:
        read_networks("lvs_management_networks", values[host]["lvs_management_networks"], findings)
    _check_inside(inside, findings)
    vrrp: Vrrp | None = None
    if first["lvs_high_availability"] == KEEPALIVED and topology.directors:
        vrrp = read_vrrp(name, topology, values, inventory.variables, findings)
    checked = vrrp is not None and vrrp.owns_table
    given = first["lvs_virtual_services"]
    services = read_services(given, name, topology, weights, findings, checked)
    for host in topology.directors:
        _check_snat(host, values[host], [each.name for each in services], findings)
    snat = [set(values[host]["nat_snat_services"]) for host in topology.directors]
    cluster = checks.Cluster(
        name,
        topology,
        services,
        inside,
        first["lvs_high_availability"],
        frozenset(set.intersection(*snat) if snat else ()),
        vrrp,
    )
    return replace(cluster, gateways=_gateways(cluster, values, inventory))


def _gateways(
    cluster: checks.Cluster, values: Mapping[str, Values], inventory: Inventory
) -> dict[str, str]:
    """The next hops that real servers by NAT need, each with where it is set."""
    given = {host: inventory.variables.get(host, {}) for host in values}
    found: dict[str, str] = {}
    for host, serving in configuration.served_by_host(cluster).items():
        families = {
            server.family for _each, server, _its in configuration.returning(serving, cluster)
        }
        for text in values.get(host, {}).get("lvs_inside_gateway", ()):
            # What is no address is told where the real server is configured.
            with contextlib.suppress(InvalidInput):
                family, address = canonical_address(str(text), "", "")
                if family in families:
                    found.setdefault(address, path_of(host, "lvs_inside_gateway", given))
    return found


def _weights(
    inventory: Inventory, values: Mapping[str, Values], findings: Findings
) -> dict[str, int]:
    """By host, the lvs_weight of those that have one."""
    spec = VARIABLES["lvs_weight"].spec
    found = {host: its["lvs_weight"] for host, its in values.items()}
    for host in inventory.named:
        given = inventory.variables.get(host, {}).get("lvs_weight")
        if given is not None:
            found[host] = value_of(f"hostvars[{host}]", "lvs_weight", given, spec, findings)
    return {host: weight for host, weight in found.items() if weight is not None}


def _check_inside(inside: Sequence[Network], findings: Findings) -> None:
    for number, network in enumerate(inside):
        if network.prefixlen == 0:
            findings.error(
                "",
                f"lvs_inside_networks[{number}]",
                str(network),
                "matches every address, including those of clients",
                "list the networks of the real servers only",
            )


def _check_snat(host: str, values: Values, names: Sequence[str], findings: Findings) -> None:
    for service in values["nat_snat_services"]:
        if service not in names:
            remedy = "use the names of services in lvs_virtual_services"
            path = f"hostvars[{host}]"
            findings.error(path, "nat_snat_services", service, "is not a service", remedy)


def _topology(
    present: Sequence[str],
    inventory: Inventory,
    values: Mapping[str, Values],
    findings: Findings,
) -> Topology:
    named = inventory.named
    every = {host: cluster_of(host, inventory) for host in inventory.members}
    declared = {host: values[host]["lvs_address"] for host in present}
    declared |= {host: inventory.variables.get(host, {}).get("lvs_address") for host in named}
    addresses, networks, owners = read_addresses(declared, findings)
    members = set(values)
    return Topology(
        directors=tuple(host for host in inventory.groups.get(DIRECTORS, ()) if host in present),
        real_servers=tuple(
            host for host in inventory.groups.get(REAL_SERVERS, ()) if host in present
        ),
        absent=members - set(present),
        known=frozenset(inventory.groups.get("all", ())),
        groups=inventory.groups,
        clusters=every,
        addresses=addresses,
        networks=networks,
        owners=owners,
    )


def _check_clusters(clusters: Sequence[checks.Cluster], findings: Findings) -> None:
    """Two clusters can't have one virtual address."""
    holders: dict[str, tuple[str, str]] = {}
    for cluster in clusters:
        for each in cluster.services:
            for address in each.addresses:
                name, service = holders.setdefault(address, (cluster.name, each.name))
                if name != cluster.name:
                    findings.error(
                        each.path,
                        each.option,
                        address,
                        f"is a virtual address of the cluster {cluster.name}, and also of the service {service} of the "
                        f"cluster {name}",
                        "use another address in one of them",
                    )
