# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tunnel devices changed over rtnetlink, and ports of fou over generic netlink, by pyroute2. ``iproute`` reads them."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..errors import KernelRefusal
from ..host import proc
from ..host.commands import Commands
from ..kernel_module import modprobe
from ..net import IPV4, IPV6
from . import iproute, rtnl
from .tunnel import CARRYING_IPV4, DUMMY, GUE, Tunnel, parse

_HOST_SCOPE = 254
_FAMILIES: Mapping[int, str] = {socket.AF_INET: IPV4, socket.AF_INET6: IPV6}
_FOU_ADD, _FOU_DELETE = 1, 2
_TYPE_GUE = 2


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
            if verb == "up" and not each.is_fallback and iproute.is_filtered(each.device):
                # Its packets have come by another interface than answers to them leave by.
                proc.write(f"net.ipv4.conf.{each.device.replace('.', '/')}.rp_filter", "2")
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

    @staticmethod
    def _fou(command: int, each: Tunnel) -> None:
        """One request about a port."""
        # Dear to import, and needed by few.
        from pyroute2.netlink import NLM_F_ACK, NLM_F_REQUEST, genlmsg  # noqa: PLC0415
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
        family = next(number for number, name in _FAMILIES.items() if name == each.family)
        request["attrs"] = [
            ("FOU_ATTR_PORT", each.port),
            ("FOU_ATTR_AF", family),
            ("FOU_ATTR_TYPE", _TYPE_GUE),
        ]
        flags = NLM_F_REQUEST | NLM_F_ACK
        sock = GenericNetlinkSocket()
        try:
            sock.bind("fou", Message)
            list(sock.nlm_request(request, msg_type=sock.prid, msg_flags=flags))
        finally:
            sock.close()
