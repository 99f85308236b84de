# SPDX-License-Identifier: GPL-3.0-or-later
"""Topologies: what is read, and how each mistake is told."""

from __future__ import annotations

import pytest

from lab.errors import LabError
from lab.topology import Topology, load_topology, parse_topology, topology_files


def parse(text: str, name: str = "test") -> Topology:
    return parse_topology(text, name, f"{name}.yml")


def mistake(text: str, name: str = "test") -> str:
    with pytest.raises(LabError) as caught:
        parse(text, name)
    return str(caught.value)


def one_node(nic: str, rest: str = "") -> str:
    return f"segments: [lan]\nnodes:\n  rs1:\n    nics:\n      - {{{nic}}}\n{rest}"


@pytest.mark.parametrize("name", topology_files())
def test_every_shipped_topology_is_valid(name):
    assert load_topology(name).nodes


def test_a_scenario_has_its_topology_in_its_own_folder():
    files = topology_files()
    assert files["nat"].parts[-3:] == ("molecule", "nat", "topology.yml")
    assert files["quickstart"].parts[-3:] == ("lab", "topologies", "quickstart.yml")


def test_a_scenarios_topology_is_called_like_its_folder(monkeypatch):
    """So that its machines are the same by whichever way it is given."""
    file = topology_files()["nat"]
    assert load_topology(str(file)) == load_topology("nat")
    monkeypatch.chdir(file.parent)
    assert load_topology("topology.yml") == load_topology("nat")
    assert load_topology("nat").name == "nat"


def test_the_default_laboratory():
    topology = load_topology("quickstart")
    assert {name: [str(a) for a in node.addresses] for name, node in topology.nodes.items()} == {
        "client": ["170.210.122.101/25"],
        "director": ["170.210.122.104/25", "192.168.0.104/25"],
        "rs1": ["192.168.0.107/25"],
        "rs2": ["192.168.0.108/25"],
    }
    assert [str(g) for g in topology.nodes["rs2"].nics[0].gateways] == ["192.168.0.104"]
    assert topology.nodes["rs1"].services == ("nginx",)
    assert topology.nodes["director"].main_address == "192.168.0.104"
    assert topology.nodes["client"].main_address == "170.210.122.101"


def test_a_router_and_the_way_to_it():
    topology = load_topology("nat")
    assert [name for name, node in topology.nodes.items() if node.router] == ["router"]
    routes = topology.nodes["director"].nics[0].routes
    assert [(str(to), str(via)) for to, via in routes] == [
        ("192.168.1.0/24", "192.168.0.110"),
        ("fd00:192:168:1::/64", "fd00:192:168::110"),
    ]
    # Of several addresses, the first is the one that the others know it by.
    assert topology.nodes["rs3"].main_address == "192.168.1.109"


def test_memory_is_the_files_then_the_nodes():
    topology = parse("memory: 300\nnodes:\n  a: {}\n  b: {memory: 700, cpus: 2}\n")
    assert [(n.number, n.memory, n.cpus) for n in topology.nodes.values()] == [
        (1, 300, 1),
        (2, 700, 2),
    ]


def test_ipv6_and_several_gateways():
    topology = parse(
        one_node(
            "segment: lan, addresses: [10.0.0.1/8, '2001:db8::1/64'],"
            " gateway: [10.0.0.9, '2001:db8::9']".replace("10.0.0.", "10.9.0.").replace("/8", "/24")
        )
    )
    assert [str(g) for g in topology.nodes["rs1"].nics[0].gateways] == ["10.9.0.9", "2001:db8::9"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            one_node("segment: wan, addresses: []"),
            ["node rs1", "no segment 'wan'", "list it under 'segments'", "lan"],
        ),
        (
            one_node("segment: lan, addresses: [192.168.0.1]"),
            ["node rs1", "'192.168.0.1'", "CIDR form", "such as 192.168.0.107/25"],
        ),
        (
            one_node("segment: lan, addresses: [10.9.0.1/24], routes: {10.8.0.1/24: 10.9.0.2}"),
            ["node rs1", "'10.8.0.1/24'", "such as 192.168.1.0/24"],
        ),
        (
            one_node("segment: lan, addresses: [10.9.0.1/24], routes: {10.8.0.0/24: 10.7.0.2}"),
            ["node rs1", "the gateway 10.7.0.2", "none of the card's networks"],
        ),
        ("nodes:\n  a: {router: maybe}\n", ["node a", "'router' is 'maybe'", "true or false"]),
        (
            one_node("segment: lan, addresses: [192.168.0.300/25]"),
            ["node rs1", "'192.168.0.300/25'", "CIDR form"],
        ),
        (
            one_node("segment: lan, addresses: [192.168.0.7/25], gateway: 192.168.0.200"),
            ["node rs1", "gateway 192.168.0.200", "192.168.0.0/25", "take one that is"],
        ),
        (
            one_node("segment: lan, addresses: [192.168.0.7/25], gateway: router"),
            ["node rs1", "'router'", "not an address"],
        ),
        (
            one_node("segment: lan, addresses: [10.0.2.7/24]"),
            ["node rs1", "10.0.2.7/24", "management network", "another network"],
        ),
        (
            one_node(
                "segment: lan, addresses: [10.9.0.1/24]",
                "  rs2:\n    nics:\n      - {segment: lan, addresses: [10.9.0.1/16]}\n",
            ),
            ["node rs2", "10.9.0.1", "already that of rs1", "its own"],
        ),
        (
            one_node("segment: lan, addresses: [10.9.0.1/24, 10.9.0.1/24]"),
            ["node rs1", "10.9.0.1", "already that of rs1"],
        ),
        ("nodes:\n  rs1: {}\n  rs1: {}\n", ["'rs1' stands twice", "line 3", "rename or remove"]),
        ("segments: [lan, lan]\nnodes:\n  a: {}\n", ["'lan' stands twice", "remove one"]),
        ("nodes:\n  Web_1: {}\n", ["'Web_1'", "cannot name a node", "lower-case"]),
        ("nodes:\n  rs1: {groups: [a-b]}\n", ["node rs1", "'a-b'", "underscores"]),
        ("nodes:\n  rs1: {services: ['a b']}\n", ["node rs1", "'a b'", "systemd unit"]),
        ("nodes:\n  rs1: {vars: {a b: 1}}\n", ["node rs1", "'a b'", "identifier"]),
        ("nodes:\n  rs1: {memory: lots}\n", ["node rs1", "'lots'", "whole number from 128"]),
        ("nodes:\n  rs1: {memory: true}\n", ["node rs1", "True", "whole number"]),
        ("nodes:\n  rs1: {nic: []}\n", ["node rs1", "'nic' is unknown", "nics"]),
        ("nodes:\n  rs1: {nics: lan}\n", ["node rs1", "'nics' is 'lan'", "write a list"]),
        ("segments: [lan]\n", ["declares no nodes", "under 'nodes'"]),
        ("- a\n", ["must be a mapping"]),
        ("a: [", ["not valid YAML"]),
        ("", ["declares no nodes"]),
    ],
)
def test_a_mistake_is_one_sentence_with_file_value_and_remedy(text, parts):
    message = mistake(text)
    assert message.startswith("test.yml: ")
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_a_name_must_fit_into_socket_paths():
    assert "cannot name a topology" in mistake("nodes:\n  a: {}\n", name="n" * 21)


def test_an_unknown_topology_names_those_there_are():
    with pytest.raises(LabError, match=r"no topology nothing; .*kernel, mixed, nat"):
        load_topology("nothing")


def test_a_topology_may_be_any_file(tmp_path):
    path = tmp_path / "mine.yml"
    path.write_text("nodes:\n  a: {}\n")
    assert load_topology(str(path)).name == "mine"
