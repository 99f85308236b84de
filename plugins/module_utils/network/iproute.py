# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Links, addresses, routes and rules as ``ip -json`` shows them: the only code that reads them.

Every host has iproute2, so that a run without changes and check mode need no library.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ..errors import MissingPackage, Unavailable
from ..host import proc
from ..host.commands import Commands, Done
from ..kernel_module import modprobe
from ..net import IPV4, IPV6
from .address import Address
from .model import FLAG_OF_FAMILY, MAIN, Link, NextHop, Route, Routing, Rule
from .tunnel import GUE, TYPES, Device, Host, Tunnel

# Numbers of rtnetlink, as "ip -N" prints them.
_UNICAST, _TO_TABLE = "1", "1"
_BOOT = 3
_SCOPES: Mapping[str, str] = {"0": "global", "200": "site", "253": "link", "254": "host"}
_FAMILIES: Mapping[str, str] = {"inet": IPV4, "inet6": IPV6}
MODULES = (*(kind.module for kind in TYPES.values()), "fou", "fou6")


class IpRoute:
    """The links, addresses and routes of the network namespace that the process is in.

    Each is read once, until ``forget`` is called. Several kinds share one of these in a run.
    """

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self._known: dict[tuple[str, ...], Any] = {}

    def forget(self) -> None:
        """Something was changed: read all of it again when it is asked for."""
        self._known.clear()

    def links(self) -> dict[str, Link]:
        """All links by name."""
        return {each["ifname"]: link(each) for each in self._links()}

    def addresses(self) -> list[Address]:
        """All addresses of this host, each on its interface."""
        return [
            address(each["ifname"], found)
            for each in self._links()
            for found in each.get("addr_info", ())
            if found.get("family") in _FAMILIES and found.get("local")
        ]

    def link_local(self, interface: str) -> str:
        """An IPv6 link-local address of an interface; empty where it has none."""
        own = (each.address for each in self.addresses() if each.interface == interface)
        return next((text for text in own if text.startswith("fe80:")), "")

    def routing(self, families: Collection[str]) -> Routing:
        """The routes and rules of these address families."""
        routes: list[Route] = []
        rules: list[Rule] = []
        specific: list[Route] = []
        for family in families:
            flag = FLAG_OF_FAMILY[family]
            for each in self._json(flag, "route", "show", "table", "all"):
                if each.get("type", _UNICAST) != _UNICAST:
                    continue
                if each["dst"] == "default":
                    routes.append(route(family, each))
                elif int(each.get("table", MAIN)) == MAIN:
                    specific.append(route(family, each))
            rules += [
                rule(family, each)
                for each in self._json(flag, "rule")
                if each.get("action", _TO_TABLE) == _TO_TABLE and "table" in each
            ]
        return Routing(tuple(routes), tuple(rules), tuple(specific))

    def next_hop(self, address: str, source: str = "") -> NextHop | None:
        """How a packet would leave; None where it would not leave this host."""
        found = self._way(address, source)
        if found is None or found.get("type", _UNICAST) != _UNICAST:
            return None
        return NextHop(found.get("gateway", ""), found.get("dev", ""))

    def mtu_of(self, addresses: Collection[str]) -> int | None:
        """The smallest MTU of the interfaces that have some of these addresses; None where none has any."""
        links = self.links()
        found = [
            links[each.interface].mtu for each in self.addresses() if each.address in addresses
        ]
        return min(found, default=None)

    def tunnels(self) -> Host:
        """The tunnel devices, the ports of fou, and the kernel modules for them that are loaded."""
        addressed = {each.interface for each in self.addresses() if each.family == IPV4}
        devices = {
            each.name: Device(
                each.kind if each.kind in TYPES else "",
                each.local,
                each.is_up,
                each.name in addressed,
                each.kind in TYPES and is_filtered(each.name),
            )
            for each in self.links().values()
        }
        loaded = frozenset(name for name in MODULES if modprobe.is_loaded(name))
        ports = self.gue_ports() if "fou" in loaded else {}
        named = {
            Tunnel(GUE, port=port, family=family).place: gue
            for (port, family), gue in ports.items()
        }
        return Host(devices, named, loaded)

    def source_to(self, address: str) -> str:
        """The address from which this host sends to another; empty where it can't."""
        found = self._way(address)
        return str(found.get("prefsrc", "")) if found else ""

    def gue_ports(self) -> dict[tuple[int, str], bool]:
        """The ports of the kernel module fou, which has to be loaded: (port, family) to whether it is GUE."""
        return {
            (each["port"], _FAMILIES[each["family"]]): "gue" in each
            for each in self._json("fou", "show")
        }

    def _links(self) -> list[dict[str, Any]]:
        return self._json("-details", "address", "show")

    def _way(self, address: str, source: str = "") -> dict[str, Any] | None:
        words = ("route", "get", address, *(("from", source) if source else ()))
        done = self._run(words)
        # It fails where no route leads there.
        return None if done.code else next(iter(_parsed(done.output, words)), None)

    def _json(self, *words: str) -> list[dict[str, Any]]:
        if words not in self._known:
            done = self._run(words)
            if done.complaint:
                raise Unavailable(f"'ip {' '.join(words)}' failed on this host ({done.complaint}).")
            self._known[words] = _parsed(done.output, words)
        found: list[dict[str, Any]] = self._known[words]
        return found

    def _run(self, words: Iterable[str]) -> Done:
        program = self._commands.find("ip")
        if program is None:
            raise MissingPackage(["iproute2"])
        return self._commands.run([program, "-json", "-N", *words])


def is_filtered(device: str) -> bool:
    """Whether the kernel drops what comes out of a device because it would not answer that way.

    What counts is the larger of ``all``'s value and the device's; 1 is strict (ip-sysctl.rst).
    """
    values = [
        proc.read(f"net.ipv4.conf.{name}.rp_filter") or "0"
        for name in ("all", device.replace(".", "/"))
    ]
    return max(map(int, values)) == 1


def _parsed(output: str, words: Iterable[str]) -> list[dict[str, Any]]:
    try:
        # Older versions print an empty object for what a filter leaves out.
        return [each for each in json.loads(output or "[]") if each]
    except ValueError:
        raise Unavailable(
            f"'ip -json {' '.join(words)}' prints no JSON on this host; it needs iproute2 5.0 or newer."
        ) from None


def link(shown: Mapping[str, Any]) -> Link:
    """A link of ``ip -json -N -details``. Pure."""
    info = shown.get("linkinfo") or {}
    local = (info.get("info_data") or {}).get("local", "any")
    ethernet = shown.get("link_type") in ("[1]", "ether", "1")
    return Link(
        shown["ifname"],
        int(shown.get("mtu", 0)),
        "UP" in shown.get("flags", ()),
        shown.get("address", "") if ethernet else "",
        info.get("info_kind", ""),
        "" if local in ("any", "0.0.0.0", "::") else str(local),
    )


def address(interface: str, shown: Mapping[str, Any]) -> Address:
    """An address of ``ip -json -N address``. Pure."""
    is_ipv6 = shown["family"] == "inet6"
    scope = str(shown.get("scope", "0"))
    return Address(
        shown["local"],
        int(shown["prefixlen"]),
        interface,
        "global" if is_ipv6 else _SCOPES.get(scope, scope),
        is_ipv6 and shown.get("preferred_life_time") == 0,
        bool(shown.get("nodad")),
    )


def route(family: str, shown: Mapping[str, Any]) -> Route:
    """A route of ``ip -json -N route``. Pure."""
    # One over several next hops, or by one of the other family, is nothing that could be put back.
    plain = "nexthops" not in shown and "via" not in shown
    return Route(
        family,
        shown.get("gateway", "") if plain else "",
        shown.get("dev", "") if plain else "",
        int(shown.get("table", MAIN)),
        int(shown.get("metric", 0)),
        int(shown.get("protocol", _BOOT)),
        shown.get("prefsrc", ""),
        "onlink" in shown.get("flags", ()),
        "" if shown["dst"] == "default" else shown["dst"],
    )


def rule(family: str, shown: Mapping[str, Any]) -> Rule:
    """A rule of ``ip -json -N rule``. Pure."""
    return Rule(
        family,
        int(shown.get("priority", 0)),
        int(shown["table"]),
        _network(shown.get("src", "all"), shown.get("srclen")),
        _network(shown.get("dst", "all"), shown.get("dstlen"), always=True),
        shown.get("suppress_prefixlen") == 0,
    )


def _network(address: str, length: int | None, always: bool = False) -> str:
    """An address alone where the network is but one, unless always as a network."""
    if address == "all":
        return ""
    network = ipaddress.ip_network(address if length is None else f"{address}/{length}", False)
    alone = network.num_addresses == 1 and not always
    return str(network.network_address) if alone else str(network)
