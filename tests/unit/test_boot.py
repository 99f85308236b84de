# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils import boot
from ansible_collections.lvs.cluster.plugins.module_utils.errors import Unavailable


def wanted(text, present):
    return {file.path: file.content for file in boot.files(boot.TABLE, "web", text, present)}


def test_a_script_brings_the_service():
    found = wanted("true\n", [])
    assert found["/etc/lvs.cluster/boot.d/40-table-web"] == "true\n"
    assert found["/etc/systemd/system/multi-user.target.wants/lvs.cluster.service"] == (
        "../lvs.cluster.service"
    )
    assert "ExecStart=/etc/lvs.cluster/restore" in found["/etc/systemd/system/lvs.cluster.service"]


def test_the_last_script_takes_it_along():
    assert set(wanted(None, ["40-table-web"]).values()) == {None}


def test_another_script_keeps_it():
    found = wanted(None, ["20-firewall-web", "40-table-web"])
    assert found.pop("/etc/lvs.cluster/boot.d/40-table-web") is None
    assert None not in found.values()


def test_every_script_runs_and_a_failure_shows(tmp_path, monkeypatch):
    folder = tmp_path / "boot.d"
    folder.mkdir()
    monkeypatch.setattr(boot, "FOLDER", str(folder))
    for name, body in (("1", "echo one"), ("2", "echo two; exit 3"), ("3", "echo three")):
        (folder / name).write_text(boot.script("web", "a test", body + "\n"))
    runner = next(file for file in boot.files("4", "x", "", []) if file.path == boot.RUNNER)
    text = runner.content.replace("/etc/lvs.cluster/boot.d", str(folder))
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False)
    said = [line for line in done.stdout.splitlines() if not line.startswith("lvs.cluster:")]
    assert said == ["one", "two", "three"]
    assert done.returncode == 1
    assert done.stderr == f"lvs.cluster: failed: {folder}/2\n"


def test_a_command_that_is_missing():
    with pytest.raises(Unavailable, match="install the package no-such-command, or set at_boot"):
        boot.require("no-such-command")
    boot.require("sh")
