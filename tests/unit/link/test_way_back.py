# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.link.model import (
    MAIN,
    Route,
    Rule,
    Way,
    parse,
)
from ansible_collections.lvs.cluster.plugins.module_utils.link.way_back import (
    Host,
    Wish,
    moved,
    plan,
)
from ansible_collections.lvs.cluster.plugins.module_utils.manifest import Claim

GATEWAY = Way("192.168.0.104", "eth1")
OFFICE = ipaddress.ip_network("10.20.0.0/16")
POLICY = Wish({"ipv4": GATEWAY}, {"ipv4": "192.168.0.7"}, (OFFICE,))
DEFAULT = replace(POLICY, mode="default")
OLD = Route("ipv4", "192.168.0.1", "eth1", protocol=3)
BESIDE = Route("ipv4", "192.168.0.1", "eth1", metric=100, protocol=16)
SEGMENT = (ipaddress.ip_network("192.168.0.0/24"),)


def carried_out(host, todo):
    """What is there afterwards."""
    replaced = {route.place for route in (*todo.replaced,)}
    routes = [route for route in host.routes if route.place not in replaced]
    rules = list(host.rules)
    for each in todo.added:
        (routes if isinstance(each, Route) else rules).append(each)
    for each in todo.removed:
        (routes if isinstance(each, Route) else rules).remove(each)
    routes += todo.restored
    assert len({route.place for route in routes}) == len(routes), "two routes in one place"
    return replace(host, routes=tuple(routes), rules=tuple(rules))


@pytest.mark.parametrize(
    "each",
    [
        OLD,
        Route("ipv6", "fd00::1", "eth1", 1704, 1, source="fd00::7"),
        Route("ipv4", "", "ppp0", onlink=True),
        Rule("ipv4", 17041, MAIN, source="192.168.0.7", no_default=True),
        Rule("ipv6", 17040, MAIN, destination="2001:db8::/32"),
    ],
)
def test_words_and_back(each):
    assert parse(str(each)) == each


def test_commands():
    assert OLD.command("replace") == (
        "ip -4 route replace default via 192.168.0.1 dev eth1 table 254 metric 0 proto 3"
    )
    rule = Rule("ipv4", 17041, MAIN, source="192.168.0.7", no_default=True)
    assert rule.command("add") == (
        "ip -4 rule add priority 17041 from 192.168.0.7 lookup 254 suppress_prefixlength 0 protocol 70"
    )


def test_by_policy():
    todo = plan(POLICY, Host((OLD,)), {})
    assert [str(each) for each in todo.added] == [
        "-4 route default via 192.168.0.104 dev eth1 table 1704 metric 0 proto 70",
        "-4 rule priority 17040 from all to 10.20.0.0/16 lookup 254 protocol 70",
        "-4 rule priority 17041 from 192.168.0.7 lookup 254 suppress_prefixlength 0 protocol 70",
        "-4 rule priority 17042 from 192.168.0.7 lookup 1704 protocol 70",
    ]
    assert (todo.removed, todo.replaced) == ((), ())


@pytest.mark.parametrize("wish", [POLICY, DEFAULT], ids=["policy", "default"])
@pytest.mark.parametrize("routes", [(), (OLD,), (BESIDE,), (OLD, BESIDE)])
def test_it_comes_stays_and_gives_everything_back(wish, routes):
    found = Host(routes, (Rule("ipv4", 32766, MAIN),), SEGMENT)
    todo = plan(wish, found, {})
    assert todo
    then = carried_out(found, todo)
    assert not plan(wish, then, todo.claims)
    back = plan(Wish(), then, todo.claims)
    assert back.claims == {}
    after = carried_out(then, back)
    assert (set(after.routes), after.rules) == (set(found.routes), found.rules)


def test_the_default_route_gives_way_and_what_is_kept_goes_as_before():
    todo = plan(DEFAULT, Host((OLD,)), {})
    assert todo.replaced == (OLD,)
    assert [str(each) for each in todo.added] == [
        "-4 route default via 192.168.0.1 dev eth1 table 1704 metric 0 proto 70",
        "-4 rule priority 17040 from all to 10.20.0.0/16 lookup 254 suppress_prefixlength 0 protocol 70",
        "-4 rule priority 17041 from all to 10.20.0.0/16 lookup 1704 protocol 70",
        "-4 route default via 192.168.0.104 dev eth1 table 254 metric 0 proto 70",
    ]
    claim = todo.claims["-4 route default via 192.168.0.104 dev eth1 table 254 metric 0 proto 70"]
    assert claim.found == {"replaced": str(OLD)}


def test_a_default_route_with_a_larger_metric_stays_beside_ours():
    todo = plan(DEFAULT, Host((BESIDE,)), {})
    assert todo.replaced == ()
    assert todo.added[-1].metric == 0


def test_one_that_leads_there_already_is_left_alone():
    right = replace(OLD, gateway=GATEWAY.gateway)
    todo = plan(DEFAULT, Host((right,)), {})
    assert (bool(todo), todo.claims) == (False, {})


@pytest.mark.parametrize("first", [POLICY, DEFAULT], ids=["policy", "default"])
@pytest.mark.parametrize("second", [POLICY, DEFAULT], ids=["policy", "default"])
def test_from_one_way_to_another(first, second):
    elsewhere = replace(second, gateways={"ipv4": Way("192.168.0.105", "eth1")}, keep=())
    found = Host((OLD,))
    one = plan(first, found, {})
    then = carried_out(found, one)
    two = plan(elsewhere, then, one.claims)
    later = carried_out(then, two)
    assert not plan(elsewhere, later, two.claims)
    back = carried_out(later, plan(Wish(), later, two.claims))
    assert (set(back.routes), back.rules) == ({OLD}, ())


def test_what_the_timer_does():
    todo = plan(DEFAULT, Host((OLD,)), {})
    assert todo.undoing() == [
        "ip -4 rule del priority 17041 from all to 10.20.0.0/16 lookup 1704 protocol 70",
        "ip -4 rule del priority 17040 from all to 10.20.0.0/16 lookup 254 suppress_prefixlength 0 "
        "protocol 70",
        "ip -4 route del default via 192.168.0.1 dev eth1 table 1704 metric 0 proto 70",
        "ip -4 route replace default via 192.168.0.1 dev eth1 table 254 metric 0 proto 3",
    ]


def test_a_default_route_over_several_ways_is_left_alone():
    several = Host((Route("ipv4", "", "", protocol=3),))
    with pytest.raises(
        InvalidInput, match="mode='default': would replace a default route over several"
    ):
        plan(DEFAULT, several, {})
    assert plan(POLICY, several, {})


def test_a_table_of_somebody_else():
    theirs = Route("ipv4", "192.168.0.9", "eth1", 1704)
    with pytest.raises(InvalidInput, match="table=1704: holds a route of somebody else"):
        plan(POLICY, Host((theirs,)), {})
    # An earlier run of ours, whose gateway was another one.
    assert plan(POLICY, Host((theirs,)), {str(theirs): Claim()})


NOW = Way("192.168.0.1", "eth1")
PEER, OWN = "203.0.113.5", "192.168.0.7"


@pytest.mark.parametrize(
    ("wish", "peer", "local", "specific", "moves"),
    [
        (POLICY, PEER, OWN, (), True),
        (POLICY, PEER, "192.168.77.7", (), False),
        (POLICY, "10.20.3.4", OWN, (), False),
        (POLICY, "192.168.0.200", OWN, SEGMENT, False),
        (POLICY, "2001:db8::5", "2001:db8::7", (), False),
        (DEFAULT, PEER, OWN, (), True),
        (DEFAULT, PEER, "192.168.77.7", (), True),
        (DEFAULT, "10.20.3.4", OWN, (), False),
        (DEFAULT, "192.168.0.200", OWN, SEGMENT, False),
    ],
)
def test_whether_the_way_to_the_controller_moves(wish, peer, local, specific, moves):
    host = Host((OLD,), (), specific)
    todo = plan(wish, host, {})
    assert moved(wish, host, todo, peer, local, NOW) == (GATEWAY if moves else None)
    assert moved(wish, host, todo, peer, local, GATEWAY) is None, "it goes there already"


def test_a_network_that_is_led_through_comes_before_the_ways_of_the_host():
    clients = ipaddress.ip_network("10.0.0.0/24")
    todo = plan(replace(POLICY, through=(clients,)), Host((OLD,)), {})
    assert "-4 rule priority 17040 from 192.168.0.7 to 10.0.0.0/24 lookup 1704 protocol 70" in [
        str(each) for each in todo.added
    ]
    host = Host((OLD,), specific=(clients,))
    ways = Way("", "eth2"), GATEWAY
    given = ("10.0.0.2", "192.168.0.7", ways[0])
    assert moved(replace(POLICY, through=(clients,)), host, todo, *given) == ways[1]
    assert moved(POLICY, host, todo, *given) is None
