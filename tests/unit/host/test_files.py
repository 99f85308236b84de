# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import stat

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.host import files
from ansible_collections.lvs.cluster.plugins.module_utils.host.files import File


def put(*wanted):
    todo = files.changes(wanted)
    files.apply(todo)
    return todo


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "lvs.cluster" / "deep" / "file")


def test_written_once(path):
    (change,) = put(File(path, "text\n", 0o755))
    assert change.diff == {
        "before_header": f"{path} (absent)",
        "after_header": path,
        "before": "",
        "after": "text\n",
    }
    assert files.read(path) == "text\n"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o755
    assert os.listdir(os.path.dirname(path)) == ["file"]
    assert files.changes([File(path, "text\n", 0o755)]) == []


def test_looking_changes_nothing(path, tmp_path):
    assert files.changes([File(path, "text\n")])
    assert os.listdir(tmp_path) == []


def test_replaced_and_its_permissions_mended(path):
    put(File(path, "one\n"))
    (change,) = put(File(path, "two\n"))
    assert (change.diff["before"], change.diff["after"]) == ("one\n", "two\n")
    assert put(File(path, "two\n", 0o755))
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o755
    assert not put(File(path, "two\n", 0o755))


def test_a_link(path, tmp_path):
    (change,) = put(File(path, "../target", link=True))
    assert os.readlink(path) == "../target"
    assert change.diff["after"] == "-> ../target\n"
    assert not put(File(path, "../target", link=True))
    # A link whose target reads as the wanted text is no file of that text.
    assert put(File(path, "../target"))
    assert not os.path.islink(path)


def test_removed_with_the_folders_that_bear_our_name(path, tmp_path):
    put(File(path, "text\n"), File(f"{path}2", "text\n"))
    (change,) = put(File(path, None))
    assert (change.diff["before"], change.diff["after"]) == ("text\n", "")
    assert os.path.exists(f"{path}2")
    put(File(f"{path}2", None))
    assert os.listdir(tmp_path) == []
    assert put(File(path, None)) == []


def test_a_folder_that_is_not_ours_stays(tmp_path):
    path = str(tmp_path / "etc" / "90-lvs.cluster.conf")
    put(File(path, "text\n"))
    put(File(path, None))
    assert os.listdir(tmp_path) == ["etc"]


def test_what_can_not_be_written_leaves_nothing_behind(path, monkeypatch):
    put(File(path, "old\n"))

    def refuse(*_names):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="No space"):
        put(File(path, "new\n"))
    assert os.listdir(os.path.dirname(path)) == ["file"]
    assert files.read(path) == "old\n"
