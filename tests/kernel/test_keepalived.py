# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A director whose keepalived is ours: it comes, changes, hands over and goes, and the service goes on."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pathlib
import threading
import time

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.keepalived.service import (
    DROP_IN,
    Service,
)
from tests.kernel.harness import (
    ModuleFailed,
    claims,
    four_steps,
    our_files,
    run_module,
    saved,
    sh,
    table,
)

OWNER = "cluster-default"
OWN, VIP = "10.96.0.7", "10.96.0.100"
CONF = pathlib.Path("/etc/keepalived/keepalived.conf")
PASSWORD = "v3ry-sec"
WRITE = {"verb": "write", "object": str(CONF)}
START = [
    {"verb": "write", "object": DROP_IN},
    WRITE,
    {"verb": "start", "object": "keepalived"},
]
RELOAD = [WRITE, {"verb": "reload", "object": "keepalived"}]


def server(number, port=8080, **more):
    """A real server; those of the test network answer on port 8080."""
    return {"address": f"10.97.0.{number}", "port": port, "forwarding": "nat", **more}


def service(*servers, scheduler="rr", port=80):
    listed = list(servers or (server(1), server(2)))
    key = {"protocol": "tcp", "address": VIP, "port": port}
    return {**key, "scheduler": scheduler, "real_servers": listed}


def key_of(each):
    return {name: each[name] for name in ("protocol", "address", "port")}


def virtual_server(each, inhibit=False, check_port=0):
    """As the control node derives it.

    :param check_port: what the check connects to; 0 for the port of the real server.
    """
    lines = [
        f"# service tcp {each['address']}:{each['port']}",
        f"virtual_server {each['address']} {each['port']} {{",
        "    protocol TCP",
        f"    lvs_sched {each['scheduler']}",
        "    alpha",
        *(["    inhibit_on_failure"] if inhibit else []),
        "    delay_loop 1",
        "    warmup 0",
        "    quorum 1",
    ]
    for its in each["real_servers"]:
        lines += [
            f"    # real server {its['address']}:{its['port']}",
            f"    real_server {its['address']} {its['port']} {{",
            f"        weight {its.get('weight', 1)}",
            "        lvs_method NAT",
            *(
                [f"        uthreshold {its['upper_threshold']}"]
                if its.get("upper_threshold")
                else []
            ),
            "        TCP_CHECK {",
            *([f"            connect_port {check_port}"] if check_port else []),
            "            connect_timeout 1",
            "            retry 1",
            "            delay_before_retry 1",
            "        }",
            "    }",
        ]
    return [*lines, "}"]


UNICAST = [
    "    unicast_src_ip 10.96.0.7",
    "    unicast_peer {",
    "        10.96.0.8",
    "    }",
]


def text(
    services, inhibit=False, password=False, sync=None, more=(), check_port=0, peers=tuple(UNICAST)
):
    lines = [
        "global_defs {",
        "    router_id one",
        "    script_user root",
        "    enable_script_security",
        f"    vrrp_version {2 if password else 3}",
        *([f"    lvs_sync_daemon $INTERFACE_OF_10_96_0_7 inst VI id {sync}"] if sync else []),
        *more,
        "}",
        "vrrp_instance VI {",
        "    state BACKUP",
        "    nopreempt",
        "    interface $INTERFACE_OF_10_96_0_7",
        "    virtual_router_id 51",
        "    priority 200",
        "    advert_int 1",
        *(
            [
                "    authentication {",
                "        auth_type PASS",
                "        auth_pass $PASSWORD",
                "    }",
            ]
            if password
            else []
        ),
        *peers,
        "    track_interface {",
        "        $TRACKED",
        "    }",
        "    virtual_ipaddress {",
        f"        {VIP}/32 dev $INTERFACE_FOR_10_96_0_100",
        "    }",
        "}",
    ]
    for each in services:
        lines += virtual_server(each, inhibit, check_port)
    return "\n".join(lines) + "\n"


def keepalived(*services, owns_table=True, inhibit=False, sync=None, **more):
    """The configuration of a director with keepalived."""
    listed = list(services or (service(),))
    entry = {
        "text": text(listed if owns_table else (), inhibit, sync=sync, **more),
        "interfaces": {
            "INTERFACE_OF_10_96_0_7": {"of": OWN},
            "INTERFACE_FOR_10_96_0_100": {"for": VIP},
        },
        "vrrp_interfaces": ["INTERFACE_OF_10_96_0_7"],
        "interface": "",
        "table": owns_table,
        "sync": {"syncid": sync} if sync else None,
        "floating": [VIP],
        "settle_seconds": 6.0,
    }
    if owns_table:
        entry["services"] = listed
        entry["inhibit"] = [key_of(each) for each in listed] if inhibit else []
    return {
        "keepalived": entry,
        "table": {"release": True} if owns_table else {"services": listed},
        "addresses": {"addresses": [], "release": [VIP]},
    }


def ours(*services):
    """The configuration of a director without keepalived."""
    return {
        "table": {"services": list(services or (service(),))},
        "addresses": {"addresses": [VIP], "interface": "", "announce": True, "probe": True},
    }


def host(check=False, **params):
    return run_module("lvs_host", check, settle_seconds=0, rollback=0, **params)


def file_and_mode():
    return (CONF.read_text(), oct(CONF.stat().st_mode & 0o777)) if CONF.exists() else None


def unit():
    names = "--property=ActiveState,UnitFileState"
    return sorted(sh("systemctl", "show", "keepalived", names).splitlines())


def main_process():
    return sh("systemctl", "show", "keepalived", "--property=MainPID", "--value").strip()


def look():
    """What independent tools tell; not the virtual address, which comes some seconds later."""
    return saved(), file_and_mode(), unit(), sorted(os.listdir(CONF.parent))


def four(**params):
    return four_steps("lvs_host", look=look, settle_seconds=0, rollback=0, **params)


def has_vip():
    return f" {VIP}/32 " in sh("ip", "-oneline", "-4", "address", "show", "dev", "cluster")


def until(condition, seconds=15):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it has not come"
        time.sleep(0.1)


def daemons():
    return sh("ipvsadm", "--list", "--daemon")


def servers(port=80):
    """The lines of a service's real servers in the table."""
    start = f"-a -t {VIP}:{port} -r "
    return sorted(line[len(start) :] for line in saved() if line.startswith(start))


@contextlib.contextmanager
def watched(look):
    """Meanwhile, in a thread of its own: (seconds, what was seen) of each look."""
    seen, done = [], threading.Event()

    def watch():
        while not done.is_set():
            seen.append((time.monotonic(), look()))
            time.sleep(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()
    assert len(seen) > 20, "too few to say anything"


@contextlib.contextmanager
def never_empty():
    """All the while the service has a real server."""
    start = f"-a -t {VIP}:80 "
    with watched(lambda: sum(line.startswith(start) for line in table())) as seen:
        yield
    assert min(count for _when, count in seen) > 0


def end_by_force():
    for signal in ("SIGSTOP", "SIGKILL"):
        sh("systemctl", "kill", f"--signal={signal}", "keepalived", check=False)
    until(lambda: "ActiveState=active" not in unit())
    # It would come back by itself.
    sh("systemctl", "stop", "keepalived")


@pytest.fixture(scope="module", autouse=True)
def _no_init_script():
    """systemctl would run update-rc.d at each enable and disable, which takes an emulated machine seconds."""
    script, aside = pathlib.Path("/etc/init.d/keepalived"), pathlib.Path("/root/keepalived.init")
    if script.exists():
        script.rename(aside)
    yield
    if aside.exists():
        aside.rename(script)


@pytest.fixture(autouse=True)
def _director(network):
    del network
    sh("ip", "link", "del", "cluster", check=False)
    sh("ip", "link", "add", "cluster", "type", "dummy")
    sh("ip", "address", "add", f"{OWN}/24", "dev", "cluster")
    sh("ip", "link", "set", "cluster", "up")
    sh("systemctl", "disable", "keepalived")
    time.sleep(0.2)
    addresses = sorted(sh("ip", "-brief", "-4", "address").splitlines())
    before = look()
    try:
        yield
        host(state="absent")
        assert look() == before
        assert our_files() == {}
        assert claims(OWNER) == {}
        assert sorted(sh("ip", "-brief", "-4", "address").splitlines()) == addresses
        assert sh("pgrep", "-x", "keepalived", check=False) == ""
    finally:
        sh("systemctl", "kill", "--signal=SIGKILL", "keepalived", check=False)
        sh("systemctl", "stop", "keepalived", check=False)
        sh("systemctl", "reset-failed", "keepalived", check=False)
        CONF.unlink(missing_ok=True)
        sh("ip", "link", "del", "cluster")


@pytest.mark.long
def test_it_comes_and_stays_as_it_is_and_goes():
    done = four(configuration=keepalived())
    assert done["operations"]["keepalived"] == START
    assert servers() == ["10.97.0.1:8080 -m -w 1", "10.97.0.2:8080 -m -w 1"]
    written, mode = file_and_mode()
    assert written.startswith(f"# Of lvs.cluster, for owner {OWNER}: written by Ansible;")
    assert (
        "\n$INTERFACE_FOR_10_96_0_100=cluster\n$INTERFACE_OF_10_96_0_7=cluster\n$TRACKED=\n"
        in written
    )
    assert mode == "0o600"
    assert unit() == ["ActiveState=active", "UnitFileState=enabled"]
    found = done["details"]["keepalived"]
    assert (found["state"], found["failing"], found["missing"]) == ("active", [], [])
    assert done["details"]["keepalived"]["failing"] == []
    # What keepalived adds is nothing of ours to be removed.
    until(has_vip)
    for check in (True, False):
        again = host(check=check, configuration=keepalived())
        assert (again["changed"], again["remaining"]) == (False, {})
        assert again["details"]["keepalived"]["holds"] == [VIP]
    assert has_vip()
    gone = four(state="absent")
    assert [each["verb"] for each in gone["operations"]["keepalived"]] == [
        *("stop", "disable", "delete", "delete")
    ]
    assert not has_vip()
    assert saved() == []


@pytest.mark.long
def test_a_reload_changes_what_is_in_force_and_what_a_reload_ignores_is_edited():
    host(configuration=keepalived())
    process = main_process()
    changed = service(server(1, weight=5), server(2, upper_threshold=100), scheduler="wlc")
    done = four(configuration=keepalived(changed))
    assert done["operations"]["keepalived"][:2] == RELOAD
    assert f"-A -t {VIP}:80 -s wlc" in saved()
    assert servers() == ["10.97.0.1:8080 -m -w 5", "10.97.0.2:8080 -m -w 1"]
    assert any(
        line.split()[:3] == ["->", "10.97.0.2:8080", "100"]
        for line in sh("ipvsadm", "-Ln", "--thresholds").splitlines()
    )
    more = service(server(1), port=81)
    four(configuration=keepalived(changed, more))
    assert servers(81) == ["10.97.0.1:8080 -m -w 1"]
    four(configuration=keepalived(service(server(2))))
    assert (servers(), servers(81)) == (["10.97.0.2:8080 -m -w 1"], [])
    assert main_process() == process


@pytest.mark.long
def test_what_is_edited_by_hand_is_repaired():
    host(configuration=keepalived())
    process, before = main_process(), saved()
    sh("ipvsadm", "-e", "-t", f"{VIP}:80", "-r", "10.97.0.1:8080", "-m", "-w", "9", "-x", "7")
    sh("ipvsadm", "-E", "-t", f"{VIP}:80", "-s", "lc")
    done = four(configuration=keepalived())
    assert [each["verb"] for each in done["operations"]["keepalived"]] == ["edit", "edit"]
    assert saved() == before
    assert main_process() == process


@pytest.mark.long
@pytest.mark.parametrize("inhibit", [False, True])
def test_a_real_server_that_fails_its_check_is_told(inhibit):
    """Nothing listens on its port."""
    configuration = keepalived(service(server(1), server(2, port=9)), inhibit=inhibit)
    done = host(configuration=configuration)
    failing = [{"service": key_of(service()), "real_server": {"address": "10.97.0.2", "port": 9}}]
    assert done["details"]["keepalived"]["failing"] == failing
    assert f"10.97.0.2:9 of service tcp {VIP}:80" in str(done["warnings"])
    left = ["10.97.0.2:9 -m -w 0"] if inhibit else []
    assert servers() == ["10.97.0.1:8080 -m -w 1", *left]
    again = host(configuration=configuration)
    assert not again["changed"]
    assert again["details"]["keepalived"]["failing"] == failing


@pytest.mark.long
def test_a_foreign_real_server_stays_and_is_told():
    host(configuration=keepalived())
    sh("ipvsadm", "-a", "-t", f"{VIP}:80", "-r", "10.97.0.77:80", "-m")
    again = host(configuration=keepalived())
    assert not again["changed"]
    (foreign,) = again["details"]["keepalived"]["foreign"]
    assert foreign["real_server"] == {"address": "10.97.0.77", "port": 80}
    sh("ipvsadm", "-d", "-t", f"{VIP}:80", "-r", "10.97.0.77:80")


def test_checks_that_all_real_servers_fail_are_taken_back():
    host(configuration=keepalived())
    before = file_and_mode()
    with pytest.raises(ModuleFailed, match=rf"all real servers of tcp {VIP}:80 fail with it"):
        host(configuration=keepalived(check_port=9))
    assert file_and_mode() == before
    until(lambda: len(servers()) == 2, 5)
    assert not host(configuration=keepalived())["changed"]


def test_a_real_server_that_is_not_prepared_is_not_added():
    host(configuration=keepalived(service(server(1))))
    both = keepalived(service())
    done = host(configuration=both, unprepared=["10.97.0.2"])
    assert not done["changed"]
    assert [each["real_server"]["address"] for each in done["not_added"]] == ["10.97.0.2"]
    assert len(servers()) == 1
    assert host(configuration=both)["operations"]["keepalived"] == RELOAD
    assert len(servers()) == 2


@pytest.mark.long
def test_killed_as_a_whole_it_comes_back_by_itself():
    host(configuration=keepalived())
    first = main_process()
    for signal in ("SIGSTOP", "SIGKILL"):
        sh("systemctl", "kill", f"--signal={signal}", "keepalived")
    until(lambda: "ActiveState=active" in unit() and main_process() != first)
    until(lambda: has_vip() and len(servers()) == 2)
    assert not host(configuration=keepalived())["changed"]


def test_another_kind_of_instance_gives_its_addresses_up_for_a_moment_only():
    """Unicast to multicast, as where a director becomes the only one: keepalived removes the old instance."""
    sh("ip", "link", "set", "cluster", "multicast", "on")
    host(configuration=keepalived())
    until(has_vip)
    with watched(has_vip) as seen:
        host(configuration=keepalived(peers=()))
        time.sleep(5)
    assert has_vip()
    had = [when for when, has_it in seen if has_it]
    # It would be more than three seconds with the usual interval of advertisements.
    assert max(after - before for before, after in itertools.pairwise(had)) < 2.0


def test_a_configuration_that_keepalived_refuses_leaves_the_old_one_in_service():
    host(configuration=keepalived())
    before, process = look(), main_process()
    broken = keepalived(more=["    no_such_keyword 1"])
    for check in (True, False):
        with pytest.raises(ModuleFailed, match=r"'keepalived -t'.*no_such_keyword"):
            host(check=check, configuration=broken)
        assert look() == before
    assert main_process() == process
    assert not host(configuration=keepalived())["changed"]


def test_a_configuration_of_somebody_else_is_refused():
    CONF.write_text("global_defs {\n    router_id mine\n}\n")
    before = look()
    with pytest.raises(
        ModuleFailed, match="was not written by this collection, and would be overwritten"
    ):
        host(configuration=keepalived())
    assert look() == before
    assert our_files() == {}
    CONF.unlink()


@pytest.fixture
def _broken_start():
    """The program does not start, whatever its configuration."""
    folder = pathlib.Path("/run/systemd/system/keepalived.service.d")
    folder.mkdir(parents=True)
    (folder / "broken.conf").write_text("[Service]\nExecStart=\nExecStart=/bin/false\n")
    sh("systemctl", "daemon-reload")
    try:
        yield
    finally:
        (folder / "broken.conf").unlink()
        folder.rmdir()
        sh("systemctl", "daemon-reload")
        sh("systemctl", "reset-failed", "keepalived", check=False)


@pytest.mark.usefixtures("_broken_start")
@pytest.mark.long
def test_where_keepalived_does_not_start_the_table_stays_ours():
    host(configuration=ours())
    before, files = saved(), our_files()
    with never_empty(), pytest.raises(ModuleFailed, match=r"Could not start keepalived.*journal"):
        host(configuration=keepalived())
    assert saved() == before
    assert has_vip()
    assert not CONF.exists()
    # And it is restored at the next boot.
    assert our_files() == files
    assert not host(configuration=ours())["changed"]


@pytest.mark.long
def test_the_password_is_in_the_file_and_nowhere_else():
    configuration = keepalived(password=True)
    results = [
        host(check=True, configuration=configuration, keepalived_password=PASSWORD),
        host(configuration=configuration, keepalived_password=PASSWORD),
    ]
    assert f"$PASSWORD={PASSWORD}\n" in CONF.read_text()
    changed = host(configuration=configuration, keepalived_password="an0ther1")
    assert changed["operations"]["keepalived"] == RELOAD
    shown = json.dumps([*results, changed])
    for password in (PASSWORD, "an0ther1"):
        assert password not in shown
        assert password not in sh("journalctl", "--unit=keepalived", "--output=cat")
        assert password not in json.dumps(our_files())
    assert "********" in shown
    with pytest.raises(ModuleFailed, match="the password of VRRP: is missing"):
        host(configuration=configuration)


def test_the_table_goes_over_to_keepalived_and_back_without_a_gap():
    host(configuration=ours())
    table = saved()
    with never_empty():
        there = four(configuration=keepalived())
        assert list(there["operations"]) == ["keepalived"]
        assert set(claims(OWNER)) == {"keepalived", "keepalived_made"}
        assert not any(OWNER in path and "boot.d" in path for path in our_files())
        until(has_vip)
        assert saved() == table
        back = host(configuration=ours())
        assert [each["verb"] for each in back["operations"]["keepalived"]] == [
            *("end", "disable", "delete", "delete")
        ]
        assert "table" not in back["operations"]
        assert "addresses" not in back["operations"]
        time.sleep(0.5)
    assert saved() == table
    assert has_vip()
    assert unit() == ["ActiveState=inactive", "UnitFileState=disabled"]
    assert not CONF.exists()
    assert {"ipvs_service", "ipvs_real_server", "address"} == set(claims(OWNER))
    assert not host(configuration=ours())["changed"]
    # It is restored at boot, and removed with the description.
    sh("ipvsadm", "--clear")
    sh("/etc/lvs.cluster/restore")
    assert saved() == table


@pytest.mark.long
def test_a_dead_real_server_of_our_table_does_not_stay_in_that_of_keepalived():
    """keepalived begins with alpha, and yet believes what it finds in the table."""
    dead = service(server(1), server(2, port=9))
    host(configuration=ours(dead))
    assert len(servers()) == 2
    with never_empty():
        host(configuration=keepalived(dead))
        until(lambda: servers() == ["10.97.0.1:8080 -m -w 1"])
    assert "alpha no" not in CONF.read_text()


@pytest.mark.long
def test_what_goes_in_the_same_run_as_the_table_is_removed():
    host(configuration=ours(service(), service(port=81)))
    host(configuration=keepalived(service(server(1))))
    assert servers() == ["10.97.0.1:8080 -m -w 1"]
    assert f"-A -t {VIP}:81 -s rr" not in saved()


@pytest.mark.long
def test_keepalived_may_go_on_with_vrrp_alone_and_back():
    host(configuration=keepalived())
    until(has_vip)
    process, table = main_process(), saved()
    with never_empty():
        done = host(configuration=keepalived(owns_table=False))
        assert done["operations"] == {"keepalived": RELOAD}
        time.sleep(1)
        assert saved() == table
        assert "virtual_server" not in CONF.read_text()
        assert not host(configuration=keepalived(owns_table=False))["changed"]
        host(configuration=keepalived())
        time.sleep(1)
    assert saved() == table
    assert main_process() == process
    assert has_vip()


@pytest.mark.long
def test_the_sync_daemon_is_keepaliveds_and_stops_when_it_leaves():
    host(configuration=keepalived(sync=5))
    until(lambda: "master sync daemon" in daemons())
    assert "syncid=5" in daemons()
    again = host(configuration=keepalived(sync=5))
    assert not again["changed"]
    assert [each["syncid"] for each in again["details"]["keepalived"]["sync_daemons"]] == [5]
    assert again["details"]["keepalived"]["failing"] == []
    host(configuration=ours())
    assert "sync daemon" not in daemons()


def test_an_active_director_lets_others_go_first():
    """But only where it has something to change."""
    host(configuration=keepalived())
    until(has_vip)
    before = file_and_mode()
    same = host(configuration=keepalived(), defer=True)
    assert (same["changed"], same["deferred"]) == (False, "")
    for wanted in (keepalived(service(server(1))), ours()):
        deferred = host(configuration=wanted, defer=True)
        assert (deferred["changed"], deferred["diff"], deferred["deferred"]) == (
            False,
            [],
            "active",
        )
    assert file_and_mode() == before
    assert host(configuration=keepalived(service(server(1))))["changed"]


def test_a_sync_daemon_whose_line_changes_or_goes_is_changed_or_stopped():
    host(configuration=keepalived(sync=5))
    until(lambda: "syncid=5" in daemons())
    host(configuration=keepalived(sync=6))
    assert "syncid=5" not in daemons()
    until(lambda: "master sync daemon" in daemons())
    assert "syncid=6" in daemons()
    without = host(configuration=keepalived())
    assert "stop" in [each["verb"] for each in without["operations"]["keepalived"]]
    assert "sync daemon" not in daemons()
    assert not host(configuration=keepalived())["changed"]
    time.sleep(3)
    assert "sync daemon" not in daemons()


@pytest.mark.long
def test_what_a_killed_keepalived_has_left_is_cleaned_up():
    host(configuration=keepalived(service(), service(port=81)))
    until(has_vip)
    end_by_force()
    assert servers(81)
    # keepalived does not know of what its former life had, and so would leave it.
    with never_empty():
        done = host(configuration=keepalived(service(server(1))))
    assert done["operations"]["keepalived"][:2] == START[1:]
    assert servers() == ["10.97.0.1:8080 -m -w 1"]
    assert servers(81) == []
    until(has_vip)
    end_by_force()
    host(state="absent")
    assert saved() == []
    assert not has_vip()


@pytest.mark.long
def test_keepalived_that_was_stopped_is_started():
    host(configuration=keepalived())
    before = saved()
    sh("systemctl", "stop", "keepalived")
    assert saved() == []
    done = four(configuration=keepalived())
    assert done["operations"]["keepalived"] == START[2:]
    assert saved() == before


@pytest.mark.long
@pytest.mark.parametrize("number", range(1, 5))
@pytest.mark.parametrize("way", ["to", "change", "from"])
def test_killed_at_any_step_the_next_run_completes(monkeypatch, way, number):
    first, second = {
        "to": (ours(), keepalived()),
        "change": (keepalived(), keepalived(service(server(1, weight=3)))),
        "from": (keepalived(), ours()),
    }[way]
    host(configuration=first)

    class Killed(BaseException):
        pass

    count = iter(range(number - 1))

    def dying(original):
        def step(self, *words):
            if next(count, None) is None:
                raise Killed
            return original(self, *words)

        return step

    for name in ("put", "start", "reload", "kill", "disable"):
        monkeypatch.setattr(Service, name, dying(getattr(Service, name)))
    with never_empty():
        with contextlib.suppress(Killed):
            host(configuration=second)
        monkeypatch.undo()
        host(configuration=second)
    assert not host(configuration=second)["changed"]
    weight = 3 if way == "change" else 1
    assert f"10.97.0.1:8080 -m -w {weight}" in servers()
    assert CONF.exists() == (way != "from")
