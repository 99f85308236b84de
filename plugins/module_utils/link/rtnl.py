# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routes, rules and addresses over rtnetlink, by pyroute2: the only code that reads or changes them."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..errors import KernelRefusal, Unavailable
from .address import Address
from .model import IPV4, IPV6, MAIN, PROTOCOL, Object, Route, Rule, Way
from .way_back import Host, Network

_AF = {IPV4: socket.AF_INET, IPV6: socket.AF_INET6}
_UNICAST, _TO_TABLE = 1, 1
_ONLINK = 4
_UP = 1
_NO_SUPPRESSION = 0xFFFFFFFF
_SCOPES: Mapping[int, str] = {0: "global", 200: "site", 253: "link", 254: "host"}
_NODAD = 0x02
_FOREVER = 0xFFFFFFFF


@contextlib.contextmanager
def connection() -> Iterator[Any]:
    """pyroute2's own.

    :raises Unavailable: the host has no pyroute2.
    """
    try:
        # Its import takes longer than all the rest.
        from pyroute2 import IPRoute  # noqa: PLC0415
    except ImportError:
        raise Unavailable(
            "The Python library pyroute2 is not on this host; install the package python3-pyroute2 (of EPEL on "
            "RHEL and its kin)."
        ) from None
    with IPRoute() as ip:
        yield ip


@contextlib.contextmanager
def connect() -> Iterator[Rtnl]:
    """:raises Unavailable: the host has no pyroute2."""
    with connection() as ip:
        yield Rtnl(ip)


class Rtnl:
    """A conversation with the routing of the network namespace that the process is in."""

    def __init__(self, ip: Any) -> None:
        self._ip = ip
        links = list(ip.get_links())
        self._names = {link["index"]: link.get_attr("IFLA_IFNAME") for link in links}
        self._up = [link.get_attr("IFLA_IFNAME") for link in links if link["flags"] & _UP]
        self._mtus = {link.get_attr("IFLA_IFNAME"): link.get_attr("IFLA_MTU") for link in links}
        self._indexes = {name: index for index, name in self._names.items()}

    def addresses(self) -> set[str]:
        """All addresses of this host."""
        found = set()
        for message in self._ip.get_addr():
            text = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
            if text:
                found.add(str(ipaddress.ip_address(text)))
        return found

    @property
    def interfaces(self) -> tuple[str, ...]:
        """The names of this host's interfaces."""
        return tuple(self._indexes)

    def up(self) -> list[str]:
        """The interfaces that are up."""
        return list(self._up)

    def mtu(self, interface: str) -> int:
        """The largest packet that an interface sends, in bytes."""
        return int(self._mtus[interface])

    def standing(self) -> list[Address]:
        """All addresses of this host, each on its interface."""
        return [self._address(message) for message in self._ip.get_addr()]

    def _address(self, message: Any) -> Address:
        text = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
        flags = message.get_attr("IFA_FLAGS") or message["flags"]
        lives = message.get_attr("IFA_CACHEINFO") or {}
        version6 = message["family"] == socket.AF_INET6
        return Address(
            str(ipaddress.ip_address(text)),
            message["prefixlen"],
            self._names.get(message["index"], ""),
            "global" if version6 else _SCOPES.get(message["scope"], str(message["scope"])),
            version6 and lives.get("ifa_preferred", _FOREVER) == 0,
            bool(flags & _NODAD),
        )

    def put_address(self, verb: str, each: Address) -> None:
        """Add an address, or delete it; one that is not there is as good as deleted."""
        given: dict[str, Any] = {
            "index": self._indexes[each.interface],
            "family": _AF[each.family],
            "address": each.address,
            "prefixlen": each.length,
        }
        if verb == "add" and each.family == IPV4:
            given["scope"] = next(n for n, name in _SCOPES.items() if name == each.scope)
        elif verb == "add":
            given["IFA_FLAGS"] = _NODAD if each.nodad else 0
            life = 0 if each.passive else _FOREVER
            lives = {"preferred": life, "valid": _FOREVER}
            # Before 0.7.3 pyroute2 takes them by these names only, and later by the full ones.
            full = {f"ifa_{name}": value for name, value in lives.items()}
            given["IFA_CACHEINFO"] = {**lives, **full}
        self._ask(
            each,
            verb,
            errno.EADDRNOTAVAIL,
            lambda: self._ip.addr("add" if verb == "add" else "del", **given),
        )

    def host(self) -> Host:
        """Its default routes, its rules, and where the main table leads besides."""
        routes: list[Route] = []
        specific: list[Network] = []
        for family in (IPV4, IPV6):
            for message in self._ip.get_routes(family=_AF[family]):
                table = message.get_attr("RTA_TABLE") or message["table"]
                if message["type"] != _UNICAST:
                    continue
                if message["dst_len"] == 0:
                    routes.append(self._route(family, table, message))
                elif table == MAIN:
                    text = f"{message.get_attr('RTA_DST')}/{message['dst_len']}"
                    specific.append(ipaddress.ip_network(text))
        return Host(tuple(routes), tuple(self._rules()), tuple(specific))

    def _route(self, family: str, table: int, message: Any) -> Route:
        return Route(
            family,
            message.get_attr("RTA_GATEWAY") or "",
            self._names.get(message.get_attr("RTA_OIF"), ""),
            table,
            message.get_attr("RTA_PRIORITY") or 0,
            message["proto"],
            message.get_attr("RTA_PREFSRC") or "",
            bool(message["flags"] & _ONLINK),
        )

    def _rules(self) -> Iterator[Rule]:
        for family in (IPV4, IPV6):
            for message in self._ip.get_rules(family=_AF[family]):
                if message["action"] != _TO_TABLE:
                    continue
                suppressed = message.get_attr("FRA_SUPPRESS_PREFIXLEN")
                yield Rule(
                    family,
                    message.get_attr("FRA_PRIORITY") or 0,
                    message.get_attr("FRA_TABLE") or message["table"],
                    _network(message.get_attr("FRA_SRC"), message["src_len"]),
                    _network(message.get_attr("FRA_DST"), message["dst_len"], always=True),
                    suppressed == 0 and suppressed != _NO_SUPPRESSION,
                )

    def way(self, address: str, source: str = "") -> Way | None:
        """How a packet would leave; None where it would not."""
        given = {"dst": address, **({"src": source} if source else {})}
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            (message, *_rest) = self._ip.route("get", family=family, **given)
        except Exception as error:
            if number(error) is None:
                raise
            return None
        if message["type"] != _UNICAST:
            return None
        index = message.get_attr("RTA_OIF")
        return Way(message.get_attr("RTA_GATEWAY") or "", self._names.get(index, ""))

    def add(self, each: Object) -> None:
        """Add a rule; a route takes the place of one that is in its place."""
        if isinstance(each, Rule):
            self._do(each, "rule", "add")
        else:
            self._do(each, "route", "replace")

    def delete(self, each: Object) -> None:
        """Delete it; one that is not there is as good as deleted."""
        self._do(each, "rule" if isinstance(each, Rule) else "route", "del")

    def _do(self, each: Object, kind: str, verb: str) -> None:
        given = self._rule_given(each) if isinstance(each, Rule) else self._route_given(each)
        asked = getattr(self._ip, kind)
        self._ask(each, verb, errno.ESRCH, lambda: asked(verb, family=_AF[each.family], **given))

    @staticmethod
    def _ask(each: Object | Address, verb: str, missing: int, work: Callable[[], Any]) -> None:
        """:param missing: the number that says that what is to be deleted is not there."""
        try:
            work()
        except Exception as error:
            code = number(error)
            if code is None:
                raise
            gone = verb in ("del", "delete") and code in (missing, errno.ENOENT)
            there = verb == "add" and code == errno.EEXIST
            if not gone and not there:
                raise KernelRefusal(
                    f"Could not {verb} '{each}'",
                    code,
                    f"the kernel answered: {os.strerror(code)}",
                    f"see what '{each.command('add')}' says on the host",
                ) from error

    def _route_given(self, route: Route) -> dict[str, Any]:
        given: dict[str, Any] = {
            "dst": "default",
            "table": route.table,
            "priority": route.metric,
            "proto": route.protocol,
            "oif": self._indexes[route.interface],
        }
        if route.gateway:
            given["gateway"] = route.gateway
        else:
            given["scope"] = 253
        if route.source:
            given["prefsrc"] = route.source
        if route.onlink:
            given["flags"] = _ONLINK
        return given

    @staticmethod
    def _rule_given(rule: Rule) -> dict[str, Any]:
        given: dict[str, Any] = {
            "priority": rule.priority,
            "table": rule.table,
            "action": _TO_TABLE,
            "FRA_PROTOCOL": PROTOCOL,
        }
        for name, text in (("src", rule.source), ("dst", rule.destination)):
            if text:
                network = ipaddress.ip_network(text)
                given[name] = str(network.network_address)
                given[f"{name}_len"] = network.prefixlen
        if rule.no_default:
            given["FRA_SUPPRESS_PREFIXLEN"] = 0
        return given


def _network(address: str | None, length: int, always: bool = False) -> str:
    """An address alone where the network is but one, unless always as a network."""
    if not address:
        return ""
    network = ipaddress.ip_network(f"{address}/{length}")
    alone = network.num_addresses == 1 and not always
    return str(network.network_address) if alone else str(network)


def number(error: Exception) -> int | None:
    """The errno of pyroute2's NetlinkError, of whichever version."""
    code = getattr(error, "code", None)
    return code if isinstance(code, int) else None
