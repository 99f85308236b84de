# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pure rules about drained real servers."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ansible_collections.lvs.cluster.plugins.module_utils.engine import Held
from ansible_collections.lvs.cluster.plugins.module_utils.host.manifest import Claim, Manifest
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import drain, restore
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.drain import Drain
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.ownership import (
    keys_of,
    real_server_name,
)

from ..strategies import tables

A, B, C = (f"tcp 192.0.2.1:80 > 10.0.0.{n}:80" for n in (1, 2, 3))
weights = st.integers(0, 65535)
found = st.builds(Drain, weights, st.integers(0, 2**33), weights)


def held(drains=None, described=None):
    """:param described: by owner, the weights of its description, by name."""
    drains = drains or {}
    claims = {
        owner: drain.described_claims(its, drains) for owner, its in (described or {}).items()
    }
    names = {name for its in claims.values() for name in its}
    return Held(
        {drain.DRAIN: {name: each.claim for name, each in drains.items()}},
        {
            drain.DESCRIBED: {
                name: {owner: its[name] for owner, its in claims.items() if name in its}
                for name in names
            }
        },
    )


@given(found)
def test_a_drain_survives_the_manifest(each):
    manifest = Manifest("drained", {drain.DRAIN: {A: each.claim}})
    again = Manifest.from_json(manifest.to_json(), "x")
    assert Drain.of(again.claim(drain.DRAIN, A)) == each


def test_a_claim_holds_what_the_drain_is_about():
    assert Drain(3, 100).claim == Claim({"weight": 3, "since": 100})
    assert Drain(3, 100, 1).claim == Claim({"weight": 3, "since": 100, "now": 1})


@given(tables)
def test_a_name_leads_back_to_its_real_server(table):
    for name in drain.weights_of(table):
        assert real_server_name(*keys_of(name)) == name


@given(tables, st.data())
def test_only_drained_real_servers_that_are_wanted_lose_weight(table, data):
    before = drain.weights_of(table)
    names = sorted(before)
    drained = data.draw(st.dictionaries(st.sampled_from(names), found)) if names else {}
    wanted = data.draw(st.sets(st.sampled_from(names))) if names else set()
    after = drain.applied(table, drained, wanted)
    for name, weight in drain.weights_of(after).items():
        touched = name in drained and name in wanted
        assert weight == (min(before[name], drained[name].now) if touched else before[name])
    # Nothing else has changed.
    assert drain.applied(after, {name: Drain(0, 0, 2**16) for name in names}, names) == after
    assert {key: each.attributes for key, each in after.items()} == {
        key: each.attributes for key, each in table.items()
    }


def test_drains_of_every_owner_count():
    both = Held(
        consulted={drain.DRAIN: {A: Claim({"weight": 1, "since": 5})}},
        others={drain.DRAIN: {B: {"drained": Claim({"weight": 2, "since": 6})}}},
    )
    assert drain.drains(both) == {A: Drain(1, 5), B: Drain(2, 6)}


@pytest.mark.parametrize(
    ("weights_", "drained", "left"),
    [
        ({A: 1, B: 2}, {A: Drain(1, 0)}, {A: 0, B: 2}),
        # Restored in steps.
        ({A: 4, B: 2}, {A: Drain(4, 0, 1)}, {A: 1, B: 2}),
        ({A: 4, B: 2}, {A: Drain(4, 0, 1), B: Drain(2, 0)}, {A: 1, B: 0}),
        # keepalived can't do with a service of no weight.
        ({A: 1, B: 2}, {A: Drain(1, 0), B: Drain(2, 0)}, {A: 1, B: 2}),
        ({A: 1, B: 0}, {A: Drain(1, 0)}, {A: 1, B: 0}),
        ({A: 0, B: 0}, {}, {A: 0, B: 0}),
    ],
)
def test_a_configuration_of_keepalived_keeps_some_weight(weights_, drained, left):
    assert drain.in_configuration(weights_, drained) == left


def test_the_weight_that_is_given_back_is_that_of_the_description():
    drains = {A: Drain(1, 100), B: Drain(2, 100)}
    now = held(drains, {"b": {A: 9}, "a": {A: 5}})
    assert drain.goal(A, drains[A], now) == 5
    assert drain.goal(B, drains[B], now) == 2
    # One that was applied during an earlier drain is no longer true.
    assert drain.goal(A, Drain(1, 101), now) == 1
    # A description may say 0.
    assert drain.goal(A, drains[A], held(drains, {"a": {A: 0}})) == 0


def test_only_drained_real_servers_have_their_described_weight_remembered():
    assert drain.described_claims({A: 3, B: 4}, {A: Drain(1, 7), C: Drain(1, 7)}) == {
        A: Claim({"weight": 3, "since": 7})
    }


@given(weights, st.integers(1, 100))
def test_steps_end_at_the_full_weight(full, steps):
    now, taken = 0, []
    while now < full:
        after = drain.next_weight(now, full, steps)
        assert now < after <= full
        taken.append(after)
        now = after
    assert len(taken) <= steps
    assert drain.next_weight(full, full, steps) == full


@pytest.mark.parametrize(
    ("full", "steps", "taken"),
    [(100, 4, [25, 50, 75, 100]), (3, 2, [2, 3]), (1, 4, [1]), (2, 100, [1, 2]), (7, 1, [7])],
)
def test_steps_are_equal(full, steps, taken):
    found, now = [], 0
    while now < full:
        now = drain.next_weight(now, full, steps)
        found.append(now)
    assert found == taken


@given(st.integers(0, 100), st.integers(0, 100), st.integers(1, 9))
def test_a_description_that_has_lost_weight_meanwhile(now, full, steps):
    assume(now > full)
    assert drain.next_weight(now, full, steps) == full


def test_a_report_begins_with_the_oldest():
    drains = {A: Drain(1, 900), B: Drain(2, 100), C: Drain(3, 500)}
    listed = drain.report(drains, [A, B, B, "tcp 192.0.2.9:80 > 10.0.0.9:80"], {A: 7}, 1000.9)
    assert listed == [
        {
            "service": {"protocol": "tcp", "address": "192.0.2.1", "port": 80},
            "real_server": {"address": "10.0.0.2", "port": 80},
            "remembered_weight": 2,
            "since": 100,
            "age": 900,
        },
        {
            "service": {"protocol": "tcp", "address": "192.0.2.1", "port": 80},
            "real_server": {"address": "10.0.0.1", "port": 80},
            "remembered_weight": 7,
            "since": 900,
            "age": 100,
        },
    ]


def test_a_clock_that_was_set_back_makes_no_negative_age():
    assert drain.drain_data(Drain(1, 1000), 1, 10.0)["age"] == 0


@given(tables, st.data())
def test_the_script_at_boot_restores_the_same_as_the_drained_table(table, data):
    """What draining writes into a script is what a run on a drained table writes."""
    names = sorted(drain.weights_of(table))
    drained = data.draw(st.sets(st.sampled_from(names))) if names else set()
    script = restore.script_body(table.values(), "/run/x") or ""
    left = drain.applied(table, {name: Drain(1, 0) for name in drained}, names)
    changed = restore.with_weights(script, dict.fromkeys(drained, 0))
    assert changed == (restore.script_body(left.values(), "/run/x") or "")
    full = {name: drain.weights_of(table)[name] for name in drained}
    assert restore.with_weights(changed, full) == script


def test_a_script_of_other_real_servers_stays_as_it_is():
    script = (
        "-a -t 192.0.2.1:80 -r 10.0.0.10:80 -m -w 1\n-a -t 192.0.2.1:8080 -r 10.0.0.1:80 -m -w 1"
    )
    assert restore.with_weights(script, {A: 0}) == script
