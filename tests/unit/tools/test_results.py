# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from tools.results import (
    FAILED,
    PASSED,
    Counts,
    LayerResult,
    of_run,
    parse_junit,
    read_junit,
    read_junit_folder,
    summary,
)

JUNIT = """<?xml version="1.0"?>
<testsuites><testsuite name="one">
<testcase name="a"/><testcase name="b"><failure>no</failure></testcase>
<testcase name="c"><skipped/></testcase><testcase name="d"><error>no</error></testcase>
</testsuite><testsuite name="two"><testcase name="e"/></testsuite>
</testsuites>"""


def test_junit_counts_every_suite() -> None:
    assert parse_junit(JUNIT) == Counts(passed=2, failed=2, skipped=1)


def test_what_failed_is_known_by_its_name() -> None:
    text = '<testsuite><testcase classname="tests.a" name="b"><failure/></testcase></testsuite>'
    counts = PASSED + parse_junit(text)
    assert counts.failures == ("tests.a::b",)
    assert "kernel: failed: tests.a::b" in summary([LayerResult("kernel", counts, 1.0)])


def test_a_case_with_failure_and_error_counts_once() -> None:
    text = "<testsuite><testcase><failure/><error/></testcase></testsuite>"
    assert parse_junit(text) == FAILED


def test_no_file_is_no_test(tmp_path: Path) -> None:
    assert read_junit(tmp_path / "absent.xml") == Counts()


def test_a_file_that_is_cut_off_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "cut.xml").write_text(JUNIT[:80])
    assert read_junit(tmp_path / "cut.xml") == FAILED


def test_a_folder_is_the_sum_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "one.xml").write_text(JUNIT)
    (tmp_path / "sub" / "two.xml").write_text(JUNIT)
    assert read_junit_folder(tmp_path) == Counts(4, 4, 2)


@pytest.mark.parametrize(
    ("code", "counts", "expected"),
    [
        pytest.param(0, Counts(3), Counts(3), id="all well"),
        pytest.param(1, Counts(3, 1), Counts(3, 1), id="the failure is known"),
        pytest.param(2, Counts(3), Counts(3, 1), id="failed, and no test says so"),
        pytest.param(2, Counts(), FAILED, id="did not start"),
    ],
)
def test_the_exit_code_is_heard(code: int, counts: Counts, expected: Counts) -> None:
    assert of_run(code, counts) == expected


def test_a_layer_that_ran_nothing_is_not_good() -> None:
    assert not LayerResult("unit", Counts(skipped=5), 1.0).good
    assert LayerResult("unit", PASSED, 1.0).good
    assert not LayerResult("unit", Counts(9, 1), 1.0).good


def test_the_summary_ends_with_the_sums() -> None:
    results = [
        LayerResult("lint", Counts(10, 0, 1), 12.4, ["something was skipped"]),
        LayerResult("kernel", Counts(), 0.2),
    ]
    assert summary(results).splitlines() == [
        "layer   passed  failed  skipped  seconds",
        "lint        10       0        1       12",
        "kernel       0       0        0        0  no test ran",
        "lint: something was skipped",
        "",
        "10 passed, 0 failed, 1 skipped",
    ]
