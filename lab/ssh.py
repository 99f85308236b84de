# SPDX-License-Identifier: GPL-3.0-or-later
"""Secure shell to the machines: keys made once, options, and waiting until somebody answers."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from lab.cache import locked
from lab.errors import LabError
from lab.host import environment, run, tool
from lab.overlay import Keys

_ADDRESS = "127.0.0.1"


class KeyStore:
    """One key to log in with, and one host key for each node's name; all known in advance."""

    def __init__(self, cache: Path) -> None:
        self._folder = cache / "ssh"

    @property
    def private(self) -> Path:
        return self._folder / "id_ed25519"

    def keys(self, node: str) -> Keys:
        host = self._folder / f"host-{node}"
        with locked(self._folder / ".lock"):
            for path in (self.private, host):
                if not path.exists() or not path.with_suffix(".pub").exists():
                    self._make(path)
        return Keys(
            authorized=self.private.with_suffix(".pub").read_text(),
            host_private=host.read_text(),
            host_public=host.with_suffix(".pub").read_text(),
        )

    def _make(self, path: Path) -> None:
        temporary = path.with_name(f"new-{path.name}")
        temporary.unlink(missing_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lvs-lab", "-f", str(temporary)])
        temporary.with_suffix(".pub").rename(path.with_suffix(".pub"))
        temporary.rename(path)


class Shell:
    """How a lab's machines are reached. Its files lie in the lab's run folder, whose path is short
    and free of blanks: socket paths are limited, and Ansible splits the options at blanks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def key(self) -> Path:
        return self._folder / "key"

    def prepare(self, store: KeyStore, nodes: Iterable[str]) -> None:
        self.key.touch(mode=0o600)
        known = []
        for node in nodes:
            kind, public = store.keys(node).host_public.split()[:2]
            known.append(f"{node} {kind} {public}\n")
        (self._folder / "known_hosts").write_text("".join(known))
        self.key.write_bytes(store.private.read_bytes())

    def control_path(self, node: str) -> Path:
        return self._folder / f"ssh-{node}"

    def identity_options(self, node: str) -> list[str]:
        """Whom to believe, and where connections are shared: needed by every client."""
        settings = {
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": self._folder / "known_hosts",
            "GlobalKnownHostsFile": "/dev/null",
            "HostKeyAlias": node,
            "ControlPath": self.control_path(node),
            "ConnectTimeout": 10,
            "LogLevel": "ERROR",
        }
        options = ["-F", "/dev/null"]
        for name, value in settings.items():
            options += ["-o", f"{name}={value}"]
        return options

    def sharing_options(self) -> list[str]:
        return ["-o", "ControlMaster=auto", "-o", "ControlPersist=600"]

    def command(self, node: str, port: int, *, shared: bool = True) -> list[str]:
        """The client's command line, up to the remote command."""
        sharing = self.sharing_options() if shared else ["-o", "ControlMaster=no", "-S", "none"]
        return [
            tool("ssh"),
            *sharing,
            *self.identity_options(node),
            *("-i", str(self.key), "-p", str(port), f"root@{_ADDRESS}"),
        ]

    def forget(self, nodes: Iterable[str]) -> None:
        """Close shared connections: those to a machine that was set back are dead."""
        for node in nodes:
            if self.control_path(node).exists():
                subprocess.run(
                    [
                        tool("ssh"),
                        "-F",
                        "/dev/null",
                        "-O",
                        "exit",
                        "-o",
                        f"ControlPath={self.control_path(node)}",
                        "root@127.0.0.1",
                    ],
                    env=environment(),
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    check=False,
                )
                with contextlib.suppress(OSError):
                    self.control_path(node).unlink()

    def wait(
        self,
        node: str,
        port: int,
        command: str,
        *,
        seconds: float,
        check: Callable[[], None],
        shared: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Try a remote command until its login succeeds; ``check`` raises where it never will."""
        deadline = time.monotonic() + seconds
        last = "no connection"
        while (left := deadline - time.monotonic()) > 0:
            check()
            line = [*self.command(node, port, shared=shared), command]
            try:
                done = subprocess.run(
                    line,
                    env=environment(),
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=max(1.0, left),
                    check=False,
                )
            except subprocess.TimeoutExpired:
                last = "the command did not end"
                break
            if done.returncode != 255:
                return done
            last = done.stderr.strip() or last
            time.sleep(0.2)
        raise LabError(f"{node} did not answer within {seconds:.0f} s ({last})")
