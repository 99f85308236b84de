# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A change of routes that undoes itself, unless somebody says in time that the host is still heard from.

The only code that talks to systemd for it: a transient timer runs a shell script below /run.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..commands import Commands
from ..errors import Interference, Unavailable
from ..files import Change, File, apply, changes

FOLDER = "/run/lvs.cluster"


def _unit(owner: str) -> str:
    return f"lvs-cluster-rollback-{owner}"


def _script(owner: str) -> str:
    return f"{FOLDER}/rollback-{owner}"


def _mark(owner: str) -> str:
    return f"{FOLDER}/rolled-back-{owner}"


def script(owner: str, commands: Sequence[str], written: Sequence[Change]) -> str:
    """What the timer runs.

    :param commands: what undoes the change of routes.
    :param written: the files that the change writes; they get back what was in them.
    """
    lines = ["# Of lvs.cluster: undo a change that nobody has confirmed.", *commands]
    for number, change in enumerate(written):
        path, mode = change.wanted.path, change.wanted.mode
        if change.before is None:
            lines.append(f"rm -f {path}")
            continue
        lines.append(f"mkdir -p {os.path.dirname(path)}")
        if change.wanted.link:
            lines.append(f"ln -sfn {change.before} {path}")
        else:
            lines.append(f"cat > {path} <<'END{number}'\n{change.before}END{number}")
            lines.append(f"chmod {mode:o} {path}")
    lines += [f"touch {_mark(owner)}", f"rm -f {_script(owner)}", ""]
    return "\n".join(lines)


def start(owner: str, text: str, seconds: int, commands: Commands) -> None:
    """:raises Unavailable: there is no systemd to keep the time."""
    command = commands.find("systemd-run")
    if command is None:
        raise Unavailable(
            "A change of routes that undoes itself needs systemd-run, and it is not on this host; set rollback "
            "to 0 to do without."
        )
    apply(changes([File(_script(owner), text, 0o600)]))
    words = [
        "--quiet",
        "--collect",
        f"--on-active={seconds}s",
        "--timer-property=AccuracySec=100ms",
    ]
    done = commands.run([command, *words, f"--unit={_unit(owner)}", "/bin/sh", _script(owner)])
    if done.complaint:
        apply(changes([File(_script(owner), None)]))
        raise Unavailable(
            f"The timer that would undo the change could not be started ({done.complaint}); set rollback to 0 to "
            "do without."
        )


def forget(owner: str, commands: Commands) -> None:
    """A change begins: what became of an earlier one counts no more."""
    _stop(owner, commands)
    apply(changes([File(_mark(owner), None), File(_script(owner), None)]))


def is_pending(owner: str) -> bool:
    """Whether a change waits for being confirmed."""
    return os.path.exists(_script(owner))


def _stop(owner: str, commands: Commands) -> None:
    command = commands.find("systemctl")
    if command:
        commands.run([command, "stop", f"{_unit(owner)}.timer"])


def confirm(owner: str, commands: Commands) -> None:
    """The host is heard from: let what was changed stay.

    :raises Interference: too late.
    """
    if os.path.exists(_mark(owner)):
        apply(changes([File(_mark(owner), None)]))
        raise Interference(
            "The new way was not confirmed in time, and has been undone; see whether this host is slow to "
            "answer over it, and run again with a larger rollback."
        )
    if is_pending(owner):
        _stop(owner, commands)
        apply(changes([File(_script(owner), None)]))
