# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules against a real IPVS. The tests bring their own machine up, and run inside it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tools.process import Begun, begin
from tools.results import Counts, of_run, read_junit, total

# Each part of the tests keeps one processor busy. More machines at once would make the slow ones late.
PARTS = 2

# Versions of kernels, and the releases of Debian that have them. The first is the usual one.
KERNELS = (("6.1", "12", "bookworm"), ("6.12", "13", "trixie"), ("7.2", "14", "forky"))

# Files of the project that no test of it reads, and nothing that brings its machines up.
UNREAD = (
    *("README.md", "CONTRIBUTING.md", "changelogs", "docs", "examples", "molecule", "playbooks"),
    *("roles", "tests/bench", "tests/unit"),
)


class Tests:
    """The tests on one kernel, begun, each part of them in a machine of its own.

    They take long, so that they begin early, beside other layers; what they print is shown when it is their turn.
    """

    def __init__(self, release: str | None = None) -> None:
        """:param release: the Debian release whose kernel it is; where none is given, the usual one, and without the
        tests that take long.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="lvs.cluster.")
        self._begun: list[tuple[Begun, Path]] = []
        for number in range(1, PARTS + 1):
            junit = Path(self._folder.name) / f"kernel-{number}.xml"
            environ: dict[str, str | Path] = {
                "LVS_JUNIT": junit,
                "LVS_KERNEL_PART": f"{number}/{PARTS}",
            }
            if release:
                environ["LVS_LAB_RELEASE"] = release
            begun = begin(
                [sys.executable, "-m", "tests.kernel", *(() if release else ("-m", "not long"))],
                Path(self._folder.name) / f"output-{number}",
                environ=environ,
            )
            self._begun.append((begun, junit))

    def counts(self) -> Counts:
        """Show what is printed until they end, and count."""
        try:
            return total(of_run(begun.show(), read_junit(junit)) for begun, junit in self._begun)
        finally:
            self.end()

    def end(self) -> None:
        """End them, wherever they are."""
        for begun, _junit in self._begun:
            begun.end()
        self._folder.cleanup()


def run_on(release: str | None) -> Counts:
    """From beginning to end."""
    return Tests(release).counts()
