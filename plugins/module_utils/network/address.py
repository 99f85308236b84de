# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual addresses on interfaces: which are added, which go, and which are somebody else's. Pure.

A real server has the virtual address on its loopback, where it takes packets for it and tells nobody; a
director has it where it is asked for it by ARP and neighbour solicitation.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from ..errors import InvalidInput
from ..host.manifest import Claim
from ..net import IPV4, canonical_address, is_whole
from ..values import EMPTY
from .model import FAMILY_OF_FLAG, FLAG_OF_FAMILY, Shared, claim_lines, owners_of

KIND = "address"
LOOPBACK = "lo"
SCOPES = ("global", "link", "host")
SUBJECT = "the virtual addresses"


class Address(NamedTuple):
    """An address on an interface.

    :ivar length: of its prefix, in bits.
    :ivar scope: of IPv4; IPv6 has it in the address.
    :ivar passive: IPv6: never chosen by the host as the source of what it sends on its own.
    :ivar nodad: IPv6: added without asking whether somebody has it. Nothing that would be compared.
    """

    address: str
    length: int
    interface: str
    scope: str = "global"
    passive: bool = False
    nodad: bool = True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and self[:-1] == other[:-1]

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self[:-1])

    @property
    def family(self) -> str:
        return "ipv6" if ":" in self.address else IPV4

    @property
    def place(self) -> tuple[str, str]:
        """Where there is but one of them."""
        return self.address, self.interface

    def __str__(self) -> str:
        words = [FLAG_OF_FAMILY[self.family], "address", f"{self.address}/{self.length}"]
        words += ["dev", self.interface]
        if self.family == IPV4:
            return " ".join([*words, "scope", self.scope])
        words += ["nodad"] if self.nodad else []
        words += ["preferred_lft", "0"] if self.passive else []
        return " ".join(words)

    def command(self, verb: str) -> str:
        """The ``ip`` command that adds, replaces or deletes it."""
        flag, kind, rest = str(self).split(" ", 2)
        return f"ip {flag} {kind} {verb} {rest}"


def parse(text: str) -> Address:
    """The reverse of an address's words."""
    flag, _kind, prefix, *words = text.split()
    address, _slash, length = prefix.partition("/")
    interface = words[words.index("dev") + 1]
    if FAMILY_OF_FLAG[flag] == IPV4:
        return Address(address, int(length), interface, words[words.index("scope") + 1])
    passive, nodad = "preferred_lft" in words, "nodad" in words
    return Address(address, int(length), interface, passive=passive, nodad=nodad)


class Request(NamedTuple):
    """:ivar addresses: with or without the length of a prefix; without, they stand for themselves alone.
    :ivar interface: empty for the one that has the address, else the one on whose network it is, else lo.
    :ivar scope: empty for host on the loopback, and global elsewhere.
    :ivar exclusive: whether what the owner has besides is removed.
    :ivar release: addresses that another program takes over: given up, not removed.
    :ivar probe: whether the segment is asked for an address before it is added.
    :ivar announce: whether the segment is told of what is added.
    """

    addresses: tuple[str, ...] = ()
    interface: str = LOOPBACK
    scope: str = ""
    passive: bool = True
    nodad: bool = True
    exclusive: bool = False
    absent: bool = False
    release: tuple[str, ...] = ()
    probe: bool = False
    announce: bool = False


class AddressPlan(NamedTuple):
    """:ivar replaced: what gives way to another in its place, before that is added.
    :ivar added: in order.
    :ivar removed: in order.
    :ivar found: what was asked for and is somebody else's.
    :ivar surplus: what is ours, was not asked for, and stays.
    :ivar claims: the words of what is ours, to its claim.
    :ivar desired: what was asked for, each where it is.
    """

    replaced: tuple[Address, ...] = ()
    added: tuple[Address, ...] = ()
    removed: tuple[Address, ...] = ()
    found: tuple[Address, ...] = ()
    surplus: tuple[Address, ...] = ()
    claims: Mapping[str, Claim] = EMPTY
    desired: tuple[Address, ...] = ()


def plan(
    request: Request,
    current: Sequence[Address],
    interfaces: Collection[str],
    claims: Mapping[str, Claim],
    shared: Shared = EMPTY,
) -> AddressPlan:
    """From the addresses that exist to the desired ones.

    :param current: every address of the host.
    :param interfaces: their names.
    :param shared: what other owners claim too: it stays as it is, also for them where it is given up.
    :raises InvalidInput: one can't be, or is where it must not be.
    """
    # Ours is what is in a place of ours, even if somebody has changed it since.
    places = {parse(name).place for name in claims}
    others = {parse(name).place for name in shared}
    ours = [each for each in current if each.place in places]
    asked = [_split(text) for text in request.addresses]
    released = {address for address, _length in map(_split, request.release)}
    _check_twice(asked)
    if request.absent:
        named = {address for address, _length in asked}
        going = [each for each in ours if not named or each.address in named]
        return _planned((), going, ours, (), others, released)
    desired: list[Address] = []
    found: list[Address] = []
    for address, length in asked:
        each = _placed(request, address, length, current, interfaces)
        if each.place in others:
            # The first of several owners has made it; what it has made serves all.
            each = next((other for other in current if other.place == each.place), each)
        foreign = [
            other
            for other in current
            if other.address == address and other not in ours and other.place not in others
        ]
        elsewhere = [
            other
            for other in current
            if other.address == address and other.place in others and other.place != each.place
        ]
        theirs = _somebody_elses(each, [*foreign, *elsewhere], request, shared)
        if theirs:
            found.append(theirs)
        else:
            desired.append(each)
    addresses = {each.address for each in desired}
    going = [
        each
        for each in ours
        if each not in desired and (request.exclusive or each.address in addresses)
    ]
    existing = [*ours, *(each for each in current if each.place in others)]
    return _planned(desired, going, existing, found, others, released, ours)


def _planned(
    desired: Sequence[Address],
    going: Sequence[Address],
    existing: Sequence[Address],
    found: Sequence[Address],
    others: Collection[tuple[str, str]],
    released: Collection[str],
    ours: Sequence[Address] | None = None,
) -> AddressPlan:
    # Of two in one place the old one goes first: IPv6 has an address but once on an interface.
    places = {each.place for each in desired}
    owned = existing if ours is None else ours
    kept = tuple(
        each
        for each in owned
        if each not in going and each not in desired and each.address not in released
    )
    return AddressPlan(
        replaced=tuple(each for each in going if each.place in places),
        added=tuple(each for each in desired if each not in existing),
        removed=tuple(
            each
            for each in going
            if each.place not in places
            and each.place not in others
            and each.address not in released
        ),
        found=tuple(found),
        surplus=kept,
        claims={name: Claim() for name in sorted(map(str, (*desired, *kept)))},
        desired=(*desired, *found),
    )


def _split(text: str) -> tuple[str, int]:
    """An address and its length.

    :raises InvalidInput: it is none.
    """
    alone, slash, length = text.partition("/")
    family, address = canonical_address(alone, SUBJECT, "addresses")
    most = 32 if family == IPV4 else 128
    if not slash:
        return address, most
    if not is_whole(length) or not 1 <= int(length) <= most:
        raise InvalidInput(
            SUBJECT,
            "addresses",
            text,
            f"has no prefix length from 1 to {most}",
            "omit the length for a single address",
        )
    return address, int(length)


def _check_twice(asked: Sequence[tuple[str, int]]) -> None:
    seen = set()
    for address, _length in asked:
        if address in seen:
            raise InvalidInput(
                SUBJECT, "addresses", address, "is listed twice", "remove one of the two"
            )
        seen.add(address)


def _placed(
    request: Request,
    address: str,
    length: int,
    current: Sequence[Address],
    interfaces: Collection[str],
) -> Address:
    interface = request.interface or choose_interface(address, current)
    if interface not in interfaces:
        raise InvalidInput(
            SUBJECT,
            "interface",
            interface,
            "is not on this host",
            "use one that 'ip link' shows, or create it first",
        )
    scope = request.scope or ("host" if interface == LOOPBACK else "global")
    if ":" in address:
        return Address(address, length, interface, passive=request.passive, nodad=request.nodad)
    return Address(address, length, interface, scope)


def choose_interface(address: str, current: Sequence[Address]) -> str:
    """The interface that has an address, else the one on whose smallest network it is, else lo."""
    for each in current:
        if each.address == address:
            return each.interface
    parsed = ipaddress.ip_address(address)
    on_it = [
        each
        for each in current
        if each.interface != LOOPBACK
        and parsed in ipaddress.ip_interface(f"{each.address}/{each.length}").network
    ]
    best = max(on_it, key=lambda each: each.length, default=None)
    return best.interface if best else LOOPBACK


def _somebody_elses(
    each: Address, others: Sequence[Address], request: Request, shared: Shared
) -> Address | None:
    """What is there of an address that is not ours: it serves, if it is in the right place."""
    for other in others:
        if other.interface == each.interface:
            return other
    if others and request.interface:
        raise InvalidInput(
            SUBJECT,
            "addresses",
            each.address,
            f"is already on {others[0].interface}{owners_of(str(others[0]), shared)}, and is desired on "
            f"{each.interface}",
            f"remove it there ('{others[0].command('del')}', and from the network configuration of the host), or "
            "omit it here",
        )
    return others[0] if others else None


def script_body(claims: Mapping[str, Claim]) -> str | None:
    """The commands that restore the addresses, and do nothing where they exist; None where there are none."""
    if not claims:
        return None
    addresses = [parse(name) for name in sorted(claims)]
    lines = claim_lines(claims)
    lines += [f"await {name}" for name in sorted({each.interface for each in addresses})]
    for each in addresses:
        lines.append(
            f"has {FLAG_OF_FAMILY[each.family]} {each.interface} {each.address}/{each.length} ||\n"
            f"  {each.command('replace')} || failed=1"
        )
    return _SCRIPT.format(commands="\n".join(lines))


_SCRIPT = """\
failed=0
# The interface may still be on its way up.
await() {{
  for try in $(seq "${{LVS_PATIENCE:-60}}"); do
    ip link show dev "$1" > /dev/null 2>&1 && return 0
    sleep 1
  done
  echo "no interface $1" >&2
  failed=1
}}
# Whether an interface has an address.
has() {{
  ip -oneline "$1" address show dev "$2" | grep -qF " $3 "
}}
{commands}
exit $failed
"""
