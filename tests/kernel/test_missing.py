# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts on which something is not installed yet: check mode still says what would be, a change says what to install."""

from __future__ import annotations

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.host import boot, commands
from tests.kernel.harness import VIP, ModuleFailed, our_files, run_module, saved

CASES = {
    "ipvs_table": ({"services": [{"address": VIP, "port": 80}], "at_boot": True}, "ipvsadm"),
    "ipvs_timeout": ({"tcp": 77, "at_boot": True}, "ipvsadm"),
    "ipvs_sync_daemon": ({"role": "master", "interface": "eth1", "at_boot": True}, "ipvsadm"),
    "iptables_masq": ({"networks": ["10.97.0.0/24"]}, "iptables"),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_command_that_is_missing(name, monkeypatch):
    params, command = CASES[name]
    before = saved()
    monkeypatch.setattr(boot, "_SEARCHED", "/nowhere")
    monkeypatch.setattr(commands, "SEARCHED", "/nowhere")
    assert run_module(name, check=True, **params)["changed"]
    with pytest.raises(ModuleFailed, match=f"lacks the package {command}"):
        run_module(name, **params)
    assert (saved(), our_files()) == (before, {})
