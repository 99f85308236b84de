# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.engine import Engine, Held
from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.host.commands import Commands
from ansible_collections.lvs.cluster.plugins.module_utils.host.manifest import Claim, Manifest
from ansible_collections.lvs.cluster.plugins.module_utils.host.store import Store
from ansible_collections.lvs.cluster.plugins.module_utils.network.model import Route
from ansible_collections.lvs.cluster.plugins.module_utils.network.requirements import (
    Facts,
    Requirements,
    check_return,
    check_sources,
)

FACTS = Facts(
    {"192.168.0.7": "192.168.0.104", "192.168.9.7": "10.0.0.104", "192.168.8.7": ""},
    (
        Route("ipv4", "192.168.0.1", "eth1", metric=100),
        Route("ipv4", "192.168.0.104", "eth1", metric=50),
        Route("ipv6", "fd00::1", "eth1", metric=1024),
    ),
)


@pytest.mark.parametrize("allowed", [["192.168.0.104"], ["203.0.113.1", "192.168.0.0/24"]])
def test_the_address_that_a_director_tunnels_from(allowed):
    check_sources(["192.168.0.7"], allowed, FACTS)
    with pytest.raises(InvalidInput, match=r"to 192\.168\.9\.7 this director would send from 10\."):
        check_sources(["192.168.0.7", "192.168.9.7"], allowed, FACTS)
    with pytest.raises(InvalidInput, match="would send from nowhere"):
        check_sources(["192.168.8.7"], allowed, FACTS)


def test_replies_that_would_go_back_through_a_director():
    """Only the best default route of the virtual address's family counts."""
    with pytest.raises(InvalidInput, match=r"leads to the director 192\.168\.0\.104, which drops"):
        check_return(["192.168.0.104", "fd00::104"], ["198.51.100.10"], FACTS)
    check_return(["192.168.0.1"], ["198.51.100.10"], FACTS)
    check_return(["192.168.0.104", "fd00::104"], ["2001:db8::10"], FACTS)
    check_return(["192.168.0.104"], [], FACTS)
    check_return(["192.168.0.104"], ["198.51.100.10"], Facts())


def test_a_default_route_of_our_own_has_to_go_first():
    """It stays until the host has grown, so that it would be in the way; by policy it is none."""
    best = FACTS.defaults[1]
    words = r"Give this host a default route to the clients' network"
    ours = r"set nat_routing to policy and run once before you change forwarding to dr or tun"
    entry = {"no_return_through": {"gateways": ["192.168.0.104"], "addresses": ["198.51.100.10"]}}
    kind = Requirements.of(entry, None)
    claims = {"route": {str(best): Claim()}}
    for held, remedy in (
        (Held(), words),
        (Held(consulted={"route": {str(FACTS.defaults[0]): Claim()}}), words),
        (Held(consulted=claims), ours),
        (Held(others={"route": {str(best): {"nat-web": Claim()}}}), ours),
    ):
        with pytest.raises(InvalidInput, match=remedy):
            kind.plan(FACTS, held, True, False)


def test_the_claims_on_return_routes_reach_the_requirements_and_stay(tmp_path):
    class Looking(Requirements):
        seen = None

        def plan(self, current, held, prune, check_mode):
            self.seen = held
            return super().plan(current, held, prune, check_mode)

    def store(owner):
        return Store(owner, directory=f"{tmp_path}/state", lock=f"{tmp_path}/lock")

    for owner, name in (("web", "one"), ("mail", "two")):
        store(owner).save(Manifest(owner, {"route": {name: Claim()}}))
    kind = Looking({}, None)
    Engine(store("web"), Commands(lambda *_words, **_more: (0, "", ""))).run([kind])
    assert kind.seen.claims("route") == {"one": Claim()}
    assert kind.seen.shared("route", "two") == {"mail": Claim()}
    assert store("web").load().claims == {"route": {"one": Claim()}}
