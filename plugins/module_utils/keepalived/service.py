# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""keepalived and its service: the only code that runs them, and that reads and writes their file."""

from __future__ import annotations

import contextlib
import glob
import os
import tempfile
import time
from collections.abc import Callable
from typing import NamedTuple

from ..errors import KernelRefusal, Unavailable
from ..host import files
from ..host.commands import Commands, Done
from ..host.files import File
from ..network.address import Address
from . import conf

PROGRAM = "keepalived"
UNIT = "keepalived.service"
DROP_IN = f"/etc/systemd/system/{UNIT}.d/lvs.cluster.conf"
# The delay gives ``Service.kill`` the time to stop the unit before systemd starts it again.
DROP_IN_TEXT = """\
# Of lvs.cluster: starts keepalived again after it was killed.
[Service]
Restart=on-failure
RestartSec=3
"""
# The process that checks real servers and changes the IPVS table; where it is depends on the build.
CHECKERS = ("/run/keepalived/checkers.pid", "/run/checkers.pid")
# The beginnings of the states of a unit that is started at boot, or that can't be enabled because others start it.
_ENABLED = ("enabled", "static", "indirect", "generated", "alias")
_TEST = ".lvs.cluster.test."
_JOURNAL_LINES = 8
_INTERVAL = 0.2
# For what systemd and keepalived do at once, in seconds.
_PATIENCE = 10.0

# The checking process is stopped before the others read a configuration without virtual servers, and killed before
# it reads it: so it removes none, and the one that is started in its place knows none. One command does all of it, so
# that it does not stay half done where this process is killed.
_GIVE_UP_TABLE = """\
kill -STOP {checker}
{systemctl} reload {unit}
sleep 1
kill -KILL {checker}
"""


class Unit(NamedTuple):
    """The service, as systemd knows it.

    :ivar state: such as active, inactive and failed.
    :ivar main: the process; 0 for none.
    :ivar since: when it was started, in seconds of CLOCK_MONOTONIC; 0 if it was not.
    """

    state: str = "inactive"
    is_enabled: bool = False
    is_masked: bool = False
    main: int = 0
    since: float = 0.0

    @property
    def is_active(self) -> bool:
        """Whether it runs."""
        return self.state in ("active", "reloading")


class Service:
    """The service of keepalived on this host.

    :param pending: the file that tells that keepalived has not read its configuration yet, since it was changed.
    """

    def __init__(
        self,
        commands: Commands,
        owner: str,
        path: str = conf.PATH,
        pending: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._commands = commands
        self._path = path
        self._pending = pending or f"/run/lvs.cluster/keepalived-{owner}"
        self.sleep = sleep
        self.now = now

    def is_installed(self) -> bool:
        """Whether the host has keepalived."""
        return self._commands.find(PROGRAM) is not None

    def unit(self) -> Unit:
        """What systemd says of it.

        :raises Unavailable: the host has no systemd.
        """
        names = (
            *("LoadState", "ActiveState", "UnitFileState", "MainPID"),
            "ActiveEnterTimestampMonotonic",
        )
        done = self._systemctl("show", UNIT, f"--property={','.join(names)}")
        if done.code:
            raise Unavailable(
                f"systemd does not respond for {UNIT} on this host ({done.complaint}); see 'systemctl status'."
            )
        said = dict(line.split("=", 1) for line in done.output.splitlines() if "=" in line)
        main, since = said.get("MainPID", ""), said.get("ActiveEnterTimestampMonotonic", "")
        return Unit(
            said.get("ActiveState", "inactive"),
            said.get("UnitFileState", "").startswith(_ENABLED),
            said.get("LoadState") == "masked",
            int(main) if main.isdigit() else 0,
            int(since) / 1e6 if since.isdigit() else 0.0,
        )

    def text(self) -> tuple[str | None, bool]:
        """The configuration that is there, and whether its permissions are right."""
        text = files.read(self._path)
        return text, text is None or not files.changes([File(self._path, text, conf.MODE)])

    def drop_in(self) -> str | None:
        """The drop-in of this collection for the unit; None if there is none."""
        return files.read(DROP_IN)

    def put_drop_in(self, text: str | None) -> None:
        """Write the drop-in, or remove it with None, and reload systemd."""
        files.apply(files.changes([File(DROP_IN, text)]))
        self._systemctl("daemon-reload")

    def is_pending(self) -> bool:
        """Whether a run has changed the configuration, and was killed before keepalived was told."""
        return os.path.exists(self._pending)

    def put(self, text: str | None) -> None:
        """Replace the configuration in one step; None removes it.

        :raises OSError: the file system refuses. Then the old one is in place.
        """
        self._remove_tests()
        files.apply(files.changes([File(self._path, text, conf.MODE)]))

    def set_pending(self, pending: bool) -> None:
        """Remember whether keepalived has yet to read its configuration."""
        if pending:
            files.apply(files.changes([File(self._pending, "")]))
        else:
            files.remove(self._pending)

    def complaint(self, text: str) -> str:
        """What keepalived has against a configuration; empty for nothing.

        Its exit codes are not what its manual says, and may tell of the least of several mistakes. All that counts is
        whether it is 0.

        :raises OSError: the file system refuses the temporary file.
        """
        program = self._commands.find(PROGRAM)
        if program is None:
            return ""
        folder = os.path.dirname(self._path)
        # Beside the real file: relative paths and the rights of the folder are the same there. Mode 0600 by itself.
        descriptor, temporary = tempfile.mkstemp(prefix=_TEST, dir=folder)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(text)
            done = self._commands.run([program, "-t", "-f", temporary])
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
        if not done.code:
            return ""
        said = [line.strip() for line in done.errors.splitlines() if line.strip()]
        words = "; ".join(said) or f"exit code {done.code}"
        return conf.masked(words.replace(temporary, self._path), conf.password_of(text))

    def start(self) -> None:
        """Start it.

        :raises KernelRefusal: it was not started, or has died.
        """
        done = self._systemctl("start", UNIT)
        # Without a configuration, the unit of Debian is skipped and counts as started.
        if done.code or not self.unit().is_active:
            raise self.dead("start keepalived", done.complaint)

    def enable(self) -> None:
        """Have it started at boot."""
        self._do("enable", "enable")

    def disable(self) -> None:
        """Have it not started at boot; that it may have died is forgotten."""
        self._do("disable", "disable")
        self._systemctl("reset-failed", UNIT)

    def reload(self) -> None:
        """Have it read its configuration, and wait until it has.

        :raises KernelRefusal: it has stopped running.
        """
        self._do("reload", "reload")
        self._wait_for_reload()

    def give_up_table(self) -> None:
        """Have it read a configuration without virtual servers, and leave the table as it is.

        Where its process can't be told, it removes its virtual servers: then the caller puts them back.

        :raises KernelRefusal: it has stopped running.
        """
        checker = self._checker()
        if not checker:
            self.reload()
            return
        systemctl = self._commands.find("systemctl")
        script = _GIVE_UP_TABLE.format(checker=checker, systemctl=systemctl, unit=UNIT)
        self._commands.run([self._commands.find("sh") or "/bin/sh", "-c", script])
        self._wait_for_reload()

    def stop(self) -> None:
        """Stop it, by which it removes its virtual servers and addresses.

        :raises KernelRefusal: systemd refuses.
        """
        self._do("stop", "stop")

    def kill(self) -> None:
        """End it without giving it the time to remove anything.

        Where its main process ends first, the others are told to end, and would clean up. So all are stopped before all
        are killed. The commands leave out which processes, since the name of that option has changed; all is the
        default.

        :raises KernelRefusal: it still runs.
        """
        for name in ("SIGSTOP", "SIGKILL"):
            self._systemctl("kill", f"--signal={name}", UNIT)
        end = self.now() + _PATIENCE
        while self.unit().is_active and self.now() < end:
            self.sleep(_INTERVAL)
        if self.unit().is_active:
            raise self.dead("end keepalived", "it still runs")
        # Or else it counts as failed, and systemd may start it again.
        self._systemctl("stop", UNIT)
        self._systemctl("reset-failed", UNIT)

    def remove_address(self, address: Address) -> None:
        """Remove an address that it has left behind; not there is as good."""
        program = self._commands.find("ip")
        if program:
            words = address.command("del").split()
            self._commands.run([program, *words[1:]])

    def dead(self, what: str, complaint: str = "") -> KernelRefusal:
        """The error for something that was to be done and was not, with the last lines of its journal."""
        journal = self._journal()
        said = f"; its journal ends with: {journal}" if journal else ""
        return KernelRefusal(
            f"Could not {what}",
            0,
            (complaint or f"the service is {self.unit().state}") + said,
            f"see 'journalctl -u {PROGRAM}', correct the cause, and run again",
        )

    def _journal(self) -> str:
        program = self._commands.find("journalctl")
        if program is None:
            return ""
        words = [f"--unit={UNIT}", f"--lines={_JOURNAL_LINES}", "--no-pager", "--output=cat"]
        lines = self._commands.run([program, *words]).output.splitlines()
        password = conf.password_of(files.read(self._path))
        return conf.masked(" | ".join(line.strip() for line in lines if line.strip()), password)

    def _do(self, verb: str, what: str) -> None:
        done = self._systemctl(verb, UNIT)
        if done.code:
            raise self.dead(f"{what} keepalived", done.complaint)

    def _wait_for_reload(self) -> None:
        """Wait until it has read its configuration, which begins some time after it was told."""
        self.sleep(_INTERVAL)
        end = self.now() + _PATIENCE
        while self.unit().state == "reloading" and self.now() < end:
            self.sleep(_INTERVAL)

    def _checker(self) -> int:
        """The process that changes the table; 0 where it can't be told."""
        main = self.unit().main
        for path in CHECKERS:
            text = (files.read(path) or "").strip()
            if text.isdigit() and main and _parent(int(text)) == main:
                return int(text)
        return 0

    def _remove_tests(self) -> None:
        """What a run has left that was killed while it tested a configuration."""
        for path in glob.glob(os.path.join(os.path.dirname(self._path), f"{_TEST}*")):
            files.remove(path)

    def _systemctl(self, *words: str) -> Done:
        program = self._commands.find("systemctl")
        if program is None:
            raise Unavailable(
                "keepalived needs systemd, and this host has no systemctl; install systemd."
            )
        return self._commands.run([program, *words])


def _parent(process: int) -> int:
    """A process's parent; 0 where there is no such process."""
    # The name in parentheses may hold anything.
    words = (files.read(f"/proc/{process}/stat") or "").rpartition(")")[2].split()
    return int(words[1]) if len(words) > 1 else 0
