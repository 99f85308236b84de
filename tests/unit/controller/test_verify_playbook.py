# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plays of playbooks/verify.yml, run by ansible-playbook on this machine.

The hosts of the cluster are down, or what was seen of them is given as their variables.
"""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
VIP = "192.0.2.100"
# Nobody listens at the discard port.
DOWN = {
    "ansible_connection": "ssh",
    "ansible_host": "127.0.0.1",
    "ansible_port": 9,
    "ansible_ssh_common_args": "-o ControlPath=none -o ConnectTimeout=2",
}
HERE = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
SERVICE = {
    "name": "web",
    "addresses": [VIP],
    "places": [{"address": VIP, "port": 80, "protocol": "tcp"}],
    "askable": True,
}


def looked(held, **operations):
    return {
        "verify_checked": {"operations": operations, "diff": [], "missing_packages": []},
        "verify_neighbours": {"answers": [], "held": held, "interfaces": {}},
    }


@pytest.fixture
def run(tmp_path):
    """Run plays of the playbook, the last by default: (exit code, report, output)."""

    def go(hosts=None, plays=slice(2, None), options=(), **variables):
        playbook = yaml.safe_load((ROOT / "playbooks" / "verify.yml").read_text())
        file = tmp_path / "playbook.yml"
        file.write_text(yaml.safe_dump(playbook[plays]))
        known = {
            "director": looked({VIP: ["eth1"]}),
            "rs1": looked({}),
            "client": HERE,
            "gone": DOWN,
            **(hosts or {}),
        }
        groups = {"lvs_directors": ["director"], "lvs_real_servers": ["rs1"]}
        inventory = {
            "all": {
                "hosts": known,
                "children": {name: {"hosts": dict.fromkeys(its)} for name, its in groups.items()},
            }
        }
        (tmp_path / "inventory.yml").write_text(yaml.safe_dump(inventory))
        report = tmp_path / "report.json"
        given = {
            "lvs_virtual_services": [],
            "lvs_derived": {
                "methods": ["nat", "dr", "tun"],
                "hosts": {
                    name: {
                        "cluster": "default",
                        "configuration": {},
                        "owner": "cluster-default",
                        "roles": [role],
                        "services": [SERVICE],
                        "state": "present",
                    }
                    for name, role in (("director", "director"), ("rs1", "real_server"))
                },
            },
            "verify_report": str(report),
            "verify_timeout": 1,
            **variables,
        }
        done = subprocess.run(
            [
                "ansible-playbook",
                "-i",
                str(tmp_path / "inventory.yml"),
                str(file),
                "-e",
                json.dumps(given),
                *options,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        output = done.stdout + done.stderr
        assert report.exists(), output
        assert not re.search(r"changed=[1-9]", output), output
        return done.returncode, json.loads(report.read_text()), output

    return go


def test_a_cluster_that_is_well(run):
    code, report, output = run(verify_vantage="client", verify_commands={"web": "true"})
    assert (code, report["problems"], report["unasked"]) == (0, [], {}), output
    assert "failed=1" not in output
    assert "fatal" not in output


def test_no_vantage_is_no_error_and_no_ok(run):
    code, report, output = run()
    assert (code, report["problems"]) == (0, [])
    assert "service web: not tested" in report["lines"]
    assert "fatal" not in output
    assert "ERROR" not in output


def test_findings_are_no_changes(run):
    operations = [{"verb": "edit", "object": f"real server 192.0.2.11:80 of service tcp {VIP}:80"}]
    director = looked({VIP: ["eth1"]}, table=operations)
    code, report, output = run({"director": director})
    assert code != 0
    assert report["problems"] == [
        "host director: table: not as described; a run would edit real server 192.0.2.11:80 of service web "
        f"(tcp {VIP}:80)"
    ]
    assert report["problems"][0] in output.replace("\\", "")


def test_a_vantage_that_is_down(run):
    code, report, _output = run(verify_vantage="gone")
    assert code != 0
    assert report["services"]["web"][0].startswith("no request could be made from gone: ")


def test_a_command_that_fails_leaves_the_other_results(run):
    code, report, _output = run(
        verify_vantage="client", verify_commands={"web": "sleep 60", "wbe": "true"}
    )
    assert code != 0
    assert report["problems"] == [
        "verify_commands[wbe]: no service has this name. Did you mean web?",
        "service web: a request to sleep 60 has failed: did not end within 1 seconds",
    ]


def test_a_limit(run):
    code, report, _output = run(options=("--limit", "rs1"))
    assert (code, report["problems"]) == (0, [])
    assert report["not_looked_at"] == ["director"]


def test_all_hosts_are_down(run):
    """The report comes all the same, and the exit code says it."""
    code, report, _output = run({"director": DOWN, "rs1": DOWN}, slice(1, None))
    assert code != 0
    assert report["problems"] == [
        "host director: did not respond, so its state is unknown",
        "host rs1: did not respond, so its state is unknown",
    ]
