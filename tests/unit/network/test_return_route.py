# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import subprocess

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.host.manifest import Claim
from ansible_collections.lvs.cluster.plugins.module_utils.network.model import (
    MAIN,
    NextHop,
    Route,
    Rule,
    parse,
)
from ansible_collections.lvs.cluster.plugins.module_utils.network.return_route import (
    Request,
    Routing,
    check_session,
    moved,
    other_gateways,
    plan,
    script_body,
    waiting,
)

GATEWAY = NextHop("192.168.0.104", "eth1")
OFFICE = ipaddress.ip_network("10.20.0.0/16")
POLICY = Request({"ipv4": GATEWAY}, {"ipv4": "192.168.0.7"}, (OFFICE,))
DEFAULT = POLICY._replace(mode="default")
OLD = Route("ipv4", "192.168.0.1", "eth1", protocol=3)
BESIDE = Route("ipv4", "192.168.0.1", "eth1", metric=100, protocol=16)
SEGMENT = (Route("ipv4", "", "eth1", destination="192.168.0.0/24"),)


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
    return host._replace(routes=tuple(routes), rules=tuple(rules))


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
    todo = plan(POLICY, Routing((OLD,)), {})
    assert [str(each) for each in todo.added] == [
        "-4 route default via 192.168.0.104 dev eth1 table 1704 metric 0 proto 70",
        "-4 rule priority 17040 from all to 10.20.0.0/16 lookup 254 protocol 70",
        "-4 rule priority 17041 from 192.168.0.7 lookup 254 suppress_prefixlength 0 protocol 70",
        "-4 rule priority 17042 from 192.168.0.7 lookup 1704 protocol 70",
    ]
    assert (todo.removed, todo.replaced) == ((), ())


@pytest.mark.parametrize("desired", [POLICY, DEFAULT], ids=["policy", "default"])
@pytest.mark.parametrize("routes", [(), (OLD,), (BESIDE,), (OLD, BESIDE)])
def test_it_comes_stays_and_gives_everything_back(desired, routes):
    found = Routing(routes, (Rule("ipv4", 32766, MAIN),), SEGMENT)
    todo = plan(desired, found, {})
    assert todo
    then = carried_out(found, todo)
    assert not plan(desired, then, todo.claims)
    back = plan(Request(), then, todo.claims)
    assert back.claims == {}
    after = carried_out(then, back)
    assert (set(after.routes), after.rules) == (set(found.routes), found.rules)


def test_the_default_route_gives_way_and_what_is_kept_goes_as_before():
    todo = plan(DEFAULT, Routing((OLD,)), {})
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
    todo = plan(DEFAULT, Routing((BESIDE,)), {})
    assert todo.replaced == ()
    assert todo.added[-1].metric == 0


def test_one_that_leads_there_already_is_left_alone():
    right = OLD._replace(gateway=GATEWAY.gateway)
    todo = plan(DEFAULT, Routing((right,)), {})
    assert (bool(todo), todo.claims) == (False, {})


@pytest.mark.parametrize("first", [POLICY, DEFAULT], ids=["policy", "default"])
@pytest.mark.parametrize("second", [POLICY, DEFAULT], ids=["policy", "default"])
def test_from_one_way_to_another(first, second):
    elsewhere = second._replace(gateways={"ipv4": NextHop("192.168.0.105", "eth1")}, keep=())
    found = Routing((OLD,))
    one = plan(first, found, {})
    then = carried_out(found, one)
    two = plan(elsewhere, then, one.claims)
    later = carried_out(then, two)
    assert not plan(elsewhere, later, two.claims)
    back = carried_out(later, plan(Request(), later, two.claims))
    assert (set(back.routes), back.rules) == ({OLD}, ())


def test_what_the_timer_does():
    todo = plan(DEFAULT, Routing((OLD,)), {})
    assert todo.undoing() == [
        "ip -4 rule del priority 17041 from all to 10.20.0.0/16 lookup 1704 protocol 70",
        "ip -4 rule del priority 17040 from all to 10.20.0.0/16 lookup 254 suppress_prefixlength 0 "
        "protocol 70",
        "ip -4 route del default via 192.168.0.1 dev eth1 table 1704 metric 0 proto 70",
        "ip -4 route replace default via 192.168.0.1 dev eth1 table 254 metric 0 proto 3",
    ]


def test_what_the_timer_does_where_the_old_default_route_came_back():
    host = Routing((OLD,))
    todo = plan(DEFAULT, host, {})
    then = carried_out(host, todo)
    back = plan(Request(), then, todo.claims)
    assert back.restored == (OLD,)
    # Ours takes the place of the restored one; what has no place of its own is added.
    assert [" ".join(line.split()[:5]) for line in back.undoing()] == [
        "ip -4 route add default",
        "ip -4 rule add priority",
        "ip -4 rule add priority",
        "ip -4 route replace default",
    ]


def test_networks_that_are_kept_and_led_through():
    other_family = ipaddress.ip_network("fd00::/64")
    for through in (
        OFFICE,
        ipaddress.ip_network("10.0.0.0/8"),
        ipaddress.ip_network("10.20.1.0/24"),
    ):
        desired = POLICY._replace(keep=(other_family, OFFICE), through=(through,))
        with pytest.raises(InvalidInput, match=r"overlaps 10\.20\.0\.0/16 in keep"):
            plan(desired, Routing((OLD,)), {})
    beside = ipaddress.ip_network("10.21.0.0/16")
    assert plan(
        POLICY._replace(keep=(other_family, OFFICE), through=(beside,)), Routing((OLD,)), {}
    )
    with pytest.raises(InvalidInput, match="cannot be combined with mode default"):
        plan(DEFAULT._replace(through=(beside,)), Routing((OLD,)), {})


def test_a_session_that_is_not_known_is_not_cut_off():
    todo = plan(POLICY, Routing((OLD,)), {})
    given = POLICY, Routing((OLD,)), todo
    check_session(*given, None, NOW)
    check_session(*given, (PEER, OWN), None)
    with pytest.raises(InvalidInput, match="would reroute the replies to the control node"):
        check_session(*given, (PEER, OWN), NOW)


def test_a_default_route_over_several_ways_is_left_alone():
    several = Routing((Route("ipv4", "", "", protocol=3),))
    with pytest.raises(
        InvalidInput, match="mode='default': would replace a multipath default route"
    ):
        plan(DEFAULT, several, {})
    assert plan(POLICY, several, {})


def test_a_table_of_somebody_else():
    theirs = Route("ipv4", "192.168.0.9", "eth1", 1704)
    with pytest.raises(InvalidInput, match="table=1704: already contains another route"):
        plan(POLICY, Routing((theirs,)), {})
    # An earlier run of ours, whose gateway was another one.
    assert plan(POLICY, Routing((theirs,)), {str(theirs): Claim()})


NOW = NextHop("192.168.0.1", "eth1")
PEER, OWN = "203.0.113.5", "192.168.0.7"


@pytest.mark.parametrize(
    ("desired", "peer", "local", "specific", "moves"),
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
def test_whether_the_way_to_the_controller_moves(desired, peer, local, specific, moves):
    host = Routing((OLD,), (), specific)
    todo = plan(desired, host, {})
    assert moved(desired, host, todo, peer, local, NOW) == (GATEWAY if moves else None)
    assert moved(desired, host, todo, peer, local, GATEWAY) is None, "it goes there already"


def test_a_network_that_is_led_through_comes_before_the_ways_of_the_host():
    clients = ipaddress.ip_network("10.0.0.0/24")
    todo = plan(POLICY._replace(through=(clients,)), Routing((OLD,)), {})
    assert "-4 rule priority 17040 from 192.168.0.7 to 10.0.0.0/24 lookup 1704 protocol 70" in [
        str(each) for each in todo.added
    ]
    host = Routing((OLD,), specific=(Route("ipv4", "", "eth2", destination="10.0.0.0/24"),))
    ways = NextHop("", "eth2"), GATEWAY
    given = ("10.0.0.2", "192.168.0.7", ways[0])
    assert moved(POLICY._replace(through=(clients,)), host, todo, *given) == ways[1]
    assert moved(POLICY, host, todo, *given) is None


@pytest.mark.parametrize("desired", [POLICY, DEFAULT], ids=["policy", "default"])
def test_what_another_owner_claims_too_is_left_to_it(desired):
    """Also where ours has replaced a route: it comes back with the last of the owners."""
    found = Routing((OLD,))
    todo = plan(desired, found, {})
    then = carried_out(found, todo)
    given_up = plan(
        Request(), then, todo.claims, shared={name: {"b": Claim()} for name in todo.claims}
    )
    assert (bool(given_up), given_up.claims) == (False, {})


def of_owner(claims, owner="one"):
    """Claims of another owner, as the engine hands them over."""
    return {name: {owner: claim} for name, claim in claims.items()}


@pytest.mark.parametrize("routes", [(), (OLD,), (BESIDE,), (OLD, BESIDE)])
@pytest.mark.parametrize("keep", [(OFFICE,), ()])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_owners_share_a_default_route_and_the_last_restores_what_was_found(routes, keep, order):
    """Also where only one of them keeps a network as it was."""
    found = Routing(routes, (Rule("ipv4", 32766, MAIN),), SEGMENT)
    requests = DEFAULT, DEFAULT._replace(keep=keep)
    claims = [{}, {}]
    host = found
    for number, desired in enumerate(requests):
        todo = plan(desired, host, {}, shared=of_owner(claims[1 - number]))
        host, claims[number] = carried_out(host, todo), todo.claims
        assert {str(each) for each in (*host.routes, *host.rules)} >= set(todo.claims)
    assert not todo, "the second has nothing to change"
    assert str(OURS) in claims[1]
    for number, desired in enumerate(requests):
        assert not plan(desired, host, claims[number], shared=of_owner(claims[1 - number]))
    for number in order:
        assert OURS in host.routes
        todo = plan(Request(), host, claims[number], shared=of_owner(claims[1 - number]))
        host, claims[number] = carried_out(host, todo), todo.claims
    assert (set(host.routes), host.rules) == (set(found.routes), found.rules)


OURS = Route("ipv4", GATEWAY.gateway, GATEWAY.interface, MAIN, 0)


def test_what_another_owner_shares_and_somebody_has_removed_comes_back():
    first = plan(DEFAULT, Routing((OLD,)), {})
    todo = plan(DEFAULT, Routing((OLD,)), {}, shared=of_owner(first.claims))
    assert todo.added == first.added
    assert todo.claims == first.claims


def test_two_default_routes_to_different_gateways_are_refused():
    host = Routing((OLD,))
    first = plan(DEFAULT, host, {})
    host = carried_out(host, first)
    other = DEFAULT._replace(gateways={"ipv4": NextHop("192.168.0.105", "eth1")})
    words = (
        r"gateway='192\.168\.0\.105': cannot become the default route of this host for the owner cluster-two: for the "
        r"owner cluster-one it leads to 192\.168\.0\.104; give both the same gateway"
    )
    with pytest.raises(InvalidInput, match=words):
        plan(other, host, {}, shared=of_owner(first.claims, "cluster-one"), owner="cluster-two")
    # By policy, it goes only for what comes from its own addresses.
    policy = other._replace(mode="policy", table=1705)
    assert plan(policy, host, {}, shared=of_owner(first.claims, "cluster-one"))


def test_another_owners_table_is_named():
    theirs = Route("ipv4", "192.168.0.9", "eth1", 1704)
    with pytest.raises(InvalidInput, match=r"metric 0 proto 70\) \(of the owner cluster-b\); name"):
        plan(POLICY, Routing((theirs,)), {}, shared={str(theirs): {"cluster-b": Claim()}})


def test_what_only_grows_keeps_and_names_the_rest():
    found = Routing((OLD,))
    todo = plan(POLICY, found, {})
    then = carried_out(found, todo)
    kept = plan(Request(), then, todo.claims, prune=False)
    assert (bool(kept), kept.claims) == (False, todo.claims)
    assert set(kept.surplus) == set(todo.claims)


@pytest.mark.parametrize("before", [POLICY, DEFAULT])
def test_a_route_keeps_its_gateway_until_the_new_one_responds(before):
    first = plan(before, Routing((OLD, *SEGMENT)), {})
    there = carried_out(Routing((OLD, *SEGMENT)), first)
    assert other_gateways(before, there, first.claims) == {}
    way = NextHop("192.168.0.1", "eth1")
    floating = before._replace(gateways={"ipv4": way}, keep=())
    assert other_gateways(floating, there, first.claims) == {"ipv4": way}
    assert waiting(floating, there, first.claims, []) == (floating, ())
    patient, kept = waiting(floating, there, first.claims, ["ipv4"])
    assert patient.gateways == {"ipv4": GATEWAY}
    # Everything else is as requested.
    assert patient.keep == ()
    todo = plan(patient, there, first.claims, prune=False)
    assert not [each for each in todo.added if isinstance(each, Route)]
    assert len(kept) == 1
    assert "192.168.0.104" in kept[0]
    assert kept[0] in todo.claims
    # A host without a return route gets one at once.
    assert waiting(floating, Routing(), {}, ["ipv4"]) == (floating, ())
    # A route of another program does not count.
    assert other_gateways(floating, there, {}) == {}


def test_scripts_wait_as_long_as_they_are_told(tmp_path):
    """A gateway that never comes: the script says so, after as many tries as the environment allows."""
    ip = tmp_path / "ip"
    ip.write_text('#!/bin/sh\n[ "$2 $3" = "route get" ] && echo asked >&2 || true\n')
    ip.chmod(0o755)
    route = Route("ipv4", "192.168.0.104", "eth1", 1704)
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "LVS_PATIENCE": "2"}
    done = subprocess.run(
        ["sh", "-c", script_body({str(route): Claim()})],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert (done.returncode, "no route to 192.168.0.104" in done.stderr) == (1, True)
