# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What operators do, and how much of it a client notices: edits, updates, drains, and runs that are killed."""

from __future__ import annotations

import itertools
import json
import os
import time

import pytest

from shared.tests.directors import (
    DETECTION,
    DIRECTORS,
    REAL_SERVERS,
    active,
    booted,
    serving,
    standby,
    table,
)
from shared.tests.playbooks import described, succeed

pytestmark = pytest.mark.usefixtures("whole")


def edited(count):
    """Descriptions that differ by one edit each: weights, persistence, an added port."""
    description = described()
    for number in range(count):
        services = json.loads(json.dumps(description["lvs_virtual_services"]))
        services[number % 2]["real_servers"][number // 2 % 2]["weight"] = 1 + number % 5
        if number % 7 == 0:
            services[0]["persistence_timeout"] = 60 + number
        yield {"lvs_virtual_services": services}


@pytest.mark.long
def test_edits_lose_nothing(lab, playbook, load, tell):
    count = int(os.environ.get("LVS_EDITS", "10"))
    with load() as traffic:
        for variables in edited(count):
            succeed(playbook("site.yml", "--tags", "directors", variables=variables))
    succeed(playbook("site.yml"))
    tell(traffic, f"{count} edits; ")
    traffic.check_complete()


@pytest.mark.long
def test_a_rolling_update(lab, playbook, load, tell):
    """Every real server is drained, rebooted, checked and restored, one after the other; no request fails."""
    variables = {"update_reboot": True, "drain_patience": 120, "drain_delay": 2}
    with load() as traffic:
        printed = succeed(playbook("rolling_update.yml", variables=variables))
    tell(traffic)
    traffic.check_complete()
    assert printed.count("Reboot it") == 2
    for service in ("web", "direct"):
        assert traffic.answers(service) == {"rs1", "rs2"}


@pytest.mark.long
@pytest.mark.parametrize("reboot", [True, False])
def test_directors_are_updated(reboot, lab, playbook, load, tell):
    """Each director hands its addresses over once the other could take over, and takes part again."""
    variables = {"update_directors": True, "update_reboot": reboot}
    with load() as traffic:
        printed = succeed(
            playbook("rolling_update.yml", "--tags", "directors", variables=variables)
        )
    tell(traffic)
    assert printed.count("TASK [Update it]") == 2
    assert traffic.longest_outage < 2.0


@pytest.mark.long
def test_a_drained_real_server_stays_drained(lab, playbook, load, tell):
    """Through site.yml, a crash of the real server, and one of the director; then it is restored."""
    with load() as traffic:
        succeed(
            playbook(
                "drain.yml", "--limit", "rs1", variables={"drain_patience": 180, "drain_delay": 2}
            )
        )
        assert serving(lab, active(lab)) == {"12"}
        succeed(playbook("site.yml"))
        assert serving(lab, active(lab)) == {"12"}
        lab.crash("rs1")
        booted(lab, "rs1")
        time.sleep(DETECTION)
        assert serving(lab, active(lab)) == {"12"}
        succeed(playbook("restore.yml", "--limit", "rs1"))
        assert serving(lab, active(lab)) == REAL_SERVERS
    tell(traffic)
    traffic.check_complete()


@pytest.mark.long
def test_a_real_server_leaves_and_comes_back(lab, playbook, load, tell):
    """Drained first, it leaves the description and returns to it; it stays drained until it is restored."""
    services = described()["lvs_virtual_services"]
    without = [{**each, "real_servers": [{"host": "rs1"}]} for each in services]
    with load() as traffic:
        patience = {"drain_patience": 180, "drain_delay": 2}
        succeed(playbook("drain.yml", "--limit", "rs2", variables=patience))
        succeed(playbook("site.yml", variables={"lvs_virtual_services": without}))
        for name in DIRECTORS:
            assert not [line for line in table(lab, name) if "192.168.84.12" in line]
        succeed(playbook("site.yml"))
        assert serving(lab, active(lab)) == {"11"}
        succeed(playbook("restore.yml", "--limit", "rs2"))
    tell(traffic)
    traffic.check_complete()


@pytest.mark.long
def test_the_run_stops_where_a_service_does_not_answer_any_more(lab, playbook):
    """With director_vantage: the director that stands by was changed, and the active one is not touched."""
    changed = [{**each, "scheduler": "wrr"} for each in described()["lvs_virtual_services"]]
    variables = {
        "lvs_virtual_services": changed,
        "director_vantage": "client",
        "verify_patience": 6,
    }
    first, last = standby(lab), active(lab)
    lab.ssh("client", "ip route add prohibit 10.84.0.101")
    try:
        done = playbook("site.yml", variables=variables)
    finally:
        lab.ssh("client", "ip route del prohibit 10.84.0.101")
    assert done.returncode != 0
    assert "direct (tcp 10.84.0.101:80) has failed" in " ".join(done.stdout.split())
    assert "web (" not in done.stdout
    assert " -s wrr" in lab.ssh(first, "ipvsadm --save --numeric").stdout
    assert " -s wrr" not in lab.ssh(last, "ipvsadm --save --numeric").stdout
    succeed(playbook("site.yml", variables=variables))
    for name in DIRECTORS:
        assert " -s wrr" in lab.ssh(name, "ipvsadm --save --numeric").stdout
    succeed(playbook("site.yml"))


@pytest.mark.long
def test_a_wrong_check_stops_the_run(lab, playbook, load, tell):
    """All real servers fail it on the standby director: that gets its old configuration back, and the run ends."""
    services = json.loads(json.dumps(described()["lvs_virtual_services"]))
    services[0]["health_check"]["path"] = "/nowhere"
    last = active(lab)
    with load() as traffic:
        done = playbook("site.yml", variables={"lvs_virtual_services": services})
        time.sleep(DETECTION)
    assert done.returncode != 0
    assert "the health checks of all real servers of tcp 10.84.0.100:80 fail" in " ".join(
        done.stdout.split()
    )
    assert active(lab) == last
    for name in DIRECTORS:
        assert serving(lab, name) == REAL_SERVERS
        assert "/nowhere" not in lab.ssh(name, "cat /etc/keepalived/keepalived.conf").stdout
    tell(traffic)
    traffic.check_complete()


@pytest.mark.long
def test_an_update_that_breaks_the_application_ends_at_the_first(lab, playbook, tmp_path):
    """The port is open, and the answer is an error: keepalived does not take it back, and the other is not touched."""
    tasks = tmp_path / "update.yml"
    breaking = "mv /var/www/html/index.html /root/index.html; touch /root/updated"
    tasks.write_text(f"- ansible.builtin.shell: {breaking}\n")
    variables = {
        "update_tasks": str(tasks),
        "drain_patience": 120,
        "drain_delay": 2,
        "drain_check_patience": 20,
    }
    done = playbook("rolling_update.yml", variables=variables)
    try:
        assert done.returncode != 0
        assert "rs1 does not serve 20 seconds after it was restored" in " ".join(
            done.stdout.split()
        )
        assert lab.ssh("rs2", "ls /root/updated", check=False).returncode != 0
        assert serving(lab, active(lab)) == {"12"}
    finally:
        lab.ssh("rs1", "mv /root/index.html /var/www/html/index.html; rm -f /root/updated")
        succeed(playbook("restore.yml", "--limit", "rs1"))


@pytest.mark.long
def test_a_killed_run(lab, playbook, load, tell):
    """Ansible is killed at ten points of a change; the service is not affected, and the next run completes it."""
    weights = itertools.cycle((2, 3))
    with load() as traffic:
        for point in range(1, 11):
            weight = next(weights)
            services = json.loads(json.dumps(described()["lvs_virtual_services"]))
            for service in services:
                service["real_servers"][0]["weight"] = weight
            variables = {"lvs_virtual_services": services}
            playbook("site.yml", variables=variables, killed_after=2.0 * point)
            succeed(playbook("site.yml", variables=variables))
            for name in DIRECTORS:
                assert f"-w {weight}" in lab.ssh(name, "ipvsadm --save --numeric").stdout
    succeed(playbook("site.yml"))
    tell(traffic)
    traffic.check_complete()


@pytest.mark.long
def test_changes_of_the_scheduler(lab, playbook, load, tell):
    """The kernel refuses new connections for a moment at each; established ones live. Counted, and documented."""
    schedulers = ("wrr", "lc", "wlc", "rr")
    count = int(os.environ.get("LVS_EDITS", "4"))
    with load() as traffic:
        for number in range(count):
            services = [
                {**each, "scheduler": schedulers[number % len(schedulers)]}
                for each in described()["lvs_virtual_services"]
            ]
            variables = {"lvs_virtual_services": services}
            succeed(playbook("site.yml", "--tags", "directors", variables=variables))
    succeed(playbook("site.yml"))
    tell(traffic, f"{count} changes; ")
    assert len(traffic.failed) <= count
