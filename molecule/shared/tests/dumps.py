# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Comparing what molecule/shared/dump.sh has said of a host at two moments."""

from __future__ import annotations

import difflib
import re

# Those of the kernel and its memory are not ours, and what is counted or drawn begins anew at a boot.
OF_A_BOOT = re.compile(r"^(kernel|vm)\.|^net\.core\.|^net\.ipv4\.(tcp|udp)_|^net\.netfilter\.")
# What the kernel measures of the machine may differ by a little between two boots.
MEASURED = re.compile(r"^(kernel|vm)\.[a-z_.]* = \d+$|^net\.ipv4\.(tcp|udp)_r?w?_?mem")


def difference(before, after, ignored):
    """The lines by which two dumps differ; empty where they are the same.

    :param ignored: a pattern of lines that do not count.
    """
    kept = ([line for line in lines if not ignored.match(line)] for lines in (before, after))
    return "\n".join(difflib.unified_diff(*kept, "before", "after", lineterm="", n=0))
