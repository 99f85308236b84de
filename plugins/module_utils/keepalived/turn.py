# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""In which order the directors of a cluster are changed, as each can tell for itself. Pure.

Backups come first, and the one that has the addresses last: if a change is bad, it is found out while the service
does not depend on it. A director that joins comes after the one that has the addresses, which only speaks to it then;
before, the new one would hear nobody, and take the addresses too.

The order is the same when keepalived is removed: from backups first, so that none is left that could take over the
addresses that the active director keeps. A director that will have the addresses without keepalived comes after the one
that gives them up.
"""

from __future__ import annotations

ACTIVE, JOINING = "active", "joining"


def waits_as(runs: bool, holds: bool, others_hold: bool, takes: bool = False) -> str:
    """Why a director lets the others go first; empty where it does not.

    :param runs: whether keepalived runs here in our name.
    :param holds: whether this host has floating addresses.
    :param others_hold: whether another machine answers for one.
    :param takes: whether this host will have the addresses without keepalived.
    """
    if runs and holds:
        return ACTIVE
    comes = takes or not runs
    return JOINING if comes and others_hold and not holds else ""
