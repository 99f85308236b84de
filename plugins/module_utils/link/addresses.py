# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual addresses made as they are wished: lock, read, plan, claim, carry out, announce."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..files import Change, apply
from ..store import Store
from . import rtnl, wire
from .address import KIND, Address, AddressPlan, Wish, plan

TIMES = 3


@dataclass(frozen=True)
class Outcome:
    """:ivar written: the files that have changed."""

    plan: AddressPlan
    written: tuple[Change, ...]


def converge(
    wish: Wish,
    files: Callable[[AddressPlan], Sequence[Change]],
    store: Store,
    announce: bool,
    check_mode: bool,
) -> Outcome:
    """Have these addresses.

    :param files: what changes of the files for the next boot.
    :param announce: whether the segment is told of what is added.
    :raises InvalidInput: it can't be; nothing is changed.
    """
    with store.locked(read_only=check_mode), rtnl.connect() as kernel:
        manifest = store.load()
        standing = kernel.standing()
        todo = plan(wish, standing, kernel.interfaces, manifest.claims.get(KIND, {}))
        written = tuple(files(todo))
        if check_mode:
            return Outcome(todo, written)
        with store.claiming(manifest, KIND, todo.claims):
            for verb, each in todo.operations:
                kernel.put_address(verb, each)
            _bring_back(todo, standing, kernel)
            apply(written)
    if announce:
        for interface in {each.interface for each in todo.added}:
            told = [each.address for each in todo.added if each.interface == interface]
            wire.announce(interface, told, TIMES)
    return Outcome(todo, written)


def _bring_back(todo: AddressPlan, standing: Sequence[Address], kernel: rtnl.Rtnl) -> None:
    """With the first address of a network, Linux deletes the others of it, unless promote_secondaries is set."""
    deleted = [each for verb, each in todo.operations if verb == "delete"]
    if not deleted:
        return
    now = {(each.address, each.interface) for each in kernel.standing()}
    for each in standing:
        if each not in deleted and (each.address, each.interface) not in now:
            kernel.put_address("add", each)
