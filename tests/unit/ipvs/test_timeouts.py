# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The timeouts of IPVS as a kind of the engine."""

from __future__ import annotations

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput, Refused
from ansible_collections.lvs.cluster.plugins.module_utils.host import boot
from ansible_collections.lvs.cluster.plugins.module_utils.host.store import Store
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import kind, timeouts

from ..fake_kernel import FakeKernel
from .requests import run_kind


@pytest.fixture(autouse=True)
def _files(monkeypatch):
    monkeypatch.setattr(boot, "wanted_changes", lambda *_arguments: [])
    monkeypatch.setattr(kind, "_lacks_ipvsadm", lambda: False)


@pytest.fixture
def stores(tmp_path):
    return [
        Store(owner, directory=str(tmp_path / "state"), lock=str(tmp_path / "lock"))
        for owner in ("one", "two")
    ]


@pytest.fixture
def kernel():
    return FakeKernel()


def go(kernel, store, check_mode=False, prune=True, at_boot=True, **desired):
    return run_kind(kind.Timeouts(desired, at_boot, kernel.kernel), store, check_mode, prune)


def in_force(kernel):
    return (kernel.seconds.tcp, kernel.seconds.tcpfin, kernel.seconds.udp)


def test_check_then_change_then_nothing(kernel, stores):
    checked = go(kernel, stores[0], check_mode=True, tcp=1800)
    assert in_force(kernel) == (900, 120, 300)
    done = go(kernel, stores[0], tcp=1800)
    assert done == checked
    assert in_force(kernel) == (1800, 120, 300)
    assert done.details == {"timeouts": {"tcp": 1800, "tcpfin": 120, "udp": 300}}
    assert done.diffs["IPVS timeouts"].before == ("--set 900 120 300",)
    assert done.diffs["IPVS timeouts"].after == ("--set 1800 120 300",)
    assert done.scripts[0].body == "ipvsadm --set 1800 0 0\n"
    kernel.executed.clear()
    assert not go(kernel, stores[0], tcp=1800)
    assert kernel.executed == []


def test_what_is_no_longer_asked_for_is_restored(kernel, stores):
    go(kernel, stores[0], tcp=1800, udp=7)
    go(kernel, stores[0], udp=7)
    assert in_force(kernel) == (900, 120, 7)
    assert go(kernel, stores[0]).scripts[0].body is None
    assert in_force(kernel) == (900, 120, 300)
    assert not stores[0].load().claims


def test_without_pruning_it_stays_and_is_named(kernel, stores):
    go(kernel, stores[0], tcp=1800)
    done = go(kernel, stores[0], prune=False, udp=7)
    assert in_force(kernel) == (1800, 120, 7)
    assert done.remaining == ("tcp 1800",)
    assert done.scripts[0].body == "ipvsadm --set 1800 0 7\n"
    go(kernel, stores[0], udp=7)
    assert in_force(kernel) == (900, 120, 7)


def test_what_is_found_right_is_not_claimed(kernel, stores):
    assert not go(kernel, stores[0], tcp=900)
    assert not stores[0].load().claims
    assert kernel.executed == []


def test_two_owners_agree_or_are_refused(kernel, stores):
    go(kernel, stores[0], tcp=1800)
    with pytest.raises(InvalidInput, match="1800 seconds that the owner one has set"):
        go(kernel, stores[1], tcp=1900)
    go(kernel, stores[1], tcp=1800)
    go(kernel, stores[0])
    assert in_force(kernel) == (1800, 120, 300)
    go(kernel, stores[1])
    assert in_force(kernel) == (900, 120, 300)


def test_ipvs_is_loaded_only_for_a_change(stores):
    kernel = FakeKernel(loaded=False)
    assert go(kernel, stores[0], check_mode=True, tcp=1800)
    assert not go(kernel, stores[0], tcp=900)
    assert not kernel.loaded
    go(kernel, stores[0], tcp=1800)
    assert kernel.loaded


@pytest.mark.parametrize("seconds", [-1, timeouts.MAX_SECONDS + 1, 2**32])
def test_what_the_kernel_could_not_keep(seconds):
    with pytest.raises(InvalidInput, match=f"udp={seconds}: is out of range"):
        kind.Timeouts({"udp": seconds})


@pytest.mark.parametrize("entry", [{"tcp": "8\u00b2"}, {"tcp": "--5"}, {"tcp": "5" * 5000}])
def test_what_is_no_number(entry):
    with pytest.raises(InvalidInput, match=r"^timeouts\.tcp: must be a number, got"):
        kind.Timeouts.of(entry, "one", None)


def test_a_kernel_without_ipvs_leaves_no_claim(stores):
    kernel = FakeKernel(loaded=False)
    kernel.missing = True
    with pytest.raises(Refused, match="Could not change IPVS"):
        go(kernel, stores[0], tcp=1800)
    assert not stores[0].load().claims
