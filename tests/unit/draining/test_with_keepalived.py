# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Draining beside runs of a whole host on which keepalived owns the table, and beside what keepalived does itself."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.lvs.cluster.plugins.module_utils.draining import configuration, kind
from ansible_collections.lvs.cluster.plugins.module_utils.draining.request import Request
from ansible_collections.lvs.cluster.plugins.module_utils.engine import Engine
from ansible_collections.lvs.cluster.plugins.module_utils.host.commands import Commands
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import drain
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.drain import Drain
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.ownership import real_server_name

from ..keepalived.test_kind import ONE, OWNER, TWO, WEB, Host, entry, server, web

NAMES = {each: real_server_name(WEB, each) for each in (ONE, TWO)}


class Both(Host):
    """:ivar now: Unix time."""

    def __init__(self, folder):
        super().__init__(folder)
        self.time = 1000.0

    def site(self, *weights, check=False, inhibit=False):
        servers = [server(n, weight=weight) for n, weight in enumerate(weights, 1)]
        return self.run(entry(web(*servers), inhibit=inhibit), "release", check=check)

    def drain(self, address="10.0.0.1", check=False, **options):
        self.time += 10
        params = {"port": None, "service": None, "state": "drained", "force": False, "steps": 1}
        request = Request.of({"real_server": address, **params, **options})
        adapter = configuration.Keepalived(Commands(lambda *_words, **_more: (0, "", "")))
        adapter._service = lambda _owner: self.keepalived
        one = kind.Drains(
            request, adapter, self.kernel.kernel, lambda: self.time, str(self.folder / "boot.d")
        )
        commands = Commands(lambda *_words, **_more: (0, "", ""))
        return Engine(self.store(drain.OWNER), commands, check).run([one])

    def drains(self):
        claims = self.store(drain.OWNER).load().claims.get(drain.DRAIN, {})
        return {name: Drain.of(claim) for name, claim in claims.items()}

    def check_health(self, sick):
        """The checks of keepalived, whose fake makes them when it is reloaded."""
        self.keepalived.sick = set(sick)
        self.keepalived.reload()

    def restart(self):
        self.keepalived.stop()
        self.keepalived.start()

    @property
    def weights(self):
        return drain.weights_of(self.kernel.services)

    @property
    def filed(self):
        found = configuration.services_of(self.keepalived.file)
        return {name: weight for each in found.values() for name, weight in each.weights.items()}


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(kind.proc, "read", lambda _name: "0")
    host = Both(tmp_path)
    host.site(3, 1)
    return host


def test_a_run_of_the_whole_host_beside_a_drain_changes_nothing(host):
    assert host.drain().changed
    assert host.weights == host.filed == {NAMES[ONE]: 0, NAMES[TWO]: 1}
    for check in (True, False):
        done = host.site(3, 1, check=check)
        assert not done.changed
        assert done.diff == []
    (told,) = done.plans["keepalived"].details["drains"]
    assert told["real_server"] == {"address": "10.0.0.1", "port": 80}
    assert done.plans["table"].details["drains"] == []
    host.drain(state="restored")
    assert host.weights == host.filed == {NAMES[ONE]: 3, NAMES[TWO]: 1}
    assert not host.site(3, 1).changed


def test_what_the_description_has_by_then_is_given_back(host):
    host.drain()
    assert not host.site(7, 1).changed
    host.drain(state="restored")
    assert host.weights == host.filed == {NAMES[ONE]: 7, NAMES[TWO]: 1}
    assert not host.site(7, 1).changed
    assert drain.DESCRIBED not in host.store(OWNER).load().claims


@pytest.mark.parametrize("inhibit", [False, True])
def test_checks_that_fail_and_restarts_do_not_undo_it(host, inhibit):
    host.site(3, 1, inhibit=inhibit)
    host.drain()
    host.check_health({"10.0.0.1:80"})
    host.check_health(())
    assert host.weights == {NAMES[ONE]: 0, NAMES[TWO]: 1}
    host.restart()
    assert host.weights == {NAMES[ONE]: 0, NAMES[TWO]: 1}
    host.drain(state="restored")
    assert host.weights == {NAMES[ONE]: 3, NAMES[TWO]: 1}


@pytest.mark.parametrize("inhibit", [False, True])
def test_what_fails_its_checks_gets_no_weight_when_it_is_restored(host, inhibit):
    host.site(3, 1, inhibit=inhibit)
    host.drain()
    host.check_health({"10.0.0.1:80"})
    host.drain(state="restored")
    assert host.weights.get(NAMES[ONE], 0) == 0
    assert host.drains() == {}
    host.check_health(())
    assert host.weights == {NAMES[ONE]: 3, NAMES[TWO]: 1}


def test_the_table_becomes_ours_while_it_is_drained(host):
    host.drain()
    host.run(None, [web(server(1, weight=3), server(2, weight=1))])
    assert host.weights == {NAMES[ONE]: 0, NAMES[TWO]: 1}
    host.drain(state="restored")
    assert host.weights == {NAMES[ONE]: 3, NAMES[TWO]: 1}


def steps(addresses):
    return st.lists(
        st.one_of(
            st.tuples(st.just("site"), st.lists(st.integers(1, 4), min_size=2, max_size=2)),
            st.tuples(st.just("drained"), st.sampled_from(addresses)),
            st.tuples(st.just("restored"), st.sampled_from(addresses)),
            st.tuples(st.just("step"), st.sampled_from(addresses)),
            st.tuples(st.just("health"), st.sets(st.sampled_from(["10.0.0.1", "10.0.0.2"]))),
            st.tuples(st.just("restart"), st.none()),
        ),
        max_size=10,
    )


@settings(deadline=None, max_examples=40)
@given(
    st.one_of(
        st.tuples(st.just(False), steps(["10.0.0.1", "10.0.0.2"])),
        # Where all are drained, and 0 is also the weight of one that has failed, nobody can tell which it is.
        st.tuples(st.just(True), steps(["10.0.0.1"])),
    )
)
def test_whatever_the_order_a_run_agrees_with_the_drains(tmp_path_factory, drawn):
    inhibit, done = drawn
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(kind.proc, "read", lambda _name: "0")
        host = Both(tmp_path_factory.mktemp("host"))
        weights = [3, 1]
        host.site(*weights, inhibit=inhibit)
        for what, value in done:
            if what == "site":
                weights = value
            elif what == "health":
                host.check_health(f"{address}:80" for address in value)
            elif what == "restart":
                host.restart()
            elif what == "step":
                host.drain(value, state="restored", steps=2)
            else:
                host.drain(value, state=what, force=True)
            # Where everything is drained, keepalived gives weights back by itself, until a run comes by.
            host.site(*weights, inhibit=inhibit)
            drains = host.drains()
            goals = {
                name: drains[name].allows(weight) if name in drains else weight
                for name, weight in zip(NAMES.values(), weights)
            }
            for each, name in NAMES.items():
                is_well = str(each) not in host.keepalived.sick
                expected = goals[name] if is_well else 0 if inhibit else None
                assert host.weights.get(name) == expected
            assert host.filed == (goals if any(goals.values()) else dict(zip(goals, weights)))
            assert not host.site(*weights, inhibit=inhibit, check=True).changed
