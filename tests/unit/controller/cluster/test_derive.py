# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a description and an inventory to each host's configuration."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.table import desired_table
from ansible_collections.lvs.cluster.plugins.module_utils.network.tunnel import tunnel
from ansible_collections.lvs.cluster.plugins.plugin_utils.cluster.derive import derive
from ansible_collections.lvs.cluster.plugins.plugin_utils.cluster.description import (
    DERIVED_MARKS,
    derived_mark,
)
from tests.unit.controller.cluster.inventories import (
    DESCRIPTION,
    DIRECTORS,
    HOSTS,
    REAL_SERVERS,
    RENDER,
    SECOND,
    VIP,
    VIP6,
    configuration,
    derived,
    inventory,
    server,
    service,
    services,
)


def test_nothing_is_wrong_with_it():
    found = derived()
    assert (found.errors, found.warnings) == ((), ())
    assert list(found.hosts) == ["director", "rs1", "rs2", "far"]
    assert {name: host["roles"] for name, host in found.hosts.items()} == {
        "director": ["director"],
        "rs1": ["real_server"],
        "rs2": ["real_server"],
        "far": ["real_server"],
    }
    assert found.hosts["rs1"]["addresses"] == ["192.168.0.7", "fd00::7"]
    assert found.hosts["rs1"]["directors"] == ["director"]


def test_a_director():
    found = configuration("director")
    keys = [
        {"protocol": "tcp", "address": VIP, "port": 80},
        {"protocol": "tcp", "address": VIP6, "port": 443},
        {"fwmark": 7, "family": "ipv4"},
    ]
    assert found["firewall"] == {"networks": DESCRIPTION["lvs_inside_networks"], "services": keys}
    assert found["settings"]["forwarding"] == ["nat"]
    assert found["settings"]["families"] == ["ipv4", "ipv6"]
    assert found["addresses"] == {
        "addresses": [VIP, VIP6],
        "interface": "",
        "announce": True,
        "probe": True,
    }
    assert found["table"]["max_removals"] == "75%"
    assert not {"requirements", "modules", "timeouts", "marks"} & set(found)
    web, web6, mark = found["table"]["services"]
    assert [(each["address"], each["port"], each["weight"]) for each in web["real_servers"]] == [
        ("192.168.0.7", 8080, 3),
        ("192.168.0.8", 80, 1),
        ("192.168.1.9", 80, 0),
    ]
    assert (web["scheduler"], web6["scheduler"]) == ("wrr", "wlc")
    assert web6["real_servers"][0]["address"] == "fd00::7"
    assert mark["real_servers"][0]["forwarding"] == "nat"
    assert set(desired_table(found["table"]["services"]))


def test_real_servers_by_nat():
    assert configuration("rs1") == {
        "routes": {
            "gateway": ["192.168.0.1", "fd00::1"],
            "source": ["192.168.0.7", "fd00::7"],
            "keep": ["10.0.0.0/8"],
            "through": [],
            "mode": "policy",
            "rollback": 60,
        }
    }
    # It works for IPv4 only, and behind a router.
    assert configuration("rs2")["routes"]["gateway"] == ["192.168.0.1"]
    assert configuration("far")["routes"]["gateway"] == ["192.168.1.1"]


def test_a_real_server_without_a_service_needs_nothing():
    only = services(*DESCRIPTION["lvs_virtual_services"][2:])
    assert configuration("rs1", only) == {}


def test_a_director_without_services_still_guards_its_table():
    assert configuration("director", services())["table"] == {
        "services": [],
        "max_removals": "75%",
    }


def test_a_bare_address_is_the_host_that_has_it():
    only = services(server(host=None, address="192.168.0.8"))
    assert "routes" in configuration("rs2", only)


def test_a_method_of_the_service_and_one_of_its_own():
    web = copy.deepcopy(DESCRIPTION["lvs_virtual_services"][0])
    web |= {
        "forwarding": "GATE",
        "real_servers": [{"host": "rs1"}, {"host": "rs2", "forwarding": "Masq"}],
    }
    found = configuration("director", services(web))
    assert found["settings"]["forwarding"] == ["nat", "dr"]
    servers = found["table"]["services"][0]["real_servers"]
    assert [each["forwarding"] for each in servers] == ["dr", "nat"]


def test_direct_routing_and_marks():
    match = [{"address": VIP, "ports": [443, "8000-8080"]}]
    only = services(
        service(forwarding="dr"),
        service(name="web6", address=VIP6, forwarding="dr"),
        {
            "name": "mark",
            "fwmark": 7,
            "match": match,
            "real_servers": [{"host": "rs1", "forwarding": "dr"}],
        },
    )
    director = configuration("director", only)
    assert director["settings"]["forwarding"] == ["dr"]
    assert director["firewall"]["networks"] == []
    assert director["addresses"]["addresses"] == [VIP, VIP6]
    assert director["next_hops"] == {"to": ["192.168.0.7", "fd00::7"]}
    assert director["marks"] == {
        "marks": [
            {
                "fwmark": 7,
                "match": [
                    {"address": f"{VIP}/32", "protocol": "tcp", "ports": ["443", "8000:8080"]}
                ],
            }
        ]
    }
    found = configuration("rs1", only)
    assert found["addresses"] == {"addresses": [VIP, VIP6], "interface": "lo"}
    assert found["settings"]["families"] == ["ipv4", "ipv6"]
    assert found["settings"]["ingress"] == ["192.168.0.7", "fd00::7"]
    assert not {"routes", "tunnels", "tunnel_filter"} & set(found)
    # By a default route through the director its replies would be lost there.
    assert found["requirements"]["no_return_through"] == {
        "gateways": ["192.168.0.1", "fd00::1"],
        "addresses": [VIP, VIP6],
    }


def test_what_another_program_moves_is_given_up_and_not_removed():
    changes = {
        "lvs_high_availability": "external",
        "lvs_inside_gateway": ["192.168.0.254", "fd00::fe"],
    }
    for host in ("director", "second"):
        found = configuration(host, changes, **SECOND)
        moved = ["192.168.0.254", "fd00::fe", "192.168.1.1"]
        assert found["addresses"] == {"addresses": [], "release": [VIP, VIP6, *moved]}


@pytest.mark.parametrize(
    ("vip", "real_server", "options", "kinds"),
    [
        (VIP, "192.168.0.7", {}, ["ipip"]),
        (VIP6, "192.168.0.7", {}, ["sit"]),
        (VIP, "fd00::7", {}, ["ip6tnl"]),
        (VIP6, "fd00::7", {}, ["ip6tnl"]),
        (VIP, "192.168.0.7", {"tunnel_type": "gre"}, ["gre"]),
        (VIP6, "192.168.0.7", {"tunnel_type": "gre"}, ["gre"]),
        (VIP, "fd00::7", {"tunnel_type": "gre"}, ["ip6gre"]),
        (VIP, "192.168.0.7", {"tunnel_type": "gue", "tunnel_port": 6080}, ["ipip", "gue"]),
        (VIP6, "fd00::7", {"tunnel_type": "gue", "tunnel_port": 6080}, ["ip6tnl", "gue"]),
    ],
)
def test_what_unwraps_tunnelled_packets(vip, real_server, options, kinds):
    only = services(
        service(
            address=vip,
            forwarding="tun",
            real_servers=[{"address": real_server, **options}],
        )
    )
    found = configuration("rs1", only)
    family = "ipv6" if ":" in real_server else "ipv4"
    made = [tunnel(each) for each in found["tunnels"]["tunnels"]]
    assert [each.type for each in made] == kinds
    assert [each["type"] for each in found["tunnel_filter"]["tunnels"]] == kinds
    assert all(each.local == real_server for each in made if each.type != "gue")
    assert all(each.port == 6080 and each.family == family for each in made if each.type == "gue")
    assert found["tunnel_filter"]["directors"] == ["192.168.0.1", "fd00::1"]
    assert found["tunnel_filter"]["local"] == [real_server]
    assert found["settings"]["decapsulating"] == [each.device for each in made if each.device]
    director = configuration("director", only)
    assert director["requirements"]["tunnel_sources"] == {
        "to": [real_server],
        "from": ["192.168.0.1", "fd00::1"],
    }


def test_ftp_by_nat_needs_its_module():
    assert configuration("director", services(service(port=21)))["modules"] == [
        {"name": "ip_vs_ftp", "load": True}
    ]
    assert "modules" not in configuration("director", services(service(port=21, forwarding="dr")))


def test_a_director_that_is_its_only_real_server():
    found = configuration(
        "director",
        services(server(host="director")),
        groups={REAL_SERVERS: ["director"]},
        hosts=dict.fromkeys(("rs1", "rs2", "far")),
    )
    assert "routes" not in found
    assert found["table"]["services"][0]["real_servers"][0]["address"] == "192.168.0.1"


def test_variables_of_the_roles():
    found = configuration(
        "director",
        {
            "director_conn_tab_bits": 12,
            "director_interfaces": "eth0",
            "director_max_removals": "5",
            "director_sysctls": {"net.ipv4.vs.expire_nodest_conn": 1},
            "director_timeouts": {"tcp": 1800},
            "director_vip_interface": "eth1",
            "nat_out_interface": "eth0",
            "nat_snat_services": ["web"],
        },
    )
    assert found["modules"] == [{"name": "ip_vs", "params": {"conn_tab_bits": 12}}]
    assert found["settings"]["interfaces"] == ["eth0"]
    assert found["settings"]["values"] == {
        "net.ipv4.vs.expire_nodest_conn": 1,
        "net.ipv4.vs.conntrack": 1,
    }
    assert found["timeouts"] == {"tcp": 1800}
    assert found["table"]["max_removals"] == "5"
    assert found["addresses"]["interface"] == "eth1"
    assert found["firewall"]["out_interface"] == "eth0"
    assert found["firewall"]["snat"] == [{"protocol": "tcp", "address": VIP, "port": 80}]
    routes = configuration(
        "rs1",
        {
            "nat_rollback_seconds": 30,
            "nat_routing": "default",
        },
    )["routes"]
    assert (routes["rollback"], routes["mode"]) == (30, "default")
    assert configuration("rs1", {"nat_through": ["10.1.0.0/16"]})["routes"]["through"] == [
        "10.1.0.0/16"
    ]
    tunnelled = {
        **services(service(forwarding="tun")),
        "real_server_interfaces": ["eth0"],
        "real_server_vip_interface": "dummy0",
        "tun_directors": ["10.9.0.0/16"],
        "tun_mtu": 1400,
    }
    found = configuration("rs1", tunnelled)
    assert found["settings"]["interfaces"] == ["eth0"]
    assert found["addresses"]["interface"] == "dummy0"
    assert found["tunnel_filter"]["mtu"] == 1400
    assert found["tunnel_filter"]["directors"] == ["192.168.0.1", "fd00::1", "10.9.0.0/16"]
    sources = configuration("director", tunnelled)["requirements"]["tunnel_sources"]
    assert sources["from"] == ["192.168.0.1", "fd00::1", "10.9.0.0/16"]


def test_only_a_tunnel_leads_to_the_other_family():
    tunnelled = services(service(address=VIP6, forwarding="tun", real_servers=[{"host": "rs2"}]))
    (its,) = configuration("rs2", tunnelled)["tunnels"]["tunnels"]
    assert (its["type"], its["local"]) == ("sit", "192.168.0.8")
    (error,) = derived(services(service(address=VIP6, real_servers=[{"host": "rs2"}]))).errors
    assert "has no IPv6 address in lvs_address" in error


def test_a_role_of_one_method_sets_up_that_one_only():
    mixed = services(
        service(real_servers=[{"host": "rs1"}, {"host": "rs2", "forwarding": "dr"}]),
        service(name="tunnelled", port=81, forwarding="tun"),
    )
    by_nat = derived(mixed, methods=["nat"])
    assert by_nat.hosts["director"]["owner"] == "nat-default"
    assert set(by_nat.hosts["director"]["configuration"]) == {"settings", "firewall"}
    assert [
        each["port"] for each in by_nat.hosts["director"]["configuration"]["firewall"]["services"]
    ] == [80]
    assert set(by_nat.hosts["rs1"]["configuration"]) == {"routes"}
    assert by_nat.hosts["rs2"]["configuration"] == {}
    by_dr = derived(mixed, methods=["dr"])
    assert set(by_dr.hosts["director"]["configuration"]) == {"settings", "next_hops"}
    assert by_dr.hosts["director"]["configuration"]["next_hops"] == {"to": ["192.168.0.8"]}
    assert set(by_dr.hosts["rs2"]["configuration"]) == {"requirements", "settings", "addresses"}
    assert by_dr.hosts["rs1"]["configuration"] == {}
    by_tun = derived(mixed, methods=["tun"])
    assert "tunnels" in by_tun.hosts["rs1"]["configuration"]
    assert by_tun.hosts["rs2"]["configuration"] == {}


def test_a_group_as_real_servers_with_weights_of_the_hosts():
    found = configuration(
        "director",
        services(server(host=None, group="webservers")),
        hosts={"rs1": {"lvs_weight": 5}, "far": {"lvs_weight": "0"}},
        groups={"webservers": ["rs1", "rs2", "far"]},
    )
    servers = found["table"]["services"][0]["real_servers"]
    assert [(each["address"], each["weight"]) for each in servers] == [
        ("192.168.0.7", 5),
        ("192.168.0.8", 1),
        ("192.168.1.9", 0),
    ]


def test_a_weight_of_the_service_comes_before_that_of_the_host():
    found = configuration("director", services(server(weight=7)), hosts={"rs1": {"lvs_weight": 5}})
    assert found["table"]["services"][0]["real_servers"][0]["weight"] == 7


@pytest.mark.parametrize("ports", [80, "80", [80], ["80"]])
def test_one_port_of_ports_is_a_port(ports):
    found = configuration("director", services(service(port=None, ports=ports)))
    assert found == configuration("director", services(service()))


def test_several_ports_are_one_service_by_a_mark_of_its_own():
    found = configuration(
        "director",
        services(service(port=None, ports=[80, 443, "8000-8080"], protocol=["tcp", "udp"])),
    )
    (only,) = found["table"]["services"]
    assert only["fwmark"] & DERIVED_MARKS
    matches = [
        {"address": f"{VIP}/32", "protocol": protocol, "ports": ["80", "443", "8000:8080"]}
        for protocol in ("tcp", "udp")
    ]
    assert found["marks"]["marks"] == [{"fwmark": only["fwmark"], "match": matches}]
    assert found["addresses"]["addresses"] == [VIP]


def test_a_service_of_two_protocols_is_two_services():
    found = derived(services(service(protocol=["TCP", "udp"], port=53)))
    table = found.hosts["director"]["configuration"]["table"]["services"]
    assert [each["protocol"] for each in table] == ["tcp", "udp"]
    assert found.errors == ()
    assert [each["name"] for each in found.hosts["director"]["services"]] == ["web", "web"]


@given(st.lists(st.text(min_size=1), unique=True, max_size=20), st.text())
def test_derived_marks_differ_and_depend_on_the_name_alone(names, cluster):
    taken = set()
    marks = [derived_mark(cluster, name, taken) for name in names]
    assert len(set(marks)) == len(names)
    assert all(DERIVED_MARKS <= mark < 2 * DERIVED_MARKS for mark in marks)
    assert derived_mark(cluster, "web", set()) == derived_mark(cluster, "web", set())
    mark = derived_mark(cluster, "web", set())
    assert derived_mark(cluster, "web", {mark}) not in (mark, 0)


def test_a_catch_all_service_beside_one_of_a_port():
    found = derived(services(service(), service(name="rest", port=0, persistence_timeout=60)))
    assert found.errors == ()


def test_what_is_to_be_removed_needs_no_description():
    gone = derived({"lvs_state": "absent", "lvs_virtual_services": None, "lvs_address": None})
    assert gone.errors == ()
    assert all(host["state"] == "absent" for host in gone.hosts.values())
    assert all(host["configuration"] == {} for host in gone.hosts.values())


def test_a_director_that_is_taken_out_does_not_count():
    hosts = {"second": {**SECOND["hosts"]["second"], "lvs_state": "absent"}}
    found = derived(hosts=hosts, groups=SECOND["groups"])
    assert found.errors == ()
    assert found.hosts["second"]["state"] == "absent"
    assert found.hosts["rs1"]["directors"] == ["director"]
    # What it would be described by need not agree any more.
    hosts["second"]["lvs_virtual_services"] = []
    assert derived(hosts=hosts, groups=SECOND["groups"]).errors == ()


EAST = {
    "director2": {"lvs_address": "192.168.0.2", "lvs_cluster": "east"},
    "rs9": {"lvs_address": "192.168.0.19", "lvs_cluster": "east"},
}


def two_clusters(address="198.51.100.20", real_server="rs9"):
    its = services(service(address=address, real_servers=[{"host": real_server}]))
    its["lvs_inside_gateway"] = "192.168.0.2"
    return derived(
        hosts={name: {**given, **its} for name, given in EAST.items()},
        groups={
            DIRECTORS: ["director", "director2"],
            REAL_SERVERS: ["rs1", "rs2", "far", "rs9"],
        },
    )


def test_two_clusters_do_not_see_each_other():
    found = two_clusters()
    assert (found.errors, found.warnings) == ((), ())
    assert found.hosts["director"] == derived().hosts["director"]
    assert found.hosts["director2"]["owner"] == "cluster-east"
    assert found.hosts["director2"]["directors"] == ["director2"]
    assert found.hosts["rs9"]["configuration"]["routes"]["gateway"] == ["192.168.0.2"]


def test_two_clusters_with_one_virtual_address_are_refused():
    (error,) = two_clusters(address=VIP).errors
    assert VIP in error
    assert "cluster east" in error
    assert "cluster default" in error


def test_a_real_server_of_another_cluster_is_refused():
    (error,) = two_clusters(real_server="rs1").errors
    assert "belongs to the cluster default, and the service to east" in error


def test_what_verification_learns_of_services():
    only = services(
        service(port=None, ports=[80, 443]),
        service(name="range", address="198.51.100.11", port=None, ports=["1000-2000"]),
        {"name": "mark", "fwmark": 7, "real_servers": [{"host": "rs1"}]},
        service(name="all", address="198.51.100.12", port=0, persistence_timeout=60),
    )
    web, many, mark, rest = derived(only).hosts["rs1"]["services"]
    assert [place["port"] for place in web["places"]] == [80, 443]
    assert web["askable"] is True
    assert (many["places"], many["askable"]) == ([], "the ports 1000-2000 are not tested")
    assert (mark["places"], mark["keys"]) == ([], ["fwmark 7 ipv4"])
    assert (rest["places"], rest["addresses"]) == ([], ["198.51.100.12"])


def test_the_variables_of_a_host_do_not_change_those_of_others():
    before = derived().hosts
    after = derived(hosts={"rs2": {**HOSTS["rs2"], "nat_routing": "default"}}).hosts
    assert {name for name in before if before[name] != after[name]} == {"rs2"}


def test_a_segment_that_is_unknown_refuses_no_direct_routing():
    hosts = {"director": {"lvs_address": "192.168.0.1/24"}}
    assert derived(services(server(forwarding="dr")), hosts=hosts).errors == ()


def test_a_network_of_two_addresses_has_no_broadcast_address():
    assert derived(hosts={"rs2": {"lvs_address": "192.168.0.8/31"}}).errors == ()


def test_nat_and_direct_routing_on_one_host():
    only = services(service(), service(name="direct", port=81, forwarding="dr"))
    assert {"routes", "addresses"} <= set(configuration("rs1", only))


def test_one_armed_nat_needs_no_return_route():
    """Real servers reply to the director's own address."""
    changes = {
        **services(service(), service(name="other", port=81, real_servers=[{"host": "rs2"}])),
        "nat_snat_services": ["web"],
        "lvs_inside_gateway": None,
    }
    hosts = {"rs2": {"lvs_inside_gateway": "192.168.0.1"}}
    assert configuration("rs1", changes, hosts=hosts) == {}
    assert "routes" in configuration("rs2", changes, hosts=hosts)


def test_the_weight_of_a_host_outside_of_the_groups():
    given = inventory(services(service(real_servers=[{"host": "rs1"}, {"host": "elsewhere"}])))
    given.variables["elsewhere"] = {"lvs_address": "192.168.0.50", "lvs_weight": 9}
    found = derive(given, RENDER)
    assert found.errors == ()
    table = found.hosts["director"]["configuration"]["table"]["services"][0]
    assert [each["weight"] for each in table["real_servers"]] == [1, 9]
