# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files that outlive a run on a managed host: the manifests, and the lock against ourselves."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import tempfile
import time
from collections.abc import Iterator

from ..errors import Interference
from .manifest import Manifest, check_owner

DIRECTORY = "/var/lib/lvs.cluster"
LOCK = "/run/lvs.cluster.lock"
# Well below the time after which a change of routes that nobody confirms is undone.
LOCK_SECONDS = 20.0


class Store:
    """One owner's manifest on this host.

    :param directory: where manifests are.
    :param persistent: False where nothing is to be remembered: nothing is read then, nothing written.
    :param lock: the file whose lock every change takes, whoever its owner is: they share one kernel.
    """

    def __init__(
        self,
        owner: str,
        *,
        directory: str = DIRECTORY,
        lock: str = LOCK,
        lock_seconds: float = LOCK_SECONDS,
        persistent: bool = True,
    ) -> None:
        self.owner = check_owner(owner)
        self.path = os.path.join(directory, f"{owner}.json")
        self._directory = directory
        self._lock = lock
        self.persistent = persistent
        self._lock_seconds = lock_seconds

    @contextlib.contextmanager
    def locked(self, read_only: bool = False) -> Iterator[None]:
        """Hold the lock. A reader makes no file: where there is none, nobody has changed anything.

        :raises Interference: another run kept it for too long.
        """
        flags = os.O_RDONLY if read_only else os.O_RDWR | os.O_CREAT
        try:
            descriptor = os.open(self._lock, flags | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            if not read_only:
                raise
            yield
            return
        try:
            self._wait(descriptor, fcntl.LOCK_SH if read_only else fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _wait(self, descriptor: int, kind: int) -> None:
        deadline = time.monotonic() + self._lock_seconds
        while True:
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
                return
            except BlockingIOError:  # noqa: PERF203  (waiting is what the loop is for)
                if time.monotonic() >= deadline:
                    raise Interference(
                        f"Another run of lvs.cluster on this host has held {self._lock} for "
                        f"{self._lock_seconds:g} seconds; wait for it to end ('fuser {self._lock}' "
                        "names it) and run again."
                    ) from None
                time.sleep(0.05)

    def load(self) -> Manifest:
        """The manifest; an empty one where there is none.

        :raises StateError: the file can't be understood.
        """
        if not self.persistent:
            return Manifest(self.owner)
        try:
            with open(self.path, encoding="utf-8") as file:
                return Manifest.from_json(file.read(), self.path)
        except FileNotFoundError:
            return Manifest(self.owner)

    def load_all(self) -> dict[str, Manifest]:
        """The manifests of all owners on this host, by owner.

        :raises StateError: a file can't be understood.
        """
        if not self.persistent:
            return {}
        found = {}
        for path in sorted(glob.glob(os.path.join(self._directory, "*.json"))):
            with open(path, encoding="utf-8") as file:
                manifest = Manifest.from_json(file.read(), path)
            found[manifest.owner] = manifest
        return found

    def save(self, manifest: Manifest) -> None:
        """Replace the manifest in one step that survives a crash; without claims, remove it."""
        if not self.persistent:
            return
        if not manifest.claims:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
            with contextlib.suppress(OSError):  # another owner's manifest is in it
                os.rmdir(self._directory)
            return
        os.makedirs(self._directory, mode=0o755, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{self.owner}.", dir=self._directory)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(manifest.to_json())
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, self.path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
