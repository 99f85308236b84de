# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tunnels made as they are wished: lock, read, plan, claim, carry out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..commands import Commands
from ..files import Change, apply
from ..store import Store
from . import devices
from .tunnel import KIND, TunnelPlan, Wish, plan


@dataclass(frozen=True)
class Outcome:
    """:ivar written: the files that have changed."""

    plan: TunnelPlan
    written: tuple[Change, ...]


def converge(
    wish: Wish,
    files: Callable[[TunnelPlan], Sequence[Change]],
    store: Store,
    commands: Commands,
    check_mode: bool,
) -> Outcome:
    """Have these tunnels.

    :param files: what changes of the files for the next boot.
    :raises InvalidInput: they can't be; nothing is changed.
    """
    with store.locked(read_only=check_mode), devices.connect(commands) as kernel:
        manifest = store.load()
        todo = plan(wish, kernel.host(), manifest.claims.get(KIND, {}))
        written = tuple(files(todo))
        if check_mode:
            return Outcome(todo, written)
        with store.claiming(manifest, KIND, todo.claims):
            for verb, words in todo.operations:
                kernel.carry_out(verb, words)
            apply(written)
        return Outcome(todo, written)
