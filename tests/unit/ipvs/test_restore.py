# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The script run for real, with an ipvsadm that keeps its table in a file and refuses what it is told to."""

from __future__ import annotations

import subprocess

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.restore import made, script_body
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.table import desired_table

IPVSADM = """\
#!/bin/sh
case $1 in
  --save) cat "$TABLE" ;;
  --restore)
    tee -a "$TABLE.given" | grep -v -e "$REFUSED" |
      sed -E 's/ -[xy] [0-9]+//g; s/-f 4294967295/-f -1/' >> "$TABLE" ;;
esac
"""
SERVICES = [
    {
        "address": "192.0.2.1",
        "port": 80,
        "scheduler": "rr",
        "real_servers": [{"address": "10.0.0.1", "upper_threshold": 9, "lower_threshold": 5}],
    },
    {"fwmark": 4294967295, "scheduler": "rr"},
    {"fwmark": 7, "family": "ipv6", "scheduler": "rr"},
]
SAVED = [
    "-A -f -1 -s rr",
    "-A -f 7 -6 -s rr",
    "-A -t 192.0.2.1:80 -s rr",
    "-a -t 192.0.2.1:80 -r 10.0.0.1:80 -m -w 1",
]


@pytest.fixture
def run(tmp_path):
    command = tmp_path / "ipvsadm"
    command.write_text(IPVSADM)
    command.chmod(0o755)
    (tmp_path / "table").write_text("")
    (tmp_path / "table.given").write_text("")
    record = tmp_path / "run" / "record"
    body = script_body(desired_table(SERVICES).values(), str(record))

    def run(refused="nothing"):
        environ = {
            "PATH": f"{tmp_path}:/usr/bin:/bin",
            "TABLE": f"{tmp_path}/table",
            "REFUSED": refused,
        }
        return subprocess.run(
            ["sh", "-uc", body], env=environ, capture_output=True, text=True, check=False
        )

    run.table = lambda: (tmp_path / "table").read_text().splitlines()
    run.record = record.read_text
    run.given = lambda: (tmp_path / "table.given").read_text().splitlines()
    return run


def test_all_is_restored_with_its_thresholds(run):
    assert run().returncode == 0
    assert sorted(run.table()) == SAVED
    assert "-a -t 192.0.2.1:80 -r 10.0.0.1:80 -m -w 1 -x 9 -y 5" in run.given()


def test_again_gives_nothing_to_the_kernel(run):
    run()
    given = run.given()
    assert run().returncode == 0
    assert run.given() == given


def test_what_is_missing_afterwards_is_reported(run):
    done = run(refused="10.0.0.1")
    assert done.returncode == 1
    assert done.stderr == ("not restored: -a -t 192.0.2.1:80 -r 10.0.0.1:80 -m -w 1 -x 9 -y 5\n")
    assert run().returncode == 0
    assert sorted(run.table()) == SAVED


def test_it_records_what_it_has_added(run):
    """So that a later run knows that these are no objects that it has found."""
    table = desired_table(SERVICES)
    (web,) = [service for service in table.values() if not service.key.fwmark]
    (server,) = web.real_servers
    names = {str(key) for key in table}
    run(refused="10.0.0.1")
    assert made(table, run.record()) == names
    run()
    assert made(table, run.record()) == {*names, f"{web.key} > {server}"}
    assert made({web.key: web}, run.record()) == {str(web.key), f"{web.key} > {server}"}
    assert made(table, "") == set()


def test_an_empty_table_needs_no_script():
    assert script_body([], "/nowhere") is None
