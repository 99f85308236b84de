# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sending and hearing frames of ``frames`` on this host's segments: the only code with packet sockets."""

from __future__ import annotations

import contextlib
import fcntl
import select
import socket
import struct
import time
from collections.abc import Iterable, Sequence

from . import frames

_ALL_PROTOCOLS = 3
_ETHERNET = 1  # ARPHRD_ETHER
_SIOCGIFHWADDR = 0x8927


def mac_of(interface: str) -> bytes | None:
    """The interface's MAC; None where it has none, and so can neither ask nor tell."""
    # Not from /sys, which shows the network namespace that it was mounted in.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            request = struct.pack("256s", interface.encode())
            found = fcntl.ioctl(sock.fileno(), _SIOCGIFHWADDR, request)
        except OSError:
            return None
    kind, mac = struct.unpack_from("=H6s", found, 16)
    return bytes(mac) if kind == _ETHERNET else None


def announce(interface: str, addresses: Sequence[str], times: int, seconds: float = 0.2) -> None:
    """Tell the segment some times that this host has these addresses now.

    :param seconds: between one time and the next.
    """
    mac = mac_of(interface)
    if mac is None or not addresses:
        return
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((interface, 0))
        for turn in range(times):
            if turn:
                time.sleep(seconds)
            for address in addresses:
                sender.send(frames.announcement(mac, address))


def ask(
    sources: Sequence[tuple[str, str]], addresses: Iterable[str], seconds: float, times: int = 3
) -> set[tuple[str, str, str]]:
    """Ask on these interfaces who has these addresses: all (address, MAC, interface) heard.

    :param sources: each interface with an IPv6 address of it, empty where it has none.
    :param seconds: how long answers are waited for, after each of the times.
    """
    wanted = list(addresses)
    heard: set[tuple[str, str, str]] = set()
    with contextlib.ExitStack() as stack:
        sockets = []
        for interface, source in sources:
            mac = mac_of(interface)
            if mac is None:
                continue
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS))
            stack.enter_context(sock)
            sock.bind((interface, _ALL_PROTOCOLS))
            sockets.append((sock, interface, mac, source))
        for _time in range(times):
            for sock, _interface, mac, source in sockets:
                for address in wanted:
                    if ":" not in address or source:
                        sock.send(frames.question(mac, address, source))
            _listen(sockets, set(wanted), seconds, heard)
    return heard


def _listen(
    sockets: Sequence[tuple[socket.socket, str, bytes, str]],
    wanted: set[str],
    seconds: float,
    heard: set[tuple[str, str, str]],
) -> None:
    names = {sock: (interface, mac) for sock, interface, mac, _source in sockets}
    deadline = time.monotonic() + seconds
    while names:
        ready, _writing, _odd = select.select(
            list(names), [], [], max(0.0, deadline - time.monotonic())
        )
        if not ready:
            return
        for sock in ready:
            found = frames.answer(sock.recv(2048))
            interface, own = names[sock]
            if found and found[0] in wanted and found[1] != own:
                heard.add((found[0], frames.mac_text(found[1]), interface))
