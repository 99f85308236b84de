# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two directors: what an independent reader sees of them while nothing fails."""

from __future__ import annotations

import pytest

from shared.tests.directors import DIRECTORS, FLOATING, active, held, standby, table
from shared.tests.playbooks import succeed


def test_one_director_has_all_floating_addresses(lab):
    assert held(lab, active(lab)) == set(FLOATING)
    assert held(lab, standby(lab)) == set()


def test_both_directors_have_the_table_of_the_description(lab):
    """The one that stands by checks real servers too, so that it can serve at once."""
    described = [
        "-A -t 10.84.0.100:80 -s rr",
        "-A -t 10.84.0.101:80 -s rr",
        "-a -t 10.84.0.100:80 -r 192.168.84.11:80 -m -w 1",
        "-a -t 10.84.0.100:80 -r 192.168.84.12:80 -m -w 1",
        "-a -t 10.84.0.101:80 -r 192.168.84.11:80 -g -w 1",
        "-a -t 10.84.0.101:80 -r 192.168.84.12:80 -g -w 1",
    ]
    for name in DIRECTORS:
        assert table(lab, name) == described, name


def test_connections_are_synchronised_from_the_active_to_the_other(lab):
    running = {name: lab.ssh(name, "ipvsadm --list --daemon").stdout for name in DIRECTORS}
    kinds = {
        name: {kind for kind in ("master", "backup") if kind in running[name]} for name in DIRECTORS
    }
    assert kinds == {active(lab): {"master"}, standby(lab): {"backup"}}


def test_requests_are_shared_out(fetch):
    for address in ("10.84.0.100", "10.84.0.101"):
        assert {fetch(address) for _time in range(4)} == {"rs1", "rs2"}


@pytest.mark.parametrize("name", DIRECTORS)
def test_keepalived_runs_at_every_boot_and_nobody_else_reads_its_file(name, machine):
    host = machine(name)
    assert host.service("keepalived").is_running
    assert host.service("keepalived").is_enabled
    assert host.file("/etc/keepalived/keepalived.conf").mode == 0o600
    assert host.run("keepalived -t").rc == 0
    assert not host.file("/etc/lvs.cluster/boot.d/40-table-cluster-default").exists


def test_verify_finds_nothing_wrong(playbook):
    succeed(playbook("verify.yml", "-e", "verify_vantage=client"))
