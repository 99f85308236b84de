# SPDX-License-Identifier: GPL-3.0-or-later
"""One scenario a way of forwarding or a failure, on clusters of the lab's machines."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tools.env import ROOT
from tools.process import run as run_command
from tools.results import Counts, of_run, outcome, read_junit_folder, total

COMMAND = ("molecule", "test", "--scenario-name")


def scenarios() -> list[str]:
    """Every scenario but ``default``, which the others share and which tests nothing itself."""
    found = sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))
    return [name for name in found if name != "default"]


def run_scenario(name: str) -> Counts:
    """The scenario itself counts as one test, besides those that it reports."""
    with tempfile.TemporaryDirectory(prefix="lvs.cluster.") as folder:
        code = run_command([*COMMAND, name], environ={"LVS_JUNIT_DIR": folder})
        reported = read_junit_folder(Path(folder))
    return outcome(of_run(code, reported).failed) + reported


def run(_notes: list[str]) -> Counts:
    return total(run_scenario(name) for name in scenarios())
