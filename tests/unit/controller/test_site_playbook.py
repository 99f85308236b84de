# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""playbooks/site.yml on hosts that are down: which of them a run reports, and with which tags."""

from __future__ import annotations

import pathlib
import re
import subprocess

import pytest
import yaml

SITE = pathlib.Path(__file__).resolve().parents[3] / "playbooks" / "site.yml"
# Nothing listens on the discard port.
DOWN = {
    "ansible_host": "127.0.0.1",
    "ansible_port": 9,
    "ansible_ssh_common_args": "-o ControlPath=none -o ConnectTimeout=2",
}
INVENTORY = {
    "all": {
        "vars": {
            **DOWN,
            "lvs_virtual_services": [
                {
                    "name": "web",
                    "address": "198.51.100.10",
                    "port": 80,
                    "real_servers": [{"host": "rs1"}],
                }
            ],
            "lvs_inside_networks": ["192.168.0.0/24"],
            "lvs_inside_gateway": "192.168.0.1",
        }
    },
    "lvs_directors": {"hosts": {"director": {"lvs_address": "192.168.0.1"}}},
    "lvs_real_servers": {"hosts": {"rs1": {"lvs_address": "192.168.0.7"}}},
}


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        ((), {"director", "rs1"}),
        (("--tags", "real_servers"), {"rs1"}),
        (("--tags", "directors"), {"director"}),
        (("--limit", "director"), {"director"}),
        (("--limit", "rs1"), {"rs1"}),
    ],
)
def test_a_host_of_the_run_that_is_down_is_reported(tmp_path, words, reported):
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(yaml.safe_dump(INVENTORY))
    done = subprocess.run(
        ["ansible-playbook", "-i", str(inventory), str(SITE), *words],
        capture_output=True,
        text=True,
        check=False,
    )
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0, said
    assert set(re.findall(r'"msg": "(\w+) was not reached and keeps what it has', said)) == reported
