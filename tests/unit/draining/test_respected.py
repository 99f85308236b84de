# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What else sets weights respects drains: tables, and the modules of single services and real servers."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import drain
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.drain import Drain
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.kind import Table
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.request import (
    RealServerRequest,
    ServiceRequest,
)
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.table import (
    OneService,
    ReleasedTable,
)

from .hosts import Host, described, name

KEY, ONE = drain.keys_of(name(1))
SERVICE = {"protocol": "tcp", "address": "192.0.2.1", "port": 80}


@pytest.fixture
def host(tmp_path, monkeypatch):
    host = Host(tmp_path, monkeypatch)
    host.apply(described(3, 1))
    return host


def one(host, request, owner="default", check_mode=False):
    """One run of ipvs_service or ipvs_real_server; its plan."""
    store = host.store(owner)
    kind = Table(OneService(request), owner, None, host.kernel.kernel, "/none", store.path)
    return host.run(store, kind, check_mode).plans["table"]


def unchanged(outcome):
    return not outcome.changed and outcome.diff == []


def test_a_run_beside_a_drain_changes_nothing(host):
    host.drain()
    before = host.kernel.services, host.script()
    assert unchanged(host.apply(described(3, 1), check_mode=True))
    assert unchanged(host.apply(described(3, 1)))
    assert (host.kernel.services, host.script()) == before


def test_the_run_says_what_is_drained_and_since_when(host):
    assert host.apply(described(3, 1)).plans["table"].details["drains"] == []
    host.drain()
    host.now += 100
    assert host.apply(described(5, 1)).plans["table"].details["drains"] == [
        {
            "service": SERVICE,
            "real_server": {"address": "10.0.0.1", "port": 80},
            "remembered_weight": 5,
            "since": 1000,
            "age": 100,
        }
    ]
    # Another owner's table does not have it.
    other = [{"address": "192.0.2.9", "port": 80, "real_servers": []}]
    assert host.apply(other, owner="cluster-y").plans["table"].details["drains"] == []


def test_a_new_weight_is_given_when_it_is_restored(host):
    host.drain()
    assert unchanged(host.apply(described(7, 1)))
    assert host.drains() == {name(1): Drain(3, 1000)}
    outcome = host.drain(state="unchanged")
    assert outcome.plans["drains"].details["real_servers"][0]["remembered_weight"] == 7
    host.restore()
    assert host.kernel.weights == {name(1): 7, name(2): 1}
    assert "-w 7" in host.script()[0]
    assert unchanged(host.apply(described(7, 1)))
    assert host.store("cluster-x").load().claims.get(drain.DESCRIBED) is None


def test_a_new_weight_of_another_drain_is_not_given(host):
    """What was described while it was drained before is no longer true."""
    host.drain()
    host.apply(described(7, 1))
    host.restore()
    host.kernel.set_weight(name(1), 2)
    host.now += 100
    host.drain()
    host.restore()
    assert host.kernel.weights[name(1)] == 2


def test_what_has_gone_comes_back_drained(host):
    """As after a reboot before which nothing was restored, or a hand that has cleared the table."""
    host.drain()
    host.kernel.services.clear()
    host.apply(described(3, 1))
    assert host.kernel.weights == {name(1): 0, name(2): 1}


def test_other_attributes_are_applied(host):
    host.drain()
    services = described(3, 1)
    services[0]["real_servers"][0].update(forwarding="dr", upper_threshold=100)
    host.apply(services)
    attributes = host.kernel.services[KEY].real_servers[ONE]
    assert (attributes.weight, attributes.forwarding) == (0, "dr")
    assert (attributes.upper_threshold, host.script()[0]) == (
        100,
        "-a -t 192.0.2.1:80 -r 10.0.0.1:80 -g -w 0 -x 100",
    )
    host.restore()
    assert host.kernel.services[KEY].real_servers[ONE].upper_threshold == 100


def test_a_step_is_respected(host):
    host.drain()
    host.restore(steps=3)
    assert host.kernel.weights[name(1)] == 1
    assert unchanged(host.apply(described(3, 1)))
    # A description may have less than that by now.
    host.restore(steps=3)
    host.apply(described(1, 1))
    assert host.kernel.weights[name(1)] == 1


def test_a_weight_that_another_program_has_set_is_0_again(host):
    host.drain()
    host.kernel.set_weight(name(1), 3)
    assert host.apply(described(3, 1)).changed
    assert host.kernel.weights[name(1)] == 0


def test_one_that_leaves_the_description_is_removed_and_told(host):
    host.drain()
    services = described(3, 1)
    del services[0]["real_servers"][0]
    outcome = host.apply(services)
    assert host.kernel.weights == {name(2): 1}
    (sentence,) = outcome.warnings
    assert sentence.startswith(f"{drain.words_of(name(1))} is drained and leaves the table.")
    # It is told of until it is forgotten.
    again = host.apply(services)
    assert again.warnings == []
    assert [each["real_server"] for each in again.plans["table"].details["drains"]] == [
        {"address": "10.0.0.1", "port": 80}
    ]
    host.restore()
    assert host.apply(services).plans["table"].details["drains"] == []
    host.apply(described(3, 1))
    assert host.kernel.weights[name(1)] == 3


def test_a_table_that_is_keepalived_s_tells_of_none(host):
    """The other kind does, which knows what keepalived has taken out."""
    host.drain()
    host.kernel.services[KEY] = host.kernel.services[KEY].with_real_server(ONE, None)
    store = host.store("cluster-x")
    kind = Table(ReleasedTable({}), "cluster-x", True, host.kernel.kernel, "/none", store.path)
    outcome = host.run(store, kind)
    assert outcome.plans["table"].details["drains"] == []
    assert outcome.warnings == []


def test_one_that_comes_back_before_it_is_forgotten_is_drained(host):
    host.drain()
    host.apply([])
    host.apply(described(3, 1))
    assert host.kernel.weights == {name(1): 0, name(2): 1}


def test_what_was_found_is_restored_without_its_weight_while_it_is_drained(tmp_path, monkeypatch):
    host = Host(tmp_path, monkeypatch)
    host.apply(described(9, 9), owner="somebody", at_boot=False)
    host.store("somebody").save(host.store("somebody").load().with_kinds(drain_kinds(), {}))
    host.apply(described(3, 1))
    host.drain()
    host.apply([])
    assert host.kernel.weights == {name(1): 0, name(2): 9}


def drain_kinds():
    return ("ipvs_service", "ipvs_real_server")


# The modules for single objects


def test_a_single_real_server_keeps_weight_0_and_that_is_told(host):
    host.drain()
    plan = one(host, RealServerRequest(KEY, ONE, options={"weight": 6}))
    assert not plan
    assert plan.warnings == (
        f"{drain.words_of(name(1))} is drained. It gets its weight of 6 when it is restored "
        "(lvs.cluster.ipvs_drain with state=restored).",
    )
    assert host.kernel.weights[name(1)] == 0
    host.restore()
    assert host.kernel.weights[name(1)] == 6


def test_its_other_attributes_are_applied_without_a_word(host):
    host.drain()
    plan = one(host, RealServerRequest(KEY, ONE, options={"upper_threshold": 9}))
    assert (bool(plan), plan.warnings) == (True, ())
    assert host.kernel.services[KEY].real_servers[ONE].upper_threshold == 9
    host.restore()
    assert host.kernel.weights[name(1)] == 3


def test_a_real_server_of_a_service_module_is_respected_too(host):
    host.drain()
    servers = [{"address": "10.0.0.1", "weight": 6}, {"address": "10.0.0.2", "weight": 7}]
    plan = one(host, ServiceRequest(KEY, real_servers=servers))
    assert len(plan.warnings) == 1
    assert host.kernel.weights == {name(1): 0, name(2): 7}


def test_one_that_is_added_while_it_is_drained(host):
    host.drain()
    host.kernel.services[KEY] = host.kernel.services[KEY].with_real_server(ONE, None)
    plan = one(host, RealServerRequest(KEY, ONE, options={"weight": 6}))
    assert [each.verb for each in plan.operations] == ["add"]
    assert host.kernel.weights[name(1)] == 0


def test_what_a_single_run_was_asked_for_outlives_other_single_runs(host):
    host.drain()
    one(host, RealServerRequest(KEY, ONE, options={"weight": 6}))
    two = drain.keys_of(name(2))[1]
    one(host, RealServerRequest(KEY, two, options={"weight": 9}))
    host.restore()
    assert host.kernel.weights == {name(1): 6, name(2): 9}
    # And is forgotten by the next one.
    one(host, RealServerRequest(KEY, two, options={"weight": 8}))
    assert host.store("default").load().claims.get(drain.DESCRIBED) is None


def test_the_operator_may_remove_it(host):
    host.drain()
    assert one(host, RealServerRequest(KEY, ONE, present=False))
    assert name(1) not in host.kernel.weights


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("apply"), st.lists(st.integers(0, 4), min_size=2, max_size=2)),
            st.tuples(st.just("drain"), st.sampled_from(["10.0.0.1", "10.0.0.2"])),
            st.tuples(st.just("restore"), st.sampled_from(["10.0.0.1", "10.0.0.2"])),
            st.tuples(st.just("step"), st.sampled_from(["10.0.0.1", "10.0.0.2"])),
            st.tuples(st.just("reboot"), st.none()),
        ),
        max_size=10,
    )
)
def test_whatever_the_order_the_last_description_and_the_drains_are_what_is(tmp_path_factory, runs):
    with pytest.MonkeyPatch.context() as monkeypatch:
        host = Host(tmp_path_factory.mktemp("host"), monkeypatch)
        weights = [3, 1]
        host.apply(described(*weights))
        for what, value in runs:
            host.now += 10
            if what == "apply":
                weights = value
                host.apply(described(*weights))
            elif what == "drain":
                host.drain(value, force=True)
            elif what == "restore":
                host.restore(value)
            elif what == "step":
                host.restore(value, steps=2)
            else:
                # What the script at boot restores.
                for line in host.script():
                    words = line.split()
                    host.kernel.set_weight(f"{KEY} > {words[4]}", int(words[-1]))
            for n, weight in enumerate(weights, 1):
                each = host.drains().get(name(n))
                assert host.kernel.weights[name(n)] == (min(each.now, weight) if each else weight)
            scripted = [int(line.split()[-1]) for line in host.script()]
            assert scripted == list(host.kernel.weights.values())
            assert unchanged(host.apply(described(*weights), check_mode=True))
