# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""After a reboot of every machine, without Ansible: all is as it was."""

from __future__ import annotations

import os

import pytest

from shared.tests.dumps import OF_A_BOOT, difference

if os.environ.get("LVS_REBOOT") == "false":
    pytest.skip("nothing was rebooted this time", allow_module_level=True)


def test_everything_is_as_before(hosts, dumped, dump):
    assert hosts
    for host in hosts:
        assert difference(dumped("converged", host), dump(host), OF_A_BOOT) == ""


def test_the_service_says_that_all_went_well(hosts, machine):
    for host in hosts:
        assert machine(host).check_output("systemctl is-active lvs.cluster.service") == "active"


def test_the_size_of_the_connection_table_is_in_force_now(director):
    wanted = director.run("cat /etc/modprobe.d/lvs.cluster-cluster-default-ip_vs.conf").stdout
    if "conn_tab_bits" in wanted:
        bits = wanted.split("conn_tab_bits=")[1].split()[0]
        assert director.check_output("cat /sys/module/ip_vs/parameters/conn_tab_bits") == bits
