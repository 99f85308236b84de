# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line, where no lab runs."""

from __future__ import annotations

import pytest

from lab import Lab, LabError
from lab.cli import main


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("LVS_CACHE", str(tmp_path))
    monkeypatch.delenv("LVS_LAB_NAME", raising=False)


def test_status_of_a_lab_that_does_not_run(capsys):
    assert main(["status"]) == 3
    assert "the lab quickstart is not running" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--name", "mine", "status"], ["status", "--name", "mine"]])
def test_the_name_comes_first_or_last(capsys, words):
    assert main(words) == 3
    assert "the lab mine is" in capsys.readouterr().out


def test_the_name_may_come_from_the_environment(capsys, monkeypatch):
    monkeypatch.setenv("LVS_LAB_NAME", "env")
    assert main(["status"]) == 3
    assert "the lab env is" in capsys.readouterr().out


def test_down_where_nothing_runs_is_no_error():
    assert main(["down"]) == 0


@pytest.mark.parametrize(
    "words",
    [["ssh", "rs1", "true"], ["inventory"], ["reset"], ["capture", "rs1"], ["freeze", "rs1"]],
)
def test_a_lab_that_does_not_run_is_told_with_the_remedy(capsys, words):
    assert main(words) == 1
    assert "start it with: python -m lab up" in capsys.readouterr().err


def test_a_name_that_cannot_be(capsys):
    assert main(["--name", "../x", "down"]) == 1
    assert "cannot name a lab" in capsys.readouterr().err


def test_open_tells_the_remedy():
    with pytest.raises(LabError, match="start it with: python -m lab --name other up"):
        Lab.open("other")


@pytest.mark.parametrize(
    "command",
    [
        *("up", "down", "reset", "status", "ssh", "inventory", "capture", "prune"),
        *("freeze", "thaw", "crash"),
    ],
)
def test_every_command_has_help(capsys, command):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert len(capsys.readouterr().out) > 200
