# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import errno

import pytest
from hypothesis import given

from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput, Refused
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import data
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.converge import WholeTable, converge
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import (
    RealServerAttributes,
    RealServerKey,
    Service,
    ServiceAttributes,
    ServiceKey,
)
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.plan import DELETE
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.table import (
    Limit,
    Scope,
    TableWish,
    desired_table,
)
from ansible_collections.lvs.cluster.plugins.module_utils.manifest import Claim, Manifest
from ansible_collections.lvs.cluster.plugins.module_utils.store import Store

from ..fake_kernel import FakeKernel
from ..strategies import tables

WEB = ServiceKey.at("tcp", "192.0.2.1", 80)
TLS = ServiceKey.at("tcp", "192.0.2.1", 443)
MARK = ServiceKey.marked(7)
ONE, TWO, THREE = (RealServerKey.at(f"10.0.0.{n}", 80) for n in (1, 2, 3))
RR = ServiceAttributes("rr", "255.255.255.255")
WRR = ServiceAttributes("wrr", "255.255.255.255")
NAT = RealServerAttributes()


def table_of(*services):
    return {service.key: service for service in services}


@pytest.fixture
def store(tmp_path):
    return Store("default", directory=str(tmp_path / "state"), lock=str(tmp_path / "lock"))


def go(kernel, store, desired, check_mode=False, limit=None, **wish):
    request = WholeTable(TableWish(desired, **wish), limit and Limit.of(limit))
    return converge(request, kernel.connect, kernel.is_loaded, store, check_mode)


class Memory(Store):
    """A manifest without a file: hypothesis runs many examples in one test."""

    def __init__(self):
        super().__init__("default", directory="/nonexistent", lock="/dev/null")
        self._kept = Manifest()

    def load(self):
        return self._kept

    def save(self, manifest):
        self._kept = manifest


@given(tables, tables, tables)
def test_what_is_wanted_comes_and_what_is_foreign_stays(foreign, first, second):
    """Two descriptions in a row on a table that has somebody else's services in it."""
    first = {key: service for key, service in first.items() if key not in foreign}
    second = {key: service for key, service in second.items() if key not in foreign}
    kernel, store = FakeKernel(*foreign.values()), Memory()
    for desired in (first, second):
        checked = go(kernel, store, desired, check_mode=True)
        done = go(kernel, store, desired)
        assert done.plan == checked.plan
        assert kernel.services == {**foreign, **desired} == done.table
        kernel.executed.clear()
        assert not go(kernel, store, desired).plan
        assert kernel.executed == []
    go(kernel, store, {})
    assert kernel.services == foreign
    assert not store.load().claims


@given(tables, tables)
def test_what_was_found_is_given_back(found, desired):
    kernel, store = FakeKernel(*found.values()), Memory()
    go(kernel, store, desired)
    assert {key: kernel.services[key].attributes for key in desired} == {
        key: service.attributes for key, service in desired.items()
    }
    go(kernel, store, {})
    assert kernel.services == found
    assert not store.load().claims


@given(tables, tables)
def test_purging_everything(found, desired):
    kernel = FakeKernel(*found.values())
    go(kernel, Memory(), desired, purge="all")
    assert kernel.services == desired


@given(tables, tables)
def test_purging_nothing(found, desired):
    kernel, store = FakeKernel(*found.values()), Memory()
    go(kernel, store, desired, purge="none")
    assert found.keys() <= kernel.services.keys()
    assert [o for o in kernel.executed if o.verb == DELETE] == []
    go(kernel, store, {}, purge="none")
    assert desired.keys() <= kernel.services.keys()


def test_a_scope():
    scope = Scope.of(["192.0.2.0/24"], [7])
    outside = ServiceKey.at("tcp", "198.51.100.1", 80)
    standing = [Service(key, RR, {ONE: NAT}) for key in (WEB, TLS, outside, MARK)]
    kernel = FakeKernel(*standing, Service(ServiceKey.marked(8), RR))
    desired = table_of(Service(WEB, RR, {TWO: NAT}))
    go(kernel, Memory(), desired, purge="scope", scope=scope)
    assert set(kernel.services) == {WEB, outside, ServiceKey.marked(8)}
    assert set(kernel.services[WEB].real_servers) == {TWO}


@pytest.mark.parametrize("text", ["www", "192.0.2.1/24", ""])
def test_refused_scopes(text):
    with pytest.raises(InvalidInput, match="addresses="):
        Scope.of([text], [])


def test_a_service_with_a_guest_stays_for_it(store):
    kernel = FakeKernel()
    go(kernel, store, table_of(Service(WEB, RR, {ONE: NAT})))
    kernel.services[WEB] = kernel.services[WEB].with_real_server(TWO, NAT)
    done = go(kernel, store, {})
    assert kernel.services == table_of(Service(WEB, RR, {TWO: NAT}))
    assert "10.0.0.2:80" in done.warnings[0]
    kernel.services[WEB] = kernel.services[WEB].with_real_server(TWO, None)
    go(kernel, store, {})
    assert kernel.services == {}
    assert not store.load().claims


def test_a_claim_on_what_somebody_else_removed_is_given_up(store):
    kernel = FakeKernel()
    go(kernel, store, table_of(Service(WEB, RR, {ONE: NAT})))
    kernel.services.clear()
    assert not go(kernel, store, {}).plan
    assert not store.load().claims


def test_owners_do_not_see_each_other(tmp_path):
    kernel = FakeKernel()
    stores = [
        Store(owner, directory=str(tmp_path), lock=str(tmp_path / "lock")) for owner in ("a", "b")
    ]
    go(kernel, stores[0], table_of(Service(WEB, RR)))
    go(kernel, stores[1], table_of(Service(TLS, RR)))
    go(kernel, stores[0], {})
    assert set(kernel.services) == {TLS}


def test_a_service_with_a_failed_add_gets_no_deletes(store):
    kernel = FakeKernel()
    before = table_of(Service(WEB, RR, {ONE: NAT}), Service(TLS, RR, {ONE: NAT}))
    after = table_of(Service(WEB, RR, {TWO: NAT}), Service(TLS, WRR, {THREE: NAT}))
    go(kernel, store, before)

    def refuse(operation):
        return errno.EINVAL if getattr(operation, "real_server", None) == TWO else 0

    kernel.refuse = refuse
    with pytest.raises(
        Refused, match=r"10\.0\.0\.2:80.*3 other operations.*1 removals wait"
    ) as error:
        go(kernel, store, after)
    assert (error.value.done, error.value.skipped) == (3, 1)
    assert kernel.services == table_of(
        Service(WEB, RR, {ONE: NAT}), Service(TLS, WRR, {THREE: NAT})
    )
    kernel.refuse = lambda operation: 0
    go(kernel, store, after)
    assert kernel.services == after
    go(kernel, store, {})
    assert kernel.services == {}


@pytest.mark.parametrize("stop", range(7))
def test_a_run_that_dies_is_completed_by_the_next(stop, store):
    class Killed(BaseException):
        pass

    kernel = FakeKernel()
    go(kernel, store, table_of(Service(WEB, RR, {ONE: NAT, TWO: NAT}), Service(MARK, RR)))
    after = table_of(Service(WEB, WRR, {TWO: NAT, THREE: NAT}), Service(TLS, RR, {ONE: NAT}))
    left = iter(range(stop))

    def die(_operation):
        if next(left, None) is None:
            raise Killed
        return 0

    kernel.refuse = die
    with contextlib.suppress(Killed):
        go(kernel, store, after)
        assert stop == 6, "the plan has six operations"
    kernel.refuse = lambda operation: 0
    go(kernel, store, after)
    assert kernel.services == after
    go(kernel, store, {})
    assert kernel.services == {}
    assert not store.load().claims


@pytest.mark.parametrize(
    ("limit", "allowed"), [("4", True), ("3", False), ("66%", False), ("67%", True), ("100%", True)]
)
def test_a_limit_of_removals(limit, allowed, store):
    """Four objects (one service with three real servers) of six go."""
    kernel = FakeKernel()
    gone = Service(WEB, RR, {ONE: NAT, TWO: NAT, THREE: NAT})
    rest = Service(TLS, RR, {ONE: NAT})
    go(kernel, store, table_of(gone, rest))
    kernel.executed.clear()
    if allowed:
        go(kernel, store, table_of(rest), limit=limit)
        assert kernel.services == table_of(rest)
        return
    for check_mode in (True, False):
        with pytest.raises(InvalidInput, match="remove, which is 4 of the 6 services"):
            go(kernel, store, table_of(rest), limit=limit, check_mode=check_mode)
    assert kernel.executed == []


@pytest.mark.parametrize("text", ["", "-1", "half", "101%", "5 %", "1.5"])
def test_refused_limits(text):
    with pytest.raises(InvalidInput, match="25%"):
        Limit.of(text)


@given(tables)
def test_a_table_as_data(table):
    described = [data.service_data(service) for service in table.values()]
    for service in described:
        # Combinations that this table may have and a description may not.
        service.update(one_packet=False, persistence_engine="")
        service["real_servers"] = []
    assert set(desired_table(described)) == set(table)


def test_defaults_of_a_description():
    web = {"address": "192.0.2.1", "port": 80, "real_servers": [{"address": "10.0.0.1"}]}
    assert desired_table([web]) == table_of(
        Service(WEB, ServiceAttributes("wlc", "255.255.255.255"), {ONE: NAT})
    )


@pytest.mark.parametrize(
    ("services", "words"),
    [
        ([{"address": "192.0.2.1", "port": 80}] * 2, "service tcp 192.0.2.1:80: services=.*twice"),
        (
            [{"fwmark": 1, "real_servers": [{"address": "10.0.0.1"}, {"address": "10.0.0.1"}]}],
            r"real_servers='10\.0\.0\.1:0'.*twice",
        ),
        ([{"address": "192.0.2.1", "port": 0}], "port=0"),
        ([{"fwmark": 1, "real_servers": [{"address": "10.0.0.1", "weight": -1}]}], "weight=-1"),
    ],
)
def test_refused_descriptions(services, words):
    with pytest.raises(InvalidInput, match=words):
        desired_table(services)


def test_the_claim_survives_what_it_found(store):
    kernel = FakeKernel(Service(WEB, RR, {ONE: NAT}))
    go(kernel, store, table_of(Service(WEB, WRR, {ONE: NAT})))
    claim = store.load().claim("ipvs_service", str(WEB))
    assert claim == Claim(data.service_attributes_data(RR))


UNPREPARED = frozenset({"10.0.0.2"})


def servers_of(outcome, key=WEB):
    return dict(outcome.table[key].real_servers)


def test_an_unprepared_real_server_is_not_added(store):
    kernel = FakeKernel()
    desired = table_of(Service(WEB, RR, {ONE: NAT, TWO: NAT}))
    outcome = go(kernel, store, desired, unprepared=UNPREPARED)
    assert servers_of(outcome) == {ONE: NAT}
    wish = TableWish(desired, unprepared=UNPREPARED)
    assert wish.held_back(outcome.table) == [(WEB, TWO)]
    assert wish.kept(outcome.table) == [Service(WEB, RR, {ONE: NAT})]
    assert servers_of(go(kernel, store, desired)) == {ONE: NAT, TWO: NAT}


def test_an_unprepared_real_server_in_the_table_stays_as_it_is(store):
    kernel = FakeKernel()
    go(kernel, store, table_of(Service(WEB, RR, {ONE: NAT, TWO: NAT})))
    heavy = RealServerAttributes(weight=9)
    desired = table_of(Service(WEB, RR, {ONE: heavy, TWO: heavy, THREE: NAT}))
    outcome = go(kernel, store, desired, unprepared=UNPREPARED)
    assert servers_of(outcome) == {ONE: heavy, TWO: NAT, THREE: NAT}
    assert TableWish(desired, unprepared=UNPREPARED).held_back(outcome.table) == []


def test_an_unprepared_real_server_that_is_not_wanted_goes(store):
    kernel = FakeKernel()
    go(kernel, store, table_of(Service(WEB, RR, {ONE: NAT, TWO: NAT})))
    outcome = go(kernel, store, table_of(Service(WEB, RR, {ONE: NAT})), unprepared=UNPREPARED)
    assert servers_of(outcome) == {ONE: NAT}


def test_what_is_somebody_elses_is_not_kept_for_the_next_boot(store):
    kernel = FakeKernel()
    go(kernel, store, table_of(Service(WEB, RR, {TWO: NAT}), Service(TLS, RR)), purge="none")
    store.save(Manifest("default"))
    desired = table_of(Service(WEB, RR, {ONE: NAT}))
    outcome = go(kernel, store, desired)
    assert servers_of(outcome) == {ONE: NAT, TWO: NAT}
    assert TableWish(desired).kept(outcome.table) == [Service(WEB, RR, {ONE: NAT})]
