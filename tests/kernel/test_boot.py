# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table put back by the script alone, as after a boot."""

from __future__ import annotations

import pathlib
import random
import subprocess

import pytest

from tests.kernel.harness import VIP, four_steps, our_files, run_module, saved, sh
from tests.kernel.test_ipvs_table import realistic_service

RUNNER = "/etc/lvs.cluster/restore"
SCRIPT = pathlib.Path("/etc/lvs.cluster/boot.d/40-table-default")
SERVICES = [
    {
        "address": VIP,
        "port": 80,
        "real_servers": [
            {"address": "10.97.0.1", "upper_threshold": 9, "lower_threshold": 5},
            {"address": "10.97.0.2", "weight": 0},
        ],
    },
    {"fwmark": 2**32 - 1, "scheduler": "rr", "real_servers": [{"address": "10.97.0.1"}]},
]


def ipvs_table(**params):
    return run_module("ipvs_table", **params)


def test_it_comes_goes_and_leaves_no_file():
    four_steps("ipvs_table", services=SERVICES, at_boot=True)
    assert sh("systemctl", "is-enabled", "lvs.cluster.service").strip() == "enabled"
    assert sh("systemd-analyze", "verify", "/etc/systemd/system/lvs.cluster.service") == ""
    four_steps("ipvs_table", services=[], at_boot=True)
    assert our_files() == {}
    assert not pathlib.Path("/etc/lvs.cluster").exists()
    assert not pathlib.Path("/var/lib/lvs.cluster").exists()


def test_not_at_boot_any_more():
    ipvs_table(services=SERVICES, at_boot=True)
    done = four_steps("ipvs_table", services=SERVICES)
    assert done["operations"] == []
    assert not SCRIPT.exists()


def test_somebody_elses_entries_are_not_put_back():
    sh("ipvsadm", "-A", "-t", "198.51.100.1:443", "-s", "rr")
    ipvs_table(services=SERVICES, at_boot=True)
    assert "198.51.100.1" not in SCRIPT.read_text()


@pytest.mark.parametrize("seed", range(8))
def test_the_script_restores_all_of_it(seed):
    dice = random.Random(1000 + seed)
    ipvs_table(services=[realistic_service(dice, n) for n in range(6)], at_boot=True)
    before = saved()
    sh("ipvsadm", "--clear")
    sh(RUNNER)
    assert saved() == before
    sh(RUNNER)
    assert saved() == before


def test_what_stands_already_is_completed():
    ipvs_table(services=SERVICES, at_boot=True)
    before = saved()
    sh("ipvsadm", "-d", "-t", f"{VIP}:80", "-r", "10.97.0.2:80")
    sh(RUNNER)
    assert saved() == before


def test_what_the_kernel_refuses_is_told():
    ipvs_table(services=SERVICES, at_boot=True)
    SCRIPT.write_text(SCRIPT.read_text().replace("10.97.0.2:80", "10.99.0.255:80"))
    sh("ipvsadm", "--clear")
    done = subprocess.run([RUNNER], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"not restored: -a -t {VIP}:80 -r 10.99.0.255:80 -m -w 0" in done.stderr
    assert not [line for line in saved() if "10.99.0.255" in line]
    assert [line for line in saved() if line.startswith("-a")] == [
        "-a -f -1 -r 10.97.0.1:0 -m -w 1",
        f"-a -t {VIP}:80 -r 10.97.0.1:80 -m -w 1",
    ]


def test_an_unprepared_real_server_is_not_added():
    done = four_steps("ipvs_table", services=SERVICES, unprepared=["10.97.0.2"], at_boot=True)
    assert [each["real_server"] for each in done["not_added"]] == [
        {"address": "10.97.0.2", "port": 80}
    ]
    assert "10.97.0.2" not in SCRIPT.read_text() + "".join(saved())
