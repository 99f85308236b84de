# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from tools.memory import Memory, state_of_files
from tools.results import Counts, LayerResult


def test_what_has_passed_is_remembered_until_it_is_forgotten(tmp_path):
    memory = Memory(tmp_path / "passed")
    assert memory.recall("unit", "a") is None
    result = LayerResult("unit", Counts(7, 0, 1), 12.5, ["a note"])
    memory.keep(result, "a")
    memory.keep(LayerResult("lint", Counts(1), 1.0, []), "a")
    assert memory.recall("unit", "a") == result
    assert memory.recall("unit", "b") is None
    assert memory.recall("kernel", "a") is None
    memory.forget("unit", "a")
    memory.forget("unit", "a")
    assert memory.recall("unit", "a") is None
    assert memory.recall("lint", "a") is not None


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Some files of a project."""
    monkeypatch.setattr("tools.memory.ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a").write_text("one")
    (tmp_path / "docs-too").write_text("one")
    (tmp_path / "link").symlink_to("docs/a")
    names = [Path("docs/a"), Path("docs-too"), Path("link")]
    monkeypatch.setattr("tools.memory.files", lambda: names)
    return tmp_path


@pytest.mark.parametrize("name", ["docs/a", "docs-too"])
def test_other_files_are_another_state(name, checkout):
    before = state_of_files()
    assert state_of_files() == before
    (checkout / name).write_text("two")
    assert state_of_files() != before


def test_a_link_that_leads_elsewhere_is_another_state(checkout):
    before = state_of_files()
    (checkout / "link").unlink()
    (checkout / "link").symlink_to("docs-too")
    assert state_of_files() != before


def test_what_a_layer_does_not_read_does_not_count(checkout):
    before = state_of_files(["docs"])
    (checkout / "docs" / "a").write_text("two")
    assert state_of_files(["docs"]) == before
    (checkout / "docs-too").write_text("two")
    assert state_of_files(["docs"]) != before
    assert state_of_files(["docs", "docs-too"]) != before


def test_a_damaged_memory_is_none(tmp_path):
    (tmp_path / "unit-a.json").write_text("{")
    assert Memory(tmp_path).recall("unit", "a") is None
