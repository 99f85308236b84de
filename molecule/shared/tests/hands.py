# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a test removes or changes by hand: the watcher of a host would restore it within seconds."""

from __future__ import annotations

import contextlib

WATCHER = "lvs.cluster-watch"


@contextlib.contextmanager
def by_hand(lab, *names):
    """The hosts restore nothing meanwhile, and everything afterwards."""
    for name in names:
        lab.ssh(name, f"systemctl stop {WATCHER}")
    try:
        yield
    finally:
        for name in names:
            lab.ssh(name, f"/etc/lvs.cluster/restore; systemctl start {WATCHER}")
