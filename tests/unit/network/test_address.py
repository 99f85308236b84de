# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans of addresses, over all small hosts and requests that there are."""

from __future__ import annotations

import ipaddress
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lvs.cluster.plugins.module_utils.engine import Held
from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.host.manifest import Claim
from ansible_collections.lvs.cluster.plugins.module_utils.network.address import (
    KIND,
    Address,
    Request,
    choose_interface,
    parse,
    plan,
    script_body,
)
from ansible_collections.lvs.cluster.plugins.module_utils.network.kinds import Addresses, Segment
from ansible_collections.lvs.cluster.plugins.module_utils.network.model import with_script

INTERFACES = ("lo", "eth1")
VIPS = ("198.51.100.10", "198.51.100.11", "2001:db8::10")


@st.composite
def addresses(draw):
    address = draw(st.sampled_from(VIPS))
    interface = draw(st.sampled_from(INTERFACES))
    if ":" in address:
        return Address(
            address, draw(st.sampled_from([64, 128])), interface, passive=draw(st.booleans())
        )
    length, scope = draw(st.sampled_from([24, 32])), draw(st.sampled_from(["global", "host"]))
    return Address(address, length, interface, scope)


def of_a_host(found):
    """Of two alike in one place the kernel has but one."""
    return list({(each.address, each.interface): each for each in found}.values())


def request_of(asked, interface, exclusive, absent):
    return Request(tuple(asked), interface, exclusive=exclusive, absent=absent)


# With Request itself, builds() would also generate the fields that have defaults: it is a NamedTuple.
REQUESTS = st.builds(
    request_of,
    st.lists(st.sampled_from(VIPS), unique=True),
    st.sampled_from([*INTERFACES, ""]),
    st.booleans(),
    st.booleans(),
)
HOSTS = st.lists(addresses()).map(of_a_host)


def carried_out(todo, standing):
    now = list(standing)
    for each in todo.replaced:
        now.remove(each)
    for each in todo.added:
        assert not [other for other in now if place(other) == place(each)]
        now.append(each)
    for each in todo.removed:
        now.remove(each)
    return now


def place(each):
    return each.address, each.interface


@given(REQUESTS, HOSTS, st.data())
def test_a_plan_gives_what_is_wished_and_leaves_what_is_somebody_elses(desired, standing, data):
    ours = data.draw(st.lists(st.sampled_from(standing or [None]), unique=True)) if standing else []
    # Somebody may have changed what is ours.
    claims = {str(each._replace(length=each.length // 2)): Claim() for each in ours if each}
    try:
        todo = plan(desired, standing, INTERFACES, claims)
    except InvalidInput:
        return
    now = carried_out(todo, standing)
    theirs = [each for each in standing if each not in ours]
    assert [each for each in now if each in theirs] == theirs
    assert all(
        any(each.address == address for each in now)
        for address in desired.addresses
        if not desired.absent
    )
    mine = {parse(name) for name in todo.claims}
    assert mine == {each for each in now if each not in theirs}
    if desired.exclusive and not desired.absent:
        assert all(each.address in desired.addresses for each in mine)
    again = plan(desired, now, INTERFACES, todo.claims)
    assert (again.replaced, again.added, again.removed) == ((), (), ())
    assert again.claims == todo.claims


@given(addresses())
def test_words_are_read_back(each):
    assert parse(str(each)) == each
    ipaddress.ip_interface(str(each).split()[2])


def test_the_interface_on_whose_network_it_is():
    host = [
        Address("127.0.0.1", 8, "lo"),
        Address("198.51.100.1", 24, "wide"),
        Address("198.51.100.2", 28, "narrow"),
        Address("2001:db8::1", 64, "six"),
        Address("203.0.113.1", 32, "there"),
    ]
    for address, interface in (
        ("198.51.100.10", "narrow"),
        ("198.51.100.100", "wide"),
        ("2001:db8::10", "six"),
        ("203.0.113.1", "there"),
        ("203.0.113.2", "lo"),
        ("127.0.0.2", "lo"),
    ):
        assert choose_interface(address, host) == interface


VIP = Address("198.51.100.10", 32, "lo", "host")


def test_what_another_program_takes_over_is_given_up_and_stays():
    todo = plan(
        Request(release=(VIP.address,), exclusive=True), [VIP], INTERFACES, {str(VIP): Claim()}
    )
    assert (todo.removed, todo.claims) == ((), {})


def test_what_another_owner_claims_is_shared_and_goes_with_the_last():
    alone = plan(Request((VIP.address,)), [VIP], INTERFACES, {}, {str(VIP): ["b"]})
    assert (alone.added, alone.found) == ((), ())
    assert set(alone.claims) == {str(VIP)}
    given_up = plan(Request(exclusive=True), [VIP], INTERFACES, alone.claims, {str(VIP): ["b"]})
    assert (given_up.removed, given_up.claims) == ((), {})
    last = plan(Request(exclusive=True), [VIP], INTERFACES, alone.claims)
    assert last.removed == (VIP,)


def test_what_the_boot_script_restores_is_ours_even_if_the_manifest_is_lost():
    script = script_body({str(VIP): Claim()})
    assert with_script({}, script) == {str(VIP): Claim()}
    assert with_script({}, None) == {}
    assert with_script({}, "echo nothing\n") == {}


def test_addresses_that_differ_only_in_how_they_were_added_are_equal():
    one = Address("2001:db8::10", 128, "eth1")
    other = one._replace(nodad=False)
    assert (one == other, one != other, {one, other}) == (True, False, {one})
    longer = one._replace(length=64)
    assert (one == longer, one != longer, len({one, longer})) == (False, True, 2)
    assert str(one) != str(other)


def test_what_another_owner_has_made_stays_as_it_is_and_where_it_is():
    theirs = VIP._replace(length=24)
    shared = {str(theirs): ["cluster-other"]}
    todo = plan(Request((VIP.address,)), [theirs], INTERFACES, {}, shared)
    assert (todo.replaced, todo.added, todo.removed) == ((), (), ())
    assert set(todo.claims) == {str(theirs)}
    words = r"is already on lo \(of the owner cluster-other\), and is desired on eth1"
    for claims in ({}, {str(theirs): Claim()}):
        with pytest.raises(InvalidInput, match=words):
            plan(Request((VIP.address,), "eth1"), [theirs], INTERFACES, claims, shared)


def test_what_another_owner_claims_and_somebody_has_removed_comes_back():
    todo = plan(Request((VIP.address,)), [], INTERFACES, {}, {str(VIP): ["b"]})
    assert todo.added == (VIP,)


def test_what_is_released_and_yet_asked_for_stays_ours():
    request = Request((VIP.address,), release=(VIP.address,), exclusive=True)
    assert set(plan(request, [VIP], INTERFACES, {str(VIP): Claim()}).claims) == {str(VIP)}


@pytest.mark.parametrize(
    ("owner", "other", "clash"),
    [
        ("cluster-a", "cluster-b", True),
        ("nat-a", "cluster-b", True),
        ("cluster-a", "dr-a", False),
        ("cluster-a", "default", False),
        ("default", "cluster-a", False),
    ],
)
def test_a_virtual_address_belongs_to_one_cluster(owner, other, clash):
    ip = SimpleNamespace(addresses=lambda: [VIP], links=lambda: dict.fromkeys(INTERFACES))
    kind = Addresses.of({"addresses": [VIP.address]}, owner, ip, None)
    held = Held({}, {KIND: {str(VIP): {other: Claim()}}})
    current = Segment((VIP,), INTERFACES)
    if clash:
        with pytest.raises(
            InvalidInput, match="belongs to the cluster b on this host, and the clus"
        ):
            kind.plan(current, held, True, False)
    else:
        assert not kind.plan(current, held, True, False)


def test_an_address_that_another_machine_answers_for_is_not_added():
    kind = Addresses.of({"addresses": [VIP.address], "interface": "eth1"}, "x", None, None)
    used = Segment((), INTERFACES, {VIP.address: ["52:54:00:00:00:09"]})
    with pytest.raises(InvalidInput, match="in use on the segment of eth1: 52:54:00:00:00:09 answ"):
        kind.plan(used, Held(), True, True)
    there = VIP._replace(interface="eth1", scope="global")
    assert not kind.plan(used._replace(current=(there,)), Held(), True, True)


WIRE = Address("198.51.100.10", 32, "eth1")


@pytest.mark.parametrize("prune", [True, False])
def test_addresses_go_over_to_keepalived_with_the_next_run_that_prunes(prune):
    """A run that only grows, or fails, leaves to the next boot what restores them."""
    kind = Addresses.of({"addresses": [], "release": [WIRE.address]}, "x", None, None)
    todo = kind.plan(Segment((WIRE,), INTERFACES), Held({KIND: {str(WIRE): Claim()}}), prune, False)
    assert todo.operations == ()
    assert set(todo.claims[KIND]) == (set() if prune else {str(WIRE)})
    assert (todo.scripts[0].body is None) == prune


@pytest.mark.parametrize("adopts", [True, False])
def test_addresses_that_keepalived_has_added_are_ours_where_they_are_taken_over(adopts):
    other = WIRE._replace(address="198.51.100.11")
    admins = WIRE._replace(address="198.51.100.12")
    made = [f"address {each.address}" for each in (WIRE, other)]
    held = Held({}, {}, {"keepalived_made": dict.fromkeys(made, Claim())})
    entry = {"addresses": [WIRE.address, admins.address], "interface": ""}
    kind = Addresses.of(entry, "x", None, None, adopts=adopts)
    todo = kind.plan(Segment((WIRE, other, admins), INTERFACES), held, True, False)
    assert todo.grow == ()
    assert [each.work for each in todo.shrink] == ([other] if adopts else [])
    assert set(todo.claims[KIND]) == ({str(WIRE)} if adopts else set())
    assert ("198.51.100.10/32" in (todo.scripts[0].body or "")) == adopts


@pytest.mark.parametrize("length", ["", "0", "33", "-1", "2²", "٨", "9" * 5000])
def test_what_is_no_prefix_length(length):
    with pytest.raises(InvalidInput, match="has no prefix length from 1 to 32"):
        plan(Request((f"192.0.2.1/{length}",)), [], INTERFACES, {})
