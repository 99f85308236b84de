# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""playbooks/verify.yml on a cluster that is well, and on one where several things are wrong."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import time

import pytest
import yaml

from tests.testinfra.prober import aside

ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture
def verify(tmp_path):
    """Run the playbook: (exit code, the report)."""

    def run(dead=()):
        # Nobody listens at the discard port; and no connection of earlier runs is used.
        down = {
            "ansible_port": 9,
            "ansible_ssh_common_args": "-o ControlPath=none -o ConnectTimeout=5",
        }
        inventory = tmp_path / "down.yml"
        inventory.write_text(yaml.safe_dump({"all": {"hosts": dict.fromkeys(dead, down)}}))
        file = tmp_path / "report.json"
        file.unlink(missing_ok=True)
        command = ["ansible-playbook", "-i", f"{os.environ['LVS_EXAMPLE']}/inventory"]
        command += [
            "-i",
            os.environ["LVS_INVENTORY"],
            "playbooks/verify.yml",
            "-e",
            "verify_vantage=client",
        ]
        command += ["-i", str(inventory)]
        done = subprocess.run(
            [*command, "-e", f"verify_report={file}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert file.exists(), done.stdout + done.stderr
        return done.returncode, json.loads(file.read_text())

    return run


def test_a_cluster_that_is_well(verify):
    code, report = verify()
    assert (code, report["problems"]) == (0, [])
    assert report["hosts"] == {"director": [], "rs1": [], "rs2": []}
    assert report["services"] == {"web": [], "web6": [], "shop": []}


def test_what_is_wrong_is_told_of_whom_it_is(verify, lab):
    """A real server that answers ARP, one whose web server is down, and a table that somebody has changed."""
    with aside(lab):
        lab.ssh("rs1", "sysctl -q -w net.ipv4.conf.all.arp_ignore=0")
        lab.ssh("rs2", "systemctl stop nginx; ip -6 address del fd80::100/128 dev lo")
        lab.ssh("director", "ipvsadm -e -t 10.80.0.100:80 -r 10.80.0.11 -g -w 0")
        try:
            code, report = verify()
        finally:
            lab.ssh("rs1", "sysctl -q -w net.ipv4.conf.all.arp_ignore=1")
            lab.ssh("rs2", "systemctl start nginx; /etc/lvs.cluster/restore")
            lab.ssh("director", "ipvsadm -e -t 10.80.0.100:80 -r 10.80.0.11 -g -w 1")
        time.sleep(1)
    assert code != 0
    rs1, rs2, director = (" ".join(report["hosts"][name]) for name in ("rs1", "rs2", "director"))
    assert "rs1 answers for 10.80.0.100, as" in rs1
    assert "net.ipv4.conf.all.arp_ignore from 0 to 1" in rs1
    assert (
        "virtual addresses: not as the description has it: add -6 address fd80::100/128 dev lo"
        in rs2
    )
    assert "table: not as the description has it" in director
    assert "Connection refused" in " ".join(report["services"]["web"])


def test_a_host_that_is_down_is_told(verify):
    code, report = verify(("rs2",))
    assert code != 0
    assert report["problems"] == ["host rs2: did not answer, so nothing is known of it"]


def test_after_that_all_is_well_again(verify):
    assert verify()[0] == 0
