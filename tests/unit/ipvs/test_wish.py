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
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.wish import (
    RealServerWish,
    ServiceWish,
)

WEB = ServiceKey.at("tcp", "170.210.122.104", 80)
ONE = RealServerKey.at("192.168.0.107", 80)
TWO = RealServerKey.at("192.168.0.108", 80)
FULL = ServiceAttributes(
    "sh",
    "255.255.255.0",
    persistence_timeout=300,
    persistence_engine="sip",
    one_packet=True,
    scheduler_flags=frozenset({"flag-1"}),
)
ODD = RealServerAttributes("tun", 7, 90, 80, "gue", 6080, "csum")
STANDING = Service(WEB, FULL, {ONE: ODD, TWO: ODD})


def test_a_new_service_has_defaults():
    assert ServiceWish(WEB).target(None) == Service(
        WEB, ServiceAttributes("wlc", "255.255.255.255")
    )


def test_what_is_left_out_stays():
    assert ServiceWish(WEB).target(STANDING) == STANDING
    assert RealServerWish(WEB, ONE).target(STANDING) == STANDING


@pytest.mark.parametrize(
    ("wish", "changed"),
    [
        ({"scheduler": "rr"}, {"scheduler": "rr"}),
        ({"persistence_timeout": 9}, {"persistence_timeout": 9}),
        ({"persistence_netmask": "16"}, {"persistence_netmask": "255.255.0.0"}),
        (
            {"persistence_timeout": 0},
            {"persistence_timeout": 0, "persistence_netmask": "255.255.255.255"},
        ),
    ],
)
def test_only_what_is_given_changes(wish, changed):
    target = ServiceWish(WEB, **wish).target(STANDING)
    assert vars(target.attributes) == {**vars(FULL), **changed}
    assert target.real_servers == STANDING.real_servers


def test_a_mask_needs_persistence():
    with pytest.raises(InvalidInput, match="persistence_timeout"):
        ServiceWish(WEB, persistence_netmask="24").target(None)
    with pytest.raises(InvalidInput, match="persistence_timeout"):
        ServiceWish(WEB, persistence_timeout=0, persistence_netmask="24").target(STANDING)


def test_weight_zero_is_a_value():
    drained = RealServerWish(WEB, ONE, weight=0).target(STANDING)
    assert drained.real_servers[ONE].weight == 0
    assert RealServerWish(WEB, ONE, forwarding="nat").target(drained).real_servers[ONE].weight == 0
    assert RealServerWish(WEB, ONE, weight=0).target(Service(WEB, FULL)).real_servers == {
        ONE: RealServerAttributes(weight=0)
    }


def test_an_edit_keeps_thresholds_and_tunnel():
    edited = RealServerWish(WEB, ONE, weight=8).target(STANDING)
    assert vars(edited.real_servers[ONE]) == {**vars(ODD), "weight": 8}
    assert edited.real_servers[TWO] == ODD


def test_words_of_ipvsadm():
    assert (
        RealServerWish(WEB, ONE, forwarding="masq").target(STANDING).real_servers[ONE].forwarding
        == "nat"
    )


def test_absence():
    assert ServiceWish(WEB, present=False).target(STANDING) is None
    assert ServiceWish(WEB, present=False).target(None) is None
    assert RealServerWish(WEB, ONE, present=False).target(STANDING).real_servers == {TWO: ODD}
    assert RealServerWish(WEB, ONE, present=False).target(None) is None


def test_a_real_server_needs_its_service():
    with pytest.raises(InvalidInput, match=r"192\.168\.0\.107:80.*add it with"):
        RealServerWish(WEB, ONE).target(None)
