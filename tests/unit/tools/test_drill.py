# SPDX-License-Identifier: GPL-3.0-or-later
"""Drills are run by name, and a wrong name runs nothing."""

from __future__ import annotations

import pytest

from tools import drill


@pytest.fixture
def ran(monkeypatch):
    """The commands that are run."""
    commands = []
    monkeypatch.setattr(drill, "run", lambda words, environ: commands.append((words, environ)) or 0)
    return commands


def test_one_is_run_by_its_name(ran):
    assert drill.main(["a_real_server_dies"]) == 0
    assert ran == [
        (
            ["molecule", "test", "--scenario-name", "ha"],
            {"LVS_TESTS": "a_real_server_dies", "LVS_REBOOT": "false"},
        )
    ]


def test_without_a_name_all_are_listed(ran, capsys):
    assert drill.main([]) == 0
    printed = capsys.readouterr().out
    assert "the_active_director_dies" in printed
    assert "a_rolling_update\n    Every real server is drained" in printed
    assert ran == []


def test_a_wrong_name_is_told(ran, capsys):
    assert drill.main(["a_real_server_dies", "the_moon_falls"]) == 2
    assert "There is no drill the_moon_falls; use one of these." in capsys.readouterr().out
    assert ran == []
