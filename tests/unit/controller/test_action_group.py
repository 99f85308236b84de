# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action group holds the modules that have an owner, because its defaults are passed to every module in it."""

from __future__ import annotations

import importlib
import pathlib

import pytest
import yaml

from ansible_collections.lvs.cluster.plugins.doc_fragments.lvs import ModuleDocFragment

ROOT = pathlib.Path(__file__).resolve().parents[3]
FRAGMENTS = "lvs.cluster.lvs"
GROUP = "lvs.cluster.lvs"
MODULES = sorted(file.stem for file in (ROOT / "plugins" / "modules").glob("*.py"))
RUNTIME = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())


def module(name):
    return importlib.import_module(f"ansible_collections.lvs.cluster.plugins.modules.{name}")


def documented(name, part):
    """What a module's documentation has in one part, that of its fragments included."""
    documentation = yaml.safe_load(module(name).DOCUMENTATION)
    found = dict(documentation.get(part, {}))
    for fragment in documentation.get("extends_documentation_fragment", []):
        attribute = fragment[len(FRAGMENTS) :].lstrip(".").upper() or "DOCUMENTATION"
        text = getattr(ModuleDocFragment, attribute)
        found.update(yaml.safe_load(text).get(part, {}))
    return found


def test_the_group_holds_every_module_that_has_an_owner():
    owned = {name for name in MODULES if "owner" in module(name).argument_spec()}
    assert set(RUNTIME["action_groups"]["lvs"]) == owned
    assert {"lvs_host", "ipvs_service"} <= owned < set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_the_documentation_agrees(name):
    owned = "owner" in module(name).argument_spec()
    assert ("owner" in documented(name, "options")) == owned
    group = documented(name, "attributes").get("action_group", {})
    assert group.get("membership", []) == ([GROUP] if owned else [])


@pytest.mark.parametrize("name", MODULES)
def test_the_documentation_has_all_options(name):
    assert set(documented(name, "options")) == set(module(name).argument_spec())
