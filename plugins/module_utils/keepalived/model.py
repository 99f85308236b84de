# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keepalived is to do on a host, and what of an IPVS table is as it is to be. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from ..engine import Held
from ..errors import InvalidInput
from ..host.manifest import KEEPALIVED, KEEPALIVED_MADE, MADE_ADDRESS, MADE_SYNC, Claim
from ..ipvs import daemon, data, options, ownership
from ..ipvs.daemon import Daemon
from ..ipvs.model import (
    RealServerAttributes,
    RealServerKey,
    Service,
    ServiceKey,
    Table,
)
from ..ipvs.ownership import Name, name_of
from ..ipvs.table import Limit, desired_table
from ..net import canonical_address
from ..values import EMPTY
from .conf import Naming, Place, interfaces_of

SUBJECT = KEEPALIVED
_KEY = {"type": "dict", "options": options.SERVICE_KEY_SPEC, "required": True}
OPTIONS: Mapping[str, Any] = {
    "text": {"type": "str", "required": True},
    "vrrp_interfaces": {"type": "list", "elements": "str", "default": []},
    "interface": {"type": "str", "default": ""},
    "table": {"type": "bool", "default": False},
    "services": {**options.TABLE_OPTIONS["services"], "default": []},
    "sorry": {
        "type": "list",
        "elements": "dict",
        "options": {
            "service": _KEY,
            "real_server": {
                "type": "dict",
                "options": options.REAL_SERVERS_SPEC["options"],
                "required": True,
            },
        },
        "default": [],
    },
    "inhibit": {
        "type": "list",
        "elements": "dict",
        "options": options.SERVICE_KEY_SPEC,
        "default": [],
    },
    "max_removals": {"type": "str"},
    "unprepared": {"type": "list", "elements": "str", "default": []},
    "sync": {"type": "dict", "options": {"syncid": {"type": "int", "required": True}}},
    "floating": {"type": "list", "elements": "str", "default": []},
}
# What is checked here, because it has other types than Ansible's.
_APART = ("interfaces", "settle_seconds")
_SETTLE_SECONDS = 10.0
# Begins the names of addresses among what keepalived has made.


class Desired(NamedTuple):
    """What keepalived is to do.

    :ivar body: its configuration, but for what only the host knows.
    :ivar owns_table: whether it makes the IPVS table.
    :ivar services: that table.
    :ivar sorry: the real servers that serve where all others of a service have failed.
    :ivar inhibit: the services in which a real server that has failed gets weight 0; in others it is removed.
    :ivar syncid: of the sync daemon that it runs; None for none.
    :ivar floating: the addresses that it moves between the directors.
    :ivar settle_seconds: how long it may take until real servers have passed their checks.
    :ivar unprepared: addresses of real servers that may not be ready to work: they are not added, and stay as they are.
    """

    body: str
    naming: Naming
    owns_table: bool = False
    services: Table = EMPTY
    sorry: Mapping[ServiceKey, RealServerKey] = EMPTY
    inhibit: frozenset[ServiceKey] = frozenset()
    limit: Limit | None = None
    syncid: int | None = None
    floating: tuple[str, ...] = ()
    settle_seconds: float = _SETTLE_SECONDS
    unprepared: frozenset[str] = frozenset()

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Desired:
        """As the configuration of a host has it.

        :raises InvalidInput: an option can't be.
        """
        plain = {name: value for name, value in entry.items() if name not in _APART}
        given = options.checked(plain, OPTIONS, SUBJECT)
        naming = Naming(
            interfaces_of(entry.get("interfaces")),
            tuple(given["vrrp_interfaces"]),
            given["interface"],
        )
        sorry = {}
        for each in given["sorry"]:
            key = options.service_key(each["service"])
            sorry[key] = options.real_server_key(key, each["real_server"])
        return cls(
            given["text"],
            naming,
            given["table"],
            desired_table(given["services"]) if given["table"] else {},
            sorry,
            frozenset(map(options.service_key, given["inhibit"])),
            None if given["max_removals"] is None else Limit.of(given["max_removals"]),
            given["sync"]["syncid"] if given["sync"] else None,
            tuple(canonical_address(each, SUBJECT, "floating")[1] for each in given["floating"]),
            _seconds(entry.get("settle_seconds")),
            frozenset(
                canonical_address(each, SUBJECT, "unprepared")[1] for each in given["unprepared"]
            ),
        )

    @property
    def names(self) -> set[Name]:
        """What it makes in the table, as the manifest has it."""
        found = set(names_of(self.services))
        return found | {name_of(key, server) for key, server in self.sorry.items()}

    @property
    def made(self) -> Made:
        """What it makes."""
        syncids = () if self.syncid is None else (self.syncid,)
        return Made(frozenset(self.names), frozenset(self.floating), frozenset(syncids))


def _seconds(value: Any) -> float:
    if value is None:
        return _SETTLE_SECONDS
    try:
        if isinstance(value, bool) or not 0 <= float(value) <= 3600:
            raise ValueError(value)
        return float(value)
    except (TypeError, ValueError):
        raise InvalidInput(
            SUBJECT, "settle_seconds", value, "is not a number of seconds", "use 0 to 3600"
        ) from None


class Made(NamedTuple):
    """What keepalived has made on a host: the claims on it say so.

    So this is ours where the table and the addresses are taken over from it, or where it has left them behind.

    :ivar names: services and real servers, as the manifest has them.
    :ivar addresses: those that it moves between directors.
    :ivar syncids: of the sync daemons that it runs.
    """

    names: frozenset[Name] = frozenset()
    addresses: frozenset[str] = frozenset()
    syncids: frozenset[int] = frozenset()

    @property
    def claims(self) -> dict[str, dict[str, Claim]]:
        """As the manifest has it."""
        made = [name for _kind, name in self.names]
        made += [MADE_ADDRESS + address for address in self.addresses]
        made += [f"{MADE_SYNC}{syncid}" for syncid in self.syncids]
        return {
            KEEPALIVED: {KEEPALIVED: Claim()},
            KEEPALIVED_MADE: dict.fromkeys(made, Claim()),
        }

    @classmethod
    def of(cls, held: Held) -> Made:
        """The reverse; nothing where it is not claimed."""
        made = held.claims(KEEPALIVED_MADE)
        names = {
            (kind, name)
            for kind, claims in ownership.with_taken_over({}, made).items()
            for name in claims
        }
        return cls(
            frozenset(names),
            frozenset(name[len(MADE_ADDRESS) :] for name in made if name.startswith(MADE_ADDRESS)),
            frozenset(int(name[len(MADE_SYNC) :]) for name in made if name.startswith(MADE_SYNC)),
        )


def names_of(table: Table) -> set[Name]:
    """The names of all objects of a table."""
    found = {name_of(key) for key in table}
    found.update(
        name_of(key, server) for key, service in table.items() for server in service.real_servers
    )
    return found


def places_of(table: Table) -> set[Place]:
    """The same, as the comments of a configuration have them."""
    found = {(str(key), "") for key in table}
    found.update(
        (str(key), str(server)) for key, service in table.items() for server in service.real_servers
    )
    return found


def is_failing(
    key: ServiceKey,
    wanted: RealServerAttributes,
    current: RealServerAttributes | None,
    inhibit: Collection[ServiceKey],
) -> bool:
    """Whether keepalived has taken a real server out of service, because a check fails."""
    if current is None:
        return True
    return key in inhibit and current.weight == 0 and wanted.weight > 0


def failing(
    table: Table, wanted: Table, inhibit: Collection[ServiceKey]
) -> list[tuple[ServiceKey, RealServerKey]]:
    """The real servers that are out of service, of services that the table has."""
    return [
        (key, server)
        for key, service in wanted.items()
        if key in table
        for server, attributes in service.real_servers.items()
        if is_failing(key, attributes, table[key].real_servers.get(server), inhibit)
    ]


def missing(table: Table, wanted: Table) -> list[ServiceKey]:
    """The services that the table lacks."""
    return [key for key in wanted if key not in table]


def lost(
    before: Table, table: Table, wanted: Table, sorry: Mapping[ServiceKey, RealServerKey]
) -> list[ServiceKey]:
    """The services that had working real servers and have none any more, although their weights are not all 0.

    :param sorry: by service, its sorry server, which does not count.
    """
    return [
        key
        for key, service in wanted.items()
        if any(attributes.weight for attributes in service.real_servers.values())
        and _works(before, key, sorry.get(key))
        and not _works(table, key, sorry.get(key))
    ]


def _works(table: Table, key: ServiceKey, sorry: RealServerKey | None) -> bool:
    """Whether a service has a real server that gets connections, besides the sorry server."""
    servers = table[key].real_servers if key in table else {}
    return any(its.weight and server != sorry for server, its in servers.items())


def repaired(
    table: Table, wanted: Table, inhibit: Collection[ServiceKey]
) -> dict[ServiceKey, Service]:
    """The table with the attributes that are wanted, of what it has; nothing is added, nothing removed.

    keepalived compares its configurations, never the table: what another program has edited stays so. And a reload
    ignores thresholds.
    """
    result = dict(table)
    for key, service in wanted.items():
        there = table.get(key)
        if there is None:
            continue
        servers = dict(there.real_servers)
        for server, attributes in service.real_servers.items():
            current = servers.get(server)
            if current is None:
                continue
            out = is_failing(key, attributes, current, inhibit)
            servers[server] = attributes._replace(weight=0) if out else attributes
        result[key] = Service(key, service.attributes, servers)
    return result


def without_thresholds(table: Table) -> dict[ServiceKey, Service]:
    """The same, but for what a reload ignores."""
    return {
        key: service._replace(
            real_servers={
                server: attributes._replace(upper_threshold=0, lower_threshold=0)
                for server, attributes in service.real_servers.items()
            },
        )
        for key, service in table.items()
    }


def without(table: Table, names: Collection[Name]) -> dict[ServiceKey, Service]:
    """The table without some objects. A service stays as long as it has other real servers."""
    result: dict[ServiceKey, Service] = {}
    for key, service in table.items():
        servers = {
            server: attributes
            for server, attributes in service.real_servers.items()
            if name_of(key, server) not in names
        }
        if servers or name_of(key) not in names:
            result[key] = service._replace(real_servers=servers)
    return result


def united(table: Table, more: Table) -> dict[ServiceKey, Service]:
    """A table with services and real servers of another, where it lacks them."""
    result = dict(table)
    for key, service in more.items():
        there = table.get(key, service)
        result[key] = there._replace(real_servers={**service.real_servers, **there.real_servers})
    return result


def believed(table: Table, wanted: Table, inhibit: Collection[ServiceKey]) -> set[Place]:
    """The real servers that are in service, as far as the table tells."""
    out = set(failing(table, wanted, inhibit))
    return {
        (str(key), str(server))
        for key, service in wanted.items()
        if key in table
        for server in service.real_servers
        if (key, server) not in out
    }


class State(NamedTuple):
    """What there is of what keepalived makes, and how that compares with what it is to make.

    :ivar unit: the state of the service, such as active.
    :ivar holds: the floating addresses that this host has.
    :ivar uptime: for how many seconds it has run.
    :ivar made: the names of what it has made, as the manifest has them. Other real servers were added by others.
    """

    unit: str
    table: Table = EMPTY
    daemons: Mapping[str, Daemon] = EMPTY
    holds: tuple[str, ...] = ()
    uptime: float = 0.0
    made: Collection[str] = ()

    def details(self, desired: Desired, wanted: Table) -> dict[str, Any]:
        """As results have it.

        :param wanted: the services that are desired, with the weights that drains leave.
        """
        found: dict[str, Any] = {
            "state": self.unit,
            "uptime": round(self.uptime, 1),
            "holds": list(self.holds),
            "sync_daemons": [daemon.data(self.daemons[role]) for role in sorted(self.daemons)],
        }
        if not desired.owns_table:
            return found
        is_active = self.unit == "active"
        out = failing(self.table, wanted, desired.inhibit) if is_active else []
        lacking = missing(self.table, wanted) if is_active else []
        sorry = [
            (key, server)
            for key, server in desired.sorry.items()
            if key in self.table and server in self.table[key].real_servers
        ]
        foreign = [
            (key, server)
            for key in wanted
            if key in self.table
            for server in self.table[key].real_servers
            if name_of(key, server)[1] not in self.made
        ]
        return {
            **found,
            "failing": list(map(_pair, out)),
            "missing": [{"service": data.service_key_data(key)} for key in lacking],
            "sorry": list(map(_pair, sorry)),
            "foreign": list(map(_pair, foreign)),
        }

    def warnings(self, desired: Desired, wanted: Table, with_daemon: bool) -> list[str]:
        """What an operator has to be told of it, in sentences.

        :param with_daemon: whether the sync daemon should run by now.
        """
        if self.unit != "active":
            return []
        sentences = []
        if desired.owns_table:
            out = failing(self.table, wanted, desired.inhibit)
            if out:
                names = (f"{server} of service {key}" for key, server in out)
                sentences.append(
                    f"Real servers are out of service: {_listed(names)}. Either their checks fail, and then keepalived "
                    "brings them back once the checks succeed, or another program has deleted them."
                )
            lacking = missing(self.table, wanted)
            if lacking:
                sentences.append(
                    f"keepalived runs, but services are missing from the IPVS table: {_listed(map(str, lacking))}. "
                    "See 'journalctl -u keepalived' for the reason. If another program has deleted them, "
                    "'systemctl restart keepalived' adds them again, best while this director is a standby."
                )
        if with_daemon and not has_daemon(self.daemons, desired.syncid):
            sentences.append(
                f"keepalived runs, but the sync daemon with syncid {desired.syncid} does not: connections would "
                "not survive a failover. 'systemctl restart keepalived' starts it, best while this director is a "
                "standby."
            )
        return sentences


def has_daemon(daemons: Mapping[str, Daemon], syncid: int | None) -> bool:
    """Whether the sync daemon runs that keepalived is to run; None for none."""
    return syncid is None or any(each.syncid == syncid for each in daemons.values())


_MOST = 10


def _listed(words: Iterable[str]) -> str:
    """The first of them, and how many there are more."""
    all_of_them = list(words)
    more = len(all_of_them) - _MOST
    return ", ".join(all_of_them[:_MOST]) + (f" and {more} more" if more > 0 else "")


def _pair(each: tuple[ServiceKey, RealServerKey]) -> dict[str, Any]:
    key, server = each
    return {
        "service": data.service_key_data(key),
        "real_server": data.real_server_key_data(server),
    }
