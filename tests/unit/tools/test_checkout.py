# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files the project has, links included."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools import checkout


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    monkeypatch.setattr(checkout, "ROOT", tmp_path)
    monkeypatch.setattr("tools.checkout.capture", lambda words: _listed(tmp_path, words))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "script").write_text("#!/bin/sh\n")
    (tmp_path / "link").symlink_to("folder")
    return tmp_path


def _listed(folder: Path, words: list[str]) -> str:
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True).stdout


def test_a_link_to_a_folder_is_a_file_of_its_own(project):
    assert checkout.files() == [Path("folder/script"), Path("link")]


def test_a_link_is_no_shell_script_besides_what_it_leads_to(project):
    assert checkout.shell_files() == [Path("folder/script")]


def test_a_copy_has_the_links(project):
    with checkout.collection_copy() as copy:
        assert (copy / "link").readlink() == Path("folder")
        assert (copy / "link" / "script").read_text() == "#!/bin/sh\n"
