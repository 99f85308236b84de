# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routes and rules as values, and as the words of the ``ip`` command. Pure.

Neither carries a tag that would last: whose they are is in the manifest, under these words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Union

IPV4, IPV6 = "ipv4", "ipv6"
MAIN = 254
# The protocol that our routes and rules bear, so that people can tell them; free in iproute2's list.
PROTOCOL = 70
FLAG_OF_FAMILY: Mapping[str, str] = {IPV4: "-4", IPV6: "-6"}
FAMILY_OF_FLAG: Mapping[str, str] = {flag: family for family, flag in FLAG_OF_FAMILY.items()}


@dataclass(frozen=True)
class Route:
    """A default route.

    :ivar gateway: empty where the destinations are on the link itself.
    :ivar metric: IPv4 begins with 0, IPv6 with 1.
    :ivar source: the address that packets are sent from, empty where it is not said.
    """

    family: str
    gateway: str
    interface: str
    table: int = MAIN
    metric: int = 0
    protocol: int = PROTOCOL
    source: str = ""
    onlink: bool = False

    @property
    def place(self) -> tuple[str, int, int]:
        """Where only one can be."""
        return self.family, self.table, self.metric

    def __str__(self) -> str:
        words = [FLAG_OF_FAMILY[self.family], "route", "default"]
        words += ["via", self.gateway] if self.gateway else []
        words += ["dev", self.interface, "table", str(self.table), "metric", str(self.metric)]
        words += ["proto", str(self.protocol)]
        words += ["src", self.source] if self.source else []
        words += ["onlink"] if self.onlink else []
        return " ".join(words)

    def command(self, verb: str) -> str:
        """The ``ip`` command that adds, replaces or deletes it."""
        flag, kind, rest = str(self).split(" ", 2)
        return f"ip {flag} {kind} {verb} {rest}"


@dataclass(frozen=True)
class Rule:
    """Which table is asked for the way of a packet.

    :ivar source: of the packet: an address or a network; empty for any.
    :ivar destination: the same.
    :ivar no_default: whether default routes in the table do not count.
    """

    family: str
    priority: int
    table: int
    source: str = ""
    destination: str = ""
    no_default: bool = False

    def __str__(self) -> str:
        words = [FLAG_OF_FAMILY[self.family], "rule", "priority", str(self.priority)]
        words += ["from", self.source or "all"]
        words += ["to", self.destination] if self.destination else []
        words += ["lookup", str(self.table)]
        words += ["suppress_prefixlength", "0"] if self.no_default else []
        return " ".join([*words, "protocol", str(PROTOCOL)])

    def command(self, verb: str) -> str:
        """The ``ip`` command that adds or deletes it."""
        flag, kind, rest = str(self).split(" ", 2)
        return f"ip {flag} {kind} {verb} {rest}"


Object = Union[Route, Rule]


def parse(text: str) -> Object:
    """The reverse of an object's words.

    :raises ValueError: no words of an object.
    """
    flag, kind, *words = text.split()
    family = FAMILY_OF_FLAG.get(flag, "")
    onlink = words[-1:] == ["onlink"]
    words = words[: len(words) - onlink]
    if kind == "route" and words[:1] == ["default"]:
        given = dict(zip(words[1::2], words[2::2]))
        return Route(
            family,
            given.get("via", ""),
            given["dev"],
            int(given["table"]),
            int(given["metric"]),
            int(given["proto"]),
            given.get("src", ""),
            onlink,
        )
    if kind == "rule":
        given = dict(zip(words[::2], words[1::2]))
        source = given.get("from", "all")
        return Rule(
            family,
            int(given["priority"]),
            int(given["lookup"]),
            "" if source == "all" else source,
            given.get("to", ""),
            "suppress_prefixlength" in given,
        )
    raise ValueError(f"{text!r} is neither a route nor a rule")


@dataclass(frozen=True)
class Way:
    """How a packet leaves: to which router, by which interface."""

    gateway: str
    interface: str

    def __str__(self) -> str:
        return f"via {self.gateway} by {self.interface}" if self.gateway else f"by {self.interface}"
