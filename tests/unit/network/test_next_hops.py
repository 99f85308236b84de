# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.host.manifest import Claim
from ansible_collections.lvs.cluster.plugins.module_utils.network.model import NextHop, Route, parse
from ansible_collections.lvs.cluster.plugins.module_utils.network.next_hops import (
    Host,
    plan,
    script_body,
)

ONE, TWO, SIX = "192.168.0.7", "192.168.0.8", "fd00::7"
LINKS = (
    Route("ipv4", "", "eth1", protocol=2, destination="192.168.0.0/24"),
    Route("ipv6", "", "eth1", metric=256, protocol=2, destination="fd00::/64"),
)
WAYS = {each: NextHop("", "eth1") for each in (ONE, TWO, SIX)}
BARE = Host(WAYS, LINKS)
TO_ONE = Route("ipv4", ONE, "eth1", onlink=True, destination=ONE)
TO_SIX = Route("ipv6", SIX, "eth1", metric=1024, onlink=True, destination=SIX)


def after(host, todo):
    """The host once a plan is carried out: a route takes the place of one that is in its place."""
    places = {route.place for route in todo.added}
    stay = [each for each in host.routes if each.place not in places and each not in todo.removed]
    routes = (*stay, *todo.added)
    ways = dict(host.ways)
    for route in todo.added:
        ways[route.destination] = NextHop(route.gateway, route.interface)
    for route in todo.removed:
        ways[route.destination] = NextHop("", route.interface)
    return Host(ways, routes)


def test_each_real_server_is_its_own_next_hop():
    todo = plan([ONE, SIX, ONE], BARE, {})
    assert todo.added == (TO_ONE, TO_SIX)
    assert (
        list(todo.claims)
        == list(map(str, todo.added))
        == [
            "-4 route 192.168.0.7 via 192.168.0.7 dev eth1 table 254 metric 0 proto 70 onlink",
            "-6 route fd00::7 via fd00::7 dev eth1 table 254 metric 1024 proto 70 onlink",
        ]
    )
    assert (todo.removed, todo.replaced, todo.surplus) == ((), (), ())
    assert list(map(parse, todo.claims)) == list(todo.added)


@given(*[st.sets(st.sampled_from([ONE, TWO, SIX]))] * 2)
def test_from_any_real_servers_to_any_others(first, then):
    todo = plan(sorted(first), BARE, {})
    host = after(BARE, todo)
    again = plan(sorted(first), host, todo.claims)
    assert (again.added, again.removed, again.claims) == ((), (), todo.claims)
    kept = plan(sorted(then), host, todo.claims, prune=False)
    assert {each.destination for each in kept.surplus} == first - then
    assert set(kept.claims) >= set(todo.claims)
    assert kept.removed == ()
    moved = plan(sorted(then), host, todo.claims)
    assert {each.destination for each in moved.added} == then - first
    assert {each.destination for each in moved.removed} == first - then
    gone = plan([], after(host, moved), moved.claims)
    assert set(after(after(host, moved), gone).routes) == set(LINKS)
    assert gone.claims == {}


@pytest.mark.parametrize("way", [NextHop("192.168.0.1", "eth1"), None])
def test_real_servers_on_no_segment_of_the_director(way):
    host = Host({ONE: NextHop("", "eth1"), "192.168.9.7": way}, LINKS)
    with pytest.raises(
        InvalidInput, match=r"segment of the director, and 192\.168\.9\.7 is reached"
    ):
        plan([ONE, "192.168.9.7"], host, {})
    with pytest.raises(InvalidInput, match=r"192\.168\.7\.7 is reached"):
        plan(["192.168.7.7"], host, {})


@pytest.mark.parametrize(
    "theirs",
    [
        Route("ipv4", "", "eth1", protocol=3, destination=ONE),
        Route("ipv4", ONE, "eth1", protocol=3, onlink=True, destination=ONE),
    ],
)
def test_what_others_have_set_up_for_a_real_server_stays(theirs):
    host = Host({ONE: NextHop(theirs.gateway, "eth1")}, (*LINKS, theirs))
    todo = plan([ONE], host, {})
    assert (todo.added, todo.claims) == ((), {})
    # One that counts less is not in the way.
    less = Host(host.ways, (*LINKS, theirs._replace(metric=50)))
    assert plan([ONE], less, {}).added == (TO_ONE,)


def test_a_segment_that_has_moved_takes_the_route_along():
    claims = plan([ONE], BARE, {}).claims
    moved = LINKS[0]._replace(interface="eth2")
    # Our own route still leads to where the segment was.
    host = Host({ONE: NextHop(ONE, "eth1")}, (moved, TO_ONE))
    todo = plan([ONE], host, claims)
    assert todo.added == (TO_ONE._replace(interface="eth2"),)
    assert (todo.replaced, todo.removed) == ((TO_ONE,), ())
    assert list(todo.claims) == [str(todo.added[0])]
    # The most specific of others' routes counts, and of alike ones that with the smaller metric.
    beside = LINKS[0]._replace(interface="eth3", metric=100)
    wider = LINKS[0]._replace(interface="eth4", destination="192.168.0.0/16")
    assert plan([ONE], Host(host.ways, (wider, beside, moved, TO_ONE)), claims).added == todo.added
    for routes in ((TO_ONE,), (moved._replace(gateway="192.168.5.1"), TO_ONE)):
        with pytest.raises(InvalidInput, match="reached through a router"):
            plan([ONE], Host(host.ways, routes), claims)


def test_what_another_owner_claims_too_is_left_to_it():
    claims = plan([ONE], BARE, {}).claims
    host = Host({ONE: NextHop(ONE, "eth1")}, (*LINKS, TO_ONE))
    given_up = plan([], host, claims, shared=[str(TO_ONE)])
    assert (given_up.removed, given_up.claims) == ((), {})
    # And a second owner claims what is there.
    both = plan([ONE], host, {}, shared=[str(TO_ONE)])
    assert (both.added, list(both.claims)) == ((), [str(TO_ONE)])


def test_the_script_for_boot(tmp_path):
    assert script_body({}) is None
    text = script_body({str(TO_SIX): Claim(), str(TO_ONE): Claim()})
    assert (
        subprocess.run([shutil.which("sh"), "-n"], input=text, text=True, check=False).returncode
        == 0
    )
    ip = tmp_path / "ip"
    ip.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n[ "$1" = -4 ]\n')
    ip.chmod(0o755)
    done = subprocess.run(
        [shutil.which("sh")],
        input=text,
        text=True,
        check=False,
        capture_output=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "LVS_PATIENCE": "1"},
    )
    # The interface of the second never comes.
    assert (done.returncode, done.stderr) == (1, "no route to fd00::7\n")
    to_one, *to_six = (tmp_path / "asked").read_text().splitlines()
    assert to_one.startswith("-4 route replace 192.168.0.7 via 192.168.0.7 dev eth1 ")
    assert [line.split()[:3] for line in to_six] == [
        ["-6", "route", "replace"],
        ["-6", "route", "get"],
        ["-6", "route", "replace"],
    ]
