# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Drains that somebody may have forgotten."""

from __future__ import annotations

import pytest

from ansible_collections.lvs.cluster.plugins.plugin_utils.cluster.verification import old_drains

WEB = {"protocol": "tcp", "address": "198.51.100.10", "port": 80}


def checked(*ages, kind="table", service=None, address="10.0.0.1"):
    service = service or WEB
    server = {"address": address, "port": 80}
    drains = [{"service": service, "real_server": server, "age": age} for age in ages]
    return {"details": {kind: {"drains": drains}}}


@pytest.mark.parametrize("kind", ["table", "keepalived"])
def test_only_old_ones_are_told(kind):
    (sentence,) = old_drains(checked(100, 3600, kind=kind), 3600)
    assert sentence == (
        "real server 10.0.0.1:80 of service tcp 198.51.100.10:80 has been drained for 60 minutes. Restore it with "
        "lvs.cluster.restore, if it is ready"
    )


@pytest.mark.parametrize("found", [{}, {"details": None}, {"details": {"table": None}}, checked()])
def test_none(found):
    assert old_drains(found, 0) == []


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (0, "0 seconds"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (7199, "119 minutes"),
        (7200, "2 hours"),
        (172799, "47 hours"),
        (172800, "2 days"),
        (10**7, "115 days"),
    ],
)
def test_how_long(age, words):
    assert f"drained for {words}. " in old_drains(checked(age), 0)[0]


def test_marks_and_ipv6():
    service = {"fwmark": 7, "family": "ipv6"}
    (sentence,) = old_drains(checked(9, service=service, address="2001:db8::1"), 0)
    assert sentence.startswith("real server [2001:db8::1]:80 of service fwmark 7 ipv6 has")
