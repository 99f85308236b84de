# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans of addresses, over all small hosts and wishes that there are."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.link.address import (
    Address,
    Wish,
    choose_interface,
    parse,
    plan,
)
from ansible_collections.lvs.cluster.plugins.module_utils.manifest import Claim

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


WISHES = st.builds(
    Wish,
    st.lists(st.sampled_from(VIPS), unique=True).map(tuple),
    st.sampled_from([*INTERFACES, ""]),
    exclusive=st.booleans(),
    absent=st.booleans(),
)
HOSTS = st.lists(addresses()).map(of_a_host)


def carried_out(todo, standing):
    now = list(standing)
    for verb, each in todo.operations:
        if verb == "add":
            assert not [other for other in now if place(other) == place(each)]
            now.append(each)
        else:
            now.remove(each)
    return now


def place(each):
    return each.address, each.interface


@given(WISHES, HOSTS, st.data())
def test_a_plan_gives_what_is_wished_and_leaves_what_is_somebody_elses(wish, standing, data):
    ours = data.draw(st.lists(st.sampled_from(standing or [None]), unique=True)) if standing else []
    # Somebody may have changed what is ours.
    claims = {str(replace(each, length=each.length // 2)): Claim() for each in ours if each}
    try:
        todo = plan(wish, standing, INTERFACES, claims)
    except InvalidInput:
        return
    now = carried_out(todo, standing)
    theirs = [each for each in standing if each not in ours]
    assert [each for each in now if each in theirs] == theirs
    assert all(
        any(each.address == address for each in now)
        for address in wish.addresses
        if not wish.absent
    )
    mine = {parse(name) for name in todo.claims}
    assert mine == {each for each in now if each not in theirs}
    if wish.exclusive and not wish.absent:
        assert all(each.address in wish.addresses for each in mine)
    again = plan(wish, now, INTERFACES, todo.claims)
    assert not again
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
