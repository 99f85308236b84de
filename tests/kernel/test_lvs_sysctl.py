# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
import re

import pytest

from tests.kernel.harness import (
    ModuleFailed,
    claims,
    four_steps,
    loaded_modules,
    our_files,
    run_module,
    sh,
)

# Settings that move on their own.
VOLATILE = re.compile(
    r"^(kernel\.random\.|kernel\.ns_last_pid|fs\.(dentry|inode|file|aio)|kernel\.(pty\.nr|tainted)|"
    # The last come and go with the module of a scheduler.
    r"net\.netfilter\.nf_conntrack_count|kernel\.sched_domain|net\.ipv4\.vs\.lblcr?_expiration)"
)
CONF = "/etc/sysctl.d/90-lvs.cluster-default.conf"


def settings():
    lines = sh("sysctl", "-a", check=False).splitlines()
    return [line for line in lines if not VOLATILE.match(line)]


def value(name):
    return " ".join(sh("sysctl", "-n", name).split())


@pytest.fixture(autouse=True)
def _restored():
    """Two interfaces besides, one with a dot in its name; and after each test, all is as it was."""
    sh("ip", "link", "add", "probe", "type", "dummy")
    sh("ip", "link", "add", "link", "probe", "name", "probe.7", "type", "vlan", "id", "7")
    before = settings()
    yield
    after = settings()
    changed = [line for line in before if line not in after]
    for line in changed:
        name, _equals, old = line.partition(" = ")
        sh("sysctl", "-w", f"{name}={old}")
    sh("ip", "link", "del", "probe")


def four(**params):
    return four_steps("lvs_sysctl", look=settings, **params)


def test_a_director_by_nat_and_back():
    before = settings()
    done = four(profiles=["director"], forwarding=["nat"], families=["ipv4", "ipv6"])
    assert value("net.ipv4.ip_forward") == value("net.ipv6.conf.all.forwarding") == "1"
    for interface in ("all", "default", "eth1", "probe", "probe/7"):
        assert value(f"net.ipv4.conf.{interface}.send_redirects") == "0"
    assert done["settings"]["net.ipv4.conf.probe/7.send_redirects"] == "0"
    four(state="absent")
    assert settings() == before
    assert our_files() == {}


def test_what_somebody_had_set_is_given_back_to_the_letter():
    for setting in (
        "net.ipv4.conf.all.accept_redirects=0",
        "net.ipv4.conf.probe.forwarding=1",
        "net.ipv4.conf.probe/7.send_redirects=0",
        "net.ipv6.conf.probe.accept_ra=1",
        "net.ipv6.conf.eth1.accept_ra=0",
    ):
        sh("sysctl", "-w", setting)
    before = settings()
    four(profiles=["director"], forwarding=["masq"], families=["ipv4", "ipv6"])
    assert value("net.ipv6.conf.probe.accept_ra") == "2"
    assert value("net.ipv6.conf.eth1.accept_ra") == "0"
    four(state="absent")
    assert settings() == before


def test_the_next_boot_sets_the_same():
    four(
        profiles=["director"],
        forwarding=["nat"],
        values={"net.ipv4.vs.conntrack": 1, "net/ipv4/conf/probe.7/arp_ignore": 2},
    )
    after = settings()
    assert (
        pathlib.Path("/etc/modules-load.d/lvs.cluster-default.conf")
        .read_text()
        .endswith("\nip_vs\n")
    )
    for setting in (
        "net.ipv4.ip_forward=0",
        "net.ipv4.vs.conntrack=0",
        "net.ipv4.conf.probe/7.arp_ignore=0",
        "net.ipv4.conf.eth1.send_redirects=1",
    ):
        sh("sysctl", "-w", setting)
    sh("/usr/lib/systemd/systemd-sysctl", CONF)
    assert settings() == after


def test_profile_and_values_are_exact():
    four(profiles=["real_server"], forwarding=["dr"], interfaces=["probe"])
    assert value("net.ipv4.conf.probe.arp_announce") == "2"
    done = four(values={"net.ipv4.conf.probe.arp_ignore": "1"})
    assert [operation["name"] for operation in done["operations"]] == [
        "net.ipv4.conf.probe.arp_announce"
    ]
    assert value("net.ipv4.conf.probe.arp_announce") == "0"


def test_stricter_is_kept_also_at_boot():
    sh("sysctl", "-w", "net.ipv4.conf.all.arp_ignore=2")
    done = four(profiles=["real_server"], forwarding=["dr"])
    assert done["settings"]["net.ipv4.conf.all.arp_ignore"] == "2"
    assert "net.ipv4.conf.all.arp_ignore = 2\n" in pathlib.Path(CONF).read_text()
    four(state="absent")
    assert value("net.ipv4.conf.all.arp_ignore") == "2"


def test_what_the_kernel_flips_is_no_change():
    four(values={"net.ipv4.vs.drop_entry": 1})
    sh("sysctl", "-w", "net.ipv4.vs.drop_entry=2")
    assert not run_module("lvs_sysctl", values={"net.ipv4.vs.drop_entry": 1})["changed"]


def test_a_setting_that_this_kernel_has_not():
    before = settings()
    with pytest.raises(ModuleFailed, match=r"net\.ipv4\.vs\.no_such=None: is not in this kernel"):
        run_module("lvs_sysctl", values={"net.ipv4.vs.no_such": 1, "net.ipv4.vs.conntrack": 1})
    assert settings() == before
    assert our_files() == {}


def test_a_value_that_the_kernel_refuses_leaves_the_others_in_force():
    values = {"net.ipv4.vs.sync_version": 7, "net.ipv4.vs.conntrack": 1}
    with pytest.raises(ModuleFailed, match=r"Could not set net\.ipv4\.vs\.sync_version to 7"):
        run_module("lvs_sysctl", values=values)
    assert value("net.ipv4.vs.conntrack") == "1"
    run_module("lvs_sysctl", values={**values, "net.ipv4.vs.sync_version": 0})
    assert value("net.ipv4.vs.sync_version") == "0"
    run_module("lvs_sysctl", state="absent")
    assert (value("net.ipv4.vs.sync_version"), value("net.ipv4.vs.conntrack")) == ("1", "0")
    assert claims() == {}


def test_a_file_that_would_win_at_boot_is_warned_of():
    later = pathlib.Path("/etc/sysctl.d/99-somebody.conf")
    later.write_text("net.ipv4.ip_forward = 0\n")
    try:
        done = run_module("lvs_sysctl", values={"net.ipv4.ip_forward": 1})
    finally:
        later.unlink()
    assert any("99-somebody.conf is read after" in str(warning) for warning in done["warnings"])


def test_ipvs_is_loaded_for_its_settings_and_not_by_a_check():
    sh("modprobe", "--remove", *loaded_modules())
    checked = run_module("lvs_sysctl", check=True, values={"net.ipv4.vs.conntrack": 1})
    assert not pathlib.Path("/proc/net/ip_vs").exists(), "the check has loaded IPVS"
    done = run_module("lvs_sysctl", values={"net.ipv4.vs.conntrack": 1})
    assert (done["diff"], done["operations"]) == (checked["diff"], checked["operations"])
    assert value("net.ipv4.vs.conntrack") == "1"
