# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.host.options import filled

ITEM = {"name": {"type": "str"}, "port": {"type": "int", "default": 80}}
SPEC = {
    "mode": {"type": "str", "default": "policy"},
    "plain": {"type": "dict", "default": {}},
    "one": {"type": "dict", "options": ITEM},
    "many": {"type": "list", "elements": "dict", "options": ITEM, "default": []},
}


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ({}, {}),
        ({"mode": None}, {}),
        ({"mode": ""}, {"mode": ""}),
        ({"unknown": 1}, {}),
        ({"plain": {"x": None}}, {"plain": {"x": None}}),
        ({"one": {"name": "a"}}, {"one": {"name": "a", "port": 80}}),
        ({"one": {"port": 0}}, {"one": {"name": None, "port": 0}}),
        (
            {"many": [{}, {"port": 1}]},
            {"many": [{"name": None, "port": 80}, {"name": None, "port": 1}]},
        ),
        # What can't be is left for those who check it.
        ({"one": "text"}, {"one": "text"}),
        ({"many": "text"}, {"many": "text"}),
    ],
)
def test_options_are_as_given_or_their_default(given, changed):
    assert filled(given, SPEC) == {
        "mode": "policy",
        "plain": {},
        "one": None,
        "many": [],
        **changed,
    }
