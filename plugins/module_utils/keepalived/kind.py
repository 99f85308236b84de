# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""keepalived as a kind of resource: it runs, with the configuration that is desired.

What it makes, virtual addresses and the IPVS table, is its own. So a plan is about its configuration, and about what
keepalived by itself does not repair. How it comes and goes:

- It comes last, since it attracts packets. A table that exists is not emptied for it: it takes over what is there.
- It is reloaded and never restarted, because a restart removes all that it has made.
- Where it is no longer desired, it leaves before anything else grows (``kinds.Entry.leaves_before``). If the table is
  taken over, it is ended without the time to remove anything; else it is stopped, and removes its table and addresses.
"""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Union

from ..engine import Base, Claims, Diff, Failure, Held, Operation, Plan, Progress, in_order, united
from ..errors import InvalidInput, KernelRefusal
from ..host.commands import Commands
from ..host.manifest import KEEPALIVED, KEEPALIVED_MADE
from ..ipvs import daemon as sync
from ..ipvs import data, drain, ownership, refusals
from ..ipvs.daemon import Daemon
from ..ipvs.kind import KERNEL, Kernel
from ..ipvs.model import ServiceKey, Table
from ..ipvs.ownership import REAL_SERVER, SERVICE, Name, object_of
from ..ipvs.plan import RealServerOperation, ServiceOperation
from ..ipvs.plan import plan as table_plan
from ..network.address import KIND as ADDRESS
from ..network.address import Address, parse
from ..network.iproute import IpRoute
from ..values import EMPTY
from . import conf, model, turn
from .conf import HeldBack, Naming, Place
from .model import Desired, Made, State
from .service import DROP_IN, DROP_IN_TEXT, Service, Unit

PACKAGE = "keepalived"
_OBJECT = "keepalived"
_INTERVAL = 0.2
# How long an answer for an address is waited for, each of three times.
_PROBE_SECONDS = 0.3
# How long keepalived gets to change attributes itself after a reload, before they are changed for it.
_ATTRIBUTE_SECONDS = 2.0
# The longest time that VRRP takes to add the addresses after a start without a delay, and to remove the existing ones.
_ADDRESS_SECONDS, _REMOVAL_SECONDS = 5.0, 1.0

TableOperation = Union[ServiceOperation, RealServerOperation]


class Current(NamedTuple):
    """What there is.

    :ivar text: the configuration file; None for none.
    :ivar has_mode: whether its permissions are right.
    :ivar is_pending: whether keepalived has yet to read it.
    :ivar table: the IPVS table, where keepalived is concerned with it.
    :ivar complaint: what keepalived has against the new configuration.
    :ivar drop_in: what is added to its unit.
    """

    text: str | None
    has_mode: bool
    is_pending: bool
    is_installed: bool
    unit: Unit
    addresses: tuple[Address, ...] = ()
    links: frozenset[str] = frozenset()
    table: Table = EMPTY
    daemons: Mapping[str, Daemon] = EMPTY
    complaint: str = ""
    drop_in: str | None = None


class Configuration(NamedTuple):
    """A configuration that keepalived is to run with.

    :ivar before: the one that was there.
    :ivar believed: the real servers that are taken for up until a check fails, because they serve already.
    :ivar wanted: the table, as far as keepalived makes it.
    :ivar going: what keepalived removes from the table.
    :ivar table: the one that was there.
    :ivar is_unproven: whether real servers are in service whose checks are new to keepalived.
    :ivar gives_up_table: whether it may have virtual servers now and is to have none, and they stay.
    :ivar serves: whether this host has addresses that VRRP removes first, and adds again after some advertisements.
    """

    text: str
    before: str | None
    unit: Unit
    wanted: Table = EMPTY
    believed: frozenset[Place] = frozenset()
    going: frozenset[Name] = frozenset()
    table: Table = EMPTY
    is_unproven: bool = False
    gives_up_table: bool = False
    serves: bool = False


class Written(NamedTuple):
    """A file to be written.

    :ivar is_new: whether more than its permissions changes.
    """

    text: str
    is_new: bool


class LeftBehind(NamedTuple):
    """What there is of what keepalived has made, and would leave behind where it can't clean up.

    :ivar addresses: each on its interface.
    """

    names: frozenset[Name]
    addresses: frozenset[Address]


class Keepalived(Base):
    """keepalived with the configuration of one owner.

    :param desired: None where it is not desired.
    :param password: of VRRP.
    :param is_taken_over: whether the table and the addresses stay where it is not desired, and become other kinds'.
    :param daemons: the roles of the sync daemons that the configuration asks for besides.
    :param takes: the addresses that the host will have without keepalived, if it is not desired.
    :param naming: which interfaces they are on.
    """

    name = "keepalived"
    claim_kinds = (KEEPALIVED, KEEPALIVED_MADE, drain.DESCRIBED)
    consults = (drain.DRAIN, *ownership.KINDS, sync.KIND, ADDRESS)
    attracts = True

    def __init__(
        self,
        desired: Desired | None,
        owner: str,
        ip: IpRoute,
        service: Service,
        password: str = "",
        is_taken_over: bool = False,
        daemons: Collection[str] = (),
        kernel: Kernel = KERNEL,
        takes: Sequence[str] = (),
        naming: Naming | None = None,
    ) -> None:
        self._desired = desired
        self._owner = owner
        self._ip = ip
        self._service = service
        self._password = password
        self._is_taken_over = is_taken_over
        self._daemons = daemons
        self._kernel = kernel
        self._takes = takes
        self._naming = naming or Naming({})

    @classmethod
    def of(
        cls,
        entry: Mapping[str, Any] | None,
        owner: str,
        ip: IpRoute,
        commands: Commands,
        password: str = "",
        is_taken_over: bool = False,
        daemons: Sequence[Mapping[str, Any]] = (),
        holding: Mapping[str, Any] | None = None,
    ) -> Keepalived:
        """keepalived as an entry of a host's configuration has it; None for not at all.

        :param daemons: the entry of the sync daemons.
        :param holding: that of the addresses.
        :raises InvalidInput: an option can't be.
        """
        desired = Desired.of(entry) if entry else None
        if desired and desired.syncid is not None and daemons:
            raise InvalidInput(
                "keepalived",
                "sync",
                desired.syncid,
                "cannot be combined with sync_daemons, because keepalived runs the daemon",
                "omit one of them",
            )
        roles = [str(each.get("role")) for each in daemons]
        service = Service(commands, owner)
        return cls(
            desired,
            owner,
            ip,
            service,
            password,
            is_taken_over,
            roles,
            takes=() if desired else tuple((holding or {}).get("addresses") or ()),
            naming=desired.naming
            if desired
            else Naming({}, forced=str((holding or {}).get("interface") or "")),
        )

    # Reading

    def waits_as(self, claims: Claims) -> str:
        """Why this director lets the others go first, as ``turn`` has it; empty where it does not.

        :param claims: those of the owner.
        """
        desired = self._desired
        floating = desired.floating if desired else tuple(Made.of(Held(claims)).addresses)
        addresses = self._ip.addresses()
        runs = KEEPALIVED in claims and self._service.unit().is_active
        holds = any(each.address in floating for each in addresses)
        wanted = floating if desired and not runs else self._takes
        others_hold = not holds and self._is_answered(wanted, addresses)
        return turn.waits_as(runs, holds, others_hold, bool(self._takes))

    def _is_answered(self, wanted: Sequence[str], addresses: Sequence[Address]) -> bool:
        """Whether another machine answers for one of these addresses."""
        from ..network import wire  # noqa: PLC0415  (only where something is asked)

        up = {each.name for each in self._ip.links().values() if each.is_up}
        return any(
            wire.ask([(interface, self._ip.link_local(interface))], asked, _PROBE_SECONDS)
            for interface, asked in self._naming.places(wanted, addresses).items()
            if interface in up
        )

    def read(self, held: Held, _check_mode: bool) -> Current:
        text, has_mode = self._service.text()
        unit = self._service.unit()
        table, daemons = self._ipvs(self._desired is None or self._desired.owns_table)
        found = Current(
            text,
            has_mode,
            self._service.is_pending(),
            self._service.is_installed(),
            unit,
            tuple(self._ip.addresses()),
            frozenset(self._ip.links()),
            table,
            daemons,
            drop_in=self._service.drop_in(),
        )
        if self._desired is None or not found.is_installed:
            return found
        conf.check_ours(text, self._owner)
        if self._text(self._desired, found, held).text == text:
            return found
        return found._replace(complaint=self._complaint(self._desired, found, held))

    def _complaint(self, desired: Desired, current: Current, held: Held) -> str:
        """What keepalived has against the configuration.

        With weights as described: it complains of a service whose quorum is drained, and yet does what it is asked.
        """
        return self._service.complaint(self._text(desired, current, held._replace(others={})).text)

    def _ipvs(self, with_table: bool = True) -> tuple[Table, Mapping[str, Daemon]]:
        """The table and the sync daemons, without loading IPVS."""
        if not self._kernel.is_loaded():
            return {}, {}
        with self._kernel.connect() as ipvs:
            return ipvs.table() if with_table else {}, ipvs.daemons()

    # Planning

    def plan(self, current: Current, held: Held, prune: bool, _check_mode: bool) -> Plan:
        if self._desired is None:
            return self._leaving(current, held, prune)
        return self._running(self._desired, current, held, prune)

    def _text(self, desired: Desired, current: Current, held: Held) -> HeldBack:
        """The whole configuration; pure.

        :raises InvalidInput: the host lacks an interface, or the password can't be.
        """
        definitions = desired.naming.resolved(current.addresses, current.links)
        text = conf.whole(self._owner, definitions, desired.body, self._password)
        found = HeldBack(text)
        if desired.unprepared:
            found = conf.held_back(text, current.text, desired.unprepared)
        weights = _file_weights(desired, drain.drains(held))
        return found._replace(text=conf.with_weights(found.text, weights))

    def _running(self, desired: Desired, current: Current, held: Held, prune: bool) -> Plan:
        self._check(desired, current, held)
        drains = drain.drains(held)
        weights = drain.weights_of(desired.services) if drains else {}
        back = self._text(desired, current, held)
        text = back.text
        # Real servers that stay as they are are not compared.
        services = model.without(desired.services, _names(back.waiting))
        wanted = drain.applied(services, drains, weights)
        former = _names(back.former)
        going = self._going(desired, current, held) - former
        load = self._load(desired, wanted, current, text, going)
        target = model.repaired(current.table, wanted, desired.inhibit)
        made = desired.made._replace(names=desired.made.names | (Made.of(held).names & former))
        if prune:
            # What keepalived removes by itself is seen in the configuration.
            target = model.without(target, going - (load.going if load else frozenset()))
        else:
            made = made._replace(names=made.names | (Made.of(held).names & going))
        todo = table_plan(current.table, target)
        stops = self._stops(current, held, desired.syncid)
        claims = made.claims
        state = _state(
            desired,
            current.unit,
            current.table,
            current.daemons,
            current.addresses,
            claims[KEEPALIVED_MADE],
        )
        return Plan(
            grow=(
                # keepalived can't start its daemon while another one runs, and a reload leaves a former one running.
                *(() if current.unit.is_active else stops),
                *_operations(current, text, load),
                *(stops if current.unit.is_active else ()),
                *map(_table_operation, todo.changes),
            ),
            shrink=tuple(map(_table_operation, todo.removals)),
            claims={
                **claims,
                drain.DESCRIBED: drain.described_claims(weights, drains),
            },
            diffs={
                conf.PATH: _diff(current.text, text),
                DROP_IN: _diff(current.drop_in, DROP_IN_TEXT),
                "IPVS": Diff(todo.before, todo.after),
            },
            packages=() if current.is_installed else (PACKAGE,),
            # While it has yet to read its configuration, nothing is wrong.
            warnings=() if load else tuple(state.warnings(desired, wanted, with_daemon=True)),
            details={
                **state.details(desired, wanted),
                "drains": drain.report(drains, weights, weights, time.time()),
                "not_added": [
                    drain.key_data(ownership.real_server_name(*place)) for place in back.waiting
                ],
            },
            work=wanted,
        )

    def _check(self, desired: Desired, current: Current, held: Held) -> None:
        """:raises InvalidInput: keepalived can't run so on this host."""
        conf.check_ours(current.text, self._owner)
        for owner in held.shared(KEEPALIVED, KEEPALIVED):
            raise InvalidInput(
                "keepalived",
                None,
                None,
                f"is already managed by the owner {owner} on this host, and cannot serve two clusters",
                f"remove it there first, with owner={owner}",
            )
        for kind, name in sorted(desired.names) if desired.owns_table else ():
            for owner in held.shared(kind, name):
                raise InvalidInput(
                    f"the table of {name}",
                    None,
                    None,
                    f"belongs to the owner {owner} on this host, and keepalived would own it",
                    f"remove it from {owner} first, or set keepalived_table to ours",
                )
        for name, owners in held.others.get(ADDRESS, {}).items():
            if parse(name).address in desired.floating:
                raise InvalidInput(
                    f"the virtual address {parse(name).address}",
                    None,
                    None,
                    f"belongs to the owner {next(iter(owners))} on this host, and keepalived would move it",
                    f"remove it from {next(iter(owners))} first",
                )
        for role, owners in held.others.get(sync.KIND, {}).items():
            if desired.syncid is not None and role in current.daemons:
                raise InvalidInput(
                    f"the sync daemon {role}",
                    None,
                    None,
                    f"is run by the owner {next(iter(owners))} on this host, and keepalived would run its own",
                    "stop it there first, or set keepalived_sync to false",
                )
        if current.unit.is_masked:
            raise InvalidInput(
                "the service keepalived",
                None,
                None,
                "is masked on this host",
                "run 'systemctl unmask keepalived'",
            )
        if current.complaint:
            raise InvalidInput(
                conf.SUBJECT,
                None,
                None,
                f"is refused by 'keepalived -t', and was not installed ({current.complaint})",
                "correct the cause; until then the old configuration stays in service",
            )

    @staticmethod
    def _own(held: Held) -> set[Name]:
        """What was ours in the table so far, by way of keepalived or not."""
        own = set(Made.of(held).names)
        for kind in ownership.KINDS:
            own |= {
                (kind, name) for name, claim in held.claims(kind).items() if claim.found is None
            }
        return own

    def _going(self, desired: Desired, current: Current, held: Held) -> frozenset[Name]:
        """What of the table is ours and no longer desired.

        :raises InvalidInput: that is more than one change may remove.
        """
        if not desired.owns_table:
            return frozenset()
        there = model.names_of(current.table)
        ours = (self._own(held) | _known(current.text, there)) & there
        going = {name for name in ours - desired.names if not held.shared(*name)}
        if desired.limit:
            left = model.united(model.without(current.table, going), desired.services)
            desired.limit.check(current.table, left, ours | desired.names)
        return frozenset(going)

    def _load(
        self,
        desired: Desired,
        wanted: Table,
        current: Current,
        text: str,
        going: frozenset[Name],
    ) -> Configuration | None:
        """What keepalived has yet to read; None for nothing."""
        unit = current.unit
        if unit.is_active and text == current.text and not current.is_pending:
            return None
        # What it knows, unless it has yet to read what is there.
        is_read = unit.is_active and not current.is_pending
        known = conf.objects(current.text) if is_read else set()
        serving = model.believed(current.table, wanted, desired.inhibit)
        new_checks = conf.checks(text)
        old_checks = conf.checks(current.text) if is_read else {}
        return Configuration(
            text,
            current.text,
            unit,
            wanted,
            frozenset(place for place in serving if (place[0], "") not in known),
            # What it has made it removes by itself, if it runs.
            frozenset(_known(current.text, going) if unit.is_active else ()),
            current.table,
            any(new_checks.get(place) != old_checks.get(place) for place in serving),
            unit.is_active and not desired.owns_table and (bool(known) or not is_read),
            any(each.address in desired.floating for each in current.addresses)
            and (not is_read or bool(conf.instances(text) - conf.instances(current.text))),
        )

    def _leaving(self, current: Current, held: Held, prune: bool) -> Plan:
        if not held.claims(KEEPALIVED):
            return Plan()
        if conf.owner_of(current.text) != self._owner and (current.text or "").strip():
            # Somebody has replaced the configuration, and so it is theirs.
            return Plan()
        if not (prune or self._is_taken_over):
            kept = {kind: held.claims(kind) for kind in self.claim_kinds}
            return Plan(claims=kept, remaining=(_OBJECT,))
        left = self._left_behind(current, held)
        grow: list[Operation] = []
        is_active = current.unit.is_active
        if self._is_taken_over and is_active:
            grow.append(Operation("end", _OBJECT))
        elif not self._is_taken_over and (is_active or left.names or left.addresses):
            grow.append(Operation("stop", _OBJECT, left))
        if self._is_taken_over or not is_active:
            # Else keepalived stops it.
            grow += self._stops(current, held, None)
        shrink = [Operation("disable", _OBJECT)] if current.unit.is_enabled else []
        if current.text is not None:
            shrink.append(Operation("delete", conf.PATH))
        if current.drop_in is not None:
            shrink.append(Operation("delete", DROP_IN))
        return Plan(
            tuple(grow),
            tuple(shrink),
            diffs={
                conf.PATH: _diff(current.text, None),
                DROP_IN: _diff(current.drop_in, None),
            },
            details={"state": current.unit.state},
        )

    @staticmethod
    def _left_behind(current: Current, held: Held) -> LeftBehind:
        """Without what others claim."""
        made = Made.of(held)
        claimed = {*held.claims(ADDRESS), *held.others.get(ADDRESS, {})}
        return LeftBehind(
            frozenset(
                name
                for name in made.names & model.names_of(current.table)
                if not held.shared(*name) and name[1] not in held.claims(name[0])
            ),
            frozenset(
                each
                for each in current.addresses
                if each.address in made.addresses and str(each) not in claimed
            ),
        )

    def _stops(self, current: Current, held: Held, syncid: int | None) -> list[Operation]:
        """Operations that stop the sync daemons that keepalived has started and is no longer to run.

        After a reload without its line, keepalived 2.2.7 leaves its daemon running.

        :param syncid: of the daemon that keepalived is to run; None for none.
        """
        former = Made.of(held).syncids - {syncid}
        return [
            Operation("stop", f"the sync daemon {role}", each)
            for role, each in sorted(current.daemons.items())
            if each.syncid in former and self._is_unclaimed(role, held)
        ]

    def _is_unclaimed(self, role: str, held: Held) -> bool:
        """Whether no other kind or owner wants the sync daemon of a role."""
        claimed = role in held.claims(sync.KIND) or held.shared(sync.KIND, role)
        return role not in self._daemons and not claimed

    # Carrying out

    def grow(self, plan: Plan) -> Progress:
        progress = in_order([each for each in plan.grow if not _is_of_table(each)], self.do)
        self._ip.forget()
        if progress.failures:
            return progress
        edits = [each for each in plan.grow if _is_of_table(each)]
        loaded = any(isinstance(each.work, Configuration) for each in plan.grow)
        if self._desired is None or not (edits or loaded):
            return progress
        failures = self._repair(self._desired, plan.work, edits)
        return Progress(progress.done + len(edits) - len(failures), failures)

    def shrink(self, plan: Plan) -> Progress:
        others = [each for each in plan.shrink if not _is_of_table(each)]
        progress = in_order(others, self.do)
        removals = [each for each in plan.shrink if _is_of_table(each)]
        if progress.failures or not removals:
            return progress
        with self._kernel.changing() as ipvs:
            failed = ipvs.execute([each.work for each in removals])
        by_work = {each.work: each for each in removals}
        failures = tuple(
            (by_work[work], refusals.explain(work, number))
            for work, number in failed
            if number not in (errno.ENOENT, errno.ESRCH)
        )
        return Progress(progress.done + len(removals) - len(failures), failures)

    def do(self, operation: Operation) -> None:
        work = operation.work
        if operation.object == DROP_IN:
            self._service.put_drop_in(work)
        elif operation.verb == "write":
            self._write(work)
        elif operation.verb == "enable":
            self._service.enable()
        elif isinstance(work, Configuration):
            self._run(work)
        elif operation.verb == "end":
            self._service.kill()
        elif isinstance(work, Daemon):
            self._stop_daemon(work)
        elif isinstance(work, LeftBehind):
            self._stop(work)
        elif operation.verb == "disable":
            self._service.disable()
        else:
            self._service.put(None)
            self._service.set_pending(False)

    def kept_claims(self, plan: Plan, held: Held, failures: Sequence[Failure]) -> Claims:
        """Where keepalived does not run with the new configuration, what it had before is all that it makes."""
        failed = any(isinstance(each.work, (Written, Configuration)) for each, _refusal in failures)
        return held.own if failed else united(held.own, plan.claims)

    def outcome(self, plan: Plan) -> Plan:
        desired = self._desired
        if desired is None or not plan:
            return plan
        table, daemons = self._ipvs(desired.owns_table)
        unit = self._service.unit()
        made = plan.claims[KEEPALIVED_MADE]
        state = _state(desired, unit, table, daemons, self._ip.addresses(), made)
        # What it takes from a start to the first advert is up to VRRP.
        started = any(each.verb == "start" for each in plan.grow)
        return plan._replace(
            warnings=tuple(state.warnings(desired, plan.work, with_daemon=not started)),
            details={**plan.details, **state.details(desired, plan.work)},
        )

    def _write(self, work: Written) -> None:
        if work.is_new:
            # Before the file: a run that is killed in between only has keepalived read it once more.
            self._service.set_pending(True)
        self._service.put(work.text)

    def _run(self, load: Configuration) -> None:
        """Start keepalived with a configuration, or have it read one, and wait until the table is as described.

        :raises KernelRefusal: it does not run with it, or takes all real servers of a service out of service. Then the
            configuration from before is in place.
        """
        first = conf.believing(load.text, load.believed)
        if load.serves:
            first = conf.at_once(first)
        try:
            if first != load.text:
                self._service.put(first)
            if load.gives_up_table:
                self._give_up_table()
            elif load.unit.is_active:
                self._service.reload()
            else:
                if not load.unit.is_enabled:
                    self._service.enable()
                self._service.start()
            if load.serves:
                self._wait_for_addresses()
            if first != load.text:
                # What it believes it goes on believing until a check fails. For what comes later, alpha holds again.
                self._service.put(load.text)
                self._service.reload()
            lost = self._settle(load)
            if not self._service.unit().is_active:
                raise self._service.dead("keep keepalived running")
            if lost:
                raise _without_real_servers(lost)
        except KernelRefusal:
            self._restore(load)
            raise
        self._service.set_pending(False)

    def _wait_for_addresses(self) -> None:
        """Wait until VRRP has added the addresses again, because a reload before that would restart its timer."""
        floating = self._desired.floating if self._desired else ()
        end = self._service.now() + _ADDRESS_SECONDS
        # VRRP removes them first.
        self._service.sleep(_REMOVAL_SECONDS)
        while self._service.now() < end:
            self._ip.forget()
            if any(each.address in floating for each in self._ip.addresses()):
                return
            self._service.sleep(_INTERVAL)

    def _restore(self, load: Configuration) -> None:
        """The configuration from before, and keepalived with it, if it ran."""
        self._service.put(load.before)
        self._service.set_pending(False)
        is_active = self._service.unit().is_active
        with contextlib.suppress(KernelRefusal):
            if load.unit.is_active and load.before:
                # The previous checks start at once, and keepalived adds the real servers again when they succeed.
                (self._service.reload if is_active else self._service.start)()
            elif not load.unit.is_active:
                if is_active:
                    self._service.kill()
                    self._put_back(load.table)
                else:
                    # Otherwise systemd would go on trying to start it.
                    self._service.stop()
                if not load.unit.is_enabled:
                    self._service.disable()

    def _settle(self, load: Configuration) -> list[ServiceKey]:
        """Wait until the table is as desired: real servers come when their checks have succeeded.

        A real server in service stays there until a new check has failed, so with new checks the whole time is waited.

        :returns: the services that have lost all their real servers.
        """
        desired = self._desired
        if desired is None:
            return []
        start = self._service.now()
        while True:
            waited = self._service.now() - start
            table, daemons = self._ipvs(desired.owns_table)
            lost = model.lost(load.table, table, load.wanted, desired.sorry)
            if load.is_unproven:
                done = bool(lost)
            else:
                done = _is_settled(desired, load, table, daemons, waited < _ATTRIBUTE_SECONDS)
            if done or waited >= desired.settle_seconds:
                return lost
            self._service.sleep(_INTERVAL)

    def _repair(
        self, desired: Desired, wanted: Table, edits: Sequence[Operation]
    ) -> tuple[Failure, ...]:
        """Edit what keepalived has not: thresholds after a reload, what it has found, and what others have edited."""
        table, _daemons = self._ipvs(desired.owns_table)
        todo = table_plan(table, model.repaired(table, wanted, desired.inhibit))
        if not todo.changes:
            return ()
        try:
            with self._kernel.changing() as ipvs:
                failed = ipvs.execute(todo.changes)
        except KernelRefusal as refusal:
            return tuple((_table_operation(work), refusal) for work in todo.changes)
        planned = {object_of(each.work): each for each in edits}
        return tuple(
            (
                planned.get(object_of(work)) or _table_operation(work),
                refusals.explain(work, number),
            )
            for work, number in failed
            # keepalived has just removed it.
            if number not in (errno.ENOENT, errno.ESRCH)
        )

    def _put_back(self, before: Table) -> None:
        """Add the entries that the table has lost since."""
        table, _daemons = self._ipvs()
        lacking = table_plan(table, model.united(table, before)).changes
        if lacking:
            with self._kernel.changing() as ipvs:
                ipvs.execute(lacking)

    def _give_up_table(self) -> None:
        """Have keepalived forget its virtual servers. What it removes of them all the same is put back at once."""
        before, _daemons = self._ipvs()
        self._service.give_up_table()
        end = self._service.now() + _ATTRIBUTE_SECONDS
        while True:
            self._put_back(before)
            if self._service.now() >= end:
                return
            self._service.sleep(_INTERVAL)

    def _stop_daemon(self, running: Daemon) -> None:
        with self._kernel.changing() as ipvs:
            for each in ipvs.daemons().values():
                # keepalived may have replaced it meanwhile, or run it in the other role.
                if (each.syncid, each.interface) != (running.syncid, running.interface):
                    continue
                try:
                    ipvs.stop_daemon(each)
                except OSError as error:
                    # keepalived has stopped it.
                    if error.errno != errno.ESRCH:
                        raise refusals.of_daemon(each, error) from error

    def _stop(self, work: LeftBehind) -> None:
        """Stop it, and remove what it leaves behind: it may not have run any more."""
        self._service.stop()
        table, _daemons = self._ipvs()
        todo = table_plan(table, model.without(table, work.names)).removals
        if todo:
            with self._kernel.changing() as ipvs:
                ipvs.execute(todo)
        self._ip.forget()
        for each in self._ip.addresses():
            if each in work.addresses:
                self._service.remove_address(each)


def _is_settled(
    desired: Desired,
    load: Configuration,
    table: Table,
    daemons: Mapping[str, Daemon],
    with_attributes: bool,
) -> bool:
    """Whether there is what keepalived makes.

    :param with_attributes: whether that includes the attributes that it changes after a reload.
    """
    # At a start, VRRP starts the daemon once its delay is over.
    if load.unit.is_active and not model.has_daemon(daemons, desired.syncid):
        return False
    if load.going & model.names_of(table) or model.missing(table, load.wanted):
        return False
    if model.failing(table, load.wanted, desired.inhibit):
        return False
    there = model.without_thresholds(table)
    goal = model.repaired(there, model.without_thresholds(load.wanted), desired.inhibit)
    return goal == there or not with_attributes


def _names(places: Iterable[Place]) -> set[Name]:
    """The names of real servers, and of their services."""
    found: set[Name] = set()
    for service, server in places:
        found |= {(SERVICE, service), (REAL_SERVER, ownership.real_server_name(service, server))}
    return found


def _without_real_servers(services: Sequence[ServiceKey]) -> KernelRefusal:
    names = ", ".join(map(str, services))
    return KernelRefusal(
        "Could not apply the new configuration of keepalived",
        0,
        f"the health checks of all real servers of {names} fail with it",
        "correct health_check or the real servers, and run again; the previous configuration is in place",
    )


def _file_weights(desired: Desired, drains: drain.Drains) -> dict[Place, int]:
    """The weights in the file that differ from those of the description, because real servers are drained."""
    found: dict[Place, int] = {}
    if not drains:
        return found
    for key, service in desired.services.items():
        weights = drain.weights_of({key: service})
        left = drain.in_configuration(weights, drains)
        for server in service.real_servers:
            name = ownership.real_server_name(key, server)
            if left[name] != weights[name]:
                found[str(key), str(server)] = left[name]
    return found


def _state(
    desired: Desired,
    unit: Unit,
    table: Table,
    daemons: Mapping[str, Daemon],
    addresses: Sequence[Address],
    made: Collection[str],
) -> State:
    there = {each.address for each in addresses}
    holds = tuple(each for each in desired.floating if each in there)
    state = "active" if unit.is_active else unit.state
    uptime = max(0.0, time.monotonic() - unit.since) if unit.is_active else 0.0
    return State(state, table, daemons, holds, uptime, made)


def _known(text: str | None, names: Collection[Name]) -> set[Name]:
    """Which of these names are those of virtual servers and real servers in a configuration of ours."""
    places = conf.objects(text)
    known = {service for service, _server in places}
    known |= {ownership.real_server_name(*place) for place in places}
    return {name for name in names if name[1] in known}


def _operations(current: Current, text: str, load: Configuration | None) -> list[Operation]:
    found = []
    if current.drop_in != DROP_IN_TEXT:
        found.append(Operation("write", DROP_IN, DROP_IN_TEXT))
    if current.text != text or not current.has_mode:
        found.append(Operation("write", conf.PATH, Written(text, current.text != text)))
    if load:
        found.append(Operation("reload" if load.unit.is_active else "start", _OBJECT, load))
    if current.unit.is_active and not current.unit.is_enabled:
        found.append(Operation("enable", _OBJECT))
    return found


def _diff(before: str | None, after: str | None) -> Diff:
    """What a file loses and gets, without passwords; nothing where it stays."""
    return Diff(*conf.shown(before, after)) if before != after else Diff()


def _is_of_table(operation: Operation) -> bool:
    return isinstance(operation.work, (ServiceOperation, RealServerOperation))


def _table_operation(work: TableOperation) -> Operation:
    return Operation(work.verb, work.object, work, data.operation_data(work))
