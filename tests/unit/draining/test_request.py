# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What draining and restoring come to, and what they refuse."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lvs.cluster.plugins.module_utils.draining.request import (
    Configured,
    Request,
    View,
    lost,
    refuses_clients,
)
from ansible_collections.lvs.cluster.plugins.module_utils.engine import Held
from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.host.manifest import Claim
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import drain
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.drain import Drain
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import (
    RealServerAttributes,
    RealServerKey,
    Service,
    ServiceAttributes,
    ServiceKey,
)

WEB, TLS = (ServiceKey.at("tcp", "192.0.2.1", port) for port in (80, 443))
MARK = ServiceKey.marked(7)
NOW = 1000.9
DEFAULTS = {
    "real_server": "10.0.0.1",
    "port": None,
    "service": None,
    "state": "drained",
    "force": False,
    "steps": 1,
}


def request(**options):
    return Request.of({**DEFAULTS, **options})


def service(key, *weights, scheduler="rr", flags=()):
    """A service whose real servers 10.0.0.1, 10.0.0.2 ... have these weights; None for one that is not there."""
    attributes = ServiceAttributes(scheduler, "255.255.255.255", scheduler_flags=frozenset(flags))
    return Service(
        key,
        attributes,
        {
            server_of(n, key): RealServerAttributes(weight=weight)
            for n, weight in enumerate(weights, 1)
            if weight is not None
        },
    )


def server_of(n, key=WEB):
    return RealServerKey.at(f"10.0.0.{n}", key.port)


def name(n, key=WEB):
    return f"{key} > {server_of(n, key)}"


def table_of(*services):
    return {each.key: each for each in services}


def configured(key, *weights, **more):
    return {key: Configured({name(n, key): w for n, w in enumerate(weights, 1)}, **more)}


def held_of(drains=None, owned=(), described=None):
    """:param owned: the real servers that an owner claims, by name.
    :param described: the weights of its description, by name.
    """
    drains = drains or {}
    claims = drain.described_claims(described or {}, drains)
    return Held(
        {drain.DRAIN: {each: found.claim for each, found in drains.items()}},
        {
            "ipvs_real_server": {each: {"cluster-x": Claim()} for each in owned},
            drain.DESCRIBED: {each: {"cluster-x": claim} for each, claim in claims.items()},
        },
    )


def decide(table, held=None, configured=None, given=None, **options):
    view = View(table, configured or {})
    return request(**options).decide(view, held or held_of(), NOW, given or {})


def test_a_real_server_is_drained_in_all_of_its_services():
    table = table_of(service(WEB, 3, 1), service(TLS, 5, 1), service(MARK, None, 1))
    decision = decide(table, held_of(owned=[name(1), name(1, TLS)]))
    assert decision.names == (name(1), name(1, TLS))
    assert decision.drains == {name(1): Drain(3, 1000), name(1, TLS): Drain(5, 1000)}
    assert decision.weights == {name(1): 0, name(1, TLS): 0}
    assert decision.configured == {}
    assert decision.warnings == ()


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"port": 443}, (name(1, TLS),)),
        ({"service": {"address": "192.0.2.1", "port": 80}}, (name(1),)),
        ({"service": {"fwmark": 7}}, (name(1, MARK),)),
        ({"real_server": "10.0.0.2", "port": 80}, (name(2),)),
    ],
)
def test_a_part_of_its_services(options, names):
    table = table_of(service(WEB, 3, 1), service(TLS, 5, 1), service(MARK, 1, 1))
    assert decide(table, **options).names == names


def test_addresses_are_canonical():
    key = ServiceKey.at("tcp", "2001:db8::1", 80)
    servers = {
        RealServerKey.at(f"2001:db8::{n}", 80): RealServerAttributes(weight=1) for n in (7, 8)
    }
    table = table_of(Service(key, ServiceAttributes("rr", "128"), servers))
    decision = decide(table, real_server="2001:DB8:0::0007")
    assert decision.names == ("tcp [2001:db8::1]:80 > [2001:db8::7]:80",)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"real_server": "rs1"}, r"real server rs1: real_server='rs1': "),
        ({"port": 70000}, r"port=70000: is not a port"),
        ({"steps": 0}, r"steps=0: is not a number of steps; give a number from 1"),
        ({"steps": 101}, r"steps=101: .* to 100\."),
        ({"service": {"address": "192.0.2.1"}}, r"port=None: is missing"),
        (
            {"real_server": "10.0.0.9", "port": 80},
            r"real server 10\.0\.0\.9 with port 80: is in no service of this director; list the real",
        ),
        (
            {"service": {"address": "192.0.2.1", "port": 443}},
            r"real server 10\.0\.0\.1 of service tcp 192\.0\.2\.1:443: is in no service",
        ),
    ],
)
def test_what_can_not_be(options, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        decide(table_of(service(WEB, 1, 1)), **options)


def test_a_drain_is_not_begun_again():
    held = held_of({name(1): Drain(3, 400)})
    decision = decide(table_of(service(WEB, 0, 1)), held)
    assert decision.drains == {name(1): Drain(3, 400)}
    assert decision.weights == {name(1): 0}
    assert decision.full == {name(1): 3}


def test_a_restoration_in_steps_is_broken_off():
    held = held_of({name(1): Drain(8, 400, 4)})
    assert decide(table_of(service(WEB, 4, 1)), held).drains == {name(1): Drain(8, 400)}


def test_what_is_restored_has_the_weight_that_it_had():
    held = held_of({name(1): Drain(3, 400), name(1, TLS): Drain(2, 400)})
    table = table_of(service(WEB, 0, 1), service(TLS, 0, 1))
    decision = decide(table, held, state="restored")
    assert decision.drains == {}
    assert decision.weights == {name(1): 3, name(1, TLS): 2}


def test_what_is_restored_has_the_weight_of_its_description():
    held = held_of({name(1): Drain(3, 400)}, described={name(1): 9})
    decision = decide(table_of(service(WEB, 0, 1)), held, state="restored")
    assert decision.weights == {name(1): 9}


def test_what_is_not_drained_is_not_restored():
    decision = decide(table_of(service(WEB, 0, 1)), state="restored")
    assert decision.names == (name(1),)
    assert decision.weights == {}
    assert decision.warnings == ()


def test_what_nobody_knows_is_told():
    decision = decide(table_of(service(WEB, 1)), state="restored", real_server="10.0.0.9")
    assert decision.warnings == (
        "real server 10.0.0.9 is in no service of this director, and not drained.",
    )


def test_steps_are_taken_one_a_run():
    table = table_of(service(WEB, 0, 1))
    drains, given = {name(1): Drain(8, 400)}, []
    while drains:
        decision = decide(table, held_of(drains), state="restored", steps=4)
        # However often the run plans.
        again = decide(
            table, held_of(decision.drains), state="restored", steps=4, given=decision.given
        )
        assert again.drains == decision.drains
        given.append(decision.weights[name(1)])
        drains = decision.drains
        assert all(each.weight == 8 and each.since == 400 for each in drains.values())
    assert given == [2, 4, 6, 8]


def test_information_changes_nothing():
    drains = {name(1): Drain(3, 400), name(2): Drain(3, 400), name(9): Drain(1, 1)}
    decision = decide(table_of(service(WEB, 0, 1)), held_of(drains), state="unchanged")
    assert decision.names == (name(1),)
    assert decision.drains == drains
    assert (decision.weights, decision.configured, decision.warnings) == ({}, {}, ())
    assert decide({}, state="unchanged").names == ()


# What speaks against it


@pytest.mark.parametrize(
    ("weights", "more", "words"),
    [
        ((1, 1), None, ""),
        ((1, 0), None, "the last real server"),
        ((1,), None, "the last real server"),
        # It takes nothing any more.
        ((0, 0), None, ""),
        ((5, 3, 1), {"quorum": 4}, ""),
        ((5, 3, 1), {"quorum": 5}, "the quorum (a weight of 4 would be left, and it needs 5)"),
        ((5, 3, 1), {"quorum": 5, "hysteresis": 1}, ""),
        (
            (5, 3, 1),
            {"quorum": 6, "hysteresis": 1},
            "the quorum (a weight of 4 would be left, and it needs 6 less its hysteresis of 1)",
        ),
        # Those that have failed their checks are not in the table.
        ((5, None, 1), {"quorum": 2}, "the quorum (a weight of 1 would be left, and it needs 2)"),
        ((5, None, None), {"quorum": 2}, "the last real server"),
        ((0, 1, 1), {"quorum": 9}, ""),
    ],
)
def test_what_a_service_loses(weights, more, words):
    known = None if more is None else configured(WEB, *(w or 1 for w in weights), **more)[WEB]
    assert lost(service(WEB, *weights), {name(1)}, known) == words


def test_a_sorry_server_is_not_one_of_them():
    """It is in the table, and no real server of the configuration."""
    known = configured(WEB, 1)[WEB]
    assert lost(service(WEB, 1, 1), {name(1)}, known) == "the last real server"


@given(st.lists(st.integers(0, 9), min_size=1, max_size=4), st.data())
def test_no_service_is_left_without_weight(weights, data):
    drained = data.draw(st.sets(st.integers(1, len(weights)), min_size=1))
    left = sum(w for n, w in enumerate(weights, 1) if n not in drained)
    words = lost(service(WEB, *weights), {name(n) for n in drained}, None)
    assert bool(words) == (left == 0 and sum(weights) > 0)


def test_the_last_real_server_is_refused_unless_forced():
    table = table_of(service(WEB, 1, 0), service(TLS, 2, 1), service(MARK, 1))
    with pytest.raises(InvalidInput) as refusal:
        decide(table)
    assert str(refusal.value) == (
        "real server 10.0.0.1: draining it would remove the last real server of service tcp 192.0.2.1:80 and the last "
        "real server of service fwmark 7 ipv4; restore or repair other real servers first, or set force (for the "
        "roles: drain_force) to drain it anyway."
    )
    assert len(decide(table, force=True).weights) == 3


def test_one_that_is_drained_already_is_not_refused():
    held = held_of({name(1): Drain(1, 400)})
    assert decide(table_of(service(WEB, 0, 0)), held).drains == {name(1): Drain(1, 400)}


def test_two_ports_of_one_real_server_are_drained_together():
    both = {RealServerKey.at("10.0.0.1", port): RealServerAttributes(weight=1) for port in (80, 81)}
    table = table_of(Service(WEB, ServiceAttributes("rr", "255.255.255.255"), both))
    with pytest.raises(InvalidInput, match="the last real server"):
        decide(table)
    assert len(decide(table, port=80).weights) == 1


@pytest.mark.parametrize(
    ("scheduler", "flags", "refused"),
    [
        ("rr", (), False),
        ("wlc", (), False),
        ("sh", (), True),
        ("sh", ("flag-1",), False),
        ("mh", ("flag-2",), True),
        ("mh", ("flag-1", "flag-2"), False),
        ("dh", (), True),
        ("dh", ("flag-1",), True),
    ],
)
def test_schedulers_that_refuse_the_clients_of_a_drained_real_server(scheduler, flags, refused):
    its = service(WEB, 1, 1, scheduler=scheduler, flags=flags)
    assert refuses_clients(its) is refused
    warnings = decide(table_of(its), held_of(owned=[name(1)])).warnings
    assert [scheduler in each for each in warnings] == [True] * refused
    # Once is enough.
    held = held_of({name(1): Drain(1, 1)}, owned=[name(1)])
    assert decide(table_of(its), held).warnings == ()


def test_one_that_somebody_else_has_added():
    (sentence,) = decide(table_of(service(WEB, 1, 1))).warnings
    assert sentence == (
        "real server 10.0.0.1:80 of service tcp 192.0.2.1:80 was not added by this collection. The program that "
        "added it may restore its weight."
    )
    assert decide(table_of(service(WEB, 1, 1)), configured=configured(WEB, 1, 1)).warnings == ()


# Drains of what is gone


def test_the_drain_of_what_is_gone_is_forgotten():
    drains = {name(1): Drain(3, 400), name(2): Drain(1, 400), name(3): Drain(1, 400)}
    # The second is only missing: it is in a description, and the third is in no table.
    held = held_of(drains, owned=[name(2)])
    decision = decide(table_of(service(TLS, 1, 1)), held, port=443)
    assert set(decision.drains) == {name(1, TLS), name(2)}
    assert [each.partition(" of")[0] for each in decision.warnings[:2]] == [
        "real server 10.0.0.1:80",
        "real server 10.0.0.3:80",
    ]


def test_one_that_has_failed_its_checks_is_not_gone():
    held = held_of({name(1): Drain(3, 400)})
    known = configured(WEB, 0, 1)
    decision = decide(table_of(service(WEB, None, 1)), held, known, state="restored")
    assert decision.drains == {}
    assert decision.configured == {name(1): 3}


# Where keepalived owns the table


def test_its_configuration_changes_too():
    decision = decide(table_of(service(WEB, 3, 1)), configured=configured(WEB, 3, 1))
    assert decision.weights == {name(1): 0}
    assert decision.configured == {name(1): 0}


def test_the_weight_of_one_that_fails_its_checks_is_that_of_the_configuration():
    for weight in (None, 0):
        decision = decide(
            table_of(service(WEB, weight, 1)), configured=configured(WEB, 3, 1, inhibits=True)
        )
        assert decision.drains == {name(1): Drain(3, 1000)}


@pytest.mark.parametrize("inhibits", [False, True])
def test_where_weight_0_may_mean_failed_keepalived_gives_the_weight_back(inhibits):
    known = configured(WEB, 0, 1, inhibits=inhibits)
    decision = decide(
        table_of(service(WEB, 0, 1)), held_of({name(1): Drain(3, 400)}), known, state="restored"
    )
    assert decision.configured == {name(1): 3}
    assert decision.weights == ({} if inhibits else {name(1): 3})
    assert decision.given == {name(1): 3}


def test_a_service_keeps_some_weight_in_the_configuration():
    """It can't do with none at all, so the last one is drained in the kernel alone, and brings the others back."""
    held = held_of({name(2): Drain(1, 400)})
    decision = decide(table_of(service(WEB, 3, 0)), held, configured(WEB, 3, 0), force=True)
    assert decision.weights == {name(1): 0}
    assert decision.configured == {name(2): 1}
    assert (
        "are drained, and keepalived does not accept a service without weight"
        in decision.warnings[0]
    )
    # One of them restored, the other is drained in the configuration again.
    for inhibits in (False, True):
        restored = decide(
            table_of(service(WEB, 0, 0)),
            held_of(decision.drains),
            configured(WEB, 3, 1, inhibits=inhibits),
            state="restored",
        )
        assert restored.weights == {name(1): 3}
        assert restored.configured == {name(2): 0}


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=4),
    st.lists(st.tuples(st.sampled_from(["drained", "restored"]), st.integers(1, 4)), max_size=12),
    st.sampled_from([1, 3]),
)
def test_everything_restored_is_as_it_was(weights, requests, steps):
    """Any order of drains and restorations, and then everything restored."""
    requests = [
        *requests,
        *itertools.product(["restored"] * steps, range(1, len(weights) + 1)),
    ]
    kernel, file, drains = dict(enumerate(weights, 1)), dict(enumerate(weights, 1)), {}
    for state, n in requests:
        if n > len(weights):
            continue
        decision = decide(
            table_of(service(WEB, *kernel.values())),
            held_of(drains),
            configured(WEB, *file.values()),
            state=state,
            real_server=f"10.0.0.{n}",
            steps=steps,
            force=True,
        )
        drains = decision.drains
        kernel = {place: decision.weights.get(name(place), w) for place, w in kernel.items()}
        file = {place: decision.configured.get(name(place), w) for place, w in file.items()}
        # What is drained gets nothing, and the configuration never ends up without weight.
        for place, weight in kernel.items():
            full = weights[place - 1]
            now = drains[name(place)].now if name(place) in drains else full
            assert weight == now
        assert any(file.values()) or not any(weights)
    assert list(kernel.values()) == list(file.values()) == weights
    assert drains == {}
