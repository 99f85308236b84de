# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from tests.kernel.harness import ModuleFailed, four_steps, our_files, run_module, sh


def daemons():
    """As ipvsadm tells them."""
    return sh("ipvsadm", "-L", "--daemon").splitlines()


@pytest.fixture(autouse=True)
def _none():
    def stop():
        for role in ("master", "backup"):
            sh("ipvsadm", "--stop-daemon", role, check=False)

    stop()
    sh("sysctl", "-w", "net.ipv4.vs.backup_only=0")
    yield
    stop()
    sh("sysctl", "-w", "net.ipv4.vs.backup_only=0")


def four(**params):
    return four_steps("ipvs_sync_daemon", look=daemons, **params)


def test_it_starts_changes_and_stops():
    done = four(role="master", interface="eth1", syncid=7)
    assert done["operations"] == [{"verb": "start", "sync_daemon": done["sync_daemon"]}]
    assert "master sync daemon (mcast=eth1, syncid=7" in "".join(daemons())
    done = four(role="master", syncid=8, ttl=3, port=8849, group="224.0.0.82", maxlen=1200)
    assert done["operations"] == [{"verb": "edit", "sync_daemon": done["sync_daemon"]}]
    told = "".join(daemons())
    for word in ("mcast=eth1", "syncid=8", "maxlen=1200", "group=224.0.0.82", "port=8849", "ttl=3"):
        assert word in told
    # What is left out stays.
    assert not run_module("ipvs_sync_daemon", role="master")["changed"]
    assert four(role="master", state="absent")["sync_daemon"] is None
    assert daemons() == []


def test_both_beside_each_other():
    four(role="master", interface="eth1")
    four(role="backup", interface="eth1", syncid=9)
    assert len(daemons()) == 2
    (found,) = [
        daemon for daemon in run_module("ipvs_info")["sync_daemons"] if daemon["role"] == "backup"
    ]
    assert (found["interface"], found["syncid"], found["port"]) == ("eth1", 9, 8848)
    four(role="master", state="absent")
    assert len(daemons()) == 1


def test_not_both_where_the_backup_only_listens():
    run_module("ipvs_sync_daemon", role="master", interface="eth1")
    sh("sysctl", "-w", "net.ipv4.vs.backup_only=1")
    before = daemons()
    with pytest.raises(ModuleFailed, match="backup_only"):
        run_module("ipvs_sync_daemon", role="backup", interface="eth1")
    assert daemons() == before


def test_an_ipv6_group():
    four(role="backup", interface="eth1", group="FF02::0081")
    assert "group=ff02::81" in "".join(daemons())


def test_at_boot_and_no_more():
    four(role="backup", interface="eth1", at_boot=True)
    four(role="master", interface="eth1", syncid=3, at_boot=True)
    before = daemons()
    for role in ("master", "backup"):
        sh("ipvsadm", "--stop-daemon", role)
    sh("/etc/lvs.cluster/restore")
    assert sorted(daemons()) == sorted(before)
    sh("/etc/lvs.cluster/restore")
    assert sorted(daemons()) == sorted(before)
    for role in ("master", "backup"):
        four(role=role, state="absent")
    assert our_files() == {}


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "interface=None: is missing"),
        ({"interface": "eth1", "syncid": 256}, "syncid=256: is out of range"),
        (
            {"interface": "eth1", "group": "192.0.2.1"},
            "group='192.0.2.1': is not a multicast address",
        ),
        ({"interface": "eth1", "port": 0}, "port=0: is out of range"),
        ({"interface": "a" * 16}, "is not the name of an interface"),
        ({"interface": "eth9"}, "there is no interface eth9"),
    ],
)
def test_refused(params, words):
    with pytest.raises(ModuleFailed, match=words):
        run_module("ipvs_sync_daemon", role="master", **params)
    assert daemons() == []


def test_a_change_that_the_kernel_refuses_leaves_the_old_one_running():
    run_module("ipvs_sync_daemon", role="master", interface="eth1", syncid=7)
    before = daemons()
    with pytest.raises(ModuleFailed, match="there is no interface eth9"):
        run_module("ipvs_sync_daemon", role="master", interface="eth9")
    assert daemons() == before


def test_mixed_families_are_told():
    run_module(
        "ipvs_service",
        address="198.51.100.1",
        port=80,
        real_servers=[{"address": "2001:db8::7", "forwarding": "tun"}],
    )
    with pytest.raises(ModuleFailed, match="another address family than its service"):
        run_module("ipvs_sync_daemon", role="master", interface="eth1")
