# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a description to keepalived.conf, and to what the hosts of its cluster have to know."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import SCHEDULERS
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.table import desired_table
from ansible_collections.lvs.cluster.plugins.plugin_utils.cluster.keepalived import seconds
from ansible_collections.lvs.cluster.plugins.plugin_utils.cluster.vrrp import (
    MAX_ROUTER_ID,
    derived_router_id,
)
from tests.unit.controller.cluster.inventories import (
    DIRECTORS,
    KEEPALIVED,
    PAIR,
    VIP,
    VIP6,
    configuration,
    derived,
    of_pair,
    pair,
    service,
    services,
)

NEVER = (
    "virtual_server_group",
    "lvs_flush",
    "vrrp_strict",
    "reload_check_config",
    "regex",
    "ha_suspend",
    "state MASTER",
)


def of_director(changes, directors=None, host="director", **more):
    """A director's configuration; of a pair, where no directors are given."""
    return configuration(host, {**KEEPALIVED, **changes}, **(directors or PAIR), **more)


def text_of(changes, directors=None, host="director"):
    return of_director(changes, directors, host)["keepalived"]["text"]


def block(text, first):
    """The lines of the block that begins with a line, without indentation."""
    lines = [line.strip() for line in text.splitlines()]
    start = next(number for number, line in enumerate(lines) if line.startswith(first))
    depth, found = 0, []
    for line in lines[start:]:
        depth += line.endswith("{") - (line == "}")
        found.append(line)
        if depth == 0:
            break
    return found


BY_NAT = """\
global_defs {
    router_id director
    script_user root
    enable_script_security
    process_names
    vrrp_version 3
    vrrp_startup_delay 10
    vrrp_garp_master_refresh 60
    vrrp_check_unicast_src
    lvs_sync_daemon $INTERFACE_OF_198_51_100_1 inst default_1_ipv4 id 198
}

vrrp_sync_group default {
    group {
        default_1_ipv4
        default_2_ipv4
    }
    track_interface {
        $TRACKED
    }
}

vrrp_instance default_1_ipv4 {
    state BACKUP
    nopreempt
    interface $INTERFACE_OF_198_51_100_1
    virtual_router_id 198
    priority 200
    advert_int 1
    unicast_src_ip 198.51.100.1
    unicast_peer {
        198.51.100.2
    }
    virtual_ipaddress {
        127.112.0.198/32 dev lo
    }
    virtual_ipaddress_excluded {
        198.51.100.10/32 dev $INTERFACE_FOR_198_51_100_10
        198.51.100.11/32 dev $INTERFACE_FOR_198_51_100_11
        203.0.113.9/32 dev $INTERFACE_FOR_203_0_113_9
    }
}

vrrp_instance default_2_ipv4 {
    state BACKUP
    nopreempt
    interface $INTERFACE_OF_192_168_0_1
    virtual_router_id 38
    priority 200
    advert_int 1
    unicast_src_ip 192.168.0.1
    unicast_peer {
        192.168.0.2
    }
    virtual_ipaddress {
        127.112.0.38/32 dev lo
    }
    virtual_ipaddress_excluded {
        192.168.0.254/32 dev $INTERFACE_FOR_192_168_0_254
    }
}

# service tcp 203.0.113.9:443
virtual_server 203.0.113.9 443 {
    protocol TCP
    lvs_sched wlc
    alpha
    quorum 1
    hysteresis 0
    # real server 192.168.0.8:443
    real_server 192.168.0.8 443 {
        weight 1
        lvs_method NAT
        TCP_CHECK {
            connect_port 443
            connect_timeout 3
            retry 1
            delay_before_retry 1
            warmup 0
            delay_loop 5
        }
    }
}

# service tcp 198.51.100.11:80
virtual_server 198.51.100.11 80 {
    protocol TCP
    lvs_sched rr
    alpha
    inhibit_on_failure
    quorum 3
    hysteresis 1
    sorry_server 192.168.0.8 8081
    sorry_server_lvs_method NAT
    # real server 192.168.0.7:8080
    real_server 192.168.0.7 8080 {
        weight 4
        lvs_method NAT
        HTTP_GET {
            connect_port 8080
            connect_timeout 2
            url {
                path "/health"
                status_code 200-299
            }
            retry 2
            delay_before_retry 0.5
            warmup 0
            delay_loop 2.5
        }
    }
}

# service udp 198.51.100.10:53
virtual_server 198.51.100.10 53 {
    protocol UDP
    lvs_sched wlc
    quorum 1
    hysteresis 0
    # real server 192.168.0.7:53
    real_server 192.168.0.7 53 {
        weight 1
        lvs_method NAT
    }
}
"""
NAT_SERVICES = services(
    service(name="far", address="203.0.113.9", port=443, real_servers=[{"host": "rs2"}]),
    service(
        name="shop",
        address="198.51.100.11",
        scheduler="rr",
        health_check={
            "type": "http",
            "path": "/health",
            "interval": 2.5,
            "timeout": 2,
            "retries": 2,
            "retry_delay": 0.5,
        },
        quorum=3,
        hysteresis=1,
        on_failure="inhibit",
        sorry_server={"host": "rs2", "port": 8081},
        real_servers=[{"host": "rs1", "port": 8080, "weight": 4}],
    ),
    service(name="dns", port=53, protocol="udp"),
)


def test_two_directors_by_nat_on_two_networks():
    found = of_director(NAT_SERVICES)
    entry = found["keepalived"]
    assert entry.pop("text") == BY_NAT
    table = entry.pop("services")
    assert len(desired_table(table)) == 3
    shop = {"protocol": "tcp", "address": "198.51.100.11", "port": 80}
    assert [each["address"] for each in table[1]["real_servers"]] == ["192.168.0.7"]
    sorry = {
        "address": "192.168.0.8",
        "port": 8081,
        "forwarding": "nat",
        "weight": 1,
        "upper_threshold": 0,
        "lower_threshold": 0,
        "tunnel_type": "ipip",
        "tunnel_port": 0,
        "tunnel_checksum": "none",
    }
    assert entry == {
        "interfaces": {
            "INTERFACE_OF_198_51_100_1": {"of": "198.51.100.1"},
            "INTERFACE_OF_192_168_0_1": {"of": "192.168.0.1"},
            "INTERFACE_OF_fd00__1": {"of": "fd00::1"},
            "INTERFACE_FOR_198_51_100_10": {"for": "198.51.100.10"},
            "INTERFACE_FOR_198_51_100_11": {"for": "198.51.100.11"},
            "INTERFACE_FOR_203_0_113_9": {"for": "203.0.113.9"},
            "INTERFACE_FOR_192_168_0_254": {"for": "192.168.0.254"},
        },
        "vrrp_interfaces": ["INTERFACE_OF_198_51_100_1", "INTERFACE_OF_192_168_0_1"],
        "interface": "",
        "table": True,
        "sorry": [{"service": shop, "real_server": sorry}],
        "inhibit": [shop],
        "max_removals": "75%",
        "sync": {"syncid": 198},
        "floating": ["203.0.113.9", "198.51.100.11", "198.51.100.10", "192.168.0.254"],
        # The longest check, of a service without a word about it, and 3 more.
        "settle_seconds": 5.0 + 2 * 3 + 1 + 3,
    }
    assert found["table"] == {"release": True}
    assert found["addresses"] == {"addresses": [], "release": entry["floating"]}
    assert found["firewall"]["peers"] == ["198.51.100.2", "192.168.0.2", "fd00::2"]
    assert found["settings"]["values"] == {
        "net.ipv4.vs.sync_threshold": "3 0",
        "net.ipv4.vs.sync_refresh_period": 10,
        "net.ipv4.vs.expire_nodest_conn": 1,
    }


BY_DR = """\
global_defs {
    router_id second
    script_user root
    enable_script_security
    process_names
    vrrp_version 3
    vrrp_startup_delay 10
    vrrp_garp_master_refresh 60
    vrrp_check_unicast_src
    lvs_sync_daemon $INTERFACE_OF_192_168_0_2 inst default_1_ipv4 id 198
}

vrrp_sync_group default {
    group {
        default_1_ipv4
        default_2_ipv6
    }
    track_interface {
        $TRACKED
    }
}

vrrp_instance default_1_ipv4 {
    state BACKUP
    nopreempt
    interface $INTERFACE_OF_192_168_0_2
    virtual_router_id 198
    priority 190
    advert_int 1
    unicast_src_ip 192.168.0.2
    unicast_peer {
        192.168.0.1
    }
    virtual_ipaddress {
        127.112.0.198/32 dev lo
    }
    virtual_ipaddress_excluded {
        198.51.100.10/32 dev $INTERFACE_FOR_198_51_100_10
    }
}

vrrp_instance default_2_ipv6 {
    state BACKUP
    nopreempt
    interface $INTERFACE_OF_fd00__2
    virtual_router_id 134
    priority 190
    advert_int 1
    unicast_src_ip fd00::2
    unicast_peer {
        fd00::1
    }
    virtual_ipaddress {
        100::112:134/128 dev lo
    }
    virtual_ipaddress_excluded {
        2001:db8::10/128 dev $INTERFACE_FOR_2001_db8__10
    }
}

# service tcp 198.51.100.10:80
virtual_server 198.51.100.10 80 {
    protocol TCP
    lvs_sched wlc
    alpha
    quorum 1
    hysteresis 0
    # real server 192.168.0.7:80
    real_server 192.168.0.7 80 {
        weight 1
        lvs_method DR
        TCP_CHECK {
            connect_port 80
            connect_timeout 3
            retry 1
            delay_before_retry 1
            warmup 0
            delay_loop 5
        }
    }
}

# service tcp [2001:db8::10]:80
virtual_server 2001:db8::10 80 {
    protocol TCP
    lvs_sched wlc
    alpha
    quorum 1
    hysteresis 0
    # real server [fd00::7]:80
    real_server fd00::7 80 {
        weight 1
        lvs_method DR
        TCP_CHECK {
            connect_port 80
            connect_timeout 3
            retry 1
            delay_before_retry 1
            warmup 0
            delay_loop 5
        }
    }
}
"""
DR_SERVICES = services(service(forwarding="dr"), service(name="six", address=VIP6, forwarding="dr"))


def test_two_directors_by_direct_routing_in_both_families():
    """VRRP speaks from lvs_address, in whatever order it is written."""
    directors = pair(keepalived_address=None)
    directors["hosts"]["second"]["lvs_address"] = ["fd00::2/64", "192.168.0.2/24"]
    changes = {**DR_SERVICES, "lvs_inside_gateway": None, "lvs_inside_networks": None}
    assert text_of(changes, directors, "second") == BY_DR


COMMON = ["retry 1", "delay_before_retry 1", "warmup 0", "delay_loop 5", "}"]
CHECKS = {
    "tcp": ({}, ["TCP_CHECK {", "connect_port 80", "connect_timeout 3", *COMMON]),
    "http": (
        {
            "path": "/a?b=!#'"[:-2],
            "host": "www.example.org:81",
            "status": [200, "300-399"],
            "digest": "9b3a0c85a887a256d6939da88aabd8cd",
        },
        [
            "HTTP_GET {",
            "connect_port 80",
            "connect_timeout 3",
            "url {",
            'path "/a?b=!"',
            "status_code 200 300-399",
            "digest 9b3a0c85a887a256d6939da88aabd8cd",
            "virtualhost www.example.org:81",
            "}",
            *COMMON,
        ],
    ),
    "https": (
        {"host": "www.example.org", "port": 8443},
        [
            "SSL_GET {",
            "connect_port 8443",
            "connect_timeout 3",
            "url {",
            'path "/"',
            "status_code 200-299",
            "virtualhost www.example.org",
            "}",
            "enable_sni",
            *COMMON,
        ],
    ),
    "dns": (
        {"name": "www.example.org", "record": "aaaa"},
        [
            "DNS_CHECK {",
            "connect_port 80",
            "connect_timeout 3",
            "type AAAA",
            "name www.example.org",
            *COMMON,
        ],
    ),
    "smtp": (
        {"helo": "director.example.org"},
        [
            "SMTP_CHECK {",
            "connect_port 80",
            "connect_timeout 3",
            "helo_name director.example.org",
            *COMMON,
        ],
    ),
    "udp": (
        {"payload": "1b00", "require_reply": True},
        [
            "UDP_CHECK {",
            "connect_port 80",
            "connect_timeout 5",
            "payload 1b00",
            "require_reply",
            *COMMON,
        ],
    ),
    "ping": ({}, ["PING_CHECK {", "connect_timeout 3", *COMMON]),
    "command": (
        {"command": ["/bin/check", "-H", "a b", "{c}", ""], "timeout": 2.25},
        [
            "MISC_CHECK {",
            "misc_path \"/bin/check -H 'a b' '{c}' ''\"",
            "misc_timeout 3",
            *COMMON,
        ],
    ),
}


@pytest.mark.parametrize("kind", CHECKS)
def test_checks(kind):
    options, lines = CHECKS[kind]
    changes = services(service(health_check={"type": kind, **options}))
    assert block(text_of(changes), lines[0].partition(" ")[0]) == lines


def test_no_check():
    found = text_of(services(service(health_check={"type": "none"})))
    assert "alpha" not in found
    assert block(found, "real_server") == [
        "real_server 192.168.0.7 80 {",
        "weight 1",
        "lvs_method NAT",
        "}",
    ]


def test_some_real_servers_without_a_check():
    servers = [{"host": "rs1"}, {"host": "rs2", "health_check": {"type": "none"}}]
    found = text_of(services(service(real_servers=servers)))
    assert found.count("alpha\n") == 1
    assert found.count("TCP_CHECK") == 1


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        (
            {"protocol": "sctp", "port": 80},
            ["virtual_server 198.51.100.10 80 {", "protocol SCTP"],
        ),
        (
            {
                "port": 0,
                "persistence_timeout": 60,
                "persistence_netmask": "24",
                "scheduler": "sh",
                "scheduler_flags": ["sh-port", "sh-fallback"],
            },
            [
                "virtual_server 198.51.100.10 {",
                "lvs_sched sh",
                "flag-1",
                "flag-2",
                "persistence_timeout 60",
                "persistence_granularity 255.255.255.0",
                "real_server 192.168.0.7 {",
            ],
        ),
        (
            {
                "address": VIP6,
                "persistence_timeout": 60,
                "persistence_netmask": 64,
            },
            [
                "virtual_server 2001:db8::10 80 {",
                "persistence_granularity 64",
                "real_server fd00::7 80 {",
            ],
        ),
        (
            {
                "protocol": "udp",
                "one_packet": True,
                "persistence_timeout": 5,
                "persistence_engine": "sip",
            },
            ["protocol UDP", "ops", "persistence_timeout 5", "persistence_engine sip"],
        ),
        (
            {"real_servers": [{"host": "rs1", "upper_threshold": 9, "lower_threshold": 3}]},
            ["uthreshold 9", "lthreshold 3"],
        ),
        (
            {"forwarding": "tun"},
            ["lvs_method TUN"],
        ),
        (
            {"real_servers": [{"host": "rs1", "forwarding": "tun", "tunnel_type": "gre"}]},
            ["lvs_method TUN type gre"],
        ),
        (
            {
                "real_servers": [
                    {
                        "host": "rs1",
                        "forwarding": "tun",
                        "tunnel_type": "gue",
                        "tunnel_port": 6080,
                        "tunnel_checksum": "csum",
                    }
                ]
            },
            ["lvs_method TUN type gue port 6080 csum"],
        ),
        (
            {"port": None, "ports": [443, 80], "forwarding": "dr"},
            ["ip_family inet", "real_server 192.168.0.7 {", "connect_port 80"],
        ),
        (
            {
                "address": None,
                "port": None,
                "fwmark": 7,
                "family": "ipv6",
                "match": [{"address": VIP6, "ports": 443}],
                "forwarding": "tun",
            },
            [
                "virtual_server fwmark 7 {",
                "ip_family inet6",
                "real_server fd00::7 {",
                "connect_port 443",
            ],
        ),
        (
            {
                "address": None,
                "port": None,
                "fwmark": 7,
                "real_servers": [{"host": "rs1", "port": 8080}],
            },
            ["real_server 192.168.0.7 8080 {", "connect_port 8080"],
        ),
        (
            {"sorry_server": {"host": "rs2", "forwarding": "dr"}},
            ["sorry_server 192.168.0.8 80", "sorry_server_lvs_method DR"],
        ),
    ],
)
def test_attributes(changes, lines):
    given = {name: value for name, value in service(**changes).items() if value is not None}
    # Connections of IPv6 alone can't be synchronised.
    text = text_of({**services(given), "keepalived_sync": False})
    found = block(text, "virtual_server")
    places = [found.index(line) for line in lines]
    assert places == sorted(places)
    # keepalived takes these for mistakes.
    assert ("protocol" in " ".join(found)) == ("fwmark" not in found[0])


def test_a_firewall_mark_without_a_check():
    given = {"name": "mark", "fwmark": 7, "real_servers": [{"host": "rs1"}]}
    found = block(text_of(services(given)), "real_server")
    assert found == ["real_server 192.168.0.7 {", "weight 1", "lvs_method NAT", "}"]


def test_variables():
    directors = of_pair("second", keepalived_priority=210, keepalived_startup_delay=0)
    changes = {
        **services(service()),
        "director_max_removals": "5",
        "director_sysctls": {"net.ipv4.vs.expire_nodest_conn": 0},
        "director_vip_interface": "eth1",
        "keepalived_advert_interval": 0.25,
        "keepalived_garp_refresh": 0,
        "keepalived_multicast": True,
        "keepalived_preempt": True,
        "keepalived_preempt_delay": 60,
        "keepalived_router_ids": [11, "12", 13],
        "keepalived_sync": False,
    }
    found = of_director(changes, directors, "second")
    entry = found["keepalived"]
    assert (entry["interface"], entry["max_removals"], entry["sync"]) == ("eth1", "5", None)
    assert block(entry["text"], "global_defs") == [
        "global_defs {",
        "router_id second",
        "script_user root",
        "enable_script_security",
        "process_names",
        "vrrp_version 3",
        "vrrp_check_unicast_src",
        "}",
    ]
    assert block(entry["text"], "vrrp_instance default_2_ipv4")[:8] == [
        "vrrp_instance default_2_ipv4 {",
        "state BACKUP",
        "preempt_delay 60",
        "interface $INTERFACE_OF_192_168_0_2",
        "virtual_router_id 12",
        "priority 210",
        "advert_int 0.25",
        "mcast_src_ip 192.168.0.2",
    ]
    assert "unicast" not in entry["text"].partition("vrrp_instance")[2]
    # What an operator sets counts; without synchronisation its settings are not needed.
    assert found["settings"]["values"] == {"net.ipv4.vs.expire_nodest_conn": 0}


@pytest.mark.parametrize("multicast", [True, False])
def test_multicast_by_ipv6_comes_from_link_local_addresses(multicast):
    six = service(address=VIP6, name="six")
    changes = {**services(service(), six), "keepalived_multicast": multicast}
    found = of_director(changes)
    assert ("fe80::/10" in found["firewall"]["peers"]) == multicast
    assert found["keepalived"]["text"].count("mcast_src_ip") == (2 if multicast else 0)


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({}, 10 + 4 * 1 + 10),
        ({"keepalived_sync": False}, 10 + 4 * 1),
        ({"keepalived_startup_delay": 0, "keepalived_advert_interval": 0.5}, 4 * 0.5 + 10),
    ],
)
def test_when_a_director_that_was_started_could_take_over(changes, seconds):
    found = derived({**KEEPALIVED, **services(service()), **changes}, **PAIR)
    assert found.errors == ()
    assert found.hosts["second"]["ready_seconds"] == seconds
    assert found.hosts["rs1"]["ready_seconds"] == 0


def test_a_password_is_only_a_definition():
    changes = {**services(service()), "keepalived_password": "se.cret"}
    found = derived({**KEEPALIVED, **changes}, **PAIR)
    assert found.errors == ()
    assert "se.cret" not in str(found)
    text = found.hosts["director"]["configuration"]["keepalived"]["text"]
    assert "vrrp_version 2\n" in text
    assert block(text, "authentication") == [
        "authentication {",
        "auth_type PASS",
        "auth_pass $PASSWORD",
        "}",
    ]


def test_where_the_table_is_ours_keepalived_moves_addresses_only():
    changes = {**NAT_SERVICES, "keepalived_table": "ours"}
    found = of_director(changes)
    entry = found["keepalived"]
    assert not {"services", "sorry", "inhibit", "max_removals"} & set(entry)
    assert (entry["table"], entry["settle_seconds"]) == (False, 3.0)
    assert entry["text"] == BY_NAT.partition("\n# service")[0]
    assert len(found["table"]["services"]) == 3
    assert found["addresses"]["release"] == entry["floating"]
    assert found["settings"]["values"] == {
        "net.ipv4.vs.sync_threshold": "3 0",
        "net.ipv4.vs.sync_refresh_period": 10,
    }


def test_one_director_alone():
    """It has nobody to speak to, so there are no peers, no group and no synchronisation."""
    directors = {"hosts": {"director": {"lvs_address": "192.168.0.1/24"}}}
    found = of_director({**services(service()), "lvs_inside_gateway": "192.168.0.1"}, directors)
    assert "peers" not in found["firewall"]
    assert found["keepalived"]["sync"] is None
    assert found["keepalived"]["floating"] == [VIP]
    assert block(found["keepalived"]["text"], "vrrp_instance") == [
        "vrrp_instance default_1_ipv4 {",
        "state BACKUP",
        "nopreempt",
        "interface $INTERFACE_OF_192_168_0_1",
        "virtual_router_id 198",
        "priority 200",
        "advert_int 1",
        "track_interface {",
        "$TRACKED",
        "}",
        "virtual_ipaddress {",
        "127.112.0.198/32 dev lo",
        "}",
        "virtual_ipaddress_excluded {",
        f"{VIP}/32 dev $INTERFACE_FOR_198_51_100_10",
        "}",
        "}",
    ]
    assert "vrrp_sync_group" not in found["keepalived"]["text"]


def test_without_services_nothing_moves():
    found = of_director(services())
    assert found["keepalived"]["floating"] == []
    assert "vrrp_instance" not in found["keepalived"]["text"]
    assert found["firewall"] == {
        "networks": [],
        "services": [],
        "peers": ["198.51.100.2", "192.168.0.2", "fd00::2"],
    }


def test_an_address_moves_with_the_smallest_network_that_holds_it():
    directors = of_pair(
        "director", keepalived_address=["198.51.100.1/24", "192.168.0.1/24", "198.51.100.129/25"]
    )
    second = ["198.51.100.2/24", "192.168.0.2/24", "198.51.100.130/25"]
    directors["hosts"]["second"] = {"lvs_address": "192.168.0.2", "keepalived_address": second}
    given = services(service(), service(name="b", address="198.51.100.200"))
    text = text_of({**given, "lvs_inside_gateway": "192.168.0.254"}, directors)
    assert "198.51.100.10/32 dev" in " ".join(block(text, "vrrp_instance default_1_ipv4"))
    assert "198.51.100.200/32 dev" in " ".join(block(text, "vrrp_instance default_3_ipv4"))


def test_the_advertised_address_does_not_depend_on_the_services():
    """A backup ignores advertisements of other addresses than it expects."""
    directors = pair(keepalived_address=None)

    def advertised(*given):
        text = text_of(services(*given), directors)
        return block(text, "virtual_ipaddress {")[1]

    one, other = service(), service(name="other", address="198.51.100.2")
    assert advertised(one) == advertised(other) == advertised(one, other)
    assert advertised(one) == "127.112.0.198/32 dev lo"


def test_what_is_a_floating_gateway():
    """That of a router is not, and neither is that of a host that needs no return route."""
    only = services(service(real_servers=[{"host": "rs1"}, {"host": "far"}]))
    assert of_director(only)["keepalived"]["floating"] == [VIP, "192.168.0.254"]
    assert of_director(services(service(forwarding="dr")))["keepalived"]["floating"] == [VIP]
    one_armed = {**services(service()), "nat_snat_services": ["web"]}
    assert of_director(one_armed)["keepalived"]["floating"] == [VIP]
    sorry = services(service(forwarding="dr", sorry_server={"host": "rs2", "forwarding": "nat"}))
    assert of_director(sorry)["keepalived"]["floating"] == [VIP, "192.168.0.254"]


def test_a_sorry_server_is_prepared_like_a_real_server():
    by_dr = {**KEEPALIVED, **services(service(forwarding="dr", sorry_server={"host": "rs2"}))}
    assert configuration("rs2", by_dr, **PAIR)["addresses"] == {
        "addresses": [VIP],
        "interface": "lo",
    }
    director = configuration("director", by_dr, **PAIR)
    assert director["next_hops"] == {"to": ["192.168.0.7", "192.168.0.8"]}
    (only,) = director["keepalived"]["services"]
    assert [each["address"] for each in only["real_servers"]] == ["192.168.0.7"]
    by_nat = {
        **KEEPALIVED,
        **services(service(forwarding="dr", sorry_server={"host": "rs2", "forwarding": "nat"})),
    }
    assert configuration("rs2", by_nat, **PAIR)["routes"]["gateway"] == ["192.168.0.254"]
    assert configuration("director", by_nat, **PAIR)["settings"]["forwarding"] == ["nat", "dr"]
    by_tunnel = {
        **KEEPALIVED,
        **services(service(sorry_server={"host": "rs2", "forwarding": "tun"})),
    }
    assert "tunnels" in configuration("rs2", by_tunnel, **PAIR)
    # Nothing ever sends to it where nothing checks real servers.
    for changes in ({"keepalived_table": "ours"}, {"lvs_high_availability": "external"}):
        assert configuration("rs2", {**by_dr, **changes}, **PAIR) == {}


def test_a_sorry_server_outside_of_the_groups():
    changes = {**KEEPALIVED, **services(service(sorry_server={"host": "elsewhere"}))}
    (error,) = derived(changes, **PAIR).errors
    assert "lvs_virtual_services[web].sorry_server.host: has no lvs_address" in error


def test_only_a_whole_director_gets_keepalived_or_one_that_is_set_up_for_it_alone():
    for methods in (["nat"], ["nat", "dr"]):
        found = of_director(NAT_SERVICES, methods=methods)
        assert "keepalived" not in found
        assert "peers" not in found["firewall"]
        assert found["settings"]["values"] == {}
    found = derived({**KEEPALIVED, **NAT_SERVICES}, **PAIR, methods=["keepalived"])
    assert found.hosts["director"]["owner"] == "keepalived-default"
    mine = found.hosts["director"]["configuration"]
    assert set(mine) == {"settings", "firewall", "keepalived"}
    assert mine["keepalived"] == of_director(NAT_SERVICES)["keepalived"]
    assert mine["firewall"]["services"] == []
    assert found.hosts["rs1"]["configuration"] == {}


def test_without_keepalived_nothing_of_it():
    changes = {**KEEPALIVED, **NAT_SERVICES, "lvs_high_availability": "external"}
    found = configuration("director", changes, **PAIR)
    assert "keepalived" not in found
    assert "peers" not in found["firewall"]
    assert len(found["table"]["services"]) == 3
    # The gateway, too: another program moves it from now on.
    assert found["addresses"]["release"] == ["203.0.113.9", "198.51.100.11", VIP, "192.168.0.254"]


def test_router_ids_are_derived():
    ids = [derived_router_id("default", number, "ipv4") for number in range(1, 20)]
    assert all(1 <= each <= MAX_ROUTER_ID for each in ids)
    assert len(set(ids)) > 10
    assert derived_router_id("default", 1, "ipv4") == ids[0]
    assert derived_router_id("default", 1, "ipv4", [ids[0]]) not in (0, ids[0])
    assert derived_router_id("default", 1, "ipv4", range(1, MAX_ROUTER_ID + 1))
    assert derived_router_id("east", 1, "ipv4") != ids[0]


@given(st.floats(0.01, 3600))
def test_seconds_are_written_without_an_exponent(value):
    text = seconds(value)
    assert re.fullmatch(r"[0-9]+(\.[0-9]{1,3})?", text)
    assert abs(float(text) - value) <= 0.0005


strange = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    ["/x", "{", "}", '"', "'", "$A", "#", "!", "\\", "/a}b", "/'", "~", "@x y", "*/", "/%7B?a=b;c"]
)


def often(good):
    """This text, or anything."""
    return st.sampled_from([good] * 4) | strange


health_checks = st.one_of(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["http", "https"])},
        optional={
            "path": strange.map(lambda text: f"/{text}") | st.sampled_from(["/a?b=!", "/(c)'~"]),
            "host": often("www.example.org:80"),
            "port": st.just(81),
        },
    ),
    st.fixed_dictionaries({"type": st.just("dns"), "name": often("example.org")}),
    st.fixed_dictionaries({"type": st.just("smtp")}, optional={"helo": often("a.example.org")}),
    st.fixed_dictionaries(
        {
            "type": st.just("command"),
            "command": st.lists(strange, min_size=1, max_size=2).map(lambda its: ["/bin/x", *its]),
        }
    ),
    st.fixed_dictionaries({"type": st.sampled_from(["tcp", "ping", "none"])}),
    st.fixed_dictionaries({}, optional={"interval": st.floats(0.01, 99)}),
)


@st.composite
def described(draw, number):
    """A service, sometimes one that is refused."""
    hosts = draw(st.permutations(["rs1", "rs2", "far"]))
    split = draw(st.integers(1, 2))
    found = service(
        name=f"s{number}",
        port=number,
        protocol=draw(st.sampled_from(["tcp", "udp", ["tcp", "udp"]])),
        scheduler=draw(st.sampled_from(SCHEDULERS)),
        forwarding=draw(st.sampled_from(["nat", "dr", "tun"])),
        persistence_timeout=draw(st.sampled_from([0, 300])),
        health_check=draw(health_checks),
        real_servers=[{"host": host, "weight": draw(st.integers(1, 9))} for host in hosts[:split]],
    )
    if draw(st.booleans()):
        found["sorry_server"] = {"host": hosts[split]}
    return found


@given(st.tuples(described(1), described(2)))
def test_what_is_accepted_is_well_formed(given_services):
    accepted = [
        each
        for each in given_services
        if not derived({**KEEPALIVED, **services(each)}, **PAIR).errors
    ]
    found = derived({**KEEPALIVED, **services(*accepted)}, **PAIR)
    assert found.errors == ()
    entry = found.hosts["director"]["configuration"]["keepalived"]
    lines = [line.strip() for line in entry["text"].splitlines()]
    bare = [re.sub(r'"[^"]*"', '""', line) for line in lines]
    depth = 0
    for line in bare:
        assert "{" not in line or (line.count("{") == 1 and line.endswith("{"))
        assert "}" not in line or line == "}"
        assert "#" not in line or line.startswith("# ")
        assert not {"!", "\\", "'", '"'} & set(line.replace('""', ""))
        depth += line.endswith("{") - (line == "}")
        assert depth >= 0
    assert depth == 0
    assert set(re.findall(r"\$(\w+)", entry["text"])) <= {*entry["interfaces"], "TRACKED"}
    assert all(len(line.encode()) < 1000 for line in entry["text"].splitlines())
    services_of_text = [line for line in lines if line.startswith("# service ")]
    assert len(services_of_text) == len(set(services_of_text)) == len(entry["services"])
    for key, one in desired_table(entry["services"]).items():
        assert f"# service {key}" in services_of_text
        after = lines[lines.index(f"# service {key}") + 1 :]
        until = [number for number, line in enumerate(after) if line.startswith("# service ")]
        mine = after[: until[0]] if until else after
        servers = [line for line in mine if line.startswith("# real server ")]
        assert sorted(servers) == sorted(f"# real server {each}" for each in one.real_servers)
    assert not [word for word in NEVER if word in entry["text"]]


def test_what_means_something_to_keepalived_stands_in_quotes():
    strange_words = {"type": "command", "command": ["/bin/x", "}", "#", "!", "{ a"]}
    text = text_of(services(service(health_check=strange_words)))
    assert "misc_path \"/bin/x '}' '#' '!' '{ a'\"" in text


def test_directors_in_the_order_of_the_group():
    directors = {**PAIR, "groups": {DIRECTORS: ["second", "director"]}}
    assert "priority 200\n" in text_of(services(service()), directors, "second")
    assert "priority 190\n" in text_of(services(service()), directors, "director")
