# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The return routes of a NAT real server: routes and rules that lead its replies through the director. Pure.

By ``policy``, packets from the real server's own addresses take the director for their default route, and
all else stays. By ``default``, the host's default route itself leads to the director.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import InvalidInput
from ..host.manifest import Claim
from ..net import IPV4, Network, network, one_of_each_family
from ..values import EMPTY
from .model import (
    FLAG_OF_FAMILY,
    MAIN,
    ROUTE_KIND,
    NextHop,
    Object,
    Route,
    Routing,
    Rule,
    claim_lines,
    owners_of,
    parse,
    script,
)

KIND = ROUTE_KIND
SUBJECT = "the return route"
POLICY, DEFAULT = "policy", "default"
MODES = (POLICY, DEFAULT)
# The words of an object to the other owners that claim it, each with its claim.
Shared = Mapping[str, Mapping[str, Claim]]
LOWEST_METRIC: Mapping[str, int] = {IPV4: 0, "ipv6": 1}


class Request(NamedTuple):
    """:ivar gateways: family to the router that leads to the director; and by which interface.
    :ivar sources: family to the host's own address.
    :ivar keep: networks whose way must not change.
    :ivar through: networks to which answers take the router even where the host has a way of its own.
    """

    gateways: Mapping[str, NextHop] = EMPTY
    sources: Mapping[str, str] = EMPTY
    keep: tuple[Network, ...] = ()
    through: tuple[Network, ...] = ()
    mode: str = POLICY
    table: int = 1704
    priority: int = 17040


class RoutePlan(NamedTuple):
    """:ivar added: in order.
    :ivar removed: in order, after what is added.
    :ivar replaced: the routes that give way to added ones in their place.
    :ivar restored: default routes that were found, and come back.
    :ivar surplus: the words of what is ours, no longer desired and kept.
    :ivar claims: the words of what is ours, to its claim.
    """

    added: tuple[Object, ...] = ()
    removed: tuple[Object, ...] = ()
    restored: tuple[Route, ...] = ()
    replaced: tuple[Route, ...] = ()
    surplus: tuple[str, ...] = ()
    claims: Mapping[str, Claim] = EMPTY

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.restored)

    @property
    def lines(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What changes, as lines: before, after."""
        before = sorted(str(each) for each in (*self.removed, *self.replaced))
        after = sorted(str(each) for each in (*self.added, *self.restored))
        return tuple(before), tuple(after)

    def undoing(self) -> list[str]:
        """The commands that bring everything back, for the timer."""
        replaced = {route.place for route in self.replaced}
        lines = [
            each.command("del")
            for each in reversed(self.added)
            if not (isinstance(each, Route) and each.place in replaced)
        ]
        lines += [route.command("replace") for route in self.replaced]
        restored = {route.place for route in self.restored}
        for each in reversed(self.removed):
            over = isinstance(each, Route) and each.place in restored
            lines.append(each.command("replace" if over else "add"))
        return lines


def plan(
    request: Request,
    host: Routing,
    claims: Mapping[str, Claim],
    prune: bool = True,
    shared: Shared = EMPTY,
    owner: str = "",
) -> RoutePlan:
    """From the current routes and rules to those that lead back through the director.

    :param prune: whether what is ours and no longer desired is removed.
    :param shared: what other owners claim too, which is given up, not removed.
    :param owner: for messages.
    :raises InvalidInput: another program already uses the routing table, or another owner the default route.
    """
    _check_through(request)
    ours = {name: parse(name) for name in claims}
    current: set[Object] = {*host.routes, *host.rules}
    desired: dict[Object, Claim] = {}
    for family in request.gateways:
        if request.mode == POLICY:
            for each in _policy(request, family):
                desired[each] = claims.get(str(each)) or Claim()
        else:
            desired.update(_default(request, family, host, claims, shared, owner))
    _check_table(request, host, ours.values(), desired, shared)
    added = [each for each in desired if each not in current]
    new_places = {each.place for each in added if isinstance(each, Route)}
    replaced = [route for route in host.routes if route.place in new_places]
    # One that gives way to another of ours in its place is replaced, not removed.
    going = [
        each
        for name, each in ours.items()
        if each not in desired and each in current and each not in replaced
    ]
    kept = {} if prune else {str(each): claims[str(each)] for each in going}
    going = [each for each in going if prune and str(each) not in shared]
    places = {each.place for each in desired if isinstance(each, Route)}
    restored: list[Route] = []
    for each in going:
        route = _replaced_by(claims[str(each)])
        if route and isinstance(each, Route) and each.place not in places:
            restored.append(route)
    return RoutePlan(
        added=tuple(sorted(added, key=_order)),
        removed=tuple(sorted(going, key=_order, reverse=True)),
        restored=tuple(restored),
        replaced=tuple(replaced),
        surplus=tuple(kept),
        claims={**kept, **{str(each): claim for each, claim in desired.items()}},
    )


def route_there(
    request: Request, family: str, host: Routing, claims: Mapping[str, Claim]
) -> Route | None:
    """Our current return route of a family; None if there is none."""
    table = request.table if request.mode == POLICY else MAIN
    for route in host.routes:
        place = (route.family, route.table, route.metric)
        if place == (family, table, LOWEST_METRIC[family]) and str(route) in claims:
            return route
    return None


def other_gateways(
    request: Request, host: Routing, claims: Mapping[str, Claim]
) -> dict[str, NextHop]:
    """By family, the requested gateways that differ from that of our current return route."""
    found = {}
    for family, way in request.gateways.items():
        there = route_there(request, family, host, claims)
        if there and NextHop(there.gateway, there.interface) != way:
            found[family] = way
    return found


def waiting(
    request: Request, host: Routing, claims: Mapping[str, Claim], silent: Collection[str]
) -> tuple[Request, tuple[str, ...]]:
    """The request with the current gateways of some families, and the routes that stay because of that, in words.

    :param silent: the families whose new gateway does not respond yet.
    """
    gateways, kept = dict(request.gateways), []
    for family in silent:
        there = route_there(request, family, host, claims)
        if there:
            gateways[family] = NextHop(there.gateway, there.interface)
            kept.append(str(there))
    return request._replace(gateways=gateways), tuple(kept)


def _order(each: Object) -> tuple[int, str]:
    """Routes of our own table, then the rules that lead there, then the host's default route."""
    if isinstance(each, Rule):
        return 1, str(each)
    return (2 if each.table == MAIN else 0), str(each)


def _policy(request: Request, family: str) -> list[Object]:
    way, source = request.gateways[family], request.sources[family]
    rules: list[Object] = [
        Rule(family, request.priority, MAIN, destination=str(network))
        for network in _of(request.keep, family)
    ]
    rules += [
        Rule(family, request.priority, request.table, source=source, destination=str(network))
        for network in _of(request.through, family)
    ]
    metric = LOWEST_METRIC[family]
    return [
        Route(family, way.gateway, way.interface, request.table, metric),
        *rules,
        Rule(family, request.priority + 1, MAIN, source=source, no_default=True),
        Rule(family, request.priority + 2, request.table, source=source),
    ]


def _default(
    request: Request,
    family: str,
    host: Routing,
    claims: Mapping[str, Claim],
    shared: Shared,
    owner: str,
) -> dict[Object, Claim]:
    way = request.gateways[family]
    own = Route(family, way.gateway, way.interface, MAIN, LOWEST_METRIC[family])
    _check_other_owners(own, shared, owner)
    # The last owner that gives it up restores what the first has found.
    earlier = claims.get(str(own)) or next(iter(shared.get(str(own), {}).values()), None)
    others = [
        route
        for route in host.routes
        if route.family == family
        and route.table == MAIN
        and str(route) not in claims
        and str(route) not in shared
    ]
    best = min(others, key=lambda route: route.metric, default=None)
    if earlier is None and best and best.gateway == way.gateway and best.interface == way.interface:
        return {}
    if earlier is None:
        replaced = _found_in_place(own, others, claims)
        old = best
        _check_single(replaced, old if _of(request.keep, family) else None)
    else:
        replaced = _replaced_by(earlier)
        old = replaced or best
    claim = Claim({"replaced": str(replaced)} if replaced else None)
    wanted: dict[Object, Claim] = {own: claim}
    kept = _of(request.keep, family)
    if old and kept:
        aside = old._replace(
            table=request.table, metric=LOWEST_METRIC[family], protocol=own.protocol
        )
        beside: list[Object] = [aside]
        for network in kept:
            # Where the main table knows a way of its own, that stays; only the default route is the old one.
            to = str(network)
            beside += [
                Rule(family, request.priority, MAIN, destination=to, no_default=True),
                Rule(family, request.priority + 1, request.table, destination=to),
            ]
        for each in beside:
            wanted[each] = claims.get(str(each)) or Claim()
    return wanted


def _check_through(request: Request) -> None:
    if request.through and request.mode != POLICY:
        raise InvalidInput(
            SUBJECT,
            "through",
            [str(each) for each in request.through],
            f"cannot be combined with mode {request.mode}, where the host's own routes apply",
            "use mode policy, or omit it",
        )
    for each in request.through:
        for other in request.keep:
            if each.version == other.version and each.overlaps(other):
                raise InvalidInput(
                    SUBJECT,
                    "through",
                    str(each),
                    f"overlaps {other} in keep, and a packet can go one way only",
                    "remove one of the two",
                )


def _check_single(*routes: Route | None) -> None:
    for route in routes:
        if route and not route.interface:
            raise InvalidInput(
                SUBJECT,
                "mode",
                DEFAULT,
                "would replace a multipath default route, which could not be restored",
                "use mode policy, which leaves it alone",
            )


def _replaced_by(claim: Claim) -> Route | None:
    """The route that was found where a route of ours has taken its place."""
    text = (claim.found or {}).get("replaced")
    found = parse(text) if text else None
    return found if isinstance(found, Route) else None


def _found_in_place(
    own: Route, others: Sequence[Route], claims: Mapping[str, Claim]
) -> Route | None:
    """What we take the place of: somebody else's; or what an earlier route of ours has taken it from."""
    for name, claim in claims.items():
        before = parse(name)
        if isinstance(before, Route) and before.place == own.place:
            return _replaced_by(claim)
    return next((route for route in others if route.place == own.place), None)


def _of(networks: Sequence[Network], family: str) -> list[Network]:
    version = 4 if family == IPV4 else 6
    return [network for network in networks if network.version == version]


def _check_other_owners(own: Route, shared: Shared, owner: str) -> None:
    """:raises InvalidInput: another owner has the host's default route lead elsewhere."""
    for name, owners in shared.items():
        other = parse(name)
        if isinstance(other, Route) and other.place == own.place and other != own:
            raise InvalidInput(
                SUBJECT,
                "gateway",
                own.gateway,
                f"cannot become the default route of this host for the owner {owner}: for the owner "
                f"{' and '.join(sorted(owners))} it leads to {other.gateway}",
                "give both the same gateway, or use mode policy for one of them (for the roles: nat_routing)",
            )


def _check_table(
    request: Request,
    host: Routing,
    ours: Collection[Object],
    desired: Collection[Object],
    shared: Shared,
) -> None:
    """:raises InvalidInput: the routing table that the desired routes need is in use already."""
    if not any(isinstance(each, Route) and each.table == request.table for each in desired):
        return
    for route in host.routes:
        if route.table == request.table and route not in ours and route not in desired:
            raise InvalidInput(
                SUBJECT,
                "table",
                request.table,
                f"already contains another route ({route}){owners_of(str(route), shared)}",
                "name another table, one that 'ip route show table NUMBER' finds empty",
            )


def moved(
    request: Request, host: Routing, todo: RoutePlan, peer: str, local: str, before: NextHop
) -> NextHop | None:
    """Where packets to the controller would go instead; None where they stay.

    :param peer: the controller's address.
    :param local: the address of this host that it talks to.
    :param before: how packets to it leave now.
    """
    address = ipaddress.ip_address(peer)
    family = IPV4 if address.version == 4 else "ipv6"
    way = request.gateways.get(family)
    if not todo or way is None or any(address in network for network in _of(request.keep, family)):
        return None
    forced = any(address in network for network in _of(request.through, family))
    if not forced and any(address in network for network in _of(host.networks, family)):
        return None
    if request.mode == POLICY and request.sources.get(family) != local:
        return None
    return None if way == before else way


def check_session(
    request: Request,
    host: Routing,
    todo: RoutePlan,
    peer: tuple[str, str] | None,
    before: NextHop | None,
) -> None:
    """Refuse what would cut the control node off.

    :param peer: its address, and the address of this host that it talks to; None where there is no session.
    :param before: how packets to it leave now.
    :raises InvalidInput: they would leave another way.
    """
    if peer is None or before is None:
        return
    after = moved(request, host, todo, *peer, before)
    if after is None:
        return
    remedy = f"add its network to keep (for the roles: lvs_management_networks), such as {peer[0]}"
    if request.mode != POLICY:
        remedy += ", or use mode policy"
    raise InvalidInput(
        SUBJECT,
        "gateway",
        after.gateway,
        f"would reroute the replies to the control node {peer[0]}, which now leave {before} and would then "
        f"leave {after}",
        remedy,
    )


def check_numbers(options: Mapping[str, Any]) -> None:
    """:raises InvalidInput: a number that can't be used."""
    for name, least, most in (
        ("table", 1, 2**32 - 1),
        ("priority", 1, 32763),
        ("rollback", 0, 3600),
    ):
        value = options[name]
        if not least <= value <= most or (name == "table" and value in (253, 254, 255)):
            raise InvalidInput(
                SUBJECT, name, value, "is out of range", f"give a number from {least} to {most}"
            )


def request_of(
    options: Mapping[str, Any], own: Collection[str], way_to: Callable[[str], NextHop | None]
) -> Request:
    """What the options of lvs_route ask for.

    :param own: all addresses of this host.
    :param way_to: how a packet to an address leaves it.
    :raises InvalidInput: it can't be on this host.
    """
    gateways = one_of_each_family(SUBJECT, "gateway", options["gateway"])
    sources = one_of_each_family(SUBJECT, "source", options["source"])
    policy = options["mode"] == POLICY
    ways = {}
    for family, gateway in gateways.items():
        way = way_to(gateway)
        if way is None or way.gateway or way.interface == "lo":
            raise InvalidInput(
                SUBJECT,
                "gateway",
                gateway,
                "is on no network of this host",
                "give the address of the director, or of a router that leads to it, on a network that "
                "'ip address' shows here",
            )
        if policy and family not in sources:
            raise InvalidInput(
                SUBJECT,
                "source",
                options["source"],
                f"holds no address of the family of the gateway {gateway}",
                "add the host's own address at which the director reaches it",
            )
        if policy and sources[family] not in own:
            raise InvalidInput(
                SUBJECT,
                "source",
                sources[family],
                "is not an address of this host",
                "give one that 'ip address' shows here (for the roles: correct lvs_address)",
            )
        ways[family] = NextHop(gateway, way.interface)
    return Request(
        ways,
        {family: sources[family] for family in ways if family in sources},
        tuple(network(SUBJECT, "keep", text) for text in options["keep"]),
        tuple(network(SUBJECT, "through", text) for text in options["through"]),
        options["mode"],
        options["table"],
        options["priority"],
    )


def script_body(claims: Mapping[str, Claim]) -> str | None:
    """The commands that restore routes and rules, and do nothing where they exist; None where there are none."""
    objects = sorted((parse(name) for name in claims), key=_order)
    if not objects:
        return None
    lines = []
    awaited = [
        each for each in objects if isinstance(each, Route) and each.gateway and not each.onlink
    ]
    gateways = dict.fromkeys((each.family, each.gateway) for each in awaited)
    for family, gateway in gateways:
        lines.append(f"await {FLAG_OF_FAMILY[family]} {gateway}")
    for each in objects:
        if isinstance(each, Route):
            lines.append(f"{each.command('replace')} || failed=1")
            continue
        lines.append(f"has {FLAG_OF_FAMILY[each.family]} {each.priority} '{each.shown}' ||")
        lines.append(f"  {each.command('add')} || failed=1")
    return script([_HAS, *claim_lines(claims), *lines])


_HAS = """\
# Whether there is a rule of this family and priority with these words.
has() {
  ip -N "$1" rule show priority "$2" | grep -qF "$3"
}"""
