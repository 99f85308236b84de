# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Timeouts and sync daemons made as they are wished: lock, read, plan, claim, carry out.

The shell around ``timeouts`` and ``daemon``; what it talks to is handed in.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Callable, Protocol

from ..errors import InvalidInput, KernelRefusal
from ..store import Store
from . import timeouts
from .daemon import Daemon, same
from .timeouts import TimeoutPlan, Timeouts


class Ipvs(Protocol):
    """What is needed of ``netlink.Client``."""

    def timeouts(self) -> Timeouts:
        """Those in force."""

    def set_timeouts(self, timeouts: Timeouts) -> None:
        """Set them."""

    def daemons(self) -> Mapping[str, Daemon]:
        """Those that run, by role."""

    def start_daemon(self, daemon: Daemon) -> None:
        """Start one."""

    def stop_daemon(self, daemon: Daemon) -> None:
        """Stop one."""


@dataclass(frozen=True)
class Kernel:
    """:ivar connect: opens the kernel's IPVS, and by that loads it.
    :ivar loaded: tells whether that is needed.
    """

    connect: Callable[[], AbstractContextManager[Ipvs]]
    loaded: Callable[[], bool]


def set_timeouts(
    kernel: Kernel, store: Store, wanted: Mapping[str, int], check_mode: bool
) -> TimeoutPlan:
    """Have these timeouts in force. Where IPVS is not loaded, they are the kernel's defaults."""
    timeouts.check(wanted)
    with store.locked(read_only=check_mode):
        manifest = store.load()
        claim = manifest.claim(timeouts.KIND, timeouts.NAME)
        if not kernel.loaded():
            todo = timeouts.plan(Timeouts(), wanted, claim)
            if check_mode or todo.before == todo.after:
                return todo
        with kernel.connect() as ipvs:
            todo = timeouts.plan(ipvs.timeouts(), wanted, claim)
            if check_mode:
                return todo
            after = manifest.with_claim(timeouts.KIND, timeouts.NAME, todo.claim)
            # What was found is written down before it is lost, and forgotten only once it is given back.
            if todo.claim and after != manifest:
                store.save(after)
            if todo.before != todo.after:
                ipvs.set_timeouts(todo.after)
            if not todo.claim and after != manifest:
                store.save(after)
        return todo


@dataclass(frozen=True)
class DaemonChange:
    """What is done to one daemon; nothing where both are the same."""

    before: Daemon | None
    after: Daemon | None

    def __bool__(self) -> bool:
        return not same(self.before, self.after)

    @property
    def diff(self) -> dict[str, str]:
        return {
            "before_header": "sync daemon before",
            "after_header": "sync daemon after",
            "before": f"{self.before}\n" if self and self.before else "",
            "after": f"{self.after}\n" if self and self.after else "",
        }


def set_daemon(
    kernel: Kernel,
    store: Store,
    role: str,
    wish: Callable[[Daemon | None], Daemon | None],
    backup_only: bool,
    check_mode: bool,
) -> DaemonChange:
    """Have a daemon as it is wished, or none.

    :param wish: from the daemon that runs to the one that shall.
    :param backup_only: net.ipv4.vs.backup_only: with it, a director on which both run forwards nothing.
    """
    with store.locked(read_only=check_mode):
        if not kernel.loaded():
            change = DaemonChange(None, wish(None))
            if check_mode or not change:
                return change
        with kernel.connect() as ipvs:
            running = ipvs.daemons()
            change = DaemonChange(running.get(role), wish(running.get(role)))
            others = set(running) - {role}
            if change.after and others and backup_only:
                raise InvalidInput(
                    f"the sync daemon {role}",
                    "role",
                    role,
                    "would run beside the other one while net.ipv4.vs.backup_only is 1, and then IPVS "
                    "forwards nothing",
                    "set net.ipv4.vs.backup_only to 0, or stop the other daemon",
                )
            if change and not check_mode:
                _carry_out(ipvs, change)
        return change


def _carry_out(ipvs: Ipvs, change: DaemonChange) -> None:
    if change.before:
        ipvs.stop_daemon(change.before)
    if not change.after:
        return
    try:
        ipvs.start_daemon(change.after)
    except OSError as error:
        if change.before:
            ipvs.start_daemon(change.before)
        raise _explain(change.after, error) from error


def _explain(daemon: Daemon, error: OSError) -> KernelRefusal:
    number = error.errno or 0
    subject = f"Could not start the sync daemon {daemon.role}"
    if number == errno.ENODEV:
        return KernelRefusal(
            subject,
            number,
            f"there is no interface {daemon.interface}",
            "name one that 'ip link' shows on this host",
        )
    if number == errno.EINVAL:
        return KernelRefusal(
            subject,
            number,
            "the kernel takes none while a real server is of another address family than its service",
            "take those real servers out of the table, or do without the daemon",
        )
    name = errno.errorcode.get(number, str(number))
    return KernelRefusal(
        subject,
        number,
        f"the kernel answered {name} ({os.strerror(number)}) for interface {daemon.interface} and "
        f"group {daemon.group}",
        "see that the interface is up and has an address of the group's family",
    )
