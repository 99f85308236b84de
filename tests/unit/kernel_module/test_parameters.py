# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.kernel_module.parameters import (
    check,
    contradictions,
    diff,
    load_path,
    path,
    pending,
    text,
)


@pytest.mark.parametrize("bits", ["8", "12", "20", "27"])
def test_sizes_of_the_connection_table(bits):
    check("ip_vs", {"conn_tab_bits": bits})


@pytest.mark.parametrize("bits", ["7", "28", "-8", "1e1", "8²", "٨", "12.0"])
def test_what_is_no_size_of_the_connection_table(bits):
    with pytest.raises(InvalidInput, match="from 8 to 27"):
        check("ip_vs", {"conn_tab_bits": bits})
    # It is ip_vs's alone.
    check("other", {"conn_tab_bits": bits})


@pytest.mark.parametrize(
    ("name", "params", "words"),
    [
        ("ip vs", {}, "'ip vs': is not a name"),
        ("", {}, "is not a name"),
        ("ip_vs", {"conn-tab": "1"}, "params='conn-tab': is not a name"),
        ("ip_vs", {"a\nb": "1"}, "is not a name"),
        ("ip_vs", {"ports": ""}, "ports='': is not a value"),
        ("ip_vs", {"ports": "21 22"}, "ports='21 22': is not a value"),
        ("ip_vs", {"ports": "21\ninstall x y"}, "is not a value"),
        ("ip_vs", {"ports": "21#"}, "is not a value"),
    ],
)
def test_what_would_break_the_file(name, params, words):
    with pytest.raises(InvalidInput, match=words):
        check(name, params)


def test_the_files():
    assert path("web", "ip_vs") == "/etc/modprobe.d/lvs.cluster-web-ip_vs.conf"
    assert load_path("web", "ip_vs") == "/etc/modules-load.d/lvs.cluster-web-ip_vs.conf"
    assert text("web", "ip_vs", {}) is None
    assert text("web", "ip_vs", {"b": "2", "a": "1"}).endswith("\noptions ip_vs a=1 b=2\n")


@pytest.mark.parametrize(
    ("verb", "before", "after"),
    [("load", "", "ip_vs\n"), ("unload", "ip_vs\n", ""), ("write", "", "")],
)
def test_the_diff_shows_modules_that_come_and_go(verb, before, after):
    found = diff("ip_vs", verb)
    assert (found["before"], found["after"]) == (before, after)


def test_what_waits_for_the_module_to_be_loaded_anew():
    in_force = {"conn_tab_bits": "12\n", "other": None}
    assert pending({"conn_tab_bits": "12", "other": "1"}, in_force) == {}
    assert pending({"conn_tab_bits": "14"}, in_force) == {"conn_tab_bits": "12\n"}
    # One that is no longer set still is in force.
    assert pending({}, in_force) == {"conn_tab_bits": "12\n"}


def test_other_files_that_set_the_same_otherwise():
    others = {
        "/etc/modprobe.d/b.conf": "options ip_vs conn_tab_bits=16 other=1\n",
        "/etc/modprobe.d/a.conf": "options  ip_vs conn_tab_bits=15\noptions ip_vs conn_tab_bits=14\n",
        "/etc/modprobe.d/c.conf": "options nf_conntrack conn_tab_bits=15\nalias ip_vs conn_tab_bits=9\n",
    }
    found = contradictions("ip_vs", {"conn_tab_bits": "14"}, others)
    assert [each.partition(" for ")[0] for each in found] == [
        "/etc/modprobe.d/a.conf also sets conn_tab_bits=15",
        "/etc/modprobe.d/b.conf also sets conn_tab_bits=16",
    ]
