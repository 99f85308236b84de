# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Receiving ends of tunnels, as ip tells them, and with packets that ip itself encapsulates elsewhere."""

from __future__ import annotations

import json
import sys

import pytest

from tests.kernel.children import events
from tests.kernel.harness import STATE, ModuleFailed, claims, four_steps, our_files, run_module, sh

MODULES = ("ipip", "sit", "ip_gre", "ip6_gre", "fou6", "ip6_tunnel", "fou")
OWN, OWN6 = "10.99.0.1", "fd99::1"
ALL = [
    {"type": "ipip", "device": "lvs-ipip", "local": OWN},
    {"type": "sit", "device": "lvs-sit", "local": OWN},
    {"type": "ip6tnl", "device": "lvs-ip6tnl", "local": OWN6.upper()},
    {"type": "gre"},
    {"type": "ip6gre"},
    {"type": "gue", "port": 6080},
    {"type": "gue", "port": 6080, "family": "ipv6"},
]


def tunnels():
    """Tunnel devices, whether they are up, and ports, as ip tells them; and which modules are loaded."""
    found = []
    for link in json.loads(sh("ip", "-json", "-details", "link")):
        kind = link.get("linkinfo", {}).get("info_kind")
        if kind in ("ipip", "sit", "ip6tnl", "gre", "ip6gre"):
            local = link["linkinfo"].get("info_data", {}).get("local")
            shown = sh("ip", "-4", "-brief", "address", "show", "dev", link["ifname"]).split()
            found.append((link["ifname"], kind, local, "UP" in link["flags"], *shown[2:]))
    if "fou" in loaded():
        found += sh("ip", "fou", "show").splitlines() + sh("ip", "-6", "fou", "show").splitlines()
    return sorted(map(str, found)), loaded()


def loaded():
    names = {line.split()[0] for line in sh("lsmod").splitlines()}
    return sorted(names & set(MODULES))


@pytest.fixture(autouse=True)
def _none():
    def clear():
        for name in ("lvs-ipip", "lvs-sit", "lvs-ip6tnl", "lvs-gre"):
            sh("ip", "link", "del", name, check=False)
        for family in ("-4", "-6"):
            sh("ip", family, "fou", "del", "port", "6080", check=False)
        for name in MODULES:
            sh("modprobe", "--remove", name, check=False)

    clear()
    sh("ip", "-6", "address", "replace", f"{OWN6}/64", "dev", "eth1", "nodad")
    yield
    clear()
    sh("ip", "-6", "address", "del", f"{OWN6}/64", "dev", "eth1")


def test_all_of_them_and_away_again():
    before = tunnels()
    assert before == ([], [])
    four_steps("lvs_tunnel", look=tunnels, tunnels=ALL)
    lines, modules = tunnels()
    assert {
        f"('lvs-ipip', 'ipip', '{OWN}', True, '192.0.0.8/32')",
        f"('lvs-sit', 'sit', '{OWN}', True)",
        f"('lvs-ip6tnl', 'ip6tnl', '{OWN6}', True, '192.0.0.8/32')",
        "('gre0', 'gre', 'any', True, '192.0.0.8/32')",
        "('ip6gre0', 'ip6gre', 'any', True, '192.0.0.8/32')",
        "('tunl0', 'ipip', 'any', False)",
        "port 6080 gue",
        "port 6080 gue -6",
    } <= set(lines)
    assert modules == sorted(MODULES)
    four_steps("lvs_tunnel", look=tunnels, state="absent")
    assert tunnels() == before
    assert (our_files(), claims()) == ({}, {})


def test_the_device_of_the_module_and_one_less():
    done = four_steps("lvs_tunnel", look=tunnels, tunnels=[{"type": "ipip"}])
    assert [each["verb"] for each in done["operations"]] == ["load", "up"]
    done = four_steps("lvs_tunnel", look=tunnels, tunnels=[{"type": "sit"}])
    assert done["surplus"] == ["device tunl0 type ipip"]
    four_steps("lvs_tunnel", look=tunnels, tunnels=[{"type": "sit"}], exclusive=True)
    assert loaded() == ["sit"]
    four_steps("lvs_tunnel", look=tunnels, tunnels=[{"type": "sit"}], state="absent")
    assert tunnels() == ([], [])


def test_what_is_found_stays():
    sh("modprobe", "ipip")
    sh("ip", "link", "set", "tunl0", "up")
    sh("ip", "address", "add", "198.51.100.10/32", "dev", "tunl0")
    assert not run_module("lvs_tunnel", tunnels=[{"type": "ipip"}], at_boot=False)["changed"]
    sh("ip", "address", "del", "198.51.100.10/32", "dev", "tunl0")
    sh("ip", "link", "set", "tunl0", "down")
    run_module("lvs_tunnel", tunnels=[{"type": "ipip"}])
    run_module("lvs_tunnel", state="absent")
    assert tunnels() == (["('tunl0', 'ipip', 'any', False)"], ["ipip"])


def test_another_address_and_somebody_elses_device():
    run_module("lvs_tunnel", tunnels=ALL[:1])
    other = {**ALL[0], "local": "10.99.0.2"}
    four_steps("lvs_tunnel", look=tunnels, tunnels=[other])
    assert "('lvs-ipip', 'ipip', '10.99.0.2', True, '192.0.0.8/32')" in tunnels()[0]
    run_module("lvs_tunnel", state="absent")
    sh("ip", "link", "add", "lvs-ipip", "type", "dummy")
    with pytest.raises(ModuleFailed, match="lvs-ipip': exists already"):
        run_module("lvs_tunnel", tunnels=[other])


def test_the_script_makes_them_again():
    run_module("lvs_tunnel", tunnels=ALL)
    after = tunnels()
    for name in ("lvs-ipip", "lvs-sit", "lvs-ip6tnl"):
        sh("ip", "link", "del", name)
    for family in ("-4", "-6"):
        sh("ip", family, "fou", "del", "port", "6080")
    for name in MODULES:
        sh("modprobe", "--remove", name)
    assert tunnels() == ([], [])
    sh("/etc/lvs.cluster/restore")
    assert tunnels() == after
    # The watcher runs it after such events: it must cause none.
    with events() as heard:
        sh("/etc/lvs.cluster/restore")
    assert (tunnels(), heard) == (after, [])


def test_without_the_library_a_host_without_any_is_fine(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyroute2", None)
    assert not run_module("lvs_tunnel", state="absent")["changed"]
    assert not run_module("lvs_tunnel", exclusive=True)["changed"]
    with pytest.raises(ModuleFailed, match="lacks the package python3-pyroute2"):
        run_module("lvs_tunnel", tunnels=ALL)
    with pytest.raises(ModuleFailed, match="holds none; give some"):
        run_module("lvs_tunnel")


@pytest.fixture
def filtering():
    """Strict filtering by reverse path, as some distributions have it."""
    names = [f"net.ipv4.conf.{name}.rp_filter" for name in ("all", "default")]
    before = [f"{name}={sh('sysctl', '-n', name).strip()}" for name in names]
    sh("sysctl", "-q", *(f"{name}=1" for name in names))
    yield
    sh("sysctl", "-q", *before)


def test_strict_filtering_is_lifted_on_the_device_alone(filtering):
    """Also in check mode on a fresh host, where there is no such device yet."""

    def look():
        return tunnels(), sh("sysctl", "-a", "--pattern", "rp_filter")

    four_steps("lvs_tunnel", look=look, tunnels=ALL[:1])
    assert "net.ipv4.conf.lvs-ipip.rp_filter = 2\n" in look()[1]
    assert "net.ipv4.conf.all.rp_filter = 1\n" in look()[1]
    sh("sysctl", "-q", "net.ipv4.conf.lvs-ipip.rp_filter=1")
    assert run_module("lvs_tunnel", tunnels=ALL[:1])["operations"]
    after = look()
    sh("ip", "link", "del", "lvs-ipip")
    sh("/etc/lvs.cluster/restore")
    assert look() == after


def test_a_lost_manifest_makes_nothing_of_ours_somebody_elses():
    """Our own message tells people to remove a manifest that is damaged."""
    run_module("lvs_tunnel", tunnels=ALL)
    after, known = tunnels(), claims()
    (STATE / "default.json").unlink()
    assert not run_module("lvs_tunnel", tunnels=ALL)["operations"]
    assert (tunnels(), claims()) == (after, known)
    (STATE / "default.json").unlink()
    run_module("lvs_tunnel", state="absent")
    assert tunnels() == ([], [])
    assert (our_files(), claims()) == ({}, {})


def test_check_mode_needs_no_library(monkeypatch):
    checked = run_module("lvs_tunnel", check=True, tunnels=ALL)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "pyroute2", None)
        assert run_module("lvs_tunnel", check=True, tunnels=ALL) == checked
    assert run_module("lvs_tunnel", tunnels=ALL)["diff"] == checked["diff"]
    monkeypatch.setitem(sys.modules, "pyroute2", None)
    assert not run_module("lvs_tunnel", tunnels=ALL)["changed"]
