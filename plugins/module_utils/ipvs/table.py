# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What shall become of a whole table: what is wanted, what of the rest goes, and what stays. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Union

from ..errors import InvalidInput
from ..manifest import Claim, Manifest
from . import data, options, ownership
from .model import (
    RealServerAttributes,
    RealServerKey,
    Service,
    ServiceAttributes,
    ServiceKey,
    Table,
    check_service,
)
from .options import Options
from .plan import Plan, ServiceOperation
from .wish import RealServerWish

PURGES = ("none", "owned", "scope", "all")

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


@dataclass(frozen=True)
class Scope:
    """A part of the table in which nothing but what is wanted may stand."""

    networks: tuple[Network, ...] = ()
    fwmarks: frozenset[int] = frozenset()

    @classmethod
    def of(cls, addresses: Iterable[str], fwmarks: Iterable[int]) -> Scope:
        """:raises InvalidInput: something is no address or network."""
        networks: list[Network] = []
        for text in addresses:
            try:
                networks.append(ipaddress.ip_network(text))
            except ValueError as error:  # noqa: PERF203  (a handful of them)
                raise InvalidInput(
                    "the scope",
                    "addresses",
                    text,
                    f"is not an address or network ({error})",
                    "write such as 192.0.2.1, 192.0.2.0/24 or 2001:db8::/64",
                ) from None
        return cls(tuple(networks), frozenset(fwmarks))

    def __contains__(self, key: ServiceKey) -> bool:
        if key.fwmark:
            return key.fwmark in self.fwmarks
        address = ipaddress.ip_address(key.address)
        return any(address in network for network in self.networks)


@dataclass(frozen=True)
class Target:
    """What a table shall become.

    :ivar released: (kind, name) of what is no longer ours once that is so.
    :ivar warnings: sentences for the operator.
    :ivar given: a service that is taken to be there already.
    """

    table: Table
    released: frozenset[tuple[str, str]] = frozenset()
    warnings: tuple[str, ...] = ()
    given: Service | None = None


@dataclass(frozen=True)
class TableWish:
    """The services that shall be there, and what becomes of others.

    :ivar purge: one of PURGES.
    :ivar unprepared: addresses of real servers that may not be ready to work: where they are in the
        table they stay as they are, and where they are not, they are not added.
    """

    desired: Table
    purge: str = "owned"
    scope: Scope = field(default_factory=Scope)
    unprepared: frozenset[str] = frozenset()

    def target(self, current: Table, manifest: Manifest) -> Target:
        """What the table shall become; what is somebody else's stays unless purged by scope or all."""
        table: dict[ServiceKey, Service] = {}
        released: set[tuple[str, str]] = set()
        warnings: list[str] = []
        for key, service in current.items():
            wanted = self.desired.get(key)
            servers = self._real_servers(service, wanted, manifest, released)
            if wanted:
                table[key] = replace(wanted, real_servers=servers)
                continue
            attributes = self._service(service, manifest, released)
            if attributes:
                table[key] = Service(key, attributes, servers)
            elif servers:
                released.discard((ownership.SERVICE, str(key)))
                table[key] = replace(service, real_servers=servers)
                names = ", ".join(str(server) for server in servers)
                warnings.append(
                    f"service {key} is not wanted any more, but stays, because somebody else has put "
                    f"real servers into it ({names}); remove those, or use purge=scope."
                )
        for key, service in self.desired.items():
            if key not in table:
                table[key] = replace(service, real_servers=self._ready(service, None))
        if self.purge != "none":
            released |= self._stale(current, manifest)
        return Target(table, frozenset(released), tuple(warnings))

    def _real_servers(
        self,
        service: Service,
        wanted: Service | None,
        manifest: Manifest,
        released: set[tuple[str, str]],
    ) -> Mapping[RealServerKey, RealServerAttributes]:
        servers: dict[RealServerKey, RealServerAttributes] = {}
        for key, attributes in service.real_servers.items():
            if wanted and key in wanted.real_servers:
                continue
            name = ownership.real_server_name(service.key, key)
            fate = self._fate(service.key, manifest.claim(ownership.REAL_SERVER, name))
            if fate is not STAYS:
                released.add((ownership.REAL_SERVER, name))
            if fate is STAYS:
                servers[key] = attributes
            elif fate is not GOES:
                servers[key] = data.real_server_attributes_of(fate)
        return {**servers, **(self._ready(wanted, service) if wanted else {})}

    def _ready(
        self, wanted: Service, current: Service | None
    ) -> dict[RealServerKey, RealServerAttributes]:
        """The wanted real servers, an unprepared one only as it stands already."""
        standing = current.real_servers if current else {}
        return {
            key: standing[key] if key.address in self.unprepared else attributes
            for key, attributes in wanted.real_servers.items()
            if key.address not in self.unprepared or key in standing
        }

    def held_back(self, table: Table) -> list[tuple[ServiceKey, RealServerKey]]:
        """What is wanted and unprepared, and so not in the table that results."""
        return [
            (key, server)
            for key, service in self.desired.items()
            for server in service.real_servers
            if server not in table[key].real_servers
        ]

    def kept(self, table: Table) -> list[Service]:
        """The wanted part of the table that results: what is to be put back at boot."""
        return [
            replace(
                table[key],
                real_servers={
                    server: attributes
                    for server, attributes in table[key].real_servers.items()
                    if server in service.real_servers
                },
            )
            for key, service in self.desired.items()
        ]

    def _service(
        self, service: Service, manifest: Manifest, released: set[tuple[str, str]]
    ) -> ServiceAttributes | None:
        """What it shall be like; None where it shall go."""
        name = str(service.key)
        fate = self._fate(service.key, manifest.claim(ownership.SERVICE, name))
        if fate is STAYS:
            return service.attributes
        released.add((ownership.SERVICE, name))
        return None if fate is GOES else data.service_attributes_of(fate)

    def _fate(self, service: ServiceKey, claim: Claim | None) -> Any:
        """STAYS, GOES, or the attributes that we found and give back."""
        if self.purge == "none":
            return STAYS
        if self.purge == "all" or (self.purge == "scope" and service in self.scope):
            return GOES
        if claim is None:
            return STAYS
        return GOES if claim.found is None else claim.found

    def _stale(self, current: Table, manifest: Manifest) -> set[tuple[str, str]]:
        """Claims on what is neither there nor wanted: somebody else has removed it."""
        known = {(ownership.SERVICE, str(key)) for key in {*current, *self.desired}}
        for table in (current, self.desired):
            for key, service in table.items():
                known |= {
                    (ownership.REAL_SERVER, ownership.real_server_name(key, server))
                    for server in service.real_servers
                }
        kinds = (ownership.SERVICE, ownership.REAL_SERVER)
        return {(kind, name) for kind in kinds for name in manifest.claims.get(kind, {})} - known


STAYS = object()
GOES = object()


def desired_table(services: Iterable[Options]) -> dict[ServiceKey, Service]:
    """The table that options describe; what is left out has its default.

    :raises InvalidInput: with the first thing that can't be, or stands twice.
    """
    table: dict[ServiceKey, Service] = {}
    for its_options in services:
        key = options.service_key(its_options)
        if key in table:
            raise InvalidInput(
                f"service {key}", "services", str(key), "stands there twice", "make one of them"
            )
        default = ServiceAttributes.default(key.family)
        attributes = replace(default, **options.service_changes(key, its_options, default))
        check_service(key, attributes)
        service = Service(key, attributes)
        for server_options in its_options.get("real_servers") or ():
            wish = RealServerWish.of(key, server_options)
            if wish.real_server in service.real_servers:
                raise InvalidInput(
                    f"service {key}",
                    "real_servers",
                    str(wish.real_server),
                    "stands there twice",
                    "leave one of them out",
                )
            service = wish.applied(service)
        table[key] = service
    return table


@dataclass(frozen=True)
class Limit:
    """How much one change may remove: a number, or a percentage of what the table holds."""

    text: str
    number: int
    is_percentage: bool

    @classmethod
    def of(cls, text: str) -> Limit:
        """:raises InvalidInput: neither a number nor a percentage."""
        found = re.fullmatch(r"(\d+)(%?)", text.strip())
        if not found or (found[2] and int(found[1]) > 100):
            raise InvalidInput(
                "the plan",
                "max_removals",
                text,
                "is neither a number nor a percentage",
                "write such as 10 or 25%",
            )
        return cls(text.strip(), int(found[1]), bool(found[2]))

    def check(self, plan: Plan, current: Table) -> None:
        """:raises InvalidInput: the plan removes more."""
        removed = sum(
            1 + len(current[operation.service].real_servers)
            if isinstance(operation, ServiceOperation)
            else 1
            for operation in plan.removals
        )
        total = sum(1 + len(service.real_servers) for service in current.values())
        allowed = total * self.number / 100 if self.is_percentage else self.number
        if removed > allowed:
            raise InvalidInput(
                "the plan",
                "max_removals",
                self.text,
                f"is less than what it would remove, which is {removed} of the {total} services and "
                "real servers in the table",
                "see whether something is missing in the description; if all of this shall go, "
                "allow it",
            )
