# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""playbooks/verify.yml on a cluster that is well, and on one where several things are wrong."""

from __future__ import annotations

import json

import pytest

from shared.tests.hands import by_hand
from shared.tests.heard import aside


@pytest.fixture
def verify(playbook, tmp_path):
    """Run the playbook: (exit code, the report)."""

    def run(dead=()):
        file = tmp_path / "report.json"
        file.unlink(missing_ok=True)
        variables = {"verify_vantage": "client", "verify_report": str(file)}
        done = playbook("verify.yml", variables=variables, dead=dead)
        assert file.exists(), done.stdout + done.stderr
        return done.returncode, json.loads(file.read_text())

    return run


def test_a_cluster_that_is_well(verify):
    code, report = verify()
    assert (code, report["problems"]) == (0, [])
    assert report["hosts"] == {"director": [], "rs1": [], "rs2": [], "rs3": []}
    assert report["services"] == {"web": [], "web6": []}


def test_what_is_wrong_is_told_of_whom_it_is(verify, lab):
    """One that answers ARP, one without its tunnel, one whose way back is gone, and a table changed by hand."""
    names = ("rs1", "rs2", "rs3", "director")
    with aside(lab), by_hand(lab, *names):
        lab.ssh("rs1", "ip rule del priority 17042")
        lab.ssh(
            "rs2",
            "sysctl -q -w net.ipv4.conf.all.arp_ignore=0; ip -6 address del fd82::100/128 dev lo",
        )
        lab.ssh("rs3", "ip link set lvs-ipip down")
        lab.ssh(
            "director",
            "ipvsadm -e -t 10.82.0.100:80 -r 192.168.82.11 -m -w 0; ipvsadm -D -t [fd82::100]:80",
        )
        try:
            code, report = verify()
        finally:
            lab.ssh("rs2", "sysctl -q -w net.ipv4.conf.all.arp_ignore=1")
            lab.ssh("director", "ipvsadm -e -t 10.82.0.100:80 -r 192.168.82.11 -m -w 3")
    assert code != 0
    found = {name: " ".join(report["hosts"][name]) for name in names}
    assert "routes: not as described; a run would add" in found["rs1"]
    assert "rs2 answers for 10.82.0.100, as" in found["rs2"]
    assert "net.ipv4.conf.all.arp_ignore" in found["rs2"]
    assert (
        "virtual addresses: not as described; a run would add -6 address fd82::100/128"
        in found["rs2"]
    )
    assert "tunnels: not as described; a run would" in found["rs3"]
    assert "table: not as described; a run would" in found["director"]
    assert "Connection refused" in " ".join(report["services"]["web6"])


@pytest.mark.long
def test_a_host_that_is_down_is_told(verify):
    code, report = verify(("rs2",))
    assert code != 0
    assert report["problems"] == ["host rs2: did not respond, so its state is unknown"]


@pytest.mark.long
def test_after_that_all_is_well_again(verify):
    assert verify()[0] == 0
