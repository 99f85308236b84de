# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts of a cluster as the inventory declares them: roles and addresses. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.lvs.cluster.plugins.module_utils.net import (
    FAMILY_OF_VERSION,
    Network,
    listed,
    network,
    one_of_each_family,
)

from .findings import Findings


@dataclass(frozen=True)
class Topology:
    """Where the hosts of a cluster are.

    :ivar directors: in the inventory's order.
    :ivar absent: hosts of the cluster that are taken out of it.
    :ivar known: all hosts of the inventory.
    :ivar groups: of the inventory, with their hosts.
    :ivar clusters: by host, the cluster that it belongs to.
    :ivar addresses: by host, family to lvs_address.
    :ivar networks: by host, family to the network of its lvs_address; without those of unknown prefix length.
    :ivar owners: by address, the host that has it.
    """

    directors: tuple[str, ...] = ()
    real_servers: tuple[str, ...] = ()
    absent: Collection[str] = ()
    known: Collection[str] = ()
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    clusters: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    networks: Mapping[str, Mapping[str, Network]] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)

    def addresses_of(self, host: str) -> Mapping[str, str]:
        """Family to address; empty where none is declared."""
        return self.addresses.get(host, {})

    def director_addresses(self) -> list[str]:
        """Those of all directors."""
        return [address for name in self.directors for address in self.addresses_of(name).values()]


def read_addresses(
    given: Mapping[str, Any], findings: Findings
) -> tuple[dict[str, dict[str, str]], dict[str, dict[str, Network]], dict[str, str]]:
    """The addresses, networks and owners of a topology.

    :param given: by host, its lvs_address as declared.
    """
    addresses: dict[str, dict[str, str]] = {}
    networks: dict[str, dict[str, Network]] = {}
    owners: dict[str, str] = {}
    for host, declared in given.items():
        path = f"hostvars[{host}]"
        texts = [str(text) for text in listed(declared)]
        with findings.at(path, "lvs_address"):
            plain = [text.partition("/")[0] for text in texts]
            addresses[host] = one_of_each_family(path, "lvs_address", plain)
        networks[host] = _networks(path, texts, findings)
        for family, address in addresses.get(host, {}).items():
            wrong = unusable(address, networks[host].get(family))
            if wrong:
                remedy = "use the unicast address that the other hosts of the cluster reach it by"
                findings.error(path, "lvs_address", address, wrong, remedy)
            other = owners.setdefault(address, host)
            if other != host:
                findings.error(
                    path,
                    "lvs_address",
                    address,
                    f"is the address of {other} too",
                    "give each host its own",
                )
    return addresses, networks, owners


def _networks(path: str, texts: Sequence[str], findings: Findings) -> dict[str, Network]:
    found: dict[str, Network] = {}
    for text in texts:
        if "/" not in text:
            continue
        try:
            parsed = ipaddress.ip_interface(text).network
        except ValueError:
            findings.error(
                path,
                "lvs_address",
                text,
                "is not an address with the prefix length of its network",
                "use for example 192.168.0.107/24",
            )
            continue
        found[FAMILY_OF_VERSION[parsed.version]] = parsed
    return found


def unusable(address: str, segment: Network | None = None) -> str:
    """Why no host can be reached by an address; empty where one can.

    :param segment: the network that it is on, where that is known.
    """
    parsed = ipaddress.ip_address(address)
    mapped = isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None
    broadcast = address == "255.255.255.255"
    reserved = isinstance(parsed, ipaddress.IPv4Address) and parsed.is_reserved
    this_network = isinstance(parsed, ipaddress.IPv4Address) and parsed.packed[0] == 0
    for wrong, what in (
        (parsed.is_unspecified, "is the unspecified address"),
        (this_network, "is in 0.0.0.0/8, which names no host"),
        (parsed.is_loopback, "is a loopback address, which no other host reaches"),
        (parsed.is_multicast, "is a multicast address"),
        (broadcast, "is the broadcast address"),
        (reserved, "is in 240.0.0.0/4, which is reserved"),
        (parsed.is_link_local, "is a link-local address, which is not unique"),
        (mapped, "is an IPv4 address written as IPv6"),
    ):
        if wrong:
            return what
    return end_of(address, segment) if segment else ""


def end_of(address: str, segment: Network) -> str:
    """Whether it is the first or last address of an IPv4 network, which name all of it; empty where not."""
    if segment.version != 4 or segment.prefixlen > 30:
        return ""
    parsed = ipaddress.ip_address(address)
    if parsed == segment.network_address:
        return f"is the address of the network {segment} itself"
    return f"is the broadcast address of {segment}" if parsed == segment.broadcast_address else ""


def read_networks(name: str, given: Any, findings: Findings) -> tuple[Network, ...]:
    """Networks of the description.

    :param name: the variable.
    """
    found: list[Network] = []
    for number, text in enumerate(listed(given)):
        path = f"{name}[{number}]"
        if "/" not in str(text):
            remedy = f"write {text}/32 for a single address" if "." in str(text) else "add one"
            findings.error("", path, text, "must have a prefix length", remedy)
            continue
        with findings.at("", path):
            found.append(network(path, path, str(text)))
    return tuple(found)
