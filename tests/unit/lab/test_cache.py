# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache and the marks on processes."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import process
from lab.cache import cache_folder, make_key, publish, sweep
from lab.host import search_path
from lab.instance import in_parallel


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"LVS_CACHE": "/c", "XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/c"),
        ({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/lvs.cluster"),
        ({"HOME": "/h"}, "/h/.cache/lvs.cluster"),
        ({}, f"{pwd.getpwuid(os.getuid()).pw_dir}/.cache/lvs.cluster"),
    ],
)
def test_where_the_cache_is(monkeypatch, given, expected):
    for name in ("LVS_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(expected)


def test_the_folders_of_administration_are_searched_too(monkeypatch):
    monkeypatch.setenv("PATH", "/mine")
    assert search_path().startswith("/mine:")
    assert "/usr/sbin" in search_path().split(":")
    monkeypatch.delenv("PATH")
    assert "/usr/bin" in search_path().split(":")


def test_a_key_depends_on_every_part():
    keys = {make_key(a=1), make_key(a=2), make_key(b=1), make_key(a=1, b=1)}
    assert len(keys) == 4
    assert make_key(a=1, b=2) == make_key(b=2, a=1)


def test_an_entry_is_built_once(tmp_path):
    builds = []

    def build(folder: Path) -> None:
        builds.append(folder)
        (folder / "file").write_text("built")

    for _time in range(2):
        assert publish(tmp_path / "entry", build) == tmp_path / "entry"
    assert len(builds) == 1
    assert (tmp_path / "entry" / "file").read_text() == "built"


def test_what_fails_leaves_nothing(tmp_path):
    def build(folder: Path) -> None:
        (folder / "half").write_text("")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        publish(tmp_path / "entry", build)
    assert [path.name for path in tmp_path.iterdir()] == [".locks"]


def test_what_a_killed_builder_left_is_not_taken_for_built(tmp_path):
    leftover = tmp_path / "entry.building"
    leftover.mkdir()
    (leftover / "half").write_text("")
    child = process.start(["sleep", "60"], owner=leftover, role="x", log=tmp_path / "log")
    publish(tmp_path / "entry", lambda folder: None)
    assert child.wait(5) != 0
    assert not (tmp_path / "entry" / "half").exists()


def test_a_sweep_spares_what_is_being_built(tmp_path):
    (tmp_path / "images" / "dead.building").mkdir(parents=True)

    def build(folder: Path) -> None:
        sweep(tmp_path)
        assert folder.is_dir()

    publish(tmp_path / "images" / "alive", build)
    assert not (tmp_path / "images" / "dead.building").exists()


def test_only_marked_processes_are_ended(tmp_path):
    ours = process.start(["sleep", "60"], owner=tmp_path, role="ours", log=tmp_path / "log")
    other = process.start(
        ["sleep", "60"], owner=tmp_path / "other", role="other", log=tmp_path / "log"
    )
    try:
        assert [found.role for found in process.marked(tmp_path)] == ["ours"]
        assert process.stop(tmp_path) == 1
        assert ours.wait(5) != 0
        assert other.poll() is None
        assert process.marked(tmp_path) == []
    finally:
        other.kill()
        other.wait()


def test_who_does_not_listen_is_killed(tmp_path):
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print(1, flush=True); time.sleep(60)"
    )
    output = tmp_path / "output"
    child = process.start(
        [sys.executable, "-c", code], owner=tmp_path, role="x", log=tmp_path / "log", stdout=output
    )
    while not output.read_text():
        time.sleep(0.01)
    process.stop(tmp_path, grace=0.05)
    assert child.wait(5) == -9


def test_a_process_survives_its_starter(tmp_path):
    code = (
        f"from pathlib import Path; from lab import process; p = Path({str(tmp_path)!r});"
        "process.start(['sleep', '60'], owner=p, role='x', log=p / 'l')"
    )
    root = Path(process.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)
    assert process.stop(tmp_path) == 1


def test_one_failure_makes_the_others_give_up():
    given_up = []

    def work(item, cancelled):
        if item == "bad":
            raise RuntimeError("no")
        given_up.append(cancelled.wait(5))

    with pytest.raises(RuntimeError):
        in_parallel(["good", "bad"], work)
    assert given_up == [True]
