# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ansible inventory of a lab. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml

from lab.topology import Topology


def inventory(
    topology: Topology,
    ports: Mapping[str, int],
    *,
    key: str,
    sharing: Sequence[str],
    options: Callable[[str], Sequence[str]],
) -> dict[str, Any]:
    """All nodes with how they are reached, in their groups."""
    hosts: dict[str, Any] = {}
    groups: dict[str, Any] = {}
    for node in topology.nodes.values():
        hosts[node.name] = {
            "ansible_host": "127.0.0.1",
            "ansible_port": ports[node.name],
            "ansible_ssh_common_args": " ".join(options(node.name)),
            **node.variables,
        }
        for group in node.groups:
            groups.setdefault(group, {"hosts": {}})["hosts"][node.name] = {}
    everywhere = {
        "ansible_connection": "ssh",
        "ansible_user": "root",
        "ansible_ssh_private_key_file": key,
        "ansible_ssh_args": " ".join(sharing),
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    top: dict[str, Any] = {"hosts": hosts, "vars": everywhere}
    if groups:
        top["children"] = groups
    return {"all": top}


def to_yaml(data: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(data), sort_keys=False, width=1000)
