# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection's playbooks, run by tests on the machines of their scenario."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess

import yaml

SHARED = pathlib.Path(__file__).parents[1]
ROOT = SHARED.parents[1]

# Nothing listens on the discard port; and no connection of earlier runs is used.
UNREACHABLE = {
    "ansible_port": 9,
    "ansible_ssh_common_args": "-o ControlPath=none -o ConnectTimeout=5",
}
# Runs of tests are not among the scenario's own, and their output is plain text.
UNWANTED = ("LVS_RECORDS", "ANSIBLE_FORCE_COLOR", "PY_COLORS")


def scenario():
    """The folder of the scenario."""
    return pathlib.Path(os.environ["LVS_SCENARIO"])


def described():
    """The variables of the scenario's description."""
    return yaml.safe_load((scenario() / "inventory" / "group_vars" / "all.yml").read_text())


def run_playbook(folder, name, *words, variables=None, hosts=None, dead=(), killed_after=None):
    """Run a playbook, and return the completed process.

    :param folder: for the files that are handed to Ansible.
    :param name: one of the collection's, or the path of another.
    :param variables: those that take precedence over the scenario's description.
    :param hosts: variables of single hosts: name to variables.
    :param dead: hosts that are to be unreachable.
    :param killed_after: after how many seconds the run is killed, with all its processes here.
    """
    inventories = [scenario() / "inventory", pathlib.Path(os.environ["LVS_INVENTORY"])]
    more = {**(hosts or {}), **dict.fromkeys(dead, UNREACHABLE)}
    if more:
        inventories.append(folder / "more.yml")
        inventories[-1].write_text(json.dumps({"all": {"hosts": more}}))
    command = ["ansible-playbook", *(f"--inventory={each}" for each in inventories), *words]
    if variables:
        file = folder / "variables.json"
        file.write_text(json.dumps(variables))
        command.append(f"--extra-vars=@{file}")
    environ = {key: value for key, value in os.environ.items() if key not in UNWANTED}
    command.append(str(ROOT / "playbooks" / name))
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**environ, "ANSIBLE_NOCOLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, errors = process.communicate(timeout=killed_after)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, errors = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def succeed(done):
    """What a completed process has printed; a failed test where it has not succeeded."""
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
