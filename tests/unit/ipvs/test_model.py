# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given

from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import (
    RealServerAttributes,
    RealServerKey,
    ServiceAttributes,
    ServiceKey,
    canonical_netmask,
    check_real_server,
    check_service,
)
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.words import canonical_forwarding

from ..strategies import service_keys

WEB = ServiceKey.at("tcp", "170.210.122.104", 80)


def attributes(key=WEB, **changes):
    return ServiceAttributes.default(key.family)._replace(**changes)


@given(service_keys())
def test_service_name_round_trip(key):
    assert ServiceKey.parse(str(key)) == key


@pytest.mark.parametrize("text", ["", "tcp", "tcp 192.0.2.1", "fwmark 1", "fwmark 1 ipx", "a b c"])
def test_not_a_service_name(text):
    with pytest.raises(ValueError, match=r"is not ADDRESS:PORT|does not name"):
        ServiceKey.parse(text)


def test_real_server_name_round_trip():
    for name in ("192.0.2.1:80", "[2001:db8::1]:0"):
        assert str(RealServerKey.parse(name)) == name


def test_addresses_compare_canonically():
    assert ServiceKey.at("tcp", "2001:DB8::0001", 80) == ServiceKey.at("tcp", "2001:db8:0::1", 80)
    assert str(ServiceKey.at("tcp", "::FFFF:192.0.2.1", 80)) == "tcp [::ffff:192.0.2.1]:80"


def test_services_sort_by_number():
    names = [
        "tcp 10.0.0.2:80",
        "tcp 10.0.0.10:80",
        "tcp 10.0.0.10:443",
        "tcp [::2]:80",
        "fwmark 1 ipv4",
    ]
    keys = [ServiceKey.parse(name) for name in names]
    assert sorted([*keys[2:], *keys[:2]], key=lambda key: key.sort_key) == keys


@pytest.mark.parametrize(
    ("protocol", "address", "port", "option"),
    [
        ("icmp", "192.0.2.1", 80, "protocol"),
        ("tcp", "www.example.org", 80, "address"),
        ("tcp", "192.0.2.1/32", 80, "address"),
        ("tcp", "fe80::1%eth0", 80, "address"),
        ("tcp", "192.0.2.010", 80, "address"),
        ("tcp", "0.0.0.0", 80, "address"),
        ("tcp", "::", 80, "address"),
        ("tcp", "224.0.0.1", 80, "address"),
        ("tcp", "192.0.2.1", 65536, "port"),
        ("tcp", "192.0.2.1", -1, "port"),
    ],
)
def test_refused_services(protocol, address, port, option):
    with pytest.raises(InvalidInput) as refusal:
        ServiceKey.at(protocol, address, port)
    assert refusal.value.option == option
    assert address in str(refusal.value)


@pytest.mark.parametrize("mark", [0, 2**32])
def test_refused_marks(mark):
    with pytest.raises(InvalidInput, match="4294967295"):
        ServiceKey.marked(mark)


@pytest.mark.parametrize(
    "address", ["0.0.0.0", "::", "239.1.1.1", "ff02::1", "255.255.255.255", "x"]
)
def test_refused_real_servers(address):
    with pytest.raises(InvalidInput) as refusal:
        RealServerKey.at(address, 80)
    assert refusal.value.option == "address"


@pytest.mark.parametrize(
    ("family", "given_", "kept"),
    [
        ("ipv4", "255.255.255.0", "255.255.255.0"),
        ("ipv4", "24", "255.255.255.0"),
        ("ipv4", 32, "255.255.255.255"),
        ("ipv6", "64", "64"),
        ("ipv6", 128, "128"),
    ],
)
def test_persistence_masks(family, given_, kept):
    assert canonical_netmask(family, given_, "x") == kept


@pytest.mark.parametrize(
    ("family", "value"),
    [
        ("ipv4", "0"),
        ("ipv4", "0.0.0.0"),
        ("ipv4", "33"),
        ("ipv4", "255.0.255.0"),
        ("ipv4", "0.0.0.255"),
        ("ipv4", "ffff::"),
        ("ipv6", "0"),
        ("ipv6", "129"),
        ("ipv6", "255.255.255.0"),
    ],
)
def test_refused_persistence_masks(family, value):
    with pytest.raises(InvalidInput) as refusal:
        canonical_netmask(family, value, "service x")
    assert refusal.value.option == "persistence_netmask"
    most = 32 if family == "ipv4" else 128
    assert f"from 1 to {most}" in str(refusal.value)


def test_all_ports_need_persistence():
    everything = ServiceKey.at("tcp", "192.0.2.1", 0)
    with pytest.raises(InvalidInput, match="set persistence_timeout"):
        check_service(everything, attributes())
    check_service(everything, attributes(persistence_timeout=1))
    check_service(ServiceKey.marked(1), attributes())


@pytest.mark.parametrize("seconds", [-1, 2678401, 2**32 - 1])
def test_refused_timeouts(seconds):
    with pytest.raises(InvalidInput, match="31 days"):
        check_service(WEB, attributes(persistence_timeout=seconds))


def test_a_mask_without_persistence_is_refused():
    with pytest.raises(InvalidInput, match="without persistence"):
        check_service(WEB, attributes(persistence_netmask="255.255.255.0"))
    check_service(WEB, attributes(persistence_netmask="255.255.255.0", persistence_timeout=60))


@pytest.mark.parametrize("weight", [0, 1, 65535])
def test_weights(weight):
    check_real_server(WEB, RealServerKey.at("192.0.2.1", 80), RealServerAttributes(weight=weight))


@pytest.mark.parametrize("weight", [-1, 65536])
def test_refused_weights(weight):
    with pytest.raises(InvalidInput, match=r"weight=.*65535"):
        check_real_server(
            WEB, RealServerKey.at("192.0.2.1", 80), RealServerAttributes(weight=weight)
        )


def test_families_differ_only_in_a_tunnel():
    inside = RealServerKey.at("2001:db8::1", 80)
    with pytest.raises(InvalidInput, match="another address family"):
        check_real_server(WEB, inside, RealServerAttributes())
    check_real_server(WEB, inside, RealServerAttributes(forwarding="tun"))


def test_port_zero_only_in_a_service_of_all_ports():
    anywhere = RealServerKey.at("192.0.2.1", 0)
    with pytest.raises(InvalidInput, match="such as 80"):
        check_real_server(WEB, anywhere, RealServerAttributes())
    check_real_server(ServiceKey.at("tcp", "192.0.2.9", 0), anywhere, RealServerAttributes())


@pytest.mark.parametrize(
    ("word", "method"),
    [
        *((word, "nat") for word in ("nat", "masq", "masquerading")),
        *((word, "dr") for word in ("dr", "gate", "gatewaying")),
        *((word, "tun") for word in ("tun", "ipip", "tunneling")),
        ("?", "?"),
    ],
)
def test_words_of_ipvsadm(word, method):
    assert canonical_forwarding(word) == method


def test_white_space_around_an_address():
    assert ServiceKey.at("tcp", " 192.0.2.1\n", 80) == ServiceKey.at("tcp", "192.0.2.1", 80)


UDP = ServiceKey.at("udp", "192.0.2.1", 53)
MARK = ServiceKey.marked(10)


@pytest.mark.parametrize(
    ("key", "changes", "option"),
    [
        (WEB, {"one_packet": True}, "one_packet"),
        (ServiceKey.at("sctp", "192.0.2.1", 80), {"one_packet": True}, "one_packet"),
        (WEB, {"persistence_engine": "sip", "persistence_timeout": 9}, "persistence_engine"),
        (UDP, {"persistence_engine": "sip"}, "persistence_engine"),
        (UDP, {"persistence_engine": "dns", "persistence_timeout": 9}, "persistence_engine"),
    ],
)
def test_refused_combinations_of_a_service(key, changes, option):
    with pytest.raises(InvalidInput) as refusal:
        check_service(key, attributes(key, **changes))
    assert refusal.value.option == option


@pytest.mark.parametrize("key", [UDP, MARK])
def test_what_udp_and_marks_may(key):
    check_service(
        key, attributes(key, one_packet=True, persistence_engine="sip", persistence_timeout=9)
    )


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"lower_threshold": 1}, "lower_threshold"),
        ({"upper_threshold": 5, "lower_threshold": 6}, "lower_threshold"),
        ({"upper_threshold": -1}, "upper_threshold"),
        ({"upper_threshold": 2**31}, "upper_threshold"),
        ({"tunnel_type": "gue", "tunnel_port": 6080}, "tunnel_type"),
        ({"tunnel_port": 6080}, "tunnel_type"),
        ({"forwarding": "tun", "tunnel_type": "gue"}, "tunnel_port"),
        ({"forwarding": "tun", "tunnel_type": "gue", "tunnel_port": 65536}, "tunnel_port"),
        ({"forwarding": "tun", "tunnel_type": "gre", "tunnel_port": 1}, "tunnel_port"),
        ({"forwarding": "tun", "tunnel_port": 1}, "tunnel_port"),
        ({"forwarding": "tun", "tunnel_checksum": "csum"}, "tunnel_checksum"),
        (
            {"forwarding": "tun", "tunnel_type": "gre", "tunnel_checksum": "remcsum"},
            "tunnel_checksum",
        ),
    ],
)
def test_refused_combinations_of_a_real_server(changes, option):
    with pytest.raises(InvalidInput) as refusal:
        check_real_server(WEB, RealServerKey.at("192.0.2.7", 80), RealServerAttributes(**changes))
    assert refusal.value.option == option


@pytest.mark.parametrize(
    "attributes_",
    [
        RealServerAttributes(upper_threshold=5, lower_threshold=5),
        RealServerAttributes("tun", tunnel_type="gue", tunnel_port=1, tunnel_checksum="remcsum"),
        RealServerAttributes("tun", tunnel_type="gre", tunnel_checksum="csum"),
    ],
)
def test_what_a_real_server_may_be(attributes_):
    check_real_server(WEB, RealServerKey.at("192.0.2.7", 80), attributes_)


@pytest.mark.parametrize("method", ["dr", "tun"])
@pytest.mark.parametrize(
    ("service", "port", "remedy"),
    [(WEB, 8080, "listen on 80"), (WEB, 0, "listen on 80"), (MARK, 80, "omit the port")],
)
def test_only_nat_translates_ports(method, service, port, remedy):
    key = RealServerKey.at("192.0.2.7", port)
    with pytest.raises(InvalidInput, match=f"{method} can't translate ports.*{remedy}"):
        check_real_server(service, key, RealServerAttributes(method))
    check_real_server(
        service, RealServerKey.at("192.0.2.7", service.port), RealServerAttributes(method)
    )


def test_messages_have_ipv6_addresses_in_brackets():
    for make in (
        lambda: ServiceKey.at("tcp", "2001:db8::1", 70000),
        lambda: RealServerKey.at("2001:db8::1", 70000),
    ):
        with pytest.raises(InvalidInput, match=r"\[2001:db8::1\]:70000"):
            make()
