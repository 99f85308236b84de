# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a table, or one service of it, as it is wished: lock, read, plan, claim, carry out, read again.

The shell around the pure parts. What it talks to is handed in, so that it can be tested against a
kernel that fails at will.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Callable, Protocol

from ..errors import Interference, Refused
from ..manifest import Manifest
from ..store import Store
from . import ownership, refusals
from .model import Service, ServiceAttributes, ServiceKey, Table
from .netlink import Failure
from .plan import Operation, Plan, plan
from .table import Limit, TableWish, Target
from .wish import Wish

# Two readings in a row have to agree before they are acted on; a table that does not hold still for
# this many is being rewritten by somebody else.
READINGS = 5


class Ipvs(Protocol):
    """What is needed of ``netlink.Client``."""

    def service(self, key: ServiceKey) -> Service | None:
        """One service, or None."""

    def table(self) -> Mapping[ServiceKey, Service]:
        """All services."""

    def execute(self, operations: Sequence[Operation]) -> list[Failure]:
        """Carry out, and return what was refused."""


class Request(Protocol):
    """What a module asks for."""

    @property
    def subject(self) -> str:
        """What it is about, for a sentence."""

    def read(self, ipvs: Ipvs) -> Table:
        """The part of the kernel's table that it is about."""

    def target(self, current: Table, manifest: Manifest, check_mode: bool) -> Target:
        """What that part shall become."""

    def check(self, todo: Plan, current: Table) -> None:
        """Refuse a plan.

        :raises InvalidInput: it must not be carried out.
        """


@dataclass(frozen=True)
class OneService:
    """A wish about one service or a real server in it, whoever has made that."""

    wish: Wish

    @property
    def subject(self) -> str:
        return f"service {self.wish.service}"

    def read(self, ipvs: Ipvs) -> Table:
        return _table(ipvs.service(self.wish.service))

    def target(self, current: Table, _manifest: Manifest, check_mode: bool) -> Target:
        key = self.wish.service
        service = current.get(key)
        if service is None and self.wish.needs_service and check_mode:
            # An earlier task of the same play may add it, which check mode has not done.
            service = Service(key, ServiceAttributes.default(key.family))
            warning = (
                f"{self.subject} is not in the table yet; this check assumes that an earlier task "
                "adds it."
            )
            return Target(_table(self.wish.target(service)), warnings=(warning,), given=service)
        return Target(_table(self.wish.target(service)))

    def check(self, _todo: Plan, _current: Table) -> None:
        pass


@dataclass(frozen=True)
class WholeTable:
    """A wish about all services.

    :ivar limit: how much one change may remove.
    """

    wish: TableWish
    limit: Limit | None = None

    subject = "the table"

    def read(self, ipvs: Ipvs) -> Table:
        return ipvs.table()

    def target(self, current: Table, manifest: Manifest, _check_mode: bool) -> Target:
        return self.wish.target(current, manifest)

    def check(self, todo: Plan, current: Table) -> None:
        if self.limit:
            self.limit.check(todo, current)


@dataclass(frozen=True)
class Outcome:
    """What was done, or in check mode would be.

    :ivar table: what was asked about, as it now is.
    :ivar warnings: sentences for the operator.
    """

    plan: Plan
    table: Table
    warnings: tuple[str, ...] = ()


def converge(
    request: Request,
    connect: Callable[[], AbstractContextManager[Ipvs]],
    loaded: Callable[[], bool],
    store: Store,
    check_mode: bool,
    finish: Callable[[Outcome], None] = lambda _outcome: None,
) -> Outcome:
    """Make true what is asked for.

    :param connect: opens the kernel's IPVS, and by that loads it.
    :param loaded: tells whether that is needed; where it is not loaded, the table is empty, and
        neither a reader nor a deletion has a reason to load it.
    :param finish: what else is to be done with the outcome before others may change the table.
    :raises LvsError: whatever stands in the way; an InvalidInput before anything is changed, Refused
        where the kernel has refused a part.
    """
    with store.locked(read_only=check_mode):
        outcome = _converged(request, connect, loaded, store, check_mode)
        finish(outcome)
        return outcome


def _converged(
    request: Request,
    connect: Callable[[], AbstractContextManager[Ipvs]],
    loaded: Callable[[], bool],
    store: Store,
    check_mode: bool,
) -> Outcome:
    manifest = store.load()
    if not loaded():
        todo, target = _look(request, {}, manifest, check_mode)
        if check_mode or not todo:
            return _unchanged(todo, target, manifest, None if check_mode else store)
    with connect() as ipvs:
        todo, target = _settle(request, ipvs, manifest, check_mode)
        if todo and not check_mode:
            _carry_out(request, todo, target, ipvs, manifest, store)
            return Outcome(todo, target.table, target.warnings)
        return _unchanged(todo, target, manifest, None if check_mode else store)


def _unchanged(todo: Plan, target: Target, manifest: Manifest, store: Store | None) -> Outcome:
    """Where nothing is to be done, claims may be out of date all the same."""
    if store:
        _save(store, manifest, _without(manifest, target.released))
    return Outcome(todo, target.table, target.warnings)


def _look(
    request: Request, current: Table, manifest: Manifest, check_mode: bool
) -> tuple[Plan, Target]:
    """What is to be done about the table that is there."""
    target = request.target(current, manifest, check_mode)
    if target.given:
        current = _table(target.given)
    todo = plan(current, target.table)
    request.check(todo, current)
    return todo, target


def _settle(
    request: Request, ipvs: Ipvs, manifest: Manifest, check_mode: bool
) -> tuple[Plan, Target]:
    """Look until two readings agree, or until there is nothing to do."""
    current = request.read(ipvs)
    for _reading in range(READINGS):
        todo, target = _look(request, current, manifest, check_mode)
        if not todo:
            return todo, target
        again = request.read(ipvs)
        if again == current:
            return todo, target
        current = again
    raise Interference(
        f"{request.subject}: another program keeps changing it; end that program's work on it "
        "(keepalived? another run?) and run again."
    )


def _carry_out(
    request: Request, todo: Plan, target: Target, ipvs: Ipvs, original: Manifest, store: Store
) -> None:
    claims = ownership.claimed(original, todo)
    _save(store, original, claims)
    failures = ipvs.execute(todo.changes) if todo.changes else []
    # What is to go stays for as long as what is to replace it does not stand.
    troubled = {operation.service for operation, _errno in failures}
    removals = [operation for operation in todo.removals if operation.service not in troubled]
    skipped = [operation for operation in todo.removals if operation.service in troubled]
    if removals:
        failures += ipvs.execute(removals)
    undone = [*(operation for operation, _errno in failures), *skipped]
    final = ownership.settled(original, claims, todo, undone)
    kept = {ownership.object_of(operation) for operation in undone}
    _save(store, claims, _without(final, target.released - kept))
    if failures:
        done = len(todo.operations) - len(undone)
        raise Refused([refusals.explain(*failure) for failure in failures], done, len(skipped))
    _verify(request, todo, target, ipvs)


def _verify(request: Request, todo: Plan, target: Target, ipvs: Ipvs) -> None:
    """The kernel must now hold what was planned: an answer of "done" is not enough."""
    touched = {ownership.object_of(operation) for operation in todo.operations}
    for operation in plan(request.read(ipvs), target.table).operations:
        if ownership.object_of(operation) in touched:
            raise Interference(
                f"{request.subject}: another program has undone a change of ours at once (left to "
                f"do: {operation}); end that program's work on it and run again."
            )


def _save(store: Store, before: Manifest, after: Manifest) -> None:
    if after != before:
        store.save(after)


def _without(manifest: Manifest, released: Collection[tuple[str, str]]) -> Manifest:
    return manifest.with_claims((kind, name, None) for kind, name in released)


def _table(service: Service | None) -> Table:
    return {} if service is None else {service.key: service}
