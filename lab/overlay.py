# SPDX-License-Identifier: GPL-3.0-or-later
"""A node's own files: what makes the common image that one machine. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from lab.cpio import File, Link
from lab.topology import Nic, NodeSpec, Topology

_ROOT = "overlay/"


@dataclass(frozen=True)
class Keys:
    """The keys of a node: who may log in, and how it proves who it is."""

    authorized: str
    host_private: str
    host_public: str


def overlay(topology: Topology, node: NodeSpec, keys: Keys) -> dict[str, File | Link]:
    """The files, by their path in the initramfs."""
    machine_id = hashlib.sha256(f"{topology.name}/{node.name}".encode()).hexdigest()[:32]
    files: dict[str, File | Link] = {
        "etc/hostname": _text(f"{node.name}\n"),
        "etc/hosts": _text(_hosts(topology)),
        "etc/machine-id": File(f"{machine_id}\n".encode(), 0o444),
        "etc/ssh/ssh_host_ed25519_key": File(keys.host_private.encode(), 0o600),
        "etc/ssh/ssh_host_ed25519_key.pub": _text(keys.host_public),
        "root/.ssh/authorized_keys": File(keys.authorized.encode(), 0o600),
        "etc/systemd/network/10-eth0.network": _text(_MANAGEMENT),
        "var/www/html/index.html": _text(f"{node.name}\n"),
        "etc/nginx/conf.d/lab.conf": _text(_SECOND_PORT),
        "etc/dnsmasq.d/lab.conf": _text(_NAME_SERVER.format(name=node.name)),
    }
    for number, nic in enumerate(node.nics, 1):
        files[f"etc/systemd/network/20-eth{number}.network"] = _text(_network(number, nic))
    if node.router:
        files["etc/sysctl.d/10-router.conf"] = _text(_ROUTER)
    for service in node.services:
        unit = service if "." in service else f"{service}.service"
        wanted = f"etc/systemd/system/multi-user.target.wants/{unit}"
        files[wanted] = Link(f"/lib/systemd/system/{unit}")
    return {_ROOT + path: content for path, content in files.items()}


_MANAGEMENT = """[Match]
Name=eth0

[Network]
Address=10.0.2.15/24
LinkLocalAddressing=no
IPv6AcceptRA=no
LLDP=no
"""


_SECOND_PORT = """server { listen 8080; listen [::]:8080; root /var/www/html; }
"""

# Where it is enabled: whoever asks for the text of who.lab gets the machine's name.
_NAME_SERVER = """no-resolv
no-hosts
# Without a word about interfaces, Debian's answers its own networks only.
except-interface=none
txt-record=who.lab,{name}
"""

_ROUTER = """net.ipv4.ip_forward = 1
net.ipv6.conf.all.forwarding = 1
"""


def _network(number: int, nic: Nic) -> str:
    lines = ["[Match]", f"Name=eth{number}", "", "[Network]"]
    lines += [f"Address={address}" for address in nic.addresses]
    lines += [f"Gateway={gateway}" for gateway in nic.gateways]
    lines += ["IPv6AcceptRA=no", "LLDP=no", "ConfigureWithoutCarrier=yes", ""]
    for network, gateway in nic.routes:
        lines += ["[Route]", f"Destination={network}", f"Gateway={gateway}", ""]
    return "\n".join(lines)


def _hosts(topology: Topology) -> str:
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost"]
    lines += [
        f"{node.main_address} {node.name}"
        for node in topology.nodes.values()
        if node.main_address is not None
    ]
    return "\n".join(lines) + "\n"


def _text(content: str) -> File:
    return File(content.encode())
