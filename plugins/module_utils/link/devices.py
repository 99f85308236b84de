# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tunnel devices over rtnetlink and ports of fou over generic netlink, by pyroute2: the only code for them."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .. import modprobe
from ..commands import Commands
from ..errors import KernelRefusal
from . import rtnl
from .model import IPV4, IPV6
from .tunnel import CARRYING_IPV4, DUMMY, GUE, TYPES, Device, Host, Tunnel, parse

_UP = 1
_HOST_SCOPE = 254
_FAMILIES: Mapping[int, str] = {socket.AF_INET: IPV4, socket.AF_INET6: IPV6}
_FOU_ADD, _FOU_DELETE, _FOU_GET = 1, 2, 3
_TYPE_GUE = 2
_MODULES = (*(kind.module for kind in TYPES.values()), "fou", "fou6")


@contextlib.contextmanager
def connect(commands: Commands) -> Iterator[Devices]:
    """:raises Unavailable: the host has no pyroute2."""
    with rtnl.connection() as ip:
        yield Devices(ip, commands)


class Devices:
    """The tunnel devices of the network namespace that the process is in."""

    def __init__(self, ip: Any, commands: Commands) -> None:
        self._ip = ip
        self._commands = commands

    def host(self) -> Host:
        """What there is."""
        devices = {}
        addressed = {each["index"] for each in self._ip.get_addr(family=socket.AF_INET)}
        for link in self._ip.get_links():
            info = link.get_attr("IFLA_LINKINFO")
            kind = info.get_attr("IFLA_INFO_KIND") if info else ""
            known = kind if kind in TYPES else ""
            name = link.get_attr("IFLA_IFNAME")
            local = self._local(info, kind) if known else ""
            devices[name] = Device(
                known, local, bool(link["flags"] & _UP), link["index"] in addressed
            )
        loaded = frozenset(name for name in _MODULES if modprobe.is_loaded(name))
        ports = self._ports() if "fou" in loaded else {}
        return Host(devices, ports, loaded)

    @staticmethod
    def _local(info: Any, kind: str) -> str:
        data = info.get_attr("IFLA_INFO_DATA")
        names = (f"IFLA_{kind.upper()}_LOCAL", "IFLA_IPTUN_LOCAL", "IFLA_GRE_LOCAL")
        text = next((data.get_attr(name) for name in names if data and data.get_attr(name)), "")
        address = ipaddress.ip_address(text) if text else None
        return str(address) if address and int(address) else ""

    def carry_out(self, verb: str, words: str) -> None:
        """Do what a plan says.

        :raises KernelRefusal: the kernel refuses.
        """
        if verb == "load":
            modprobe.load(words.split()[1], "Tunnels need", self._commands)
            return
        if verb == "unload":
            modprobe.unload(words.split()[1], self._commands)
            return
        each = parse(words)
        if each.type == GUE:
            self._ask(
                verb, words, lambda: self._fou(_FOU_ADD if verb == "add" else _FOU_DELETE, each)
            )
        elif verb == "add":
            local = {f"{each.type}_local": each.local}
            self._ask(
                verb,
                words,
                lambda: self._ip.link("add", ifname=each.device, kind=each.type, **local),
            )
        else:
            (index,) = self._ip.link_lookup(ifname=each.device)
            if each.type in CARRYING_IPV4 and verb in ("up", "down"):
                self._ask(verb, words, lambda: self._address(index, verb))
            given: dict[str, Any] = {} if verb == "delete" else {"state": verb}
            what = "del" if verb == "delete" else "set"
            self._ask(verb, words, lambda: self._ip.link(what, index=index, **given))

    def _address(self, index: int, verb: str) -> None:
        """The dummy comes with being up where there is no other address, and goes with being down."""
        own = [
            (each.get_attr("IFA_LOCAL"), each["scope"])
            for each in self._ip.get_addr(family=socket.AF_INET, index=index)
        ]
        dummy = {"index": index, "family": socket.AF_INET, "address": DUMMY, "prefixlen": 32}
        if verb == "up" and not own:
            self._ip.addr("add", scope=_HOST_SCOPE, **dummy)
        elif verb == "down" and (DUMMY, _HOST_SCOPE) in own:
            self._ip.addr("del", **dummy)

    @staticmethod
    def _ask(verb: str, words: str, work: Callable[[], Any]) -> None:
        try:
            work()
        except Exception as error:
            code = rtnl.number(error)
            if code is None:
                raise
            raise KernelRefusal(
                f"Could not {verb} '{words}'",
                code,
                f"the kernel answered: {os.strerror(code)}",
                "see what 'ip -details link' and 'ip fou show' show on the host",
            ) from error

    def _ports(self) -> dict[str, bool]:
        found = {}
        for message in self._fou(_FOU_GET, None):
            family = _FAMILIES.get(message.get_attr("FOU_ATTR_AF"), "")
            port = message.get_attr("FOU_ATTR_PORT")
            place = Tunnel(GUE, port=port, family=family).place
            found[place] = message.get_attr("FOU_ATTR_TYPE") == _TYPE_GUE
        return found

    @staticmethod
    def _fou(command: int, each: Tunnel | None) -> list[Any]:
        """One request: about a port, or (None) for all of them."""
        # Dear to import, and needed by few.
        from pyroute2.netlink import NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, genlmsg  # noqa: PLC0415
        from pyroute2.netlink.generic import GenericNetlinkSocket  # noqa: PLC0415

        class Message(genlmsg):  # type: ignore[misc]
            """Of include/uapi/linux/fou.h."""

            prefix = "FOU_ATTR_"
            nla_map = (
                ("FOU_ATTR_UNSPEC", "none"),
                ("FOU_ATTR_PORT", "be16"),
                ("FOU_ATTR_AF", "uint8"),
                ("FOU_ATTR_IPPROTO", "uint8"),
                ("FOU_ATTR_TYPE", "uint8"),
            )

        request = Message()
        request["cmd"], request["version"] = command, 1
        if each is not None:
            family = next(number for number, name in _FAMILIES.items() if name == each.family)
            request["attrs"] = [
                ("FOU_ATTR_PORT", each.port),
                ("FOU_ATTR_AF", family),
                ("FOU_ATTR_TYPE", _TYPE_GUE),
            ]
        flags = NLM_F_REQUEST | (NLM_F_DUMP if each is None else NLM_F_ACK)
        sock = GenericNetlinkSocket()
        try:
            sock.bind("fou", Message)
            return list(sock.nlm_request(request, msg_type=sock.prid, msg_flags=flags))
        finally:
            sock.close()
