# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sending and hearing frames of ``frames`` on this host's segments: the only code with packet sockets."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import select
import socket
import struct
import time
from collections.abc import Iterable, Iterator, Sequence

from . import frames

_ALL_PROTOCOLS = 3
_ETHERNET = 1  # ARPHRD_ETHER
_SIOCGIFHWADDR = 0x8927
_SO_ATTACH_FILTER = 26
_INSTRUCTION = 8  # bytes


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
    """Ask on these interfaces who else has these addresses: all (address, MAC, interface) heard.

    :param sources: each interface with an IPv6 address of it, empty where it has none.
    :param seconds: how long answers are waited for, after each of the times, however many frames come.
    """
    wanted = list(addresses)
    heard: set[tuple[str, str, str]] = set()
    # Another interface of this host may be on the same segment, and answer.
    own = {mac_of(name) for _index, name in socket.if_nameindex()}
    with contextlib.ExitStack() as stack:
        sockets = []
        for interface, source in sources:
            mac = mac_of(interface)
            if mac is None:
                continue
            sock = stack.enter_context(_listener(interface))
            sockets.append((sock, interface, mac, source))
        for _time in range(times):
            for sock, _interface, mac, source in sockets:
                for address in wanted:
                    if ":" not in address or source:
                        sock.send(frames.question(mac, address, source))
            for address, mac, interface in _listen(sockets, seconds):
                if address in wanted and mac not in own:
                    heard.add((address, frames.mac_text(mac), interface))
    return heard


def _listener(interface: str) -> socket.socket:
    """A socket that hears ARP and neighbour discovery on an interface, and nothing else."""
    # Without a protocol it hears nothing until it is bound, and by then the filter is in place.
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    program = frames.socket_filter()
    held = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: the number of instructions, and where they are.
    attached = struct.pack("HP", len(program) // _INSTRUCTION, ctypes.addressof(held))
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, attached)
        sock.bind((interface, _ALL_PROTOCOLS))
    except BaseException:
        sock.close()
        raise
    return sock


def _listen(
    sockets: Sequence[tuple[socket.socket, str, bytes, str]], seconds: float
) -> Iterator[tuple[str, bytes, str]]:
    """What is heard in so many seconds: (address, whose MAC says that it has it, interface)."""
    names = {sock: interface for sock, interface, _mac, _source in sockets}
    deadline = time.monotonic() + seconds
    while names:
        left = deadline - time.monotonic()
        if left <= 0:
            return
        ready, _writing, _odd = select.select(list(names), [], [], left)
        for sock in ready:
            found = frames.answer(sock.recv(2048))
            if found:
                yield (*found, names[sock])
