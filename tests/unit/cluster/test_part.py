# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a description and an inventory to each host's part; and every wrong description we could think of."""

from __future__ import annotations

import copy

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.cluster.part import host_part
from ansible_collections.lvs.cluster.plugins.module_utils.cluster.topology import Topology
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.table import desired_table
from ansible_collections.lvs.cluster.plugins.module_utils.link.tunnel import tunnel

VIP, VIP6 = "198.51.100.10", "2001:db8::10"
ADDRESSES = {
    "director": ["192.168.0.1", "fd00::1"],
    "rs1": ["192.168.0.7", "fd00:0::7"],
    "rs2": "192.168.0.8",
    "far": "192.168.1.9",
}
GATEWAYS = {"far": "192.168.1.1"}
DESCRIPTION = {
    "virtual_services": [
        {
            "name": "web",
            "address": VIP,
            "port": 80,
            "scheduler": "wrr",
            "real_servers": [
                {"host": "rs1", "port": 8080, "weight": 3},
                {"host": "rs2"},
                {"host": "far", "weight": 0},
                {"address": "192.168.0.99"},
            ],
        },
        {
            "name": "web6",
            "address": "2001:DB8::0010",
            "port": "443",
            "real_servers": [{"host": "rs1"}],
        },
        {"name": "mark", "fwmark": 7, "real_servers": [{"host": "rs2", "forwarding": "masq"}]},
    ],
    "inside_networks": ["192.168.0.0/24", "192.168.1.0/24", "fd00::/64"],
    "inside_gateway": ["192.168.0.1", "fd00::1"],
    "management_networks": ["10.0.0.0/8"],
}


def topology(**changes):
    given = {
        "directors": ("director",),
        "real_servers": ("rs1", "rs2", "far"),
        "known": {*ADDRESSES, "elsewhere", "nameless"},
        "addresses": ADDRESSES,
    }
    return Topology(**{**given, **changes})


def part(host="director", where=None, **changes):
    variables = {**DESCRIPTION, "inside_gateway": DESCRIPTION["inside_gateway"]}
    if host in GATEWAYS:
        variables["inside_gateway"] = GATEWAYS[host]
    return host_part(host, {**variables, **changes}, where or topology())


def test_nothing_is_wrong_with_it():
    for host in ADDRESSES:
        found = part(host)
        assert (found["errors"], found["warnings"]) == ([], [])


def test_the_directors_part():
    director = part()["director"]
    assert part()["real_server"] is None
    assert director["forwarding"] == ["nat"]
    assert director["families"] == ["ipv4", "ipv6"]
    assert director["inside_networks"] == DESCRIPTION["inside_networks"]
    assert director["accepted"] == [
        {"protocol": "tcp", "address": VIP, "port": 80},
        {"protocol": "tcp", "address": VIP6, "port": 443},
        {"fwmark": 7, "family": "ipv4"},
    ]
    assert director["addresses"] == {
        "far": ["192.168.1.9"],
        "rs1": ["192.168.0.7", "fd00::7"],
        "rs2": ["192.168.0.8"],
    }
    web, web6, mark = director["services"]
    assert [
        (server["address"], server["port"], server["weight"]) for server in web["real_servers"]
    ] == [
        ("192.168.0.7", 8080, 3),
        ("192.168.0.8", 80, 1),
        ("192.168.0.99", 80, 1),
        ("192.168.1.9", 80, 0),
    ]
    assert (web["scheduler"], web6["scheduler"]) == ("wrr", "wlc")
    assert web6["real_servers"][0]["address"] == "fd00::7"
    assert mark["real_servers"][0]["forwarding"] == "nat"
    assert set(desired_table(director["services"]))


def test_a_real_servers_part():
    assert part("rs1")["director"] is None
    assert part("rs1")["real_server"] == {
        "forwarding": ["nat"],
        "gateway": ["192.168.0.1", "fd00::1"],
        "source": ["192.168.0.7", "fd00::7"],
        "keep": ["10.0.0.0/8"],
        "virtual_addresses": [],
        "families": [],
        "own": [],
        "tunnels": [],
        "outer": [],
        "decapsulating": [],
        "directors": [],
    }
    # It works for IPv4 only, and behind a router.
    assert part("rs2")["real_server"]["gateway"] == ["192.168.0.1"]
    assert part("far")["real_server"]["gateway"] == ["192.168.1.1"]


def test_a_real_server_out_of_all_services_has_nothing_to_do():
    found = part("rs1", virtual_services=DESCRIPTION["virtual_services"][2:])["real_server"]
    assert (found["forwarding"], found["gateway"]) == ([], [])


def test_a_bare_address_is_the_host_that_has_it():
    services = [
        {"name": "a", "address": VIP, "port": 80, "real_servers": [{"address": "192.168.0.8"}]}
    ]
    assert part("rs2", virtual_services=services)["real_server"]["forwarding"] == ["nat"]


def test_a_method_of_the_service_and_one_of_its_own():
    services = copy.deepcopy(DESCRIPTION["virtual_services"][:1])
    services[0]["forwarding"] = "gate"
    services[0]["real_servers"] = [{"host": "rs1"}, {"host": "rs2", "forwarding": "masq"}]
    director = part(virtual_services=services)["director"]
    assert director["forwarding"] == ["nat", "dr"]
    assert [server["forwarding"] for server in director["services"][0]["real_servers"]] == [
        "dr",
        "nat",
    ]


def test_direct_routing_and_marks():
    match = [{"address": VIP, "ports": [443, "8000-8080"]}]
    services = [
        {
            "name": "web",
            "address": VIP,
            "port": 80,
            "forwarding": "dr",
            "real_servers": [{"host": "rs1"}],
        },
        {
            "name": "web6",
            "address": VIP6,
            "port": 80,
            "forwarding": "dr",
            "real_servers": [{"host": "rs1"}],
        },
        {
            "name": "mark",
            "fwmark": 7,
            "match": match,
            "real_servers": [{"host": "rs1", "forwarding": "dr"}],
        },
    ]
    director = part(virtual_services=services)["director"]
    assert director["forwarding"] == ["dr"]
    assert director["inside_networks"] == []
    assert director["virtual_addresses"] == [VIP, VIP6]
    assert director["directly"] == ["192.168.0.7", "fd00::7"]
    assert director["marks"] == [
        {
            "fwmark": 7,
            "match": [{"address": f"{VIP}/32", "protocol": "tcp", "ports": ["443", "8000:8080"]}],
        }
    ]
    real_server = part("rs1", virtual_services=services)["real_server"]
    assert real_server["virtual_addresses"] == [VIP, VIP6]
    assert real_server["families"] == ["ipv4", "ipv6"]
    assert real_server["own"] == ["192.168.0.7", "fd00::7"]
    assert (real_server["gateway"], real_server["tunnels"]) == ([], [])
    floating = part(virtual_services=services, high_availability="external")["director"]
    assert floating["virtual_addresses"] == []


@pytest.mark.parametrize(
    ("vip", "real_server", "options", "kinds"),
    [
        (VIP, "192.168.0.7", {}, ["ipip"]),
        (VIP6, "192.168.0.7", {}, ["sit"]),
        (VIP, "fd00::7", {}, ["ip6tnl"]),
        (VIP6, "fd00::7", {}, ["ip6tnl"]),
        (VIP, "192.168.0.7", {"tunnel_type": "gre"}, ["gre"]),
        (VIP6, "fd00::7", {"tunnel_type": "gre"}, ["ip6gre"]),
        (VIP, "192.168.0.7", {"tunnel_type": "gue", "tunnel_port": 6080}, ["ipip", "gue"]),
        (VIP6, "192.168.0.7", {"tunnel_type": "gue", "tunnel_port": 6080}, ["sit", "gue"]),
    ],
)
def test_tunnels(vip, real_server, options, kinds):
    servers = [{"address": real_server, **options}]
    services = [
        {"name": "web", "address": vip, "port": 80, "forwarding": "tun", "real_servers": servers}
    ]
    found = part("rs1", virtual_services=services)
    assert found["errors"] == []
    held = found["real_server"]
    assert held["virtual_addresses"] == [vip]
    assert held["own"] == [real_server]
    assert [each["type"] for each in held["tunnels"]] == kinds
    assert [each["type"] for each in held["outer"]] == kinds
    assert held["decapsulating"] == [f"lvs-{kinds[0]}"]
    assert held["tunnels"][0]["local"] == real_server
    assert held["directors"] == ["192.168.0.1", "fd00::1"]
    for each in held["tunnels"]:
        tunnel(each)
    assert part(virtual_services=services)["director"]["tunnelled"] == [real_server]


def test_absent_asks_for_nothing_and_finds_no_fault():
    found = part("rs1", state="absent", virtual_services="nonsense")
    assert found["errors"] == []
    assert found["real_server"]["forwarding"] == []
    assert part(state="absent")["director"]["services"] == []


def test_a_director_that_is_a_real_server_too():
    where = topology(real_servers=("director", "rs1", "rs2", "far"))
    services = [{"name": "a", "address": VIP, "port": 80, "real_servers": [{"host": "director"}]}]
    found = part("director", where, virtual_services=services, inside_gateway=None)
    assert found["errors"] == []
    assert found["real_server"]["gateway"] == []
    assert found["warnings"] == [
        "service a: real_servers='director': is a director: packets to 192.168.0.1:80 stay as they are, "
        f"whatever the forwarding method; have its daemon listen on {VIP} too."
    ]


def service(**changes):
    return {"name": "web", "address": VIP, "port": 80, "real_servers": [{"host": "rs1"}], **changes}


def server(**changes):
    return service(real_servers=[{"host": "rs1", **changes}])


MARKED = {"name": "mark", "fwmark": 7, "real_servers": [{"host": "rs1"}]}
TWO = {"directors": ("director", "second"), "addresses": {**ADDRESSES, "second": "192.168.0.2"}}

# What is wrong: (changes to the description, changes to the inventory, what the sentence must hold).
WRONG = {
    "no list": ({"virtual_services": {"web": 1}}, {}, ["lvs_virtual_services", "[] for none"]),
    "not there": ({"virtual_services": None}, {}, ["lvs_virtual_services=None", "[] for none"]),
    "a service that is none": ({"virtual_services": ["web"]}, {}, ["service number 1", "'web'"]),
    "no name": ({"virtual_services": [{"address": VIP}]}, {}, ["service number 1", "name"]),
    "one name twice": (
        {"virtual_services": [service(), service(port=81)]},
        {},
        ["service web", "name of two services"],
    ),
    "one address in two services": (
        {"virtual_services": [service(), service(name="other")]},
        {},
        ["service other", f"tcp {VIP}:80 is service web already"],
    ),
    "an option mistyped": (
        {"virtual_services": [service(shceduler="rr")]},
        {},
        ["service web", "shceduler='rr'", "did you mean scheduler"],
    ),
    "an option of nothing": (
        {"virtual_services": [service(colour="red")]},
        {},
        ["service web", "colour='red'", "there are address"],
    ),
    "an unknown scheduler": (
        {"virtual_services": [service(scheduler="wwr")]},
        {},
        ["service web", "scheduler='wwr'", "choose one of", "did you mean"],
    ),
    "an unknown flag": (
        {"virtual_services": [service(scheduler="sh", scheduler_flags=["flag-9"])]},
        {},
        ["service web", "scheduler_flags='flag-9'", "choose one of"],
    ),
    "flags that are no list": (
        {"virtual_services": [service(scheduler="sh", scheduler_flags="flag-1")]},
        {},
        ["service web", "scheduler_flags='flag-1'", "is not a list"],
    ),
    "a flag of another scheduler": (
        {"virtual_services": [service(scheduler="sh", scheduler_flags=["mh-port"])]},
        {},
        ["service web", "mh-port", "another scheduler"],
    ),
    "a port that is a word": (
        {"virtual_services": [service(port="http")]},
        {},
        ["service web", "port='http'", "a whole number"],
    ),
    "a port too large": ({"virtual_services": [service(port=80000)]}, {}, ["web", "80000"]),
    "no port": ({"virtual_services": [service(port=None)]}, {}, ["web", "port", "missing"]),
    "all ports without persistence": (
        {"virtual_services": [service(port=0)]},
        {},
        ["service web", "persistence_timeout"],
    ),
    "an address that is a name": (
        {"virtual_services": [service(address="www.example.org")]},
        {},
        ["service web", "www.example.org", "is not an IP address"],
    ),
    "an address with its prefix": (
        {"virtual_services": [service(address="198.51.100.10/24")]},
        {},
        ["service web", "198.51.100.10/24"],
    ),
    "an address and a mark": (
        {"virtual_services": [service(fwmark=7)]},
        {},
        ["service web", "goes not with fwmark"],
    ),
    "one packet for TCP": (
        {"virtual_services": [service(one_packet=True)]},
        {},
        ["service web", "one_packet"],
    ),
    "a truth that is none": (
        {"virtual_services": [service(protocol="udp", one_packet="maybe")]},
        {},
        ["service web", "one_packet='maybe'", "true or false"],
    ),
    "a mask without persistence": (
        {"virtual_services": [service(persistence_netmask="255.255.255.0")]},
        {},
        ["service web", "persistence_netmask"],
    ),
    "the VIP of a real server": (
        {"virtual_services": [service(address="192.168.0.8")]},
        {},
        ["service web", "address='192.168.0.8'", "the address of rs2", "no director"],
    ),
    "a real server that is none": (
        {"virtual_services": [service(real_servers=["rs1"])]},
        {},
        ["service web, real server number 1", "'rs1'"],
    ),
    "real servers that are no list": (
        {"virtual_services": [service(real_servers={"host": "rs1"})]},
        {},
        ["service web", "real_servers", "a list"],
    ),
    "neither host nor address": (
        {"virtual_services": [service(real_servers=[{"port": 80}])]},
        {},
        ["service web, real server number 1", "host"],
    ),
    "both host and address": (
        {"virtual_services": [server(address="192.168.0.7")]},
        {},
        ["service web, real server number 1", "both"],
    ),
    "a host that is not in the inventory": (
        {"virtual_services": [server(host="rs9")]},
        {},
        ["service web", "host='rs9'", "no host of the inventory", "lvs_real_servers"],
    ),
    "a host without an address": (
        {"virtual_services": [server(host="nameless")]},
        {},
        ["service web", "host='nameless'", "lvs_address"],
    ),
    "a host without an address of the family": (
        {"virtual_services": [service(address=VIP6, real_servers=[{"host": "rs2"}])]},
        {},
        ["service web", "host='rs2'", "no IPv6 address", "list of one of each family"],
    ),
    "another family without a tunnel": (
        {"virtual_services": [service(real_servers=[{"address": "fd00::99"}])]},
        {},
        ["service web", "fd00::99", "address family", "tun"],
    ),
    "one real server twice": (
        {"virtual_services": [service(real_servers=[{"host": "rs2"}, {"address": "192.168.0.8"}])]},
        {},
        ["service web", "192.168.0.8:80", "twice"],
    ),
    "direct routing with another port": (
        {"virtual_services": [server(port=8080, forwarding="dr")]},
        {},
        ["service web", "port=8080", "can't translate ports"],
    ),
    "a tunnel with another port": (
        {"virtual_services": [server(port=8080, forwarding="ipip")]},
        {},
        ["service web", "port=8080", "can't translate ports"],
    ),
    "an unknown method": (
        {"virtual_services": [service(forwarding="natt")]},
        {},
        ["service web", "forwarding='natt'", "did you mean nat"],
    ),
    "an unknown method of a real server": (
        {"virtual_services": [server(forwarding="snat")]},
        {},
        ["service web, real server number 1", "forwarding='snat'"],
    ),
    "a weight below zero": ({"virtual_services": [server(weight=-1)]}, {}, ["web", "weight=-1"]),
    "thresholds upside down": (
        {"virtual_services": [server(upper_threshold=5, lower_threshold=9)]},
        {},
        ["service web", "lower_threshold=9"],
    ),
    "GUE without a port": (
        {"virtual_services": [server(forwarding="tun", tunnel_type="gue")]},
        {},
        ["service web", "tunnel_port"],
    ),
    "a tunnel's option without a tunnel": (
        {"virtual_services": [server(tunnel_type="gre")]},
        {},
        ["service web", "tunnel_type='gre'"],
    ),
    "a real server outside": (
        {"virtual_services": [service(real_servers=[{"address": "203.0.113.9"}])]},
        {},
        ["service web", "203.0.113.9", "none of lvs_inside_networks"],
    ),
    "no inside networks": (
        {"virtual_services": [service()], "inside_networks": None},
        {},
        ["service web", "none of lvs_inside_networks"],
    ),
    "a network with bits of a host": (
        {"inside_networks": ["192.168.0.7/24"]},
        {},
        ["lvs_inside_networks='192.168.0.7/24'", "write 192.168.0.0/24"],
    ),
    "a network that is none": (
        {"management_networks": ["office"]},
        {},
        ["lvs_management_networks='office'", "is not a network"],
    ),
    "a host's address that is none": (
        {},
        {"addresses": {**ADDRESSES, "rs2": "rs2.example.org"}},
        ["host rs2", "lvs_address='rs2.example.org'"],
    ),
    "two addresses of one family": (
        {},
        {"addresses": {**ADDRESSES, "rs2": ["192.168.0.8", "192.168.0.9"]}},
        ["host rs2", "two IPv4 addresses"],
    ),
    "one address of two hosts": (
        {},
        {"addresses": {**ADDRESSES, "rs2": "192.168.0.7"}},
        ["host rs2", "192.168.0.7", "address of rs1 too"],
    ),
    "direct routing over a router": (
        {"virtual_services": [server(forwarding="dr")]},
        {
            "addresses": {
                **ADDRESSES,
                "director": "192.168.0.1/24",
                "rs1": ["192.168.1.7/24", "fd00::7"],
            }
        },
        ["service web", "common segment", "rs1 is on 192.168.1.0/24", "director on 192.168.0.0/24"],
    ),
    "a prefix length that is none": (
        {},
        {"addresses": {**ADDRESSES, "rs2": "192.168.0.8/99"}},
        ["host rs2", "lvs_address='192.168.0.8/99'", "192.168.0.107/24"],
    ),
    "a tunnel from a director without an address": (
        {"virtual_services": [server(forwarding="tun")]},
        {"addresses": {**ADDRESSES, "director": "fd00::1"}},
        ["host director", "no IPv4 address", "service web tunnels to 192.168.0.7"],
    ),
    "GRE with a checksum": (
        {"virtual_services": [server(forwarding="tun", tunnel_type="gre", tunnel_checksum="csum")]},
        {},
        ["service web", "tunnel_checksum='csum'"],
    ),
    "a mark that nobody sets, by direct routing": (
        {"virtual_services": [{**MARKED, "forwarding": "dr"}]},
        {},
        ["service mark", "match=None: is missing", "forward by nat"],
    ),
    "a match without a mark": (
        {"virtual_services": [service(match=[{"address": VIP}])]},
        {},
        ["service web", "match", "goes with fwmark only"],
    ),
    "a match of the other family": (
        {"virtual_services": [{**MARKED, "match": [{"address": VIP6}]}]},
        {},
        ["service mark", "match='2001:db8::10/128'", "is IPv6, and the service is IPv4"],
    ),
    "a match with an option of nothing": (
        {"virtual_services": [{**MARKED, "match": [{"address": VIP, "port": 80}]}]},
        {},
        ["service mark, match number 1", "port=80", "did you mean ports"],
    ),
    "a port of two services": (
        {
            "virtual_services": [
                service(),
                {**MARKED, "match": [{"address": VIP, "ports": ["1-99"]}]},
            ]
        },
        {},
        ["service mark", f"{VIP}/32", "of service web too"],
    ),
    "a match with the address of a real server": (
        {"virtual_services": [{**MARKED, "match": [{"address": "192.168.0.8"}]}]},
        {},
        ["service mark", "match='192.168.0.8'", "the address of rs2"],
    ),
    "no director": ({}, {"directors": ()}, ["lvs_directors"]),
    "two directors": ({}, TWO, ["lvs_high_availability", "director, second", "external"]),
    "an unknown high availability": (
        {"high_availability": "vrrp"},
        {},
        ["lvs_high_availability='vrrp'", "none, external"],
    ),
}

# The same for what only the real server's own part shows: rs1 is looked at.
WRONG_WAY = {
    "no gateway": ({"inside_gateway": None}, {}, ["host rs1", "lvs_inside_gateway", "IPv4"]),
    "no IPv6 gateway": ({"inside_gateway": "192.168.0.1"}, {}, ["host rs1", "no IPv6 address"]),
    "a gateway that is a name": ({"inside_gateway": "gw"}, {}, ["host rs1", "'gw'"]),
    "its own address": (
        {"inside_gateway": ["192.168.0.7", "fd00::1"]},
        {},
        ["host rs1", "own address"],
    ),
    "on another network": (
        {"inside_gateway": ["192.168.1.1", "fd00::1"]},
        {},
        ["host rs1", "192.168.1.1", "not on the network of 192.168.0.7", "router"],
    ),
    "another real server": (
        {"inside_gateway": ["192.168.0.8", "fd00::1"]},
        {},
        ["host rs1", "192.168.0.8", "address of rs2", "no director"],
    ),
    "one of two directors": (
        {"high_availability": "external"},
        TWO,
        ["host rs1", "192.168.0.1", "stays with director", "floating"],
    ),
}


@pytest.mark.parametrize("name", sorted(WRONG))
def test_wrong_descriptions(name):
    changes, inventory, words = WRONG[name]
    found = part("director", topology(**inventory), **changes)
    if inventory.get("directors") == ():
        found = part("rs1", topology(**inventory), **changes)
    assert found["errors"], "nothing was found to be wrong"
    sentence = found["errors"][0]
    assert all(word in sentence for word in words), sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize("name", sorted(WRONG_WAY))
def test_wrong_ways_back(name):
    changes, inventory, words = WRONG_WAY[name]
    found = part("rs1", topology(**inventory), **changes)
    assert found["errors"], "nothing was found to be wrong"
    assert all(word in found["errors"][0] for word in words), found["errors"][0]


def test_all_that_is_wrong_is_told_at_once():
    services = [service(scheduler="x"), service(name="b", port=-1), server(name="c", weight="no")]
    services[2]["real_servers"].append({"host": "nobody"})
    found = part(virtual_services=services)["errors"]
    assert [sentence.split(":")[0].split(",")[0].split(" (")[0] for sentence in found] == [
        "service web",
        "service b",
        "service web",
        "service web",
    ]


def test_two_directors_with_a_floating_gateway():
    changes = {"high_availability": "external", "inside_gateway": ["192.168.0.254", "fd00::fe"]}
    for host in ("director", "second", "rs1"):
        found = part(host, topology(**TWO), **changes)
        assert (found["errors"], found["warnings"]) == ([], [])


@pytest.mark.parametrize(
    ("host", "changes", "inventory", "words"),
    [
        (
            "rs1",
            {"inside_gateway": ["192.168.0.254", "fd00::1"]},
            {},
            ["192.168.0.254", "director"],
        ),
        (
            "director",
            {"virtual_services": [service(real_servers=[])]},
            {},
            ["service web", "refused"],
        ),
        ("director", {}, {"real_servers": ("rs1", "far")}, ["rs2", "no group lvs_real_servers"]),
    ],
)
def test_what_is_probably_wrong_is_a_warning(host, changes, inventory, words):
    found = part(host, topology(**inventory), **changes)
    assert found["errors"] == []
    assert all(word in found["warnings"][0] for word in words), found["warnings"]
