# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Links, routes and rules as values, and as the words of the ``ip`` command. Pure.

None carries a tag that would last: whose they are is in the manifest, under these words.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple, Union

from ..host.manifest import Claim
from ..net import IPV4, IPV6, Network

# Under which a manifest has return routes, and next hops.
ROUTE_KIND = "route"
NEXT_HOP_KIND = "next_hop"
MAIN = 254
# The protocol that our routes and rules bear, so that people can tell them; free in iproute2's list.
PROTOCOL = 70
FLAG_OF_FAMILY: Mapping[str, str] = {IPV4: "-4", IPV6: "-6"}
FAMILY_OF_FLAG: Mapping[str, str] = {flag: family for family, flag in FLAG_OF_FAMILY.items()}


class Link(NamedTuple):
    """A network device.

    :ivar mtu: the largest packet that it sends, in bytes.
    :ivar mac: its hardware address as people write it; empty where it has none.
    :ivar kind: as ``ip link`` has it, such as ipip; empty for hardware and its like.
    :ivar local: of a tunnel: the address that its packets are sent to; empty for any.
    """

    name: str
    mtu: int = 1500
    is_up: bool = False
    mac: str = ""
    kind: str = ""
    local: str = ""


class Route(NamedTuple):
    """A route to one destination.

    :ivar gateway: empty where the destinations are on the link itself.
    :ivar metric: IPv4 begins with 0, IPv6 with 1.
    :ivar source: the address that packets are sent from, empty where it is not said.
    :ivar destination: an address or a network; empty for a default route.
    """

    family: str
    gateway: str
    interface: str
    table: int = MAIN
    metric: int = 0
    protocol: int = PROTOCOL
    source: str = ""
    onlink: bool = False
    destination: str = ""

    @property
    def place(self) -> tuple[str, int, int, str]:
        """Where only one can be."""
        return self.family, self.table, self.metric, self.destination

    def __str__(self) -> str:
        words = [FLAG_OF_FAMILY[self.family], "route", self.destination or "default"]
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


class Rule(NamedTuple):
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

    @property
    def shown(self) -> str:
        """The beginning of what ``ip -N rule show`` prints of it, after the priority."""
        words = ["from", self.source or "all"]
        if self.destination:
            # A single address is printed without its length.
            full = "/32" if self.family == IPV4 else "/128"
            words += ["to", self.destination.partition(full)[0]]
        return " ".join([*words, "lookup", str(self.table)])

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
    if kind == "route":
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
            "" if words[0] == "default" else words[0],
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


class NextHop(NamedTuple):
    """How a packet leaves the host: to which router, by which interface.

    :ivar gateway: empty where the destination is on the link itself.
    """

    gateway: str
    interface: str

    def __str__(self) -> str:
        return f"via {self.gateway} by {self.interface}" if self.gateway else f"by {self.interface}"


class Routing(NamedTuple):
    """The routing of a host.

    :ivar routes: all default routes, of any table. One over several next hops has no interface.
    :ivar rules: all rules that lead to a table.
    :ivar specific: all other routes of the main table.
    """

    routes: tuple[Route, ...] = ()
    rules: tuple[Rule, ...] = ()
    specific: tuple[Route, ...] = ()

    @property
    def networks(self) -> list[Network]:
        """Where the main table leads by a route that is no default route."""
        return [ipaddress.ip_network(route.destination) for route in self.specific]


# The words of an object to the other owners that claim it; the values are theirs.
Shared = Mapping[str, Collection[str]]


def owners_of(words: str, shared: Shared) -> str:
    """The other owners of an object, as a part of a sentence; empty where there are none."""
    owners = sorted(shared.get(words, ()))
    return f" (of the owner {' and '.join(owners)})" if owners else ""


# A script for the next boot also says what in it is ours, so that this is known where the manifest is lost.
_CLAIM = "# claim "


def claim_lines(claims: Mapping[str, Claim]) -> list[str]:
    """Comments that record claims in a script."""
    return [_CLAIM + json.dumps([name, claims[name].found]) for name in sorted(claims)]


def with_script(claims: Mapping[str, Claim], script: str | None) -> dict[str, Claim]:
    """The claims of a manifest, and those that the owner's script records.

    The manifest may have been lost, or the script is an earlier one, since a change has undone itself.

    :param script: its text; None where there is none.
    """
    found = {}
    for line in (script or "").splitlines():
        if line.startswith(_CLAIM):
            name, before = json.loads(line[len(_CLAIM) :])
            found[name] = Claim(before)
    return {**found, **claims}


_START = """\
failed=0
# Wait until an address is on a segment of this host.
await() {
  for try in $(seq "${LVS_PATIENCE:-60}"); do
    way=$(ip "$1" route get "$2" 2> /dev/null)
    case $way in
      '' | *' via '* | *unreachable*) sleep 1 ;;
      *) return 0 ;;
    esac
  done
  echo "no route to $2" >&2
  failed=1
}"""


def script(lines: Iterable[str]) -> str:
    """A script for the next boot out of lines that may ``await FLAG ADDRESS``, and set ``failed`` to 1."""
    return "\n".join([_START, *lines, "exit $failed", ""])
