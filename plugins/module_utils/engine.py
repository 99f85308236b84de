# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run configures a host: the only place that knows the order of operations.

Everything that is managed on a host is a resource, and every kind of resource has the same shape
(``Kind``): it is read, planned, grown and shrunk. The engine runs any set of kinds:

1. lock; read all kinds; plan all kinds, which may refuse; check mode ends here, and so does a run that lacks a package
   or lets other hosts go first;
2. record the claims on everything that is about to change;
3. **grow**: adds and edits, kind by kind, in the order of the list;
4. **shrink**: removals, in the reverse order, and only if everything has grown;
5. write what boot needs; read again and compare; give up the claims on what is gone; unlock.

So nothing is taken away before its replacement is in service, whatever kind either is of, and what attracts
packets comes last and goes first. If something fails while growing, nothing shrinks: the service keeps
running, and the next run completes the change. A kind whose changes undo themselves, unless they are confirmed in
time, may do so before the run has ended: then the run fails, and leaves to the next boot what was there before.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Callable, NamedTuple, Protocol

from .errors import Interference, KernelRefusal, LvsError, MissingPackage, Refused
from .host import boot
from .host.commands import Commands
from .host.files import Change, File, apply, changes
from .host.manifest import Claim, Manifest
from .host.store import Store
from .values import EMPTY

# A state has to be read twice alike before it is acted on, where a read alone can't be trusted; a state that
# differs from the one before this many times is being rewritten by another program.
READINGS = 5

# The kind of a claim, to the name of the object, to the claim.
Claims = Mapping[str, Mapping[str, Claim]]


class Operation(NamedTuple):
    """One change of one object.

    :ivar verb: such as add, edit, delete, set.
    :ivar object: the object in words, as messages and results show it.
    :ivar work: what the kind needs to carry it out.
    :ivar shown: how results show it, where that is not just verb and object.
    """

    verb: str
    object: str
    work: Any = None
    shown: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.verb} {self.object}"

    @property
    def data(self) -> dict[str, Any]:
        """As a result has it."""
        if self.shown is not None:
            return dict(self.shown)
        return {"verb": self.verb, "object": self.object}


class Diff(NamedTuple):
    """What a change does to the lines that describe objects of one kind: lines before, lines after."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    def data(self, title: str) -> dict[str, str]:
        """As Ansible shows it.

        :param title: what the lines describe, such as ``routes``.
        """
        return {
            "before_header": f"{title} before",
            "after_header": f"{title} after",
            "before": "".join(f"{line}\n" for line in self.before),
            "after": "".join(f"{line}\n" for line in self.after),
        }


class Script(NamedTuple):
    """What restores objects at boot.

    :ivar kind: the place in the order at boot, one of ``boot.FIREWALL``, ``boot.TABLE`` and so on.
    :ivar title: what it restores, in a few words.
    :ivar body: commands of POSIX sh; None where there is nothing to restore.
    :ivar part: tells several scripts of one kind and owner apart.
    """

    kind: str
    title: str
    body: str | None
    part: str = ""


class Plan(NamedTuple):
    """What leads one kind of resource from its current to its desired state.

    :ivar grow: adds and edits, in order.
    :ivar shrink: removals, in order.
    :ivar claims: every claim of the kind once all of it is done.
    :ivar diffs: title to diff; without empty ones.
    :ivar files: configuration files that restore it at boot, once all of it is done.
    :ivar early_files: the same, but written before anything grows, because growing reads them.
    :ivar scripts: the scripts that restore it at boot, once all of it is done.
    :ivar remaining: objects that are ours, no longer desired and kept, because nothing is to be pruned.
    :ivar packages: missing packages without which it can't be carried out.
    :ivar warnings: sentences for the operator.
    :ivar details: what the kind has to say besides, for results.
    :ivar work: what the kind needs to carry it out.
    """

    grow: tuple[Operation, ...] = ()
    shrink: tuple[Operation, ...] = ()
    claims: Claims = EMPTY
    diffs: Mapping[str, Diff] = EMPTY
    files: tuple[File, ...] = ()
    early_files: tuple[File, ...] = ()
    scripts: tuple[Script, ...] = ()
    remaining: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    details: Mapping[str, Any] = EMPTY
    work: Any = None

    @property
    def operations(self) -> tuple[Operation, ...]:
        """All of them, in order."""
        return self.grow + self.shrink

    def __bool__(self) -> bool:
        return bool(self.grow or self.shrink)


class Held(NamedTuple):
    """What the manifests say about one kind of resource.

    :ivar own: the claims of the owner.
    :ivar others: the claims of all other owners: kind of claim, name of the object, owner, claim.
    :ivar consulted: the owner's claims that belong to other kinds of resources.
    """

    own: Claims = EMPTY
    others: Mapping[str, Mapping[str, Mapping[str, Claim]]] = EMPTY
    consulted: Claims = EMPTY

    def claims(self, kind: str) -> Mapping[str, Claim]:
        """The owner's claims of one kind."""
        return self.own.get(kind) or self.consulted.get(kind, {})

    def shared(self, kind: str, name: str) -> Mapping[str, Claim]:
        """Who else claims an object: owner to claim. What another owner claims too is given up, not removed."""
        return self.others.get(kind, {}).get(name, {})


# An operation that was refused, and why.
Failure = tuple[Operation, KernelRefusal]


class Progress(NamedTuple):
    """How far a kind came: operations carried out, and those refused."""

    done: int = 0
    failures: tuple[Failure, ...] = ()


class Kind(Protocol):
    """One kind of resource. An instance holds the desired state, and does the kind's I/O."""

    @property
    def name(self) -> str:
        """What results call it, such as ``routes``."""

    @property
    def claim_kinds(self) -> tuple[str, ...]:
        """Which claims of the manifest are its own."""

    @property
    def consults(self) -> tuple[str, ...]:
        """Which claims of other kinds it has to know."""

    @property
    def rereads(self) -> bool:
        """Whether a read may miss objects while another program changes them, and so is made twice."""

    def read(self, held: Held, check_mode: bool) -> Any:
        """The current state. In check mode nothing is loaded or created to find out.

        :raises LvsError: the state can't be read.
        """

    def plan(self, current: Any, held: Held, prune: bool, check_mode: bool) -> Plan:
        """From the current to the desired state; pure.

        :param prune: whether what is ours and no longer desired is removed.
        :raises InvalidInput: the desired state can't be on this host; nothing has been changed.
        """

    @property
    def attracts(self) -> bool:
        """Whether its objects attract packets, so that others are removed only some time after them."""

    def grow(self, plan: Plan) -> Progress:
        """Carry out what grows."""

    def retire(self, plan: Plan) -> None:
        """Give what is about to be removed no more work. The engine then waits before it is removed."""

    def shrink(self, plan: Plan) -> Progress:
        """Carry out what shrinks."""

    def kept_claims(self, plan: Plan, held: Held, failures: Sequence[Failure]) -> Claims:
        """The claims that are true although some operations were refused."""

    def outcome(self, plan: Plan) -> Plan:
        """The plan with details and warnings that are known only once all of it has been carried out."""

    def undone(self) -> str:
        """What of this run has undone itself meanwhile, in a sentence; empty for nothing."""

    def put_back(self) -> None:
        """Where this run has undone itself, the host and its next boot are as before."""


def in_order(operations: Sequence[Operation], do: Callable[[Operation], None]) -> Progress:
    """Do operations in order, up to the first that is refused."""
    for done, operation in enumerate(operations):
        try:
            do(operation)
        except KernelRefusal as refusal:  # noqa: PERF203  (the loop ends with it)
            return Progress(done, ((operation, refusal),))
    return Progress(len(operations))


class Base:
    """What most kinds have in common."""

    name = ""
    claim_kinds: tuple[str, ...] = ()
    consults: tuple[str, ...] = ()
    rereads = False
    attracts = False

    def retire(self, _plan: Plan) -> None:
        """Most kinds have no work to give away."""

    def grow(self, plan: Plan) -> Progress:
        return self.carry_out(plan.grow)

    def shrink(self, plan: Plan) -> Progress:
        return self.carry_out(plan.shrink)

    def carry_out(self, operations: Sequence[Operation]) -> Progress:
        """Do operations in order, up to the first that is refused."""
        return in_order(operations, self.do)

    def do(self, operation: Operation) -> None:
        """:raises KernelRefusal: it was refused."""
        raise NotImplementedError

    def kept_claims(self, plan: Plan, held: Held, _failures: Sequence[Failure]) -> Claims:
        return united(held.own, plan.claims)

    def outcome(self, plan: Plan) -> Plan:
        """Most kinds have said all before."""
        return plan

    def undone(self) -> str:
        """Most kinds undo nothing by themselves."""
        return ""

    def put_back(self) -> None:
        """Most kinds undo nothing by themselves."""


class Outcome(NamedTuple):
    """What was done, or in check mode would be.

    :ivar plans: by the kind's name.
    :ivar written: files that have changed.
    :ivar missing: packages that are missing on this host, without which nothing was changed.
    :ivar waits: why this host lets others go first, because of which nothing was changed; empty where it does not.
    """

    plans: Mapping[str, Plan]
    written: tuple[Change, ...] = ()
    missing: tuple[str, ...] = ()
    waits: str = ""

    @property
    def changed(self) -> bool:
        return bool(self.written or any(self.plans.values()))

    @property
    def warnings(self) -> list[str]:
        return [warning for plan in self.plans.values() for warning in plan.warnings]

    def diffs(self, name: str) -> list[dict[str, Any]]:
        """The diffs of one kind."""
        plan = self.plans.get(name, Plan())
        return [diff.data(title) for title, diff in plan.diffs.items() if diff.before or diff.after]

    @property
    def diff(self) -> list[dict[str, Any]]:
        """All diffs, files last."""
        found = [diff for name in self.plans for diff in self.diffs(name)]
        return [*found, *(change.diff for change in boot.shown(self.written))]


class Engine(NamedTuple):
    """What a run needs besides its kinds.

    :ivar commands: how commands of the host are run.
    :ivar pause: seconds between growing and shrinking, for the packets that are under way.
    :ivar keep: the names of kinds that only grow in this run, whatever ``prune`` says.
    :ivar waits: says why this host lets others go first, empty where it does not. It is asked only where something is
        to be changed, which is then left alone.
    """

    store: Store
    commands: Commands
    check_mode: bool = False
    prune: bool = True
    pause: float = 0.0
    keep: Collection[str] = ()
    sleep: Callable[[float], None] = time.sleep
    waits: Callable[[], str] | None = None

    def run(self, kinds: Sequence[Kind]) -> Outcome:
        """Bring all of these kinds to their desired state.

        :raises InvalidInput: the desired state can't be; nothing has been changed.
        :raises Refused: the kernel refused a part; nothing has been removed unless all has grown.
        :raises Interference: another program changes the same objects.
        """
        with self.store.locked(read_only=self.check_mode):
            manifests = self.store.load_all()
            own = manifests.get(self.store.owner, Manifest(self.store.owner))
            held = {kind.name: _held(kind, own, manifests.values()) for kind in kinds}
            plans = {kind.name: self._settled(kind, held[kind.name]) for kind in kinds}
            written = self._file_changes(plans.values())
            missing = tuple(
                dict.fromkeys(package for plan in plans.values() for package in plan.packages)
            )
            outcome = Outcome(plans, tuple(written), missing)
            if self.waits and (outcome.changed or missing):
                outcome = outcome._replace(waits=self.waits())
            if self.check_mode or missing or outcome.waits:
                return outcome
            self._carry_out(kinds, plans, held, own, written)
            return outcome._replace(
                plans={kind.name: kind.outcome(plans[kind.name]) for kind in kinds}
            )

    def _settled(self, kind: Kind, held: Held) -> Plan:
        """A plan on a state that was read twice alike, where that is needed and there is something to do."""
        current = kind.read(held, self.check_mode)
        for _reading in range(READINGS):
            plan = kind.plan(current, held, self._prunes(kind), self.check_mode)
            if not plan or not kind.rereads:
                return plan
            again = kind.read(held, self.check_mode)
            if again == current:
                return plan
            current = again
        raise Interference(
            f"{kind.name}: another program keeps changing this on the host. Stop that program (keepalived or "
            "another run?), and run again."
        )

    def _prunes(self, kind: Kind) -> bool:
        return self.prune and kind.name not in self.keep

    def _file_changes(self, plans: Iterable[Plan]) -> list[Change]:
        """What of the files for the next boot is to be changed. Nothing is kept for a network namespace."""
        if not self.store.persistent:
            return []
        listed = list(plans)
        files = [file for plan in listed for file in (*plan.early_files, *plan.files)]
        scripts = [script for plan in listed for script in plan.scripts]
        return [
            *changes(files),
            *boot.wanted_changes(
                self.store.owner,
                [(script.kind, script.part, script.title, script.body) for script in scripts],
            ),
        ]

    def _carry_out(
        self,
        kinds: Sequence[Kind],
        plans: Mapping[str, Plan],
        held: Mapping[str, Held],
        own: Manifest,
        written: Sequence[Change],
    ) -> None:
        names = [name for kind in kinds for name in kind.claim_kinds]
        after = own.with_kinds(names, _all(plan.claims for plan in plans.values()))
        both = own.with_kinds(
            names, _all(united(held[name].own, plans[name].claims) for name in plans)
        )
        self._save(own, both)
        early = {file.path for plan in plans.values() for file in plan.early_files}
        progress: dict[str, Progress] = {}
        try:
            apply(change for change in written if change.wanted.path in early)
            good = self._grow(kinds, plans, progress) and self._shrink(kinds, plans, progress)
            if good:
                # Some kinds take for their own what their script names, so the new one comes before they look.
                apply(change for change in written if change.wanted.path not in early)
                _check_undone(kinds)
                self._compare(kinds, plans, held, after)
                _check_undone(kinds)
        except BaseException:
            self._keep_boot(kinds, held, both)
            raise
        if not good:
            kept = own.with_kinds(names, _all(_kept(kind, plans, held, progress) for kind in kinds))
            self._save(both, kept)
            self._keep_boot(kinds, held, kept)
            raise _refused(plans, progress)
        self._save(both, after)
        boot.activate(written, self.commands)

    @staticmethod
    def _grow(
        kinds: Sequence[Kind], plans: Mapping[str, Plan], progress: dict[str, Progress]
    ) -> bool:
        """Grow kind by kind, up to one that was refused something; whether none was."""
        for kind in kinds:
            if plans[kind.name].grow:
                progress[kind.name] = kind.grow(plans[kind.name])
                if progress[kind.name].failures:
                    return False
        return True

    def _shrink(
        self, kinds: Sequence[Kind], plans: Mapping[str, Plan], progress: dict[str, Progress]
    ) -> bool:
        """Shrink in the reverse order, up to a kind that was refused something; whether none was."""
        going = [kind for kind in reversed(kinds) if plans[kind.name].shrink]
        for kind in going:
            kind.retire(plans[kind.name])
        waited = not self.pause
        for kind in going:
            # What attracts packets goes at once; what packets pass on their way goes when they are through.
            if not waited and not kind.attracts:
                self.sleep(self.pause)
                waited = True
            shrunk = kind.shrink(plans[kind.name])
            grown = progress.get(kind.name, Progress())
            progress[kind.name] = Progress(grown.done + shrunk.done, shrunk.failures)
            if shrunk.failures:
                return False
        return True

    def _compare(
        self,
        kinds: Sequence[Kind],
        plans: Mapping[str, Plan],
        held: Mapping[str, Held],
        manifest: Manifest,
    ) -> None:
        """The host must now be as planned: an answer of "done" is not enough.

        :raises Interference: it is not.
        """
        for kind in kinds:
            done = plans[kind.name]
            if not done:
                continue
            now = held[kind.name]._replace(own=_own(kind, manifest))
            touched = {operation.object for operation in done.operations}
            again = kind.plan(kind.read(now, False), now, self._prunes(kind), False)
            for operation in again.operations:
                if operation.object in touched:
                    _check_undone(kinds)
                    raise Interference(
                        f"{kind.name}: another program has immediately undone a change on the host "
                        f"(still to do: {operation}). Stop that program, and run again."
                    )

    def _keep_boot(self, kinds: Sequence[Kind], held: Mapping[str, Held], known: Manifest) -> None:
        """After a failure: have what is on the host now restored at boot, what is yet to shrink included."""
        plans = []
        for kind in kinds:
            now = held[kind.name]._replace(own=_own(kind, known))
            try:
                plans.append(kind.plan(kind.read(now, False), now, False, False))
            except (LvsError, OSError):
                continue
        apply(self._file_changes(plans))
        for kind in kinds:
            kind.put_back()

    def _save(self, before: Manifest, after: Manifest) -> None:
        if after != before:
            self.store.save(after)


def _check_undone(kinds: Iterable[Kind]) -> None:
    """:raises Interference: a kind has undone itself, since the run has taken too long."""
    for kind in kinds:
        sentence = kind.undone()
        if sentence:
            raise Interference(sentence)


def require_packages(outcome: Outcome) -> None:
    """For modules that install nothing.

    :raises MissingPackage: one is missing, and so nothing was changed.
    """
    if outcome.missing:
        raise MissingPackage(outcome.missing)


def united(old: Claims, new: Claims) -> dict[str, dict[str, Claim]]:
    """The claims of both; of two on one object the new one, which carries over what was found."""
    result = {kind: dict(claims) for kind, claims in old.items()}
    for kind, claims in new.items():
        result.setdefault(kind, {}).update(claims)
    return result


def _kept(
    kind: Kind,
    plans: Mapping[str, Plan],
    held: Mapping[str, Held],
    progress: Mapping[str, Progress],
) -> Claims:
    """The claims of one kind after a run that broke off; of one that was not reached, those that it had."""
    plan, own = plans[kind.name], held[kind.name]
    if kind.name not in progress:
        return own.own
    failures = progress[kind.name].failures
    return kind.kept_claims(plan, own, failures) if failures else united(own.own, plan.claims)


def _own(kind: Kind, manifest: Manifest) -> Claims:
    return _claims_of(kind.claim_kinds, manifest)


def _claims_of(names: Iterable[str], manifest: Manifest) -> Claims:
    return {name: manifest.claims[name] for name in names if name in manifest.claims}


def _held(kind: Kind, own: Manifest, manifests: Iterable[Manifest]) -> Held:
    others: dict[str, dict[str, dict[str, Claim]]] = {}
    for manifest in manifests:
        if manifest.owner == own.owner:
            continue
        for claim_kind in (*kind.claim_kinds, *kind.consults):
            for name, claim in manifest.claims.get(claim_kind, {}).items():
                others.setdefault(claim_kind, {}).setdefault(name, {})[manifest.owner] = claim
    return Held(_own(kind, own), others, _claims_of(kind.consults, own))


def _all(several: Iterable[Claims]) -> dict[str, dict[str, Claim]]:
    result: dict[str, dict[str, Claim]] = {}
    for claims in several:
        for kind, of_kind in claims.items():
            result.setdefault(kind, {}).update(of_kind)
    return result


def _refused(plans: Mapping[str, Plan], progress: Mapping[str, Progress]) -> Refused:
    # Several operations may be refused for one reason, which is told once.
    refusals = dict.fromkeys(
        refusal for each in progress.values() for _operation, refusal in each.failures
    )
    done = sum(each.done for each in progress.values())
    growing = any(
        operation in plans[name].grow
        for name in progress
        for operation, _refusal in progress[name].failures
    )
    waiting = sum(len(plan.shrink) for plan in plans.values()) if growing else 0
    return Refused(list(refusals), done, waiting)
