# SPDX-License-Identifier: GPL-3.0-or-later
"""One scenario a way of forwarding or a failure, on clusters of the lab's machines."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tools.env import ROOT
from tools.process import run as run_command
from tools.results import Counts, of_run, outcome, read_junit_folder

# What there is time for every day: NAT, a cluster of all three methods with all its machines booted anew on the way,
# and two directors of which one fails.
DAILY = ("nat", "mixed", "ha")
REBOOTED = ("mixed",)
DRILLS = "ha"
# Files of the project that no scenario reads.
UNREAD = ("CONTRIBUTING.md", "changelogs", "docs", "tests/bench", "tests/kernel", "tests/unit")
COMMAND = ("molecule", "test", "--scenario-name")


def scenarios() -> list[str]:
    """Every scenario but ``default``, which tests nothing; last the one that takes longest."""
    found = (path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))
    return sorted(
        (name for name in found if name != "default"), key=lambda name: (name == DRILLS, name)
    )


def run_scenario(
    name: str, reboot: bool = True, changes: str = "all", release: str = "bookworm"
) -> Counts:
    """The scenario itself counts as one test, besides those that it reports.

    :param changes: which changes and failures are made: some or all.
    :param release: the Debian release of all machines.
    """
    with tempfile.TemporaryDirectory(prefix="lvs.cluster.") as folder:
        environ = {
            "LVS_JUNIT_DIR": folder,
            "LVS_REBOOT": "true" if reboot else "false",
            "LVS_CHANGES": changes,
            "LVS_LAB_RELEASE": release,
        }
        code = run_command([*COMMAND, name], environ=environ)
        reported = read_junit_folder(Path(folder))
    return outcome(of_run(code, reported).failed) + reported


def run(notes: list[str]) -> Counts:
    """What runs every day."""
    counts = Counts()
    for name in DAILY:
        began = time.monotonic()
        counts += run_scenario(name, name in REBOOTED, "some")
        notes.append(f"{name} took {time.monotonic() - began:.0f} s")
    return counts


def unread_by(name: str) -> tuple[str, ...]:
    """Files of the project that a scenario does not read: the others' folders, too."""
    return (*UNREAD, *(f"molecule/{other}" for other in scenarios() if other != name))
