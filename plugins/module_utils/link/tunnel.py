# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The receiving end of tunnels: which devices and ports unwrap what a director sends. Pure.

The director itself needs none, because IPVS encapsulates. A module of the kernel has a device that takes
whatever is addressed to the host and fits no other (tunl0 and its like), and others can be made that take
what is addressed to one address. GUE (``fou.c``) is a UDP port, behind which the packet is unwrapped once
more, by the device for what GUE says is in it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import InvalidInput
from ..ipvs.model import canonical_address
from ..manifest import Claim
from .model import IPV4, IPV6

KIND = "tunnel"
SUBJECT = "the tunnels"
GUE = "gue"


@dataclass(frozen=True)
class Type:
    """A kind of device.

    :ivar module: of the kernel.
    :ivar fallback: the device that comes with the module.
    :ivar family: of the outer packet.
    """

    module: str
    fallback: str
    family: str


TYPES: Mapping[str, Type] = {
    "ipip": Type("ipip", "tunl0", IPV4),
    "sit": Type("sit", "sit0", IPV4),
    "ip6tnl": Type("ip6_tunnel", "ip6tnl0", IPV6),
    "gre": Type("ip_gre", "gre0", IPV4),
    "ip6gre": Type("ip6_gre", "ip6gre0", IPV6),
}
CHOICES = (*TYPES, GUE)
CARRYING_IPV4 = ("ipip", "ip6tnl", "gre", "ip6gre")
# On a device without any IPv4 address the kernel's filter by reverse path drops everything, be it strict or loose
# (fib_validate_source in fib_frontend.c). RFC 7600 has an address that is nobody's, for such ends.
DUMMY = "192.0.0.8"
_GUE_MODULES: Mapping[str, tuple[str, ...]] = {IPV4: ("fou",), IPV6: ("fou", "fou6")}
_DEVICE = re.compile(r"[A-Za-z0-9_.-]{1,15}")


@dataclass(frozen=True)
class Tunnel:
    """Where tunnelled packets are unwrapped.

    :ivar type: of TYPES, or gue.
    :ivar device: the name; empty for gue.
    :ivar local: the address that the packets are sent to; empty for any, which only a fallback device has.
    :ivar port: of gue.
    :ivar family: of the outer packet.
    """

    type: str
    device: str = ""
    local: str = ""
    port: int = 0
    family: str = IPV4

    @property
    def is_fallback(self) -> bool:
        return self.type != GUE and TYPES[self.type].fallback == self.device

    @property
    def modules(self) -> tuple[str, ...]:
        """Of the kernel, in the order of loading."""
        return _GUE_MODULES[self.family] if self.type == GUE else (TYPES[self.type].module,)

    @property
    def place(self) -> str:
        """Where only one can be."""
        return f"port {self.port} family {self.family}" if self.type == GUE else self.device

    def __str__(self) -> str:
        if self.type == GUE:
            return f"port {self.port} type gue family {self.family}"
        words = ["device", self.device, "type", self.type]
        return " ".join([*words, "local", self.local] if self.local else words)


def parse(text: str) -> Tunnel:
    """The reverse of a tunnel's words."""
    words = text.split()
    given = dict(zip(words[::2], words[1::2]))
    if "port" in given:
        return Tunnel(GUE, port=int(given["port"]), family=given["family"])
    family = TYPES[given["type"]].family
    return Tunnel(given["type"], given["device"], given.get("local", ""), 0, family)


def tunnel(given: Mapping[str, Any]) -> Tunnel:
    """A tunnel out of a module's options.

    :raises InvalidInput: it can't be one.
    """
    kind, device, port = given["type"], given.get("device") or "", given.get("port") or 0
    if kind == GUE:
        if not 1 <= port <= 65535:
            raise InvalidInput(SUBJECT, "port", port, "is no UDP port", "give one from 1 to 65535")
        if device or given.get("local"):
            raise InvalidInput(
                SUBJECT,
                "device",
                device,
                "is given, and gue has none",
                "leave device and local out",
            )
        return Tunnel(GUE, port=port, family=given.get("family") or IPV4)
    if port:
        raise InvalidInput(SUBJECT, "port", port, f"is given, and {kind} has none", "leave it out")
    family = TYPES[kind].family
    name = device or TYPES[kind].fallback
    if not _DEVICE.fullmatch(name) or name in (".", ".."):
        raise InvalidInput(
            SUBJECT,
            "device",
            name,
            "can't name a device",
            "use 1 to 15 letters, digits, '.', '_' and '-'",
        )
    local = _local(kind, family, given.get("local") or "")
    found = Tunnel(kind, name, local, 0, family)
    if found.is_fallback and local:
        raise InvalidInput(
            SUBJECT,
            "local",
            local,
            f"is given, and {name} takes what is sent to any address",
            "leave it out, or name another device",
        )
    if not found.is_fallback and not local:
        raise InvalidInput(
            SUBJECT,
            "local",
            local,
            f"is missing, and only {TYPES[kind].fallback} does without",
            f"give the host's address that the director sends to, or leave device {name} out",
        )
    return found


def _local(kind: str, family: str, text: str) -> str:
    if not text:
        return ""
    own, address = canonical_address(text, SUBJECT, "local")
    if own != family:
        name = "IPv4" if family == IPV4 else "IPv6"
        raise InvalidInput(
            SUBJECT, "local", text, f"is not of {name}, and {kind} is", f"give an {name} address"
        )
    return address


@dataclass(frozen=True)
class Device:
    """A network device that there is.

    :ivar type: empty where it is no tunnel.
    :ivar is_addressed: whether it has an IPv4 address.
    """

    type: str = ""
    local: str = ""
    is_up: bool = False
    is_addressed: bool = False

    @property
    def is_ready(self) -> bool:
        """Whether it unwraps, and what it unwraps gets in."""
        return self.is_up and (self.is_addressed or self.type not in CARRYING_IPV4)


@dataclass(frozen=True)
class Host:
    """What there is.

    :ivar ports: of fou, by place: whether it is gue.
    :ivar modules: of the kernel, loaded.
    """

    devices: Mapping[str, Device] = field(default_factory=dict)
    ports: Mapping[str, bool] = field(default_factory=dict)
    modules: Collection[str] = ()


# (verb, a tunnel's words or ``module NAME``).
Operation = tuple[str, str]


@dataclass(frozen=True)
class TunnelPlan:
    """:ivar operations: in order: load, add, up, down, delete or unload, and what.
    :ivar surplus: what is ours, was not asked for, and stays.
    :ivar claims: the words of what is ours, to its claim.
    """

    operations: tuple[Operation, ...] = ()
    surplus: tuple[str, ...] = ()
    claims: Mapping[str, Claim] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.operations)

    @property
    def diff(self) -> dict[str, str]:
        def lines(*verbs: str) -> str:
            return "".join(
                sorted(
                    f"{words} {_STATES.get(verb, '')}".rstrip() + "\n"
                    for verb, words in self.operations
                    if verb in verbs
                )
            )

        return {
            "before_header": "tunnels before",
            "after_header": "tunnels after",
            "before": lines("down", "delete", "unload"),
            "after": lines("load", "add", "up"),
        }


_STATES: Mapping[str, str] = {"up": "(up)", "down": "(up)"}


@dataclass(frozen=True)
class Wish:
    """:ivar exclusive: whether what the owner has besides shall go.
    :ivar absent: whether these shall go, all of the owner's where there are none.
    """

    tunnels: tuple[Tunnel, ...] = ()
    exclusive: bool = False
    absent: bool = False


def plan(wish: Wish, host: Host, claims: Mapping[str, Claim]) -> TunnelPlan:
    """From the tunnels that there are to those that shall be.

    :raises InvalidInput: a name or port is somebody else's.
    """
    ours = {parse(name): claim for name, claim in claims.items() if not _is_module(name)}
    asked = list(dict.fromkeys(wish.tunnels))
    if wish.absent:
        going = [each for each in ours if not asked or each in asked]
        wanted: list[Tunnel] = []
    else:
        wanted = asked
        places = {each.place for each in wanted}
        going = [
            each for each in ours if each not in wanted and (wish.exclusive or each.place in places)
        ]
    _check(wanted, host, ours)
    kept = {each: claim for each, claim in ours.items() if each not in going}
    places = {each.place for each in wanted}
    replaced = [each for each in going if each.place in places]
    needed = dict.fromkeys(name for each in wanted for name in each.modules)
    operations = [("load", f"module {name}") for name in needed if name not in host.modules]
    loaded = [words for _verb, words in operations]
    for each in replaced:
        operations += _removal(each, host)
    for each in wanted:
        its = _addition(each, host, any(other.place == each.place for other in replaced))
        if its and each not in kept:
            kept[each] = Claim({"there": each.device in host.devices} if each.is_fallback else None)
        operations += its
    for each in going:
        operations += [] if each in replaced else _removal(each, host)
    modules = {name for name in claims if _is_module(name)} | set(loaded)
    # One that is asked for and somebody else's needs its module as well.
    in_use = {f"module {name}" for each in (*kept, *wanted) for name in each.modules}
    idle = sorted(modules - in_use, reverse=True)
    operations += [("unload", name) for name in idle if name.split()[1] in host.modules]
    after = {str(each): claim for each, claim in kept.items()}
    after.update({name: Claim() for name in sorted(modules - set(idle))})
    surplus = [] if wish.absent else [str(each) for each in kept if each not in wanted]
    return TunnelPlan(tuple(operations), tuple(surplus), after)


def _is_module(words: str) -> bool:
    return words.startswith("module ")


def _check(wanted: Iterable[Tunnel], host: Host, ours: Collection[Tunnel]) -> None:
    taken: dict[str, Tunnel] = {}
    mine = {each.place for each in ours}
    for each in wanted:
        other = taken.setdefault(each.place, each)
        if other != each:
            raise InvalidInput(
                SUBJECT, "tunnels", each.place, "is asked for twice", "leave one of them out"
            )
        if each.place in mine:
            continue
        standing = host.devices.get(each.device) if each.device else None
        odd = standing and (standing.type, standing.local) != (each.type, each.local)
        if odd or host.ports.get(each.place) is False:
            raise InvalidInput(
                SUBJECT,
                "device" if each.device else "port",
                each.device or each.port,
                "is somebody else's, and of another kind",
                "give another, or remove that one",
            )


def _addition(each: Tunnel, host: Host, anew: bool) -> list[Operation]:
    words = str(each)
    if each.type == GUE:
        return [] if host.ports.get(each.place) and not anew else [("add", words)]
    standing = host.devices.get(each.device)
    if each.is_fallback:
        return [] if standing and standing.is_ready else [("up", words)]
    if standing and not anew:
        return [] if standing.is_ready else [("up", words)]
    return [("add", words), ("up", words)]


def _removal(each: Tunnel, host: Host) -> list[Operation]:
    words = str(each)
    if each.type == GUE:
        return [("delete", words)] if each.place in host.ports else []
    if each.device not in host.devices:
        return []
    if not each.is_fallback:
        return [("delete", words)]
    return [("down", words)] if host.devices[each.device].is_up else []


def script_body(claims: Mapping[str, Claim]) -> str | None:
    """The commands that make the tunnels again at boot; None where there are none."""
    tunnels: Sequence[Tunnel] = [parse(name) for name in sorted(claims) if not _is_module(name)]
    if not tunnels:
        return None
    modules = list(dict.fromkeys(name for each in tunnels for name in each.modules))
    lines = ["failed=0", *(f"modprobe {name} || failed=1" for name in modules)]
    for each in tunnels:
        if each.type == GUE:
            flag = "-6 " if each.family == IPV6 else ""
            lines.append(f"ip {flag}fou add port {each.port} gue 2> /dev/null")
            lines.append(f"ip {flag}fou show | grep -q '^port {each.port} ' || failed=1")
            continue
        if not each.is_fallback:
            lines.append(
                f"ip link show dev {each.device} > /dev/null 2>&1 ||\n"
                f"  ip link add name {each.device} type {each.type} local {each.local} || failed=1"
            )
        if each.type in CARRYING_IPV4:
            lines.append(f"ip -4 address show dev {each.device} | grep -q inet ||")
            lines.append(f"  ip address add {DUMMY}/32 dev {each.device} scope host || failed=1")
        # The settings of a device that has just come are udev's to make, some time.
        lines.append(f"{_SYSCTL} --prefix=/net/ipv4/conf/{each.device} 2> /dev/null")
        lines.append(f"ip link set dev {each.device} up || failed=1")
    return "\n".join([*lines, "exit $failed", ""])


_SYSCTL = "/usr/lib/systemd/systemd-sysctl"
