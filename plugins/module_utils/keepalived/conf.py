# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configuration file of keepalived: whose it is, what only the host knows, and how it is shown. Pure.

Its body is derived on the control node, where no facts of a host are known. So it names interfaces and the password
by definitions of keepalived (``$NAME``), which are written here. Comments say which lines are about which object::

    # service tcp 192.0.2.1:80
    virtual_server 192.0.2.1 80 {
      alpha
      # real server 10.0.0.1:8080
      real_server 10.0.0.1 8080 {
        weight 1
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import InvalidInput
from ..ipvs.model import RealServerKey
from ..net import canonical_address
from ..network.address import LOOPBACK, Address, choose_interface

PATH = "/etc/keepalived/keepalived.conf"
# It may hold a password.
MODE = 0o600
SUBJECT = "the configuration of keepalived"
PASSWORD, TRACKED = "PASSWORD", "TRACKED"
MASK = "********"

_HEADER = (
    "# Of lvs.cluster, for owner {owner}: written by Ansible; "
    "what is changed here is lost at the next run."
)
_OURS = re.compile(r"# Of lvs\.cluster, for owner ([A-Za-z0-9_.-]+): ")
_SERVICE, _REAL_SERVER = "# service ", "# real server "
_STARTUP_DELAY, _VERSION_2 = "vrrp_startup_delay ", "vrrp_version 2"
_INSTANCE, _IDENTITY = (
    "vrrp_instance ",
    ("interface ", "virtual_router_id ", "unicast_src_ip ", "mcast_src_ip "),
)
# In seconds. Version 2 of VRRP allows whole seconds only.
_ADVERT, _SHORT_ADVERT = re.compile(r"(\s*advert_int\s+)[0-9.]+"), 0.1
_BLOCK, _BELIEVED = "real_server ", "alpha no"
_METHOD = "lvs_method "
# The lines in the block of a real server that are not of its health check.
_ATTRIBUTES = ("weight ", _METHOD, "uthreshold ", "lthreshold ", _BELIEVED)
_WEIGHT = re.compile(r"(\s*weight\s+)[0-9]+(\s*)")
_DEFINITION = re.compile(rf"(\$?{PASSWORD}=)(.*)")
# Others begin a comment, a quotation, an escape, a definition or a block.
_LITERAL = re.compile(r"[A-Za-z0-9.,:;_+*/=@%&^?<>|()\[\]-]+")
# The longest that VRRP carries.
_LONGEST_PASSWORD = 8

# (service, real server) as the comments have them; the real server is empty for the service itself.
Place = tuple[str, str]


class Naming(NamedTuple):
    """Which interfaces the definitions stand for.

    :ivar interfaces: the name of a definition to ``of`` or ``for`` and an address. Of: the interface of this host that
        has the address. For: the interface that has it or on whose network it is, else lo.
    :ivar speaking: the names of those on which VRRP speaks, which are tracked by themselves.
    :ivar forced: if set, the interface of all ``for``.
    """

    interfaces: Mapping[str, Mapping[str, str]]
    speaking: Sequence[str] = ()
    forced: str = ""

    def resolved(self, addresses: Sequence[Address], links: Collection[str]) -> dict[str, str]:
        """Name to interface, for all definitions, and to the list of those that are to be tracked.

        :param addresses: every address of the host.
        :param links: the names of its interfaces.
        :raises InvalidInput: the host has not got one.
        """
        found = {
            name: self._interface(each, addresses, links) for name, each in self.interfaces.items()
        }
        speaking = {found[name] for name in self.speaking if name in found}
        tracked = dict.fromkeys(
            interface
            for interface in found.values()
            if interface not in speaking and interface != LOOPBACK
        )
        return {**found, TRACKED: "\n".join(tracked)}

    def places(self, floating: Sequence[str], addresses: Sequence[Address]) -> dict[str, list[str]]:
        """By interface, the floating addresses that would be on it; without those on the loopback interface."""
        found: dict[str, list[str]] = {}
        for address in floating:
            interface = self.forced or choose_interface(address, addresses)
            if interface != LOOPBACK:
                found.setdefault(interface, []).append(address)
        return found

    def _interface(
        self, each: Mapping[str, str], addresses: Sequence[Address], links: Collection[str]
    ) -> str:
        text = each.get("of") or each.get("for") or ""
        _family, address = canonical_address(text.partition("/")[0], SUBJECT, "interfaces")
        if "of" not in each:
            interface = self.forced or choose_interface(address, addresses)
            if interface not in links:
                raise InvalidInput(
                    SUBJECT,
                    "interface",
                    interface,
                    "is not on this host",
                    "name one that 'ip link' shows (for the roles: director_vip_interface)",
                )
            return interface
        for own in addresses:
            if own.address == address:
                return own.interface
        raise InvalidInput(
            SUBJECT,
            "interfaces",
            address,
            "is not an address of this host, and VRRP has to send from it",
            "give the host this address, or correct keepalived_address (by default lvs_address)",
        )


def whole(owner: str, definitions: Mapping[str, str], body: str, password: str = "") -> str:
    """The text of the whole file.

    :param definitions: what the host has found out: name to value, of which each may have several lines.
    :param body: the rest, as the control node has derived it.
    :raises InvalidInput: the password is missing, or is not one.
    """
    check_password(body, password)
    lines = [_HEADER.format(owner=owner)]
    values = {**definitions, **({PASSWORD: password} if _uses_password(body) else {})}
    lines += [_definition(name, value) for name, value in sorted(values.items())]
    return "\n".join(lines) + "\n" + body.rstrip("\n") + "\n"


def _definition(name: str, value: str) -> str:
    # A definition goes on as long as its lines end so.
    lines = value.split("\n")
    first = [] if len(lines) == 1 else [""]
    return f"${name}=" + "\\\n".join([*first, *lines])


def _uses_password(body: str) -> bool:
    return re.search(rf"\$\{{?{PASSWORD}\b", body) is not None


def check_password(body: str, password: str) -> None:
    """:raises InvalidInput: the password is missing, or is not one. What it is, is not told."""
    option, subject = "keepalived_password", "the password of VRRP"
    if not _uses_password(body):
        return
    if not password:
        raise InvalidInput(subject, None, None, "is missing", f"set {option}")
    if len(password) > _LONGEST_PASSWORD:
        problem = f"is longer than the {_LONGEST_PASSWORD} characters that VRRP allows"
        raise InvalidInput(subject, None, None, problem, f"choose a shorter {option}")
    if not _LITERAL.fullmatch(password):
        raise InvalidInput(
            subject,
            None,
            None,
            "contains a character that has a special meaning in keepalived.conf",
            f"choose a {option} of letters, digits and . , : ; _ + - * / = @ %",
        )


def owner_of(text: str | None) -> str | None:
    """Whose a file is; None for one that is not of this collection."""
    found = _OURS.match(text or "")
    return found[1] if found else None


def check_ours(text: str | None, owner: str) -> None:
    """:raises InvalidInput: another program or person wrote the file."""
    its_owner = owner_of(text)
    if its_owner == owner or not (text or "").strip():
        return
    whose = f"is of the owner {its_owner}" if its_owner else "was not written by this collection"
    raise InvalidInput(
        f"the file {PATH}",
        None,
        None,
        f"{whose}, and would be overwritten",
        f"remove that cluster from this host first, with owner={its_owner} and state=absent"
        if its_owner
        else f"stop keepalived and move the file away ('mv {PATH} {PATH}.old')",
    )


def _places(text: str) -> Iterator[tuple[Place, str]]:
    """Every line, with the service and the real server that it is about."""
    service = real_server = ""
    for line in text.split("\n"):
        stripped = line.strip()
        if stripped.startswith(_SERVICE):
            service, real_server = stripped[len(_SERVICE) :], ""
        elif stripped.startswith(_REAL_SERVER):
            real_server = stripped[len(_REAL_SERVER) :]
        yield (service, real_server), line


def objects(text: str | None) -> set[Place]:
    """The services and real servers that a configuration of ours has."""
    if owner_of(text) is None:
        return set()
    return {place for place, _line in _places(text or "") if place[0]}


def checks(text: str | None) -> dict[Place, tuple[str, ...]]:
    """The lines of the health check of each real server that a configuration of ours has."""
    if owner_of(text) is None:
        return {}
    lines = (text or "").split("\n")
    return {
        place: tuple(
            line.strip() for line in lines[its] if not line.strip().startswith(_ATTRIBUTES)
        )
        for place, its in _blocks(text or "").items()
    }


def _blocks(text: str) -> dict[Place, slice]:
    """The lines of each real server, from its comment to the end of its block."""
    found: dict[Place, slice] = {}
    begin = depth = 0
    for number, (place, line) in enumerate(_places(text)):
        stripped = line.strip()
        if stripped.startswith(_REAL_SERVER):
            begin, depth = number, 0
        elif place[1] and place not in found:
            depth += stripped.endswith("{")
            if stripped == "}":
                depth -= 1
                if not depth:
                    found[place] = slice(begin, number + 1)
    return found


class HeldBack(NamedTuple):
    """A configuration in which some real servers stay as they were.

    :ivar waiting: the real servers that are not added, or keep another forwarding method.
    :ivar former: the previous real servers that stay instead of them.
    """

    text: str
    waiting: tuple[Place, ...] = ()
    former: tuple[Place, ...] = ()


def held_back(text: str, before: str | None, unprepared: Collection[str]) -> HeldBack:
    """The configuration without real servers that may not be ready, and with those that served instead of them.

    A real server with another forwarding method keeps its previous block. One that is new is left out, and previous
    real servers of its service stay that may be the same host: with its address and another port, or with an address
    that the service no longer has. A virtual server that would have no real server is left out.

    :param before: the current configuration.
    :param unprepared: addresses of real servers.
    """
    blocks, lines = _blocks(text), text.split("\n")
    old_lines = (before or "").split("\n")
    old = {
        place: old_lines[its]
        for place, its in (_blocks(before or "") if owner_of(before) else {}).items()
    }
    waiting = [
        place
        for place, its in blocks.items()
        if _address(place) in unprepared
        and not (place in old and _method(old[place]) == _method(lines[its]))
    ]
    former: list[Place] = []
    # What replaces a block, by the number of its first line.
    instead: dict[int, list[str]] = {}
    for place in waiting:
        its_former = [
            each for each in _former(place[0], waiting, blocks, old) if each not in former
        ]
        former += its_former
        kept = [*its_former, *([place] if place in old else [])]
        instead[blocks[place].start] = [line for each in kept for line in old[each]]
    gone = {number for place in waiting for number in range(len(lines))[blocks[place]]}
    left = {place[0] for place in [*(blocks.keys() - waiting), *(old.keys() & waiting), *former]}
    emptied = {place[0] for place in waiting} - left
    found: list[str] = []
    for number, (place, line) in enumerate(_places(text)):
        if place[0] not in emptied:
            found += instead.get(number, [] if number in gone else [line])
    return HeldBack("\n".join(found), tuple(waiting), tuple(former))


def _former(
    service: str, waiting: Collection[Place], current: Collection[Place], old: Collection[Place]
) -> list[Place]:
    """The previous real servers of a service that may be new ones of it, under another port or address.

    :param current: all real servers that the configuration is to have.
    :param old: those that it had.
    """
    addresses = {_address(place) for place in current if place[0] == service}
    there = [place for place in old if place[0] == service]
    its = {_address(place) for place in waiting if place[0] == service}
    moved = not its <= {_address(place) for place in there}
    return [
        place
        for place in there
        if place not in current
        and (_address(place) in its or (moved and _address(place) not in addresses))
    ]


def _address(place: Place) -> str:
    """The address of a real server."""
    return RealServerKey.parse(place[1]).address


def _method(lines: Sequence[str]) -> str:
    """The forwarding method in the block of a real server."""
    return next((line.strip() for line in lines if line.strip().startswith(_METHOD)), "")


def with_weights(text: str, weights: Mapping[Place, int]) -> str:
    """The text, with other weights for some real servers."""
    if not weights:
        return text
    lines = []
    done: set[Place] = set()
    for place, line in _places(text):
        found = _WEIGHT.fullmatch(line) if place in weights and place not in done else None
        if found:
            done.add(place)
        lines.append(f"{found[1]}{weights[place]}{found[2]}" if found else line)
    return "\n".join(lines)


def believing(text: str, places: Collection[Place]) -> str:
    """The text, with these real servers believed to be up until a check fails, whatever ``alpha`` says.

    With ``alpha``, keepalived takes a real server for down until a check has succeeded, and then adds it. But one that
    is in the table already, and whose checks never succeed, it does not remove.
    """
    if not places:
        return text
    lines = []
    for place, line in _places(text):
        lines.append(line)
        stripped = line.lstrip()
        if place in places and stripped.startswith(_BLOCK):
            lines.append(f"{line[: len(line) - len(stripped)]}  {_BELIEVED}")
    return "\n".join(lines)


def instances(text: str | None) -> set[tuple[str, ...]]:
    """The lines that identify each VRRP instance of a configuration.

    When keepalived reloads, an instance with other lines is a new one (``vrrp_exist`` in vrrp.c). Its addresses are
    removed, and added again once VRRP has received no advertisement for three intervals.
    """
    found: set[tuple[str, ...]] = set()
    words: tuple[str, ...] | None = None
    for line in (text or "").split("\n"):
        stripped = line.strip()
        if stripped.startswith(_INSTANCE):
            words = ()
        elif words is not None and stripped.startswith(_IDENTITY):
            words += (stripped,)
        elif words is not None and line.startswith("}"):
            found.add(words)
            words = None
    return found


def at_once(text: str) -> str:
    """The text without the startup delay, and with a short interval of advertisements.

    For a host that has the addresses and is in service: keepalived removes them when it starts, and adds them again
    three intervals later.
    """
    lines = [line for line in text.split("\n") if not line.lstrip().startswith(_STARTUP_DELAY)]
    if not any(line.strip() == _VERSION_2 for line in lines):
        lines = [_ADVERT.sub(rf"\g<1>{_SHORT_ADVERT}", line) for line in lines]
    return "\n".join(lines)


def password_of(text: str | None) -> str:
    """The password in a file of ours."""
    for line in (text or "").split("\n"):
        found = _DEFINITION.fullmatch(line)
        if found:
            return found[2]
    return ""


def masked(words: str, *passwords: str) -> str:
    """What a program says, or what a file holds, without passwords."""
    lines = [_masked_line(line) for line in words.split("\n")]
    for password in filter(None, passwords):
        # Not in the middle of a word, which may be the name of an interface.
        pattern = rf"(?<![\w.-]){re.escape(password)}(?![\w-])"
        lines = [re.sub(pattern, lambda _found: MASK, line) for line in lines]
    return "\n".join(lines)


def _masked_line(line: str) -> str:
    return _DEFINITION.sub(lambda found: f"{found[1]}{MASK}" if found[2] else found[0], line)


def shown(before: str | None, after: str | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Both texts as a diff shows them. A new password is seen to be one, and not which."""
    old, new = password_of(before), password_of(after)
    lines = [
        tuple(map(_masked_line, (text or "").rstrip("\n").split("\n"))) if text else ()
        for text in (before, after)
    ]
    if old and new and old != new:
        lines[1] = tuple(
            f"{line} (another one)" if _DEFINITION.fullmatch(line) else line for line in lines[1]
        )
    return lines[0], lines[1]


def interfaces_of(given: Any) -> dict[str, dict[str, str]]:
    """The definitions of interfaces, as the configuration of a host has them.

    :raises InvalidInput: not so.
    """
    found: dict[str, dict[str, str]] = {}
    for name, each in (given or {}).items():
        if not isinstance(each, Mapping) or set(each) not in ({"of"}, {"for"}):
            raise InvalidInput(
                "keepalived", "interfaces", {name: each}, "must say of or for", "give one of them"
            )
        found[str(name)] = {key: str(value) for key, value in each.items()}
    return found
