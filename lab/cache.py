# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache: where it is, keys, locks, and entries that appear complete or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from lab import process
from lab.host import home


def cache_folder() -> Path:
    """``LVS_CACHE``, else the place that the XDG convention names."""
    if given := os.environ.get("LVS_CACHE"):
        return Path(given).absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else home() / ".cache").absolute() / "lvs.cluster"


def make_key(**parts: object) -> str:
    """A short name for everything that an entry depends on."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold a lock; it ends with this process, whatever happens to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def publish(entry: Path, build: Callable[[Path], None]) -> Path:
    """Return the entry, and if need be build it in a folder beside it, renamed once complete.

    One builder at a time; what a killed one left (processes, files) is cleaned away first.
    """
    if entry.is_dir():
        return entry
    with locked(entry.parent / ".locks" / entry.name):
        if entry.is_dir():
            return entry
        building = entry.with_name(entry.name + ".building")
        discard(building)
        building.mkdir(parents=True)
        try:
            build(building)
        except BaseException:
            discard(building)
            raise
        building.rename(entry)
    return entry


def sweep(cache: Path) -> None:
    """Clean away what killed builders left, wherever nobody builds at this moment."""

    def busy() -> None:
        raise BlockingIOError

    for building in cache.glob("*/*.building"):
        entry = building.with_suffix("")
        with (
            contextlib.suppress(BlockingIOError),
            locked(entry.parent / ".locks" / entry.name, busy),
        ):
            discard(building)


def discard(folder: Path) -> None:
    """Remove a folder, having ended the processes that work in it."""
    process.stop(folder)
    shutil.rmtree(folder, ignore_errors=True)


def write_atomically(path: Path, data: bytes, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    temporary.replace(path)
