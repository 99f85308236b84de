# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What draining and restoring a real server means: its drains, its weights, and what speaks against it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from ..engine import Held
from ..errors import InvalidInput
from ..ipvs import drain, options
from ..ipvs.drain import Drain, Drains
from ..ipvs.model import RealServerAttributes, RealServerKey, Service, ServiceKey, Table
from ..ipvs.ownership import REAL_SERVER, keys_of, real_server_name, real_server_part
from ..net import canonical_address, endpoint, family_of
from ..values import EMPTY

DRAINED, RESTORED, UNCHANGED = STATES = ("drained", "restored", "unchanged")
MAX_STEPS = 100

OPTIONS: Mapping[str, Any] = {
    "real_server": {"type": "str", "required": True},
    "port": {"type": "int"},
    "service": {"type": "dict", "options": {**options.SERVICE_KEY_SPEC}},
    "state": {"type": "str", "choices": list(STATES), "default": DRAINED},
    "force": {"type": "bool", "default": False},
    "steps": {"type": "int", "default": 1},
}

# Schedulers that go on choosing a real server of weight 0 for its share of clients, to the flag by which they
# then choose another one.
_HASHING: Mapping[str, str] = {"dh": "", "mh": "flag-1", "sh": "flag-1"}


class Configured(NamedTuple):
    """One service in a configuration of keepalived.

    :ivar weights: those of its real servers, by name.
    :ivar inhibits: whether a real server that fails its checks stays in the table with weight 0.
    """

    weights: Mapping[str, int]
    quorum: int = 1
    hysteresis: int = 0
    inhibits: bool = False


class View:
    """What there is.

    :ivar table: the kernel's.
    :ivar configured: the services of keepalived's configuration, where it is ours and owns the table.
    """

    def __init__(self, table: Table, configured: Mapping[ServiceKey, Configured]) -> None:
        self.table = table
        self.configured = configured

    @cached_property
    def names(self) -> frozenset[str]:
        """All real servers that are there, or would be if they passed their checks."""
        configured = (name for each in self.configured.values() for name in each.weights)
        return frozenset((*drain.weights_of(self.table), *configured))

    def attributes(self, name: str) -> RealServerAttributes | None:
        """What the kernel has of a real server."""
        service, server = keys_of(name)
        found = self.table.get(service)
        return found.real_servers.get(server) if found else None

    def weight_configured(self, name: str) -> int | None:
        """The weight that a real server has in keepalived's configuration."""
        found = self.configured.get(keys_of(name)[0])
        return found.weights.get(name) if found else None

    def is_left_to_keepalived(self, name: str, before: Drain) -> bool:
        """Whether keepalived alone knows if a drained real server gets weight: with 0, it may have failed its checks.

        One that was drained in the kernel alone gets it from nobody else.
        """
        found = self.configured.get(keys_of(name)[0])
        in_kernel_alone = not before.now and bool(self.weight_configured(name))
        return bool(found and found.inhibits) and not in_kernel_alone


class Decision(NamedTuple):
    """What comes of a request.

    :ivar names: the real servers that it is about.
    :ivar drains: all drains once it is carried out.
    :ivar given: the weights that its real servers get, by name.
    :ivar weights: those of them that are to be given in the kernel by us.
    :ivar configured: the weights to give in keepalived's configuration, by name.
    :ivar full: the weights that real servers have without the drains from before or after, by name.
    """

    names: tuple[str, ...]
    drains: Drains
    given: Mapping[str, int] = EMPTY
    weights: Mapping[str, int] = EMPTY
    configured: Mapping[str, int] = EMPTY
    full: Mapping[str, int] = EMPTY
    warnings: tuple[str, ...] = ()


class Request(NamedTuple):
    """Which real server, and what is to become of it.

    :ivar service: the only service that is meant; None for all.
    :ivar steps: in how many runs the weight is given back.
    """

    address: str
    port: int | None = None
    service: ServiceKey | None = None
    state: str = DRAINED
    force: bool = False
    steps: int = 1

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Request:
        """The request of the options OPTIONS.

        :raises InvalidInput: an option can't be.
        """
        subject = f"real server {params['real_server']}"
        _family, address = canonical_address(params["real_server"], subject, "real_server")
        port, steps = params["port"], params["steps"]
        if port is not None:
            RealServerKey.at(address, port)
        if not 1 <= steps <= MAX_STEPS:
            raise InvalidInput(
                subject,
                "steps",
                steps,
                "is not a number of steps",
                f"give a number from 1 (at once) to {MAX_STEPS}",
            )
        service = None if params["service"] is None else options.service_key(params["service"])
        return cls(address, port, service, params["state"], params["force"], steps)

    @property
    def words(self) -> str:
        """The real server, in words."""
        port = "" if self.port is None else f" with port {self.port}"
        service = "" if self.service is None else f" of service {self.service}"
        return f"real server {self.address}{port}{service}"

    def among(self, names: Iterable[str]) -> list[str]:
        """Those that it is about, sorted."""
        found = []
        begin = endpoint(family_of(self.address), self.address, 0)[:-1]
        # A table may hold ten thousand of them, and it takes long to take names apart.
        for name in (each for each in names if real_server_part(each).startswith(begin)):
            service, server = keys_of(name)
            if (
                server.address == self.address
                and self.port in (None, server.port)
                and self.service in (None, service)
            ):
                found.append(((service.sort_key, server.sort_key), name))
        return [name for _key, name in sorted(found)]

    def decide(self, view: View, held: Held, clock: float, given: Mapping[str, int]) -> Decision:
        """What it comes to.

        :param clock: Unix time.
        :param given: the weights that this run has already decided to give, by name.
        :raises InvalidInput: there is no such real server, or a service would be without real servers.
        """
        drains = drain.drains(held)
        if self.state == UNCHANGED:
            names = tuple(self.among(view.names | drains.keys()))
            full = {name: drain.goal(name, each, held) for name, each in drains.items()}
            return Decision(names, drains, full=full)
        stale = [name for name in drains if name not in view.names and not _is_claimed(name, held)]
        kept = {name: each for name, each in drains.items() if name not in stale}
        warnings = [
            f"{drain.words_of(name)} does not exist any more, so its drain is deleted."
            for name in sorted(stale)
        ]
        if self.state == DRAINED:
            decision = self._drained(view, kept, held, clock)
        else:
            decision = self._restored(view, kept, held, given)
        known = {**kept, **decision.drains}
        decision = decision._replace(
            full={name: drain.goal(name, each, held) for name, each in known.items()},
        )
        configured = _configured(view, decision)
        return decision._replace(
            weights={
                name: weight
                for name, weight in decision.given.items()
                if not (weight and view.is_left_to_keepalived(name, drains[name]))
            },
            configured=configured,
            warnings=(*warnings, *decision.warnings),
        )

    def _drained(self, view: View, drains: Drains, held: Held, clock: float) -> Decision:
        names = self.among(view.names | drains.keys())
        if not names:
            raise InvalidInput(
                self.words,
                None,
                None,
                "is in no service of this director",
                "list the real servers with lvs.cluster.ipvs_info, or add it first",
            )
        new = [name for name in names if name not in drains or drains[name].now]
        if not self.force:
            self._check(view, names)
        after = dict(drains)
        for name in names:
            before = drains.get(name)
            after[name] = (
                before._replace(now=0) if before else Drain(_weight_of(name, view), int(clock))
            )
        return Decision(
            tuple(names),
            after,
            dict.fromkeys(names, 0),
            warnings=tuple(_warnings(new, view, after, held)),
        )

    def _check(self, view: View, names: Collection[str]) -> None:
        """:raises InvalidInput: a service would be left without real servers, or without its quorum."""
        problems = []
        for key in dict.fromkeys(keys_of(name)[0] for name in names):
            service = view.table.get(key)
            problem = service and lost(service, names, view.configured.get(key))
            if problem:
                problems.append(f"{problem} of service {key}")
        if problems:
            raise InvalidInput(
                self.words,
                None,
                None,
                f"draining it would remove {' and '.join(problems)}",
                "restore or repair other real servers first, or set force (for the roles: drain_force) to drain it "
                "anyway",
            )

    def _restored(
        self, view: View, drains: Drains, held: Held, given: Mapping[str, int]
    ) -> Decision:
        names = self.among(view.names | drains.keys())
        after, weights = dict(drains), {}
        for name in names:
            if name not in drains:
                continue
            full = drain.goal(name, drains[name], held)
            weight = given.get(name, drain.next_weight(drains[name].now, full, self.steps))
            weights[name] = weight
            if weight >= full:
                del after[name]
            else:
                after[name] = drains[name]._replace(now=weight)
        warnings = []
        if not names:
            warnings = [f"{self.words} is in no service of this director, and not drained."]
        return Decision(tuple(names), after, weights, warnings=tuple(warnings))


def _is_claimed(name: str, held: Held) -> bool:
    """Whether an owner on this host has it in its description."""
    return name in held.others.get(REAL_SERVER, {})


def _weight_of(name: str, view: View) -> int:
    """The weight that a real server has. What the kernel has may be that of one that fails its checks."""
    configured = view.weight_configured(name)
    if configured is not None:
        return configured
    attributes = view.attributes(name)
    return attributes.weight if attributes else 0


def lost(service: Service, names: Collection[str], configured: Configured | None) -> str:
    """What a service loses with these real servers, in words; empty where others are enough.

    :param configured: the service in keepalived's configuration.
    """
    going = staying = 0
    for key, attributes in service.real_servers.items():
        name = real_server_name(service.key, key)
        if name in names:
            going += attributes.weight
        # keepalived's sorry server is in the table, and no real server that counts.
        elif configured is None or name in configured.weights:
            staying += attributes.weight
    if not going:
        return ""
    if not staying:
        return "the last real server"
    if configured and staying < configured.quorum - configured.hysteresis:
        less = f" less its hysteresis of {configured.hysteresis}" if configured.hysteresis else ""
        return f"the quorum (a weight of {staying} would be left, and it needs {configured.quorum}{less})"
    return ""


def _warnings(names: Collection[str], view: View, drains: Drains, held: Held) -> list[str]:
    """What an operator has to know of real servers that are about to be drained."""
    found = [
        f"{drain.words_of(name)} was not added by this collection. The program that added it may restore its weight."
        for name in names
        if not _is_claimed(name, held) and view.weight_configured(name) is None
    ]
    for key in dict.fromkeys(keys_of(name)[0] for name in names):
        service = view.table.get(key)
        if service and refuses_clients(service):
            scheduler = service.attributes.scheduler
            flag = f" without the flag {scheduler}-fallback" if _HASHING[scheduler] else ""
            found.append(
                f"service {key} uses the scheduler {scheduler}{flag}: new clients that it maps to a drained real "
                "server are refused."
            )
        configured = view.configured.get(key)
        if configured and not any(
            weight for name, weight in configured.weights.items() if name not in drains
        ):
            found.append(
                f"all real servers of service {key} are drained, and keepalived does not accept a service without "
                "weight. So its configuration keeps their weights, and each of them gets its weight back when it fails "
                "its checks and recovers, or when keepalived is restarted."
            )
    return found


def _configured(view: View, decision: Decision) -> dict[str, int]:
    """The weights that change in keepalived's configuration."""
    changed: dict[str, int] = {}
    services = dict.fromkeys(keys_of(name)[0] for name in decision.names)
    for configured in filter(None, map(view.configured.get, services)):
        described = {
            name: decision.full.get(name, weight) for name, weight in configured.weights.items()
        }
        left = drain.in_configuration(described, decision.drains)
        changed.update(
            {name: weight for name, weight in left.items() if weight != configured.weights[name]}
        )
    return changed


def refuses_clients(service: Service) -> bool:
    """Whether the scheduler goes on choosing real servers of weight 0, and so refuses clients."""
    attributes = service.attributes
    flag = _HASHING.get(attributes.scheduler)
    return flag is not None and flag not in attributes.scheduler_flags
