# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a desired table and the current one to the table that results: what comes, what goes, what stays. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..engine import Held
from ..errors import InvalidInput
from ..host.manifest import Claim
from ..net import Network, network
from ..values import EMPTY
from . import data, drain, options
from .model import (
    RealServerAttributes,
    RealServerKey,
    Service,
    ServiceAttributes,
    ServiceKey,
    Table,
    check_service,
)
from .options import PURGES, Options
from .ownership import KINDS, Name, found_data, name_of
from .request import RealServerRequest, Request

__all__ = [
    "PURGES",
    "DesiredTable",
    "Limit",
    "OneService",
    "ReleasedTable",
    "Scope",
    "Target",
    "desired_table",
]


class Scope:
    """A part of the table in which nothing but what is desired may exist."""

    def __init__(
        self, networks: tuple[Network, ...] = (), fwmarks: frozenset[int] = frozenset()
    ) -> None:
        self.networks = networks
        self.fwmarks = fwmarks

    @classmethod
    def of(cls, addresses: Iterable[str], fwmarks: Iterable[int]) -> Scope:
        """:raises InvalidInput: something is not an address or network."""
        networks = tuple(network("the scope", "addresses", text) for text in addresses)
        return cls(networks, frozenset(fwmarks))

    def __contains__(self, key: ServiceKey) -> bool:
        if key.fwmark:
            return key.fwmark in self.fwmarks
        address = ipaddress.ip_address(key.address)
        return any(address in each for each in self.networks)


class Target(NamedTuple):
    """What a table becomes.

    :ivar restored: objects that get back what was found, because they are no longer desired.
    :ivar released: objects whose claims are given up.
    :ivar desired: objects that are desired or kept for it, with what there was of them: to be claimed where another
        owner claims them too, and all of them where the boot script restores them.
    :ivar at_boot: what the boot script restores.
    :ivar remaining: objects that are ours, no longer desired and kept, in words.
    :ivar not_added: real servers that are desired and not added, or keep another method, because they are unprepared.
    :ivar assumed: a service that is taken to exist already.
    """

    table: Table
    restored: frozenset[Name] = frozenset()
    released: frozenset[Name] = frozenset()
    desired: Mapping[Name, Mapping[str, Any]] = EMPTY
    at_boot: Table = EMPTY
    remaining: tuple[str, ...] = ()
    not_added: tuple[tuple[ServiceKey, RealServerKey], ...] = ()
    warnings: tuple[str, ...] = ()
    assumed: Service | None = None

    def drained(self, drains: drain.Drains, weights: Mapping[str, int]) -> Target:
        """The same, with no more weight for a drained real server than it may have.

        :param weights: the desired weights, by the real server's name.
        """
        wanted = {*weights, *(name for _kind, name in self.restored)}
        return self._replace(
            table=drain.applied(self.table, drains, wanted),
            at_boot=drain.applied(self.at_boot, drains, wanted),
        )


class OneService(NamedTuple):
    """A desired table of which only one service, or one real server in it, is asked for."""

    request: Request

    @property
    def service(self) -> ServiceKey:
        return self.request.service

    def target(self, current: Table, _held: Held, _prune: bool, check_mode: bool) -> Target:
        """:raises InvalidInput: it can't be."""
        key = self.service
        service = current.get(key)
        assumed: Service | None = None
        warnings: tuple[str, ...] = ()
        if service is None and self.request.needs_service and check_mode:
            # An earlier task of the same play may add it, which check mode has not done.
            service = assumed = Service(key, ServiceAttributes.default(key.family))
            warnings = (
                f"service {key} is not in the table yet. This check assumes that an earlier task adds it.",
            )
        target = self.request.target(service)
        return Target(
            {} if target is None else {key: target},
            desired=self._desired(current.get(key)),
            warnings=warnings,
            assumed=assumed,
        )

    def weights(self, current: Table, target: Table) -> dict[str, int]:
        """The weights that it changes, or that it gives to new real servers, by name."""
        before = drain.weights_of(current)
        after = drain.weights_of(target)
        return {name: weight for name, weight in after.items() if before.get(name) != weight}

    def kept_weights(
        self, described: Mapping[str, Claim], drains: drain.Drains
    ) -> dict[str, Claim]:
        """The claims on described weights that it does not change."""
        return {name: claim for name, claim in described.items() if name in drains}

    def warnings(self, current: Table, target: Table, drains: drain.Drains) -> tuple[str, ...]:
        """What drains do to it, in sentences.

        :param target: as it is without drains.
        """
        return tuple(
            f"{drain.words_of(name)} is drained. It gets its weight of {weight} when it is restored "
            "(lvs.cluster.ipvs_drain with state=restored)."
            for name, weight in self.weights(current, target).items()
            if name in drains and drains[name].allows(weight) != weight
        )

    def _desired(self, service: Service | None) -> dict[Name, Mapping[str, Any]]:
        if service is None or not self.request.present:
            return {}
        found: dict[Name, Mapping[str, Any]] = {
            name_of(self.service, key): found_data(attributes)
            for key, attributes in service.real_servers.items()
            if self.request.names(key)
        }
        if not self.request.needs_service:
            found[name_of(self.service)] = found_data(service.attributes)
        return found


class DesiredTable(NamedTuple):
    """The desired services, and what becomes of others.

    :ivar purge: one of PURGES.
    :ivar unprepared: addresses of real servers that may not be ready to work. In a service that is to have such a
        real server, all that the table has at its address keeps its port and forwarding method, and nothing is added.
        Where it has nothing there, the real server may have had another address: then no address goes that the service
        is to lose.
    :ivar limit: how much one change may remove.
    """

    services: Table
    purge: str = "owned"
    scope: Scope = Scope()
    unprepared: frozenset[str] = frozenset()
    limit: Limit | None = None

    @property
    def service(self) -> None:
        """It is about all of them."""

    def target(self, current: Table, held: Held, prune: bool, _check_mode: bool) -> Target:
        """What the table becomes; what others have made stays, unless purged by scope or all.

        :param prune: whether what is ours and no longer desired is removed.
        :raises InvalidInput: that would remove more than the limit.
        """
        target = _Resolver(self, current, held, prune).target()
        if self.limit:
            self.limit.check(current, target.table, self._ours(current, target.table, held))
        return target

    def weights(self, _current: Table, _target: Table) -> dict[str, int]:
        """The weights that it gives, by the real server's name."""
        return drain.weights_of(self.services)

    def kept_weights(
        self, _described: Mapping[str, Claim], _drains: drain.Drains
    ) -> dict[str, Claim]:
        """The claims on described weights that it does not change: it gives all of them anew."""
        return {}

    def warnings(self, current: Table, target: Table, drains: drain.Drains) -> tuple[str, ...]:
        """Which drains it makes useless, in sentences."""
        gone = drain.weights_of(current).keys() - drain.weights_of(target) if drains else ()
        return tuple(
            f"{drain.words_of(name)} is drained and leaves the table. It would come back with weight 0, until "
            "lvs.cluster.ipvs_drain is run for it with state=restored."
            for name in sorted(gone)
            if name in drains
        )

    def _ours(self, current: Table, target: Table, held: Held) -> set[Name]:
        """What counts for the limit: what is claimed, desired, or about to be removed by a purge."""
        claimed = {(kind, name) for kind in KINDS for name in held.claims(kind)}
        return claimed | _names(self.services) | (_names(current) - _names(target))


class ReleasedTable(DesiredTable):
    """No table of ours: another program takes over what is there. That is given up and stays as it is."""

    def target(self, current: Table, held: Held, prune: bool, check_mode: bool) -> Target:
        """The current table; it is given up where what is no longer desired would be removed."""
        if not prune:
            return super().target(current, held, prune, check_mode)._replace(remaining=())
        claimed = {(kind, name) for kind in KINDS for name in held.claims(kind)}
        return Target(current, released=frozenset(claimed))


# What becomes of an object that is not desired, if it does not get back the attributes that were found.
STAYS = object()
RELEASED = object()
GOES = object()


class _Resolver:
    """One answer in the making."""

    def __init__(self, desired: DesiredTable, current: Table, held: Held, prune: bool) -> None:
        self._desired = desired
        self._current = current
        self._held = held
        self._prune = prune
        self._table: dict[ServiceKey, Service] = {}
        self._restored: set[Name] = set()
        self._released: set[Name] = set()
        # Objects beside the desired ones that the boot script restores, too.
        self._kept: set[Name] = set()
        self._remaining: list[str] = []
        self._not_added: list[tuple[ServiceKey, RealServerKey]] = []
        self._warnings: list[str] = []

    def target(self) -> Target:
        desired = self._desired.services
        for key, service in self._current.items():
            self._resolve(service, desired.get(key))
        for key, service in desired.items():
            if key not in self._current:
                self._table[key] = service._replace(real_servers=self._added(service, {}))
        if self._prune and self._desired.purge != "none":
            self._release_stale()
        at_boot = self._at_boot()
        return Target(
            self._table,
            frozenset(self._restored),
            frozenset(self._released),
            self._with_what_there_was(_names(desired) | _names(at_boot)),
            at_boot,
            tuple(self._remaining),
            tuple(self._not_added),
            tuple(self._warnings),
        )

    def _resolve(self, service: Service, desired: Service | None) -> None:
        key = service.key
        servers = self._real_servers(service, desired)
        if desired:
            servers.update(self._added(desired, servers))
            self._table[key] = desired._replace(real_servers=servers)
            return
        fate = self._fate(name_of(key), key)
        if fate is STAYS:
            self._table[key] = service._replace(real_servers=servers)
        elif not self._prune:
            self._table[key] = service._replace(real_servers=servers)
            self._remains(f"service {key}", name_of(key), fate, service.attributes)
        elif fate is GOES and servers:
            self._table[key] = service._replace(real_servers=servers)
            names = ", ".join(str(server) for server in servers)
            self._warnings.append(
                f"service {key} is no longer in the description, but stays, because another program or owner has "
                f"added real servers to it ({names}). Remove those, or use purge=scope."
            )
        else:
            self._released.add(name_of(key))
            if fate is RELEASED:
                self._table[key] = service._replace(real_servers=servers)
            elif fate is not GOES:
                self._table[key] = Service(key, data.service_attributes_of(fate), servers)
                self._restored.add(name_of(key))

    def _real_servers(
        self, service: Service, desired: Service | None
    ) -> dict[RealServerKey, RealServerAttributes]:
        """What remains of the current real servers, as they are to be."""
        servers: dict[RealServerKey, RealServerAttributes] = {}
        unprepared = self._unprepared(service, desired)
        for key, attributes in service.real_servers.items():
            name = name_of(service.key, key)
            wanted = desired.real_servers.get(key) if desired else None
            # Weights and thresholds need nothing of the host.
            if wanted and (key not in unprepared or _method(wanted) == _method(attributes)):
                servers[key] = wanted
                continue
            if key in unprepared:
                servers[key] = attributes
                if self._is_claimed(name):
                    self._kept.add(name)
                continue
            fate = self._fate(name, service.key)
            if fate is STAYS:
                servers[key] = attributes
            elif not self._prune:
                servers[key] = attributes
                self._remains(f"real server {key} of service {service.key}", name, fate, attributes)
            else:
                self._released.add(name)
                if fate is RELEASED:
                    servers[key] = attributes
                elif fate is not GOES:
                    servers[key] = data.real_server_attributes_of(fate)
                    self._restored.add(name)
        return servers

    def _unprepared(self, service: Service, desired: Service | None) -> set[RealServerKey]:
        """The real servers of the current service that stay as they are, because they may not be prepared."""
        if desired is None:
            return set()
        addresses = {server.address for server in desired.real_servers}
        there = {server.address for server in service.real_servers}
        kept = addresses & self._desired.unprepared
        if not kept <= there:
            # One that is not there under its address may be there under its former one, which nobody knows.
            kept |= there - addresses
        return {server for server in service.real_servers if server.address in kept}

    def _added(
        self, desired: Service, servers: Mapping[RealServerKey, RealServerAttributes]
    ) -> dict[RealServerKey, RealServerAttributes]:
        """The desired real servers that are yet to be added and may be."""
        added: dict[RealServerKey, RealServerAttributes] = {}
        for key, attributes in desired.real_servers.items():
            existing = servers.get(key)
            if key.address in self._desired.unprepared:
                if existing is None or _method(existing) != _method(attributes):
                    self._not_added.append((desired.key, key))
            elif existing is None:
                added[key] = attributes
        return added

    def _fate(self, name: Name, service: ServiceKey) -> Any:
        """STAYS, RELEASED, GOES, or the attributes that were found and are restored."""
        purge = self._desired.purge
        if purge == "none":
            return STAYS
        if purge == "all" or (purge == "scope" and service in self._desired.scope):
            return GOES
        claim = self._held.claims(name[0]).get(name[1])
        if claim is None:
            return STAYS
        if self._held.shared(*name):
            return RELEASED
        return GOES if claim.found is None else claim.found

    def _remains(self, words: str, name: Name, fate: Any, attributes: Any) -> None:
        """Something that a run with pruning would remove or restore stays as it is."""
        if fate is RELEASED:
            return
        if fate is GOES or fate != found_data(attributes):
            self._remaining.append(words)
        if self._is_claimed(name):
            self._kept.add(name)

    def _is_claimed(self, name: Name) -> bool:
        return name[1] in self._held.claims(name[0])

    def _release_stale(self) -> None:
        """Give up claims on what is neither there nor desired: another program has removed it."""
        known = _names(self._current) | _names(self._desired.services)
        claimed = {(kind, name) for kind in KINDS for name in self._held.claims(kind)}
        self._released |= claimed - known

    def _at_boot(self) -> dict[ServiceKey, Service]:
        wanted = _names(self._desired.services) | self._kept
        return {
            key: service._replace(
                real_servers={
                    server: attributes
                    for server, attributes in service.real_servers.items()
                    if name_of(key, server) in wanted
                },
            )
            for key, service in self._table.items()
            if name_of(key) in wanted
        }

    def _with_what_there_was(self, names: set[Name]) -> dict[Name, Mapping[str, Any]]:
        found: dict[Name, Mapping[str, Any]] = {}
        for key, service in self._current.items():
            if name_of(key) in names:
                found[name_of(key)] = found_data(service.attributes)
            for server, attributes in service.real_servers.items():
                if name_of(key, server) in names:
                    found[name_of(key, server)] = found_data(attributes)
        return found


def _method(attributes: RealServerAttributes) -> tuple[str, str, int, str]:
    """How packets reach a real server, which has to be prepared for it."""
    return (
        attributes.forwarding,
        attributes.tunnel_type,
        attributes.tunnel_port,
        attributes.tunnel_checksum,
    )


def _names(table: Table) -> set[Name]:
    """The names of all objects of a table."""
    names = {name_of(key) for key in table}
    names.update(
        name_of(key, server) for key, service in table.items() for server in service.real_servers
    )
    return names


def desired_table(services: Iterable[Options]) -> dict[ServiceKey, Service]:
    """The table that options describe; what is left out has its default.

    :raises InvalidInput: with the first thing that can't be, or is listed twice.
    """
    table: dict[ServiceKey, Service] = {}
    for its_options in services:
        key = options.service_key(its_options)
        if key in table:
            raise InvalidInput(
                f"service {key}",
                "services",
                str(key),
                "is listed twice",
                "merge the two entries into one",
            )
        default = ServiceAttributes.default(key.family)
        attributes = default._replace(**options.service_changes(key, its_options, default))
        check_service(key, attributes)
        service = Service(key, attributes)
        for server_options in its_options.get("real_servers") or ():
            request = RealServerRequest.of(key, server_options)
            if request.real_server in service.real_servers:
                raise InvalidInput(
                    f"service {key}",
                    "real_servers",
                    str(request.real_server),
                    "is listed twice",
                    "remove one of the two entries",
                )
            service = request.applied(service)
        table[key] = service
    return table


class Limit(NamedTuple):
    """How much of what is ours one change may remove: a number, or a percentage.

    What counts is the net loss, of the whole table and of each service that stays: a real server that is
    replaced by another, or by itself at another port, is not lost.
    """

    text: str
    number: int
    is_percentage: bool

    @classmethod
    def of(cls, text: str) -> Limit:
        """:raises InvalidInput: neither a number nor a percentage."""
        found = re.fullmatch(r"([0-9]{1,9})(%?)", text.strip())
        if not found or (found[2] and int(found[1]) > 100):
            raise InvalidInput(
                "the plan",
                "max_removals",
                text[:80],
                "is neither a number nor a percentage",
                "write for example 10 or 25%",
            )
        return cls(text.strip(), int(found[1]), bool(found[2]))

    def check(self, current: Table, target: Table, ours: set[Name]) -> None:
        """:raises InvalidInput: the change removes more.

        :param ours: the objects that count.
        """
        before, after = _names(current) & ours, _names(target) & ours
        self._check(len(before), len(after), "services and real servers that are ours")
        for key, service in current.items():
            if key not in target:
                continue
            names = {name_of(key, server) for server in service.real_servers} & before
            left = {name_of(key, server) for server in target[key].real_servers} & after
            self._check(len(names), len(left), f"real servers of service {key}")

    def _check(self, before: int, after: int, what: str) -> None:
        allowed = before * self.number / 100 if self.is_percentage else self.number
        if before - after > allowed:
            raise InvalidInput(
                "the plan",
                "max_removals",
                self.text,
                f"is less than what the plan would remove, which is {before - after} of the {before} {what}",
                "check whether something is missing in the description; if all of this is to be removed, allow more "
                "(for the roles: director_max_removals)",
            )
