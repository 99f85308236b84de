# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way back, in a namespace that stands for a real server with a segment, a router and a director."""

from __future__ import annotations

import json
import os
import pathlib
import sys
import time

import pyroute2
import pytest

from tests.kernel.children import apart, events
from tests.kernel.harness import ModuleFailed, claims, four_steps, our_files, run_module, sh

# Dear to import: the children have it from here.
LIBRARY = pyroute2
OWN, OWN6 = "10.96.0.7", "fd96::7"
DIRECTOR, DIRECTOR6 = "10.96.0.104", "fd96::104"
ROUTER = "10.96.0.1"
OUTSIDE = "203.0.113.5"
BOTH = {"gateway": [DIRECTOR, DIRECTOR6], "source": [OWN, OWN6], "rollback": 0}
IN = ("ip", "netns", "exec", "rs")


def routing():
    """All routes and rules, as ip tells them."""
    found = []
    for family in ("-4", "-6"):
        for words in (("route", "show", "table", "all"), ("rule",)):
            found += json.loads(sh(*IN, "ip", "-json", family, *words) or "[]")
    plain = [{k: v for k, v in each.items() if k not in ("flags", "expires")} for each in found]
    return sorted(plain, key=repr)


def way(address, source=OWN):
    """Where a packet would go, as ip tells it."""
    (found,) = json.loads(sh(*IN, "ip", "-json", "route", "get", address, "from", source))
    return found.get("gateway")


@pytest.fixture(autouse=True)
def _real_server():
    sh("ip", "netns", "add", "rs")
    run = [*IN, "ip"]
    sh(*run, "link", "set", "lo", "up")
    sh(*run, "link", "add", "eth1", "type", "dummy")
    sh(*run, "address", "add", f"{OWN}/24", "dev", "eth1")
    sh(*run, "address", "add", "10.96.9.7/24", "dev", "eth1")
    sh(*run, "-6", "address", "add", f"{OWN6}/64", "dev", "eth1", "nodad")
    sh(*run, "link", "set", "eth1", "up")
    sh(*run, "route", "add", "default", "via", ROUTER, "proto", "static")
    sh(*run, "route", "add", "198.51.100.0/24", "via", "10.96.0.9")
    time.sleep(0.1)
    yield
    sh("ip", "netns", "del", "rs")


def inside(work, session=""):
    """Do it in the namespace, as if over this SSH session."""

    def over_ssh():
        os.environ["SSH_CONNECTION"] = session or "nothing"
        return work()

    return apart(over_ssh, "rs")


def route(session="", **params):
    return inside(lambda: run_module("lvs_route", **params), session)


def four(**params):
    return inside(lambda: four_steps("lvs_route", look=routing, **params))


@pytest.mark.parametrize("mode", ["policy", "default"])
def test_it_leads_back_and_gives_everything_back(mode):
    before = routing()
    done = four(**BOTH, mode=mode, keep=["10.20.0.0/16"])
    assert done["next_hops"]["ipv4"] == {"gateway": DIRECTOR, "interface": "eth1"}
    assert way(OUTSIDE) == DIRECTOR
    assert way("2001:db8::5", OWN6) == DIRECTOR6
    assert way("10.20.3.4") == ROUTER
    assert way("198.51.100.9") == "10.96.0.9"
    assert way("10.96.0.200") is None
    assert way(OUTSIDE, "10.96.9.7") == (ROUTER if mode == "policy" else DIRECTOR)
    four(state="absent", rollback=0)
    assert routing() == before
    assert (our_files(), claims()) == ({}, {})


def test_from_policy_to_default_and_to_another_gateway():
    before = routing()
    four(**BOTH)
    four(gateway=["10.96.0.105"], mode="default", rollback=0)
    assert way(OUTSIDE) == "10.96.0.105"
    assert not reaches("2001:db8::5")
    four(gateway=["10.96.0.106"], mode="default", rollback=0)
    four(state="absent", rollback=0)
    assert routing() == before


def reaches(address):
    return sh(*IN, "ip", "route", "get", address, "from", OWN6, check=False) != ""


def test_what_leads_there_already_is_not_ours():
    sh(*IN, "ip", "route", "replace", "default", "via", DIRECTOR)
    assert route(gateway=[DIRECTOR], mode="default", at_boot=False)["operations"] == []
    assert claims() == {}


@pytest.mark.parametrize("mode", ["policy", "default"])
def test_the_script_puts_it_back(mode):
    route(**BOTH, mode=mode, keep=["10.20.0.0/16"])
    after = routing()
    sh(*IN, "ip", "rule", "flush")
    sh(*IN, "ip", "-6", "rule", "flush")
    for words in (
        ("-4", "rule", "add", "priority", "32766", "lookup", "main"),
        ("-4", "rule", "add", "priority", "32767", "lookup", "default"),
        ("-6", "rule", "add", "priority", "32766", "lookup", "main"),
        ("-4", "route", "flush", "table", "1704"),
        ("-6", "route", "flush", "table", "1704"),
        ("-4", "route", "replace", "default", "via", ROUTER, "proto", "static"),
        ("-6", "route", "del", "default"),
    ):
        sh(*IN, "ip", *words, check=False)
    sh(*IN, "/etc/lvs.cluster/restore")
    assert without_protocol(routing()) == without_protocol(after)
    # The watcher runs it after such events: it must cause none.
    with events(*IN) as heard:
        sh(*IN, "/etc/lvs.cluster/restore")
    assert (without_protocol(routing()), heard) == (without_protocol(after), [])


def without_protocol(found):
    """The rules that every namespace begins with have another one when they are added anew."""
    return sorted(({k: v for k, v in each.items() if k != "protocol"} for each in found), key=repr)


@pytest.mark.parametrize("mode", ["policy", "default"])
def test_it_does_not_cut_the_controller_off(mode):
    before = routing()
    session = f"{OUTSIDE} 50000 {OWN} 22"
    with pytest.raises(ModuleFailed) as caught:
        route(session, **BOTH, mode=mode)
    text = caught.value.result["msg"]
    assert (
        f"the replies to the control node {OUTSIDE}, which now leave via {ROUTER} by eth1" in text
    )
    assert f"then leave via {DIRECTOR} by eth1; add its network to keep" in text
    assert routing() == before
    assert (our_files(), claims()) == ({}, {})
    assert route(session, **BOTH, mode=mode, keep=["203.0.113.0/24"])["changed"]
    assert way(OUTSIDE) == ROUTER
    # Once the network is kept no more, the way would move after all.
    with pytest.raises(ModuleFailed, match="the replies to the control node"):
        route(session, **BOTH, mode=mode)
    assert way(OUTSIDE) == ROUTER


@pytest.mark.parametrize("session", ["10.96.0.200 5 10.96.0.7 22", f"{OUTSIDE} 5 10.96.9.7 22"])
def test_a_controller_whose_way_stays_is_no_obstacle(session):
    assert route(session, **BOTH)["changed"]


SCRIPT = "/etc/lvs.cluster/boot.d/60-routes-default"


def boot_files():
    return {path: text for path, text in our_files().items() if "/boot.d/" in path}


def test_a_change_that_was_not_confirmed_before_a_reboot_is_undone_by_the_boot_service():
    route(**BOTH)
    before, script = routing(), boot_files()[SCRIPT]
    route(**{**BOTH, "gateway": ["10.96.0.105", DIRECTOR6], "rollback": 500})
    assert way(OUTSIDE) == "10.96.0.105"
    # In this boot the timer is at work, and the service leaves it to that.
    sh(*IN, "/etc/lvs.cluster/restore")
    assert way(OUTSIDE) == "10.96.0.105"
    pending = pathlib.Path("/var/lib/lvs.cluster/rollback-default")
    boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert boot in pending.read_text()
    pending.write_text(pending.read_text().replace(boot, "another"))
    sh(*IN, "/etc/lvs.cluster/restore")
    assert (routing(), boot_files()[SCRIPT], pending.exists()) == (before, script, False)
    sh("systemctl", "stop", "lvs-cluster-rollback-default.timer")
    sh("rm", "-f", "/run/lvs.cluster/rolled-back-default")


@pytest.mark.parametrize("mode", ["policy", "default"])
def test_a_change_undoes_itself(mode):
    before = routing()
    script = (*IN, "sh", "/var/lib/lvs.cluster/rollback-default")
    params = {**BOTH, "mode": mode, "keep": ["10.20.0.0/16"], "rollback": 500}
    assert route(**params)["pending"]
    timers = sh("systemctl", "list-timers", "--all", "lvs-cluster-rollback-default.timer")
    assert "lvs-cluster-rollback-default" in timers
    assert routing() != before
    # The timer would run it in the machine's own namespace; here it is to be this one.
    sh(*script)
    assert routing() == before
    # The claims on what was undone are left, and do no harm.
    assert boot_files() == {}
    with pytest.raises(ModuleFailed, match="not confirmed in time and has been undone"):
        route(state="confirmed")
    route(**params)
    after = routing()
    route(state="confirmed")
    assert "lvs-cluster-rollback-default" not in sh(
        "systemctl", "list-timers", "--all", "lvs-cluster-rollback-default.timer"
    )
    assert routing() == after
    # Giving everything back undoes itself just the same.
    files = boot_files()
    route(state="absent", rollback=500)
    sh(*script)
    assert routing() == after
    assert boot_files().items() >= {SCRIPT: files[SCRIPT]}.items()
    sh("rm", "/run/lvs.cluster/rolled-back-default")


def test_the_timer_runs():
    sh("ip", "link", "add", "probe", "type", "dummy")
    try:
        sh("ip", "address", "add", f"{OWN}/24", "dev", "probe")
        sh("ip", "link", "set", "probe", "up")
        before = sh("ip", "rule")
        done = run_module("lvs_route", gateway=[DIRECTOR], source=[OWN], rollback=2)
        assert done["pending"]
        assert f"from {OWN}" in sh("ip", "rule")
        time.sleep(4)
        assert sh("ip", "rule") == before
        with pytest.raises(ModuleFailed, match="has been undone"):
            run_module("lvs_route", state="confirmed")
        assert not run_module("lvs_route", state="confirmed")["changed"]
    finally:
        sh("ip", "link", "del", "probe")


def test_through_the_director_though_there_is_a_way():
    before = routing()
    four(**BOTH, through=["198.51.100.0/24", "10.96.9.0/24"])
    assert way("198.51.100.9") == DIRECTOR
    assert way("10.96.9.9") == DIRECTOR
    assert way("10.96.0.200") is None
    four(**BOTH)
    assert way("198.51.100.9") == "10.96.0.9"
    four(state="absent", rollback=0)
    assert routing() == before


def test_a_controller_on_a_network_that_is_led_through():
    session = f"198.51.100.9 5 {OWN} 22"
    with pytest.raises(ModuleFailed, match=r"the replies to the control node 198\.51\.100\.9"):
        route(session, **BOTH, through=["198.51.100.0/24"])
    assert route(session, **BOTH)["changed"]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"through": ["10.20.0.0/16"], "mode": "default"}, "cannot be combined with mode default"),
        ({"through": ["10.20.0.0/16"], "keep": ["10.20.3.0/24"]}, "overlaps 10.20.3.0/24 in keep"),
        ({"gateway": ["192.0.2.1"]}, "gateway='192.0.2.1': is on no network of this host"),
        ({"gateway": [OWN]}, "is on no network of this host"),
        ({"gateway": ["director"]}, "gateway='director': is not an IP address"),
        ({"gateway": [DIRECTOR, ROUTER]}, "holds two IPv4 addresses"),
        ({"gateway": [DIRECTOR], "source": []}, "source=.*holds no address of the family"),
        (
            {"gateway": [DIRECTOR], "source": ["10.96.0.8"]},
            "source='10.96.0.8': is not an address of",
        ),
        ({"keep": ["10.20.0.1/16"]}, "write 10.20.0.0/16"),
        ({"table": 254}, "table=254: is out of range"),
        ({"rollback": -1}, "rollback=-1: is out of range"),
    ],
)
def test_refused(params, words):
    before = routing()
    with pytest.raises(ModuleFailed, match=words):
        route(**{"gateway": [DIRECTOR], "source": [OWN], **params})
    assert routing() == before
    assert our_files() == {}


def test_somebody_elses_table():
    sh(*IN, "ip", "route", "add", "default", "via", "10.96.0.9", "table", "1704")
    with pytest.raises(ModuleFailed, match="already contains another route"):
        route(**BOTH)
    assert route(**BOTH, table=1705)["changed"]


def test_without_the_library_a_host_without_a_way_of_ours_is_fine(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyroute2", None)
    assert not route(state="absent")["changed"]
    with pytest.raises(ModuleFailed, match="lacks the package python3-pyroute2"):
        route(**BOTH)


def test_what_is_kept_goes_by_the_routes_that_there_are():
    """Also where the host's default route is replaced: a kept network may be on a segment of its own."""
    params = {"gateway": [DIRECTOR], "mode": "default", "rollback": 0}
    four(**params, keep=["198.51.100.0/24", "10.96.0.0/24", "10.20.0.0/16"])
    assert way("198.51.100.9") == "10.96.0.9"
    assert way("10.96.0.200") is None
    assert way("10.20.3.4") == ROUTER
    assert way(OUTSIDE) == DIRECTOR


def test_a_change_of_an_earlier_run_waits_still():
    params = {"gateway": [DIRECTOR], "source": [OWN]}
    assert route(**params, rollback=500)["pending"]
    again = route(**params, rollback=500)
    assert (again["changed"], again["pending"]) == (False, True)
    route(state="confirmed")
    assert not route(**params, rollback=500)["pending"]
