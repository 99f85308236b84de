# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What other programs drop at run time comes back within seconds: with the real services of Debian.

Each test also adds foreign objects of the same kinds. They show that a service really drops what it does not
know: they stay away, and ours come back.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import shutil
import subprocess
import time

import pytest

from tests.kernel.harness import run_module, sh

pytestmark = pytest.mark.boot_service

OWN, OWN6, GATEWAY = "10.96.0.7", "fd96::7", "10.96.0.104"
VIP, VIP6 = "10.96.0.100", "fd96::100"
# Somebody else's: addresses, and the number of a table and of a rule.
THEIRS, THEIRS6, NUMBER = "10.96.0.250", "fd96::250", "999"
SECONDS = 30
JUMP, RULE, ROUTE, ADDRESS = "jump", "rule", "route", "address"


def ours():
    """All that we keep in these tests, as other tools show it."""
    links = {each["ifname"]: each for each in json.loads(sh("ip", "-json", "address"))}
    own = {
        (name, each["local"])
        for name, link in links.items()
        for each in link["addr_info"]
        if each["local"] in (VIP, VIP6, "192.0.0.8")
    }
    return {
        "rules of the firewall": [
            line for command in ("iptables-save", "ip6tables-save") for line in chains(command)
        ],
        "addresses": sorted(own),
        "tunnel": "UP" in links.get("lvs-ipip", {}).get("flags", ()),
        "rules": [line for line in sh("ip", "rule").splitlines() if line.startswith("1704")],
        "route": sh("ip", "route", "show", "table", "1704", check=False).split(),
    }


def chains(command):
    return [line for line in sh(command).splitlines() if "LVS-" in line and "-A" in line]


def add_theirs():
    sh("iptables", "-N", "THEIRS", check=False)
    sh("iptables", "-I", "FORWARD", "-j", "THEIRS")
    sh("ip", "address", "replace", f"{THEIRS}/32", "dev", "probe")
    sh("ip", "address", "replace", f"{THEIRS6}/128", "dev", "probe", "nodad")
    sh("ip", "rule", "add", "priority", NUMBER, "from", THEIRS, "lookup", NUMBER, check=False)
    sh("ip", "route", "replace", "default", "dev", "probe", "table", NUMBER)


def remove_theirs():
    sh("iptables", "-D", "FORWARD", "-j", "THEIRS", check=False)
    sh("iptables", "-F", "THEIRS", check=False)
    sh("iptables", "-X", "THEIRS", check=False)
    sh("ip", "rule", "del", "priority", NUMBER, check=False)
    sh("ip", "route", "flush", "table", NUMBER, check=False)


def theirs():
    """What is left of somebody else's."""
    addresses = sh("ip", "address", "show", "dev", "probe", check=False)
    signs = {
        JUMP: "-j THEIRS" in sh("iptables-save", "-t", "filter"),
        RULE: f"{NUMBER}:" in sh("ip", "rule"),
        ROUTE: "default" in sh("ip", "route", "show", "table", NUMBER, check=False),
        ADDRESS: THEIRS in addresses or THEIRS6 in addresses,
    }
    return {name for name, there in signs.items() if there}


def soon(look):
    """Whether something becomes true within seconds."""
    deadline = time.monotonic() + SECONDS
    while not look():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


@contextlib.contextmanager
def kept():
    """One of each kind of ours, on the interface probe; what that looks like."""
    networks = ["192.0.2.0/24", "2001:db8::/64"]
    tunnels = [{"type": "ipip", "device": "lvs-ipip", "local": OWN}]
    try:
        run_module("iptables_masq", networks=networks)
        run_module("lvs_tunnel", tunnels=tunnels)
        run_module("lvs_route", gateway=[GATEWAY], source=[OWN], rollback=0)
        run_module("lvs_vip", addresses=[VIP, VIP6], interface="probe")
        found = ours()
        assert all(found.values())
        assert soon(lambda: sh("pgrep", "-x", "nft", check=False)), "the watcher does not listen"
        time.sleep(1)
        yield found
    finally:
        remove_theirs()
        run_module("lvs_vip", state="absent")
        run_module("lvs_route", state="absent", rollback=0)
        run_module("lvs_tunnel", state="absent")
        run_module("iptables_masq", state="absent")
        for service in ("lvs.cluster", "lvs.cluster-watch"):
            assert not is_active(service)


def is_active(service):
    return (
        subprocess.run(["systemctl", "is-active", "--quiet", service], check=False).returncode == 0
    )


def comes_back(found, words, dropped=frozenset()):
    """What we keep is there again after a command, and stays; and it has dropped these of somebody else's."""
    add_theirs()
    sh(*words)
    assert soon(lambda: not dropped & theirs()), f"{words} has not dropped {dropped}"
    assert soon(lambda: stays(found)), (words, differences(found))


def stays(found):
    """Whether all of ours is there, for some seconds."""
    end = time.monotonic() + 3
    while time.monotonic() < end:
        if ours() != found:
            return False
        time.sleep(0.3)
    return True


def differences(found):
    now = ours()
    return {name: (found[name], now[name]) for name in found if now[name] != found[name]}


@contextlib.contextmanager
def written(path, text, mode=0o644):
    """A file as it is to be for a test; afterwards it is as before."""
    file, aside = pathlib.Path(path), pathlib.Path(f"{path}.aside")
    if file.exists():
        shutil.copy2(file, aside)
    file.write_text(text)
    file.chmod(mode)
    try:
        yield
    finally:
        file.unlink()
        if aside.exists():
            aside.rename(file)


@contextlib.contextmanager
def stopped_afterwards(*units):
    try:
        yield
    finally:
        sh("systemctl", "stop", *units, check=False)
        sh("systemctl", "reset-failed", *units, check=False)


@pytest.fixture
def _probe():
    sh("ip", "link", "add", "probe", "type", "dummy")
    sh("ip", "address", "add", f"{OWN}/24", "dev", "probe")
    sh("ip", "-6", "address", "add", f"{OWN6}/64", "dev", "probe", "nodad")
    sh("ip", "link", "set", "probe", "up")
    yield
    sh("ip", "link", "del", "probe")


@pytest.mark.usefixtures("_probe")
def test_nftables_flushes_everything():
    with stopped_afterwards("nftables"), kept() as found:
        for verb in ("start", "reload", "restart", "stop"):
            comes_back(found, ("systemctl", verb, "nftables"), {JUMP})


@pytest.mark.long
@pytest.mark.usefixtures("_probe")
def test_nftables_over_and_over():
    """systemd starts no service more often than 5 times in 10 seconds, unless told so."""
    with stopped_afterwards("nftables"), kept() as found:
        sh("systemctl", "start", "nftables")
        for _time in range(8):
            sh("systemctl", "reload", "nftables")
        comes_back(found, ("systemctl", "reload", "nftables"), {JUMP})


@pytest.mark.long
@pytest.mark.usefixtures("_probe")
def test_a_firewall_that_is_flushed_by_hand():
    with kept() as found:
        comes_back(found, ("nft", "flush", "ruleset"), {JUMP})
        comes_back(found, ("iptables", "-F"), {JUMP})
        comes_back(found, ("sh", "-c", "iptables -F FORWARD && iptables -X THEIRS"), {JUMP})
        comes_back(found, ("sh", "-c", "ip6tables -F; ip6tables -X"))
        # It has listened all the time. One that systemd has to start over and over brings things back as well.
        shown = sh("systemctl", "show", "--property=NRestarts", "lvs.cluster-watch")
        assert shown.strip() == "NRestarts=0"


RULES = "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n"


@pytest.mark.long
@pytest.mark.usefixtures("_probe")
def test_netfilter_persistent_loads_its_own_rules_only():
    with (
        written("/etc/iptables/rules.v4", RULES),
        written("/etc/iptables/rules.v6", RULES),
        stopped_afterwards("netfilter-persistent"),
        kept() as found,
    ):
        for verb in ("start", "restart"):
            comes_back(found, ("systemctl", verb, "netfilter-persistent"), {JUMP})
        for word in ("reload", "flush"):
            comes_back(found, ("netfilter-persistent", word), {JUMP})
        comes_back(found, ("systemctl", "stop", "netfilter-persistent"))


@pytest.mark.long
@pytest.mark.usefixtures("_probe")
@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_firewalld_flushes_when_it_reloads_and_stops(backend):
    """Debian 12's does. Later ones leave alone what is not theirs."""
    flushes = int(sh("firewall-offline-cmd", "--version").partition(".")[0]) < 2
    dropped = {JUMP} if flushes else set()
    path = "/etc/firewalld/firewalld.conf"
    settings = pathlib.Path(path).read_text()
    assert "\nFirewallBackend=" in settings
    settings += f"\nFirewallBackend={backend}\n"
    with written(path, settings), stopped_afterwards("firewalld"), kept() as found:
        comes_back(found, ("systemctl", "start", "firewalld"))
        assert soon(lambda: sh("firewall-cmd", "--state", check=False).strip() == "running")
        comes_back(found, ("firewall-cmd", "--reload"), dropped)
        comes_back(found, ("systemctl", "reload", "firewalld"), dropped)
        comes_back(found, ("systemctl", "restart", "firewalld"), dropped)
        # It is active long before it has loaded its rules, and stopped before that it cleans nothing up.
        assert soon(lambda: sh("firewall-cmd", "--state", check=False).strip() == "running")
        comes_back(found, ("systemctl", "stop", "firewalld"), dropped)


NETDEV = "[NetDev]\nName=probe\nKind=dummy\n"
NETWORK = f"[Match]\nName=probe\n[Network]\nAddress={OWN}/24\nAddress={OWN6}/64\n"
UNITS = "/etc/systemd/network/80-probe"
NETWORKD = ("systemd-networkd.socket", "systemd-networkd.service")


@pytest.fixture
def _networkd():
    with written(f"{UNITS}.netdev", NETDEV), written(f"{UNITS}.network", NETWORK):
        sh("networkctl", "reload")
        try:
            assert soon(lambda: "configured" in sh("networkctl", "--no-legend", "list", "probe"))
            yield
        finally:
            sh("systemctl", "start", *NETWORKD)
    sh("ip", "link", "del", "probe")
    sh("networkctl", "reload")


@pytest.mark.long
@pytest.mark.usefixtures("_networkd")
def test_networkd_drops_what_is_not_in_its_files():
    with kept() as found:
        everything = {RULE, ROUTE, ADDRESS}
        comes_back(found, ("systemctl", "restart", "systemd-networkd"), everything)
        comes_back(found, ("networkctl", "reconfigure", "probe"), everything)
        pathlib.Path(f"{UNITS}.network").write_text(f"{NETWORK}# new\n")
        comes_back(found, ("networkctl", "reload"), everything)
        comes_back(found, ("systemctl", "stop", *NETWORKD))
        comes_back(found, ("systemctl", "start", *NETWORKD), everything)


UNMANAGED = "[keyfile]\nunmanaged-devices=*,except:interface-name:probe\n"
PROFILE = f"""\
[connection]
id=probe
uuid=7d5c1f4e-52a8-4f0f-9b48-0f0f6a3c1c11
type=dummy
interface-name=probe
[ipv4]
method=manual
address1={OWN}/24
[ipv6]
method=manual
address1={OWN6}/64
"""
FOLDER = "/etc/NetworkManager"


@pytest.fixture
def _network_manager():
    with (
        written(f"{FOLDER}/conf.d/unmanaged.conf", UNMANAGED),
        written(f"{FOLDER}/system-connections/probe.nmconnection", PROFILE, 0o600),
        stopped_afterwards("NetworkManager"),
    ):
        sh("systemctl", "start", "NetworkManager")
        assert soon(lambda: OWN6 in sh("ip", "address", "show", "dev", "probe", check=False))
        yield
    sh("ip", "link", "del", "probe")


@pytest.mark.long
@pytest.mark.usefixtures("_network_manager")
def test_network_manager_drops_what_is_not_in_its_profile():
    with kept() as found:
        some = {ROUTE, ADDRESS}
        comes_back(found, ("nmcli", "connection", "up", "probe"), some)
        comes_back(found, ("nmcli", "device", "reapply", "probe"), {ADDRESS})
        comes_back(found, ("systemctl", "restart", "NetworkManager"))
        comes_back(found, ("systemctl", "stop", "NetworkManager"))
        comes_back(found, ("systemctl", "start", "NetworkManager"))
        # The profile takes its device along.
        down = "nmcli connection down probe && sleep 10 && nmcli connection up probe"
        comes_back(found, ("sh", "-c", down), some)


@pytest.mark.usefixtures("_probe")
@pytest.mark.parametrize("seconds", [0, pytest.param(10, marks=pytest.mark.long)])
def test_a_link_that_goes_down_loses_its_routes(seconds):
    """Its IPv6 addresses, too: that is how Linux is. It may take its time."""
    with kept() as found:
        down = f"ip link set probe down; sleep {seconds}; ip link set probe up"
        down = f"{down}; ip -6 address replace {OWN6}/64 dev probe nodad"
        comes_back(found, ("sh", "-c", down), {ROUTE})


@pytest.mark.long
@pytest.mark.usefixtures("_probe")
def test_a_program_that_goes_on_and_on_is_answered_ever_later():
    with kept() as found:
        for _time in range(10):
            sh("ip", "address", "del", f"{VIP}/32", "dev", "probe", check=False)
            time.sleep(1)
        assert soon(lambda: ours() == found)


@pytest.mark.long
@pytest.mark.usefixtures("_probe")
def test_a_watcher_whose_listeners_end_is_started_again():
    with kept() as found:
        for name in ("nft", "ip"):
            before = sh("pgrep", "-x", name)
            sh("pkill", "-x", name)
            assert soon(lambda: sh("pgrep", "-x", name, check=False) not in ("", before))  # noqa: B023
        comes_back(found, ("nft", "flush", "ruleset"), {JUMP})
