# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import (
    RealServerAttributes,
    RealServerKey,
    Service,
    ServiceAttributes,
    ServiceKey,
)

from .requests import real_server_request, service_request

SIP = ServiceKey.at("udp", "170.210.122.104", 5060)
ONE = RealServerKey.at("192.168.0.107", 5060)
TWO = RealServerKey.at("192.168.0.108", 5060)
FULL = ServiceAttributes(
    "sh",
    "255.255.255.0",
    persistence_timeout=300,
    persistence_engine="sip",
    one_packet=True,
    scheduler_flags=frozenset({"flag-1"}),
)
ODD = RealServerAttributes("tun", 7, 90, 80, "gue", 6080, "csum")
NO_TUNNEL = {"tunnel_type": "ipip", "tunnel_port": 0, "tunnel_checksum": "none"}
EXISTING = Service(SIP, FULL, {ONE: ODD, TWO: ODD})


def test_a_new_service_has_defaults():
    assert service_request(SIP).target(None) == Service(
        SIP, ServiceAttributes("wlc", "255.255.255.255")
    )


def test_what_is_left_out_stays():
    assert service_request(SIP).target(EXISTING) == EXISTING
    assert real_server_request(SIP, ONE).target(EXISTING) == EXISTING


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ({"scheduler": "rr"}, {"scheduler": "rr"}),
        ({"persistence_timeout": 9}, {"persistence_timeout": 9}),
        ({"persistence_netmask": "16"}, {"persistence_netmask": "255.255.0.0"}),
        ({"persistence_engine": ""}, {"persistence_engine": ""}),
        ({"one_packet": False}, {"one_packet": False}),
        ({"scheduler_flags": []}, {"scheduler_flags": frozenset()}),
        (
            {"scheduler_flags": ["sh-port", "sh-fallback"]},
            {"scheduler_flags": frozenset({"flag-1", "flag-2"})},
        ),
        (
            {"scheduler": "mh", "scheduler_flags": ["mh-port"]},
            {"scheduler": "mh", "scheduler_flags": frozenset({"flag-2"})},
        ),
        (
            {"persistence_timeout": 0},
            {
                "persistence_timeout": 0,
                "persistence_netmask": "255.255.255.255",
                "persistence_engine": "",
            },
        ),
    ],
)
def test_only_what_is_given_changes(given, changed):
    target = service_request(SIP, **given).target(EXISTING)
    assert target.attributes._asdict() == {**FULL._asdict(), **changed}
    assert target.real_servers == EXISTING.real_servers


def test_a_mask_needs_persistence():
    with pytest.raises(InvalidInput, match="persistence_timeout"):
        service_request(SIP, persistence_netmask="24").target(None)
    with pytest.raises(InvalidInput, match="persistence_timeout"):
        service_request(SIP, persistence_timeout=0, persistence_netmask="24").target(EXISTING)


def test_weight_zero_is_a_value():
    drained = real_server_request(SIP, ONE, weight=0).target(EXISTING)
    assert drained.real_servers[ONE].weight == 0
    assert (
        real_server_request(SIP, ONE, forwarding="nat").target(drained).real_servers[ONE].weight
        == 0
    )
    assert real_server_request(SIP, ONE, weight=0).target(Service(SIP, FULL)).real_servers == {
        ONE: RealServerAttributes(weight=0)
    }


def test_an_edit_keeps_thresholds_and_tunnel():
    edited = real_server_request(SIP, ONE, weight=8).target(EXISTING)
    assert edited.real_servers[ONE]._asdict() == {**ODD._asdict(), "weight": 8}
    assert edited.real_servers[TWO] == ODD


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ({"upper_threshold": 95}, {"upper_threshold": 95}),
        ({"lower_threshold": 0}, {"lower_threshold": 0}),
        ({"tunnel_port": 1}, {"tunnel_port": 1}),
        ({"tunnel_checksum": "remcsum"}, {"tunnel_checksum": "remcsum"}),
        # What belongs to a tunnel, or to its type, ends with it.
        ({"forwarding": "gate"}, {"forwarding": "dr", **NO_TUNNEL}),
        ({"forwarding": "nat"}, {"forwarding": "nat", **NO_TUNNEL}),
        ({"tunnel_type": "ipip"}, NO_TUNNEL),
        ({"tunnel_type": "gre"}, {**NO_TUNNEL, "tunnel_type": "gre"}),
        ({"tunnel_type": "gue"}, {}),
    ],
)
def test_only_what_is_given_changes_in_a_real_server(given, changed):
    target = real_server_request(SIP, ONE, **given).target(EXISTING)
    assert target.real_servers[ONE]._asdict() == {**ODD._asdict(), **changed}


def test_a_flag_of_another_scheduler():
    with pytest.raises(InvalidInput, match="choose scheduler mh"):
        service_request(SIP, scheduler_flags=["mh-port"]).target(EXISTING)
    with pytest.raises(InvalidInput, match="choose scheduler sh"):
        service_request(SIP, scheduler="rr", scheduler_flags=["sh-port"]).target(EXISTING)


THREE = {"address": "192.168.0.109", "weight": 0}


def test_real_servers_come_with_their_service():
    target = service_request(SIP, real_servers=[THREE]).target(None)
    assert target.real_servers == {
        RealServerKey.at("192.168.0.109", 5060): RealServerAttributes(weight=0)
    }
    kept = service_request(SIP, real_servers=[THREE]).target(EXISTING)
    assert len(kept.real_servers) == 3
    assert kept.real_servers[ONE] == ODD


def test_exactly_these_real_servers():
    known = {"address": "192.168.0.107"}
    target = service_request(SIP, real_servers=[known, THREE], exact=True).target(EXISTING)
    assert [str(key) for key in target.real_servers] == ["192.168.0.107:5060", "192.168.0.109:5060"]
    assert target.real_servers[ONE] == ODD
    assert service_request(SIP, real_servers=[], exact=True).target(EXISTING).real_servers == {}
    assert service_request(SIP, exact=True).target(EXISTING) == EXISTING


def test_a_real_server_that_is_listed_twice():
    twice = [
        {"address": "2001:db8::1", "forwarding": "tun"},
        {"address": "2001:DB8::0:1", "forwarding": "tun"},
    ]
    with pytest.raises(InvalidInput, match=r"\[2001:db8::1\]:5060.*twice"):
        service_request(SIP, real_servers=twice).target(None)


def test_words_of_ipvsadm():
    assert (
        real_server_request(SIP, ONE, forwarding="masq")
        .target(EXISTING)
        .real_servers[ONE]
        .forwarding
        == "nat"
    )


def test_absence():
    assert service_request(SIP, present=False).target(EXISTING) is None
    assert service_request(SIP, present=False).target(None) is None
    assert real_server_request(SIP, ONE, present=False).target(EXISTING).real_servers == {TWO: ODD}
    assert real_server_request(SIP, ONE, present=False).target(None) is None


def test_a_real_server_needs_its_service():
    with pytest.raises(InvalidInput, match=r"192\.168\.0\.107:5060.*add it with"):
        real_server_request(SIP, ONE).target(None)


@pytest.mark.parametrize("weight", [-1, 65536])
def test_nonsense_is_refused(weight):
    with pytest.raises(InvalidInput, match="weight="):
        real_server_request(SIP, ONE, weight=weight).target(EXISTING)
    with pytest.raises(InvalidInput, match="weight="):
        service_request(SIP, real_servers=[{"address": "10.0.0.1", "weight": weight}]).target(None)
    with pytest.raises(InvalidInput, match="persistence_timeout="):
        service_request(SIP, persistence_timeout=-1).target(None)
