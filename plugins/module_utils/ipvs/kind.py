# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""IPVS as kinds of resources: the table, the timeouts and the sync daemons."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Callable, NamedTuple

from .. import engine
from ..engine import Base, Claims, Diff, Failure, Held, Plan, Progress, Script
from ..errors import InvalidInput, KernelRefusal, Unavailable
from ..host import boot, store
from ..host.commands import Commands
from ..host.files import read
from ..host.manifest import KEEPALIVED_MADE, MADE_SYNC, Claim
from ..net import canonical_address
from ..values import EMPTY
from . import (
    daemon,
    data,
    drain,
    model,
    netlink,
    options,
    ownership,
    parse,
    refusals,
    restore,
    timeouts,
)
from .daemon import Daemon
from .model import RealServerKey, Service, ServiceKey
from .ownership import KINDS, name_of, object_of
from .plan import DELETE, EDIT, Operation, RealServerOperation
from .plan import plan as table_plan
from .request import RealServerRequest
from .table import (
    DesiredTable,
    Limit,
    OneService,
    ReleasedTable,
    Scope,
    Target,
    desired_table,
)

PACKAGE = "ipvsadm"


class Kernel(NamedTuple):
    """:ivar connect: opens the kernel's IPVS, and by that loads it.
    :ivar is_loaded: tells whether that is necessary.
    """

    connect: Callable[[], AbstractContextManager[Any]] = netlink.Client
    is_loaded: Callable[[], bool] = netlink.is_loaded

    @contextmanager
    def changing(self) -> Iterator[Any]:
        """:raises KernelRefusal: the kernel has no IPVS, or the process may not change it."""
        try:
            with self.connect() as ipvs:
                yield ipvs
        except Unavailable as error:
            problem = str(error).rstrip(".")
            raise KernelRefusal("Could not change IPVS", 0, problem, "then run again") from error


KERNEL = Kernel()


def _lacks_ipvsadm() -> bool:
    """Whether the host lacks the command that the scripts for the next boot need."""
    return Commands.find(PACKAGE) is None


class Current(NamedTuple):
    """What there is.

    :ivar table: the table, or the part of it that is asked for; empty where IPVS is not loaded.
    :ivar made: the names of what the boot script has made since the claims were written.
    :ivar lacks_ipvsadm: whether the boot script would lack its command.
    """

    table: model.Table
    made: frozenset[str] = frozenset()
    lacks_ipvsadm: bool = False


class Table(Base):
    """The services and real servers of one owner: a whole table, or one service or real server.

    :param at_boot: whether the desired table is restored at boot; None where the script at boot stays as it is.
    :param record: the file in which the script at boot records what it has made.
    :param manifest: the file of the owner's claims.
    :param adopts: whether what keepalived has made for the owner is the owner's.
    """

    name = "table"
    claim_kinds = (*KINDS, drain.DESCRIBED)
    consults = (drain.DRAIN, KEEPALIVED_MADE)
    # A dump beside a change may miss objects.
    rereads = True

    def __init__(
        self,
        desired: DesiredTable | OneService,
        owner: str,
        at_boot: bool | None = None,
        kernel: Kernel = KERNEL,
        record: str | None = None,
        manifest: str | None = None,
        adopts: bool = False,
    ) -> None:
        self._adopts = adopts
        self._desired = desired
        self._at_boot = at_boot
        self._kernel = kernel
        self._record = record or restore.record_path(owner)
        self._manifest = manifest or os.path.join(store.DIRECTORY, f"{owner}.json")
        self._refused: set[ownership.Name] = set()

    @classmethod
    def of(
        cls,
        entry: Mapping[str, Any] | None,
        owner: str,
        _commands: Commands,
        at_boot: bool = True,
    ) -> Table:
        """The table of an entry of a host's configuration; None for an empty one.

        :raises InvalidInput: an option can't be.
        """
        if entry and entry.get("release"):
            options.checked(entry, options.RELEASE_OPTIONS, "table")
            return cls(ReleasedTable({}), owner, at_boot)
        given = options.checked(entry or {}, options.TABLE_OPTIONS, "table")
        return cls(described(given), owner, at_boot, adopts=bool(entry))

    def read(self, held: Held, _check_mode: bool) -> Current:
        """Without loading IPVS: where it is not loaded, the table is empty."""
        table: model.Table = {}
        if self._kernel.is_loaded():
            with self._kernel.connect() as ipvs:
                table = ipvs.table() if self._desired.service is None else self._service(ipvs)
        return Current(
            table, self._made_at_boot(table, held), bool(self._at_boot) and _lacks_ipvsadm()
        )

    def plan(self, current: Current, held: Held, prune: bool, check_mode: bool) -> Plan:
        described = held.claims(drain.DESCRIBED)
        held = held._replace(own=ownership.with_made_at_boot(held.own, current.made))
        if self._adopts:
            made = held.claims(KEEPALIVED_MADE)
            held = held._replace(own=ownership.with_taken_over(held.own, made))
        target = self._desired.target(current.table, held, prune, check_mode)
        drained = drain.drains(held)
        weights = self._desired.weights(current.table, target.table) if drained else {}
        warnings = self._desired.warnings(current.table, target.table, drained)
        target = target.drained(drained, weights)
        assumed = target.assumed
        todo = table_plan({assumed.key: assumed} if assumed else current.table, target.table)
        grow = [each for each in todo.changes if object_of(each) not in target.restored]
        restoring = [each for each in todo.changes if object_of(each) in target.restored]
        adopted = {
            name: found
            for name, found in target.desired.items()
            if self._at_boot or held.shared(*name)
        }
        scripts = self._scripts(target, current.table)
        needed = any(script.body for script in scripts)
        return Plan(
            grow=tuple(map(_operation, grow)),
            shrink=tuple(map(_operation, (*restoring, *todo.removals))),
            claims={
                **ownership.claims_after(held, todo.operations, target.released, adopted),
                drain.DESCRIBED: {
                    **self._desired.kept_weights(described, drained),
                    **drain.described_claims(weights, drained),
                },
            },
            diffs={"IPVS": Diff(todo.before, todo.after)},
            scripts=scripts,
            remaining=target.remaining,
            packages=(PACKAGE,) if needed and current.lacks_ipvsadm else (),
            warnings=(*target.warnings, *warnings),
            details=self._details(target, weights, drained),
        )

    def carry_out(self, operations: Sequence[engine.Operation]) -> Progress:
        """All of them, also where some are refused: what they say of each other, the kernel checks itself."""
        if not operations:
            return Progress()
        by_work = {operation.work: operation for operation in operations}
        try:
            with self._kernel.changing() as ipvs:
                failed = ipvs.execute([operation.work for operation in operations])
        except KernelRefusal as refusal:
            return Progress(0, tuple((operation, refusal) for operation in operations))
        self._refused |= {object_of(work) for work, _number in failed}
        failures = tuple((by_work[work], refusals.explain(work, number)) for work, number in failed)
        return Progress(len(operations) - len(failures), failures)

    def retire(self, plan: Plan) -> None:
        """Give real servers that are about to leave a service no new connections: weight 0.

        Where that is refused, they are removed all the same.
        """
        edits: list[Operation] = []
        for operation in plan.shrink:
            work = operation.work
            if isinstance(work, RealServerOperation) and work.verb == DELETE:
                before = work.before
                if before and before.weight:
                    edits.append(work._replace(verb=EDIT, after=before._replace(weight=0)))
        if edits:
            with self._kernel.connect() as ipvs:
                ipvs.execute(edits)

    def kept_claims(self, plan: Plan, held: Held, failures: Sequence[Failure]) -> Claims:
        """What was refused keeps the claim that it had. While growing, nothing has been removed yet."""
        refused = [operation for operation, _refusal in failures]
        growing = any(operation in plan.grow for operation in refused)
        claims = engine.united(held.own, plan.claims) if growing else plan.claims
        reverted = ownership.reverted(claims, held.own, [operation.work for operation in refused])
        return {**reverted, drain.DESCRIBED: claims.get(drain.DESCRIBED, {})}

    def _service(self, ipvs: Any) -> model.Table:
        found = ipvs.service(self._desired.service)
        return {} if found is None else {found.key: found}

    def _made_at_boot(self, table: model.Table, held: Held) -> frozenset[str]:
        """What the boot script has made, if it has run since the claims were written."""
        if not any(claim.found for kind in KINDS for claim in held.claims(kind).values()):
            return frozenset()
        try:
            if os.stat(self._record).st_mtime_ns <= os.stat(self._manifest).st_mtime_ns:
                return frozenset()
        except FileNotFoundError:
            return frozenset()
        return restore.made(table, read(self._record) or "")

    def _scripts(self, target: Target, current: model.Table) -> tuple[Script, ...]:
        if self._at_boot is None:
            return ()
        body = None
        if self._at_boot:
            body = restore.script_body(self._restorable(target.at_boot, current), self._record)
        return (Script(boot.TABLE, "virtual services and real servers", body),)

    def _restorable(self, at_boot: model.Table, current: model.Table) -> list[Service]:
        """What is restored at boot; of what the kernel has just refused, what there is."""
        found = []
        for key, service in at_boot.items():
            there = current.get(key)
            attributes = service.attributes
            if name_of(key) in self._refused:
                if there is None:
                    continue
                attributes = there.attributes
            existing = there.real_servers if there else {}
            servers = {
                server: existing.get(server) if name_of(key, server) in self._refused else its_own
                for server, its_own in service.real_servers.items()
            }
            known = {server: each for server, each in servers.items() if each is not None}
            found.append(Service(key, attributes, known))
        return found

    def _details(
        self, target: Target, weights: Mapping[str, int], drained: drain.Drains
    ) -> dict[str, Any]:
        if isinstance(self._desired, DesiredTable):
            names = set(weights)
            if drained and not isinstance(self._desired, ReleasedTable):
                # Also those that have left the table, which nobody else would tell of.
                names |= drained.keys() - drain.weights_of(target.table)
            return {
                "not_added": [_not_added(*each) for each in target.not_added],
                "drains": drain.report(drained, names, weights, time.time()),
            }
        service = target.table.get(self._desired.service)
        request = self._desired.request
        if not isinstance(request, RealServerRequest):
            return {"service": service and data.service_data(service)}
        attributes = service and service.real_servers.get(request.real_server)
        found = attributes and data.real_server_data(request.real_server, attributes)
        return {"real_server": found}


def described(given: Mapping[str, Any]) -> DesiredTable:
    """The desired table of the options TABLE_OPTIONS.

    :raises InvalidInput: an option can't be.
    """
    text = given["rules"]
    _check_together(given)
    services = given["services"] or [] if text is None else parse.parse_rules(text)
    limit = given["max_removals"]
    return DesiredTable(
        desired_table(services),
        given["purge"],
        Scope.of(**(given["scope"] or {"addresses": [], "fwmarks": []})),
        frozenset(
            canonical_address(each, "the table", "unprepared")[1] for each in given["unprepared"]
        ),
        None if limit is None else Limit.of(limit),
    )


def _check_together(given: Mapping[str, Any]) -> None:
    """What ipvs_table refuses by itself, for a configuration that crosses as one structure.

    :raises InvalidInput: options that exclude each other, or one that needs another.
    """
    if given["rules"] is not None and given["services"] is not None:
        problem = "cannot be combined with services"
        raise InvalidInput("table", "rules", None, problem, "omit one of them")
    if given["purge"] == "scope" and not given["scope"]:
        problem, remedy = "needs scope", "set scope, or choose another purge"
        raise InvalidInput("table", "purge", "scope", problem, remedy)


def _operation(work: Operation) -> engine.Operation:
    return engine.Operation(work.verb, work.object, work, data.operation_data(work))


def _not_added(service: ServiceKey, real_server: RealServerKey) -> dict[str, Any]:
    return {
        "service": data.service_key_data(service),
        "real_server": data.real_server_key_data(real_server),
    }


class CurrentTimeouts(NamedTuple):
    """:ivar timeouts: those in force; the kernel's defaults where IPVS is not loaded.
    :ivar lacks_ipvsadm: whether the boot script would lack its command.
    """

    timeouts: timeouts.Timeouts
    lacks_ipvsadm: bool


class Timeouts(Base):
    """The timeouts of connections.

    :param desired: seconds by name; 0 for one that is not asked for.
    """

    name = "timeouts"
    claim_kinds = (timeouts.KIND,)

    def __init__(
        self, desired: Mapping[str, int], at_boot: bool = True, kernel: Kernel = KERNEL
    ) -> None:
        timeouts.check(desired)
        self._desired = desired
        self._at_boot = at_boot
        self._kernel = kernel

    @classmethod
    def of(
        cls,
        entry: Mapping[str, Any] | None,
        _owner: str,
        _commands: Commands,
        at_boot: bool = True,
    ) -> Timeouts:
        """The timeouts of an entry of a host's configuration; None for none.

        :raises InvalidInput: an option can't be.
        """
        return cls(options.checked(entry or {}, timeouts.OPTIONS, "timeouts"), at_boot)

    def read(self, _held: Held, _check_mode: bool) -> CurrentTimeouts:
        found = timeouts.Timeouts()
        if self._kernel.is_loaded():
            with self._kernel.connect() as ipvs:
                found = ipvs.timeouts()
        return CurrentTimeouts(found, self._at_boot and _lacks_ipvsadm())

    def plan(self, current: CurrentTimeouts, held: Held, prune: bool, _check_mode: bool) -> Plan:
        claim = held.claims(timeouts.KIND).get(timeouts.NAME)
        others = held.shared(timeouts.KIND, timeouts.NAME)
        todo = timeouts.plan(current.timeouts, self._desired, claim, others, prune)
        remaining = todo.remaining or {}
        body = timeouts.script_body({**remaining, **self._asked()}) if self._at_boot else None
        changed = todo.before != todo.after
        return Plan(
            grow=_set(todo.before, todo.grown),
            shrink=_set(todo.grown, todo.after),
            claims={timeouts.KIND: {timeouts.NAME: todo.claim} if todo.claim else {}},
            diffs={
                "IPVS timeouts": Diff((str(todo.before),), (str(todo.after),))
                if changed
                else Diff()
            },
            scripts=(Script(boot.TIMEOUTS, "timeouts of IPVS", body),),
            remaining=tuple(f"{name} {seconds}" for name, seconds in remaining.items()),
            packages=(PACKAGE,) if body and current.lacks_ipvsadm else (),
            details={"timeouts": todo.after._asdict()},
        )

    def do(self, operation: engine.Operation) -> None:
        with self._kernel.changing() as ipvs:
            ipvs.set_timeouts(operation.work)

    def kept_claims(self, plan: Plan, held: Held, failures: Sequence[Failure]) -> Claims:
        """While growing, nothing was set."""
        growing = failures[0][0] in plan.grow
        return held.own if growing else engine.united(held.own, plan.claims)

    def _asked(self) -> dict[str, int]:
        return {name: seconds for name, seconds in self._desired.items() if seconds}


def _set(before: timeouts.Timeouts, after: timeouts.Timeouts) -> tuple[engine.Operation, ...]:
    if before == after:
        return ()
    shown = {"verb": "set", "timeouts": after._asdict()}
    return (engine.Operation("set", "the timeouts of IPVS", after, shown),)


class DesiredDaemon(NamedTuple):
    """A daemon that is asked for.

    :ivar given: its options.
    :ivar keeps: whether what is left out stays as it is, or has its default.
    """

    role: str
    given: Mapping[str, Any]
    keeps: bool = False

    def target(self, current: Daemon | None) -> Daemon:
        """:raises InvalidInput: it can't be."""
        return daemon.wanted(current if self.keeps else None, self.role, self.given)


class CurrentDaemons(NamedTuple):
    """What there is.

    :ivar daemons: those that are running, by role.
    :ivar backup_only: net.ipv4.vs.backup_only: with it, a director on which both daemons run forwards nothing.
    :ivar lacks_ipvsadm: whether the boot script would lack its command.
    """

    daemons: Mapping[str, Daemon] = EMPTY
    backup_only: bool = False
    lacks_ipvsadm: bool = False


class DaemonChange(NamedTuple):
    """What is done to the daemon of one role."""

    role: str
    before: Daemon | None
    after: Daemon | None


class SyncDaemons(Base):
    """The sync daemons.

    :param scope: the roles that it is about; others are left alone.
    :param forced: whether daemons that are not desired are stopped even if another owner or program started them.
    :param yields: whether those that are not desired are stopped before all kinds have grown, as one starts its own.
    :param adopts: whether those that keepalived has started for the owner are the owner's.
    """

    name = "sync_daemons"
    claim_kinds = (daemon.KIND,)
    consults = (KEEPALIVED_MADE,)

    def __init__(
        self,
        desired: Iterable[DesiredDaemon],
        at_boot: bool = True,
        scope: Collection[str] = daemon.ROLES,
        forced: bool = False,
        kernel: Kernel = KERNEL,
        yields: bool = False,
        adopts: bool = False,
    ) -> None:
        self._yields = yields
        self._adopts = adopts
        self._desired = {each.role: each for each in desired}
        self._at_boot = at_boot
        self._scope = scope
        self._forced = forced
        self._kernel = kernel

    @classmethod
    def of(
        cls,
        entry: Sequence[Mapping[str, Any]] | None,
        _owner: str,
        _commands: Commands,
        at_boot: bool = True,
        yields: bool = False,
        adopts: bool = False,
    ) -> SyncDaemons:
        """The daemons of an entry of a host's configuration; None for none.

        :raises InvalidInput: an option can't be.
        """
        role = {"role": {"type": "str", "choices": list(daemon.ROLES), "required": True}}
        found: list[DesiredDaemon] = []
        for position, each in enumerate(entry or ()):
            path = f"sync_daemons[{position}]"
            given = options.checked(each, {**role, **daemon.OPTIONS}, path)
            if any(other.role == given["role"] for other in found):
                raise InvalidInput(
                    path, "role", given["role"], "is listed twice", "remove one of the two entries"
                )
            found.append(DesiredDaemon(given["role"], given))
        return cls(found, at_boot, yields=yields, adopts=adopts)

    def read(self, _held: Held, _check_mode: bool) -> CurrentDaemons:
        from ..host import proc  # noqa: PLC0415  (only where it is needed)

        daemons: Mapping[str, Daemon] = {}
        if self._kernel.is_loaded():
            with self._kernel.connect() as ipvs:
                daemons = ipvs.daemons()
        backup_only = proc.read("net.ipv4.vs.backup_only") == "1"
        return CurrentDaemons(daemons, backup_only, self._at_boot and _lacks_ipvsadm())

    def plan(self, current: CurrentDaemons, held: Held, prune: bool, _check_mode: bool) -> Plan:
        claims = {**self._adopted(current, held), **held.claims(daemon.KIND)}
        after = dict(current.daemons)
        grow: list[engine.Operation] = []
        shrink: list[engine.Operation] = []
        remaining: list[str] = []
        scripts: list[Script] = []
        for role in self._scope:
            before = current.daemons.get(role)
            desired = self._desired.get(role)
            restored: Daemon | None = None
            if desired:
                target: Daemon | None = desired.target(before)
                self._claim(role, before, target, held, claims)
                grow += _daemon_operations(role, before, target)
                restored = (
                    target._replace(maxlen=desired.given.get("maxlen") or 0) if target else None
                )
            else:
                target = self._without(role, before, held, prune, claims)
                if not prune and role in claims and before and not held.shared(daemon.KIND, role):
                    remaining.append(f"the sync daemon {role}")
                    restored = before
                shrink += _daemon_operations(role, before, target)
            after.pop(role, None)
            if target:
                after[role] = target
            body = daemon.script_body(restored) if restored and self._at_boot else None
            scripts.append(Script(boot.SYNC, f"sync daemon {role}", body, role))
        self._check_backup_only(current, after)
        if self._yields:
            grow, shrink = [*grow, *shrink], []
        return Plan(
            grow=tuple(grow),
            shrink=tuple(shrink),
            claims={daemon.KIND: claims},
            diffs={
                "sync daemon": Diff(
                    tuple(str(each.work.before) for each in (*grow, *shrink) if each.work.before),
                    tuple(str(each.work.after) for each in (*grow, *shrink) if each.work.after),
                )
            },
            scripts=tuple(scripts),
            remaining=tuple(remaining),
            packages=(PACKAGE,)
            if current.lacks_ipvsadm and any(script.body for script in scripts)
            else (),
            details={"sync_daemons": [daemon.data(after[role]) for role in sorted(after)]},
        )

    def do(self, operation: engine.Operation) -> None:
        before, after = operation.work.before, operation.work.after
        with self._kernel.changing() as ipvs:
            if before:
                ipvs.stop_daemon(before)
            if not after:
                return
            try:
                ipvs.start_daemon(after)
            except OSError as error:
                if before:
                    ipvs.start_daemon(before)
                raise refusals.of_daemon(after, error) from error

    def kept_claims(self, plan: Plan, held: Held, failures: Sequence[Failure]) -> Claims:
        """What was refused, and what was to be done after it, keeps the claim that it had."""
        refused = failures[0][0]
        operations = plan.grow if refused in plan.grow else plan.shrink
        undone = {each.work.role for each in operations[operations.index(refused) :]}
        claims = dict(engine.united(held.own, plan.claims).get(daemon.KIND, {}))
        for role in undone:
            claims.pop(role, None)
            if role in held.claims(daemon.KIND):
                claims[role] = held.claims(daemon.KIND)[role]
        return {daemon.KIND: claims}

    def _adopted(self, current: CurrentDaemons, held: Held) -> dict[str, Claim]:
        """Claims on the desired daemons that keepalived has started; the others it stops itself."""
        made = held.claims(KEEPALIVED_MADE) if self._adopts else {}
        return {
            role: Claim()
            for role, running in current.daemons.items()
            if role in self._desired and f"{MADE_SYNC}{running.syncid}" in made
        }

    def _claim(
        self,
        role: str,
        before: Daemon | None,
        target: Daemon | None,
        held: Held,
        claims: dict[str, Claim],
    ) -> None:
        others = held.shared(daemon.KIND, role)
        unchanged = daemon.same(before, target)
        if others and before and not unchanged:
            owner = next(iter(others))
            raise InvalidInput(
                f"the sync daemon {role}",
                None,
                None,
                f"would differ from the one that the owner {owner} keeps on this host ({before})",
                f"use the same options for both, or remove it from {owner} first",
            )
        if before is None:
            claims[role] = Claim()
        elif role not in claims and (others or self._at_boot or not unchanged):
            claims[role] = next(iter(others.values()), Claim(daemon.data(before)))

    def _without(
        self,
        role: str,
        before: Daemon | None,
        held: Held,
        prune: bool,
        claims: dict[str, Claim],
    ) -> Daemon | None:
        """What remains of a daemon that is not desired."""
        if self._forced:
            claims.pop(role, None)
            return None
        claim = claims.get(role)
        if claim is None or not prune:
            return before
        del claims[role]
        if before is None or held.shared(daemon.KIND, role):
            return before
        return None if claim.found is None else Daemon(**claim.found)

    def _check_backup_only(self, current: CurrentDaemons, after: Mapping[str, Daemon]) -> None:
        if not current.backup_only or len(after) < len(daemon.ROLES):
            return
        for role in self._desired:
            raise InvalidInput(
                f"the sync daemon {role}",
                "role",
                role,
                "would run together with the other one while net.ipv4.vs.backup_only is 1, and then IPVS forwards "
                "nothing",
                "set net.ipv4.vs.backup_only to 0, or stop the other daemon",
            )


def _daemon_operations(
    role: str, before: Daemon | None, after: Daemon | None
) -> list[engine.Operation]:
    known = after or before
    if known is None or daemon.same(before, after):
        return []
    verb = "start" if before is None else "stop" if after is None else "edit"
    shown = {"verb": verb, "sync_daemon": daemon.data(known)}
    work = DaemonChange(role, before, after)
    return [engine.Operation(verb, f"the sync daemon {role}", work, shown)]
