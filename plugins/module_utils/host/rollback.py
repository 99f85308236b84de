# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A change of routes that undoes itself, unless somebody says in time that the host is still heard from.

The only code that talks to systemd for it: a transient timer runs a shell script. If the host reboots before the
change is confirmed, the boot service runs the script, for the timer is gone then.

The script's file is what decides: either it is removed, and the change is confirmed, or the script itself moves it
away, and the change is undone. Only one of them can.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..errors import Interference, Unavailable
from .commands import Commands
from .files import File, apply, changes, read, remove

RUN = "/run/lvs.cluster"
# As in boot's runner and watcher.
FOLDER = "/var/lib/lvs.cluster"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


def _unit(owner: str) -> str:
    return f"lvs-cluster-rollback-{owner}"


def _script(owner: str) -> str:
    return f"{FOLDER}/rollback-{owner}"


def _mark(owner: str) -> str:
    return f"{RUN}/rolled-back-{owner}"


def _undoing(owner: str) -> str:
    """Where the script is while it runs, so that the boot service completes what a crash has broken off."""
    return f"{_script(owner)}.undoing"


def undoing(commands: Sequence[str], path: str, before: str | None) -> str:
    """What undoes a change, as shell; it can be run again.

    :param commands: what undoes the change of routes.
    :param path: the boot script of the routes, which the change writes.
    :param before: what is in it now, None where there is none.
    """
    lines = list(commands)
    if before is None:
        lines.append(f"rm -f {path}")
    else:
        lines.append(f"mkdir -p {os.path.dirname(path)}")
        lines.append(f"cat > {path} <<'END'\n{before}END")
    return "\n".join([*lines, ""])


def script(owner: str, text: str) -> str:
    """What the timer runs.

    :param text: what undoes the change.
    """
    running = _undoing(owner)
    return f"""\
# Of lvs.cluster: undo a change of routes that nobody has confirmed.
# boot {(read(_BOOT_ID) or "").strip()}
[ "$0" = {running} ] || mv "$0" {running} || exit 0
{text}mkdir -p {RUN}
touch {_mark(owner)}
rm -f {running}
"""


def start(owner: str, text: str, seconds: int, commands: Commands) -> None:
    """:raises Unavailable: there is no systemd to keep the time."""
    command = commands.find("systemd-run")
    if command is None:
        raise Unavailable(
            "A change of routes is undone with systemd-run if it is not confirmed, and this host has none; install "
            "systemd, or set rollback (for the roles: nat_rollback_seconds) to 0."
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
        remove(_script(owner))
        raise Unavailable(
            f"The timer that would undo the change of routes could not be started ({done.complaint}); correct this, "
            "or set rollback (for the roles: nat_rollback_seconds) to 0."
        )


def forget(owner: str, commands: Commands) -> bool:
    """Forget an earlier change, since a new one begins. Returns whether it was still pending."""
    pending = remove(_script(owner))
    _stop(owner, commands)
    remove(_undoing(owner))
    remove(_mark(owner))
    return pending


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
    if remove(_script(owner)):
        _stop(owner, commands)
    elif os.path.exists(_undoing(owner)) or os.path.exists(_mark(owner)):
        remove(_mark(owner))
        raise Interference(
            "The new return route was not confirmed in time and has been undone; check whether this host responds "
            "slowly over it, and run again with a larger rollback (for the roles: nat_rollback_seconds)."
        )
