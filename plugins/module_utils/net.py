# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Address families, addresses and networks in canonical form. Pure, and the ground floor: imports only errors."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
from collections.abc import Iterable, Mapping
from typing import Any, Union

from .errors import InvalidInput

IPV4, IPV6 = "ipv4", "ipv6"
FAMILIES = (IPV4, IPV6)
# By the version number of the protocol.
FAMILY_OF_VERSION: Mapping[int, str] = {4: IPV4, 6: IPV6}
# As prose has them.
FAMILY_NAMES: Mapping[str, str] = {IPV4: "IPv4", IPV6: "IPv6"}
# The prefix length of a single address, in bits.
FULL_LENGTH: Mapping[str, int] = {IPV4: 32, IPV6: 128}

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


def is_whole(text: str, digits: int = 10) -> bool:
    """Whether a text is a whole number, of ASCII digits alone and no more than this many.

    ``str.isdigit`` also takes digits such as ``²``, and ``int`` those of other scripts and thousands of them.
    """
    return re.fullmatch(f"[0-9]{{1,{digits}}}", text) is not None


def canonical_address(text: str, subject: str, option: str) -> tuple[str, str]:
    """Return (family, address as inet_ntop(3) writes it).

    inet_ntop, not ``str(ip_address)``, because Python versions differ on ``::ffff:192.0.2.1``.

    :raises InvalidInput: not an address, or one with a zone.
    """
    try:
        parsed = ipaddress.ip_address(text.strip())
        if "%" in text:
            raise ValueError(text)
    except ValueError:
        raise InvalidInput(
            subject,
            option,
            text,
            "is not an IP address",
            "give an IPv4 or IPv6 address without name, prefix length or zone",
        ) from None
    if parsed.version == 4:
        return IPV4, socket.inet_ntop(socket.AF_INET, parsed.packed)
    return IPV6, socket.inet_ntop(socket.AF_INET6, parsed.packed)


def packed(family: str, address: str) -> bytes:
    """The bytes of a canonical address: 4 or 16."""
    return socket.inet_pton(socket.AF_INET if family == IPV4 else socket.AF_INET6, address)


def family_of(address: str) -> str:
    """The family of a canonical address or network."""
    return IPV6 if ":" in address else IPV4


def endpoint(family: str, address: str, port: int) -> str:
    """``192.0.2.1:80`` or ``[2001:db8::1]:80``."""
    return f"{address}:{port}" if family == IPV4 else f"[{address}]:{port}"


def named_endpoint(address: object, port: object) -> str:
    """The same for messages, of an address that may not be one."""
    text = str(address)
    return f"[{text}]:{port}" if ":" in text and not text.startswith("[") else f"{text}:{port}"


def split_endpoint(text: str) -> tuple[str, int]:
    """The reverse of ``endpoint``: (address, port).

    :raises ValueError: no port.
    """
    address, colon, port = text.rpartition(":")
    if not colon or not is_whole(port, 5):
        raise ValueError(f"{text!r} is not ADDRESS:PORT")
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    return address, int(port)


def network(subject: str, option: str, text: str) -> Network:
    """A network.

    :raises InvalidInput: not a network, or one with bits set beyond its prefix.
    """
    with contextlib.suppress(ValueError):
        return ipaddress.ip_network(text)
    problem, remedy = "is not a network", "use for example 192.168.0.0/24 or fd00:0:0:1::/64"
    with contextlib.suppress(ValueError):
        remedy = f"write {ipaddress.ip_network(text, strict=False)}"
        problem = "has bits set beyond its prefix"
    raise InvalidInput(subject, option, text, problem, remedy)


def network_of(address: str, among: Iterable[Network]) -> Network | None:
    """The smallest of these networks that holds the address, or None."""
    parsed = ipaddress.ip_address(address)
    inside = [network for network in among if parsed in network]
    return max(inside, key=lambda network: network.prefixlen, default=None)


def one_of_each_family(subject: str, option: str, given: Any) -> dict[str, str]:
    """An address, or a list of one of each family: family to address.

    :raises InvalidInput: not so.
    """
    found: dict[str, str] = {}
    for text in listed(given):
        family, address = canonical_address(str(text), subject, option)
        if family in found:
            raise InvalidInput(
                subject,
                option,
                given,
                f"holds two {FAMILY_NAMES[family]} addresses",
                "give one, or one of each family",
            )
        found[family] = address
    return found


def listed(given: Any) -> list[Any]:
    """A list of what may be a list, a single value, or nothing."""
    if given is None or given == "":
        return []
    return list(given) if isinstance(given, (list, tuple)) else [given]
