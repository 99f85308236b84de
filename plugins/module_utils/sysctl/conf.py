# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of sysctl.d(5): ours for the next boot, and others that would override it. Pure."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Mapping

from .profiles import Setting, dotted, rank

# Of files with one name, the first of these folders wins.
FOLDERS = (
    "/etc/sysctl.d",
    "/run/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
    "/lib/sysctl.d",
)
MODULES_FOLDER = "/etc/modules-load.d"


def path(owner: str) -> str:
    """Where the settings of an owner are kept."""
    return f"{FOLDERS[0]}/90-lvs.cluster-{owner}.conf"


def modules_path(owner: str) -> str:
    """Where the modules are listed without which the settings are not there."""
    return f"{MODULES_FOLDER}/lvs.cluster-{owner}.conf"


def text(owner: str, desired: Iterable[Setting], values: Mapping[str, str]) -> str | None:
    """The file; None where nothing is desired. A value that was found and will do is kept at boot, too."""
    lines = set()
    for each in desired:
        value = each.value if each.pattern else values[each.name]
        # In the order in which they are written now: forwarding resets what comes before it.
        lines.add((rank(each.name), f"{each.pattern or each.name} = {value}"))
    if not lines:
        return None
    ordered = [line for _rank, line in sorted(lines)]
    return "\n".join([f"# Of lvs.cluster, for owner {owner}.", *ordered, ""])


def modules_text(owner: str, desired: Iterable[Setting]) -> str | None:
    """The list of modules; None where none is needed."""
    if not any(each.name.startswith("net.ipv4.vs.") for each in desired):
        return None
    return f"# Of lvs.cluster, for owner {owner}: without it there is no net.ipv4.vs.\nip_vs\n"


def assignments(content: str) -> list[tuple[str, str]]:
    """(name or pattern, value) of every line that sets something."""
    found = []
    for raw in content.splitlines():
        line = raw.strip()
        if not line or line[0] in "#;" or "=" not in line:
            continue
        name, _equals, value = line.partition("=")
        found.append((dotted(name.strip().lstrip("-").strip()), " ".join(value.split())))
    return found


def overrides(desired: Iterable[Setting], own: str, files: Mapping[str, str]) -> list[str]:
    """Sentences about files that at boot are read after ours and set one of our settings otherwise.

    :param own: our file's path.
    :param files: path to content of all files in FOLDERS.
    """
    in_force: dict[str, str] = {}
    for file in sorted(files, key=lambda file: FOLDERS.index(os.path.dirname(file))):
        in_force.setdefault(os.path.basename(file), file)
    found = []
    for name in sorted(in_force):
        if name <= os.path.basename(own):
            continue
        found += [
            f"{in_force[name]} is read after {own} at boot and sets {each.name} to {value}; remove it there."
            for pattern, value in assignments(files[in_force[name]])
            for each in desired
            if fnmatch.fnmatchcase(each.name, pattern) and not each.is_met(value)
        ]
    return found
