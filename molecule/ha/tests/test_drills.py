# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Machines and programs fail while a client makes requests all the time.

Each drill prints its figures, and leaves the cluster as it was: both directors and both real servers at work.
``make drill NAME=...`` runs one alone.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import time

import pytest

from shared.tests.directors import (
    DIRECTORS,
    FLOATING,
    active,
    booted,
    held,
    serving,
    standby,
    wait_until,
)
from shared.tests.playbooks import described, succeed
from shared.tests.traffic import under_load

BOTH = {"11", "12"}
# Of the description: interval, timeout, retries and retry_delay of the checks.
INTERVAL, TIMEOUT, RETRIES, RETRY_DELAY = 2.0, 2.0, 1, 1.0
# docs/high-availability.md has the formula. Two more seconds for a laboratory that emulates its processors.
DETECTION = INTERVAL + (RETRIES + 1) * TIMEOUT + RETRIES * RETRY_DELAY + 2.0
# Three adverts that do not come, less than one more for the priority, and the same two seconds.
TAKEOVER = 3.0 + 1.0 + 2.0
FILE = "/var/www/html/large"
FILE_BYTES = 12_000_000


@pytest.fixture(autouse=True)
def whole(lab):
    """Before and after each drill everything is at work."""
    at_work(lab)
    yield
    at_work(lab)


def at_work(lab):
    wait_until(
        lambda: sorted(len(held(lab, name)) for name in DIRECTORS) == [0, len(FLOATING)],
        90,
        "one director has all floating addresses",
    )
    for name in DIRECTORS:
        for address in ("10.84.0.100", "10.84.0.101"):
            wait_until(
                functools.partial(lambda *place: serving(lab, *place) == BOTH, name, address),
                60,
                f"{name} has both real servers of {address} at work",
            )


@pytest.fixture
def tell(request, capsys):
    """Print a drill's figures."""

    def show(traffic, more=""):
        with capsys.disabled():
            print(f"\ndrill {request.node.name}: {more}{traffic.figures()}")

    return show


def load(lab):
    return under_load(lab, described())


def last_failure(traffic, began):
    """Seconds from a moment of the client's clock to the beginning of the last request that failed; 0 for none."""
    found = [each["at"] for each in traffic.failed]
    return max(found) - began if found else 0.0


def client_clock(lab):
    return float(lab.ssh("client", "date +%s.%N").stdout)


def test_a_real_server_dies(lab, tell):
    """Requests fail only until its check has failed; it comes back by itself."""
    with load(lab) as traffic:
        began = client_clock(lab)
        lab.freeze("rs1")
        gone = wait_until(
            lambda: serving(lab, active(lab)) == {"12"}, DETECTION + 5, "rs1 is taken out"
        )
        time.sleep(3)
        lab.crash("rs1")
        booted(lab, "rs1")
        back = wait_until(lambda: serving(lab, active(lab)) == BOTH, 30, "rs1 is back")
    late = last_failure(traffic, began)
    tell(
        traffic,
        f"taken out after {gone:.1f} s, back {back:.1f} s after it was up, last failure at {late:.1f} s; ",
    )
    assert late < DETECTION
    traffic.check_steady()


@pytest.mark.long
@pytest.mark.parametrize("how", ["500", "hangs", "closed"])
def test_the_application_fails(how, lab, tell):
    fail, mend = {
        "500": (
            "echo 'server { listen 80 default_server; return 500; }' > /etc/nginx/sites-enabled/zz-broken; "
            "mv /etc/nginx/sites-enabled/default /root/; systemctl reload nginx",
            "rm /etc/nginx/sites-enabled/zz-broken; mv /root/default /etc/nginx/sites-enabled/; "
            "systemctl reload nginx",
        ),
        "hangs": ("systemctl kill -s STOP nginx", "systemctl kill -s CONT nginx"),
        "closed": ("systemctl stop nginx", "systemctl start nginx"),
    }[how]
    with load(lab) as traffic:
        began = client_clock(lab)
        lab.ssh("rs1", fail)
        try:
            gone = wait_until(
                lambda: serving(lab, active(lab)) == {"12"}, DETECTION + 5, "rs1 is taken out"
            )
            time.sleep(3)
        finally:
            lab.ssh("rs1", mend)
        back = wait_until(lambda: serving(lab, active(lab)) == BOTH, 30, "rs1 is back")
    late = last_failure(traffic, began)
    tell(
        traffic,
        f"taken out after {gone:.1f} s, back after {back:.1f} s, last failure at {late:.1f} s; ",
    )
    assert late < DETECTION


@pytest.fixture
def large_file(lab):
    """Both real servers have a file that takes a client long to read."""
    for name in ("rs1", "rs2"):
        lab.ssh(name, f"head -c {FILE_BYTES} /dev/zero > {FILE}")
    yield
    for name in ("rs1", "rs2"):
        lab.ssh(name, f"rm -f {FILE}")


class Downloads:
    """A slow download from each service, begun at once: do they survive?"""

    def __init__(self, lab):
        self._lab = lab
        for name, address in (("nat", "10.84.0.100"), ("dr", "10.84.0.101")):
            curl = [
                "curl",
                "-sS",
                "--limit-rate",
                "300k",
                "--speed-time",
                "30",
                "-o",
                f"/run/{name}",
            ]
            unit = [
                "systemd-run",
                "--quiet",
                f"--unit=download-{name}",
                "--property=RemainAfterExit=yes",
            ]
            lab.ssh("client", [*unit, *curl, f"http://{address}/large"])

    def complete(self):
        """Wait for both: those that got all of the file."""
        found = set()
        for name in ("nat", "dr"):
            unit = f"download-{name}"

            def ended(unit=unit):
                shown = self._lab.ssh("client", f"systemctl show -P SubState {unit}").stdout
                return shown.strip() in ("exited", "failed", "dead")

            wait_until(ended, 180, f"the download by {name} has ended")
            size = self._lab.ssh("client", f"stat -c %s /run/{name} || true").stdout.strip()
            if size == str(FILE_BYTES):
                found.add(name)
            self._lab.ssh(
                "client", f"systemctl stop {unit}; systemctl reset-failed {unit}", check=False
            )
            self._lab.ssh("client", f"rm -f /run/{name}")
        return found


def director_dies(lab):
    """The active director dies for good, and boots some time later: (traffic, its name, seconds, survivors)."""
    name, other = active(lab), standby(lab)
    with load(lab) as traffic:
        downloads = Downloads(lab)
        # A connection younger than about three seconds is not synchronised yet.
        time.sleep(8)
        began = client_clock(lab)
        lab.freeze(name)
        wait_until(lambda: held(lab, other) == set(FLOATING), TAKEOVER + 5, f"{other} takes over")
        survivors = downloads.complete()
    late = last_failure(traffic, began)
    lab.crash(name)
    booted(lab, name)
    return traffic, late, survivors


def test_the_active_director_dies(lab, tell, large_file):
    traffic, late, survivors = director_dies(lab)
    tell(
        traffic,
        f"last failure at {late:.1f} s, downloads that lived: {', '.join(sorted(survivors))}; ",
    )
    assert late < TAKEOVER
    assert survivors == {"nat", "dr"}


@pytest.mark.long
def test_the_active_director_dies_without_synchronisation(lab, tell, large_file, playbook):
    """The same drill without it: connections die with their director."""
    succeed(playbook("site.yml", variables={"keepalived_sync": False}))
    try:
        at_work(lab)
        traffic, late, survivors = director_dies(lab)
    finally:
        at_work(lab)
        succeed(playbook("site.yml"))
    tell(
        traffic,
        f"last failure at {late:.1f} s, downloads that lived: {', '.join(sorted(survivors)) or 'none'}; ",
    )
    assert late < TAKEOVER
    assert survivors == set()


@pytest.mark.long
def test_the_failed_director_returns(lab, tell):
    """Without keepalived_preempt it stands by, although its priority may be higher; no request fails."""
    first = active(lab)
    lab.freeze(first)
    other = next(name for name in DIRECTORS if name != first)
    wait_until(lambda: held(lab, other) == set(FLOATING), TAKEOVER + 5, f"{other} takes over")
    with load(lab) as traffic:
        lab.crash(first)
        booted(lab, first)
        wait_until(lambda: serving(lab, first) == BOTH, 60, f"{first} has its table")
        time.sleep(15)
    tell(traffic)
    assert active(lab) == other
    assert not traffic.failed, "\n".join(traffic.failures())


@pytest.mark.long
@pytest.mark.parametrize("what", ["stopped", "killed", "checker killed", "vrrp killed"])
def test_keepalived_ends(what, lab, tell):
    """What becomes of the service when keepalived ends on the active director, in each way."""
    name = active(lab)
    command = {
        "stopped": "systemctl stop keepalived",
        "killed": "systemctl kill --signal=KILL keepalived",
        "checker killed": "pkill -KILL -x keepalived_ipvs",
        "vrrp killed": "pkill -KILL -x keepalived_vrrp",
    }[what]
    with load(lab) as traffic:
        began = client_clock(lab)
        lab.ssh(name, command)
        time.sleep(12)
        where = {each: sorted(held(lab, each)) for each in DIRECTORS}
        state = lab.ssh(name, "systemctl is-active keepalived", check=False).stdout.strip()
    late = last_failure(traffic, began)
    tell(traffic, f"keepalived is {state} then, addresses {where}, last failure at {late:.1f} s; ")
    lab.ssh(name, "systemctl start keepalived")
    assert late < TAKEOVER + 2


@pytest.mark.long
def test_the_directors_do_not_hear_each_other(lab, tell):
    """On one network, then again: both have the addresses meanwhile, and the state heals without a hand."""
    with load(lab) as traffic:
        began = client_clock(lab)
        for name in DIRECTORS:
            lab.ssh(name, "iptables -I INPUT -p 112 -s 10.84.0.0/24 -j DROP")
        time.sleep(10)
        where = {each: sorted(held(lab, each)) for each in DIRECTORS}
        for name in DIRECTORS:
            lab.ssh(name, "iptables -D INPUT -p 112 -s 10.84.0.0/24 -j DROP")
        healed = wait_until(
            lambda: sorted(len(held(lab, name)) for name in DIRECTORS) == [0, len(FLOATING)],
            30,
            "one director has the addresses again",
        )
    late = last_failure(traffic, began)
    tell(traffic, f"meanwhile {where}, healed after {healed:.1f} s, last failure at {late:.1f} s; ")
    assert late < 10 + TAKEOVER


@pytest.mark.long
def test_a_host_is_down_while_site_runs(lab, playbook):
    """The others converge; the dead one keeps its entry and is named."""
    description = described()
    changed = [{**each, "scheduler": "wrr"} for each in description["lvs_virtual_services"]]
    lab.freeze("rs2")
    try:
        done = playbook(
            "site.yml", variables={"lvs_virtual_services": changed, "ansible_ssh_timeout": 10}
        )
        assert done.returncode != 0
        assert "rs2 was not reached" in done.stdout + done.stderr
        for name in DIRECTORS:
            assert " -s wrr" in lab.ssh(name, "ipvsadm --save --numeric").stdout
    finally:
        lab.crash("rs2")
        booted(lab, "rs2")
    succeed(playbook("site.yml"))


@pytest.mark.long
def test_hands_in_the_table_are_named(lab, playbook):
    """What was changed by hand is named by verify, and mended by the next run."""
    name = standby(lab)
    lab.ssh(name, "ipvsadm -e -t 10.84.0.100:80 -r 192.168.84.11:80 -m -w 7")
    done = playbook("verify.yml")
    assert done.returncode != 0
    assert "10.84.0.100" in done.stdout
    assert "192.168.84.11" in done.stdout
    succeed(playbook("site.yml"))
    assert "-w 7" not in lab.ssh(name, "ipvsadm --save --numeric").stdout


@pytest.mark.long
def test_hands_in_the_file_are_named(lab, playbook):
    name = standby(lab)
    lab.ssh(name, "sed -i 's/weight 1$/weight 5/' /etc/keepalived/keepalived.conf")
    done = playbook("verify.yml")
    assert done.returncode != 0
    assert "keepalived.conf" in done.stdout
    succeed(playbook("site.yml"))
    assert "weight 5" not in lab.ssh(name, "cat /etc/keepalived/keepalived.conf").stdout


@pytest.mark.long
def test_a_configuration_that_keepalived_refuses(lab, playbook, tell):
    """A clear error, and the old one goes on serving."""
    with load(lab) as traffic:
        for name in DIRECTORS:
            lab.ssh(name, "mkdir -p /root/bin; mv /usr/sbin/keepalived /root/bin/")
            script = "#!/bin/sh\necho 'Unknown keyword' >&2\nexit 4\n"
            lab.ssh(
                name, "cat > /usr/sbin/keepalived; chmod 755 /usr/sbin/keepalived", input=script
            )
        try:
            services = [
                {**each, "scheduler": "wlc"} for each in described()["lvs_virtual_services"]
            ]
            done = playbook("site.yml", variables={"lvs_virtual_services": services})
            assert done.returncode != 0
            assert "Unknown keyword" in done.stdout + done.stderr
        finally:
            for name in DIRECTORS:
                lab.ssh(name, "mv /root/bin/keepalived /usr/sbin/keepalived")
        for name in DIRECTORS:
            assert " -s rr" in lab.ssh(name, "ipvsadm --save --numeric").stdout
    tell(traffic)
    assert not traffic.failed, "\n".join(traffic.failures())
    succeed(playbook("site.yml"))


@pytest.mark.long
def test_etc_is_read_only(lab, playbook, tell):
    """/etc is read-only on the director that stands by: a clear error, and the active one is not touched."""
    name, other = standby(lab), active(lab)
    services = [{**each, "scheduler": "wrr"} for each in described()["lvs_virtual_services"]]
    with load(lab) as traffic:
        lab.ssh(name, "mount --bind /etc /etc; mount -o remount,bind,ro /etc")
        try:
            done = playbook("site.yml", variables={"lvs_virtual_services": services})
        finally:
            lab.ssh(name, "umount /etc")
        assert done.returncode != 0
        assert "Read-only file system" in done.stdout + done.stderr
        assert " -s rr" in lab.ssh(other, "ipvsadm --save --numeric").stdout
    tell(traffic)
    assert not traffic.failed, "\n".join(traffic.failures())
    succeed(playbook("site.yml"))


@pytest.mark.long
def test_every_real_server_is_dead(lab, tell):
    """Without a sorry server nothing can be served; it comes back by itself."""
    with load(lab) as traffic:
        for name in ("rs1", "rs2"):
            lab.ssh(name, "systemctl stop nginx")
        wait_until(lambda: serving(lab, active(lab)) == set(), DETECTION + 5, "both are taken out")
        for name in ("rs1", "rs2"):
            lab.ssh(name, "systemctl start nginx")
        back = wait_until(lambda: serving(lab, active(lab)) == BOTH, 30, "both are back")
    tell(traffic, f"back after {back:.1f} s; ")


@pytest.mark.long
def test_reboots_in_turn(lab, tell):
    """Every machine of the cluster in turn, the active director last: what fails, and where it ends."""
    with load(lab) as traffic:
        for name in ("rs1", "rs2", standby(lab), active(lab)):
            lab.ssh(name, "systemctl reboot", check=False)
            time.sleep(5)
            booted(lab, name)
            at_work(lab)
    tell(traffic)


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
def test_edits_lose_nothing(lab, playbook, tell):
    count = int(os.environ.get("LVS_EDITS", "10"))
    with load(lab) as traffic:
        for variables in edited(count):
            succeed(playbook("site.yml", "--tags", "directors", variables=variables))
    succeed(playbook("site.yml"))
    tell(traffic, f"{count} edits; ")
    assert not traffic.failed, "\n".join(traffic.failures())


@pytest.mark.long
def test_a_rolling_update(lab, playbook, tell):
    """Every real server is drained, rebooted, checked and restored, one after the other; no request fails."""
    variables = {"update_reboot": True, "drain_patience": 120, "drain_delay": 2}
    with load(lab) as traffic:
        printed = succeed(playbook("rolling_update.yml", variables=variables))
    tell(traffic)
    assert not traffic.failed, "\n".join(traffic.failures())
    assert printed.count("Reboot it") == 2
    for service in ("web", "direct"):
        assert traffic.answers(service) == {"rs1", "rs2"}


@pytest.mark.long
def test_directors_are_updated(lab, playbook, tell):
    """Each director hands its addresses over, reboots, and takes part again."""
    variables = {"update_directors": True, "update_reboot": True}
    with load(lab) as traffic:
        succeed(playbook("rolling_update.yml", "--tags", "directors", variables=variables))
    tell(traffic)
    assert traffic.outage < TAKEOVER


@pytest.mark.long
def test_a_drained_real_server_stays_drained(lab, playbook, tell):
    """Through site.yml, a crash of the real server, and one of the director; then it is restored."""
    with load(lab) as traffic:
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
        assert serving(lab, active(lab)) == BOTH
    tell(traffic)
    assert not traffic.failed, "\n".join(traffic.failures())


@pytest.mark.long
def test_a_killed_run(lab, playbook, tell):
    """Ansible is killed at ten points of a change; the service is not affected, and the next run completes it."""
    weights = itertools.cycle((2, 3))
    with load(lab) as traffic:
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
    assert not traffic.failed, "\n".join(traffic.failures())


@pytest.mark.long
def test_changes_of_the_scheduler(lab, playbook, tell):
    """The kernel refuses new connections for a moment at each; established ones live. Counted, and documented."""
    schedulers = ("wrr", "lc", "wlc", "rr")
    count = int(os.environ.get("LVS_EDITS", "4"))
    with load(lab) as traffic:
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
