# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much of a download passes the director, from what a hub has carried. Pure.

Of megabytes, so without taking the frames apart one by one into objects.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

_RECORD = struct.Struct("=IIII")
_TCP = 6


@dataclass(frozen=True)
class Share:
    """:ivar through: bytes of frames that have the director's MAC.
    :ivar payload_through: frames with payload from the server's side to the client, that have it.
    """

    through: int
    payload_through: int


def share(capture: bytes, director: str, client: str, port: int) -> Share:
    """:param capture: a capture file's content, of IPv4 over Ethernet.
    :param director: its MAC.
    :param client: its address.
    :param port: of the service, where payload comes from.
    """
    mac = bytes.fromhex(director.replace(":", ""))
    target = ipaddress.IPv4Address(client).packed
    through = payload_through = 0
    at = 24
    while at + 16 <= len(capture):
        stored, length = _RECORD.unpack_from(capture, at)[2:]
        frame = capture[at + 16 : at + 16 + stored]
        at += 16 + stored
        if mac not in (frame[0:6], frame[6:12]):
            continue
        through += length
        payload_through += _is_payload_to(frame, target, port)
    return Share(through, payload_through)


def _is_payload_to(frame: bytes, target: bytes, port: int) -> bool:
    if frame[12:14] != b"\x08\x00" or frame[23] != _TCP or frame[30:34] != target:
        return False
    header = (frame[14] & 15) * 4
    size = struct.unpack_from("!H", frame, 16)[0]
    tcp = 14 + header
    offset = (frame[tcp + 12] >> 4) * 4
    return struct.unpack_from("!H", frame, tcp)[0] == port and size > header + offset
