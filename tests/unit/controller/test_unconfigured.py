# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts a run has not configured: this decides whether a director may join, and what real servers lose."""

from __future__ import annotations

import pytest

from ansible_collections.lvs.cluster.plugins.filter.unconfigured import unconfigured

HOSTVARS = {
    "done": {"host_applied": {"changed": False}, "host_configured": True},
    "joins": {"host_applied": {"deferred": "joining"}},
    "active": {"host_applied": {"deferred": "active"}},
    "down": {"host_applied": {"unreachable": True}},
    "elsewhere": {},
}


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, ["joins", "active", "down", "elsewhere"]),
        ({"in_run": True}, ["joins", "active", "down"]),
        ({"joining": False}, ["active", "down", "elsewhere"]),
        ({"in_run": True, "joining": False}, ["active", "down"]),
    ],
)
def test_which_hosts_a_run_has_not_configured(options, found):
    assert unconfigured(HOSTVARS, HOSTVARS, **options) == found
