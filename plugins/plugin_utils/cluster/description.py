# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading ``lvs_virtual_services``: from what an operator writes to services as the IPVS table holds them. Pure.

Whether they make sense together and on this topology is checked in ``checks``.
"""

from __future__ import annotations

import ipaddress
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import options
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import (
    RealServerAttributes,
    RealServerKey,
    Service,
    ServiceAttributes,
    ServiceKey,
    check_service,
)
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.options import Options
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.request import RealServerRequest
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.words import (
    TUN,
    canonical_forwarding,
)
from ansible_collections.lvs.cluster.plugins.module_utils.net import (
    FAMILY_NAMES,
    IPV4,
    IPV6,
    is_whole,
)
from ansible_collections.lvs.cluster.plugins.module_utils.netfilter.mark import Match, match

from .findings import Findings
from .health import OPTION, Availability, Check, availability, read_check, read_options
from .topology import Topology
from .words import (
    AVAILABILITY_SPEC,
    MATCH_SPEC,
    NO_CHECK,
    REAL_SERVER_SPEC,
    SERVICE_SPEC,
    closest,
    read,
)

VARIABLE = "lvs_virtual_services"
# Marks that are derived from names have this bit, so that they keep out of the way of small numbers.
DERIVED_MARKS = 0x10000000


class Forwarded(NamedTuple):
    """What packets of a service can be forwarded to.

    :ivar host: None for a bare address.
    """

    server: RealServerKey
    attributes: RealServerAttributes
    host: str | None


@dataclass(frozen=True)
class VirtualService:
    """A service of the description.

    :ivar name: as it is written there.
    :ivar path: where it is written.
    :ivar service: as the table holds it.
    :ivar hosts: which host each of its real servers is; one that is a bare address is left out.
    :ivar matches: which packets get its firewall mark.
    :ivar option: where its virtual addresses are written.
    :ivar checks: how each of its real servers is checked; one that is not is left out.
    :ivar sorry: what serves instead where too few real servers work. It is no real server of the service.
    :ivar options: those that only have an effect where something checks the real servers.
    """

    name: str
    path: str
    service: Service
    hosts: Mapping[RealServerKey, str] = field(default_factory=dict)
    matches: tuple[Match, ...] = ()
    option: str = "address"
    checks: Mapping[RealServerKey, Check] = field(default_factory=dict)
    availability: Availability = field(default_factory=Availability)
    sorry: Forwarded | None = None
    options: tuple[str, ...] = ()

    @property
    def key(self) -> ServiceKey:
        return self.service.key

    @property
    def forwarded(self) -> Iterator[Forwarded]:
        """All that packets can be forwarded to: the real servers and the sorry server."""
        for server, attributes in self.service.real_servers.items():
            yield Forwarded(server, attributes, self.hosts.get(server))
        if self.sorry:
            yield self.sorry

    def option_of(self, server: RealServerKey) -> str:
        """Where one of those is written."""
        return "real_servers" if server in self.service.real_servers else "sorry_server"

    @property
    def addresses(self) -> list[str]:
        """The virtual addresses."""
        found = [self.key.address] if self.key.address else [each.address for each in self.matches]
        return [address for address in dict.fromkeys(found) if address]

    @property
    def traffic(self) -> tuple[Match, ...]:
        """Which packets are its own."""
        key = self.key
        if not key.address:
            return self.matches
        ports = ((key.port, key.port),) if key.port else ()
        text = str(ipaddress.ip_network(key.address))
        return (Match(text, key.family, key.protocol, ports),)


def read_services(
    given: Any,
    cluster: str,
    topology: Topology,
    weights: Mapping[str, int],
    findings: Findings,
    checked: bool = False,
) -> tuple[VirtualService, ...]:
    """The services, as far as they can be understood.

    :param given: lvs_virtual_services.
    :param weights: by host, the lvs_weight of those that have one.
    :param checked: whether something checks the real servers. If nothing does, no sorry server ever serves.
    """
    if given is None:
        findings.error(
            "",
            VARIABLE,
            None,
            "is not set",
            "set it to the list of services, [] for none; to remove a cluster, set lvs_state to absent",
        )
        return ()
    if not isinstance(given, (list, tuple)):
        findings.error("", VARIABLE, given, "must be a list of services", "write [] for none")
        return ()
    reader = _Reader(cluster, topology, weights, findings, _declared_marks(given), checked)
    names: set[str] = set()
    return tuple(
        service
        for number, each in enumerate(given)
        for service in reader.services(number, each, names)
    )


def virtual_addresses(services: Iterable[VirtualService]) -> list[str]:
    """Those of all services, each once."""
    return list(dict.fromkeys(address for each in services for address in each.addresses))


def named_hosts(given: Any, groups: Mapping[str, Sequence[str]]) -> list[str]:
    """The hosts that a description names, as far as it can be understood."""
    found: dict[str, None] = {}
    for service in given if isinstance(given, (list, tuple)) else ():
        if not isinstance(service, Mapping):
            continue
        servers = service.get("real_servers")
        sorry = service.get("sorry_server")
        for server in (*(servers if isinstance(servers, (list, tuple)) else ()), sorry):
            if isinstance(server, Mapping):
                found[str(server.get("host"))] = None
                found.update(dict.fromkeys(groups.get(str(server.get("group")), ())))
    return list(found)


def _declared_marks(given: Sequence[Any]) -> set[int]:
    marks: set[int] = set()
    for each in given:
        value = each.get("fwmark") if isinstance(each, Mapping) else None
        if is_whole(str(value)):
            marks.add(int(str(value)))
    return marks


def derived_mark(cluster: str, name: str, taken: set[int]) -> int:
    """The firewall mark of a service with several ports: the same at every run, whatever other services there are.

    :param taken: marks that are in use; the result is added.
    """
    mark = DERIVED_MARKS | (zlib.crc32(f"{cluster}/{name}".encode()) & (DERIVED_MARKS - 1))
    while mark in taken:
        mark = DERIVED_MARKS | ((mark + 1) & (DERIVED_MARKS - 1))
    taken.add(mark)
    return mark


@dataclass(frozen=True)
class _Reader:
    """What reading one service needs of all others.

    :ivar marks: the firewall marks that are taken.
    :ivar checked: whether something checks the real servers.
    """

    cluster: str
    topology: Topology
    weights: Mapping[str, int]
    findings: Findings
    marks: set[int]
    checked: bool

    def services(self, number: int, given: Any, names: set[str]) -> list[VirtualService]:
        """The services of one entry: one of each protocol.

        :param names: those that are taken; this one is added.
        """
        path = f"{VARIABLE}[{number}]"
        name = given.get("name") if isinstance(given, Mapping) else None
        if isinstance(name, str) and name.strip() and name.isprintable():
            path = f"{VARIABLE}[{name}]"
        its_options = read(path, given, SERVICE_SPEC, self.findings)
        if its_options is None:
            return []
        name = str(its_options.get("name") or "").strip()
        if not name:
            if not isinstance(given.get("name"), (list, dict)):
                remedy = "give the service a unique name; messages use it"
                self.findings.error(path, "name", given.get("name"), "is missing", remedy)
        elif name in names:
            remedy = "give each a unique name"
            self.findings.error(path, "name", name, "is the name of two services", remedy)
        names.add(name)
        option = "address" if its_options.get("fwmark") is None else "match"
        # All protocols of an entry have the same, so it is read once.
        available = availability(path, its_options, self.findings)
        entries = list(self._entries(path, its_options))
        checks = self._checks(path, its_options, entries)
        effective = [name for name in AVAILABILITY_SPEC if name != OPTION and its_options.get(name)]
        if any(each and each.get("type") != NO_CHECK for each in checks.values()):
            effective.insert(0, OPTION)
        keys: list[tuple[ServiceKey, tuple[Match, ...]]] = []
        with self.findings.at(path):
            keys = self._keys(path, name, its_options)
        found: list[VirtualService] = []
        for key, matches in keys:
            with self.findings.at(path):
                service = Service(key, self._attributes(key, its_options))
                empty = VirtualService(
                    name,
                    path,
                    service,
                    {},
                    matches,
                    option,
                    availability=available,
                    options=tuple(effective),
                )
                each = self._with_real_servers(empty, its_options, entries, checks)
                found.append(self._with_sorry_server(each, its_options))
        if not found:
            self._check_real_servers(entries)
        return found

    def _keys(
        self, path: str, name: str, its_options: Options
    ) -> list[tuple[ServiceKey, tuple[Match, ...]]]:
        """How the table names the services of an entry, and which packets get their mark.

        :raises InvalidInput: an option can't be.
        """
        matches = self._matches(path, its_options)
        if its_options.get("fwmark") is not None:
            _refuse_beside(path, "fwmark", its_options, ("address", "port", "ports", "protocol"))
            key = options.service_key({**its_options, "protocol": None})
            _check_families(path, key, matches)
            return [(key, matches)]
        if matches:
            raise InvalidInput(
                path,
                "match",
                its_options["match"],
                "can only be combined with fwmark",
                "name the service by fwmark instead of address and port, or omit match",
            )
        protocols = list(dict.fromkeys(its_options.get("protocol") or ["tcp"]))
        ports = _ports(path, its_options)
        if ports and (len(ports) > 1 or "-" in ports[0]):
            found = tuple(_match(path, its_options, each, ports) for each in protocols)
            mark = derived_mark(self.cluster, name, self.marks)
            return [(ServiceKey.marked(mark, found[0].family), found)]
        port = {"port": options.number(ports[0])} if ports else {}
        return [
            (options.service_key({**its_options, **port, "protocol": protocol}), ())
            for protocol in protocols
        ]

    def _matches(self, path: str, its_options: Options) -> tuple[Match, ...]:
        found = []
        for number, given in enumerate(its_options.get("match") or ()):
            where = f"{path}.match[{number}]"
            each = read(where, given, MATCH_SPEC, self.findings)
            if each is None:
                continue
            with self.findings.at(where):
                _check_ranges(where, each.get("ports") or ())
                found.append(match(where, each))
        return tuple(found)

    @staticmethod
    def _attributes(key: ServiceKey, its_options: Options) -> ServiceAttributes:
        """:raises InvalidInput: an option can't be."""
        default = ServiceAttributes.default(key.family)
        attributes = default._replace(**options.service_changes(key, its_options, default))
        check_service(key, attributes)
        return attributes

    def _with_real_servers(
        self,
        each: VirtualService,
        its_options: Options,
        entries: Iterable[tuple[str, dict[str, Any]]],
        health: Mapping[str, Options],
    ) -> VirtualService:
        """:param health: as ``_checks`` returns it."""
        service, hosts, checks = each.service, {}, {}
        forwarding = its_options.get("forwarding") or "nat"
        for path, given in entries:
            server = {"forwarding": forwarding, **given}
            for host, located in self._located(path, each.key.family, server):
                with self.findings.at(path):
                    request = RealServerRequest.of(each.key, located)
                    key = request.real_server
                    if key in service.real_servers:
                        remedy = "remove one of the two entries"
                        raise InvalidInput(path, None, str(key), "is listed twice", remedy)
                    service = request.applied(service)
                    owner = host or self.topology.owners.get(key.address)
                    if owner:
                        hosts[key] = owner
                    where = path if OPTION in given else each.path
                    check = read_check(
                        where, health[path], each.key, key, each.matches, self.findings
                    )
                    if check:
                        checks[key] = check
        return replace(each, service=service, hosts=hosts, checks=checks)

    def _checks(
        self, path: str, its_options: Options, entries: Iterable[tuple[str, dict[str, Any]]]
    ) -> dict[str, Options]:
        """By path of an entry of real_servers, the options of its health check; of the service, by its own path."""
        own = read_options(path, its_options.get(OPTION) or {}, {}, self.findings)
        found = {path: own}
        for where, server in entries:
            found[where] = read_options(where, server.get(OPTION) or {}, own, self.findings)
        return found

    def _with_sorry_server(self, each: VirtualService, its_options: Options) -> VirtualService:
        given = its_options.get("sorry_server")
        if given is None:
            return each
        path = f"{each.path}.sorry_server"
        server = {"forwarding": its_options.get("forwarding") or "nat", **given}
        for host, located in self._located(path, each.key.family, server, ("host", "address")):
            with self.findings.at(path):
                # keepalived gives it the weight 1.
                request = RealServerRequest.of(each.key, {**located, "weight": 1})
                key = request.real_server
                if key in each.service.real_servers:
                    problem = "is a real server of this service"
                    remedy = "use another host, or another port with nat"
                    raise InvalidInput(path, None, str(key), problem, remedy)
                attributes = request.applied(each.service).real_servers[key]
                owner = host or self.topology.owners.get(key.address)
                if self.checked:
                    return replace(each, sorry=Forwarded(key, attributes, owner))
        return each

    def _entries(self, path: str, its_options: Options) -> Iterator[tuple[str, dict[str, Any]]]:
        for number, given in enumerate(its_options.get("real_servers") or ()):
            where = f"{path}.real_servers[{number}]"
            found = read(where, given, REAL_SERVER_SPEC, self.findings)
            if found is not None:
                yield where, found

    def _check_real_servers(self, entries: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Tell what is wrong with the real servers of a service that could not be understood."""
        for where, server in entries:
            for _each in self._located(where, IPV4, {**server, "forwarding": TUN}):
                pass

    def _located(
        self,
        path: str,
        family: str,
        server: dict[str, Any],
        names: Sequence[str] = ("host", "group", "address"),
    ) -> list[tuple[str | None, dict[str, Any]]]:
        """The real servers of an entry, each with its address: (host, options).

        :param names: the options that can name one.
        """
        named = [name for name in names if name in server]
        if len(named) != 1:
            problem = f"cannot be combined with {named[1]}" if named else "is missing"
            ways = " or ".join((", ".join(f"by {name}" for name in names[:-1]), f"by {names[-1]}"))
            remedy = f"name a real server {ways}"
            name = named[0] if named else "host"
            self.findings.error(path, name, server.get(name), problem, remedy)
            return []
        rest = {name: value for name, value in server.items() if name not in ("host", "group")}
        if "address" in server:
            return [(None, rest)]
        found: list[tuple[str | None, dict[str, Any]]] = []
        for host in self._hosts(path, server):
            option = named[0]
            with self.findings.at(path, option):
                address = self._address_of(path, option, host, family, server)
                weight = {"weight": self.weights[host]} if host in self.weights else {}
                found.append((host, {**weight, **rest, "address": address}))
        return found

    def _hosts(self, path: str, server: Options) -> Sequence[str]:
        if "host" in server:
            return [server["host"]]
        group = server["group"]
        if group not in self.topology.groups:
            guess = closest(group, self.topology.groups)
            remedy = guess or "use the name of a group of the inventory"
            self.findings.error(path, "group", group, "is not a group of the inventory", remedy)
            return []
        if not self.topology.groups[group]:
            remedy = "add hosts to the group"
            self.findings.warn(path, "group", group, "has no hosts", remedy)
        return self.topology.groups[group]

    def _address_of(self, path: str, option: str, host: str, family: str, server: Options) -> str:
        """:raises InvalidInput: the host can't be a real server of the service."""
        topology = self.topology
        if host not in topology.known:
            guess = closest(host, topology.known)
            raise InvalidInput(
                path,
                option,
                host,
                "is not a host of the inventory",
                guess or "add it to the group lvs_real_servers, or use the real server's address",
            )
        if host in topology.absent:
            raise InvalidInput(
                path,
                option,
                host,
                "is a real server of this service, but its lvs_state is absent",
                "remove it from the service first",
            )
        other = topology.clusters.get(host, self.cluster)
        if other != self.cluster:
            raise InvalidInput(
                path,
                option,
                host,
                f"belongs to the cluster {other}, and the service to {self.cluster}",
                "set lvs_cluster of one of them, or use the real server's address",
            )
        addresses = topology.addresses_of(host)
        if not addresses:
            remedy = "set it to the host's address on the network of the cluster"
            raise InvalidInput(path, option, host, "has no lvs_address", remedy)
        if family in addresses:
            return addresses[family]
        if canonical_forwarding(server["forwarding"]) == TUN:
            return next(iter(addresses.values()))
        name = FAMILY_NAMES[family]
        raise InvalidInput(
            path,
            option,
            host,
            f"has no {name} address in lvs_address, and the service is {name}",
            "add one (lvs_address may be a list of one of each family), or forward by tun",
        )


def _refuse_beside(path: str, option: str, given: Options, others: Iterable[str]) -> None:
    """:raises InvalidInput: an option is given that the first one excludes."""
    for other in others:
        if given.get(other) is not None:
            remedy = f"omit {other} or {option}"
            raise InvalidInput(
                path, other, given[other], f"cannot be combined with {option}", remedy
            )


def _ports(path: str, its_options: Options) -> list[str]:
    """The ports of a service, as text; a range as first-last.

    :raises InvalidInput: they can't be.
    """
    given = its_options.get("ports")
    if given is None:
        return []
    _refuse_beside(path, "ports", its_options, ("port",))
    if not given:
        remedy = "name at least one, or use port: 0 with persistence_timeout for all ports"
        raise InvalidInput(path, "ports", given, "is empty", remedy)
    _check_ranges(path, given)
    return [str(text).strip() for text in given]


def _check_ranges(path: str, ports: Iterable[str]) -> None:
    """An unquoted 20:21 is the number 1221 to YAML, so no range is written with a colon.

    :raises InvalidInput: one is.
    """
    for text in ports:
        if ":" in text:
            remedy = f"write {text.replace(':', '-')}"
            problem = "must be written with a hyphen: without quotes, YAML reads a colon as base 60"
            raise InvalidInput(path, "ports", text, problem, remedy)


def _match(path: str, its_options: Options, protocol: str, ports: Sequence[str]) -> Match:
    """The packets of a service with several ports.

    :raises InvalidInput: they can't be.
    """
    if not its_options.get("address"):
        remedy = "set it to the virtual address"
        raise InvalidInput(path, "address", None, "is missing", remedy)
    key = options.service_key({"address": its_options["address"], "port": 1, "protocol": protocol})
    return match(path, {"address": key.address, "protocol": protocol, "ports": ports})


def _check_families(path: str, key: ServiceKey, matches: Iterable[Match]) -> None:
    for number, each in enumerate(matches):
        if each.family != key.family:
            other = IPV6 if key.family == IPV4 else IPV4
            raise InvalidInput(
                f"{path}.match[{number}]",
                "address",
                each.network,
                f"is {FAMILY_NAMES[each.family]}, and the service is {FAMILY_NAMES[key.family]}",
                f"set family to {other}, and describe a service of its own for the other family",
            )
