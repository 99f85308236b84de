# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing conditions, and the log of what the tests have noticed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tools.env import ROOT
from tools.mutation import IO, PURE, Log, Mutant, candidates, changeable, judge_all, mutated

MUTANTS = [Mutant(Path("a.py"), number, ("tests",)) for number in range(5)]


@pytest.mark.parametrize(
    ("before", "number", "after"),
    [
        ("x = a == b", 0, "x = a != b"),
        ("x = a < b", 0, "x = a <= b"),
        ("x = a and b", 0, "x = a or b"),
        ("x = a if b else c", 0, "x = a if not b else c"),
        ("if a is None and b in c:\n    d", 2, "if a is not None and b in c:\n    d"),
    ],
)
def test_one_condition_is_changed(before, number, after):
    text, line, _shown = mutated(before, number)
    assert (text, line) == (after, 1)


def test_every_condition_can_be_changed():
    source = "if a is None and b in c:\n    d"
    changed = {
        mutated(source, number)[0] for number in range(len(list(changeable(ast.parse(source)))))
    }
    assert len(changed) == 4
    assert source not in changed


def test_files_and_tests_are_there_and_there_is_enough_to_change():
    for name in [*PURE, *IO, *(test for tests in PURE.values() for test in tests)]:
        assert (ROOT / name).exists(), name
    names = {str(mutant.path) for mutant in candidates()}
    assert not names & IO
    assert "plugins/module_utils/ipvs/request.py" in names
    assert len(candidates()) > 100


def test_an_interrupted_run_goes_on_where_it_was(tmp_path, monkeypatch):
    judged = []

    def survives(_copy, mutant):
        if len(judged) >= 3:
            raise KeyboardInterrupt
        judged.append(mutant)
        return "a.py:1: a" if mutant.number == 1 else ""

    monkeypatch.setattr("tools.mutation.survives", survives)
    path = tmp_path / "folder" / "log"
    with pytest.raises(KeyboardInterrupt):
        judge_all(MUTANTS, Log(path))
    before = list(judged)
    assert 0 < len(before) == len(Log(path).found) < len(MUTANTS)
    monkeypatch.setattr(
        "tools.mutation.survives", lambda _copy, mutant: judged.append(mutant) or ""
    )
    judge_all(MUTANTS, Log(path))
    assert sorted(mutant.number for mutant in judged) == [0, 1, 2, 3, 4]
    found = [Log(path).of(mutant) for mutant in MUTANTS]
    assert None not in found
    assert found.count("a.py:1: a") == (MUTANTS[1] in before)
