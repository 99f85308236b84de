# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Entering a network namespace that ``ip netns`` made."""

from __future__ import annotations

import ctypes
import os

from ..errors import InvalidInput, Unavailable

FOLDER = "/run/netns"
_CLONE_NEWNET = 0x40000000


def enter(name: str) -> None:
    """Work in this network namespace from now on; sockets opened before stay where they are.

    :raises InvalidInput: there is none of that name.
    :raises Unavailable: the process may not enter it.
    """
    subject, remedy = f"the network namespace {name}", "'ip netns list' shows the existing ones"
    if not name or "/" in name or name in (".", ".."):
        raise InvalidInput(subject, "netns", name, "is not the name of a namespace", remedy)
    try:
        descriptor = os.open(os.path.join(FOLDER, name), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise InvalidInput(
            subject, "netns", name, "does not exist", f"add it with 'ip netns add {name}'; {remedy}"
        ) from None
    try:
        # os.setns came with Python 3.12.
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(descriptor, _CLONE_NEWNET) != 0:
            raise Unavailable(
                f"{subject} can't be entered ({os.strerror(ctypes.get_errno())}); "
                "run the task as root (become: true)."
            )
    finally:
        os.close(descriptor)
