# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sync daemons as a kind of the engine."""

from __future__ import annotations

import errno

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput, Refused
from ansible_collections.lvs.cluster.plugins.module_utils.host import boot, proc
from ansible_collections.lvs.cluster.plugins.module_utils.host.store import Store
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import daemon, kind
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.daemon import Daemon
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.kind import (
    DesiredDaemon,
    SyncDaemons,
)

from ..fake_kernel import FakeKernel
from .requests import run_kind

ETH1 = Daemon("master", "eth1", 7, 1472)
BACKUP = Daemon("backup", "eth1", 7, 1472)


@pytest.fixture(autouse=True)
def backup_only(monkeypatch):
    values = {"net.ipv4.vs.backup_only": "0"}
    monkeypatch.setattr(proc, "read", values.get)
    monkeypatch.setattr(boot, "wanted_changes", lambda *_arguments: [])
    monkeypatch.setattr(kind, "_lacks_ipvsadm", lambda: False)
    return values


@pytest.fixture
def stores(tmp_path):
    return [
        Store(owner, directory=str(tmp_path / "state"), lock=str(tmp_path / "lock"))
        for owner in ("one", "two")
    ]


@pytest.fixture
def store(stores):
    return stores[0]


def desired(role="master", **given):
    return DesiredDaemon(role, {"interface": "eth1", "syncid": 7, **given})


def go(kernel, store, *daemons, check_mode=False, prune=True, at_boot=True, **options):
    return run_kind(
        SyncDaemons(daemons, at_boot, kernel=kernel.kernel, **options), store, check_mode, prune
    )


def running(*daemons):
    kernel = FakeKernel()
    kernel.running = {each.role: each for each in daemons}
    return kernel


def test_check_then_change_then_nothing(store):
    kernel = running()
    checked = go(kernel, store, desired(), check_mode=True)
    assert kernel.running == {}
    done = go(kernel, store, desired())
    assert done.operations == checked.operations
    assert kernel.running == {"master": ETH1}
    kernel.executed.clear()
    assert not go(kernel, store, desired())
    assert kernel.executed == []
    go(kernel, store)
    assert kernel.running == {}
    assert not store.load().claims


def test_an_edit_stops_it_and_starts_it_again(store):
    kernel = running()
    go(kernel, store, desired())
    done = go(kernel, store, desired(syncid=8))
    assert [each.data["verb"] for each in done.operations] == ["edit"]
    assert [verb for verb, _daemon in kernel.executed] == ["start", "stop", "start"]
    assert kernel.running["master"].syncid == 8


def test_a_single_daemon_keeps_what_is_left_out_and_a_described_one_does_not(store):
    kernel = running(ETH1._replace(ttl=9))
    keeping = DesiredDaemon("master", {"syncid": 8}, keeps=True)
    go(kernel, store, keeping, scope=("master",), at_boot=False)
    assert kernel.running["master"] == ETH1._replace(ttl=9, syncid=8)
    go(kernel, store, desired())
    assert kernel.running["master"] == ETH1


def test_what_was_found_is_restored(store):
    kernel = running(ETH1._replace(syncid=1))
    go(kernel, store, desired())
    go(kernel, store)
    assert kernel.running == {"master": ETH1._replace(syncid=1)}


def test_what_somebody_else_runs_stays_unless_it_is_named(store):
    kernel = running(ETH1)
    assert not go(kernel, store)
    go(kernel, store, scope=("master",), forced=True)
    assert kernel.running == {}


def test_a_scope_leaves_the_other_daemon_alone(store):
    kernel = running()
    go(kernel, store, desired(), desired("backup"))
    go(kernel, store, scope=("master",), forced=True)
    assert kernel.running == {"backup": BACKUP}
    assert set(store.load().claims[daemon.KIND]) == {"backup"}


def test_without_pruning_it_stays_and_is_named(store):
    kernel = running()
    go(kernel, store, desired())
    done = go(kernel, store, prune=False)
    assert done.remaining == ("the sync daemon master",)
    assert [script.body is None for script in done.scripts] == [False, True]
    assert kernel.running == {"master": ETH1}
    go(kernel, store)
    assert kernel.running == {}


def test_two_owners_share_a_daemon_and_may_not_disagree(stores):
    kernel = running()
    for each in stores:
        go(kernel, each, desired())
    with pytest.raises(InvalidInput, match="would differ from the one that the owner one keeps"):
        go(kernel, stores[1], desired(syncid=8))
    go(kernel, stores[0])
    assert kernel.running == {"master": ETH1}
    go(kernel, stores[1])
    assert kernel.running == {}


def test_a_daemon_that_the_kernel_refuses_leaves_the_old_one_running(store):
    kernel = running()
    go(kernel, store, desired())
    claims = store.load().claims
    kernel.refuse = lambda asked: errno.ENODEV if asked.interface == "eth9" else 0
    with pytest.raises(Refused, match="there is no interface eth9"):
        go(kernel, store, desired(interface="eth9"), desired("backup"))
    assert kernel.running == {"master": ETH1}
    assert store.load().claims == claims


def test_not_both_while_backup_only_is_set(store, backup_only):
    backup_only["net.ipv4.vs.backup_only"] = "1"
    kernel = running(BACKUP)
    with pytest.raises(InvalidInput, match="forwards nothing; set net"):
        go(kernel, store, desired())
    assert kernel.executed == []
    go(kernel, store, desired("backup"))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ([{"interface": "eth1"}], "sync_daemons[0].role: is missing"),
        ([{"role": "spare"}], "sync_daemons[0].role: must be one of master, backup"),
        ([{"role": "master", "syncid": "8\u00b2"}], "sync_daemons[0].syncid: must be a number"),
        ([{"role": "master", "port": "5" * 5000}], "sync_daemons[0].port: must be a number"),
        ([{"role": "master"}, {"role": "master"}], "sync_daemons[1].role: is listed twice"),
    ],
)
def test_refused_configurations(entry, message):
    with pytest.raises(InvalidInput) as refusal:
        SyncDaemons.of(entry, "one", None)
    assert str(refusal.value).startswith(message)
