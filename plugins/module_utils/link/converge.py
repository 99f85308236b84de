# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way back made as it is wished: lock, read, plan, guard, claim, carry out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..commands import Commands
from ..errors import InvalidInput
from ..files import Change, File, apply
from ..manifest import Manifest
from ..store import Store
from . import controller, rollback, rtnl
from .model import Way
from .way_back import KIND, POLICY, Host, WayPlan, Wish, moved, plan


@dataclass(frozen=True)
class Outcome:
    """:ivar ways: family to how answers leave.
    :ivar written: the files that have changed.
    :ivar pending: whether it waits for being confirmed.
    """

    plan: WayPlan
    ways: dict[str, Way]
    written: tuple[Change, ...]
    pending: bool


def converge(
    wish: Callable[[rtnl.Rtnl], Wish],
    files: Callable[[Wish, WayPlan], Sequence[Change]],
    store: Store,
    owner: str,
    seconds: int,
    commands: Commands,
    check_mode: bool,
) -> Outcome:
    """Have this way back, and of this owner no other.

    :param wish: asked for once the lock is held.
    :param files: what changes of the files for the next boot.
    :param seconds: after which a change is undone, unless it is confirmed; 0 for never.
    :raises InvalidInput: it can't be, or would cut the controller off; nothing is changed.
    """
    with store.locked(read_only=check_mode), rtnl.connect() as kernel:
        manifest = store.load()
        wished = wish(kernel)
        host = kernel.host()
        todo = plan(wished, host, manifest.claims.get(KIND, {}))
        _guard(wished, host, todo, kernel)
        written = tuple(files(wished, todo))
        if todo and not check_mode:
            rollback.forget(owner, commands)
        if todo and seconds and not check_mode:
            # What is undone is not ours any more, or is so again.
            own = Change(manifest.to_json() if manifest.claims else None, File(store.path, ""))
            undoing = rollback.script(owner, todo.undoing(), [*written, own])
            rollback.start(owner, undoing, seconds, commands)
        if not check_mode:
            _carry_out(todo, written, manifest, store, kernel)
        # What an earlier run has left to be confirmed is so still.
        pending = (bool(todo) and seconds > 0) or (not todo and rollback.is_pending(owner))
        return Outcome(todo, dict(wished.gateways), written, pending)


def _guard(wish: Wish, host: Host, todo: WayPlan, kernel: rtnl.Rtnl) -> None:
    session = controller.connection()
    if session is None:
        return
    peer, local = session
    before = kernel.way(peer, local) or kernel.way(peer)
    if before is None:
        return
    after = moved(wish, host, todo, peer, local, before)
    if after is None:
        return
    remedy = f"add its network to keep (for the roles: lvs_management_networks), such as {peer}"
    if wish.mode != POLICY:
        remedy += ", or use mode policy"
    raise InvalidInput(
        "the way back",
        "gateway",
        after.gateway,
        f"would take along the answers to the controller {peer}, which now leave {before} and would then leave "
        f"{after}",
        remedy,
    )


def _carry_out(
    todo: WayPlan,
    written: Sequence[Change],
    manifest: Manifest,
    store: Store,
    kernel: rtnl.Rtnl,
) -> None:
    with store.claiming(manifest, KIND, todo.claims):
        for each in todo.added:
            kernel.add(each)
        restored = {route.place for route in todo.restored}
        for route in todo.restored:
            kernel.add(route)
        for each in todo.removed:
            if getattr(each, "place", None) not in restored:
                kernel.delete(each)
        apply(written)
