# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of this collection's is on a host, what it needs there and lacks, and how packets leave: looked at only."""

from __future__ import annotations

import glob
import importlib.util
import json
import os
from collections.abc import Iterable
from typing import Any

from . import store
from .commands import Commands
from .errors import Unavailable
from .manifest import Manifest


def owners(directory: str = store.DIRECTORY) -> dict[str, dict[str, list[str]]]:
    """Owner to kind of object to the names of what is its.

    :raises StateError: a manifest can't be understood.
    """
    found = {}
    for path in sorted(glob.glob(os.path.join(directory, "*.json"))):
        with open(path, encoding="utf-8") as file:
            manifest = Manifest.from_json(file.read(), path)
        found[manifest.owner] = {kind: sorted(names) for kind, names in manifest.claims.items()}
    return found


def missing_commands(names: Iterable[str]) -> list[str]:
    return [name for name in names if Commands.find(name) is None]


def missing_libraries(names: Iterable[str]) -> list[str]:
    """Of Python; without importing them, which may take long."""
    return [name for name in names if importlib.util.find_spec(name) is None]


def way(address: str, commands: Commands) -> dict[str, Any] | None:
    """How a packet to an address leaves this host: gateway, interface and source; None where it can't.

    :raises Unavailable: the host has no ``ip``.
    """
    ip = commands.find("ip")
    if ip is None:
        raise Unavailable("The command ip is not on this host; install the package iproute2.")
    done = commands.run([ip, "-json", "route", "get", address])
    try:
        (found, *_rest) = json.loads(done.output)
    except ValueError:
        return None
    if found.get("type") in ("unreachable", "blackhole", "prohibit"):
        return None
    return {
        "gateway": found.get("gateway"),
        "interface": found.get("dev"),
        "source": found.get("prefsrc"),
        "local": found.get("type") == "local",
    }
