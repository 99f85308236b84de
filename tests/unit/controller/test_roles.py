# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Roles' argument specs, defaults, tasks and documentation agree with the one table of variables."""

from __future__ import annotations

import pathlib
import re

import pytest
import yaml

from ansible_collections.lvs.cluster.plugins.plugin_utils.cluster.health import TYPES_OF, Check
from ansible_collections.lvs.cluster.plugins.plugin_utils.cluster.variables import (
    OTHERS,
    SHARED,
    VARIABLES,
)
from ansible_collections.lvs.cluster.plugins.plugin_utils.cluster.words import (
    HEALTH_CHECK_SPEC,
    MATCH_SPEC,
    ONE_OR_MORE,
    REAL_SERVER_SPEC,
    SERVICE_SPEC,
    SORRY_SERVER_SPEC,
)

ROOT = pathlib.Path(__file__).resolve().parents[3]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())
TEXT = (ROOT / "docs" / "description.md").read_text()


def specs(role):
    text = (ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text()
    return yaml.safe_load(text)["argument_specs"]


def options(role):
    return specs(role)["main"]["options"]


def defaults(role):
    path = ROOT / "roles" / role / "defaults" / "main.yml"
    return yaml.safe_load(path.read_text()) if path.exists() else {}


def section(title):
    """(option, default) of each line of a table in the documentation."""
    body = TEXT.partition(f"## {title}\n")[2].partition("\n## ")[0]
    found = {}
    for line in body.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for name in re.findall(r"`([a-z0-9_]+)`", cells[0]):
            found[name] = cells[1] if len(cells) > 2 else None
    return found


def test_preflight_documents_every_shared_variable_and_no_other_role_does():
    shared = {name for name in VARIABLES if name.startswith(SHARED)}
    assert {name for name in options("preflight") if name.startswith(SHARED)} == shared
    for role in ROLES:
        if role != "preflight":
            assert not [name for name in options(role) if name.startswith(SHARED)], role


@pytest.mark.parametrize("name", [name for name in VARIABLES if not name.startswith(SHARED)])
def test_a_role_documents_its_variables_as_the_table_has_them(name):
    variable = VARIABLES[name]
    found = options(variable.role)[name]
    kind = "list" if variable.spec["type"] == ONE_OR_MORE else variable.spec["type"]
    assert found["type"] == kind
    assert found["default"] == variable.default
    assert found.get("choices") == variable.spec.get("choices")


@pytest.mark.parametrize("role", ROLES)
def test_variables_of_a_role_bear_its_name_and_only_roles_own_ones_have_defaults_there(role):
    own = [name for name in options(role) if not name.startswith(SHARED)]
    assert all(name.startswith(f"{role}_") for name in own)
    assert set(own) == {
        *defaults(role),
        *(name for name in VARIABLES if VARIABLES[name].role == role),
    }
    assert {name: options(role)[name]["default"] for name in defaults(role)} == defaults(role)
    # A default there would be taken for a value that counts for all hosts.
    assert not set(defaults(role)) & set(VARIABLES)


@pytest.mark.parametrize("role", ROLES)
def test_every_entry_point_has_tasks(role):
    files = {path.stem for path in (ROOT / "roles" / role / "tasks").glob("*.yml")}
    assert set(specs(role)) <= files


@pytest.mark.parametrize("role", ROLES)
def test_tasks_use_what_is_declared(role):
    folder = ROOT / "roles" / role / "tasks"
    text = "".join(path.read_text() for path in folder.glob("*.yml"))
    made = set(re.findall(r"register: (\w+)", text))
    # Variables of a single task, and facts that a task sets.
    made |= set(re.findall(rf"^ +({role}_\w+):", text, re.MULTILINE))
    used = set(re.findall(rf"\b((?:lvs|{role})_\w+)\b", text)) - made
    modules = {path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")}
    groups = {"lvs_directors", "lvs_real_servers"}
    assert used - modules - groups - set(options(role)) - set(VARIABLES) - OTHERS == set()


@pytest.mark.parametrize("role", ROLES)
def test_a_role_says_what_it_was_tested_on(role):
    found = yaml.safe_load((ROOT / "roles" / role / "meta" / "main.yml").read_text())
    assert {each["name"] for each in found["galaxy_info"]["platforms"]} == {"Debian"}


def test_the_documentation_has_every_shared_variable():
    shared = {name for name in VARIABLES if name.startswith(SHARED)}
    assert set(section("The cluster")) == shared


def test_the_documentation_has_every_variable_of_a_role_with_its_default():
    found = section("Variables of one role")
    internal = {"host_defer", "host_methods", "host_prune", "host_unprepared", "preflight_methods"}
    declared = {
        name: option
        for role in ROLES
        for name, option in options(role).items()
        if not name.startswith(SHARED) and name not in internal
    }
    assert set(found) == set(declared)
    for name, option in declared.items():
        assert yaml.safe_load(found[name].strip("`")) == option["default"], name


def test_the_documentation_has_the_default_of_every_option_of_a_health_check():
    body = TEXT.partition("\n## A health check\n")[2].partition("\n## ")[0]
    rows = [[cell.strip(" `") for cell in line.split("|")[1:]] for line in body.splitlines()]
    default = {cells[0]: cells[2] for cells in rows if len(cells) > 4}
    for name in ("interval", "timeout", "retries", "retry_delay"):
        assert float(default[name]) == getattr(Check, name)
    assert default["path"] == Check.path
    assert default["status"] == ",".join(Check.status)
    assert default["record"].upper() == Check.record
    for name, types in TYPES_OF.items():
        (cells,) = (cells for cells in rows if cells and cells[0] == name)
        assert re.findall(r"\w+", cells[1]) == list(types)


def test_the_documentation_has_every_option_of_a_service_and_of_a_real_server():
    assert set(section("A service")) == set(SERVICE_SPEC)
    assert set(section("A real server")) == set(REAL_SERVER_SPEC)
    assert set(section("A health check")) == set(HEALTH_CHECK_SPEC)
    assert all(f"`{name}`" in TEXT for name in (*MATCH_SPEC, *SORRY_SERVER_SPEC))
