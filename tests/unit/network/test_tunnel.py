# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans of tunnels, carried out on a kernel that is but a few dictionaries."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.network.tunnel import (
    GUE,
    TYPES,
    Device,
    Host,
    Request,
    Tunnel,
    parse,
    plan,
    tunnel,
)

OPTIONS = (
    {"type": "ipip"},
    {"type": "ipip", "device": "lvs-ipip", "local": "192.0.2.1"},
    {"type": "ipip", "device": "lvs-ipip", "local": "192.0.2.2"},
    {"type": "sit", "device": "lvs-sit", "local": "192.0.2.1"},
    {"type": "ip6tnl"},
    {"type": "ip6tnl", "device": "lvs-ip6tnl", "local": "2001:DB8::1"},
    {"type": "gre"},
    {"type": "gue", "port": 6080},
    {"type": "gue", "port": 6080, "family": "ipv6"},
    {"type": "gue", "port": 6081},
)
TUNNELS = [tunnel(each) for each in OPTIONS]


def carried_out(todo, host):
    """As the kernel would; it fails where the kernel would refuse."""
    devices, ports, modules = dict(host.devices), dict(host.ports), set(host.modules)
    for verb, words in todo.operations:
        if verb == "load":
            name = words.split()[1]
            modules.add(name)
            for kind, its in TYPES.items():
                if its.module == name:
                    devices[its.fallback] = Device(kind)
            continue
        if verb == "unload":
            name = words.split()[1]
            kinds = [kind for kind, its in TYPES.items() if its.module == name]
            modules.remove(name)
            for device in [device for device in devices if devices[device].type in kinds]:
                assert devices.pop(device) == Device(*kinds)
            continue
        each = parse(words)
        assert set(each.modules) <= modules
        if each.type == GUE:
            assert (each.place in ports) == (verb == "delete")
            ports.pop(each.place) if verb == "delete" else ports.update({each.place: True})
        elif verb == "add":
            assert each.device not in devices
            devices[each.device] = Device(each.type, each.local)
        elif verb == "delete":
            del devices[each.device]
        else:
            devices[each.device] = Device(each.type, each.local, verb == "up", verb == "up")
    return Host(devices, ports, frozenset(modules))


def stands(each, host):
    if each.type == GUE:
        return host.ports.get(each.place) is True
    return host.devices.get(each.device) == Device(each.type, each.local, True, True)


WANTED = st.lists(st.sampled_from(TUNNELS), unique_by=lambda each: each.place).map(tuple)
WISHES = st.builds(Request, WANTED, st.booleans(), st.booleans())


@given(st.lists(WISHES, max_size=5), st.booleans())
def test_whatever_is_asked_for_one_after_another(wishes, loaded_before):
    before = Host({"eth1": Device(is_up=True)}, {}, frozenset())
    if loaded_before:
        before = Host(
            {
                **before.devices,
                "tunl0": Device("ipip"),
                "theirs": Device("ipip", "192.0.2.9", True),
            },
            {"port 7000 family ipv4": False},
            frozenset({"ipip", "fou"}),
        )
    host, claims = before, {}
    for wish in wishes:
        todo = plan(wish, host, claims)
        host, claims = carried_out(todo, host), todo.claims
        assert all(stands(each, host) for each in wish.tunnels if not wish.absent)
        if wish.exclusive and not wish.absent:
            assert {name for name in claims if not name.startswith("module")} <= set(
                map(str, wish.tunnels)
            )
            assert todo.surplus == ()
        assert not plan(wish, host, claims)
    todo = plan(Request(absent=True), host, claims)
    assert carried_out(todo, host) == before
    assert todo.claims == {}


def test_of_several_only_those_that_are_named_go():
    one, two = TUNNELS[1], TUNNELS[3]
    todo = plan(Request((one, two)), Host({}, {}, frozenset()), {})
    host = carried_out(todo, Host({}, {}, frozenset()))
    less = plan(Request((one,), absent=True), host, todo.claims)
    assert {name for name in less.claims if not name.startswith("module")} == {str(two)}


@pytest.mark.parametrize("each", TUNNELS)
def test_words_are_read_back(each):
    assert parse(str(each)) == each


def test_what_is_up_already_is_not_ours():
    host = Host(
        {"tunl0": Device("ipip", "", True, True)}, {"port 6080 family ipv4": True}, {"ipip", "fou"}
    )
    todo = plan(Request((TUNNELS[0], Tunnel(GUE, port=6080))), host, {})
    assert (todo.operations, todo.claims) == ((), {})


@pytest.mark.parametrize(
    ("host", "each"),
    [
        (Host({"lvs-ipip": Device("ipip", "192.0.2.9", True)}), TUNNELS[1]),
        (Host({"lvs-ipip": Device("", "", True)}), TUNNELS[1]),
        (Host({}, {"port 6080 family ipv4": False}), Tunnel(GUE, port=6080)),
    ],
)
def test_somebody_elses(host, each):
    with pytest.raises(InvalidInput, match=r"exists already, with another type or address"):
        plan(Request((each,)), host, {})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"type": "gue"}, "port=0: is not a UDP port"),
        ({"type": "gue", "port": 70000}, "port=70000: is not a UDP port"),
        ({"type": "gue", "port": 1, "device": "x"}, "device='x': cannot be combined with gue"),
        ({"type": "gre", "port": 1}, "port=1: cannot be combined with gre"),
        ({"type": "ipip", "device": "a/b"}, "device='a/b': is not a device name"),
        ({"type": "ipip", "device": "lvs"}, "local='': is missing, and only tunl0 needs none"),
        ({"type": "ipip", "local": "192.0.2.1"}, "receives packets to any address"),
        (
            {"type": "sit", "device": "x", "local": "fd00::1"},
            "is not an IPv4 address, which sit needs",
        ),
        ({"type": "ip6tnl", "device": "x", "local": "here"}, "local='here': is not an IP address"),
    ],
)
def test_refused(given, words):
    with pytest.raises(InvalidInput, match=re.escape(words)):
        tunnel(given)


def test_one_place_twice():
    with pytest.raises(InvalidInput, match="lvs-ipip': is listed twice"):
        plan(Request(tuple(TUNNELS[1:3])), Host(), {})


def test_what_another_owner_needs_stays_until_the_last_gives_it_up():
    own, other = TUNNELS[1], TUNNELS[0]
    first = plan(Request((own,)), Host(), {})
    host = carried_out(first, Host())
    second = plan(Request((own,)), host, {}, {name: ["a"] for name in first.claims})
    assert (second.operations, second.claims) == ((), first.claims)
    gone = plan(Request(absent=True), host, first.claims, {name: ["b"] for name in second.claims})
    assert (gone.operations, gone.claims) == ((), {})
    last = plan(Request(absent=True), host, second.claims)
    assert carried_out(last, host) == Host({}, {}, frozenset())
    # Without the kernel module the other's device would go as well, whoever has loaded it.
    needing = plan(Request(absent=True), host, first.claims, {str(other): ["b"]})
    assert (needing.operations, needing.claims) == ((("delete", str(own)),), {})


def test_another_owners_device_is_named():
    host = Host({"lvs-ipip": Device("ipip", "192.0.2.2", True, True)}, {}, {"ipip"})
    shared = {str(TUNNELS[2]): ["cluster-b"], "module ipip": ["cluster-b"]}
    with pytest.raises(InvalidInput, match=r"exists already \(of the owner cluster-b\), with anot"):
        plan(Request((TUNNELS[1],)), host, {}, shared)


@pytest.mark.parametrize("was_up", [True, False])
def test_a_device_that_somebody_else_has_made_is_never_deleted(was_up):
    host = Host({"lvs-ipip": Device("ipip", "192.0.2.1", was_up)}, {}, {"ipip"})
    todo = plan(Request((TUNNELS[1],)), host, {})
    assert todo.operations == (("up", str(TUNNELS[1])),)
    back = plan(Request(absent=True), carried_out(todo, host), todo.claims)
    assert back.operations == (() if was_up else (("down", str(TUNNELS[1])),))
    with pytest.raises(InvalidInput, match="exists already, with another type or address"):
        plan(Request((TUNNELS[2],)), carried_out(todo, host), todo.claims)


def test_a_device_of_ours_that_was_replaced_is_deleted_in_the_end():
    one = plan(Request((TUNNELS[1],)), Host(), {})
    host = carried_out(one, Host())
    two = plan(Request((TUNNELS[2],)), host, one.claims)
    host = carried_out(two, host)
    gone = carried_out(plan(Request(absent=True), host, two.claims), host)
    assert gone == Host({}, {}, frozenset())


def test_strict_filtering_is_lifted_on_a_device_of_its_own_only():
    filtered = Device("ipip", "192.0.2.1", True, True, True)
    host = Host({"lvs-ipip": filtered}, {}, {"ipip"})
    assert plan(Request((TUNNELS[1],)), host, {}).operations == (("up", str(TUNNELS[1])),)
    fallback = Host({"tunl0": filtered._replace(local="")}, {}, {"ipip"})
    assert plan(Request((TUNNELS[0],)), fallback, {}).operations == ()
