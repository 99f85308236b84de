# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tunnels, routes and virtual addresses as kinds of resources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from ..engine import Base, Diff, Held, Operation, Plan, Progress, Script, in_order
from ..errors import Interference, InvalidInput
from ..host import boot, files, rollback, session
from ..host.commands import Commands
from ..host.manifest import KEEPALIVED_MADE, MADE_ADDRESS, Claim
from ..host.options import filled
from ..ipvs.words import FORWARDING_METHODS
from ..net import FAMILIES
from ..values import EMPTY
from . import address, next_hops, return_route, rtnl, tunnel
from .address import Address
from .iproute import IpRoute
from .model import NextHop, Routing, with_script

LIBRARY = "python3-pyroute2"
TUNNEL_OPTIONS: Mapping[str, Any] = {
    "tunnels": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "type": {"type": "str", "choices": list(tunnel.CHOICES), "required": True},
            "device": {"type": "str"},
            "local": {"type": "str"},
            "port": {"type": "int"},
            "family": {"type": "str", "choices": ["ipv4", "ipv6"]},
        },
    },
}
NEXT_HOP_OPTIONS: Mapping[str, Any] = {
    "to": {"type": "list", "elements": "str", "default": []},
}
ADDRESS_OPTIONS: Mapping[str, Any] = {
    "addresses": {"type": "list", "elements": "str", "default": []},
    "interface": {"type": "str", "default": address.LOOPBACK},
    "scope": {"type": "str", "choices": list(address.SCOPES)},
    "nodad": {"type": "bool", "default": True},
    "passive": {"type": "bool", "default": True},
    "announce": {"type": "bool", "default": False},
    "probe": {"type": "bool", "default": False},
    "release": {"type": "list", "elements": "str", "default": []},
}
ROUTE_OPTIONS: Mapping[str, Any] = {
    "gateway": {"type": "list", "elements": "str", "default": []},
    "source": {"type": "list", "elements": "str", "default": []},
    "mode": {"type": "str", "choices": list(return_route.MODES), "default": "policy"},
    "keep": {"type": "list", "elements": "str", "default": []},
    "through": {"type": "list", "elements": "str", "default": []},
    "table": {"type": "int", "default": 1704},
    "priority": {"type": "int", "default": 17040},
    "rollback": {"type": "int", "default": 60},
}
_ANNOUNCEMENTS = 3
# A probe waits so long for an answer, each of three times (RFC 5227 has 1 to 2 seconds between probes).
_PROBE_SECONDS = 0.3


def _packages(changes: bool) -> tuple[str, ...]:
    """What is needed to change something, and missing."""
    return (LIBRARY,) if changes and not rtnl.is_there() else ()


RequestT = TypeVar("RequestT")


class OfNetwork(Base, Generic[RequestT]):
    """What the kinds of the network have in common.

    :param request: what is asked for.
    :param ip: what reads the network; several kinds may share it.
    """

    def __init__(
        self,
        request: RequestT,
        owner: str,
        ip: IpRoute,
        commands: Commands,
        at_boot: bool = True,
    ) -> None:
        self._request = request
        self._owner = owner
        self._ip = ip
        self._commands = commands
        self._at_boot = at_boot


class Tunnels(OfNetwork[tunnel.Request]):
    """The receiving ends of tunnels of one owner."""

    name = "tunnels"
    claim_kinds = (tunnel.KIND,)

    @classmethod
    def of(
        cls,
        entry: Mapping[str, Any] | None,
        owner: str,
        ip: IpRoute,
        commands: Commands,
        at_boot: bool = True,
    ) -> Tunnels:
        """The tunnels of an entry of a host's configuration; None for none.

        :raises InvalidInput: one can't be.
        """
        given = filled(entry or {}, TUNNEL_OPTIONS)["tunnels"]
        request = tunnel.Request(tuple(map(tunnel.tunnel, given)))
        return cls(request, owner, ip, commands, at_boot)

    def read(self, _held: Held, _check_mode: bool) -> tuple[tunnel.Host, str | None]:
        script = files.read(boot.path(boot.TUNNELS, self._owner))
        return self._ip.tunnels(), script

    def plan(self, current: Any, held: Held, prune: bool, _check_mode: bool) -> Plan:
        host, script = current
        request = self._request._replace(exclusive=prune and not self._request.absent)
        claims = with_script(held.claims(tunnel.KIND), script)
        shared = held.others.get(tunnel.KIND, {})
        todo = tunnel.plan(request, host, claims, shared)
        body = tunnel.script_body(todo.claims) if self._at_boot else None
        diff = Diff(todo.lines("down", "delete", "unload"), todo.lines("load", "add", "up"))
        return Plan(
            grow=tuple(Operation(verb, words) for verb, words in todo.grow),
            shrink=tuple(Operation(verb, words) for verb, words in todo.shrink),
            claims={tunnel.KIND: todo.claims},
            diffs={"tunnels": diff},
            scripts=(Script(boot.TUNNELS, "receiving ends of tunnels", body),),
            remaining=() if prune else todo.surplus,
            packages=_packages(bool(todo)),
            details={"surplus": list(todo.surplus)},
        )

    def carry_out(self, operations: Sequence[Operation]) -> Progress:
        from . import devices  # noqa: PLC0415  (only where something is changed)

        with devices.connect(self._commands) as kernel:
            try:
                return in_order(operations, lambda each: kernel.carry_out(each.verb, each.object))
            finally:
                self._ip.forget()


class NextHops(OfNetwork["tuple[str, ...]"]):
    """A director's routes to its real servers by direct routing, of one owner.

    :param request: the addresses of the real servers.
    """

    name = "next_hops"
    claim_kinds = (next_hops.KIND,)

    @classmethod
    def of(
        cls, entry: Mapping[str, Any] | None, owner: str, ip: IpRoute, commands: Commands
    ) -> NextHops:
        """Those of an entry of a host's configuration; None for none."""
        to = filled(entry or {}, NEXT_HOP_OPTIONS)["to"]
        return cls(tuple(to), owner, ip, commands)

    def read(self, _held: Held, _check_mode: bool) -> tuple[next_hops.Host, str | None]:
        ways = {each: self._ip.next_hop(each) for each in self._request}
        script = files.read(boot.path(boot.NEXT_HOPS, self._owner))
        return next_hops.Host(ways, self._ip.routing(FAMILIES).specific), script

    def plan(self, current: Any, held: Held, prune: bool, _check_mode: bool) -> Plan:
        host, script = current
        claims = with_script(held.claims(next_hops.KIND), script)
        shared = held.others.get(next_hops.KIND, {})
        todo = next_hops.plan(self._request, host, claims, prune, shared)
        before = sorted(map(str, (*todo.replaced, *todo.removed)))
        body = next_hops.script_body(todo.claims)
        return Plan(
            grow=tuple(Operation("add", str(each), each) for each in todo.added),
            shrink=tuple(Operation("delete", str(each), each) for each in todo.removed),
            claims={next_hops.KIND: todo.claims},
            diffs={"next hops": Diff(tuple(before), tuple(sorted(map(str, todo.added))))},
            scripts=(Script(boot.NEXT_HOPS, "routes to real servers", body),),
            remaining=tuple(map(str, todo.surplus)),
            packages=_packages(bool(todo.added or todo.removed)),
        )

    def carry_out(self, operations: Sequence[Operation]) -> Progress:
        with rtnl.connect() as kernel:

            def do(each: Operation) -> None:
                (kernel.add if each.verb == "add" else kernel.delete)(each.work)

            try:
                return in_order(operations, do)
            finally:
                self._ip.forget()


class Segment(NamedTuple):
    """What of a host the addresses have to know.

    :ivar current: all its addresses.
    :ivar heard: who else answers for an address: address to MACs.
    :ivar script: the earlier boot script.
    """

    current: tuple[Address, ...]
    interfaces: tuple[str, ...]
    heard: Mapping[str, Sequence[str]] = EMPTY
    script: str | None = None


class Addresses(OfNetwork[address.Request]):
    """The virtual addresses of one owner.

    :param adopts: whether what keepalived has added for the owner is the owner's.
    :param keeps: whether what is released is only given up where what is no longer desired would be removed.
    """

    name = "addresses"
    claim_kinds = (address.KIND,)
    consults = (KEEPALIVED_MADE,)
    attracts = True

    def __init__(
        self,
        request: address.Request,
        owner: str,
        ip: IpRoute,
        commands: Commands,
        at_boot: bool = True,
        adopts: bool = False,
        keeps: bool = False,
    ) -> None:
        super().__init__(request, owner, ip, commands, at_boot)
        self._adopts = adopts
        self._keeps = keeps

    @classmethod
    def of(
        cls,
        entry: Mapping[str, Any] | None,
        owner: str,
        ip: IpRoute,
        commands: Commands,
        at_boot: bool = True,
        adopts: bool = False,
    ) -> Addresses:
        """The addresses of an entry of a host's configuration; None for none."""
        request = request_of(filled(entry or {}, ADDRESS_OPTIONS))
        return cls(request, owner, ip, commands, at_boot, adopts, keeps=True)

    def read(self, held: Held, _check_mode: bool) -> Segment:
        current, interfaces = tuple(self._ip.addresses()), tuple(self._ip.links())
        script = files.read(boot.path(boot.ADDRESSES, self._owner))
        found = Segment(current, interfaces, {}, script)
        if not self._request.probe or self._request.absent:
            return found
        todo = self._planned(found, held, False)
        return found._replace(heard=self._heard(todo.added))

    def plan(self, current: Segment, held: Held, prune: bool, _check_mode: bool) -> Plan:
        _check_clusters(self._request, self._owner, held)
        todo = self._planned(current, held, prune)
        for each in todo.added:
            _check_free(each, current.heard.get(each.address, ()))
        body = address.script_body(todo.claims) if self._at_boot else None
        grow = [
            *(_operation("delete", each) for each in todo.replaced),
            *(_operation("add", each) for each in todo.added),
        ]
        shrink = [_operation("delete", each) for each in todo.removed]
        before = sorted(map(str, (*todo.replaced, *todo.removed)))
        return Plan(
            grow=tuple(grow),
            shrink=tuple(shrink),
            claims={address.KIND: todo.claims},
            diffs={"addresses": Diff(tuple(before), tuple(sorted(map(str, todo.added))))},
            scripts=(Script(boot.ADDRESSES, "virtual addresses", body),),
            remaining=() if prune else tuple(map(str, todo.surplus)),
            packages=_packages(bool(grow or shrink)),
            details={
                "addresses": [str(each) for each in todo.desired],
                "found": [str(each) for each in todo.found],
                "surplus": [str(each) for each in todo.surplus],
            },
        )

    def _planned(self, current: Segment, held: Held, prune: bool) -> address.AddressPlan:
        request = self._request._replace(exclusive=prune and not self._request.absent)
        if self._keeps and not prune:
            request = request._replace(release=())
        claims = with_script(held.claims(address.KIND), current.script)
        claims = {**self._adopted(current, held), **claims}
        shared = held.others.get(address.KIND, {})
        return address.plan(request, current.current, current.interfaces, claims, shared)

    def _adopted(self, current: Segment, held: Held) -> dict[str, Claim]:
        """Claims on the addresses that keepalived has added."""
        made = held.claims(KEEPALIVED_MADE) if self._adopts else {}
        return {
            str(each): Claim() for each in current.current if MADE_ADDRESS + each.address in made
        }

    def carry_out(self, operations: Sequence[Operation]) -> Progress:
        before = self._ip.addresses()
        with rtnl.connect() as kernel:
            progress = in_order(operations, lambda each: kernel.put_address(each.verb, each.work))
            self._ip.forget()
            deleted = [each.work for each in operations if each.verb == "delete"]
            for each in _taken_along(before, deleted, self._ip.addresses() if deleted else before):
                kernel.put_address("add", each)
                self._ip.forget()
        if self._request.announce:
            self._announce([each.work for each in operations if each.verb == "add"])
        return progress

    @staticmethod
    def _announce(added: Sequence[Address]) -> None:
        from . import wire  # noqa: PLC0415  (only where something is announced)

        for interface in sorted({each.interface for each in added}):
            told = [each.address for each in added if each.interface == interface]
            wire.announce(interface, told, _ANNOUNCEMENTS)

    def _heard(self, added: Sequence[Address]) -> dict[str, list[str]]:
        """Who answers for addresses that are about to be added."""
        from . import wire  # noqa: PLC0415  (only where something is asked)

        heard: dict[str, list[str]] = {}
        up = {each.name for each in self._ip.links().values() if each.is_up}
        for interface in sorted({each.interface for each in added} & up - {address.LOOPBACK}):
            source = self._ip.link_local(interface)
            wanted = [each.address for each in added if each.interface == interface]
            for text, mac, _where in sorted(
                wire.ask([(interface, source)], wanted, _PROBE_SECONDS)
            ):
                heard.setdefault(text, []).append(mac)
        return heard


def request_of(options: Mapping[str, Any]) -> address.Request:
    """What the options of lvs_vip ask for."""
    return address.Request(
        addresses=tuple(options["addresses"]),
        interface=options["interface"],
        scope=options["scope"] or "",
        passive=options["passive"],
        nodad=options["nodad"],
        absent=options.get("state") == "absent",
        release=tuple(options["release"]),
        probe=options["probe"],
        announce=options["announce"],
    )


def _operation(verb: str, each: Address) -> Operation:
    return Operation(verb, str(each), each)


def _taken_along(
    before: Sequence[Address], deleted: Sequence[Address], after: Sequence[Address]
) -> list[Address]:
    """With the first address of a network, Linux deletes the others of it, unless promote_secondaries is set."""
    there = {each.place for each in after}
    return [each for each in before if each not in deleted and each.place not in there]


def _check_free(each: Address, macs: Sequence[str]) -> None:
    """:raises InvalidInput: another machine on the segment has the address."""
    if macs:
        raise InvalidInput(
            address.SUBJECT,
            "addresses",
            each.address,
            f"is in use on the segment of {each.interface}: {' and '.join(macs)} answers for it",
            "remove it from that machine first; where another program moves it between directors, set "
            "lvs_high_availability to external",
        )


def _check_clusters(request: address.Request, owner: str, held: Held) -> None:
    """:raises InvalidInput: an address belongs to another cluster on this host."""
    own = cluster_of(owner)
    if not own or request.absent:
        return
    desired = {text.partition("/")[0] for text in request.addresses}
    for name, owners in held.others.get(address.KIND, {}).items():
        for other in owners:
            if cluster_of(other) not in ("", own) and address.parse(name).address in desired:
                raise InvalidInput(
                    address.SUBJECT,
                    "addresses",
                    address.parse(name).address,
                    f"belongs to the cluster {cluster_of(other)} on this host, and the cluster {own} has it too",
                    "give each cluster virtual addresses of its own",
                )


def cluster_of(owner: str) -> str:
    """The cluster whose owner it is, such as ``cluster-web``, ``nat-web`` or ``dr.tun-web``; empty for other owners."""
    start, _dash, name = owner.partition("-")
    ours = start == "cluster" or set(start.split(".")) <= set(FORWARDING_METHODS)
    return name if ours else ""


class Situation(NamedTuple):
    """What of a host the return routes have to know.

    :ivar before: how packets to the control node leave now; None where that is not known.
    :ivar script: the earlier boot script.
    :ivar kept: the routes that keep their gateway, because the new one does not respond yet.
    """

    host: Routing
    request: return_route.Request
    peer: tuple[str, str] | None = None
    before: NextHop | None = None
    script: str | None = None
    pending: bool = False
    kept: tuple[str, ...] = ()


class Routes(OfNetwork["Mapping[str, Any] | None"]):
    """The return routes of one owner.

    :param options: those of lvs_route; None for no return route.
    :param patient: whether a route keeps its gateway until the new one responds, such as a floating address that no
        director has yet.
    """

    name = "routes"
    claim_kinds = (return_route.KIND,)

    def __init__(
        self,
        options: Mapping[str, Any] | None,
        owner: str,
        ip: IpRoute,
        commands: Commands,
        at_boot: bool = True,
        rollback_seconds: int = 60,
        patient: bool = False,
    ) -> None:
        super().__init__(options, owner, ip, commands, at_boot)
        self._seconds = int(options["rollback"]) if options else rollback_seconds
        self._patient = patient
        self._silent: frozenset[str] | None = None
        self._started = False
        self._undoing = ""

    @classmethod
    def of(
        cls,
        entry: Mapping[str, Any] | None,
        owner: str,
        ip: IpRoute,
        commands: Commands,
        at_boot: bool = True,
        rollback_seconds: int = 60,
        patient: bool = False,
    ) -> Routes:
        """The return routes of an entry of a host's configuration; None for none."""
        options = filled(entry, ROUTE_OPTIONS) if entry else None
        if options:
            return_route.check_numbers(options)
        return cls(options, owner, ip, commands, at_boot, rollback_seconds, patient)

    def read(self, held: Held, _check_mode: bool) -> Situation:
        host = self._ip.routing(FAMILIES)
        request = return_route.Request()
        if self._request:
            own = {each.address for each in self._ip.addresses()}
            request = return_route.request_of(self._request, own, self._ip.next_hop)
        script = files.read(boot.path(boot.ROUTES, self._owner))
        kept: tuple[str, ...] = ()
        if self._patient:
            claims = with_script(held.claims(return_route.KIND), script)
            if self._silent is None:
                # Decided once in a run: the engine plans again at the end, and must find nothing left to do.
                others = return_route.other_gateways(request, host, claims)
                self._silent = frozenset(
                    family for family, way in others.items() if not self._answers(way)
                )
            request, kept = return_route.waiting(request, host, claims, self._silent)
        peer = session.connection()
        before = None
        if peer:
            before = self._ip.next_hop(*peer) or self._ip.next_hop(peer[0])
        pending = rollback.is_pending(self._owner)
        return Situation(host, request, peer, before, script, pending, kept)

    def _answers(self, way: NextHop) -> bool:
        """Whether a gateway responds; one on an interface without ARP is assumed to."""
        from . import wire  # noqa: PLC0415  (only where something is asked)

        if wire.mac_of(way.interface) is None:
            return True
        asking = [(way.interface, self._ip.link_local(way.interface))]
        return bool(wire.ask(asking, [way.gateway], _PROBE_SECONDS))

    def plan(self, current: Situation, held: Held, prune: bool, _check_mode: bool) -> Plan:
        claims = with_script(held.claims(return_route.KIND), current.script)
        shared = held.others.get(return_route.KIND, {})
        todo = return_route.plan(current.request, current.host, claims, prune, shared, self._owner)
        return_route.check_session(
            current.request, current.host, todo, current.peer, current.before
        )
        body = return_route.script_body(todo.claims) if self._at_boot else None
        grow = [Operation("add", str(each), each) for each in todo.added]
        shrink = [
            *(Operation("restore", str(each), each) for each in todo.restored),
            *(Operation("delete", str(each), each) for each in todo.removed),
        ]
        changed = bool(grow or shrink)
        # What an earlier run has left to be confirmed still is.
        pending = (self._seconds > 0 and changed) or (not changed and current.pending)
        return Plan(
            grow=tuple(grow),
            shrink=tuple(shrink),
            claims={return_route.KIND: todo.claims},
            diffs={"routes": Diff(*todo.lines)},
            scripts=(Script(boot.ROUTES, "return routes", body),),
            remaining=() if prune else (*todo.surplus, *current.kept),
            packages=_packages(changed),
            details={
                "next_hops": {
                    family: way._asdict() for family, way in current.request.gateways.items()
                },
                "pending": pending,
            },
            work=(todo, current),
        )

    def grow(self, plan: Plan) -> Progress:
        self._start_timer(plan)
        return self.carry_out(plan.grow)

    def shrink(self, plan: Plan) -> Progress:
        self._start_timer(plan)
        if self.undone():
            raise Interference(self.undone())
        return self.carry_out(plan.shrink)

    def _start_timer(self, plan: Plan) -> None:
        """Before the first change: have everything undone, unless the change is confirmed in time."""
        if self._started:
            return
        self._started = True
        todo, current = plan.work
        path = boot.path(boot.ROUTES, self._owner)
        if not rollback.forget(self._owner, self._commands) and current.pending:
            # What was planned stands on what is no more; only the boot script has to stay as it is now.
            self._undoing = rollback.undoing((), path, files.read(path))
            raise Interference(
                "An earlier change of the return route was not confirmed in time and was undone just now; run again."
            )
        if self._seconds:
            self._undoing = rollback.undoing(todo.undoing(), path, current.script)
            text = rollback.script(self._owner, self._undoing)
            rollback.start(self._owner, text, self._seconds, self._commands)

    def undone(self) -> str:
        if not self._undoing or rollback.is_pending(self._owner):
            return ""
        return (
            f"The change of the return route has been undone, because it was not confirmed within {self._seconds} "
            "seconds: the run itself has taken longer. Find out what slows this host down, and run again with a "
            "larger rollback (for the roles: nat_rollback_seconds)."
        )

    def put_back(self) -> None:
        if self.undone():
            # The timer may have come in the middle of what this run has done.
            self._commands.run(["/bin/sh", "-c", self._undoing])
            self._ip.forget()

    def carry_out(self, operations: Sequence[Operation]) -> Progress:
        restored = {each.work.place for each in operations if each.verb == "restore"}
        with rtnl.connect() as kernel:

            def do(each: Operation) -> None:
                if each.verb != "delete":
                    kernel.add(each.work)
                elif getattr(each.work, "place", None) not in restored:
                    kernel.delete(each.work)

            try:
                return in_order(operations, do)
            finally:
                self._ip.forget()
