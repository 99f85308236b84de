# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every wrong description that we could think of, and what an operator is told about it."""

from __future__ import annotations

import pytest

from tests.unit.controller.cluster.inventories import (
    DIRECTORS,
    MARKED,
    REAL_SERVERS,
    SECOND,
    VIP,
    VIP6,
    derived,
    server,
    service,
    services,
)

WEB, RS = "lvs_virtual_services[web]", "lvs_virtual_services[web].real_servers[0]"
DIGITS = "9" * 5000

# What is wrong: (changes to the description, changes to the inventory, what the sentence must hold).
WRONG = {
    "no list": (
        {"lvs_virtual_services": {"web": 1}},
        {},
        ["lvs_virtual_services: must be a list", "[] for none"],
    ),
    "not there": (
        {"lvs_virtual_services": None},
        {},
        ["lvs_virtual_services: is not set", "[] for none", "lvs_state"],
    ),
    "empty": ({"lvs_virtual_services": ""}, {}, ["lvs_virtual_services: is not set"]),
    "a service that is none": (
        services("web"),
        {},
        ["lvs_virtual_services[0]: must be a dictionary", '"web"'],
    ),
    "no name": (services({"address": VIP}), {}, ["lvs_virtual_services[0].name: is missing"]),
    "a name with a control character": (
        services(service(name="we\nb")),
        {},
        ["lvs_virtual_services[0].name: must be text", "printable"],
    ),
    "one name twice": (
        services(service(), service(port=81)),
        {},
        [f"{WEB}.name: is the name of two services"],
    ),
    "one address in two services": (
        services(service(), service(name="other")),
        {},
        ["lvs_virtual_services[other]: is already the service web", f"tcp {VIP}:80"],
    ),
    "an option mistyped": (
        services(service(shceduler="rr")),
        {},
        [f'{WEB}.shceduler: unknown option, got "rr"', "Did you mean scheduler"],
    ),
    "an option of nothing": (
        services(service(colour="red")),
        {},
        [f"{WEB}.colour: unknown option", "Use one of address"],
    ),
    "an unknown scheduler": (
        services(service(scheduler="wwr")),
        {},
        [f"{WEB}.scheduler: unknown value", '"wwr"', "use one of", "Did you mean"],
    ),
    "an unknown flag": (
        services(service(scheduler="sh", scheduler_flags=["flag-9"])),
        {},
        [f"{WEB}.scheduler_flags: unknown value", "flag-9", "use one of"],
    ),
    "flags that are no list": (
        services(service(scheduler="sh", scheduler_flags="flag-1")),
        {},
        [f"{WEB}.scheduler_flags: must be a list", "flag-1"],
    ),
    "a flag of another scheduler": (
        services(service(scheduler="sh", scheduler_flags=["mh-port"])),
        {},
        [WEB, "mh-port", "another scheduler"],
    ),
    "a port that is a word": (
        services(service(port="http")),
        {},
        [f'{WEB}.port: must be a number, got "http"', "digits"],
    ),
    "a port in other digits": (services(service(port="8²")), {}, [f"{WEB}.port: must be a number"]),
    "a port with two signs": (services(service(port="--5")), {}, [f"{WEB}.port: must be a number"]),
    "a port of many digits": (
        services(service(port=DIGITS)),
        {},
        [f"{WEB}.port: must be a number"],
    ),
    "a port too large": (services(service(port=80000)), {}, [f"{WEB}.port", "80000"]),
    "no port": (services(service(port=None)), {}, [f"{WEB}.port: is missing"]),
    "all ports without persistence": (
        services(service(port=0)),
        {},
        [f"{WEB}.port", "persistence_timeout"],
    ),
    "an address that is a name": (
        services(service(address="www.example.org")),
        {},
        [f"{WEB}.address: is not an IP address", "www.example.org"],
    ),
    "an address with its prefix": (
        services(service(address="198.51.100.10/24")),
        {},
        [f"{WEB}.address", "198.51.100.10/24"],
    ),
    "an address and a mark": (
        services(service(fwmark=7)),
        {},
        [f"{WEB}.address: cannot be combined with fwmark"],
    ),
    "port and ports": (
        services(service(ports=[80, 443])),
        {},
        [f"{WEB}.port: cannot be combined with ports"],
    ),
    "no ports": (services(service(port=None, ports=[])), {}, [f"{WEB}.ports: is empty"]),
    "ports with a colon": (
        services(service(port=None, ports=["20:21"])),
        {},
        [f"{WEB}.ports: must be written with a hyphen", "Write 20-21"],
    ),
    "ports without an address": (
        services(service(port=None, address=None, ports=[80, 443])),
        {},
        [f"{WEB}.address: is missing"],
    ),
    "a range backwards": (
        services(service(port=None, ports=["90-80"])),
        {},
        [f"{WEB}.ports: is not a port", "90-80"],
    ),
    "one packet for TCP": (services(service(one_packet=True)), {}, [f"{WEB}.one_packet"]),
    "a truth that is none": (
        services(service(protocol="udp", one_packet="maybe")),
        {},
        [f"{WEB}.one_packet: must be true or false", "maybe"],
    ),
    "a mask without persistence": (
        services(service(persistence_netmask="255.255.255.0")),
        {},
        [f"{WEB}.persistence_netmask"],
    ),
    "the address of a real server": (
        services(service(address="192.168.0.8")),
        {},
        [f"{WEB}.address: is the address of rs2, which is not a director"],
    ),
    "the address of a bare real server": (
        services(
            service(address="192.168.0.99"),
            {**server(host=None, address="192.168.0.99"), "name": "b"},
        ),
        {},
        [f"{WEB}.address: is the address of a real server of the service b"],
    ),
    "a real server that is none": (
        services(service(real_servers=["rs1"])),
        {},
        [f"{RS}: must be a dictionary", "rs1"],
    ),
    "real servers that are no list": (
        services(service(real_servers={"host": "rs1"})),
        {},
        [f"{WEB}.real_servers: must be a list"],
    ),
    "neither host nor address": (
        services(service(real_servers=[{"port": 80}])),
        {},
        [f"{RS}.host: is missing", "by host, by group or by address"],
    ),
    "both host and address": (
        services(server(address="192.168.0.7")),
        {},
        [f"{RS}.host: cannot be combined with address"],
    ),
    "a host that is not in the inventory": (
        services(server(host="a-host")),
        {},
        [f"{RS}.host: is not a host of the inventory", "lvs_real_servers"],
    ),
    "a host mistyped": (services(server(host="rs11")), {}, [f"{RS}.host", "Did you mean rs1"]),
    "a group that is not in the inventory": (
        services(server(host=None, group="pool")),
        {},
        [f"{RS}.group: is not a group of the inventory", "Use the name of a group"],
    ),
    "a group mistyped": (
        services(server(host=None, group="lvs_real_server")),
        {},
        [f"{RS}.group", "Did you mean lvs_real_servers"],
    ),
    "a host without an address": (
        services(server(host="nameless")),
        {},
        [f"{RS}.host: has no lvs_address", "nameless"],
    ),
    "a host without an address of the family": (
        services(service(address=VIP6, real_servers=[{"host": "rs2"}])),
        {},
        [f"{RS}.host: has no IPv6 address", "rs2", "list of one of each family"],
    ),
    "a host that is taken out": (
        {},
        {"hosts": {"rs1": {"lvs_state": "absent"}}},
        [f"{RS}.host", "rs1", "its lvs_state is absent", "from the service"],
    ),
    "another family without a tunnel": (
        services(service(real_servers=[{"address": "fd00::99"}])),
        {},
        [RS, "fd00::99", "address family", "tun"],
    ),
    "one real server twice": (
        services(service(real_servers=[{"host": "rs2"}, {"address": "192.168.0.8"}])),
        {},
        [f"{WEB}.real_servers[1]: is listed twice", "192.168.0.8:80"],
    ),
    "loopback as a real server": (
        services(server(host=None, address="127.0.0.1")),
        {},
        [f"{WEB}.real_servers: is a loopback address", "127.0.0.1"],
    ),
    "direct routing with another port": (
        services(server(port=8080, forwarding="dr")),
        {},
        [f"{RS}.port: ", "8080"],
    ),
    "a tunnel with another port": (
        services(server(port=8080, forwarding="ipip")),
        {},
        [f"{RS}.port: ", "8080"],
    ),
    "an unknown method": (
        services(service(forwarding="natt")),
        {},
        [f"{WEB}.forwarding: unknown value", "Did you mean nat"],
    ),
    "an unknown method of a real server": (
        services(server(forwarding="snat")),
        {},
        [f"{RS}.forwarding: unknown value", "snat"],
    ),
    "a weight below zero": (services(server(weight=-1)), {}, [f"{RS}.weight", "-1"]),
    "a weight that is a word": (
        services(server(weight="a lot")),
        {},
        [f"{RS}.weight: must be a number"],
    ),
    "thresholds upside down": (
        services(server(upper_threshold=5, lower_threshold=9)),
        {},
        [f"{RS}.lower_threshold", "9"],
    ),
    "GUE without a port": (
        services(server(forwarding="tun", tunnel_type="gue")),
        {},
        [f"{RS}.tunnel_port"],
    ),
    "a tunnel's option without a tunnel": (
        services(server(tunnel_type="gre")),
        {},
        [f"{RS}.tunnel_type", "gre"],
    ),
    "a real server outside": (
        services(service(real_servers=[{"address": "203.0.113.9"}])),
        {},
        [WEB, "in none of lvs_inside_networks", 'got "203.0.113.9"'],
    ),
    "no inside networks": (
        {**services(service()), "lvs_inside_networks": None},
        {},
        [WEB, "in none of lvs_inside_networks"],
    ),
    "a network with bits of a host": (
        {"lvs_inside_networks": ["192.168.0.7/24"]},
        {},
        ["lvs_inside_networks[0]: has bits set beyond its prefix", "Write 192.168.0.0/24"],
    ),
    "a network without a prefix": (
        {"lvs_inside_networks": ["192.168.0.0"]},
        {},
        ["lvs_inside_networks[0]: must have a prefix length", "192.168.0.0/32"],
    ),
    "every address inside": (
        {"lvs_inside_networks": ["0.0.0.0/0"]},
        {},
        ["lvs_inside_networks[0]: matches every address, including those of clients"],
    ),
    "a network that is none": (
        {"lvs_management_networks": ["office/8"]},
        {},
        ["lvs_management_networks[0]: is not a network", "office/8"],
    ),
    "a host's address that is none": (
        {},
        {"hosts": {"rs2": {"lvs_address": "rs2.example.org"}}},
        ["hostvars[rs2].lvs_address: is not an IP address"],
    ),
    "two addresses of one family": (
        {},
        {"hosts": {"rs2": {"lvs_address": ["192.168.0.8", "192.168.0.9"]}}},
        ["hostvars[rs2].lvs_address", "two IPv4 addresses"],
    ),
    "one address of two hosts": (
        {},
        {"hosts": {"rs2": {"lvs_address": "192.168.0.7"}}},
        ["hostvars[rs2].lvs_address: is the address of rs1 too"],
    ),
    "a broadcast address of a host": (
        {},
        {"hosts": {"rs2": {"lvs_address": "192.168.0.255/24"}}},
        ["hostvars[rs2].lvs_address: is the broadcast address of 192.168.0.0/24"],
    ),
    "the address of a small network": (
        {},
        {"hosts": {"rs2": {"lvs_address": "192.168.0.8/30"}}},
        ["hostvars[rs2].lvs_address: is the address of the network 192.168.0.8/30 itself"],
    ),
    "direct routing through a router": (
        services(server(forwarding="dr")),
        {
            "hosts": {
                "director": {"lvs_address": "192.168.0.1/24"},
                "rs1": {"lvs_address": ["192.168.1.7/24", "fd00::7"]},
            }
        },
        [f"{WEB}.forwarding: needs a common segment", "192.168.1.0/24", "192.168.0.0/24"],
    ),
    "a prefix length that is none": (
        {},
        {"hosts": {"rs2": {"lvs_address": "192.168.0.8/99"}}},
        ["hostvars[rs2].lvs_address", "192.168.0.8/99", "192.168.0.107/24"],
    ),
    "a tunnel from a director without an address": (
        services(server(forwarding="tun")),
        {"hosts": {"director": {"lvs_address": "fd00::1"}}},
        ["hostvars[director].lvs_address: has no IPv4 address", "web tunnels to 192.168.0.7"],
    ),
    "GRE with a checksum": (
        services(server(forwarding="tun", tunnel_type="gre", tunnel_checksum="csum")),
        {},
        [f"{WEB}.tunnel_checksum: is not supported with gre"],
    ),
    "a mark that nobody sets, by direct routing": (
        services({**MARKED, "forwarding": "dr"}),
        {},
        ["lvs_virtual_services[mark].match: is missing", "forward by nat"],
    ),
    "a match without a mark": (
        services(service(match=[{"address": VIP}])),
        {},
        [f"{WEB}.match: can only be combined with fwmark"],
    ),
    "a match of the other family": (
        services({**MARKED, "match": [{"address": VIP6}]}),
        {},
        [
            "lvs_virtual_services[mark].match[0].address: is IPv6, and the service is IPv4",
            "Set family to ipv6",
        ],
    ),
    "a match with an option of nothing": (
        services({**MARKED, "match": [{"address": VIP, "port": 80}]}),
        {},
        ["lvs_virtual_services[mark].match[0].port: unknown option", "Did you mean ports"],
    ),
    "a port of two services": (
        services(service(), {**MARKED, "match": [{"address": VIP, "ports": ["1-99"]}]}),
        {},
        ["lvs_virtual_services[mark].match: matches packets that belong to the service web too"],
    ),
    "a network that has a service's address": (
        services({**MARKED, "match": [{"address": "198.51.100.0/24"}]}, service()),
        {},
        [f"{WEB}.address: matches packets that belong to the service mark too"],
    ),
    "a match with the address of a real server": (
        services({**MARKED, "match": [{"address": "192.168.0.8"}]}),
        {},
        ["lvs_virtual_services[mark].match: is the address of rs2"],
    ),
    "the director's address by direct routing": (
        services(service(address="192.168.0.1", forwarding="dr")),
        {},
        [f"{WEB}.address: is the lvs_address of the director director", "martian"],
    ),
    "a director that is a real server of two": (
        {**services(server(host="second")), "lvs_high_availability": "external"},
        SECOND,
        [f"{WEB}.real_servers: is a director, and there are several", "second"],
    ),
    "no director": ({}, {"groups": {DIRECTORS: []}}, ["groups.lvs_directors: has no host"]),
    "two directors": (
        {},
        SECOND,
        ["lvs_high_availability: does not say which of director, second", "external"],
    ),
    "an unknown high availability": (
        {"lvs_high_availability": "vrrp"},
        {},
        ["lvs_high_availability: unknown value", "none, keepalived, external"],
    ),
    "no hosts": (
        {},
        {"groups": {DIRECTORS: [], REAL_SERVERS: []}},
        ["groups.lvs_directors: neither this group nor lvs_real_servers has a host"],
    ),
    "hosts that disagree on the services": (
        {},
        {"hosts": {"rs2": {"lvs_virtual_services": []}}},
        ["lvs_virtual_services: differs between director and rs2", "host_vars"],
    ),
    "hosts that disagree on the inside networks": (
        {},
        {"hosts": {"far": {"lvs_inside_networks": ["192.168.1.0/24"]}}},
        ["lvs_inside_networks: differs between director and far"],
    ),
    "hosts that disagree on high availability": (
        {},
        {"hosts": {"rs1": {"lvs_high_availability": "external"}}},
        ["lvs_high_availability: differs between director and rs1"],
    ),
    "a timeout that does not exist": (
        {"director_timeouts": {"tcp_fin": 60}},
        {},
        ["director_timeouts.tcp_fin: unknown option", "Did you mean tcpfin"],
    ),
    "a timeout of one host": (
        {},
        {"hosts": {"director": {"director_timeouts": {"tcp": "long"}}}},
        ["hostvars[director].director_timeouts.tcp: must be a number"],
    ),
    "a way of routing that does not exist": (
        {},
        {"hosts": {"rs1": {"nat_routing": "policies"}}},
        ["hostvars[rs1].nat_routing: unknown value", "policy, default"],
    ),
    "a default route and direct routing": (
        services(service(), service(name="direct", port=81, forwarding="dr")),
        {"hosts": {"rs1": {"nat_routing": "default"}}},
        ["hostvars[rs1].nat_routing: would route the replies", "direct (dr)", "policy"],
    ),
    "an unknown service whose clients are replaced": (
        {"nat_snat_services": ["wbe"]},
        {},
        ["hostvars[director].nat_snat_services: is not a service", "wbe"],
    ),
    "a cluster that is no file name": (
        {"lvs_cluster": "../east"},
        {},
        ["hostvars[director].lvs_cluster: is not the name of a cluster"],
    ),
    "no gateway": (
        {"lvs_inside_gateway": None},
        {},
        ["lvs_inside_gateway: has no IPv4 address", "rs1 is a real server with nat"],
    ),
    "no IPv6 gateway": (
        {"lvs_inside_gateway": "192.168.0.1"},
        {},
        ["lvs_inside_gateway: has no IPv6 address"],
    ),
    "a gateway that is a name": (
        {"lvs_inside_gateway": "gw"},
        {},
        ["lvs_inside_gateway: is not an IP address"],
    ),
    "a real server that is its own gateway": (
        {},
        {"hosts": {"rs1": {"lvs_inside_gateway": ["192.168.0.7", "fd00::1"]}}},
        ["hostvars[rs1].lvs_inside_gateway: is the real server's own address"],
    ),
    "a gateway on another network": (
        {},
        {"hosts": {"rs1": {"lvs_inside_gateway": ["192.168.1.1", "fd00::1"]}}},
        ["hostvars[rs1].lvs_inside_gateway: is not on the network of 192.168.0.7", "router"],
    ),
    "another real server as gateway": (
        {},
        {"hosts": {"rs1": {"lvs_inside_gateway": ["192.168.0.8", "fd00::1"]}}},
        ["hostvars[rs1].lvs_inside_gateway: is the address of rs2", "not a director"],
    ),
    "the gateway of one of two directors": (
        {"lvs_high_availability": "external"},
        SECOND,
        ["lvs_inside_gateway: stays with director", "floating"],
    ),
}


@pytest.mark.parametrize("name", sorted(WRONG))
def test_wrong_descriptions(name):
    changes, inventory, words = WRONG[name]
    errors = derived(changes, **inventory).errors
    assert errors, "nothing was found to be wrong"
    found = [sentence for sentence in errors if all(word in sentence for word in words)]
    assert len(found) >= 1, errors
    assert all(sentence.endswith((".", "?")) for sentence in errors)
    assert not any("\n" in sentence for sentence in errors)
    assert all(len(sentence) < 400 for sentence in errors)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "0.1.2.3", "240.0.0.1", "169.254.1.1", "255.255.255.255", "224.0.0.1"),
        *("::1", "::", "fe80::1", "::ffff:192.0.2.1", "ff02::1", "192.168.0.0", "192.168.1.255"),
    ],
)
def test_addresses_that_no_service_can_have(address):
    errors = derived(services(service(address=address))).errors
    assert any(sentence.startswith(f"{WEB}.address: ") for sentence in errors), errors


def test_the_address_of_several_ports_is_found_where_it_is_written():
    """Its firewall mark and matches are derived: nobody has written them."""
    several = service(address="127.0.0.1", port=None, ports=[80, 443])
    errors = derived(services(several)).errors
    assert f"{WEB}.address: is a loopback address" in errors[0]
    twice = services(service(), service(name="both", port=None, ports=[80, 443]))
    assert (
        derived(twice)
        .errors[0]
        .startswith("lvs_virtual_services[both].address: matches packets that")
    )


def test_all_mistakes_are_reported_at_once_and_each_once():
    wrong = services(
        {**service(scheduler="x", port=-1), "real_servers": [{"host": "rs1", "weight": "no"}]},
        {**service(name="b"), "real_servers": [{"host": "nobody"}, {"hots": "rs1"}]},
    )
    wrong["lvs_inside_networks"] = ["office/8"]
    errors = derived({**wrong, "nat_routing": "x"}).errors
    paths = [sentence.split(": ")[0] for sentence in errors]
    assert sorted(paths) == sorted(
        [
            "nat_routing",
            "lvs_inside_networks[0]",
            f"{WEB}.scheduler",
            f"{WEB}.port",
            f"{RS}.weight",
            "lvs_virtual_services[b].real_servers[0].host",
            "lvs_virtual_services[b].real_servers[1].hots",
            "lvs_virtual_services[b].real_servers[1].host",
        ]
    )


@pytest.mark.parametrize(
    ("changes", "inventory", "words"),
    [
        (
            {"lvs_inside_gateway": ["192.168.0.254", "fd00::1"]},
            {},
            ["lvs_inside_gateway: is not the lvs_address of director", "192.168.0.254"],
        ),
        (services(service(real_servers=[])), {}, [f"{WEB}.real_servers: is empty", "refused"]),
        (
            services(service(real_servers=[{"host": "rs1", "weight": 0}])),
            {},
            [f"{WEB}.real_servers: all have the weight 0"],
        ),
        (
            {},
            {"groups": {REAL_SERVERS: ["rs1", "far"]}},
            ["rs2", "not in the group lvs_real_servers"],
        ),
        (
            services(server(host=None, address="192.168.0.99")),
            {},
            [f"{WEB}.real_servers: is not the lvs_address of a host", "it is not set up for nat"],
        ),
        (
            services(
                service(
                    scheduler="rr", real_servers=[{"host": "rs1", "weight": 2}, {"host": "rs2"}]
                )
            ),
            {},
            [f"{WEB}.scheduler: ignores weights", "wrr"],
        ),
        (
            services(
                service(port=0, persistence_timeout=60, real_servers=[{"host": "rs1", "port": 80}])
            ),
            {},
            [f"{WEB}.real_servers: has a port, which a service of all ports ignores"],
        ),
        (
            {
                **services(
                    service(name="inner", address="192.168.0.200"),
                    server(host=None, address="192.168.0.200"),
                )
            },
            {},
            ["192.168.0.200", "virtual address"],
        ),
        (
            services(server(host="director")),
            {},
            [f"{WEB}.real_servers: is a director", f"listen on {VIP} too"],
        ),
        (
            {"lvs_virtual_servces": []},
            {},
            ["lvs_virtual_servces: unknown variable", "Did you mean lvs_virtual_services"],
        ),
        (
            services(server(host=None, group="empty")),
            {"groups": {"empty": []}},
            [f"{RS}.group: has no hosts"],
        ),
    ],
)
def test_what_is_probably_wrong_is_a_warning(changes, inventory, words):
    found = derived(changes, **inventory)
    matching = [each for each in found.warnings if all(word in each for word in words)]
    assert matching, (found.warnings, found.errors)
