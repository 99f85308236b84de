# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Established connections through edits: the reason why nothing is deleted and added again."""

from __future__ import annotations

import pytest

from tests.kernel.harness import real_server, service, sh, table
from tests.kernel.network import REAL_SERVERS, VIP, Conversation


@pytest.fixture
def _cluster(network):
    service(scheduler="rr")
    for address in REAL_SERVERS.values():
        real_server(address, port=8080)


@pytest.mark.usefixtures("_cluster")
def test_connections_are_shared_out_in_turn():
    answers = []
    for _time in range(4):
        with Conversation() as conversation:
            answers.append(conversation.say("hello")[0])
    assert answers in (["rs1", "rs2"] * 2, ["rs2", "rs1"] * 2)


@pytest.mark.usefixtures("_cluster")
@pytest.mark.parametrize(
    "edit",
    [
        {"scheduler": "wlc"},
        {"scheduler": "mh"},
        {"persistence_timeout": 60},
        {"persistence_timeout": 60, "persistence_netmask": "255.255.255.0"},
    ],
)
def test_a_connection_lives_through_an_edit_of_its_service(edit):
    with Conversation() as conversation:
        name, _word = conversation.say("before")
        assert service(**edit)["changed"]
        assert conversation.say("after") == [name, "after"]
        if "persistence_timeout" in edit:
            assert service(persistence_timeout=0)["changed"]
        assert service(scheduler="rr")["changed"] == ("scheduler" in edit)
        assert conversation.say("again") == [name, "again"]


@pytest.mark.usefixtures("_cluster")
@pytest.mark.parametrize("edit", [{"weight": 7}, {"weight": 0}])
def test_a_connection_lives_through_an_edit_of_its_real_server(edit):
    with Conversation() as conversation:
        name, _word = conversation.say("before")
        assert real_server(REAL_SERVERS[name], port=8080, **edit)["changed"]
        assert conversation.say("after") == [name, "after"]


def test_a_connection_lives_through_a_change_of_method(network):
    """It keeps the method it began with. (Same port: no other method could translate it.)"""
    everywhere = {"address": VIP, "port": 8080}
    address = REAL_SERVERS["rs1"]
    service(port=8080)
    real_server(address, service=everywhere)
    with Conversation(port=8080) as conversation:
        assert conversation.say("before") == ["rs1", "before"]
        sh("ipvsadm", "-e", "-t", f"{VIP}:8080", "-r", f"{address}:8080", "-g")
        assert conversation.say("between") == ["rs1", "between"]
        assert real_server(address, service=everywhere, forwarding="nat")["changed"]
        assert conversation.say("after") == ["rs1", "after"]


@pytest.mark.usefixtures("_cluster")
def test_weight_zero_drains():
    with Conversation() as old:
        drained = old.say("hello")[0]
        other = next(name for name in REAL_SERVERS if name != drained)
        real_server(REAL_SERVERS[drained], port=8080, weight=0)
        for _time in range(3):
            with Conversation() as new:
                assert new.say("hello")[0] == other
        assert old.say("still")[0] == drained


@pytest.mark.usefixtures("_cluster")
def test_a_connection_lives_through_other_real_servers_coming_and_going():
    with Conversation() as conversation:
        name, _word = conversation.say("before")
        other = next(server for server in REAL_SERVERS if server != name)
        real_server("10.97.0.3", port=8080)
        real_server(REAL_SERVERS[other], port=8080, state="absent")
        assert conversation.say("after") == [name, "after"]
    assert len(table()) == 3


@pytest.mark.usefixtures("_cluster")
def test_persistence_keeps_a_client_where_it_was():
    service(persistence_timeout=60)
    answers = set()
    for _time in range(4):
        with Conversation() as conversation:
            answers.add(conversation.say("hello")[0])
    assert len(answers) == 1
