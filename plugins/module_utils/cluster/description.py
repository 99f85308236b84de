# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The description of a cluster: ``lvs_virtual_services`` and what goes with it, read and checked.

Everything is checked from what is declared, before any host is touched. What is wrong is collected, one
sentence a mistake, so that an operator sees all of it at once. Pure.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import InvalidInput
from ..ipvs import options
from ..ipvs.model import (
    RealServerKey,
    Service,
    ServiceAttributes,
    ServiceKey,
    canonical_forwarding,
    check_service,
)
from ..ipvs.options import Options
from ..ipvs.wish import RealServerWish
from ..netfilter.mark import Match, match
from .topology import Network, Topology, network_of, networks, one_of_each_family
from .words import MATCH_SPEC, REAL_SERVER_SPEC, SERVICE_SPEC, checked

EXTERNAL = "external"
NO_HIGH_AVAILABILITY = "none"
HIGH_AVAILABILITY = (NO_HIGH_AVAILABILITY, EXTERNAL)
FAMILY_NAMES: Mapping[str, str] = {"ipv4": "IPv4", "ipv6": "IPv6"}


@dataclass(frozen=True)
class VirtualService:
    """A service of the description.

    :ivar service: as the table shall hold it.
    :ivar hosts: which machine each of its real servers is; one that is a bare address is left out.
    :ivar matches: which packets get its firewall mark.
    """

    name: str
    service: Service
    hosts: Mapping[RealServerKey, str]
    matches: tuple[Match, ...] = ()

    @property
    def addresses(self) -> list[str]:
        """The virtual addresses."""
        key = self.service.key
        found = [key.address] if key.address else [each.address for each in self.matches]
        return [address for address in dict.fromkeys(found) if address]

    @property
    def traffic(self) -> tuple[Match, ...]:
        """Which packets are its own."""
        key = self.service.key
        if not key.address:
            return self.matches
        ports = ((key.port, key.port),) if key.port else ()
        text = str(ipaddress.ip_network(key.address))
        return (Match(text, key.family, key.protocol or "tcp", ports),)


@dataclass(frozen=True)
class Description:
    """What is to be, and all that is wrong with it.

    :ivar errors: sentences; where there are some, nothing may be done.
    :ivar warnings: sentences.
    """

    services: tuple[VirtualService, ...] = ()
    inside_networks: tuple[Network, ...] = ()
    management_networks: tuple[Network, ...] = ()
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass
class _Findings:
    """Errors and warnings, each once, in the order in which they were found."""

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def networks(self, option: str, given: Any) -> tuple[Network, ...]:
        try:
            return networks(option, given)
        except InvalidInput as error:
            self.error(error)
            return ()

    def error(self, error: InvalidInput) -> None:
        if str(error) not in self.errors:
            self.errors.append(str(error))

    def warn(self, warning: InvalidInput) -> None:
        if str(warning) not in self.warnings:
            self.warnings.append(str(warning))


def read(variables: Options, topology: Topology) -> Description:
    """Read the description and find everything that is wrong with it.

    :param variables: the shared variables by their names without ``lvs_``.
    """
    findings = _Findings()
    inside = findings.networks("lvs_inside_networks", variables.get("inside_networks"))
    management = findings.networks("lvs_management_networks", variables.get("management_networks"))
    _check_hosts(topology, findings)
    services: tuple[VirtualService, ...] = ()
    if not findings.errors:
        services = _services(variables.get("virtual_services"), topology, findings)
        _check_directors(variables, topology, services, findings)
        for each in services:
            _check_addresses(each, topology, findings)
            _check_nat(each, topology, inside, findings)
            _check_direct(each, topology, findings)
            _check_tunnels(each, topology, findings)
    return Description(
        services, inside, management, tuple(findings.errors), tuple(findings.warnings)
    )


def _check_hosts(topology: Topology, findings: _Findings) -> None:
    owners: dict[str, str] = {}
    for host in topology.addresses:
        try:
            topology.networks_of(host)
            for address in topology.addresses_of(host).values():
                other = owners.setdefault(address, host)
                if other != host:
                    raise InvalidInput(
                        f"host {host}",
                        "lvs_address",
                        address,
                        f"is the address of {other} too",
                        "give each host its own",
                    )
        except InvalidInput as error:  # noqa: PERF203  (all that is wrong is to be told)
            findings.error(error)


def _services(given: Any, topology: Topology, findings: _Findings) -> tuple[VirtualService, ...]:
    if not isinstance(given, (list, tuple)):
        findings.error(
            InvalidInput(
                "the description",
                "lvs_virtual_services",
                given,
                "is not a list of services",
                "write a list there, [] for none",
            )
        )
        return ()
    found: list[VirtualService] = []
    for number, its_options in enumerate(given, 1):
        try:
            service = _service(its_options, number, topology, findings)
            _check_unique(service, found)
            found.append(service)
        except InvalidInput as error:  # noqa: PERF203  (all that is wrong is to be told)
            findings.error(error)
    return tuple(found)


def _service(given: Any, number: int, topology: Topology, findings: _Findings) -> VirtualService:
    name = str(given.get("name") or "") if isinstance(given, Mapping) else ""
    subject = f"service {name}" if name else f"service number {number}"
    its_options = checked(subject, given, SERVICE_SPEC)
    if not name.strip():
        raise InvalidInput(
            subject, "name", given.get("name"), "is missing", "give the service a name of its own"
        )
    with _about(subject):
        key = options.service_key(its_options)
        default = ServiceAttributes.default(key.family)
        attributes = replace(default, **options.service_changes(key, its_options, default))
        check_service(key, attributes)
    matches = _matches(subject, key, its_options.get("match"))
    service = Service(key, attributes)
    hosts: dict[RealServerKey, str] = {}
    for position, server_given in enumerate(its_options.get("real_servers") or (), 1):
        try:
            wish, host = _real_server(
                subject, position, key, its_options.get("forwarding"), server_given, topology
            )
            if wish.real_server in service.real_servers:
                raise InvalidInput(
                    subject,
                    "real_servers",
                    str(wish.real_server),
                    "stands there twice",
                    "leave one of them out",
                )
            with _about(subject):
                service = wish.applied(service)
            if host:
                hosts[wish.real_server] = host
        except InvalidInput as error:  # noqa: PERF203  (all that is wrong is to be told)
            findings.error(error)
    return VirtualService(name, service, hosts, matches)


def _matches(subject: str, key: ServiceKey, given: Sequence[Any] | None) -> tuple[Match, ...]:
    if given and not key.fwmark:
        raise InvalidInput(
            subject,
            "match",
            given,
            "goes with fwmark only",
            "name the service by fwmark instead of address and port, or leave match out",
        )
    found = []
    for number, its_options in enumerate(given or (), 1):
        each = match(subject, checked(f"{subject}, match number {number}", its_options, MATCH_SPEC))
        if each.family != key.family:
            raise InvalidInput(
                subject,
                "match",
                each.network,
                f"is {FAMILY_NAMES[each.family]}, and the service is {FAMILY_NAMES[key.family]}",
                f"set family to {each.family}, and make a service of its own for the other one",
            )
        found.append(each)
    return tuple(found)


def _real_server(
    subject: str,
    position: int,
    key: ServiceKey,
    forwarding: str | None,
    given: Any,
    topology: Topology,
) -> tuple[RealServerWish, str | None]:
    """The wish for one real server, and the machine that it is."""
    its_options = checked(f"{subject}, real server number {position}", given, REAL_SERVER_SPEC)
    host, address = its_options.pop("host", None), its_options.get("address")
    if (host is None) == (address is None):
        raise InvalidInput(
            f"{subject}, real server number {position}",
            "host",
            host,
            "and address are given both" if host else "is missing, and address too",
            "name a real server either by host, a host of the inventory, or by address",
        )
    its_options.setdefault("forwarding", forwarding or "nat")
    if host is None:
        with _about(subject):
            wish = RealServerWish.of(key, its_options)
        return wish, topology.host_of(wish.real_server.address)
    tunnelled = canonical_forwarding(its_options["forwarding"]) == "tun"
    its_options["address"] = _address_of(subject, host, key.family, tunnelled, topology)
    with _about(subject):
        return RealServerWish.of(key, its_options), host


def _address_of(subject: str, host: str, family: str, tunnelled: bool, topology: Topology) -> str:
    if host not in topology.known:
        raise InvalidInput(
            subject,
            "host",
            host,
            "is no host of the inventory",
            "add it to the group lvs_real_servers, or give the real server's address instead",
        )
    addresses = topology.addresses_of(host)
    if not addresses:
        raise InvalidInput(
            subject,
            "host",
            host,
            "has no lvs_address",
            "set that variable of the host to its address on the cluster's network",
        )
    if family in addresses:
        return addresses[family]
    if tunnelled:
        return next(iter(addresses.values()))
    name = FAMILY_NAMES[family]
    raise InvalidInput(
        subject,
        "host",
        host,
        f"has no {name} address in lvs_address, and the service is {name}",
        "add one there (lvs_address may be a list of one of each family), or forward by tun",
    )


@contextlib.contextmanager
def _about(subject: str) -> Iterator[None]:
    """Errors of the modules' own checks name the service as the description does."""
    try:
        yield
    except InvalidInput as error:
        what = error.subject.replace(" of service ", " of ")
        what = what[len("service") :].strip() if what.startswith("service") else what
        raise InvalidInput(
            f"{subject} ({what})" if what else subject,
            error.option,
            error.value,
            error.problem,
            error.remedy,
        ) from None


def _check_unique(service: VirtualService, others: list[VirtualService]) -> None:
    for other in others:
        if other.name == service.name:
            raise InvalidInput(
                f"service {service.name}",
                "name",
                service.name,
                "is the name of two services",
                "give each a name of its own",
            )
        if other.service.key != service.service.key and any(
            one.overlaps(two) for one in service.traffic for two in other.traffic
        ):
            raise InvalidInput(
                f"service {service.name}",
                "match" if service.matches else "address",
                service.traffic[0].network,
                f"and its ports are of service {other.name} too",
                "let each packet be of one service only: mark fewer ports, or take one of the two out",
            )
        if other.service.key == service.service.key:
            raise InvalidInput(
                f"service {service.name}",
                None,
                None,
                f"{service.service.key} is service {other.name} already",
                "make one of the two, or give this one another address or port",
            )


def _check_directors(
    variables: Options,
    topology: Topology,
    services: tuple[VirtualService, ...],
    findings: _Findings,
) -> None:
    declared = variables.get("high_availability") or NO_HIGH_AVAILABILITY
    if declared not in HIGH_AVAILABILITY:
        findings.error(
            InvalidInput(
                "the description",
                "lvs_high_availability",
                declared,
                "is none of the values that it can have",
                "choose one of " + ", ".join(HIGH_AVAILABILITY),
            )
        )
    if services and not topology.directors:
        findings.error(
            InvalidInput(
                "the description",
                None,
                None,
                "there is no host in the group lvs_directors",
                "put the director into that group of the inventory",
            )
        )
    if len(topology.directors) > 1 and declared == NO_HIGH_AVAILABILITY:
        findings.error(
            InvalidInput(
                "the description",
                "lvs_high_availability",
                declared,
                f"leaves open which of {', '.join(topology.directors)} has the virtual addresses",
                "have one host in lvs_directors; or, where another program moves the addresses between "
                f"them, set it to {EXTERNAL}",
            )
        )


def _check_addresses(each: VirtualService, topology: Topology, findings: _Findings) -> None:
    """The virtual address, and where the real servers are."""
    subject = f"service {each.name}"
    key = each.service.key
    for address in each.addresses:
        owner = topology.host_of(address)
        if owner is None or owner in topology.directors:
            continue
        findings.error(
            InvalidInput(
                subject,
                "address" if key.address else "match",
                address,
                f"is the address of {owner}, which is no director",
                "give an address that only the director has, or correct lvs_address of that host",
            )
        )
    if not each.service.real_servers:
        findings.warn(
            InvalidInput(
                subject,
                "real_servers",
                [],
                "holds none, so every connection is refused",
                "add some, or take the service out",
            )
        )
    for server, host in each.hosts.items():
        if host in topology.directors:
            findings.warn(
                InvalidInput(
                    subject,
                    "real_servers",
                    host,
                    f"is a director: packets to {server} stay as they are, whatever the forwarding "
                    "method",
                    f"have its daemon listen on {key.address or 'the virtual address'} too",
                )
            )
        elif host not in topology.real_servers:
            findings.warn(
                InvalidInput(
                    subject,
                    "real_servers",
                    host,
                    "is in no group lvs_real_servers, so nothing prepares it",
                    "put it into that group, or prepare it yourself",
                )
            )


def _check_nat(
    each: VirtualService,
    topology: Topology,
    inside: tuple[Network, ...],
    findings: _Findings,
) -> None:
    for server, attributes in each.service.real_servers.items():
        if attributes.forwarding != "nat" or each.hosts.get(server) in topology.directors:
            continue
        if network_of(server.address, inside) is None:
            findings.error(
                InvalidInput(
                    f"service {each.name}",
                    "real_servers",
                    each.hosts.get(server, server.address),
                    f"has the address {server.address}, which is in none of lvs_inside_networks, so the "
                    "director would not let its answers through",
                    "add its network there, or forward by another method",
                )
            )


def _check_direct(each: VirtualService, topology: Topology, findings: _Findings) -> None:
    """By direct routing and tunnels real servers hold the virtual address; by the first they share a segment."""
    for server, attributes in each.service.real_servers.items():
        host = each.hosts.get(server)
        if attributes.forwarding == "nat" or host in topology.directors:
            continue
        if not each.addresses:
            findings.error(
                InvalidInput(
                    f"service {each.name}",
                    "match",
                    None,
                    "is missing, and without it nobody knows the virtual address that real servers by "
                    f"{attributes.forwarding} have to hold",
                    "write there which addresses and ports get the mark, or forward by nat",
                )
            )
            return
        if attributes.forwarding != "dr" or host is None:
            continue
        own = topology.networks_of(host).get(server.family)
        for director in topology.directors:
            its = topology.networks_of(director).get(server.family)
            if own and its and own != its:
                findings.error(
                    InvalidInput(
                        f"service {each.name}",
                        "forwarding",
                        "dr",
                        f"needs a common segment, and by lvs_address {host} is on {own} and {director} on {its}",
                        "forward to it by tun or nat, or correct lvs_address",
                    )
                )


def _check_tunnels(each: VirtualService, topology: Topology, findings: _Findings) -> None:
    for server, attributes in each.service.real_servers.items():
        host = each.hosts.get(server)
        if attributes.forwarding != "tun" or host in topology.directors:
            continue
        if attributes.tunnel_type == "gre" and attributes.tunnel_checksum != "none":
            findings.error(
                InvalidInput(
                    f"service {each.name}",
                    "tunnel_checksum",
                    attributes.tunnel_checksum,
                    "is not what the roles have real servers take by gre",
                    "leave it out; the packet inside has a checksum of its own",
                )
            )
        for director in topology.directors:
            if server.family in topology.addresses_of(director):
                continue
            name = FAMILY_NAMES[server.family]
            findings.error(
                InvalidInput(
                    f"host {director}",
                    "lvs_address",
                    topology.addresses.get(director),
                    f"holds no {name} address, and service {each.name} tunnels to {server.address}, which takes "
                    "tunnels from the directors' addresses only",
                    f"add the {name} address from which {director} sends",
                )
            )


def check_gateway(
    host: str,
    given: Any,
    families: Sequence[str],
    inside: tuple[Network, ...],
    topology: Topology,
) -> tuple[dict[str, str], list[InvalidInput], list[InvalidInput]]:
    """The way back of a real server by NAT: (family to gateway, errors, warnings).

    :param given: lvs_inside_gateway as the host has it.
    :param families: of the services that it works for.
    """
    subject = f"host {host}"
    errors: list[InvalidInput] = []
    warnings: list[InvalidInput] = []
    try:
        gateways = one_of_each_family(subject, "lvs_inside_gateway", given)
    except InvalidInput as error:
        return {}, [error], []
    for family in families:
        own = topology.addresses_of(host)[family]
        gateway = gateways.get(family)
        if gateway is None:
            fault = (
                f"holds no {FAMILY_NAMES[family]} address, and by NAT this real server works for an "
                f"{FAMILY_NAMES[family]} service",
                "add the director's address on its network: its answers have to go back through it",
            )
            errors.append(InvalidInput(subject, "lvs_inside_gateway", given, *fault))
            continue
        wrong = _wrong_gateway(gateway, own, inside, topology)
        if wrong:
            errors.append(InvalidInput(subject, "lvs_inside_gateway", gateway, *wrong))
            continue
        doubt = _doubtful_gateway(gateway, family, inside, topology)
        if doubt:
            warnings.append(InvalidInput(subject, "lvs_inside_gateway", gateway, *doubt))
    return {family: gateways[family] for family in families if family in gateways}, errors, warnings


def _wrong_gateway(
    gateway: str, own: str, inside: tuple[Network, ...], topology: Topology
) -> tuple[str, str] | None:
    """(what is wrong with it, what to do instead), or None."""
    owner = topology.host_of(gateway)
    if gateway == own:
        return "is the real server's own address", "give the director's address on its network"
    if network_of(gateway, inside) != network_of(own, inside):
        return (
            f"is not on the network of {own}, as lvs_inside_networks has it",
            "give this host a lvs_inside_gateway of its own, the router there that leads to the "
            "director",
        )
    if owner in topology.directors and len(topology.directors) > 1:
        return (
            f"stays with {owner}, whichever director is at work",
            "give a floating address, which moves together with the virtual addresses",
        )
    if owner and owner not in topology.directors:
        return (
            f"is the address of {owner}, which is no director",
            "give the director's address: the answers have to go back through it",
        )
    return None


def _doubtful_gateway(
    gateway: str, family: str, inside: tuple[Network, ...], topology: Topology
) -> tuple[str, str] | None:
    """The only director is on this network, and has another address than the gateway."""
    if len(topology.directors) != 1 or topology.host_of(gateway):
        return None
    director = topology.directors[0]
    address = topology.addresses_of(director).get(family)
    if address is None or network_of(address, inside) != network_of(gateway, inside):
        return None
    return (
        f"is not the lvs_address of {director}, which is on the same network",
        "see that it leads to the director, or give the director's address",
    )
