# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory."""

from __future__ import annotations

import yaml

from lab.inventory import inventory, to_yaml
from lab.topology import load_topology, parse_topology


def made(topology):
    ports = {name: 2200 + node.number for name, node in topology.nodes.items()}
    data = inventory(
        topology,
        ports,
        key="/run/key",
        sharing=["-o", "ControlMaster=auto"],
        options=lambda node: ["-o", f"HostKeyAlias={node}"],
    )
    return yaml.safe_load(to_yaml(data))["all"]


def test_hosts_are_reached_over_loopback():
    assert made(load_topology("quickstart"))["hosts"]["rs1"] == {
        "ansible_host": "127.0.0.1",
        "ansible_port": 2203,
        "ansible_ssh_common_args": "-o HostKeyAlias=rs1",
        "lvs_address": "192.168.0.107",
    }


def test_groups_hold_their_hosts():
    groups = made(load_topology("quickstart"))["children"]
    assert {name: sorted(group["hosts"]) for name, group in groups.items()} == {
        "lvs_clients": ["client"],
        "lvs_directors": ["director"],
        "lvs_real_servers": ["rs1", "rs2"],
    }


def test_the_login_is_roots():
    assert made(load_topology("quickstart"))["vars"] == {
        "ansible_connection": "ssh",
        "ansible_user": "root",
        "ansible_ssh_private_key_file": "/run/key",
        "ansible_ssh_args": "-o ControlMaster=auto",
        "ansible_python_interpreter": "/usr/bin/python3",
    }


def test_a_lab_without_groups():
    assert "children" not in made(parse_topology("nodes:\n  a: {}\n", "t", "t.yml"))
