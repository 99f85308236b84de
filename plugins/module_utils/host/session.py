# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is on the other end of the SSH session that we run in: the only code that looks for it."""

from __future__ import annotations

import os


def connection() -> tuple[str, str] | None:
    """(the controller's address, this host's), or None where we run in no SSH session.

    sudo hides it from the environment, so that of our ancestors is looked at as well.
    """
    found = os.environ.get("SSH_CONNECTION")
    process = os.getppid()
    while not found and process > 1:
        found = _variable(process, "SSH_CONNECTION")
        process = _parent(process)
    words = (found or "").split()
    if len(words) != 4:
        return None
    return words[0].partition("%")[0], words[2].partition("%")[0]


def _variable(process: int, name: str) -> str:
    try:
        with open(f"/proc/{process}/environ", "rb") as file:
            pairs = file.read().split(b"\0")
    except OSError:
        return ""
    start = f"{name}=".encode()
    return next((pair[len(start) :].decode() for pair in pairs if pair.startswith(start)), "")


def _parent(process: int) -> int:
    try:
        with open(f"/proc/{process}/stat", encoding="ascii", errors="replace") as file:
            # The name in parentheses may hold anything.
            return int(file.read().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0
