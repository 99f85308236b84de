# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.errors import (
    Interference,
    InvalidInput,
    Refused,
)
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.converge import OneService, converge
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import (
    RealServerAttributes,
    RealServerKey,
    Service,
    ServiceAttributes,
    ServiceKey,
)
from ansible_collections.lvs.cluster.plugins.module_utils.manifest import Claim
from ansible_collections.lvs.cluster.plugins.module_utils.store import Store

from ..fake_kernel import FakeKernel
from .wishes import real_server_wish, service_wish

WEB = ServiceKey.at("tcp", "170.210.122.104", 80)
ONE = RealServerKey.at("192.168.0.107", 80)
RR = ServiceAttributes("rr", "255.255.255.255")
STANDING = Service(WEB, RR, {ONE: RealServerAttributes()})


@pytest.fixture
def store(tmp_path):
    return Store("default", directory=str(tmp_path / "state"), lock=str(tmp_path / "lock"))


def go(wish, kernel, store, check_mode=False):
    return converge(OneService(wish), kernel.connect, kernel.is_loaded, store, check_mode)


@pytest.mark.parametrize(
    ("wish", "standing"),
    [
        (service_wish(WEB, scheduler="rr"), []),
        (service_wish(WEB, scheduler="wrr"), [STANDING]),
        (service_wish(WEB, present=False), [STANDING]),
        (real_server_wish(WEB, ONE), [Service(WEB, RR)]),
        (real_server_wish(WEB, ONE, weight=0), [STANDING]),
        (real_server_wish(WEB, ONE, present=False), [STANDING]),
    ],
)
def test_check_then_change_then_nothing(wish, standing, store, tmp_path):
    kernel = FakeKernel(*standing)
    before = dict(kernel.services)
    checked = go(wish, kernel, store, check_mode=True)
    assert (kernel.services, kernel.executed) == (before, [])
    assert list(tmp_path.iterdir()) == []

    done = go(wish, kernel, store)
    assert done.plan
    assert done == checked
    assert kernel.services.get(WEB) == done.table.get(WEB)

    kernel.executed.clear()
    assert not go(wish, kernel, store).plan
    assert kernel.executed == []


def test_check_mode_does_not_load_ipvs(store):
    kernel = FakeKernel(loaded=False)
    assert go(service_wish(WEB), kernel, store, check_mode=True).plan
    assert not kernel.loaded


def test_nothing_to_remove_is_no_reason_to_load_ipvs(store):
    kernel = FakeKernel(loaded=False)
    assert not go(service_wish(WEB, present=False), kernel, store).plan
    assert not go(real_server_wish(WEB, ONE, present=False), kernel, store).plan
    assert not kernel.loaded


def test_bad_input_is_no_reason_to_load_ipvs(store):
    kernel = FakeKernel(loaded=False)
    with pytest.raises(InvalidInput):
        go(service_wish(WEB, persistence_timeout=-1), kernel, store)
    assert not kernel.loaded


def test_check_mode_trusts_an_earlier_task_to_add_the_service(store):
    kernel = FakeKernel(loaded=False)
    checked = go(real_server_wish(WEB, ONE), kernel, store, check_mode=True)
    assert "earlier task" in checked.warnings[0]
    kernel = FakeKernel(Service(WEB, RR))
    assert go(real_server_wish(WEB, ONE), kernel, store).plan == checked.plan


def test_what_we_make_is_claimed_before_it_is_made(store):
    claims = []

    def look(operation):
        claims.append(store.load().claim("ipvs_service", str(WEB)))
        return 0

    go(service_wish(WEB), FakeKernel(refuse=look), store)
    assert claims == [Claim(found=None)]


def test_what_we_found_is_remembered(store):
    kernel = FakeKernel(STANDING)
    go(service_wish(WEB, scheduler="wrr"), kernel, store)
    go(service_wish(WEB, scheduler="lc"), kernel, store)
    claim = store.load().claim("ipvs_service", str(WEB))
    assert claim.found["scheduler"] == "rr"
    assert store.load().claim("ipvs_real_server", f"{WEB} > {ONE}") is None


def test_what_is_as_wished_is_not_claimed(store):
    go(service_wish(WEB, scheduler="rr"), FakeKernel(STANDING), store)
    assert not store.load().claims


def test_what_is_gone_is_not_claimed(store, tmp_path):
    kernel = FakeKernel()
    go(service_wish(WEB), kernel, store)
    go(real_server_wish(WEB, ONE), kernel, store)
    assert len(store.load().claims) == 2
    go(service_wish(WEB, present=False), kernel, store)
    assert not store.load().claims
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("number", [errno.EEXIST, errno.EINVAL, errno.ENOENT, errno.EPERM, 255])
def test_a_refusal_leaves_no_claim_and_a_sentence(number, store):
    kernel = FakeKernel(Service(WEB, RR), refuse=lambda operation: number)
    with pytest.raises(Refused, match=r"add real server 192\.168\.0\.107:80") as refusal:
        go(real_server_wish(WEB, ONE), kernel, store)
    assert [found.errno for found in refusal.value.refusals] == [number]
    assert not store.load().claims


def test_a_failed_removal_stays_ours(store):
    kernel = FakeKernel()
    go(service_wish(WEB), kernel, store)
    kernel.refuse = lambda operation: errno.EBUSY
    with pytest.raises(Refused):
        go(service_wish(WEB, present=False), kernel, store)
    assert store.load().claim("ipvs_service", str(WEB)) == Claim()


def test_a_change_in_between_is_seen(store):
    """What was read first is not acted on when the second reading differs."""
    readings = []

    def meddle(services):
        readings.append(1)
        if len(readings) == 2:
            services[WEB] = STANDING

    kernel = FakeKernel(meddle=meddle)
    done = go(service_wish(WEB, scheduler="wrr"), kernel, store)
    assert [operation.verb for operation in done.plan.operations] == ["edit"]
    assert done.table[WEB].real_servers == STANDING.real_servers


def test_a_table_that_never_holds_still(store):
    weights = iter(range(100))

    def meddle(services):
        services[WEB] = Service(WEB, RR, {ONE: RealServerAttributes(weight=next(weights))})

    kernel = FakeKernel(meddle=meddle)
    with pytest.raises(Interference, match="keeps changing"):
        go(service_wish(WEB, scheduler="wrr"), kernel, store)
    assert kernel.executed == []


def test_a_change_that_does_not_last(store):
    kernel = FakeKernel(STANDING)

    def meddle(services):
        services[WEB] = STANDING

    kernel.meddle = meddle
    with pytest.raises(Interference, match="undone a change"):
        go(real_server_wish(WEB, ONE, weight=5), kernel, store)


def test_the_lock_is_held_while_the_kernel_works(store, tmp_path):
    other = Store("x", directory=str(tmp_path), lock=str(tmp_path / "lock"), lock_seconds=0)
    seen = []

    def try_to_lock(_operation):
        for read_only in (False, True):
            with pytest.raises(Interference), other.locked(read_only):
                pass
        seen.append(True)
        return 0

    go(service_wish(WEB), FakeKernel(refuse=try_to_lock), store)
    assert seen == [True]
    with other.locked():
        pass


def test_a_service_that_is_missing_is_assumed_in_check_mode_only(store):
    with pytest.raises(InvalidInput, match="add it with"):
        go(real_server_wish(WEB, ONE), FakeKernel(), store)
    gone = go(real_server_wish(WEB, ONE, present=False), FakeKernel(), store, check_mode=True)
    assert not gone.plan
    assert gone.warnings == ()


def test_what_others_do_beside_is_no_interference(store):
    """Only what we have changed has to be as planned afterwards."""
    kernel = FakeKernel(STANDING)

    def execute(operations):
        kernel.services[WEB] = kernel.services[WEB].with_attributes(
            ServiceAttributes("lc", "255.255.255.255")
        )
        return FakeKernel.execute(kernel, operations)

    kernel.execute = execute
    go(real_server_wish(WEB, ONE, weight=5), kernel, store)
    assert kernel.services[WEB].real_servers[ONE].weight == 5
