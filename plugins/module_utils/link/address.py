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
from dataclasses import dataclass, field

from ..errors import InvalidInput
from ..ipvs.model import canonical_address
from ..manifest import Claim
from .model import FAMILY_OF_FLAG, FLAG_OF_FAMILY, IPV4

KIND = "address"
LOOPBACK = "lo"
SCOPES = ("global", "link", "host")
SUBJECT = "the virtual addresses"


@dataclass(frozen=True)
class Address:
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
    nodad: bool = field(default=True, compare=False)

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


@dataclass(frozen=True)
class Wish:
    """:ivar addresses: with or without the length of a prefix; without, they stand for themselves alone.
    :ivar interface: empty for the one that has the address, else the one on whose network it is, else lo.
    :ivar scope: empty for host on the loopback, and global elsewhere.
    :ivar exclusive: whether what the owner has besides shall go.
    """

    addresses: tuple[str, ...] = ()
    interface: str = LOOPBACK
    scope: str = ""
    passive: bool = True
    nodad: bool = True
    exclusive: bool = False
    absent: bool = False


@dataclass(frozen=True)
class AddressPlan:
    """:ivar operations: in order: add or delete, and what.
    :ivar found: what was asked for and is somebody else's.
    :ivar surplus: what is ours, was not asked for, and stays.
    :ivar claims: the words of what is ours, to its claim.
    :ivar wanted: what was asked for, each where it is.
    """

    operations: tuple[tuple[str, Address], ...] = ()
    found: tuple[Address, ...] = ()
    surplus: tuple[Address, ...] = ()
    claims: Mapping[str, Claim] = field(default_factory=dict)
    wanted: tuple[Address, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.operations)

    @property
    def added(self) -> tuple[Address, ...]:
        return tuple(each for verb, each in self.operations if verb == "add")

    @property
    def diff(self) -> dict[str, str]:
        def lines(verb: str) -> str:
            return "".join(sorted(f"{each}\n" for its, each in self.operations if its == verb))

        return {
            "before_header": "addresses before",
            "after_header": "addresses after",
            "before": lines("delete"),
            "after": lines("add"),
        }


def plan(
    wish: Wish,
    standing: Sequence[Address],
    interfaces: Collection[str],
    claims: Mapping[str, Claim],
) -> AddressPlan:
    """From the addresses that there are to those that shall be.

    :param standing: every address of the host.
    :param interfaces: their names.
    :raises InvalidInput: one can't be, or is where it must not be.
    """
    # Ours is what is in a place of ours, even if somebody has changed it since.
    places = {parse(name).place for name in claims}
    ours = [each for each in standing if each.place in places]
    asked = [_split(text) for text in wish.addresses]
    _check_twice(asked)
    if wish.absent:
        named = {address for address, _length in asked}
        return _planned((), [each for each in ours if not named or each.address in named], ours)
    wanted: list[Address] = []
    found: list[Address] = []
    for address, length in asked:
        each = _placed(wish, address, length, standing, interfaces)
        others = [other for other in standing if other.address == address and other not in ours]
        theirs = _somebody_elses(each, others, wish)
        if theirs:
            found.append(theirs)
        else:
            wanted.append(each)
    addresses = {each.address for each in wanted}
    going = [
        each
        for each in ours
        if each not in wanted and (wish.exclusive or each.address in addresses)
    ]
    return _planned(wanted, going, ours, found)


def _planned(
    wanted: Sequence[Address],
    going: Sequence[Address],
    ours: Sequence[Address],
    found: Sequence[Address] = (),
) -> AddressPlan:
    # Of two in one place the old one goes first: IPv6 has an address but once on an interface.
    places = {each.place for each in wanted}
    operations = [
        *(("delete", each) for each in going if each.place in places),
        *(("add", each) for each in wanted if each not in ours),
        *(("delete", each) for each in going if each.place not in places),
    ]
    kept = tuple(each for each in ours if each not in going and each not in wanted)
    return AddressPlan(
        tuple(operations),
        tuple(found),
        kept,
        {name: Claim() for name in sorted(map(str, (*wanted, *kept)))},
        (*wanted, *found),
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
    if not length.isdigit() or not 1 <= int(length) <= most:
        raise InvalidInput(
            SUBJECT,
            "addresses",
            text,
            f"has no prefix length from 1 to {most}",
            "leave the length out, so that the address stands for itself alone",
        )
    return address, int(length)


def _check_twice(asked: Sequence[tuple[str, int]]) -> None:
    seen = set()
    for address, _length in asked:
        if address in seen:
            raise InvalidInput(
                SUBJECT, "addresses", address, "stands there twice", "leave one of them out"
            )
        seen.add(address)


def _placed(
    wish: Wish,
    address: str,
    length: int,
    standing: Sequence[Address],
    interfaces: Collection[str],
) -> Address:
    interface = wish.interface or choose_interface(address, standing)
    if interface not in interfaces:
        raise InvalidInput(
            SUBJECT,
            "interface",
            interface,
            "is not on this host",
            "name one that 'ip link' shows, or make it first",
        )
    scope = wish.scope or ("host" if interface == LOOPBACK else "global")
    if ":" in address:
        return Address(address, length, interface, passive=wish.passive, nodad=wish.nodad)
    return Address(address, length, interface, scope)


def choose_interface(address: str, standing: Sequence[Address]) -> str:
    """The interface that has an address, else the one on whose smallest network it is, else lo."""
    for each in standing:
        if each.address == address:
            return each.interface
    parsed = ipaddress.ip_address(address)
    on_it = [
        each
        for each in standing
        if each.interface != LOOPBACK
        and parsed in ipaddress.ip_interface(f"{each.address}/{each.length}").network
    ]
    best = max(on_it, key=lambda each: each.length, default=None)
    return best.interface if best else LOOPBACK


def _somebody_elses(each: Address, others: Sequence[Address], wish: Wish) -> Address | None:
    """What is there of an address that is not ours: it serves, if it is in the right place."""
    for other in others:
        if other.interface == each.interface:
            return other
    if others and wish.interface:
        raise InvalidInput(
            SUBJECT,
            "addresses",
            each.address,
            f"is on {others[0].interface} already, and is asked for on {each.interface}",
            f"take it away there ('{others[0].command('del')}', and where the host's network is configured), or "
            "leave it out here",
        )
    return others[0] if others else None


def script_body(claims: Mapping[str, Claim]) -> str | None:
    """The commands that put the addresses back at boot; None where there are none."""
    if not claims:
        return None
    addresses = [parse(name) for name in sorted(claims)]
    lines = [f"await {name}" for name in sorted({each.interface for each in addresses})]
    lines += [f"{each.command('replace')} || failed=1" for each in addresses]
    return _SCRIPT.format(commands="\n".join(lines))


_SCRIPT = """\
failed=0
# The interface may still be on its way up.
await() {{
  for try in $(seq 60); do
    ip link show dev "$1" > /dev/null 2>&1 && return 0
    sleep 1
  done
  echo "no interface $1" >&2
  failed=1
}}
{commands}
exit $failed
"""
