# SPDX-License-Identifier: GPL-3.0-or-later
"""What a layer found, counted; JUnit files, read; the summary. Pure, but for reading files."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Counts:
    """How many tests passed, failed and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    # The failed ones that have a name.
    failures: tuple[str, ...] = field(default=(), compare=False)

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
            (*self.failures, *other.failures),
        )

    @property
    def ran(self) -> int:
        return self.passed + self.failed

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


PASSED = Counts(passed=1)
FAILED = Counts(failed=1)


def outcome(code: int) -> Counts:
    """One test, which is a command that exits with this code."""
    return PASSED if code == 0 else FAILED


def total(counts: Iterable[Counts]) -> Counts:
    return sum(counts, Counts())


def parse_junit(text: str) -> Counts:
    """Count the test cases; one with several marks counts once, as what is worst of it."""
    counts = Counts()
    for case in ET.fromstring(text).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            name = f"{case.get('classname', '')}::{case.get('name', '')}"
            counts += Counts(failed=1, failures=(name,))
        elif case.find("skipped") is not None:
            counts += Counts(skipped=1)
        else:
            counts += PASSED
    return counts


def read_junit(path: Path) -> Counts:
    """What a JUnit file says. One that is cut off is a failure; one that is not there, nothing."""
    try:
        return parse_junit(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Counts()
    except ET.ParseError:
        return FAILED


def read_junit_folder(folder: Path) -> Counts:
    return total(read_junit(path) for path in sorted(folder.rglob("*.xml")))


def of_run(code: int, counts: Counts) -> Counts:
    """Counts that a command wrote; if it exits with an error, there is at least one failure."""
    return counts if code == 0 or counts.failed else counts + FAILED


@dataclass(frozen=True)
class LayerResult:
    """One layer's line in the summary."""

    name: str
    counts: Counts
    seconds: float
    notes: Sequence[str] = field(default=())

    @property
    def good(self) -> bool:
        return self.counts.failed == 0 and self.counts.ran > 0

    @property
    def remark(self) -> str:
        return "no test ran" if self.counts.ran == 0 else ""


def summary(results: Sequence[LayerResult]) -> str:
    """The table, and as the last line nothing but the sums."""
    rows = [["layer", "passed", "failed", "skipped", "seconds", ""]]
    for result in results:
        counts = result.counts
        numbers = (counts.passed, counts.failed, counts.skipped, round(result.seconds))
        rows.append([result.name, *map(str, numbers), result.remark])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
            + [row[-1]]
        ).rstrip()
        for row in rows
    ]
    for result in results:
        lines += [f"{result.name}: {note}" for note in result.notes]
        lines += [f"{result.name}: failed: {name}" for name in result.counts.failures]
    return "\n".join([*lines, "", str(total(result.counts for result in results))])
