# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Drains as a kind of resource: a drained real server has weight 0, in the kernel and in what is read at the next boot.

Draining begins with the kernel, where it takes effect at once. Restoring begins with the configuration of keepalived,
where that owns the table: if it is refused, the real server is still drained.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable, NamedTuple, Protocol

from .. import engine
from ..engine import Base, Claims, Diff, Failure, Held, Plan, Progress
from ..errors import KernelRefusal
from ..host import boot, files, proc
from ..host.files import File
from ..host.manifest import KEEPALIVED
from ..ipvs import drain, refusals, restore, rules
from ..ipvs.drain import DESCRIBED, DRAIN, Drain
from ..ipvs.kind import KERNEL, Kernel
from ..ipvs.model import Table
from ..ipvs.ownership import REAL_SERVER, keys_of, real_server_name
from ..ipvs.plan import EDIT, RealServerOperation
from ..values import EMPTY
from .configuration import services_of, with_weights
from .connections import HANDSHAKE_SECONDS, Connections, is_idle, is_in_service, summary
from .request import DRAINED, RESTORED, Decision, Request, View

RESCHEDULES = f"{proc.IPVS}expire_quiescent_template"


class Configuration(Protocol):
    """The configuration of keepalived on this host."""

    @property
    def path(self) -> str:
        """Where it is."""

    def read(self) -> tuple[str | None, bool]:
        """Its text, None where it is not ours or leaves the table to us; whether keepalived has yet to read it."""

    def check(self, text: str) -> None:
        """:raises KernelRefusal: keepalived would not take it."""

    def put(self, text: str) -> None:
        """Replace it and have keepalived read it.

        :raises KernelRefusal: it does not run any more.
        """


class Current(NamedTuple):
    """What there is.

    :ivar scripts: what restores tables at boot, by path.
    :ivar text: the configuration of keepalived, where it is ours and owns the table.
    :ivar pending: whether keepalived has yet to read it.
    :ivar connections: what real servers have, by name; it changes all the time.
    :ivar reschedules: whether clients of a drained real server get another one, in spite of persistence.
    """

    table: Table = EMPTY
    scripts: Mapping[str, str] = EMPTY
    text: str | None = None
    pending: bool = False
    connections: Mapping[str, Connections] = EMPTY
    reschedules: bool = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Current) and self._lasting == other._lasting

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._lasting)

    @property
    def _lasting(self) -> tuple[Any, ...]:
        """All but the connections."""
        return self.table, self.scripts, self.text, self.pending, self.reschedules


class _Weight(NamedTuple):
    """The work of one real server: what the kernel has to do, if anything."""

    name: str
    edit: RealServerOperation | None = None


class _Text(NamedTuple):
    """The work of keepalived's configuration.

    :ivar undrained: the same with all weights. That is what keepalived has to take: it complains of a service whose
        quorum is drained, and yet does what it is asked.
    """

    text: str
    undrained: str

    def __repr__(self) -> str:
        """Without the texts, which may hold a password."""
        return "_Text()"


class Drains(Base):
    """The drains that a request asks for.

    :param configuration: of keepalived; None for a host without.
    :param clock: Unix time.
    :param folder: where the scripts are that restore tables at boot.
    """

    name = "drains"
    claim_kinds = (DRAIN,)
    consults = (DESCRIBED, REAL_SERVER, KEEPALIVED)
    # A dump beside a change may miss objects.
    rereads = True

    def __init__(
        self,
        request: Request,
        configuration: Configuration | None = None,
        kernel: Kernel = KERNEL,
        clock: Callable[[], float] = time.time,
        folder: str = boot.FOLDER,
    ) -> None:
        self._request = request
        self._configuration = configuration
        self._kernel = kernel
        self._clock = clock
        self._folder = folder
        # The weights that this run gives back: it takes one step, however often it plans.
        self._given: dict[str, int] = {}
        # The real servers that are as drained as before, because something was refused.
        self._refused: frozenset[str] = frozenset()
        self._view = View({}, {})

    def read(self, held: Held, _check_mode: bool) -> Current:
        """Without loading IPVS: where it is not loaded, the table is empty."""
        table, connections = self._in_kernel(held.claims(DRAIN))
        text, pending = None, False
        if self._configuration and held.others.get(KEEPALIVED):
            text, pending = self._configuration.read()
        return Current(table, self._scripts(), text, pending, connections, _reschedules())

    def plan(self, current: Current, held: Held, _prune: bool, _check_mode: bool) -> Plan:
        self._view = view = View(current.table, services_of(current.text or ""))
        before = drain.drains(held)
        decision = self._request.decide(view, held, self._clock(), self._given)
        self._given.update(decision.given)
        weights = _weights(view, decision, before)
        text = self._text(current, decision)
        draining = self._request.state == DRAINED
        known = drain.weights_of(current.table)
        new = {name: weight for name, weight in decision.weights.items() if name in known}
        given = {name: w for name, w in decision.given.items() if name not in self._refused}
        return Plan(
            grow=(*weights, *text) if draining else (*text, *weights),
            claims={DRAIN: {name: each.claim for name, each in decision.drains.items()}},
            diffs=_diffs(weights, view, before, decision),
            files=tuple(
                File(path, restore.with_weights(script, given))
                for path, script in current.scripts.items()
            ),
            warnings=decision.warnings,
            details=self._details(current, decision, {**known, **new}, bool(weights)),
            work=decision,
        )

    def carry_out(self, operations: Sequence[engine.Operation]) -> Progress:
        """The real servers in one go; what comes after something that was refused is left."""
        progress = Progress(0, self._each(operations, "check").failures)
        steps: list[Callable[[Sequence[engine.Operation]], Progress]] = [
            self._edit,
            lambda of: self._each(of, "put"),
        ]
        if self._request.state == RESTORED:
            steps.reverse()
        for step in steps:
            if not progress.failures:
                more = step(operations)
                progress = Progress(progress.done + more.done, more.failures)
        failed = {operation.work for operation, _refusal in progress.failures}
        self._refused = frozenset(
            each.work.name
            for each in operations
            if isinstance(each.work, _Weight) and (each.work in failed or not progress.done)
        )
        return progress

    def kept_claims(self, plan: Plan, held: Held, _failures: Sequence[Failure]) -> Claims:
        """What was refused is as drained as it was before."""
        own = held.claims(DRAIN)
        claims = {
            name: claim
            for name, claim in plan.claims.get(DRAIN, {}).items()
            if name not in self._refused
        }
        claims.update({name: own[name] for name in self._refused if name in own})
        return {DRAIN: claims}

    def outcome(self, plan: Plan) -> Plan:
        """A connection may have come between the look at it and the weight."""
        if not plan:
            return plan
        decision: Decision = plan.work
        table, connections = self._in_kernel(decision.names)
        current = Current(table, connections=connections, reschedules=_reschedules())
        details = self._details(current, decision, drain.weights_of(table), changed=True)
        return plan._replace(details=details)

    def _in_kernel(self, names: Iterable[str]) -> tuple[Table, dict[str, Connections]]:
        """The table, and what the real servers that the request is about have."""
        if not self._kernel.is_loaded():
            return {}, {}
        with self._kernel.connect() as ipvs:
            table = ipvs.table()
            ours = self._request.among({*drain.weights_of(table), *names})
            found = {
                real_server_name(key, server): Connections(
                    counted.active_connections,
                    counted.inactive_connections,
                    counted.persistent_connections,
                )
                for key in dict.fromkeys(keys_of(name)[0] for name in ours)
                for server, counted in ipvs.real_server_statistics(key).items()
            }
        return table, found

    def _scripts(self) -> dict[str, str]:
        """The scripts that restore tables at boot, by path."""
        try:
            names = sorted(os.listdir(self._folder))
        except FileNotFoundError:
            return {}
        paths = [
            os.path.join(self._folder, name) for name in names if name.startswith(f"{boot.TABLE}-")
        ]
        found = [(path, files.read(path)) for path in paths]
        return {path: text for path, text in found if text is not None}

    def _text(self, current: Current, decision: Decision) -> tuple[engine.Operation, ...]:
        """What is to be done with keepalived's configuration."""
        wanted = decision.configured or (current.pending and decision.given)
        if current.text is None or self._configuration is None or not wanted:
            return ()
        work = _Text(
            with_weights(current.text, decision.configured),
            with_weights(current.text, decision.full),
        )
        path = self._configuration.path
        return (engine.Operation("edit", path, work, {"verb": "edit", "path": path}),)

    def _each(self, operations: Sequence[engine.Operation], verb: str) -> Progress:
        """Have keepalived's configuration checked, or put in its place."""
        texts = [each for each in operations if isinstance(each.work, _Text)]
        configuration = self._configuration
        if configuration is None:
            return Progress()
        if verb == "check":
            return engine.in_order(texts, lambda each: configuration.check(each.work.undrained))
        return engine.in_order(texts, lambda each: configuration.put(each.work.text))

    def _edit(self, operations: Sequence[engine.Operation]) -> Progress:
        """Have the kernel do what it has to do."""
        servers = [each for each in operations if isinstance(each.work, _Weight)]
        edits = {each.work.edit: each for each in servers if each.work.edit}
        if not edits:
            return Progress(len(servers))
        try:
            with self._kernel.changing() as ipvs:
                failed = ipvs.execute(list(edits))
        except KernelRefusal as refusal:
            return Progress(0, tuple((each, refusal) for each in edits.values()))
        failures = tuple((edits[work], refusals.explain(work, number)) for work, number in failed)
        return Progress(len(servers) - len(failures), failures)

    def _details(
        self,
        current: Current,
        decision: Decision,
        weights: Mapping[str, int],
        changed: bool,
    ) -> dict[str, Any]:
        """What results say.

        :param weights: those that the kernel has or is to have, by name.
        :param changed: whether this run changes weights.
        """
        clock = self._clock()
        entries = []
        for name in decision.names:
            each = decision.drains.get(name)
            found = current.connections.get(name, Connections())
            fresh = changed or (each is not None and clock - each.since < HANDSHAKE_SECONDS)
            entries.append(
                {
                    **drain.key_data(name),
                    "weight": weights.get(name),
                    "drained": each is not None,
                    **drain.drain_data(each, decision.full.get(name), clock),
                    **found.data,
                    "idle": is_idle(keys_of(name)[0], found, current.reschedules, fresh),
                    "in_service": each is None
                    and is_in_service(weights.get(name), self._view.weight_configured(name)),
                }
            )
        return {"real_servers": entries, **summary(entries)}


def _reschedules() -> bool:
    return proc.read(RESCHEDULES) == "1"


def _weights(view: View, decision: Decision, before: drain.Drains) -> list[engine.Operation]:
    """What is to be done with each real server, those included whose drain is forgotten."""
    found = []
    for name in dict.fromkeys([*decision.names, *sorted(before)]):
        edit = _edit(view, name, decision.weights.get(name))
        after = decision.drains.get(name)
        if edit is None and before.get(name) == after:
            continue
        verb = "drain" if after and not after.now else "restore"
        shown = {"verb": verb, **drain.key_data(name)}
        found.append(engine.Operation(verb, drain.words_of(name), _Weight(name, edit), shown))
    return found


def _edit(view: View, name: str, weight: int | None) -> RealServerOperation | None:
    """What gives a real server a weight in the kernel; None where it is not there, or has it."""
    before = view.attributes(name)
    if before is None or weight is None or weight == before.weight:
        return None
    return RealServerOperation(EDIT, *keys_of(name), before, before._replace(weight=weight))


def _diffs(
    operations: Sequence[engine.Operation], view: View, before: drain.Drains, decision: Decision
) -> dict[str, Diff]:
    edits: list[RealServerOperation] = [each.work.edit for each in operations if each.work.edit]
    configured = sorted(decision.configured)
    changed = [
        name
        for name in sorted({*before, *decision.drains})
        if before.get(name) != decision.drains.get(name)
    ]
    return {
        "drains": Diff(
            tuple(_line(name, before[name]) for name in changed if name in before),
            tuple(
                _line(name, decision.drains[name]) for name in changed if name in decision.drains
            ),
        ),
        "IPVS": Diff(
            tuple(_rule(each, each.before) for each in edits),
            tuple(_rule(each, each.after) for each in edits),
        ),
        "keepalived": Diff(
            tuple(f"{drain.words_of(n)} weight {view.weight_configured(n)}" for n in configured),
            tuple(f"{drain.words_of(n)} weight {decision.configured[n]}" for n in configured),
        ),
    }


def _rule(edit: RealServerOperation, attributes: Any) -> str:
    return rules.real_server_line(edit.service, edit.real_server, attributes)


def _line(name: str, found: Drain) -> str:
    meanwhile = f", meanwhile {found.now}" if found.now else ""
    return f"drained: {drain.words_of(name)}, of weight {found.weight}{meanwhile}"
