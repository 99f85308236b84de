# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from tests.kernel.harness import ModuleFailed, run_module, sh


def look(**params):
    found = run_module("lvs_host_info", **params)
    assert not found["changed"]
    return found


def test_what_is_ours():
    assert (look()["owners"], look()["scripts"]) == ({}, [])
    run_module("lvs_vip", addresses=["198.51.100.10"], owner="web")
    run_module("ipvs_service", address="198.51.100.10", port=80)
    found = look()
    assert found["owners"] == {
        "default": {"ipvs_service": ["tcp 198.51.100.10:80"]},
        "web": {"address": ["-4 address 198.51.100.10/32 dev lo scope host"]},
    }
    assert found["scripts"] == ["70-addresses-web"]
    run_module("lvs_vip", state="absent", owner="web")


def test_what_is_missing():
    found = look(commands=["ip", "no-such"], libraries=["json", "nosuch"])
    assert (found["missing_commands"], found["missing_libraries"]) == (["no-such"], ["nosuch"])


def test_ways():
    sh("ip", "route", "add", "203.0.113.0/24", "via", "10.99.0.2")
    sh("ip", "route", "add", "unreachable", "203.0.113.128/25")
    try:
        ways = look(
            reach=["10.99.0.9", "203.0.113.1", "203.0.113.200", "2001:DB8::1", "127.0.0.1"]
        )["ways"]
    finally:
        sh("ip", "route", "del", "203.0.113.0/24")
        sh("ip", "route", "del", "unreachable", "203.0.113.128/25")
    own = {"interface": "eth1", "source": "10.99.0.1", "local": False}
    assert ways["10.99.0.9"] == {"gateway": None, **own}
    assert ways["203.0.113.1"] == {"gateway": "10.99.0.2", **own}
    assert (ways["203.0.113.200"], ways["2001:db8::1"]) == (None, None)
    assert ways["127.0.0.1"]["local"]
    with pytest.raises(ModuleFailed, match="reach='here': is not an IP address"):
        look(reach=["here"])
