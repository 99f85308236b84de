# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Roles' argument specs, defaults, tasks and documentation agree with each other."""

from __future__ import annotations

import pathlib
import re

import pytest
import yaml

from ansible_collections.lvs.cluster.plugins.module_utils.cluster.words import (
    REAL_SERVER_SPEC,
    SERVICE_SPEC,
)

ROOT = pathlib.Path(__file__).resolve().parents[3]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())
TEXT = (ROOT / "docs" / "description.md").read_text()


def specs(role):
    text = (ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text()
    return yaml.safe_load(text)["argument_specs"]


def defaults(role):
    path = ROOT / "roles" / role / "defaults" / "main.yml"
    return yaml.safe_load(path.read_text()) if path.exists() else {}


def shared(role):
    return {k: v for k, v in specs(role)["main"]["options"].items() if k.startswith("lvs_")}


def own(role):
    return {k: v for k, v in specs(role)["main"]["options"].items() if not k.startswith("lvs_")}


def section(title):
    """(option, default) of each line of a table in the documentation."""
    body = TEXT.partition(f"## {title}\n")[2].partition("\n## ")[0]
    found = {}
    for line in body.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for name in re.findall(r"`([a-z0-9_]+)`", cells[0]):
            found[name] = cells[1] if len(cells) > 2 else None
    return found


@pytest.mark.parametrize("role", ROLES)
def test_every_role_declares_all_shared_variables_alike_and_has_no_default_for_them(role):
    assert shared(role) == shared("preflight")
    assert not [name for name in defaults(role) if name.startswith("lvs_")]
    assert not any("default" in option for option in shared(role).values())


@pytest.mark.parametrize("role", ROLES)
def test_variables_of_one_role_bear_its_name_and_have_the_declared_default(role):
    assert all(name.startswith(f"{role}_") for name in own(role))
    assert {name: option["default"] for name, option in own(role).items()} == defaults(role)


@pytest.mark.parametrize("role", ROLES)
def test_every_entry_point_takes_the_same(role):
    files = {path.stem for path in (ROOT / "roles" / role / "tasks").glob("*.yml")}
    for entry, spec in specs(role).items():
        assert entry in files
        assert spec["options"] == specs(role)["main"]["options"]


@pytest.mark.parametrize("role", ROLES)
def test_tasks_use_what_is_declared(role):
    folder = ROOT / "roles" / role / "tasks"
    text = "".join(path.read_text() for path in folder.glob("*.yml"))
    registered = set(re.findall(r"register: (\w+)", text)) | {
        "preflight_part",
        "preflight_variables",
    }
    # Variables of a single task, and facts that a task sets.
    registered |= set(re.findall(rf"^ +({role}_\w+):", text, re.MULTILINE))
    used = set(re.findall(rf"\b((?:lvs|{role})_\w+)\b", text)) - registered
    known = set(specs(role)["main"]["options"])
    modules = {path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")}
    groups = {"lvs_directors", "lvs_real_servers"}
    assert used - modules - groups - known == set()


def test_the_documentation_has_every_shared_variable():
    assert set(section("The cluster")) == set(shared("preflight"))


def test_the_documentation_has_every_variable_of_a_role_with_its_default():
    found = section("Variables of one role")
    declared = {name: option for role in ROLES for name, option in own(role).items()}
    assert set(found) == set(declared)
    for name, option in declared.items():
        assert yaml.safe_load(found[name].strip("`")) == option["default"], name


def test_the_documentation_has_every_option_of_a_service_and_of_a_real_server():
    assert set(section("A service")) == set(SERVICE_SPEC)
    assert set(section("A real server")) == set(REAL_SERVER_SPEC)
