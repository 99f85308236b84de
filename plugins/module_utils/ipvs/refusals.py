# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a refusal of IPVS means: errno and operation to one sentence.

The kernel gives a bare number (no extended acknowledgement); the meanings are those of
``ip_vs_ctl.c``. Pure.
"""

from __future__ import annotations

import errno
import os

from ..errors import KernelRefusal
from .daemon import Daemon
from .plan import DELETE, Operation, RealServerOperation, ServiceOperation


def explain(operation: Operation, number: int) -> KernelRefusal:
    """The error for one refused operation."""
    if number == errno.EPERM:
        meaning = (
            "the kernel lets only root change IPVS",
            "run the task as root (become: true), outside an unprivileged container",
        )
    elif isinstance(operation, ServiceOperation):
        meaning = _service(operation, number)
    else:
        meaning = _real_server(operation, number)
    return KernelRefusal(f"Could not {operation}", number, *meaning)


def of_daemon(daemon: Daemon, error: OSError) -> KernelRefusal:
    """The error for a sync daemon that the kernel would not start."""
    number = error.errno or 0
    if number == errno.ENODEV:
        meaning = (
            f"there is no interface {daemon.interface}",
            "use one that 'ip link' shows on this host",
        )
    elif number == errno.EINVAL:
        meaning = (
            "the kernel starts none while a real server is of another address family than its service",
            "remove those real servers, or do not run the daemon",
        )
    else:
        name = errno.errorcode.get(number, str(number))
        meaning = (
            f"the kernel answered {name} ({os.strerror(number)}) for interface {daemon.interface} and "
            f"group {daemon.group}",
            "make sure that the interface is up and has an address of the group's family",
        )
    return KernelRefusal(f"Could not start the sync daemon {daemon.role}", number, *meaning)


def _service(operation: ServiceOperation, number: int) -> tuple[str, str]:
    after = operation.after
    if number == errno.ENOENT and after:
        scheduler = f"the kernel has no scheduler {after.scheduler!r}"
        remedy = (
            f"make sure that 'modprobe ip_vs_{after.scheduler}' works on the host, "
            "or choose another scheduler"
        )
        if after.persistence_engine:
            return (
                f"{scheduler}, or no persistence engine {after.persistence_engine!r}",
                f"{remedy} or engine",
            )
        return scheduler, remedy
    if number == errno.EEXIST:
        return "another program has just added it", "run again"
    if number == errno.ESRCH:
        return "another program has just removed it", "run again"
    return _unknown(number)


def _real_server(operation: RealServerOperation, number: int) -> tuple[str, str]:
    if number == errno.ESRCH:
        return "the service does not exist", "find out why it could not be added, and run again"
    if number == errno.ENOENT:
        return "another program has just removed it", "run again"
    if number == errno.EEXIST:
        return "another program has just added it", "run again"
    if number == errno.EINVAL and operation.verb != DELETE:
        return (
            f"the director has no unicast route to {operation.real_server.address}",
            "give it an address or a route on the real server's network first ('ip route get "
            f"{operation.real_server.address}' must not say broadcast or unreachable)",
        )
    if number == errno.ERANGE:
        return (
            "weight or thresholds are out of range",
            "let the lower threshold be no more than the upper",
        )
    return _unknown(number)


def _unknown(number: int) -> tuple[str, str]:
    name = errno.errorcode.get(number, str(number))
    return (
        f"the kernel answered {name} ({os.strerror(number)})",
        "look for the reason in the kernel's log ('dmesg | grep IPVS')",
    )
