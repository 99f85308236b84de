# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has to be true of a host's network before anything is changed there: conditions of forwarding methods."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from ..engine import Base, Held, Plan
from ..errors import InvalidInput
from ..net import FAMILIES, family_of
from ..values import EMPTY
from .iproute import IpRoute
from .model import MAIN, ROUTE_KIND, Route

SUBJECT = "forwarding"


class Facts(NamedTuple):
    """How packets leave the host.

    :ivar sources: by address, from which address of this host; empty where none.
    :ivar defaults: all default routes of the main table.
    """

    sources: Mapping[str, str] = EMPTY
    defaults: tuple[Route, ...] = ()


class Requirements(Base):
    """Conditions; they are no objects, so nothing is ever changed."""

    name = "requirements"
    consults = (ROUTE_KIND,)

    def __init__(self, entry: Mapping[str, Any], ip: IpRoute) -> None:
        self._entry = entry
        self._ip = ip

    @classmethod
    def of(cls, entry: Mapping[str, Any] | None, ip: IpRoute) -> Requirements:
        return cls(entry or {}, ip)

    def read(self, _held: Held, _check_mode: bool) -> Facts:
        sources = self._entry.get("tunnel_sources") or {}
        defaults: tuple[Route, ...] = ()
        if self._entry.get("no_return_through"):
            defaults = tuple(
                each for each in self._ip.routing(FAMILIES).routes if each.table == MAIN
            )
        return Facts(
            {each: self._ip.source_to(each) for each in sources.get("to", ())},
            defaults,
        )

    def plan(self, current: Facts, held: Held, _prune: bool, _check_mode: bool) -> Plan:
        sources = self._entry.get("tunnel_sources") or {}
        check_sources(sources.get("to", ()), sources.get("from", ()), current)
        through = self._entry.get("no_return_through") or {}
        claimed = {**held.others.get(ROUTE_KIND, {}), **held.claims(ROUTE_KIND)}
        gateways, addresses = through.get("gateways", ()), through.get("addresses", ())
        check_return(gateways, addresses, current, claimed)
        return Plan()


def check_sources(to: Sequence[str], allowed: Sequence[str], facts: Facts) -> None:
    """Real servers take tunnelled packets from known addresses only.

    :param allowed: addresses and networks.
    :raises InvalidInput: this director would send from another.
    """
    networks = [ipaddress.ip_network(text) for text in allowed]
    refused = {}
    for address in to:
        source = facts.sources.get(address, "")
        if not source or not any(ipaddress.ip_address(source) in each for each in networks):
            refused[address] = source or "nowhere"
    if refused:
        raise InvalidInput(
            SUBJECT,
            None,
            "tun",
            "real servers accept tunnelled packets only from the lvs_address of directors and from tun_directors, "
            f"and to {', '.join(refused)} this director would send from {', '.join(sorted(set(refused.values())))}",
            "correct its lvs_address, or add that address to tun_directors",
        )


_REMEDY = (
    "give this host a default route to the clients' network that does not lead through a director, or forward to it "
    "by nat"
)
# Before it gives up the route by NAT, a host would already answer by the new method (make before break).
_REMEDY_FOR_OURS = (
    "nat_routing default has set that route: set nat_routing to policy and run once before you change forwarding to "
    "dr or tun"
)


def check_return(
    gateways: Sequence[str],
    addresses: Sequence[str],
    facts: Facts,
    claimed: Collection[str] = (),
) -> None:
    """A director drops packets whose source is its own virtual address (fib_validate_source in fib_frontend.c).

    :param gateways: the directors' addresses.
    :param addresses: the virtual addresses that this real server answers from.
    :param claimed: the words of the return routes by NAT that are ours.
    :raises InvalidInput: the default route of this real server leads to a director.
    """
    for family in dict.fromkeys(map(family_of, addresses)):
        routes = [each for each in facts.defaults if each.family == family]
        best = min(routes, key=lambda each: each.metric, default=None)
        if best and best.gateway in gateways:
            raise InvalidInput(
                SUBJECT,
                None,
                "dr",
                f"with dr and tun, real servers answer clients directly, but the default route of this "
                f"host leads to the director {best.gateway}, which drops packets from its own virtual address",
                _REMEDY_FOR_OURS if str(best) in claimed else _REMEDY,
            )
