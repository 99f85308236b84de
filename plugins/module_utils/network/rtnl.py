# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Routes, rules and addresses changed over rtnetlink, by pyroute2. They are read by ``iproute``."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import ipaddress
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..errors import KernelRefusal, MissingPackage
from ..net import IPV4, IPV6
from .address import Address
from .model import PROTOCOL, Object, Route, Rule

_AF = {IPV4: socket.AF_INET, IPV6: socket.AF_INET6}
_TO_TABLE = 1
_ONLINK = 4
_SCOPES: Mapping[int, str] = {0: "global", 200: "site", 253: "link", 254: "host"}
_NODAD = 0x02
_FOREVER = 0xFFFFFFFF


def is_there() -> bool:
    """Whether the host has pyroute2; without importing it."""
    return importlib.util.find_spec("pyroute2") is not None


@contextlib.contextmanager
def connection() -> Iterator[Any]:
    """pyroute2's own.

    :raises MissingPackage: the host has no pyroute2.
    """
    try:
        # Its import takes longer than all the rest.
        from pyroute2 import IPRoute  # noqa: PLC0415
    except ImportError:
        raise MissingPackage(["python3-pyroute2"]) from None
    with IPRoute() as ip:
        yield ip


@contextlib.contextmanager
def connect() -> Iterator[Rtnl]:
    """:raises MissingPackage: the host has no pyroute2."""
    with connection() as ip:
        yield Rtnl(ip)


class Rtnl:
    """A conversation with the routing of the network namespace that the process is in."""

    def __init__(self, ip: Any) -> None:
        self._ip = ip
        self._indexes = {link.get_attr("IFLA_IFNAME"): link["index"] for link in ip.get_links()}

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
            "dst": route.destination or "default",
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


def number(error: Exception) -> int | None:
    """The errno of pyroute2's NetlinkError, of whichever version."""
    code = getattr(error, "code", None)
    return code if isinstance(code, int) else None
