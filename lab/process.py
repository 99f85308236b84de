# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes that a lab started, recognised by a mark in their environment.

The mark is there from a process's first moment, so nothing is lost when whoever started it is
killed before it could write a process number down, and a recycled number never bears the mark.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.host import environment, tool

_OWNER = "LVS_LAB_OWNER"
_ROLE = "LVS_LAB_ROLE"

# Python warns about a running child that is no longer referenced, and an ended one is a zombie until it is polled.
_children: list[subprocess.Popen[bytes]] = []
_children_lock = threading.Lock()


@dataclass(frozen=True)
class Marked:
    """A living process with our mark."""

    pid: int
    role: str


def start(
    command: Sequence[str],
    *,
    owner: Path,
    role: str,
    log: Path,
    stdin: Path | None = None,
    stdout: Path | None = None,
    folder: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program that belongs to ``owner``, a folder; it survives us.

    :param folder: its working directory.
    """
    env = environment({_OWNER: str(owner), _ROLE: role})
    with contextlib.ExitStack() as files:
        errors = files.enter_context(log.open("ab"))
        source = files.enter_context(stdin.open("rb")) if stdin else subprocess.DEVNULL
        target = files.enter_context(stdout.open("wb")) if stdout else errors
        child = subprocess.Popen(
            [tool(command[0]), *command[1:]],
            env=env,
            stdin=source,
            stdout=target,
            stderr=errors,
            cwd=folder,
            start_new_session=True,
        )
    with _children_lock:
        _children[:] = [each for each in (*_children, child) if each.poll() is None]
    return child


def marked(owner: Path) -> list[Marked]:
    """All living processes of an owner."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            role = _role(int(entry.name), owner)
            if role is not None:
                found.append(Marked(int(entry.name), role))
    return found


def stop(
    owner: Path,
    *,
    grace: float = 10.0,
    only: Callable[[str], bool] = lambda role: True,
) -> int:
    """End an owner's processes, politely at first; returns how many there were."""
    handles: list[int] = []
    try:
        for process in marked(owner):
            if not only(process.role):
                continue
            # The handle pins the process; the mark is then read again, so it is surely ours.
            with contextlib.suppress(OSError):
                handle = os.pidfd_open(process.pid)
                handles.append(handle)
                if _role(process.pid, owner) is None:
                    os.close(handles.pop())
        for sent, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 10.0)):
            waiting = [handle for handle in handles if not _ended(handle, 0)]
            for handle in waiting:
                with contextlib.suppress(OSError):
                    signal.pidfd_send_signal(handle, sent)
            deadline = time.monotonic() + patience
            for handle in waiting:
                _ended(handle, max(0.0, deadline - time.monotonic()))
        return len(handles)
    finally:
        for handle in handles:
            os.close(handle)


def _ended(handle: int, seconds: float) -> bool:
    return bool(select.select([handle], [], [], seconds)[0])


def _role(pid: int, owner: Path) -> str | None:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return None
    if status.rpartition(")")[2].split()[0] in "ZX":
        return None
    if f"{_OWNER}={owner}".encode() not in variables:
        return None
    prefix = f"{_ROLE}=".encode()
    return next((v[len(prefix) :].decode() for v in variables if v.startswith(prefix)), "")
