# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Loading modules into the kernel, and taking them out: the only code that runs modprobe."""

from __future__ import annotations

import os

from ..errors import Unavailable
from ..host.commands import Commands


def is_loaded(name: str) -> bool:
    """Whether the running kernel has it, as a module or built in with something to be seen."""
    return os.path.isdir(f"/sys/module/{name}")


def load(name: str, needed_by: str, commands: Commands) -> None:
    """:param needed_by: the beginning of the sentence if it fails, such as ``Tunnels need``.
    :raises Unavailable: it can't be loaded.
    """
    modprobe = commands.find("modprobe")
    problem = commands.run([modprobe, name]).complaint if modprobe else "there is no modprobe"
    if problem:
        raise Unavailable(
            f"{needed_by} the kernel module {name}, and it could not be loaded ({problem}); install the kernel "
            "package that holds it and boot that kernel."
        )


def unload(name: str, commands: Commands) -> None:
    """Take it out, with what it has brought; one that somebody uses stays."""
    modprobe = commands.find("modprobe")
    if modprobe:
        commands.run([modprobe, "--remove", name])
