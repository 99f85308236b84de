# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole director and a whole real server in one run each, on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import time

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils import engine
from tests.kernel.harness import (
    ModuleFailed,
    claims,
    four_steps,
    our_files,
    run_module,
    saved,
    sh,
    without_scheduler,
)

OWNER = "cluster-default"
VIP, OWN, GATEWAY = "10.96.0.100", "10.96.0.7", "10.96.0.104"
SERVERS = [{"address": "10.97.0.1"}, {"address": "10.97.0.2", "weight": 2}]
WEB = {"address": VIP, "port": 80, "protocol": "tcp", "scheduler": "rr", "real_servers": SERVERS}
KEY = {"address": VIP, "port": 80, "protocol": "tcp"}
DIRECTOR = {
    "modules": [{"name": "ip_vs_ftp", "load": True}],
    "settings": {
        "profiles": ["director"],
        "forwarding": ["nat"],
        "families": ["ipv4"],
        "values": {"net.ipv4.vs.expire_nodest_conn": 1},
    },
    "firewall": {"networks": ["10.97.0.0/24"], "services": [KEY]},
    "timeouts": {"tcp": 1800},
    "table": {
        "services": [WEB, {"fwmark": 10, "family": "ipv4", "real_servers": SERVERS}],
        "max_removals": "75%",
    },
    "marks": {
        "marks": [{"fwmark": 10, "match": [{"address": "10.96.0.101", "ports": ["80", "443"]}]}]
    },
    "addresses": {
        "addresses": [VIP, "10.96.0.101"],
        "interface": "",
        "announce": True,
        "probe": True,
    },
}
REAL_SERVER = {
    "settings": {
        "profiles": ["real_server"],
        "forwarding": ["nat", "tun"],
        "families": ["ipv4"],
        "ingress": [OWN],
        "decapsulating": [],
    },
    "tunnel_filter": {
        "directors": [GATEWAY],
        "tunnels": [{"type": "ipip", "local": OWN}],
        "addresses": [VIP],
        "local": [OWN],
    },
    "tunnels": {"tunnels": [{"type": "ipip", "device": "lvs-ipip", "local": OWN}]},
    "routes": {"gateway": [GATEWAY], "source": [OWN], "rollback": 0},
    "addresses": {"addresses": [VIP], "interface": "lo"},
}


def look():
    """What independent tools tell of all that a host has: the table, firewall, addresses, routes and settings."""
    rules = [
        line
        for command in ("iptables-save", "ip6tables-save")
        for line in sh(command).splitlines()
        if line.startswith("-A")
    ]
    network = [
        # A restored address comes after those that have stayed.
        *(" ".join(sorted(line.split())) for line in sh("ip", "-brief", "address").splitlines()),
        sh("ip", "rule"),
        *sorted(sh("ip", "route", "show", "table", "all").splitlines()),
    ]
    # "sysctl -a" reads a thousand more, which takes most of a test's time on an emulated processor.
    settings = [
        (str(path), path.read_text())
        for pattern in ("conf/[!lt]*/*", "conf/lo/*", "ip_forward", "vs/expire*", "vs/conn_reuse*")
        for path in sorted(pathlib.Path("/proc/sys/net/ipv4").glob(pattern))
    ]
    return saved(), rules, network, settings, sh("ipvsadm", "--list", "--timeout")


@pytest.fixture(autouse=True)
def _segment():
    sh("modprobe", "ipip")
    sh("ip", "link", "del", "cluster", check=False)
    sh("ip", "link", "add", "cluster", "type", "dummy")
    sh("ip", "address", "add", f"{OWN}/24", "dev", "cluster")
    sh("ip", "-6", "address", "flush", "dev", "cluster", check=False)
    sh("ip", "link", "set", "cluster", "up")
    time.sleep(0.2)
    before = look()
    yield
    run_module("lvs_host", state="absent", settle_seconds=0, rollback=0)
    assert look() == before
    assert our_files() == {}
    sh("ip", "link", "del", "cluster")


def host(check=False, **params):
    return run_module("lvs_host", check, settle_seconds=0, rollback=0, **params)


def four(**params):
    return four_steps("lvs_host", look=look, settle_seconds=0, rollback=0, **params)


def test_a_director_comes_and_goes_in_one_run_each():
    done = four(configuration=DIRECTOR)
    assert list(done["operations"]) == [
        *("modules", "firewall", "settings", "timeouts", "table", "marks", "addresses")
    ]
    assert f"{VIP}/32" in sh("ip", "address", "show", "dev", "cluster")
    assert f"-A -t {VIP}:80 -s rr" in saved()
    assert "LVS-MARK-cluster-default" in sh("iptables-save", "-t", "mangle")
    gone = four(state="absent")
    assert list(gone["operations"])[:2] == ["modules", "firewall"]
    assert claims(OWNER) == {}


def test_a_real_server_comes_and_goes_in_one_run_each():
    done = four(configuration=REAL_SERVER)
    assert list(done["operations"]) == [
        *("tunnel_filter", "tunnels", "settings", "routes", "addresses")
    ]
    assert f"{VIP}/32" in sh("ip", "address", "show", "dev", "lo")
    assert "lvs-ipip" in sh("ip", "-brief", "link")
    assert "lookup 1704" in sh("ip", "rule")
    four(state="absent")


def test_what_is_restored_at_boot_is_all_of_it():
    host(configuration=DIRECTOR)
    before = look()
    sh("ipvsadm", "--clear")
    sh("iptables", "-F")
    sh("iptables", "-t", "mangle", "-F")
    sh("ip", "address", "del", f"{VIP}/32", "dev", "cluster")
    sh("/etc/lvs.cluster/restore")
    assert look()[:1] == before[:1]
    assert sorted(look()[1]) == sorted(before[1])
    assert look()[2] == before[2]
    assert not host(configuration=DIRECTOR)["changed"]


def test_a_real_server_grows_first_and_shrinks_later():
    host(configuration=REAL_SERVER)
    before = look()
    other = {**REAL_SERVER, "addresses": {"addresses": ["10.96.0.110"], "interface": "lo"}}
    other["routes"] = {**REAL_SERVER["routes"], "gateway": ["10.96.0.105"]}
    del other["tunnels"], other["tunnel_filter"]
    done = host(configuration=other, prune=False)
    # Nobody answers for the new gateway, so the route keeps the old one.
    assert set(before[1]) <= set(look()[1])
    assert GATEWAY in sh("ip", "route", "show", "table", "1704")
    for word in (f"{VIP}/32", "10.96.0.110/32"):
        assert word in sh("ip", "address", "show", "dev", "lo")
    assert set(done["remaining"]) == {"tunnel_filter", "tunnels", "routes", "addresses"}
    assert not host(configuration=other, prune=False)["changed"]
    host(configuration=other)
    assert "10.96.0.105" in sh("ip", "route", "show", "table", "1704")
    assert f"{VIP}/32" not in sh("ip", "address", "show", "dev", "lo")
    assert "lvs-ipip" not in sh("ip", "-brief", "link")
    assert host(configuration=other)["remaining"] == {}


@pytest.fixture
def _router():
    """A machine with 10.95.0.105 on a segment of this one."""
    sh("ip", "netns", "add", "router")
    sh("ip", "link", "add", "floating", "type", "veth", "peer", "name", "router", "netns", "router")
    sh("ip", "address", "add", "10.95.0.7/24", "dev", "floating")
    sh("ip", "link", "set", "floating", "up")
    sh("ip", "-n", "router", "address", "add", "10.95.0.105/24", "dev", "router")
    sh("ip", "-n", "router", "link", "set", "router", "up")
    yield
    run_module("lvs_host", state="absent", settle_seconds=0, rollback=0)
    sh("ip", "link", "del", "floating")
    sh("ip", "netns", "del", "router")


@pytest.mark.usefixtures("_router")
def test_a_route_gets_its_new_gateway_once_somebody_has_it():
    def towards(gateway, **params):
        routes = {"gateway": [gateway], "source": ["10.95.0.7"], "rollback": 0}
        done = host(configuration={"routes": routes}, **params)
        words = sh("ip", "route", "show", "table", "1704").split()
        return words[words.index("via") + 1], "routes" in done["remaining"], done["changed"]

    assert towards("10.95.0.104", prune=False) == ("10.95.0.104", False, True)
    for check in (True, False):
        shown = towards("10.95.0.106", prune=False, check=check)
        assert shown == ("10.95.0.104", True, False)
    assert towards("10.95.0.105", prune=False) == ("10.95.0.105", False, True)
    assert towards("10.95.0.106") == ("10.95.0.106", False, True)


@contextlib.contextmanager
def without(path):
    aside = f"{path}.aside"
    pathlib.Path(path).rename(aside)
    try:
        yield
    finally:
        pathlib.Path(aside).rename(path)


def test_a_missing_package_is_told_and_nothing_is_changed():
    whole = host(check=True, configuration=DIRECTOR)
    before = look()
    program = os.path.realpath(sh("which", "ipvsadm").strip())
    with without(program):
        checked = host(check=True, configuration=DIRECTOR)
        done = host(configuration=DIRECTOR)
    assert checked["missing_packages"] == done["missing_packages"] == ["ipvsadm"]
    assert (checked["operations"], checked["diff"]) == (whole["operations"], whole["diff"])
    assert not done["changed"]
    assert look() == before
    assert our_files() == {}


def test_what_is_refused_changes_nothing():
    before = look()
    wrong = {**REAL_SERVER, "routes": {**REAL_SERVER["routes"], "gateway": ["192.0.2.1"]}}
    with pytest.raises(ModuleFailed, match=r"192\.0\.2\.1"):
        host(configuration=wrong)
    with pytest.raises(ModuleFailed, match="is not a kind of resource"):
        host(configuration={"tabel": {}})
    assert look() == before
    assert our_files() == {}


@contextlib.contextmanager
def without_ipvs():
    """A kernel in which IPVS can't be loaded."""
    block = pathlib.Path("/etc/modprobe.d/no-ipvs.conf")
    for name in pathlib.Path("/sys/module").glob("ip_vs_*"):
        sh("modprobe", "--remove", name.name)
    sh("modprobe", "--remove", "ip_vs")
    block.write_text("install ip_vs /bin/false\n")
    try:
        yield
    finally:
        block.unlink()
        sh("modprobe", "ip_vs")


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        (["modules", "table"], "the kernel module ip_vs_ftp, and it could not be loaded"),
        (["settings", "table"], "the settings net.ipv4.vs need the kernel module ip_vs, and"),
        (["table", "addresses"], "IPVS is not in the running kernel .* 'modprobe ip_vs' works"),
    ],
)
def test_a_kernel_without_ipvs_is_named(kinds, words):
    configuration = {kind: DIRECTOR[kind] for kind in kinds}
    with without_ipvs():
        assert host(check=True, configuration=configuration)["changed"]
        with pytest.raises(ModuleFailed, match=words):
            host(configuration=configuration)
    assert not {"ipvs_service", "ipvs_real_server", "address"} & set(claims(OWNER))


def test_a_scheduler_that_is_missing_or_unknown_is_named():
    def scheduled(scheduler):
        return {"table": {"services": [{**WEB, "scheduler": scheduler}]}}

    with (
        without_scheduler("twos"),
        pytest.raises(ModuleFailed, match=r"'twos'.*modprobe ip_vs_twos"),
    ):
        host(configuration=scheduled("twos"))
    with pytest.raises(
        ModuleFailed, match=r"table\.services\[0\]\.scheduler: must be one of .*\"best\""
    ):
        host(configuration=scheduled("best"))
    assert claims(OWNER) == {}


def test_an_emptied_description_removes_nothing_at_all():
    host(configuration=DIRECTOR)
    before = look()
    with pytest.raises(ModuleFailed, match="max_removals"):
        host(configuration={"table": {"services": [], "max_removals": "75%"}})
    assert look() == before


@pytest.mark.parametrize("number", range(0, 24, 3))
def test_killed_at_any_change_the_next_run_completes(number, monkeypatch):
    """After so many operations nothing more happens, as if the machine had lost its Ansible."""
    host(configuration=REAL_SERVER)
    count = iter(range(number))

    class Killed(BaseException):
        pass

    original = engine.Engine._grow, engine.Engine._shrink

    def counting(carry_out):
        def step(self, *words):
            if next(count, None) is None:
                raise Killed
            return carry_out(self, *words)

        return step

    for name in ("do", "carry_out"):
        monkeypatch.setattr(engine.Base, name, counting(getattr(engine.Base, name)))
    monkeypatch.setattr(engine.Engine, "_keep_boot", lambda *_words: None)
    with contextlib.suppress(Killed):
        host(configuration=DIRECTOR)
    monkeypatch.undo()
    assert (engine.Engine._grow, engine.Engine._shrink) == original
    host(configuration=DIRECTOR)
    assert f"-A -t {VIP}:80 -s rr" in saved()
    assert "lvs-ipip" not in sh("ip", "-brief", "link")
    assert not host(configuration=DIRECTOR)["changed"]


def test_two_clusters_on_one_director_do_not_see_each_other():
    host(configuration=DIRECTOR)
    before = look()
    other = {
        "settings": {**DIRECTOR["settings"], "values": {}},
        "firewall": {"networks": ["10.95.0.0/24"], "services": []},
        "table": {"services": [{**WEB, "address": "10.96.0.200"}]},
        "addresses": {"addresses": ["10.96.0.200"], "interface": ""},
    }
    host(configuration=other, owner="cluster-other")
    assert not host(configuration=DIRECTOR)["changed"]
    assert sh("sysctl", "-n", "net.ipv4.ip_forward").strip() == "1"
    conflicting = {**other, "addresses": {"addresses": [VIP], "interface": ""}}
    with pytest.raises(ModuleFailed, match=r"default.*other|other.*default"):
        host(configuration=conflicting, owner="cluster-other")
    value = {
        **other,
        "settings": {**other["settings"], "values": {"net.ipv4.vs.expire_nodest_conn": 0}},
    }
    words = (
        r"expire_nodest_conn='0': is the value of the owner cluster-other, and contradicts the value 1 that the owner "
        r"cluster-default has set on this host"
    )
    with pytest.raises(ModuleFailed, match=words):
        host(configuration=value, owner="cluster-other")
    host(state="absent", owner="cluster-other")
    assert look() == before


def cluster(vip, inside, gateway=GATEWAY):
    """A host that is the director of a cluster, and a real server of its neighbour by another address."""
    return {
        "settings": {**DIRECTOR["settings"], "profiles": ["director", "real_server"]},
        "firewall": {"networks": [inside], "services": [{**KEY, "address": vip}]},
        "table": {"services": [{**WEB, "address": vip}]},
        "routes": {"gateway": [gateway], "mode": "default", "rollback": 0},
        "addresses": {"addresses": [vip], "interface": ""},
    }


CLUSTERS = {
    "cluster-east": cluster("10.96.0.210", "10.95.0.0/24"),
    "cluster-west": cluster("10.96.0.220", "10.94.0.0/24"),
}


def sorted_look():
    table, rules, network, *others = look()
    return table, sorted(rules), sorted(network), others


@pytest.mark.parametrize(
    ("goes", "stays"), [("cluster-east", "cluster-west"), ("cluster-west", "cluster-east")]
)
def test_a_cluster_that_goes_leaves_the_others_as_if_it_had_been_alone(goes, stays):
    host(configuration=CLUSTERS[stays], owner=stays)
    alone, files = sorted_look(), our_files()
    host(state="absent", owner=stays)
    for owner, configuration in CLUSTERS.items():
        host(configuration=configuration, owner=owner)
    both = sorted_look()
    for owner, configuration in CLUSTERS.items():
        again = host(configuration=configuration, owner=owner)
        assert (again["changed"], again["remaining"]) == (False, {})
        elsewhere = cluster("10.96.0.230", "10.93.0.0/24", "10.96.0.105")
        with pytest.raises(
            ModuleFailed, match=r"owner cluster-third: .*cluster-east and cluster-west it leads"
        ):
            host(configuration=elsewhere, owner="cluster-third")
    assert sorted_look() == both
    sh("ipvsadm", "--clear")
    sh("iptables", "-F")
    for vip in ("10.96.0.210", "10.96.0.220"):
        sh("ip", "address", "del", f"{vip}/32", "dev", "cluster")
    sh("ip", "route", "del", "default", "via", GATEWAY)
    sh("/etc/lvs.cluster/restore")
    assert sorted_look() == both
    host(state="absent", owner=goes)
    assert sorted_look() == alone
    assert {path for path in our_files() if goes in path} == set()
    assert our_files() == files
    assert not host(configuration=CLUSTERS[stays], owner=stays)["changed"]
    host(state="absent", owner=stays)


def test_the_result_is_json_of_words():
    done = host(configuration=DIRECTOR)
    json.dumps(done)
    assert {"verb": "add", "object": f"service tcp {VIP}:80"} in done["operations"]["table"]


def test_a_real_server_whose_replies_a_director_would_drop_is_refused_before_anything_is_changed():
    """Its default route leads to the director, which drops packets from its own virtual address."""
    configuration = {
        **REAL_SERVER,
        "requirements": {"no_return_through": {"gateways": [GATEWAY], "addresses": [VIP]}},
    }
    sh("ip", "route", "replace", "default", "via", GATEWAY, "dev", "cluster", "metric", "5")
    before = look()
    try:
        with pytest.raises(ModuleFailed, match=f"leads to the director {GATEWAY}"):
            host(configuration=configuration)
        assert look() == before
        assert our_files() == {}
    finally:
        sh("ip", "route", "del", "default", "via", GATEWAY, "dev", "cluster", "metric", "5")
    host(configuration=configuration)


def next_hops():
    """The routes by which packets to one address leave, as people see them."""
    lines = [
        line.strip()
        for flag in ("-4", "-6")
        for line in sh("ip", "-N", flag, "route", "show", "proto", "70").splitlines()
    ]
    return sorted(line for line in lines if "onlink" in line)


def test_a_director_names_real_servers_by_direct_routing_as_their_own_next_hops():
    sh("ip", "-6", "address", "add", "fd96::7/64", "dev", "cluster", "nodad")
    by_dr = [{"address": "10.96.0.11", "forwarding": "dr"}]
    configuration = {
        "table": {"services": [{**WEB, "real_servers": by_dr}], "max_removals": "75%"},
        "next_hops": {"to": ["10.96.0.11", "fd96::11"]},
    }
    try:
        before = look()
        done = four(configuration=configuration)
        assert list(done["operations"]) == ["next_hops", "table"]
        host(configuration=configuration)
        four_is, six_is = next_hops()
        assert four_is.startswith("10.96.0.11 via 10.96.0.11 dev cluster")
        assert six_is.startswith("fd96::11 via fd96::11 dev cluster")
        # The segment's link goes down and up, and the host boots.
        sh("systemctl", "stop", "lvs.cluster-watch")
        sh("ip", "link", "set", "cluster", "down")
        sh("ip", "link", "set", "cluster", "up")
        assert next_hops() == []
        sh("ip", "-6", "address", "replace", "fd96::7/64", "dev", "cluster", "nodad")
        sh("/etc/lvs.cluster/restore")
        assert next_hops() == [four_is, six_is]
        assert host(configuration=configuration)["changed"] is False
        # An unprepared real server may still be in the table.
        fewer = {**configuration, "next_hops": {"to": ["10.96.0.11"]}}
        host(configuration=fewer, unprepared=["10.96.0.11"])
        assert next_hops() == [four_is, six_is]
        host(configuration=fewer)
        assert next_hops() == [four_is]
        run_module("lvs_host", state="absent", settle_seconds=0, rollback=0)
        assert look() == before
    finally:
        sh("ip", "-6", "address", "del", "fd96::7/64", "dev", "cluster")


def test_a_next_hop_that_the_administrator_has_set_is_left_alone():
    route = ["10.96.0.11", "dev", "cluster", "src", OWN]
    sh("ip", "route", "add", *route)
    try:
        configuration = {"next_hops": {"to": ["10.96.0.11"]}}
        assert host(configuration=configuration)["changed"] is False
        assert next_hops() == []
        assert " ".join(route[:3]) in sh("ip", "route", "show", "10.96.0.11")
    finally:
        sh("ip", "route", "del", *route)
    assert host(configuration=configuration)["changed"] is True


def test_a_real_server_by_direct_routing_must_be_on_a_segment_of_the_director():
    configuration = {**DIRECTOR, "next_hops": {"to": [GATEWAY, "203.0.113.9"]}}
    with pytest.raises(ModuleFailed, match=r"203\.0\.113\.9 is reached through a router or not"):
        host(configuration=configuration)
    assert our_files() == {}


def test_a_director_must_send_tunnelled_packets_from_an_address_that_real_servers_accept():
    sources = {"to": [GATEWAY], "from": ["10.96.0.99"]}
    configuration = {**DIRECTOR, "requirements": {"tunnel_sources": sources}}
    with pytest.raises(ModuleFailed, match=f"would send from {OWN}"):
        host(configuration=configuration)
    sources["from"] = [OWN]
    host(configuration=configuration)


def test_a_director_keeps_what_an_unprepared_real_server_still_needs():
    host(configuration=DIRECTOR)
    by_dr = [{**each, "forwarding": "dr"} for each in SERVERS]
    changed = {
        **DIRECTOR,
        "settings": {**DIRECTOR["settings"], "forwarding": ["dr"]},
        "firewall": {"networks": [], "services": [KEY]},
        "table": {"services": [{**WEB, "real_servers": by_dr}], "max_removals": "75%"},
    }
    done = host(configuration=changed, unprepared=["10.97.0.1"])
    assert f"-a -t {VIP}:80 -r 10.97.0.1:80 -m -w 1" in saved()
    assert f"-a -t {VIP}:80 -r 10.97.0.2:80 -g -w 2" in saved()
    assert [each["real_server"]["address"] for each in done["not_added"]] == ["10.97.0.1"]
    assert sh("sysctl", "-n", "net.ipv4.ip_forward").strip() == "1"
    assert "-s 10.97.0.0/24" in sh("iptables-save")
    host(configuration=changed)
    assert f"-a -t {VIP}:80 -r 10.97.0.1:80 -g -w 1" in saved()
    assert "-s 10.97.0.0/24" not in sh("iptables-save")


def test_a_setting_of_a_tunnel_device_is_made_once_the_device_is_there():
    """Where the kernel filters strictly, a new device begins with that."""
    configuration = {
        **REAL_SERVER,
        "settings": {**REAL_SERVER["settings"], "decapsulating": ["lvs-ipip"]},
    }
    before = sh("sysctl", "-n", "net.ipv4.conf.default.rp_filter").strip()
    sh("sysctl", "-q", "-w", "net.ipv4.conf.default.rp_filter=1")
    try:
        four(configuration=configuration)
        assert sh("sysctl", "-n", "net.ipv4.conf.lvs-ipip.rp_filter").strip() == "2"
        four(state="absent")
    finally:
        sh("sysctl", "-q", "-w", f"net.ipv4.conf.default.rp_filter={before}")
