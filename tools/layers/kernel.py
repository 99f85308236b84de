# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules against a real IPVS. The tests bring their own machine up, and run inside it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tools.process import Begun, begin
from tools.results import Counts, of_run, read_junit


class Tests:
    """The tests on one kernel, begun. They take long and keep one processor busy, so that they begin early, beside
    other layers; what they print is shown when it is their turn."""

    def __init__(self, release: str | None = None) -> None:
        """:param release: the Debian release whose kernel it is; the usual one where none is given."""
        self._folder = tempfile.TemporaryDirectory(prefix="lvs.cluster.")
        self._junit = Path(self._folder.name) / "kernel.xml"
        of_release = {"LVS_LAB_RELEASE": release} if release else {}
        self._begun: Begun = begin(
            [sys.executable, "-m", "tests.kernel"],
            Path(self._folder.name) / "output",
            environ={"LVS_JUNIT": self._junit, **of_release},
        )

    def counts(self) -> Counts:
        """Show what is printed until they end, and count."""
        try:
            return of_run(self._begun.show(), read_junit(self._junit))
        finally:
            self.end()

    def end(self) -> None:
        """End them, wherever they are."""
        self._begun.end()
        self._folder.cleanup()


def run_on(release: str | None) -> Counts:
    """From beginning to end."""
    return Tests(release).counts()
