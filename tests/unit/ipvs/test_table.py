# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import errno
import os

import pytest
from hypothesis import given

from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput, Refused
from ansible_collections.lvs.cluster.plugins.module_utils.host import boot
from ansible_collections.lvs.cluster.plugins.module_utils.host.manifest import Claim, Manifest
from ansible_collections.lvs.cluster.plugins.module_utils.host.store import Store
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import data, kind
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import (
    RealServerAttributes,
    RealServerKey,
    Service,
    ServiceAttributes,
    ServiceKey,
)
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.plan import DELETE
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.table import (
    DesiredTable,
    Limit,
    Scope,
    desired_table,
)

from ..fake_kernel import FakeKernel
from ..strategies import tables
from .requests import run_table

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


def go(kernel, store, services, check_mode=False, at_boot=None, limit=None, prune=True, **options):
    desired = DesiredTable(services, limit=limit and Limit.of(limit), **options)
    return run_table(desired, kernel, store, check_mode, prune, at_boot)


class Memory(Store):
    """A manifest without a file: hypothesis runs many examples in one test."""

    def __init__(self):
        super().__init__("default", directory="/nonexistent", lock="/dev/null")
        self._kept = Manifest()

    def load_all(self):
        return {self._kept.owner: self._kept}

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
        assert done == checked
        assert kernel.services == {**foreign, **desired}
        kernel.executed.clear()
        assert not go(kernel, store, desired)
        assert kernel.executed == []
    go(kernel, store, {})
    assert kernel.services == foreign
    assert not store.load().claims


@given(tables, tables)
def test_what_was_found_is_restored(found, desired):
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
    existing = [Service(key, RR, {ONE: NAT}) for key in (WEB, TLS, outside, MARK)]
    kernel = FakeKernel(*existing, Service(ServiceKey.marked(8), RR))
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
    assert not go(kernel, store, {})
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


def test_nothing_is_deleted_after_a_failed_add(store):
    kernel = FakeKernel()
    before = table_of(Service(WEB, RR, {ONE: NAT}), Service(TLS, RR, {ONE: NAT}))
    after = table_of(Service(WEB, RR, {TWO: NAT}), Service(TLS, WRR, {THREE: NAT}))
    go(kernel, store, before)

    def refuse(operation):
        return errno.EINVAL if getattr(operation, "real_server", None) == TWO else 0

    kernel.refuse = refuse
    with pytest.raises(
        Refused, match=r"10\.0\.0\.2:80.*2 other operations.*2 removals were postponed"
    ) as error:
        go(kernel, store, after)
    assert (error.value.done, error.value.skipped) == (2, 2)
    assert kernel.services == table_of(
        Service(WEB, RR, {ONE: NAT}), Service(TLS, WRR, {ONE: NAT, THREE: NAT})
    )
    kernel.refuse = lambda operation: 0
    go(kernel, store, after)
    assert kernel.services == after
    go(kernel, store, {})
    assert kernel.services == {}


@pytest.mark.parametrize("stop", range(8))
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
        assert stop == 7, "six operations, and the weight of a real server that goes"
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
EIGHTY_EIGHTY = RealServerKey.at("10.0.0.2", 8080)
DR = RealServerAttributes("dr")


def not_added(plan):
    return [each["real_server"] for each in plan.details["not_added"]]


def servers_in(kernel, key=WEB):
    return dict(kernel.services[key].real_servers)


def test_an_unprepared_real_server_is_not_added(store):
    kernel = FakeKernel()
    desired = table_of(Service(WEB, RR, {ONE: NAT, TWO: NAT}))
    done = go(kernel, store, desired, unprepared=UNPREPARED)
    assert servers_in(kernel) == {ONE: NAT}
    assert done.details["not_added"] == [
        {
            "service": {"protocol": "tcp", "address": "192.0.2.1", "port": 80},
            "real_server": {"address": "10.0.0.2", "port": 80},
        }
    ]
    assert not_added(go(kernel, store, desired)) == []
    assert servers_in(kernel) == {ONE: NAT, TWO: NAT}


def test_an_unprepared_real_server_in_the_table_gets_its_weight(store):
    kernel = FakeKernel()
    go(kernel, store, table_of(Service(WEB, RR, {ONE: NAT, TWO: NAT})))
    heavy = RealServerAttributes(weight=9)
    desired = table_of(Service(WEB, RR, {ONE: heavy, TWO: heavy, THREE: NAT}))
    done = go(kernel, store, desired, unprepared=UNPREPARED)
    assert servers_in(kernel) == {ONE: heavy, TWO: heavy, THREE: NAT}
    assert not_added(done) == []


@pytest.mark.parametrize("existing", [{TWO: NAT}, {TWO: DR}, {TWO: NAT, THREE: NAT}])
def test_an_unprepared_real_server_keeps_its_port(existing, store):
    """It is found by its address within the service."""
    kernel = FakeKernel()
    go(kernel, store, table_of(Service(WEB, RR, existing)))
    desired = table_of(Service(WEB, RR, {ONE: NAT, EIGHTY_EIGHTY: NAT}))
    done = go(kernel, store, desired, unprepared=UNPREPARED)
    assert servers_in(kernel) == {ONE: NAT, TWO: existing[TWO]}
    assert not_added(done) == [{"address": "10.0.0.2", "port": 8080}]
    assert not go(kernel, store, desired, unprepared=UNPREPARED)
    go(kernel, store, desired)
    assert servers_in(kernel) == {ONE: NAT, EIGHTY_EIGHTY: NAT}
    go(kernel, store, {})
    assert kernel.services == {}


def test_an_unprepared_real_server_keeps_its_method(store):
    kernel = FakeKernel()
    go(kernel, store, table_of(Service(WEB, RR, {TWO: NAT})))
    desired = table_of(Service(WEB, RR, {TWO: DR}))
    done = go(kernel, store, desired, unprepared=UNPREPARED)
    assert servers_in(kernel) == {TWO: NAT}
    assert not_added(done) == [{"address": "10.0.0.2", "port": 80}]
    assert not_added(go(kernel, store, desired)) == []
    assert servers_in(kernel) == {TWO: DR}


def test_an_unprepared_real_server_may_keep_its_former_address(store):
    """Where it has none at its desired address, it may be any of those that the service is to lose."""
    kernel = FakeKernel()
    go(kernel, store, table_of(Service(WEB, RR, {ONE: NAT, TWO: NAT})))
    moved = RealServerKey.at("10.0.0.1", 8080)
    desired = table_of(Service(WEB, RR, {moved: NAT, THREE: NAT}))
    done = go(kernel, store, desired, unprepared=frozenset({"10.0.0.3"}))
    assert servers_in(kernel) == {moved: NAT, TWO: NAT}
    assert not_added(done) == [{"address": "10.0.0.3", "port": 80}]
    go(kernel, store, desired)
    assert servers_in(kernel) == {moved: NAT, THREE: NAT}


def test_an_unprepared_real_server_that_is_not_desired_is_removed(store):
    kernel = FakeKernel()
    go(kernel, store, table_of(Service(WEB, RR, {ONE: NAT, TWO: NAT})))
    go(kernel, store, table_of(Service(WEB, RR, {ONE: NAT})), unprepared=UNPREPARED)
    assert servers_in(kernel) == {ONE: NAT}


def test_an_unprepared_real_server_of_another_service_is_removed(store):
    """That it is desired in one service is no reason to keep it in another."""
    kernel = FakeKernel()
    go(
        kernel,
        store,
        table_of(Service(WEB, RR, {ONE: NAT, TWO: NAT}), Service(TLS, RR, {TWO: NAT})),
    )
    desired = table_of(Service(WEB, RR, {ONE: NAT}), Service(TLS, RR, {TWO: NAT}))
    go(kernel, store, desired, unprepared=UNPREPARED)
    assert servers_in(kernel) == {ONE: NAT}
    assert servers_in(kernel, TLS) == {TWO: NAT}


def test_a_whole_loss_is_refused_whatever_others_have(store):
    """One service with two real servers is ours, and one is somebody else's: three of three are to go."""
    foreign = Service(TLS, RR, {ONE: NAT})
    kernel = FakeKernel(foreign)
    go(kernel, store, table_of(Service(WEB, RR, {ONE: NAT, TWO: NAT})))
    before = dict(kernel.services)
    with pytest.raises(InvalidInput, match="which is 3 of the 3 services and real servers"):
        go(kernel, store, {}, limit="75%")
    assert kernel.services == before
    go(kernel, store, {}, limit="100%")
    assert kernel.services == table_of(foreign)


PORTS = [RealServerKey.at(f"10.0.0.{n}", 80) for n in range(1, 5)]
OTHER_PORTS = [RealServerKey.at(f"10.0.0.{n}", 8080) for n in range(1, 5)]


@pytest.mark.parametrize(
    "after",
    [
        Service(ServiceKey.at("tcp", "192.0.2.1", 8080), RR, dict.fromkeys(PORTS, NAT)),
        Service(WEB, RR, dict.fromkeys(OTHER_PORTS, NAT)),
        Service(WEB, WRR, {THREE: NAT}),
    ],
    ids=["port of the service", "ports of the real servers", "three of four"],
)
def test_what_is_replaced_is_not_lost(after, store):
    kernel = FakeKernel()
    go(kernel, store, table_of(Service(WEB, RR, dict.fromkeys(PORTS, NAT))))
    go(kernel, store, table_of(after), limit="75%")
    assert kernel.services == table_of(after)


@pytest.mark.parametrize("foreign", [{}, {RealServerKey.at("10.0.0.9", 80): NAT}])
def test_a_service_that_loses_all_its_real_servers_is_refused(foreign, store):
    """In the whole table as many are added as are removed."""
    kernel = FakeKernel()
    before = table_of(Service(WEB, RR, {ONE: NAT, TWO: NAT}), Service(TLS, RR))
    go(kernel, store, before)
    kernel.services[WEB] = Service(WEB, RR, {ONE: NAT, TWO: NAT, **foreign})
    after = table_of(Service(WEB, RR), Service(TLS, RR, {ONE: NAT, TWO: NAT}))
    with pytest.raises(
        InvalidInput, match=r"2 of the 2 real servers of service tcp 192\.0\.2\.1:80"
    ):
        go(kernel, store, after, limit="75%")


def test_what_a_purge_removes_counts(store):
    kernel = FakeKernel(Service(TLS, RR, {ONE: NAT, TWO: NAT, THREE: NAT}))
    with pytest.raises(InvalidInput, match="which is 4 of the 4"):
        go(kernel, store, {}, purge="all", limit="75%")
    assert set(kernel.services) == {TLS}


def test_without_pruning_nothing_is_removed_and_the_rest_is_named(store):
    kernel = FakeKernel()
    before = table_of(Service(WEB, RR, {ONE: NAT, TWO: NAT}), Service(TLS, RR))
    go(kernel, store, before)
    after = table_of(Service(WEB, RR, {TWO: NAT, THREE: NAT}))
    grown = go(kernel, store, after, prune=False)
    assert kernel.services == table_of(
        Service(WEB, RR, {ONE: NAT, TWO: NAT, THREE: NAT}), Service(TLS, RR)
    )
    assert sorted(grown.remaining) == [
        f"real server {ONE} of service {WEB}",
        f"service {TLS}",
    ]
    assert go(kernel, store, after).remaining == ()
    assert kernel.services == after


def at_boot(plan):
    """The lines that the script at boot wants."""
    body = plan.scripts[0].body
    return (
        [] if body is None else [line for line in body.splitlines() if line[:3] in ("-A ", "-a ")]
    )


@pytest.fixture
def _files(monkeypatch):
    monkeypatch.setattr(boot, "wanted_changes", lambda *_arguments: [])
    monkeypatch.setattr(kind, "_lacks_ipvsadm", lambda: False)


@pytest.mark.usefixtures("_files")
def test_what_is_somebody_elses_is_not_restored_at_boot(store):
    kernel = FakeKernel(Service(WEB, RR, {TWO: NAT}), Service(TLS, RR))
    done = go(kernel, store, table_of(Service(WEB, RR, {ONE: NAT})), at_boot=True)
    assert servers_in(kernel) == {ONE: NAT, TWO: NAT}
    assert at_boot(done) == [
        "-A -t 192.0.2.1:80 -s rr",
        "-a -t 192.0.2.1:80 -r 10.0.0.1:80 -m -w 1",
    ]


@pytest.mark.usefixtures("_files")
def test_an_unprepared_real_server_that_stays_is_restored_at_boot(store):
    kernel = FakeKernel()
    go(kernel, store, table_of(Service(WEB, RR, {TWO: NAT})), at_boot=True)
    desired = table_of(Service(WEB, RR, {EIGHTY_EIGHTY: NAT}))
    done = go(kernel, store, desired, at_boot=True, unprepared=UNPREPARED)
    assert at_boot(done)[1:] == ["-a -t 192.0.2.1:80 -r 10.0.0.2:80 -m -w 1"]


@pytest.mark.usefixtures("_files")
def test_nothing_is_restored_at_boot_of_an_empty_table(store):
    kernel = FakeKernel()
    go(kernel, store, table_of(Service(WEB, RR)), at_boot=True)
    done = go(kernel, store, {}, at_boot=True)
    assert done.scripts[0].body is None
    assert go(kernel, store, {}).scripts == ()


@pytest.mark.usefixtures("_files")
def test_what_the_script_at_boot_has_made_was_not_found(store):
    """After a boot, an object that had been found is what the script has added, and is removed as ours."""
    kernel = FakeKernel(Service(WEB, RR))
    go(kernel, store, table_of(Service(WEB, WRR)), at_boot=True)
    assert store.load().claim("ipvs_service", str(WEB)).found["scheduler"] == "rr"
    with open(f"{os.path.dirname(store.path)}.record", "w") as record:
        record.write("-A -t 192.0.2.1:80 -s wrr\n")
    os.utime(record.name, (2**32, 2**32))
    go(kernel, store, {}, at_boot=True)
    assert kernel.services == {}
    assert not store.load().claims


@pytest.mark.usefixtures("_files")
def test_what_the_kernel_refuses_is_restored_at_boot_as_it_is(store, monkeypatch):
    """After a failure the script has what is there."""
    kernel = FakeKernel()
    go(kernel, store, table_of(Service(WEB, RR, {ONE: NAT})), at_boot=True)
    written = []
    monkeypatch.setattr(
        boot, "wanted_changes", lambda _owner, scripts: written.append(scripts) or []
    )
    kernel.refuse = lambda operation: errno.EINVAL if operation.verb != DELETE else 0
    heavy = RealServerAttributes(weight=9)
    with pytest.raises(Refused):
        go(kernel, store, table_of(Service(WEB, WRR, {ONE: heavy, TWO: NAT})), at_boot=True)
    ((_place, _part, _title, body),) = written[-1]
    assert [line for line in body.splitlines() if line[:3] in ("-A ", "-a ")] == [
        "-A -t 192.0.2.1:80 -s rr",
        "-a -t 192.0.2.1:80 -r 10.0.0.1:80 -m -w 1",
    ]


def test_a_real_server_gets_no_new_connections_before_it_is_removed(store):
    kernel = FakeKernel()
    drained = RealServerAttributes(weight=0)
    go(kernel, store, table_of(Service(WEB, RR, {ONE: NAT, TWO: drained, THREE: NAT})))
    kernel.executed.clear()
    go(kernel, store, table_of(Service(WEB, RR, {THREE: NAT})))
    assert [(each.verb, each.real_server, each.after) for each in kernel.executed] == [
        ("edit", ONE, drained),
        ("delete", ONE, None),
        ("delete", TWO, None),
    ]


def test_what_two_owners_describe_is_removed_with_the_last(tmp_path):
    kernel = FakeKernel()
    stores = [
        Store(owner, directory=str(tmp_path / "state"), lock=str(tmp_path / "lock"))
        for owner in ("a", "b")
    ]
    desired = table_of(Service(WEB, RR, {ONE: NAT}))
    for each in stores:
        go(kernel, each, desired)
    go(kernel, stores[0], {})
    assert kernel.services == desired
    go(kernel, stores[1], {})
    assert kernel.services == {}
