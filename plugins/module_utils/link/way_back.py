# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way back of a NAT real server: which routes and rules lead its answers through the director. Pure.

By ``policy``, packets from the real server's own addresses take the director for their default route, and
all else stays. By ``default``, the host's default route itself leads to the director.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Union

from ..errors import InvalidInput
from ..manifest import Claim
from .model import IPV4, MAIN, Object, Route, Rule, Way, parse

KIND = "route"
POLICY, DEFAULT = "policy", "default"
MODES = (POLICY, DEFAULT)
LOWEST_METRIC: Mapping[str, int] = {IPV4: 0, "ipv6": 1}

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


@dataclass(frozen=True)
class Wish:
    """:ivar gateways: family to the router that leads to the director; and by which interface.
    :ivar sources: family to the host's own address.
    :ivar keep: networks whose way must not change.
    :ivar through: networks to which answers take the router even where the host has a way of its own.
    """

    gateways: Mapping[str, Way] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    keep: tuple[Network, ...] = ()
    through: tuple[Network, ...] = ()
    mode: str = POLICY
    table: int = 1704
    priority: int = 17040


@dataclass(frozen=True)
class Host:
    """What there is.

    :ivar routes: all default routes, of any table.
    :ivar specific: the networks of the main table to which a route leads that is no default route.
    """

    routes: tuple[Route, ...] = ()
    rules: tuple[Rule, ...] = ()
    specific: tuple[Network, ...] = ()


@dataclass(frozen=True)
class WayPlan:
    """:ivar added: in order.
    :ivar removed: in order, after what is added.
    :ivar replaced: the default route that gives way to the last of the added ones.
    :ivar restored: default routes that were found, and come back.
    :ivar claims: the words of what is ours, to its claim.
    """

    added: tuple[Object, ...] = ()
    removed: tuple[Object, ...] = ()
    restored: tuple[Route, ...] = ()
    replaced: tuple[Route, ...] = ()
    claims: Mapping[str, Claim] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.restored)

    @property
    def diff(self) -> dict[str, str]:
        before = sorted(str(each) for each in (*self.removed, *self.replaced))
        after = sorted(str(each) for each in (*self.added, *self.restored))
        return {
            "before_header": "routes before",
            "after_header": "routes after",
            "before": "".join(f"{line}\n" for line in before),
            "after": "".join(f"{line}\n" for line in after),
        }

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


def plan(wish: Wish, host: Host, claims: Mapping[str, Claim]) -> WayPlan:
    """From the routes and rules that are to those that lead back through the director.

    :raises InvalidInput: the table is somebody else's.
    """
    _check_through(wish)
    ours = {name: parse(name) for name in claims}
    standing: set[Object] = {*host.routes, *host.rules}
    wanted: dict[Object, Claim] = {}
    for family in wish.gateways:
        if wish.mode == POLICY:
            for each in _policy(wish, family):
                wanted[each] = claims.get(str(each)) or Claim()
        else:
            wanted.update(_default(wish, family, host, claims))
    _check_table(wish, host, [*ours.values(), *wanted])
    added = [each for each in wanted if each not in standing]
    going = [each for name, each in ours.items() if each not in wanted and each in standing]
    places = {each.place: each for each in wanted if isinstance(each, Route)}
    restored: list[Route] = []
    for each in going:
        route = _replaced_by(claims[str(each)])
        if route and isinstance(each, Route) and each.place not in places:
            restored.append(route)
    new_places = {each.place for each in added if isinstance(each, Route)}
    replaced = [route for route in host.routes if route.place in new_places]
    # One that gives way to another of ours in its place is replaced, not removed.
    removed = [each for each in going if each not in replaced]
    return WayPlan(
        added=tuple(sorted(added, key=_order)),
        removed=tuple(sorted(removed, key=_order, reverse=True)),
        restored=tuple(restored),
        replaced=tuple(replaced),
        claims={str(each): claim for each, claim in wanted.items()},
    )


def _order(each: Object) -> tuple[int, str]:
    """Routes of our own table, then the rules that lead there, then the host's default route."""
    if isinstance(each, Rule):
        return 1, str(each)
    return (2 if each.table == MAIN else 0), str(each)


def _policy(wish: Wish, family: str) -> list[Object]:
    way, source = wish.gateways[family], wish.sources[family]
    rules: list[Object] = [
        Rule(family, wish.priority, MAIN, destination=str(network))
        for network in _of(wish.keep, family)
    ]
    rules += [
        Rule(family, wish.priority, wish.table, source=source, destination=str(network))
        for network in _of(wish.through, family)
    ]
    metric = LOWEST_METRIC[family]
    return [
        Route(family, way.gateway, way.interface, wish.table, metric),
        *rules,
        Rule(family, wish.priority + 1, MAIN, source=source, no_default=True),
        Rule(family, wish.priority + 2, wish.table, source=source),
    ]


def _default(
    wish: Wish, family: str, host: Host, claims: Mapping[str, Claim]
) -> dict[Object, Claim]:
    way = wish.gateways[family]
    own = Route(family, way.gateway, way.interface, MAIN, LOWEST_METRIC[family])
    earlier = claims.get(str(own))
    others = [
        route
        for route in host.routes
        if route.family == family and route.table == MAIN and str(route) not in claims
    ]
    best = min(others, key=lambda route: route.metric, default=None)
    if earlier is None and best and best.gateway == way.gateway and best.interface == way.interface:
        return {}
    if earlier is None:
        replaced = _found_in_place(own, others, claims)
        old = best
        _check_single(replaced, old if _of(wish.keep, family) else None)
    else:
        replaced = _replaced_by(earlier)
        old = replaced or best
    claim = Claim({"replaced": str(replaced)} if replaced else None)
    wanted: dict[Object, Claim] = {own: claim}
    kept = _of(wish.keep, family)
    if old and kept:
        aside = replace(old, table=wish.table, metric=LOWEST_METRIC[family], protocol=own.protocol)
        beside: list[Object] = [aside]
        for network in kept:
            # Where the main table knows a way of its own, that stays; only the default route is the old one.
            to = str(network)
            beside += [
                Rule(family, wish.priority, MAIN, destination=to, no_default=True),
                Rule(family, wish.priority + 1, wish.table, destination=to),
            ]
        for each in beside:
            wanted[each] = claims.get(str(each)) or Claim()
    return wanted


def _check_through(wish: Wish) -> None:
    if wish.through and wish.mode != POLICY:
        raise InvalidInput(
            "the way back",
            "through",
            [str(network) for network in wish.through],
            f"goes not with mode {wish.mode}, where the host's own ways count",
            "use mode policy, or leave it out",
        )
    for network in wish.through:
        for other in wish.keep:
            if network.version == other.version and network.overlaps(other):
                raise InvalidInput(
                    "the way back",
                    "through",
                    str(network),
                    f"overlaps {other} in keep, and a packet can go one way only",
                    "take one of the two out",
                )


def _check_single(*routes: Route | None) -> None:
    for route in routes:
        if route and not route.interface:
            raise InvalidInput(
                "the way back",
                "mode",
                DEFAULT,
                "would replace a default route over several ways, which could not be given back",
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


def _check_table(wish: Wish, host: Host, known: Collection[Object]) -> None:
    if not wish.gateways:
        return
    for route in host.routes:
        if route.table == wish.table and route not in known:
            raise InvalidInput(
                "the way back",
                "table",
                wish.table,
                f"holds a route of somebody else already ({route})",
                "name another table, one that 'ip route show table NUMBER' finds empty",
            )


def moved(wish: Wish, host: Host, todo: WayPlan, peer: str, local: str, before: Way) -> Way | None:
    """Where packets to the controller would go instead; None where they stay.

    :param peer: the controller's address.
    :param local: the address of this host that it talks to.
    :param before: how packets to it leave now.
    """
    address = ipaddress.ip_address(peer)
    family = IPV4 if address.version == 4 else "ipv6"
    way = wish.gateways.get(family)
    if not todo or way is None or any(address in network for network in _of(wish.keep, family)):
        return None
    forced = any(address in network for network in _of(wish.through, family))
    if not forced and any(address in network for network in _of(host.specific, family)):
        return None
    if wish.mode == POLICY and wish.sources.get(family) != local:
        return None
    return None if way == before else way


def script_body(wish: Wish, todo: WayPlan) -> str | None:
    """The commands that put routes and rules back at boot; None where there are none."""
    if not todo.claims:
        return None
    lines = []
    for way in wish.gateways.values():
        flag = "-6" if ":" in way.gateway else "-4"
        lines.append(f"await {flag} {way.gateway}")
    for each in sorted((parse(name) for name in todo.claims), key=_order):
        if isinstance(each, Route):
            lines.append(f"{each.command('replace')} || failed=1")
        else:
            again = f"{{ {each.command('del')} && {each.command('add')}; }}"
            lines.append(f"{each.command('add')} 2> /dev/null || {again} || failed=1")
    return _SCRIPT.format(commands="\n".join(lines))


_SCRIPT = """\
failed=0
# The gateway's network may still be on its way up.
await() {{
  for try in $(seq 60); do
    way=$(ip "$1" route get "$2" 2> /dev/null)
    case $way in
      '' | *' via '* | *unreachable*) sleep 1 ;;
      *) return 0 ;;
    esac
  done
  echo "no way to $2" >&2
  failed=1
}}
{commands}
exit $failed
"""
