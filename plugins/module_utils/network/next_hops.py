# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A director's routes to its real servers by direct routing, each its own next hop. Pure.

By direct routing the director sends packets for the virtual address to a real server's hardware address. IPVS
keeps one route per real server and address (``ip_vs_dest.dest_dst``). It looks that route up anew after an edit,
and whichever packet comes first does so: one of a connection by the new method, or one of a connection that still
goes by the old one. Only a lookup for direct routing asks for a route that knows its next hop
(``IP_VS_RT_MODE_KNOWN_NH`` in ip_vs_xmit.c). With any other, neighbours on a segment are asked for the destination
of the packet: who has the virtual address? Nobody answers, and packets are lost until the next edit. A route that
names the real server as the next hop serves all lookups alike.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from ..errors import InvalidInput
from ..host.manifest import Claim
from ..net import IPV4, IPV6, family_of
from ..values import EMPTY
from .model import FLAG_OF_FAMILY, NEXT_HOP_KIND, NextHop, Route, claim_lines, parse, script

KIND = NEXT_HOP_KIND
SUBJECT = "forwarding"
# Of a route that a person adds without saying it.
_METRIC: Mapping[str, int] = {IPV4: 0, IPV6: 1024}


class Host(NamedTuple):
    """How packets leave a director.

    :ivar ways: by the address of a real server; None where no packet leaves for it.
    :ivar routes: the routes of the main table that are no default routes.
    """

    ways: Mapping[str, NextHop | None] = EMPTY
    routes: tuple[Route, ...] = ()


class NextHopPlan(NamedTuple):
    """:ivar replaced: routes of ours that give way to added ones in their place.
    :ivar surplus: what is ours, no longer desired and kept.
    :ivar claims: the words of what is ours, to its claim.
    """

    added: tuple[Route, ...] = ()
    removed: tuple[Route, ...] = ()
    replaced: tuple[Route, ...] = ()
    surplus: tuple[Route, ...] = ()
    claims: Mapping[str, Claim] = EMPTY


def plan(
    to: Sequence[str],
    host: Host,
    claims: Mapping[str, Claim],
    prune: bool = True,
    shared: Collection[str] = (),
) -> NextHopPlan:
    """From the current routes to those that name each of these real servers as its own next hop.

    What others have set up for a real server stays as it is, if it is on a segment of this host.

    :param to: addresses of real servers.
    :param prune: whether what is ours and no longer desired is removed.
    :param shared: the words of what other owners claim too, which is given up, not removed.
    :raises InvalidInput: a real server is not on a segment of this host.
    """
    ours = _routes([*claims, *shared])
    desired: dict[Route, Claim] = {}
    away = []
    for address in dict.fromkeys(to):
        interface = segment(address, host, ours)
        if interface is None:
            away.append(address)
            continue
        family = family_of(address)
        route = Route(
            family, address, interface, metric=_METRIC[family], onlink=True, destination=address
        )
        taken = [each for each in host.routes if each.place == route.place and each not in ours]
        if not taken or route in taken:
            desired[route] = claims.get(str(route)) or Claim()
    check(away)
    own = [route for route in ours if str(route) in claims]
    places = {route.place for route in desired}
    there = set(host.routes)
    old = [route for route in own if route not in desired and route in there]
    going = [route for route in old if route.place not in places]
    kept = [] if prune else going
    return NextHopPlan(
        added=tuple(route for route in desired if route not in there),
        removed=tuple(route for route in going if prune and str(route) not in shared),
        replaced=tuple(route for route in old if route.place in places),
        surplus=tuple(kept),
        claims={
            **{str(route): claims[str(route)] for route in kept},
            **{str(route): claim for route, claim in desired.items()},
        },
    )


def segment(address: str, host: Host, ours: Collection[Route]) -> str | None:
    """The interface on whose segment a real server is; None where it is on none.

    :param ours: routes that say nothing about it, since they are our own.
    """
    way = host.ways.get(address)
    # A route may name the real server itself as the next hop.
    if way is None or way.gateway not in ("", address):
        return None
    if not any(route.destination == address and route in ours for route in host.routes):
        return way.interface
    # Our own route may have outlived the network that it was made for.
    wanted = ipaddress.ip_address(address)
    matching = [
        route
        for route in host.routes
        if route not in ours and wanted in ipaddress.ip_network(route.destination)
    ]
    best = min(
        matching,
        key=lambda route: (-ipaddress.ip_network(route.destination).prefixlen, route.metric),
        default=None,
    )
    return best.interface if best and best.gateway in ("", address) else None


def check(away: Sequence[str]) -> None:
    """:raises InvalidInput: there are real servers that are on no segment of this host."""
    if away:
        raise InvalidInput(
            SUBJECT,
            None,
            "dr",
            "direct routing changes only the MAC address of a packet, so a real server has to be on a "
            f"segment of the director, and {', '.join(away)} is reached through a router or not at all",
            "forward to it by tun or nat, or give the director an address on its segment",
        )


def _routes(words: Iterable[str]) -> list[Route]:
    return [route for route in map(parse, words) if isinstance(route, Route)]


def script_body(claims: Mapping[str, Claim]) -> str | None:
    """The commands that restore the routes, and do nothing where they exist; None where there are none."""
    routes = sorted(_routes(claims), key=str)
    if not routes:
        return None
    lines = claim_lines(claims)
    for route in routes:
        # The interface may not be up yet.
        lines.append(f"{route.command('replace')} 2> /dev/null || {{")
        lines.append(f"  await {FLAG_OF_FAMILY[route.family]} {route.gateway}")
        lines.append(f"  {route.command('replace')} || failed=1")
        lines.append("}")
    return script(lines)
