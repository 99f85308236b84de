# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Machines and programs fail while a client makes requests all the time.

Each drill prints its figures, and leaves the cluster as it was: both directors and both real servers at work.
``make drill NAME=...`` runs one alone.
"""

from __future__ import annotations

import time

import pytest

from shared.tests.directors import (
    DETECTION,
    DIRECTORS,
    FLOATING,
    REAL_SERVERS,
    TAKEOVER,
    active,
    active_fails,
    at_work,
    booted,
    client_clock,
    fails,
    held,
    make_active,
    serving,
    standby,
    wait_until,
)
from shared.tests.dumps import MEASURED, difference
from shared.tests.playbooks import described, succeed

pytestmark = pytest.mark.usefixtures("whole")

FILE = "/var/www/html/large"
FILE_BYTES = 16_000_000
# The real server sends slowly. If the client read slowly, much of the file would be in its receive buffer already.
SLOWLY = "/etc/nginx/conf.d/slowly.conf"


def test_a_real_server_dies(lab, load, tell):
    """Requests fail only until its check has failed; it comes back by itself."""
    with load() as traffic:
        began = client_clock(lab)
        lab.freeze("rs1")
        gone = wait_until(
            lambda: serving(lab, active(lab)) == {"12"}, DETECTION + 5, "rs1 is taken out"
        )
        time.sleep(3)
        lab.crash("rs1")
        booted(lab, "rs1")
        back = wait_until(lambda: serving(lab, active(lab)) == REAL_SERVERS, 30, "rs1 is back")
    late = traffic.last_failure(began)
    tell(
        traffic,
        f"taken out after {gone:.1f} s, back {back:.1f} s after it was up, last failure at {late:.1f} s; ",
    )
    assert late < DETECTION
    traffic.check_steady()


@pytest.mark.long
@pytest.mark.parametrize("how", ["500", "hangs", "closed", "slow"])
def test_the_application_fails(how, lab, load, tell):
    fail, mend = {
        "500": (
            "echo 'server { listen 80 default_server; return 500; }' > /etc/nginx/sites-enabled/zz-broken; "
            "mv /etc/nginx/sites-enabled/default /root/; systemctl reload nginx",
            "rm /etc/nginx/sites-enabled/zz-broken; mv /root/default /etc/nginx/sites-enabled/; "
            "systemctl reload nginx",
        ),
        "hangs": ("systemctl kill -s STOP nginx", "systemctl kill -s CONT nginx"),
        "closed": ("systemctl stop nginx", "systemctl start nginx"),
        "slow": (
            "tc qdisc add dev eth1 root netem delay 3000ms",
            "tc qdisc del dev eth1 root",
        ),
    }[how]
    with load() as traffic:
        began = client_clock(lab)
        lab.ssh("rs1", fail)
        try:
            gone = wait_until(
                lambda: serving(lab, active(lab)) == {"12"}, DETECTION + 5, "rs1 is taken out"
            )
            time.sleep(3)
        finally:
            lab.ssh("rs1", mend)
        back = wait_until(lambda: serving(lab, active(lab)) == REAL_SERVERS, 30, "rs1 is back")
    late = traffic.last_failure(began)
    tell(
        traffic,
        f"taken out after {gone:.1f} s, back after {back:.1f} s, last failure at {late:.1f} s; ",
    )
    assert late < DETECTION


@pytest.fixture
def large_file(lab):
    """Both real servers have a file that takes them half a minute to send."""
    for name in ("rs1", "rs2"):
        lab.ssh(name, f"head -c {FILE_BYTES} /dev/zero > {FILE}")
        lab.ssh(name, f"echo 'limit_rate 500k;' > {SLOWLY} && systemctl reload nginx")
    yield
    for name in ("rs1", "rs2"):
        lab.ssh(name, f"rm -f {FILE} {SLOWLY} && systemctl reload nginx")


class Downloads:
    """A slow download from each service, begun at once: do they survive?"""

    def __init__(self, lab):
        self._lab = lab
        for name, address in (("nat", "10.84.0.100"), ("dr", "10.84.0.101")):
            curl = ["curl", "-sS", "--speed-time", "30", "-o", f"/run/{name}"]
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


def director_dies(lab, load):
    """The active director dies for good, and boots some time later: (traffic, its name, seconds, survivors)."""
    name, other = active(lab), standby(lab)
    with load() as traffic:
        downloads = Downloads(lab)
        # A connection younger than about three seconds is not synchronised yet.
        time.sleep(8)
        began = client_clock(lab)
        fails(lab, name, other)
        survivors = downloads.complete()
    late = traffic.last_failure(began)
    lab.crash(name)
    booted(lab, name)
    return traffic, late, survivors


def test_the_active_director_dies(lab, load, tell, large_file):
    traffic, late, survivors = director_dies(lab, load)
    tell(
        traffic,
        f"last failure at {late:.1f} s, downloads that lived: {', '.join(sorted(survivors))}; ",
    )
    assert late < TAKEOVER
    assert survivors == {"nat", "dr"}


@pytest.mark.long
def test_the_active_director_dies_without_synchronisation(lab, load, tell, large_file, playbook):
    """The same drill without it: connections die with their director."""
    succeed(playbook("site.yml", variables={"keepalived_sync": False}))
    try:
        at_work(lab)
        traffic, late, survivors = director_dies(lab, load)
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
def test_the_failed_director_returns(lab, load, tell):
    """Without keepalived_preempt it stands by, although its priority may be higher; no request fails."""
    first, other = active_fails(lab)
    with load() as traffic:
        lab.crash(first)
        booted(lab, first)
        wait_until(lambda: serving(lab, first) == REAL_SERVERS, 60, f"{first} has its table")
        time.sleep(15)
    tell(traffic)
    assert active(lab) == other
    traffic.check_complete()


@pytest.mark.long
def test_the_failed_director_returns_with_preemption(lab, playbook, load, tell):
    """With keepalived_preempt the addresses go back to the one with the higher priority: a second interruption."""
    succeed(playbook("site.yml", variables={"keepalived_preempt": True}))
    try:
        preferred = set(FLOATING)
        wait_until(lambda: held(lab, "director") == preferred, 60, "the preferred one is active")
        at_work(lab)
        assert active_fails(lab) == ("director", "backup")
        with load() as traffic:
            lab.crash("director")
            booted(lab, "director")
            wait_until(lambda: held(lab, "director") == preferred, 60, "director takes back")
            time.sleep(5)
        at_work(lab)
    finally:
        succeed(playbook("site.yml"))
    tell(traffic)
    assert traffic.longest_outage < TAKEOVER


@pytest.mark.long
def test_a_director_returns_deaf(lab, load, tell):
    """Its network hears nothing for 10 seconds after its boot: it does not take the other one to be gone."""
    name = active(lab)
    unit = (
        "[Unit]\nDefaultDependencies=no\nBefore=keepalived.service network.target\n"
        "[Service]\nExecStart=/bin/sh -c 'iptables -I INPUT -p 112 -j DROP; touch /run/deaf; "
        "while ! pidof -q keepalived; do sleep 0.2; done; sleep 8; iptables -D INPUT -p 112 -j DROP'\n"
        "[Install]\nWantedBy=multi-user.target\n"
    )
    lab.ssh(name, "cat > /etc/systemd/system/deaf.service", input=unit)
    # The crash loses what is not on the disk yet.
    lab.ssh(name, "systemctl enable --quiet deaf && sync")
    try:
        _name, other = active_fails(lab)
        with load() as traffic:
            lab.crash(name)
            booted(lab, name)
            assert lab.ssh(name, "ls /run/deaf").stdout
            wait_until(lambda: serving(lab, name) == REAL_SERVERS, 60, f"{name} has its table")
            time.sleep(15)
            assert active(lab) == other
    finally:
        lab.ssh(name, "systemctl disable --quiet deaf; rm /etc/systemd/system/deaf.service")
    tell(traffic)
    traffic.check_complete()


@pytest.mark.long
@pytest.mark.parametrize("what", ["stopped", "killed", "checker killed", "vrrp killed"])
def test_keepalived_ends(what, lab, load, tell):
    """What becomes of the service when keepalived ends on the active director, in each way."""
    name = active(lab)
    command = {
        "stopped": "systemctl stop keepalived",
        "killed": "systemctl kill --signal=KILL keepalived",
        "checker killed": "pkill -KILL -x 'keepalived_(ipvs|lvs)'",
        "vrrp killed": "pkill -KILL -x keepalived_vrrp",
    }[what]
    with load() as traffic:
        began = client_clock(lab)
        lab.ssh(name, command)
        time.sleep(12)
        where = {each: sorted(held(lab, each)) for each in DIRECTORS}
        state = lab.ssh(name, "systemctl is-active keepalived", check=False).stdout.strip()
    late = traffic.last_failure(began)
    tell(traffic, f"keepalived is {state} then, addresses {where}, last failure at {late:.1f} s; ")
    if what == "stopped":
        lab.ssh(name, "systemctl start keepalived")
    # Otherwise it comes back by itself, which is looked at once the drill is over.
    assert late < TAKEOVER + 2


@pytest.mark.long
@pytest.mark.parametrize(
    "networks",
    [
        pytest.param(["10.84.0.0/24"], id="one-network"),
        pytest.param(["10.84.0.0/24", "192.168.84.0/24"], id="anywhere"),
    ],
)
def test_the_directors_do_not_hear_each_other(networks, lab, load, tell):
    """On one network nothing happens, because all instances are one sync group; else both have the addresses.

    When they hear each other again, the state heals without a hand.
    """
    before = active(lab)

    def on_both(command, check=True):
        for name in DIRECTORS:
            for network in networks:
                lab.ssh(name, f"iptables {command} INPUT -p 112 -s {network} -j DROP", check=check)

    with load() as traffic:
        began = client_clock(lab)
        try:
            on_both("-I")
            time.sleep(10)
            found = {each: held(lab, each) for each in DIRECTORS}
        finally:
            on_both("-D", check=False)
        healed = wait_until(
            lambda: sorted(len(held(lab, name)) for name in DIRECTORS) == [0, len(FLOATING)],
            30,
            "one director has the addresses again",
        )
    late = traffic.last_failure(began)
    tell(traffic, f"meanwhile {found}, healed after {healed:.1f} s, last failure at {late:.1f} s; ")
    if len(networks) == 1:
        assert found == {name: set(FLOATING) if name == before else set() for name in DIRECTORS}
        traffic.check_complete()
    else:
        assert found == {name: set(FLOATING) for name in DIRECTORS}
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
            kept = lab.ssh(name, "cat /etc/keepalived/keepalived.conf").stdout
            assert kept.count("real_server 192.168.84.12 80") == 2
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
def test_a_configuration_that_keepalived_refuses(lab, playbook, load, tell):
    """A clear error, and the old one goes on serving."""
    with load() as traffic:
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
    traffic.check_complete()
    succeed(playbook("site.yml"))


FULL = (
    "mkdir /run/was; cp -a {0}/. /run/was; mount -t tmpfs -o size=64k,mode=755 none {0}; cp -a /run/was/. {0}; "
    "dd if=/dev/zero of={0}/filling bs=4k 2>/dev/null"
)


@pytest.mark.long
@pytest.mark.parametrize(
    ("fail", "mend", "said"),
    [
        pytest.param(
            "mount --bind /etc /etc; mount -o remount,bind,ro /etc",
            "umount /etc",
            "Read-only file system",
            id="read-only-etc",
        ),
        pytest.param(
            FULL.format("/etc/keepalived"),
            "umount /etc/keepalived; rm -r /run/was",
            "No space left on device",
            id="full-etc",
        ),
        pytest.param(
            FULL.format("/var/lib/lvs.cluster"),
            "umount /var/lib/lvs.cluster; rm -r /run/was",
            "No space left on device",
            id="full-var",
        ),
    ],
)
def test_a_director_cannot_be_written_to(fail, mend, said, lab, playbook, load, tell):
    """The one that stands by: a clear error, the old configuration stays in service, and the active one is left."""
    name, other = standby(lab), active(lab)
    services = [{**each, "scheduler": "wrr"} for each in described()["lvs_virtual_services"]]
    with load() as traffic:
        lab.ssh(name, fail, check=False)
        try:
            done = playbook("site.yml", variables={"lvs_virtual_services": services})
        finally:
            lab.ssh(name, mend)
        printed = done.stdout + done.stderr
        assert done.returncode != 0
        assert said in printed
        assert "Traceback" not in printed
        for each in (name, other):
            assert " -s rr" in lab.ssh(each, "ipvsadm --save --numeric").stdout
    tell(traffic)
    traffic.check_complete()
    succeed(playbook("site.yml"))


@pytest.mark.long
def test_every_real_server_is_dead(lab, load, tell):
    """Without a sorry server nothing can be served; it comes back by itself."""
    with load() as traffic:
        for name in ("rs1", "rs2"):
            lab.ssh(name, "systemctl stop nginx")
        wait_until(lambda: serving(lab, active(lab)) == set(), DETECTION + 5, "both are taken out")
        for name in ("rs1", "rs2"):
            lab.ssh(name, "systemctl start nginx")
        back = wait_until(lambda: serving(lab, active(lab)) == REAL_SERVERS, 30, "both are back")
        began = client_clock(lab)
        time.sleep(3)
    tell(traffic, f"back after {back:.1f} s; ")
    assert traffic.failed
    assert traffic.last_failure(began) <= 0


@pytest.mark.long
def test_a_sorry_server(lab, playbook, load, tell):
    """It serves when every real server is dead, and stops when one is back."""
    services = described()["lvs_virtual_services"]
    web = {**services[0], "real_servers": [{"host": "rs1"}], "sorry_server": {"host": "rs2"}}
    succeed(playbook("site.yml", variables={"lvs_virtual_services": [web, services[1]]}))
    try:
        with load() as traffic:
            lab.ssh("rs1", "systemctl stop nginx")
            wait_until(lambda: serving(lab, active(lab)) == {"12"}, DETECTION + 5, "it serves")
            time.sleep(3)
            lab.ssh("rs1", "systemctl start nginx")
            back = wait_until(lambda: serving(lab, active(lab)) == {"11"}, 30, "rs1 serves again")
    finally:
        lab.ssh("rs1", "systemctl start nginx")
        succeed(playbook("site.yml"))
    tell(traffic, f"rs1 serves again after {back:.1f} s; ")
    assert traffic.answers("web") == {"rs1", "rs2"}


@pytest.mark.long
def test_reboots_in_turn(lab, dump, load, tell):
    """Every machine of the cluster in turn, the active director last: what fails, and that all is as it was."""
    make_active(lab, "director")
    at_work(lab)
    machines = ("rs1", "rs2", "backup", "director")
    before = {name: dump(name) for name in machines}
    with load() as traffic:
        for name in machines:
            lab.ssh(name, "systemctl reboot", check=False)
            time.sleep(5)
            booted(lab, name)
            at_work(lab)
    tell(traffic)
    make_active(lab, "director")
    at_work(lab)
    assert {name: difference(before[name], dump(name), MEASURED) for name in machines} == (
        dict.fromkeys(machines, "")
    )
