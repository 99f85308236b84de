# SPDX-License-Identifier: GPL-3.0-or-later
"""The folders of molecule's scenarios."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tools.env import ROOT
from tools.layers.molecule import DAILY, REBOOTED, scenarios
from tools.test import FULL, USUAL

MOLECULE, EXAMPLES = ROOT / "molecule", ROOT / "examples"


def inventory(folder: Path) -> dict[str, Path]:
    """The files of an inventory: by name, where they really are."""
    root = folder / "inventory"
    return {
        str(path.relative_to(root)): path.resolve() for path in root.rglob("*") if path.is_file()
    }


def test_every_scenario_is_run_whole_by_a_full_run():
    assert set(DAILY) <= set(scenarios())
    assert set(REBOOTED) <= set(DAILY)
    assert {f"molecule-{name}" for name in scenarios()} <= {layer.name for layer in FULL}


@pytest.mark.parametrize("layer", [*USUAL, *FULL], ids=lambda layer: layer.name)
def test_what_a_layer_does_not_read_is_there(layer):
    """A folder of another name would be one that the layer reads."""
    assert all((ROOT / name).exists() for name in layer.unread)
    if layer.name.startswith("molecule-"):
        assert "/".join(layer.name.split("-")[:2]) not in layer.unread


@pytest.mark.parametrize("name", scenarios())
def test_a_scenario_has_its_machines_its_description_and_its_tests(name):
    folder = MOLECULE / name
    assert yaml.safe_load((folder / "molecule.yml").read_text())["scenario"]["name"] == name
    machines = yaml.safe_load((folder / "topology.yml").read_text())["nodes"]
    groups = yaml.safe_load((folder / "inventory" / "hosts.yml").read_text())
    for group, declared in groups.items():
        of_lab = {host for host, node in machines.items() if group in node.get("groups", [])}
        assert set(declared["hosts"]) == of_lab
    assert list((folder / "tests").glob("test_*.py"))


@pytest.mark.parametrize("name", [name for name in scenarios() if (EXAMPLES / name).exists()])
def test_the_description_of_a_scenario_is_the_example_of_that_name(name):
    """File by file: links to folders are not for collections."""
    assert inventory(MOLECULE / name) == inventory(EXAMPLES / name)
