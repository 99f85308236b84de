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
from ansible_collections.lvs.cluster.plugins.module_utils.host.manifest import Claim
from ansible_collections.lvs.cluster.plugins.module_utils.host.store import Store
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import data
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.kind import Table
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import (
    RealServerAttributes,
    RealServerKey,
    Service,
    ServiceAttributes,
    ServiceKey,
)
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.table import OneService

from ..fake_kernel import FakeKernel
from .requests import real_server_request, run_table, service_request

WEB = ServiceKey.at("tcp", "170.210.122.104", 80)
ONE = RealServerKey.at("192.168.0.107", 80)
RR = ServiceAttributes("rr", "255.255.255.255")
EXISTING = Service(WEB, RR, {ONE: RealServerAttributes()})


@pytest.fixture
def store(tmp_path):
    return Store("default", directory=str(tmp_path / "state"), lock=str(tmp_path / "lock"))


def go(request, kernel, store, check_mode=False):
    return run_table(OneService(request), kernel, store, check_mode)


@pytest.mark.parametrize(
    ("request_", "existing"),
    [
        (service_request(WEB, scheduler="rr"), []),
        (service_request(WEB, scheduler="wrr"), [EXISTING]),
        (service_request(WEB, present=False), [EXISTING]),
        (real_server_request(WEB, ONE), [Service(WEB, RR)]),
        (real_server_request(WEB, ONE, weight=0), [EXISTING]),
        (real_server_request(WEB, ONE, present=False), [EXISTING]),
    ],
)
def test_check_then_change_then_nothing(request_, existing, store, tmp_path):
    kernel = FakeKernel(*existing)
    before = dict(kernel.services)
    checked = go(request_, kernel, store, check_mode=True)
    assert (kernel.services, kernel.executed) == (before, [])
    assert list(tmp_path.iterdir()) == []

    done = go(request_, kernel, store)
    assert done
    assert done == checked
    service = kernel.services.get(WEB)
    if "service" in done.details:
        assert done.details["service"] == (service and data.service_data(service))
    else:
        weight = service.real_servers[ONE].weight if ONE in service.real_servers else None
        assert (done.details["real_server"] or {}).get("weight") == weight

    kernel.executed.clear()
    assert not go(request_, kernel, store)
    assert kernel.executed == []


def test_check_mode_does_not_load_ipvs(store):
    kernel = FakeKernel(loaded=False)
    assert go(service_request(WEB), kernel, store, check_mode=True)
    assert not kernel.loaded


def test_nothing_to_remove_is_no_reason_to_load_ipvs(store):
    kernel = FakeKernel(loaded=False)
    assert not go(service_request(WEB, present=False), kernel, store)
    assert not go(real_server_request(WEB, ONE, present=False), kernel, store)
    assert not kernel.loaded


def test_bad_input_is_no_reason_to_load_ipvs(store):
    kernel = FakeKernel(loaded=False)
    with pytest.raises(InvalidInput):
        go(service_request(WEB, persistence_timeout=-1), kernel, store)
    assert not kernel.loaded


def test_check_mode_trusts_an_earlier_task_to_add_the_service(store):
    kernel = FakeKernel(loaded=False)
    checked = go(real_server_request(WEB, ONE), kernel, store, check_mode=True)
    assert "earlier task" in checked.warnings[0]
    kernel = FakeKernel(Service(WEB, RR))
    done = go(real_server_request(WEB, ONE), kernel, store)
    assert (done.operations, done.diffs) == (checked.operations, checked.diffs)


def test_what_we_make_is_claimed_before_it_is_made(store):
    claims = []

    def look(operation):
        claims.append(store.load().claim("ipvs_service", str(WEB)))
        return 0

    go(service_request(WEB), FakeKernel(refuse=look), store)
    assert claims == [Claim(found=None)]


def test_what_we_found_is_remembered(store):
    kernel = FakeKernel(EXISTING)
    go(service_request(WEB, scheduler="wrr"), kernel, store)
    go(service_request(WEB, scheduler="lc"), kernel, store)
    claim = store.load().claim("ipvs_service", str(WEB))
    assert claim.found["scheduler"] == "rr"
    assert store.load().claim("ipvs_real_server", f"{WEB} > {ONE}") is None


def test_what_is_already_as_requested_is_not_claimed(store):
    go(service_request(WEB, scheduler="rr"), FakeKernel(EXISTING), store)
    assert not store.load().claims


def test_what_is_gone_is_not_claimed(store, tmp_path):
    kernel = FakeKernel()
    go(service_request(WEB), kernel, store)
    go(real_server_request(WEB, ONE), kernel, store)
    assert len(store.load().claims) == 2
    go(service_request(WEB, present=False), kernel, store)
    assert not store.load().claims
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("number", [errno.EEXIST, errno.EINVAL, errno.ENOENT, errno.EPERM, 255])
def test_a_refusal_leaves_no_claim_and_a_sentence(number, store):
    kernel = FakeKernel(Service(WEB, RR), refuse=lambda operation: number)
    with pytest.raises(Refused, match=r"add real server 192\.168\.0\.107:80") as refusal:
        go(real_server_request(WEB, ONE), kernel, store)
    assert [found.errno for found in refusal.value.refusals] == [number]
    assert not store.load().claims


def test_a_failed_removal_stays_ours(store):
    kernel = FakeKernel()
    go(service_request(WEB), kernel, store)
    kernel.refuse = lambda operation: errno.EBUSY
    with pytest.raises(Refused):
        go(service_request(WEB, present=False), kernel, store)
    assert store.load().claim("ipvs_service", str(WEB)) == Claim()


def test_a_change_in_between_is_seen(store):
    """What was read first is not acted on when the second reading differs."""
    readings = []

    def meddle(services):
        readings.append(1)
        if len(readings) == 2:
            services[WEB] = EXISTING

    kernel = FakeKernel(meddle=meddle)
    done = go(service_request(WEB, scheduler="wrr"), kernel, store)
    assert [operation.verb for operation in done.operations] == ["edit"]
    assert kernel.services[WEB].real_servers == EXISTING.real_servers


def test_a_table_that_never_holds_still(store):
    weights = iter(range(100))

    def meddle(services):
        services[WEB] = Service(WEB, RR, {ONE: RealServerAttributes(weight=next(weights))})

    kernel = FakeKernel(meddle=meddle)
    with pytest.raises(Interference, match="keeps changing"):
        go(service_request(WEB, scheduler="wrr"), kernel, store)
    assert kernel.executed == []


def test_a_change_that_does_not_last(store):
    kernel = FakeKernel(EXISTING)

    def meddle(services):
        services[WEB] = EXISTING

    kernel.meddle = meddle
    with pytest.raises(Interference, match="undone a change"):
        go(real_server_request(WEB, ONE, weight=5), kernel, store)


def test_the_lock_is_held_while_the_kernel_works(store, tmp_path):
    other = Store("x", directory=str(tmp_path), lock=str(tmp_path / "lock"), lock_seconds=0)
    seen = []

    def try_to_lock(_operation):
        for read_only in (False, True):
            with pytest.raises(Interference), other.locked(read_only):
                pass
        seen.append(True)
        return 0

    go(service_request(WEB), FakeKernel(refuse=try_to_lock), store)
    assert seen == [True]
    with other.locked():
        pass


def test_a_service_that_is_missing_is_assumed_in_check_mode_only(store):
    with pytest.raises(InvalidInput, match="add it with"):
        go(real_server_request(WEB, ONE), FakeKernel(), store)
    gone = go(real_server_request(WEB, ONE, present=False), FakeKernel(), store, check_mode=True)
    assert not gone
    assert gone.warnings == ()


def test_what_others_do_beside_is_no_interference(store):
    """Only what we have changed has to be as planned afterwards."""
    kernel = FakeKernel(EXISTING)

    def execute(operations):
        kernel.services[WEB] = kernel.services[WEB].with_attributes(
            ServiceAttributes("lc", "255.255.255.255")
        )
        return FakeKernel.execute(kernel, operations)

    kernel.execute = execute
    go(real_server_request(WEB, ONE, weight=5), kernel, store)
    assert kernel.services[WEB].real_servers[ONE].weight == 5


def test_a_kernel_without_ipvs_is_told_once_and_leaves_no_claim(store):
    kernel = FakeKernel(loaded=False)
    kernel.missing = True
    request = service_request(WEB, real_servers=[{"address": "192.168.0.107"}])
    with pytest.raises(
        Refused, match=r"^Could not change IPVS: IPVS is not in this kernel"
    ) as refusal:
        go(request, kernel, store)
    assert str(refusal.value).count("not in this kernel") == 1
    assert not store.load().claims
    assert go(request, kernel, store, check_mode=True)


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"services": [], "rules": ""}, "table.rules: cannot be combined with services"),
        ({"services": [], "purge": "scope"}, "table.purge: needs scope"),
        ({"services": "web"}, "table.services: must be a list"),
        ({"colour": "red"}, "table.colour: unknown option"),
    ],
)
def test_a_table_in_a_configuration_is_checked_like_that_of_the_module(entry, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        Table.of(entry, "default", None)
