# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Descriptions of directors that stand in for each other, and of health checks, in which something is wrong."""

from __future__ import annotations

import pytest

from tests.unit.controller.cluster.inventories import (
    DIRECTORS,
    KEEPALIVED,
    PAIR,
    REAL_SERVERS,
    VIP6,
    derived,
    of_pair,
    pair,
    server,
    service,
    services,
)

WEB = "lvs_virtual_services[web]"
OWN = "hostvars[second].keepalived_address"
SECRET = "se cret!"


def web(**changes):
    return services(service(**changes))


# What is wrong: (changes to the description, the directors, what the sentence must hold).
WRONG = {
    "no address of a family": (
        services(service(), service(name="six", address=VIP6, real_servers=[{"host": "rs1"}])),
        of_pair("second", keepalived_address=["198.51.100.2/24", "192.168.0.2/24"]),
        [f"{OWN}: has no IPv6 address", "198.51.100.2", "add an IPv6 address of second"],
    ),
    "no address at all": (
        web(),
        pair(keepalived_address=None, lvs_address=None),
        ["hostvars[second].lvs_address: has no IPv4 address", "add an IPv4 address of second"],
    ),
    "a shorter list of addresses": (
        web(),
        of_pair("second", keepalived_address=["198.51.100.2/24"]),
        [f"{OWN}: does not have as many addresses as that of director", "in the same order"],
    ),
    "addresses for VRRP on one director only": (
        {},
        of_pair("second", keepalived_address=None),
        [f"{OWN}: is not set, and that of director is"],
    ),
    "addresses for VRRP on the other director only": (
        {},
        of_pair("director", keepalived_address=None),
        ["hostvars[director].keepalived_address: is not set, and that of second is"],
    ),
    "lvs_address on different networks": (
        web(),
        {
            **PAIR,
            "hosts": {
                "director": {"lvs_address": "192.168.0.1/24"},
                "second": {"lvs_address": "192.168.1.2/24"},
            },
        },
        ["hostvars[second].lvs_address: is not on 192.168.0.0/24, as the address of director"],
    ),
    "addresses in another order of families": (
        {},
        of_pair("second", keepalived_address=["198.51.100.2/24", "fd00::2/64", "192.168.0.2/24"]),
        [f"{OWN}[1]: is IPv6, and the address of director at this position is IPv4"],
    ),
    "addresses in another order of networks": (
        {},
        of_pair("second", keepalived_address=["192.168.0.2/24", "198.51.100.2/24", "fd00::2/64"]),
        [f"{OWN}[0]: is not on 198.51.100.0/24", "192.168.0.2/24"],
    ),
    "an address that is none": (
        web(),
        pair(keepalived_address=["one"]),
        ["keepalived_address: is not an IP address", '"one"'],
    ),
    "a prefix length that is none": (
        web(),
        of_pair("second", keepalived_address=["198.51.100.2/99"]),
        ["keepalived_address: is not an address with the prefix length", "198.51.100.2/99"],
    ),
    "a link-local address": (
        web(),
        of_pair("second", keepalived_address=["169.254.0.2"]),
        [f"{OWN}: is a link-local address"],
    ),
    "one address twice": (
        web(),
        of_pair("second", keepalived_address=["198.51.100.2", "198.51.100.2"]),
        [f"{OWN}: is listed twice"],
    ),
    "the address of another host": (
        web(),
        of_pair("second", keepalived_address=["192.168.0.1"]),
        [f"{OWN}: is the address of director", "use an address of second"],
    ),
    "a virtual address that is a director's own": (
        web(address="198.51.100.2"),
        PAIR,
        [f"{WEB}.address: is an address of the director second itself, which VRRP can't move"],
    ),
    "a virtual address that is lvs_address": (
        web(address="192.168.0.1"),
        PAIR,
        [f"{WEB}.address: is an address of the director director itself"],
    ),
    "a gateway that stays": (
        {"lvs_inside_gateway": ["192.168.0.4", "fd00::fe"]},
        of_pair("second", keepalived_address=["198.51.100.2/24", "192.168.0.4/24", "fd00::2/64"]),
        ["lvs_inside_gateway: stays with second, whichever director is active", "192.168.0.4"],
    ),
    "a gateway that is lvs_address": (
        {**web(), "lvs_inside_gateway": "192.168.0.1"},
        {**PAIR, "hosts": {**PAIR["hosts"], "far": None}},
        ["lvs_inside_gateway: stays with director"],
    ),
    "a gateway that nothing moves": (
        web(),
        {
            **PAIR,
            "hosts": {
                "director": {
                    "lvs_address": "192.168.0.1/24",
                    "keepalived_address": "198.51.100.1/24",
                },
                "second": {
                    "lvs_address": "192.168.0.2/24",
                    "keepalived_address": "198.51.100.2/24",
                },
            },
        },
        [
            "lvs_inside_gateway: is on the network 192.168.0.0/24 of director, and no keepalived_address is",
            "192.168.0.254",
        ],
    ),
    "a gateway that may be anything": (
        web(),
        {
            **PAIR,
            "hosts": {
                "director": {"lvs_address": "192.168.0.1"},
                "second": {"lvs_address": "192.168.0.2"},
            },
        },
        [
            "lvs_inside_gateway: may be on the network of 192.168.0.1 of director",
            "such as 192.168.0.1/24",
        ],
    ),
    "a router id of 0": (
        {"keepalived_router_ids": [0, 1, 2]},
        PAIR,
        ["keepalived_router_ids: must be from 1 to 255, got 0"],
    ),
    "too few router ids": (
        {"keepalived_router_ids": 7},
        PAIR,
        ["keepalived_router_ids: must have as many numbers", "which is 3"],
    ),
    "a router id twice": (
        {"keepalived_router_ids": [7, 7, 8]},
        PAIR,
        ["keepalived_router_ids: is the id of the networks 1 and 2 of the cluster default, got 7"],
    ),
    "a priority too high": (
        {},
        of_pair("second", keepalived_priority=255),
        ["hostvars[second].keepalived_priority: must be from 1 to 254, got 255"],
    ),
    "a delay without preemption": (
        {},
        of_pair("second", keepalived_preempt_delay=60),
        ["hostvars[second].keepalived_preempt_delay: has no effect without keepalived_preempt"],
    ),
    "a delay too long": (
        {"keepalived_preempt": True, "keepalived_preempt_delay": 1001},
        PAIR,
        ["keepalived_preempt_delay: must be from 0 to 1000 seconds"],
    ),
    "a start too late": (
        {},
        pair(keepalived_startup_delay=-1),
        ["keepalived_startup_delay: must be from 0 to 600 seconds"],
    ),
    "a refresh that is none": (
        {"keepalived_garp_refresh": -1},
        PAIR,
        ["keepalived_garp_refresh: must be from 0 to 86400 seconds"],
    ),
    "an interval too long": (
        {"keepalived_advert_interval": 41},
        PAIR,
        ["keepalived_advert_interval: must be from 0.01 to 40.95 seconds"],
    ),
    "an interval too fine": (
        {"keepalived_advert_interval": 0.255},
        PAIR,
        ["keepalived_advert_interval: must be from 0.01 to 40.95 seconds, in hundredths"],
    ),
    "an interval with a password": (
        {**web(), "keepalived_password": "secret", "keepalived_advert_interval": 1.5},
        PAIR,
        ["keepalived_advert_interval: must be a whole number", "omit keepalived_password"],
    ),
    "a long password": (
        {**web(), "keepalived_password": "secret123"},
        PAIR,
        ["keepalived_password: must have 1 to 8 letters"],
    ),
    "a password with signs": (
        {**web(), "keepalived_password": SECRET},
        PAIR,
        ["keepalived_password: must have 1 to 8 letters"],
    ),
    "a password that is a list": (
        {**web(), "keepalived_password": [SECRET]},
        PAIR,
        ["keepalived_password: must be text"],
    ),
    "a password with IPv6": (
        {"keepalived_password": "secret"},
        PAIR,
        ["keepalived_password: can't protect IPv6"],
    ),
    "directors that disagree": (
        {},
        of_pair("second", keepalived_table="ours"),
        [
            "keepalived_table: differs between director and second, which are both directors",
            "group_vars of lvs_directors",
        ],
    ),
    "an unknown owner of the table": (
        {},
        pair(keepalived_table="our"),
        ["keepalived_table: unknown value", "Did you mean ours", "keepalived, ours"],
    ),
    "connections by IPv6 only": (
        services(service(address=VIP6, real_servers=[{"host": "rs1"}])),
        pair(keepalived_address=None),
        ["keepalived_sync: needs a network on which IPv4 addresses move", "set it to false"],
    ),
    "connections of mixed families": (
        services(
            service(),
            service(name="six", address=VIP6, forwarding="tun", real_servers=[{"host": "rs2"}]),
        ),
        PAIR,
        [
            "lvs_virtual_services[six].real_servers: is IPv4, and the service IPv6",
            "keepalived_sync to false",
        ],
    ),
    "no real servers": (
        web(real_servers=[]),
        PAIR,
        [f"{WEB}.real_servers: is empty, and keepalived does not accept a service without", "ours"],
    ),
    "no weight": (
        services(server(weight=0)),
        PAIR,
        [f"{WEB}.real_servers: all have the weight 0", "drain them"],
    ),
    "too little weight": (
        web(quorum=3, hysteresis=2, real_servers=[{"host": "rs1", "weight": 4}]),
        PAIR,
        [
            f"{WEB}.quorum: is too high: with hysteresis it is 5, but the weights of the service add up to 4"
        ],
    ),
    "a director as a real server": (
        {**services(server(host="second")), "lvs_inside_gateway": "192.168.0.254"},
        PAIR,
        [f"{WEB}.real_servers: is a director, and there are several"],
    ),
    "an unknown option of a health check": (
        web(health_check={"intervall": 5}),
        PAIR,
        [f"{WEB}.health_check.intervall: unknown option", "Did you mean interval"],
    ),
    "an unknown type of a health check": (
        web(health_check={"type": "htpp"}),
        PAIR,
        [f"{WEB}.health_check.type: unknown value", "Did you mean http"],
    ),
    "a health check that is a word": (
        web(health_check="http"),
        PAIR,
        [f"{WEB}.health_check: must be a dictionary"],
    ),
    "a number of a health check": (
        services(server(health_check={"interval": "often"})),
        PAIR,
        [f"{WEB}.real_servers[0].health_check.interval: must be a number"],
    ),
    "an unknown fate": (
        web(on_failure="inhibited"),
        PAIR,
        [f"{WEB}.on_failure: unknown value", "Did you mean inhibit"],
    ),
    "a sorry server that is none": (
        web(sorry_server={"port": 80}),
        PAIR,
        [f"{WEB}.sorry_server.host: is missing", "by host or by address"],
    ),
    "a sorry server of a group": (
        web(sorry_server={"group": "webservers"}),
        PAIR,
        [f"{WEB}.sorry_server.group: unknown option"],
    ),
    "a sorry server that does not exist": (
        web(sorry_server={"host": "rs11"}),
        PAIR,
        [f"{WEB}.sorry_server.host: is not a host of the inventory", "Did you mean rs1"],
    ),
    "a sorry server that is a real server": (
        web(sorry_server={"host": "rs1"}),
        PAIR,
        [f"{WEB}.sorry_server: is a real server of this service", "192.168.0.7:80"],
    ),
    "a sorry server with another port": (
        web(sorry_server={"host": "rs2", "port": 81, "forwarding": "dr"}),
        PAIR,
        [f"{WEB}.sorry_server.port: differs from the service's"],
    ),
    "a sorry server outside": (
        web(sorry_server={"address": "203.0.113.9"}),
        PAIR,
        [
            f"{WEB}.sorry_server: has the address 203.0.113.9, which is in none of lvs_inside_networks"
        ],
    ),
    "a sorry server that is a director": (
        web(sorry_server={"host": "second"}),
        PAIR,
        [f"{WEB}.sorry_server: is a director, and there are several"],
    ),
}


@pytest.mark.parametrize("name", sorted(WRONG))
def test_what_is_refused(name):
    changes, directors, words = WRONG[name]
    errors = derived({**KEEPALIVED, **changes}, **directors).errors
    found = [each for each in errors if all(word.lower() in each.lower() for word in words)]
    assert len(found) == 1, errors
    assert all(each.endswith((".", "?")) for each in errors)
    assert all(len(each) < 400 for each in errors)
    assert SECRET not in " ".join(errors)


def test_nothing_is_wrong_with_it():
    found = derived(KEEPALIVED, **PAIR)
    assert (found.errors, found.warnings) == ((), ())


WARNED = {
    "one director": (
        {"lvs_inside_gateway": ["192.168.0.1", "fd00::1"]},
        {"hosts": {"director": PAIR["hosts"]["director"]}},
        ["lvs_high_availability: is keepalived, and director is the only director"],
    ),
    "one priority twice": (
        {},
        pair(keepalived_priority=100),
        ["hostvars[second].keepalived_priority: is that of director too", "100"],
    ),
    "a variable mistyped": (
        {"keepalived_preemt": True},
        PAIR,
        ["keepalived_preemt: unknown variable", "Did you mean keepalived_preempt"],
    ),
    "checks without anybody who checks": (
        {
            **web(health_check={"type": "http"}, quorum=1, sorry_server={"host": "rs2"}),
            "keepalived_table": "ours",
        },
        PAIR,
        [
            f"{WEB}.health_check: has no effect (nor do quorum, sorry_server), because nothing checks real servers",
            "Set keepalived_table to keepalived",
        ],
    ),
    "a sorry server that nobody prepares": (
        web(sorry_server={"address": "192.168.0.50"}),
        PAIR,
        [f"{WEB}.sorry_server: is not the lvs_address of a host, so it is not set up for nat"],
    ),
    "a sorry server outside of the group": (
        web(sorry_server={"host": "rs2"}),
        {**PAIR, "groups": {**PAIR["groups"], REAL_SERVERS: ["rs1"]}},
        [f"{WEB}.sorry_server: is not in the group lvs_real_servers"],
    ),
}


@pytest.mark.parametrize("name", sorted(WARNED))
def test_what_is_probably_wrong_is_a_warning(name):
    changes, directors, words = WARNED[name]
    found = derived({**KEEPALIVED, **changes}, **directors)
    matching = [each for each in found.warnings if all(word in each for word in words)]
    assert len(matching) == 1, (found.warnings, found.errors)
    assert found.errors == ()


@pytest.mark.parametrize("high_availability", [None, "external"])
def test_health_checks_without_keepalived_are_a_warning_for_each_service(high_availability):
    given = services(
        service(protocol=["tcp", "udp"], on_failure="inhibit"),
        service(name="b", port=81, real_servers=[{"host": "rs1", "health_check": {"retries": 0}}]),
        service(name="c", port=82, health_check={"type": "none"}),
    )
    found = derived({**given, "lvs_high_availability": high_availability})
    assert found.errors == ()
    assert found.warnings == (
        f"{WEB}.on_failure: has no effect, because nothing checks real servers. Set lvs_high_availability to "
        "keepalived, or omit it.",
        "lvs_virtual_services[b].health_check: has no effect, because nothing checks real servers. Set "
        "lvs_high_availability to keepalived, or omit it.",
    )


def test_udp_without_a_check_is_no_warning():
    found = derived({**KEEPALIVED, **web(protocol="udp")}, **PAIR)
    assert (found.errors, found.warnings) == ((), ())


def test_a_service_of_weight_0_is_only_a_warning_where_the_table_is_ours():
    found = derived(
        {**KEEPALIVED, **services(server(weight=0)), "keepalived_table": "ours"}, **PAIR
    )
    assert found.errors == ()
    assert len(found.warnings) == 1


def test_a_mistake_in_a_variable_of_all_directors_is_told_once():
    (error,) = derived(KEEPALIVED, **pair(keepalived_sync="maybe")).errors
    assert error.startswith("keepalived_sync: must be true or false")
    _first, *others = derived(KEEPALIVED, **pair(keepalived_garp_refresh="x")).errors
    assert others == []


def test_real_servers_need_not_have_the_variables_of_keepalived():
    found = derived(KEEPALIVED, **pair(keepalived_sync=False, keepalived_garp_refresh=30))
    assert found.errors == ()


EAST = {
    "director3": {
        "lvs_address": "192.168.0.3/24",
        "keepalived_address": ["198.51.100.3/24", "192.168.0.3/24"],
    },
    "director4": {
        "lvs_address": "192.168.0.4/24",
        "keepalived_address": ["198.51.100.4/24", "192.168.0.4/24"],
    },
    "rs9": {"lvs_address": "192.168.0.19/24"},
}


def two_clusters(of_first=None, of_east=None, **both):
    """Two pairs of directors on the same networks, with changes to the variables of their hosts."""
    its = services(service(name="other", address="198.51.100.20", real_servers=[{"host": "rs9"}]))
    its |= {"lvs_cluster": "east", "lvs_inside_gateway": "192.168.0.253"}
    hosts = {name: {**given, **(of_first or {})} for name, given in PAIR["hosts"].items()}
    hosts |= {name: {**given, **its, **both, **(of_east or {})} for name, given in EAST.items()}
    groups = {
        DIRECTORS: ["director", "second", "director3", "director4"],
        REAL_SERVERS: ["rs1", "rs2", "far", "rs9"],
    }
    return derived({**KEEPALIVED, **web(), **both}, hosts=hosts, groups=groups)


def test_two_clusters_have_their_own_router_ids():
    found = two_clusters()
    assert (found.errors, found.warnings) == ((), ())


def test_two_clusters_with_one_router_id_on_one_network_are_refused():
    first = {"keepalived_router_ids": [7, 8, 9]}
    (error,) = two_clusters(first, {"keepalived_router_ids": [6, 8]}).errors
    assert error == (
        "keepalived_router_ids: is the virtual router id of the clusters default and east, which are both on "
        "192.168.0.0/24, got 8. Set keepalived_router_ids of one of them to other numbers."
    )


def test_one_router_id_on_two_networks_is_none_of_our_business():
    first = {"keepalived_router_ids": [7, 8, 9]}
    found = two_clusters(first, {"keepalived_router_ids": [8, 7]})
    assert (found.errors, found.warnings) == ((), ())


def test_one_router_id_on_networks_that_are_not_known_disturbs_by_multicast_only():
    ids = {"keepalived_router_ids": [7], "keepalived_address": None, "lvs_inside_gateway": None}
    first = {**ids, **services(service(forwarding="dr"))}
    given = services(
        service(name="b", address="198.51.100.20", forwarding="dr", real_servers=[{"host": "rs9"}])
    )
    hosts = {
        "director": {"lvs_address": "192.168.0.1"},
        "second": {"lvs_address": "192.168.0.2"},
        **{
            name: {**given, "lvs_cluster": "east", "lvs_address": address}
            for name, address in (
                ("director3", "192.168.0.3"),
                ("director4", "192.168.0.4"),
                ("rs9", "192.168.0.19"),
            )
        },
    }
    groups = {
        DIRECTORS: ["director", "second", "director3", "director4"],
        REAL_SERVERS: ["rs1", "rs2", "far", "rs9"],
    }
    found = derived({**KEEPALIVED, **first}, hosts=hosts, groups=groups)
    assert (found.errors, found.warnings) == ((), ())
    first["keepalived_multicast"] = True
    (warning,) = derived({**KEEPALIVED, **first}, hosts=hosts, groups=groups).warnings
    assert "with multicast they interfere with each other if they are on one network" in warning
