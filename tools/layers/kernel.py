# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules against a real IPVS. The tests bring their own machine up, and run inside it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tools.process import run as run_command
from tools.results import Counts, of_run, read_junit


def run(_notes: list[str]) -> Counts:
    return run_on(None)


def run_on(release: str | None) -> Counts:
    """On the kernel of a Debian release; of the usual one where none is given."""
    with tempfile.TemporaryDirectory(prefix="lvs.cluster.") as folder:
        junit = Path(folder) / "kernel.xml"
        of_release = {"LVS_LAB_RELEASE": release} if release else {}
        code = run_command(
            [sys.executable, "-m", "tests.kernel"], environ={"LVS_JUNIT": junit, **of_release}
        )
        return of_run(code, read_junit(junit))
