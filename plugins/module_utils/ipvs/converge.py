# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make one service as it is wished: lock, read, plan, claim, carry out, read again.

The shell around the pure parts. What it talks to is handed in, so that it can be tested against a
kernel that fails at will.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Callable, Protocol

from ..errors import Interference
from ..store import Store
from . import ownership, refusals
from .model import Service, ServiceAttributes, ServiceKey, Table
from .netlink import Failure
from .plan import Operation, Plan, plan
from .wish import Wish

# Two readings in a row have to agree before they are acted on; a table that does not hold still for
# this many is being rewritten by somebody else.
READINGS = 5


class Ipvs(Protocol):
    """What is needed of ``netlink.Client``."""

    def service(self, key: ServiceKey) -> Service | None:
        """One service, or None."""

    def execute(self, operations: Sequence[Operation]) -> list[Failure]:
        """Carry out, and return what was refused."""


@dataclass(frozen=True)
class Outcome:
    """What was done, or in check mode would be.

    :ivar service: the service as it now is, or None.
    :ivar warnings: sentences for the operator.
    """

    plan: Plan
    service: Service | None
    warnings: tuple[str, ...] = ()


def converge(
    wish: Wish,
    connect: Callable[[], AbstractContextManager[Ipvs]],
    loaded: Callable[[], bool],
    store: Store,
    check_mode: bool,
) -> Outcome:
    """Make the wish true.

    :param connect: opens the kernel's IPVS, and by that loads it.
    :param loaded: tells whether that is needed; where it is not loaded, the table is empty, and
        neither a reader nor a deletion has a reason to load it.
    :raises LvsError: whatever stands in the way; an InvalidInput before anything is changed.
    """
    with store.locked(read_only=check_mode):
        if not loaded():
            outcome = _look(wish, None, check_mode)
            if check_mode or not outcome.plan:
                return outcome
        with connect() as ipvs:
            outcome = _settle(wish, ipvs, check_mode)
            if outcome.plan and not check_mode:
                _carry_out(outcome.plan, ipvs, store)
                _verify(wish, outcome, ipvs)
            return outcome


def _look(wish: Wish, current: Service | None, check_mode: bool) -> Outcome:
    """What the wish means for the service that is there."""
    warnings: tuple[str, ...] = ()
    if current is None and wish.needs_service and check_mode:
        # An earlier task of the same play may add it, which check mode has not done.
        current = Service(wish.service, ServiceAttributes.default(wish.service.family))
        warnings = (
            f"service {wish.service} is not in the table yet; this check assumes that an earlier "
            "task adds it.",
        )
    target = wish.target(current)
    return Outcome(plan(_table(current), _table(target)), target, warnings)


def _settle(wish: Wish, ipvs: Ipvs, check_mode: bool) -> Outcome:
    """Look until two readings agree, or until there is nothing to do."""
    current = ipvs.service(wish.service)
    for _reading in range(READINGS):
        outcome = _look(wish, current, check_mode)
        if not outcome.plan:
            return outcome
        again = ipvs.service(wish.service)
        if again == current:
            return outcome
        current = again
    raise Interference(
        f"service {wish.service}: another program keeps changing it; "
        "end that program's work on it (keepalived? another run?) and run again."
    )


def _carry_out(todo: Plan, ipvs: Ipvs, store: Store) -> None:
    original = store.load()
    claims = ownership.claimed(original, todo)
    if claims != original:
        store.save(claims)
    failures = ipvs.execute(todo.changes) if todo.changes else []
    # What is to go stays for as long as what is to replace it does not stand.
    skipped = todo.removals if failures else ()
    if todo.removals and not failures:
        failures = ipvs.execute(todo.removals)
    refused = [operation for operation, _errno in failures]
    final = ownership.settled(original, claims, todo, [*refused, *skipped])
    if final != claims:
        store.save(final)
    if failures:
        raise refusals.explain(*failures[0])


def _verify(wish: Wish, outcome: Outcome, ipvs: Ipvs) -> None:
    """The kernel must now hold what was planned: an answer of "done" is not enough."""
    rest = plan(_table(ipvs.service(wish.service)), _table(outcome.service))
    touched = {ownership.object_of(operation) for operation in outcome.plan.operations}
    for operation in rest.operations:
        if ownership.object_of(operation) in touched:
            raise Interference(
                f"service {wish.service}: another program has undone a change of ours at once (left "
                f"to do: {operation}); end that program's work on it and run again."
            )


def _table(service: Service | None) -> Table:
    return {} if service is None else {service.key: service}
