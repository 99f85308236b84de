# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ethernet frames by which hosts ask who has an address, and tell that they have it. Pure.

ARP is of RFC 826, its announcements and probes of RFC 5227; neighbour solicitations and advertisements are
of RFC 4861. A hardware address (MAC) is 6 bytes.
"""

from __future__ import annotations

import ipaddress
import struct

BROADCAST = b"\xff" * 6
_ARP, _IPV6 = 0x0806, 0x86DD
_REQUEST, _REPLY = 1, 2
_ICMPV6 = 58
_SOLICITATION, _ADVERTISEMENT = 135, 136
_SOURCE_MAC, _TARGET_MAC = 1, 2
_OVERRIDE = 0x20000000
_ALL_NODES = ipaddress.IPv6Address("ff02::1")
_ARP_BODY = struct.Struct("!HHBBH6s4s6s4s")


def announcement(mac: bytes, address: str) -> bytes:
    """What tells everybody on the segment that this host has the address now.

    :param mac: of the interface.
    """
    if ":" not in address:
        own = ipaddress.IPv4Address(address).packed
        body = _ARP_BODY.pack(1, 0x0800, 6, 4, _REQUEST, mac, own, b"\0" * 6, own)
        return _ethernet(BROADCAST, mac, _ARP, body)
    own6 = ipaddress.IPv6Address(address)
    # Not solicited; it takes the place of what others know.
    message = struct.pack("!BBHI16sBB6s", 136, 0, 0, _OVERRIDE, own6.packed, _TARGET_MAC, 1, mac)
    return _ipv6(mac, own6, _ALL_NODES, message)


def question(mac: bytes, address: str, source: str = "") -> bytes:
    """What asks who has the address.

    :param source: IPv6: an address of the interface, to which the answer is sent. IPv4 asks as a probe,
        which names no sender, so that nobody learns anything from it.
    """
    if ":" not in address:
        target = ipaddress.IPv4Address(address).packed
        body = _ARP_BODY.pack(1, 0x0800, 6, 4, _REQUEST, mac, b"\0" * 4, b"\0" * 6, target)
        return _ethernet(BROADCAST, mac, _ARP, body)
    target6 = ipaddress.IPv6Address(address)
    group = ipaddress.IPv6Address(b"\xff\x02" + b"\0" * 9 + b"\x01\xff" + target6.packed[13:])
    message = struct.pack(
        "!BBHI16sBB6s", _SOLICITATION, 0, 0, 0, target6.packed, _SOURCE_MAC, 1, mac
    )
    return _ipv6(mac, ipaddress.IPv6Address(source), group, message)


def answer(frame: bytes) -> tuple[str, bytes] | None:
    """(address, whose MAC says that it has it) of a frame that tells so; None of any other."""
    kind = struct.unpack_from("!H", frame, 12)[0] if len(frame) > 14 else 0
    if kind == _ARP and len(frame) >= 42:
        found = _ARP_BODY.unpack_from(frame, 14)
        if found[1:5] == (0x0800, 6, 4, _REPLY):
            return str(ipaddress.IPv4Address(found[6])), found[5]
    if kind == _IPV6 and len(frame) >= 78 and frame[20] == _ICMPV6 and frame[54] == _ADVERTISEMENT:
        return str(ipaddress.IPv6Address(frame[62:78])), frame[6:12]
    return None


def socket_filter() -> bytes:
    """A program of classic BPF that passes ARP and neighbour discovery (133 to 137) only, for SO_ATTACH_FILTER.

    It is a sequence of ``struct sock_filter``, each an operation, how many instructions to skip where a comparison
    holds and where not, and a number.
    """
    load_half, load_byte, equal, greater, give = 0x28, 0x30, 0x15, 0x25, 0x06
    program = (
        (load_half, 0, 0, 12),  # the EtherType
        (equal, 6, 0, _ARP),
        (equal, 0, 6, _IPV6),
        (load_byte, 0, 0, 20),  # the next header
        (equal, 0, 4, _ICMPV6),
        (load_byte, 0, 0, 54),  # the type of message
        (greater, 2, 0, 137),
        (greater, 0, 1, 132),
        (give, 0, 0, 0xFFFF),
        (give, 0, 0, 0),
    )
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def mac_text(mac: bytes) -> str:
    """As people write it."""
    return ":".join(f"{byte:02x}" for byte in mac)


def _ethernet(destination: bytes, source: bytes, kind: int, body: bytes) -> bytes:
    return (destination + source + struct.pack("!H", kind) + body).ljust(60, b"\0")


def _ipv6(
    mac: bytes, source: ipaddress.IPv6Address, target: ipaddress.IPv6Address, message: bytes
) -> bytes:
    pseudo = source.packed + target.packed + struct.pack("!II", len(message), _ICMPV6)
    total = sum(struct.unpack(f"!{(len(pseudo) + len(message)) // 2}H", pseudo + message))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    message = message[:2] + struct.pack("!H", ~total & 0xFFFF) + message[4:]
    # Neighbour discovery counts only with the full hop limit.
    header = struct.pack("!IHBB", 6 << 28, len(message), _ICMPV6, 255)
    group = b"\x33\x33" + target.packed[12:]
    return _ethernet(group, mac, _IPV6, header + source.packed + target.packed + message)
