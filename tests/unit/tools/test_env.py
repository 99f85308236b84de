# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tools import env

Install = Callable[[str], Path]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Put an executable somewhere below a folder of this test."""

    def make(name: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A machine with no Python at all."""
    monkeypatch.setattr(env, "_FOLDERS", ())
    return {"HOME": str(tmp_path), "PATH": str(tmp_path / "bin")}


def test_the_cache_is_where_it_is_said_to_be() -> None:
    given = {"LVS_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}
    assert env.cache_folder(given) == Path("/a")
    del given["LVS_CACHE"]
    assert env.cache_folder(given) == Path("/b/lvs.cluster")
    del given["XDG_CACHE_HOME"]
    assert env.cache_folder(given) == Path("/c/.cache/lvs.cluster")


def test_without_home_the_cache_is_below_the_users_own() -> None:
    folder = env.cache_folder({})
    assert folder.is_absolute()
    assert folder.parts[-2:] == (".cache", "lvs.cluster")


def test_path_is_completed_and_rid_of_stand_ins() -> None:
    folders = env.search_path({"PATH": "/home/me/.pyenv/shims:/opt/x::/usr/bin"})
    assert folders[:2] == ["/opt/x", "/usr/bin"]
    assert "/usr/sbin" in folders
    assert len(folders) == len(set(folders))
    assert env.search_path({})


def test_a_bare_machine_has_no_interpreter(machine: dict[str, str]) -> None:
    assert env.choose_interpreter(machine) is None


def test_the_newest_interpreter_is_chosen(machine: dict[str, str], install: Install) -> None:
    install("bin/python3.10")
    install("bin/python3.11")
    best = install("bin/python3.12")
    install("bin/python3.14")
    assert env.choose_interpreter(machine) == best


def test_pyenvs_newest_release_goes_first(machine: dict[str, str], install: Install) -> None:
    install("bin/python3.13")
    install(".pyenv/versions/3.13.9/bin/python3.13")
    best = install(".pyenv/versions/3.13.10/bin/python3.13")
    install(".pyenv/versions/3.13-dev/bin/python3.13")
    assert env.choose_interpreter(machine) == best


def test_a_virtual_environment_is_no_interpreter(
    machine: dict[str, str], install: Install, tmp_path: Path
) -> None:
    install("bin/python3.13")
    (tmp_path / "pyvenv.cfg").touch()
    assert env.choose_interpreter(machine) is None


def test_the_user_may_choose(machine: dict[str, str], install: Install) -> None:
    install("bin/python3.13")
    chosen = install("elsewhere/python3.11")
    assert env.choose_interpreter({**machine, "PYTHON": str(chosen)}) == chosen
    assert env.choose_interpreter({**machine, "PYTHON": "python3.13"}) is not None


def test_a_choice_that_cannot_be_is_refused(machine: dict[str, str], install: Install) -> None:
    old = install("bin/python3.9")
    with pytest.raises(env.EnvironmentProblem, match="needs to be one of"):
        env.choose_interpreter({**machine, "PYTHON": str(old)})
    with pytest.raises(env.EnvironmentProblem, match="no such interpreter"):
        env.choose_interpreter({**machine, "PYTHON": "python3.99"})


def test_requirements_and_interpreter_name_the_environment(install: Install) -> None:
    one, other = install("a/python3.11"), install("b/python3.11")
    name = env.venv_name(one, b"pytest")
    assert name.startswith("3.11-")
    assert name == env.venv_name(one, b"pytest")
    assert len({name, env.venv_name(one, b"mypy"), env.venv_name(other, b"pytest")}) == 3


def test_what_was_half_built_is_built_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, install: Install
) -> None:
    python = install("python3.11")
    built: list[bool] = []

    def build(folder: Path, _python: Path, _requirements: Path) -> None:
        built.append((folder / "left").exists())
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".complete").touch()

    monkeypatch.setattr(env, "build_venv", build)
    half = tmp_path / "venv" / env.venv_name(python, env.REQUIREMENTS.read_bytes())
    half.mkdir(parents=True)
    (half / "left").touch()
    assert env.venv(tmp_path, python, env.REQUIREMENTS) == half
    assert env.venv(tmp_path, python, env.REQUIREMENTS) == half
    assert built == [True]


def test_the_link_to_the_checkout_is_made_and_mended(tmp_path: Path) -> None:
    link = env.collections_folder(tmp_path) / "ansible_collections" / "lvs" / "cluster"
    assert link.resolve() == env.ROOT
    link.unlink()
    link.symlink_to("/nowhere")
    env.collections_folder(tmp_path)
    assert link.resolve() == env.ROOT


def test_the_command_is_shielded_from_the_users_settings(tmp_path: Path) -> None:
    given = {
        "PATH": "/x",
        "ANSIBLE_ROLES_PATH": "/theirs",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LVS_LAB_NAME": "mine",
    }
    made = env.command_environment(given, tmp_path, tmp_path / "venv", tmp_path / "links")
    assert "ANSIBLE_ROLES_PATH" not in made
    assert "PYTHONDONTWRITEBYTECODE" not in made
    assert made["LVS_LAB_NAME"] == "mine"
    assert made["PATH"].split(os.pathsep)[:2] == [str(tmp_path / "venv" / "bin"), "/x"]
    assert made["ANSIBLE_COLLECTIONS_PATH"] in made["PYTHONPATH"].split(os.pathsep)
