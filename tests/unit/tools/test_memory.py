# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from tools.memory import Memory
from tools.results import Counts, LayerResult


def test_what_has_passed_is_remembered_until_it_is_forgotten(tmp_path):
    memory = Memory(tmp_path / "passed" / "x.json")
    assert memory.recall("unit") is None
    result = LayerResult("unit", Counts(7, 0, 1), 12.5, ["a note"])
    memory.keep(result)
    memory.keep(LayerResult("lint", Counts(1), 1.0, []))
    assert memory.recall("unit") == result
    assert memory.recall("kernel") is None
    memory.forget()
    memory.forget()
    assert memory.recall("lint") is None


def test_other_files_are_another_state(tmp_path, monkeypatch):
    monkeypatch.setenv("LVS_CACHE", str(tmp_path))
    monkeypatch.setattr("tools.memory.ROOT", tmp_path)
    monkeypatch.setattr("tools.memory.files", lambda: ["a", "b"])
    (tmp_path / "a").write_text("one")
    (tmp_path / "b").symlink_to("a")
    before = Memory.of_these_files()
    assert Memory.of_these_files() == before
    (tmp_path / "a").write_text("two")
    assert Memory.of_these_files() != before


def test_a_damaged_memory_is_none(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("{")
    assert Memory(path).recall("unit") is None
