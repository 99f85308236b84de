# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sync daemons, which tell other directors of this one's connections: what one is, and its changes. Pure.

Each network namespace can have two: a master, which sends, and a backup, which receives. The kernel can't edit a
daemon: a change stops and restarts it (``start_sync_thread`` in ``ip_vs_sync.c``).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import InvalidInput

KIND = "ipvs_sync_daemon"
ROLES = ("master", "backup")
DEFAULT_GROUP, DEFAULT_PORT = "224.0.0.81", 8848
OPTIONS: Mapping[str, Any] = {
    "interface": {"type": "str"},
    "syncid": {"type": "int"},
    "maxlen": {"type": "int"},
    "group": {"type": "str"},
    "port": {"type": "int"},
    "ttl": {"type": "int"},
}
# IFNAMSIZ, less the zero at its end.
_MAX_NAME = 15


class Daemon(NamedTuple):
    """One daemon. A maximal length of 0 means the MTU of the interface, less headers.

    :ivar group: the multicast group, IPv4 or IPv6.
    """

    role: str
    interface: str
    syncid: int = 0
    maxlen: int = 0
    group: str = DEFAULT_GROUP
    port: int = DEFAULT_PORT
    ttl: int = 1

    def __str__(self) -> str:
        """As ``ipvsadm`` is told to start it."""
        text = (
            f"--start-daemon {self.role} --mcast-interface {self.interface} --syncid {self.syncid}"
        )
        if self.maxlen:
            text += f" --sync-maxlen {self.maxlen}"
        return f"{text} --mcast-group {self.group} --mcast-port {self.port} --mcast-ttl {self.ttl}"


def wanted(current: Daemon | None, role: str, options: Mapping[str, Any]) -> Daemon:
    """The daemon that is asked for; what is left out stays as it is, or has its default.

    :param options: those of OPTIONS.
    :raises InvalidInput: it can't be.
    """
    given = {name: options[name] for name in OPTIONS if options.get(name) is not None}
    subject = f"the sync daemon {role}"
    if current is None and "interface" not in given:
        raise InvalidInput(
            subject,
            "interface",
            None,
            "is missing, and no such daemon is running",
            "name the interface that connects the directors",
        )
    daemon = current._replace(**given) if current else Daemon(role, **given)
    _check(subject, daemon)
    group = str(ipaddress.ip_address(daemon.group))
    # The kernel replaces a length of 0 by one that fits the interface.
    return daemon._replace(group=group)


def _check(subject: str, daemon: Daemon) -> None:
    for name, least, most in (
        ("syncid", 0, 255),
        ("maxlen", 0, 65507),
        ("port", 1, 65535),
        ("ttl", 1, 255),
    ):
        value = getattr(daemon, name)
        if not least <= value <= most:
            raise InvalidInput(
                subject, name, value, "is out of range", f"use a number from {least} to {most}"
            )
    name = daemon.interface
    if not 1 <= len(name) <= _MAX_NAME or "/" in name or any(sign.isspace() for sign in name):
        raise InvalidInput(
            subject,
            "interface",
            name,
            "is not the name of an interface",
            "name one that 'ip link' shows",
        )
    try:
        multicast = ipaddress.ip_address(daemon.group).is_multicast
    except ValueError:
        multicast = False
    if not multicast:
        raise InvalidInput(
            subject,
            "group",
            daemon.group,
            "is not a multicast address",
            f"use for example {DEFAULT_GROUP} or ff05::81",
        )


def same(current: Daemon | None, target: Daemon | None) -> bool:
    """Whether nothing needs to be done."""
    if current is None or target is None:
        return current is target
    if target.maxlen == 0:
        return current._replace(maxlen=0) == target
    return current == target


def data(daemon: Daemon) -> dict[str, Any]:
    """As plain data."""
    return daemon._asdict()


def script_body(daemon: Daemon) -> str:
    """The command that starts it at boot, unless it is running.

    :param daemon: with the maximal length that was asked for, or 0.
    """
    start = f"ipvsadm {daemon}"
    return f"ipvsadm --list --daemon | grep -q '^{daemon.role} sync daemon' || {start}\n"
