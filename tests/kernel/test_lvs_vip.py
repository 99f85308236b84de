# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual addresses, in a namespace that stands for a host; and what the segment hears of them."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pyroute2
import pytest

from tests.kernel.children import apart, events
from tests.kernel.harness import STATE, ModuleFailed, claims, four_steps, our_files, run_module, sh

# Dear to import: the children have it from here.
LIBRARY = pyroute2
VIP, VIP6 = "198.51.100.10", "2001:db8::10"
OWN, OWN6 = "10.96.0.7", "fd96::7"
IN = ("ip", "netns", "exec", "host")


def addresses():
    """All addresses, as ip tells them."""
    found = []
    for link in json.loads(sh(*IN, "ip", "-json", "address")):
        for each in link["addr_info"]:
            keys = ("local", "prefixlen", "scope", "preferred_life_time", "tentative", "nodad")
            found.append((link["ifname"], *(each.get(key) for key in keys)))
    return sorted(found, key=repr)


def where(address):
    return [(each[0], each[2], each[3]) for each in addresses() if each[1] == address]


@pytest.fixture(autouse=True)
def _host():
    sh("ip", "netns", "add", "host")
    # Nobody else is there whose address it could be.
    sh(*IN, "sysctl", "-q", "net.ipv6.conf.default.accept_dad=0")
    sh("ip", "link", "add", "segment", "type", "veth", "peer", "eth1", "netns", "host")
    sh("ip", "link", "set", "segment", "up")
    for words in (
        ("link", "set", "lo", "up"),
        ("address", "add", f"{OWN}/24", "dev", "eth1"),
        ("-6", "address", "add", f"{OWN6}/64", "dev", "eth1", "nodad"),
        ("link", "set", "eth1", "up"),
    ):
        sh(*IN, "ip", *words)
    while "tentative" in sh(*IN, "ip", "address"):
        time.sleep(0.1)
    yield
    sh("ip", "netns", "del", "host")


def vip(check=False, **params):
    return apart(lambda: run_module("lvs_vip", check, **params), "host")


def four(**params):
    return apart(lambda: four_steps("lvs_vip", look=addresses, **params), "host")


def test_on_the_loopback_and_away_again():
    before = addresses()
    done = four(addresses=[VIP, VIP6.upper()])
    assert done["addresses"] == [
        f"-4 address {VIP}/32 dev lo scope host",
        f"-6 address {VIP6}/128 dev lo nodad preferred_lft 0",
    ]
    assert where(VIP) == [("lo", 32, "host")]
    assert where(VIP6) == [("lo", 128, "global")]
    assert ("lo", VIP6, 128, "global", 0, None, True) in addresses()
    four(state="absent")
    assert addresses() == before
    assert (our_files(), claims()) == ({}, {})


def test_one_more_and_one_less():
    vip(addresses=[VIP])
    done = four(addresses=["198.51.100.11"])
    assert done["surplus"] == [f"-4 address {VIP}/32 dev lo scope host"]
    four(addresses=[VIP], state="absent")
    assert where(VIP) == []
    four(addresses=[VIP6], exclusive=True)
    assert (where("198.51.100.11"), where(VIP6)) == ([], [("lo", 128, "global")])
    four(exclusive=True)
    assert claims() == {}


def test_what_is_found_stays():
    sh(*IN, "ip", "address", "add", f"{VIP}/24", "dev", "eth1")
    before = addresses()
    done = vip(addresses=[VIP], interface="eth1")
    assert (done["changed"], done["found"]) == (
        False,
        [f"-4 address {VIP}/24 dev eth1 scope global"],
    )
    assert not vip(addresses=[VIP], interface="")["changed"]
    assert not vip(addresses=[VIP], state="absent")["changed"]
    assert not vip(exclusive=True)["changed"]
    with pytest.raises(ModuleFailed, match="is already on eth1, and is desired on lo; remove it"):
        vip(addresses=[VIP])
    assert addresses() == before


def test_it_finds_the_interface_itself():
    vip(addresses=["10.96.0.99", VIP, "fd96::99", VIP6], interface="")
    assert where("10.96.0.99") == [("eth1", 32, "global")]
    assert where("fd96::99") == [("eth1", 128, "global")]
    assert (where(VIP)[0][0], where(VIP6)[0][0]) == ("lo", "lo")
    assert not vip(addresses=["10.96.0.99", VIP, "fd96::99", VIP6], interface="")["changed"]


def test_it_moves_and_changes():
    vip(addresses=[VIP, VIP6])
    four(addresses=[VIP, VIP6], interface="eth1")
    assert (where(VIP), where(VIP6)) == ([("eth1", 32, "global")], [("eth1", 128, "global")])
    four(addresses=[f"{VIP}/24", f"{VIP6}/64"], interface="eth1", scope="link", passive=False)
    assert (where(VIP), where(VIP6)) == ([("eth1", 24, "link")], [("eth1", 64, "global")])
    four(state="absent")
    assert where(VIP) == []


def test_what_somebody_has_changed_is_set_right():
    vip(addresses=[VIP, VIP6])
    after = addresses()
    sh(*IN, "ip", "address", "del", f"{VIP}/32", "dev", "lo")
    sh(*IN, "ip", "address", "add", f"{VIP}/32", "dev", "lo", "scope", "global")
    sh(*IN, "ip", "-6", "address", "change", f"{VIP6}/128", "dev", "lo", "preferred_lft", "forever")
    assert addresses() != after
    four(addresses=[VIP, VIP6])
    assert addresses() == after


def test_what_hangs_on_an_address_of_ours_stays():
    """Linux deletes all addresses of a network along with the first of them."""
    sh(*IN, "sysctl", "-q", "net.ipv4.conf.all.promote_secondaries=0")
    sh(*IN, "sysctl", "-q", "net.ipv4.conf.eth1.promote_secondaries=0")
    vip(addresses=[f"{VIP}/24"], interface="eth1")
    sh(*IN, "ip", "address", "add", "198.51.100.77/24", "dev", "eth1")
    vip(state="absent")
    assert where(VIP) == []
    assert where("198.51.100.77") == [("eth1", 24, "global")]


def test_the_script_puts_them_back():
    vip(addresses=[VIP, VIP6])
    vip(addresses=["10.96.0.99"], interface="eth1")
    after = addresses()
    for device, address in (("lo", f"{VIP}/32"), ("lo", f"{VIP6}/128"), ("eth1", "10.96.0.99/32")):
        sh(*IN, "ip", "address", "del", address, "dev", device)
    sh(*IN, "/etc/lvs.cluster/restore")
    assert addresses() == after
    # The watcher runs it after such events: it must cause none.
    with events(*IN) as heard:
        sh(*IN, "/etc/lvs.cluster/restore")
    assert (addresses(), heard) == (after, [])


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "addresses=.*holds none; give some, or set exclusive"),
        ({"addresses": ["www"]}, "addresses='www': is not an IP address"),
        ({"addresses": [f"{VIP}/33"]}, "has no prefix length from 1 to 32"),
        ({"addresses": [VIP, VIP]}, "is listed twice"),
        ({"addresses": [VIP], "interface": "eth9"}, "interface='eth9': is not on this host"),
    ],
)
def test_refused(params, words):
    before = addresses()
    with pytest.raises(ModuleFailed, match=words):
        vip(**params)
    assert addresses() == before
    assert our_files() == {}


def test_without_the_library_a_host_without_any_is_fine(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyroute2", None)
    assert not vip(state="absent")["changed"]
    assert not vip(exclusive=True)["changed"]
    with pytest.raises(ModuleFailed, match="lacks the package python3-pyroute2"):
        vip(addresses=[VIP])


def test_the_segment_is_told():
    """What tcpdump hears, and what another host's neighbour tables then say."""
    sh("ip", "address", "add", "10.96.0.200/24", "dev", "segment")
    sh("ip", "-6", "address", "add", "fd96::200/64", "dev", "segment", "nodad")
    try:
        for address in ("10.96.0.99", "fd96::99"):
            mac = ("lladdr", "02:00:00:00:00:01", "dev", "segment", "nud", "stale")
            sh("ip", "neighbour", "add", address, *mac)
        command = ["tcpdump", "-n", "-l", "-i", "segment", "arp or icmp6"]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as heard:
            heard.stderr.readline()
            time.sleep(1)
            vip(addresses=["10.96.0.99", "fd96::99"], interface="eth1", announce=True)
            time.sleep(1)
            heard.terminate()
            lines = heard.stdout.read().splitlines()
        assert sum("Request who-has 10.96.0.99" in line for line in lines) == 3
        assert sum("neighbor advertisement, tgt is fd96::99" in line for line in lines) == 3
        mac = json.loads(sh(*IN, "ip", "-json", "link", "show", "eth1"))[0]["address"]
        known = {
            each["dst"]: each.get("lladdr")
            for each in json.loads(sh("ip", "-json", "neighbour", "show", "dev", "segment"))
        }
        assert (known["10.96.0.99"], known["fd96::99"]) == (mac, mac)
    finally:
        sh("ip", "address", "flush", "dev", "segment")


def test_what_is_handed_over_to_another_program_stays():
    vip(addresses=[VIP, VIP6, "198.51.100.11"])
    after = addresses()
    checked = vip(True, release=[VIP, VIP6.upper()], exclusive=True)
    done = vip(release=[VIP, VIP6.upper()], exclusive=True)
    assert done["diff"] == checked["diff"]
    assert [each["object"] for each in done["operations"]] == [
        "-4 address 198.51.100.11/32 dev lo scope host"
    ]
    assert [each for each in after if each[1] != "198.51.100.11"] == addresses()
    assert (our_files(), claims()) == ({}, {})
    assert not vip(state="absent")["changed"]


def test_a_lost_manifest_makes_nothing_of_ours_somebody_elses():
    """Our own message tells people to remove a manifest that is damaged."""
    before = addresses()
    vip(addresses=[VIP, VIP6])
    after = addresses()
    (STATE / "default.json").unlink()
    assert not vip(addresses=[VIP, VIP6])["operations"]
    assert len(claims()["address"]) == 2
    sh(*IN, "/etc/lvs.cluster/restore")
    assert addresses() == after
    (STATE / "default.json").unlink()
    vip(state="absent")
    assert addresses() == before
    assert (our_files(), claims()) == ({}, {})


@pytest.mark.parametrize("address", ["10.96.0.99", "fd96::99"])
def test_an_address_that_another_machine_has_is_not_added(address):
    """As that of a director that was taken out of the inventory, and has it still."""
    family = "-6" if ":" in address else "-4"
    mac = json.loads(sh("ip", "-json", "link", "show", "segment"))[0]["address"]
    params = {"addresses": [address, VIP], "interface": "eth1", "probe": True}
    sh("ip", family, "address", "add", address, "dev", "segment", *(["nodad"] * (family == "-6")))
    try:
        for check in (True, False):
            with pytest.raises(ModuleFailed) as caught:
                vip(check, **params)
            words = f"is in use on the segment of eth1: {mac} answers for it; remove it from that"
            assert words in str(caught.value)
        assert (where(address), where(VIP), our_files()) == ([], [], {})
        # What the host has already is not asked for: the segment may know it by an older answer.
        vip(**{**params, "probe": False})
        assert not vip(**params)["changed"]
        vip(state="absent")
    finally:
        sh("ip", family, "address", "del", address, "dev", "segment")
    assert vip(**params)["changed"]
