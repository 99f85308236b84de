# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel's settings as files below /proc/sys: the only code that reads or writes them.

A setting is called as sysctl.d(5) has it: words with dots between, and a slash for a dot within a word,
such as net.ipv4.conf.eth0/100.rp_filter.
"""

from __future__ import annotations

import glob
import os

ROOT = "/proc/sys"
IPVS = "net.ipv4.vs."


def _path(name: str) -> str:
    return os.path.join(ROOT, name.replace(".", "\0").replace("/", ".").replace("\0", "/"))


def read(name: str) -> str | None:
    """A setting's value, one blank between its words; None where the kernel has no such setting."""
    try:
        with open(_path(name), encoding="ascii", errors="replace") as file:
            return " ".join(file.read().split())
    except FileNotFoundError:
        return None


def write(name: str, value: str) -> None:
    """:raises OSError: the kernel refuses the value."""
    with open(_path(name), "w", encoding="ascii") as file:
        file.write(value)


def matching(pattern: str) -> dict[str, str]:
    """Every setting that the pattern (one * for a word) matches, with its value."""
    found = {}
    for path in sorted(glob.glob(_path(pattern))):
        words = os.path.relpath(path, ROOT).split("/")
        name = ".".join(word.replace(".", "/") for word in words)
        value = read(name)
        if value is not None:
            found[name] = value
    return found


def ipvs_is_loaded() -> bool:
    """Whether the settings of IPVS are there."""
    return os.path.isdir(_path(IPVS.rstrip(".")))
