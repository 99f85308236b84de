# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real servers drained and restored, with connections through them, and what else sets weights meanwhile."""

from __future__ import annotations

import json
import pathlib
import shutil
import sys
import textwrap
import time

import pytest

from tests.kernel.harness import (
    STATE,
    VIP,
    WEB,
    ModuleFailed,
    claims,
    four_steps,
    loaded_modules,
    our_files,
    raw_dump,
    real_server,
    run_module,
    saved,
    service,
    sh,
)
from tests.kernel.network import REAL_SERVERS, Conversation

ONE, TWO = REAL_SERVERS.values()
RUNNER = "/etc/lvs.cluster/restore"
SCRIPT = pathlib.Path("/etc/lvs.cluster/boot.d/40-table-cluster-default")
QUIESCENT = "net.ipv4.vs.expire_quiescent_template"
KEEPALIVED_CONF = pathlib.Path("/etc/keepalived/keepalived.conf")


def drain(address=ONE, check=False, **params):
    return run_module("ipvs_drain", check, real_server=address, **params)


def restore(address=ONE, **params):
    return drain(address, state="restored", **params)


def weights():
    """Real server to weight, as ipvsadm tells."""
    lines = [line.split() for line in sh("ipvsadm", "--save", "--numeric").splitlines()]
    return {
        words[words.index("-r") + 1]: int(words[words.index("-w") + 1])
        for words in lines
        if words[0] == "-a"
    }


def counted():
    """Real server to what ipvsadm counts of it: Weight, PersistConn, ActiveConn, InActConn."""
    lines = sh("ipvsadm", "-Ln", "--persistent-conn").splitlines()
    names = next(line.split()[-4:] for line in lines if "PersistConn" in line)
    return {
        words[1]: dict(zip(names, map(int, words[2:]), strict=True))
        for words in map(str.split, lines)
        if words[0] == "->" and words[1] != "RemoteAddress:Port"
    }


def described(*its_weights, **more):
    servers = [
        {"address": address, "port": 8080, "weight": weight}
        for address, weight in zip(REAL_SERVERS.values(), its_weights, strict=True)
    ]
    return {"table": {"services": [{**WEB, "scheduler": "rr", "real_servers": servers, **more}]}}


def host(configuration, check=False):
    return run_module("lvs_host", check, configuration=configuration, settle_seconds=0)


def warned(done, words):
    """Whether a run warns so. Those before it in this process are among its warnings."""
    return any(words in str(warning) for warning in done["warnings"])


def until_idle(seconds=15, **params):
    """What until, retries and delay do."""
    end = time.monotonic() + seconds
    while True:
        found = drain(**params)
        if found["idle"] or time.monotonic() > end:
            return found
        time.sleep(0.5)


def forget_connections():
    """A service that is added again counts the connections of the one before."""
    sh("ipvsadm", "--clear")
    sh("modprobe", "--remove", *loaded_modules())
    sh("modprobe", "ip_vs")


@pytest.fixture(scope="module", autouse=True)
def _connections_of_its_own():
    """No other tests' connections here, and none of these later."""
    forget_connections()
    yield
    forget_connections()


@pytest.fixture
def _two(network):
    service(scheduler="rr")
    for address in REAL_SERVERS.values():
        real_server(address, port=8080, weight=2)


@pytest.fixture
def quiescent():
    """Sets the setting, and resets it afterwards."""
    before = sh("sysctl", "-n", QUIESCENT).strip()
    yield lambda value: sh("sysctl", "-q", f"{QUIESCENT}={value}")
    sh("sysctl", "-q", f"{QUIESCENT}={before}")


# Nothing but the table


def test_a_real_server_is_drained_and_restored():
    host(described(3, 1))
    before = saved(), SCRIPT.read_text()
    done = four_steps("ipvs_drain", real_server=ONE)
    assert weights() == {f"{ONE}:8080": 0, f"{TWO}:8080": 1}
    assert done["operations"] == [
        {"verb": "drain", "service": WEB, "real_server": {"address": ONE, "port": 8080}}
    ]
    assert claims("drained")["drain"].keys() == {f"tcp {VIP}:80 > {ONE}:8080"}
    assert (done["idle"], done["restored"]) == (True, False)
    assert SCRIPT.read_text() == before[1].replace("-w 3", "-w 0")
    done = four_steps("ipvs_drain", real_server=ONE, state="restored")
    assert done["restored"]
    assert (saved(), SCRIPT.read_text()) == before
    assert claims("drained") == {}


def test_only_its_weight_changes():
    servers = [
        {
            "address": ONE,
            "forwarding": "tun",
            "tunnel_type": "gue",
            "tunnel_port": 6080,
            "weight": 7,
            "upper_threshold": 9,
            "lower_threshold": 5,
        },
        {"address": TWO},
    ]
    run_module("ipvs_table", services=[{**WEB, "real_servers": servers}], owner="x")
    _services, before = raw_dump()
    drain()
    assert raw_dump()[1] == [{**each, "WEIGHT": 0 if each["WEIGHT"] == 7 else 1} for each in before]
    restore()
    assert raw_dump()[1] == before


def test_marks_and_ipv6():
    servers = [{"address": "2001:db8::1"}, {"address": "2001:db8::2"}]
    services = [
        {"fwmark": 2**32 - 1, "family": "ipv6", "real_servers": servers},
        {"address": "2001:db8:1::1", "port": 80, "real_servers": servers},
    ]
    run_module("ipvs_table", services=services, owner="x")
    done = four_steps("ipvs_drain", real_server="2001:DB8:0::1")
    assert len(done["real_servers"]) == 2
    assert weights()["[2001:db8::1]:80"] == weights()["[2001:db8::1]:0"] == 0
    done = four_steps(
        "ipvs_drain",
        real_server="2001:db8::1",
        state="restored",
        service={"fwmark": 2**32 - 1, "family": "ipv6"},
    )
    assert weights()["[2001:db8::1]:0"] == 1
    assert weights()["[2001:db8::1]:80"] == 0


def test_it_is_given_back_in_steps():
    host(described(5, 1))
    drain()
    taken = []
    while not restore(steps=3)["restored"]:
        taken.append(weights()[f"{ONE}:8080"])
        # What is restored at boot, and other runs, know of the step.
        assert not host(described(5, 1))["changed"]
    assert taken == [2, 4]
    assert weights()[f"{ONE}:8080"] == 5
    assert not restore(steps=3)["changed"]


def test_the_last_one_is_refused():
    host(described(3, 1))
    drain()
    before = saved(), our_files()
    for check in (True, False):
        with pytest.raises(ModuleFailed, match=f"the last real server of service tcp {VIP}:80"):
            drain(TWO, check=check)
    assert (saved(), our_files()) == before
    assert drain(TWO, force=True)["changed"]
    assert set(weights().values()) == {0}


def test_one_that_is_not_there():
    with pytest.raises(ModuleFailed, match="is in no service of this director"):
        drain("10.97.0.77")
    assert not restore("10.97.0.77")["changed"]
    assert drain("10.97.0.77", state="unchanged")["real_servers"] == []
    assert our_files() == {}


# Connections


@pytest.mark.usefixtures("_two")
def test_connections_live_and_new_ones_go_elsewhere():
    with Conversation() as old:
        drained = old.say("hello")[0]
        address = REAL_SERVERS[drained]
        before = drain(address)
        assert (before["active_connections"], before["idle"]) == (1, False)
        assert counted()[f"{address}:8080"]["ActiveConn"] == 1
        for _time in range(3):
            with Conversation() as new:
                assert new.say("hello")[0] != drained
        assert old.say("still")[0] == drained
        assert not until_idle(2, address=address)["idle"]
    after = until_idle(address=address)
    assert after["idle"]
    there = counted()[f"{address}:8080"]
    assert after["active_connections"] == there["ActiveConn"] == 0
    # The connection has ended, and is remembered for some time.
    assert after["inactive_connections"] == there["InActConn"] == 1
    restore(address)
    answers = set()
    for _time in range(4):
        with Conversation() as new:
            answers.add(new.say("hello")[0])
    assert drained in answers


@pytest.mark.usefixtures("_two")
def test_clients_that_persistence_remembers(quiescent):
    quiescent(0)
    service(persistence_timeout=60)
    with Conversation() as first:
        drained = first.say("hello")[0]
    address = REAL_SERVERS[drained]
    drain(address)
    time.sleep(3)
    found = drain(address)
    assert (found["persistent_connections"], found["idle"]) == (1, False)
    assert counted()[f"{address}:8080"]["PersistConn"] == 1
    # It does come back.
    with Conversation() as again:
        assert again.say("hello")[0] == drained
    quiescent(1)
    assert until_idle(address=address)["idle"]
    with Conversation() as elsewhere:
        assert elsewhere.say("hello")[0] != drained
    assert drain(address)["idle"]


def test_datagrams_count_until_they_time_out(network):
    udp = {"address": VIP, "port": 80, "protocol": "udp"}
    run_module("ipvs_service", **udp)
    run_module("ipvs_real_server", service=udp, address=ONE)
    send = f"import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('{VIP}', 80))"
    sh("ip", "netns", "exec", "client", sys.executable, "-c", send)
    drain(force=True)
    time.sleep(3)
    found = drain()
    assert (found["active_connections"], found["inactive_connections"]) == (0, 1)
    assert counted()[f"{ONE}:80"]["InActConn"] == 1
    assert not found["idle"]


# What else sets weights


def test_a_run_of_the_whole_host_beside_a_drain_changes_nothing():
    host(described(3, 1))
    drain()
    before = saved(), {path: text for path, text in our_files().items() if "boot.d" in path}
    for check in (True, False):
        done = host(described(3, 1), check)
        assert not done["changed"]
        assert done["operations"] == {}
        (told,) = done["details"]["table"]["drains"]
        assert told["real_server"] == {"address": ONE, "port": 8080}
        assert told["age"] >= 0
    assert (
        saved(),
        {path: text for path, text in our_files().items() if "boot.d" in path},
    ) == before


def test_what_the_description_has_by_then_is_given_back():
    host(described(3, 1))
    drain()
    assert not host(described(8, 1))["changed"]
    assert drain(state="unchanged")["real_servers"][0]["remembered_weight"] == 8
    restore()
    assert weights()[f"{ONE}:8080"] == 8
    assert not host(described(8, 1))["changed"]
    assert "described_weight" not in claims("cluster-default")


def test_a_boot_does_not_undo_it():
    host(described(3, 1))
    drain()
    sh("ipvsadm", "--clear")
    sh(RUNNER)
    assert weights() == {f"{ONE}:8080": 0, f"{TWO}:8080": 1}
    # Nor does a run of the script beside it, such as after a firewall was reloaded.
    sh(RUNNER)
    assert not host(described(3, 1))["changed"]
    restore()
    sh("ipvsadm", "--clear")
    sh(RUNNER)
    assert weights() == {f"{ONE}:8080": 3, f"{TWO}:8080": 1}


def test_a_task_for_a_single_real_server_does_not_undo_it():
    service(scheduler="rr")
    for address in REAL_SERVERS.values():
        real_server(address, port=8080, weight=2)
    drain()
    done = real_server(ONE, port=8080, weight=6)
    assert not done["changed"]
    assert warned(done, f"real server {ONE}:8080 of service tcp {VIP}:80 is drained")
    assert weights()[f"{ONE}:8080"] == 0
    restore()
    assert weights()[f"{ONE}:8080"] == 6


def test_one_that_has_left_the_description_is_forgotten():
    host(described(3, 1))
    drain()
    left = described(3, 1)
    del left["table"]["services"][0]["real_servers"][0]
    done = host(left)
    assert warned(done, "is drained and leaves the table")
    assert len(host(left)["details"]["table"]["drains"]) == 1
    done = restore()
    assert done["changed"]
    assert warned(done, "does not exist any more, so its drain is deleted")
    assert claims("drained") == {}
    host(described(3, 1))
    assert weights()[f"{ONE}:8080"] == 3


def test_hashing_schedulers_are_warned_of():
    host(described(3, 1, scheduler="mh"))
    assert warned(drain(), "without the flag mh-fallback")


# Where keepalived owns the table. Its configuration is written by hand here; what the roles write, and what keepalived
# does with it for long, is tried on whole clusters.


CONFIGURATION = textwrap.dedent(
    f"""\
    # Of lvs.cluster, for owner cluster-x: written by Ansible; what is changed here is lost at the next run.
    global_defs {{
      router_id drain
    }}
    # service tcp {VIP}:80
    virtual_server {VIP} 80 {{
      lvs_sched rr
      lvs_method NAT
      protocol TCP
      delay_loop 2
      warmup 0
      # real server {ONE}:8080
      real_server {ONE} 8080 {{
        weight 3
        TCP_CHECK {{
          connect_timeout 1
          retry 1
          delay_before_retry 1
        }}
      }}
      # real server {TWO}:8080
      real_server {TWO} 8080 {{
        weight 1
        TCP_CHECK {{
          connect_timeout 1
          retry 1
          delay_before_retry 1
        }}
      }}
    }}
    """
)


def eventually(expected, look, seconds=15):
    end = time.monotonic() + seconds
    while look() != expected and time.monotonic() < end:
        time.sleep(0.2)
    assert look() == expected


@pytest.fixture
def _keepalived(network):
    if shutil.which("keepalived") is None:
        pytest.skip("keepalived is not installed")
    KEEPALIVED_CONF.parent.mkdir(exist_ok=True)
    KEEPALIVED_CONF.write_text(CONFIGURATION)
    KEEPALIVED_CONF.chmod(0o600)
    STATE.mkdir(exist_ok=True)
    manifest = {
        "version": 1,
        "owner": "cluster-x",
        "claims": {"keepalived": {"keepalived": {"found": {}}}},
    }
    (STATE / "cluster-x.json").write_text(json.dumps(manifest))
    sh("systemctl", "restart", "keepalived")
    eventually({f"{ONE}:8080": 3, f"{TWO}:8080": 1}, weights)
    yield
    sh("systemctl", "stop", "keepalived")
    KEEPALIVED_CONF.unlink()


@pytest.mark.usefixtures("_keepalived")
def test_keepalived_drains_too():
    def look():
        return saved(), KEEPALIVED_CONF.read_text()

    before = look()
    main = sh("systemctl", "show", "keepalived", "--property=MainPID")
    done = four_steps("ipvs_drain", look=look, real_server=ONE)
    assert [each["verb"] for each in done["operations"]] == ["drain", "edit"]
    assert weights() == {f"{ONE}:8080": 0, f"{TWO}:8080": 1}
    assert KEEPALIVED_CONF.read_text() == CONFIGURATION.replace("weight 3", "weight 0")
    assert KEEPALIVED_CONF.stat().st_mode & 0o777 == 0o600
    # It was reloaded. After a restart it knows of the drain, too.
    assert sh("systemctl", "show", "keepalived", "--property=MainPID") == main
    sh("systemctl", "restart", "keepalived")
    eventually({f"{ONE}:8080": 0, f"{TWO}:8080": 1}, weights)
    four_steps("ipvs_drain", look=look, real_server=ONE, state="restored")
    eventually(before, look)


@pytest.mark.usefixtures("_keepalived")
def test_one_that_fails_its_checks_and_recovers_is_still_drained():
    drain()
    sh("ip", "link", "set", "to-rs1", "down")
    eventually({f"{TWO}:8080": 1}, weights, 30)
    assert drain()["real_servers"][0]["weight"] is None
    sh("ip", "link", "set", "to-rs1", "up")
    eventually({f"{ONE}:8080": 0, f"{TWO}:8080": 1}, weights, 30)
    restore()
    eventually({f"{ONE}:8080": 3, f"{TWO}:8080": 1}, weights)


@pytest.mark.usefixtures("_keepalived")
def test_a_configuration_with_an_error_is_left_in_place():
    KEEPALIVED_CONF.write_text(CONFIGURATION.replace("lvs_sched rr", "colour red"))
    before = saved(), KEEPALIVED_CONF.read_text()
    with pytest.raises(ModuleFailed, match="keepalived refuses the configuration"):
        drain()
    assert (saved(), KEEPALIVED_CONF.read_text()) == before
    assert claims("drained") == {}


@pytest.mark.usefixtures("_keepalived")
def test_the_quorum_is_kept():
    KEEPALIVED_CONF.write_text(CONFIGURATION.replace("  warmup 0\n", "  warmup 0\n  quorum 2\n"))
    sh("systemctl", "reload", "keepalived")
    with pytest.raises(ModuleFailed, match="the quorum"):
        drain()
    drain(TWO)
    assert weights() == {f"{ONE}:8080": 3, f"{TWO}:8080": 0}
