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
from typing import Any, NamedTuple

from ..errors import InvalidInput
from ..host.manifest import Claim
from ..net import IPV4, IPV6, canonical_address
from ..values import EMPTY
from .model import Shared, claim_lines, owners_of

KIND = "tunnel"
SUBJECT = "the tunnels"
GUE = "gue"


class Type(NamedTuple):
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


class Tunnel(NamedTuple):
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
            raise InvalidInput(
                SUBJECT, "port", port, "is not a UDP port", "give one from 1 to 65535"
            )
        if device or given.get("local"):
            raise InvalidInput(
                SUBJECT,
                "device",
                device,
                "cannot be combined with gue",
                "omit device and local",
            )
        return Tunnel(GUE, port=port, family=given.get("family") or IPV4)
    if port:
        raise InvalidInput(SUBJECT, "port", port, f"cannot be combined with {kind}", "omit it")
    family = TYPES[kind].family
    name = device or TYPES[kind].fallback
    if not _DEVICE.fullmatch(name) or name in (".", ".."):
        raise InvalidInput(
            SUBJECT,
            "device",
            name,
            "is not a device name",
            "use 1 to 15 letters, digits, '.', '_' and '-'",
        )
    local = _local(kind, family, given.get("local") or "")
    found = Tunnel(kind, name, local, 0, family)
    if found.is_fallback and local:
        raise InvalidInput(
            SUBJECT,
            "local",
            local,
            f"cannot be set, because {name} receives packets to any address",
            "omit it, or use another device",
        )
    if not found.is_fallback and not local:
        raise InvalidInput(
            SUBJECT,
            "local",
            local,
            f"is missing, and only {TYPES[kind].fallback} needs none",
            f"set it to the host's address to which the director sends, or omit device {name}",
        )
    return found


def _local(kind: str, family: str, text: str) -> str:
    if not text:
        return ""
    own, address = canonical_address(text, SUBJECT, "local")
    if own != family:
        name = "IPv4" if family == IPV4 else "IPv6"
        raise InvalidInput(
            SUBJECT,
            "local",
            text,
            f"is not an {name} address, which {kind} needs",
            f"use an {name} address",
        )
    return address


class Device(NamedTuple):
    """A network device that there is.

    :ivar type: empty where it is no tunnel.
    :ivar is_addressed: whether it has an IPv4 address.
    :ivar is_filtered: whether the kernel filters strictly by reverse path there.
    """

    type: str = ""
    local: str = ""
    is_up: bool = False
    is_addressed: bool = False
    is_filtered: bool = False

    @property
    def is_ready(self) -> bool:
        """Whether it unwraps, and the kernel lets in what it unwraps. A device that comes with a kernel module gets
        its filter by lvs_sysctl."""
        if not self.is_up or self.type not in CARRYING_IPV4:
            return self.is_up
        return self.is_addressed and not self.is_filtered


class Host(NamedTuple):
    """What there is.

    :ivar ports: of fou, by place: whether it is gue.
    :ivar modules: of the kernel, loaded.
    """

    devices: Mapping[str, Device] = EMPTY
    ports: Mapping[str, bool] = EMPTY
    modules: Collection[str] = ()


# (verb, a tunnel's words or ``module NAME``).
Operation = tuple[str, str]


class TunnelPlan(NamedTuple):
    """:ivar grow: in order: load, add or up, and what; also down or delete where another takes its place.
    :ivar shrink: in order: down, delete or unload, and what.
    :ivar surplus: what is ours, was not asked for, and stays.
    :ivar claims: the words of what is ours, to its claim.
    """

    grow: tuple[Operation, ...] = ()
    shrink: tuple[Operation, ...] = ()
    surplus: tuple[str, ...] = ()
    claims: Mapping[str, Claim] = EMPTY

    def __bool__(self) -> bool:
        return bool(self.operations)

    @property
    def operations(self) -> tuple[Operation, ...]:
        return self.grow + self.shrink

    def lines(self, *verbs: str) -> tuple[str, ...]:
        """The objects of operations with these verbs, sorted, as a diff shows them."""
        return tuple(
            sorted(
                f"{words} {_STATES.get(verb, '')}".rstrip()
                for verb, words in self.operations
                if verb in verbs
            )
        )


_STATES: Mapping[str, str] = {"up": "(up)", "down": "(up)"}


class Request(NamedTuple):
    """:ivar exclusive: whether the owner's other tunnels are removed.
    :ivar absent: whether these are removed; if none are named, all of the owner's.
    """

    tunnels: tuple[Tunnel, ...] = ()
    exclusive: bool = False
    absent: bool = False


def plan(
    request: Request,
    host: Host,
    claims: Mapping[str, Claim],
    shared: Shared = EMPTY,
) -> TunnelPlan:
    """From the tunnels that exist to the desired ones.

    :param shared: what other owners claim too, which is given up, not removed.
    :raises InvalidInput: a name or port is somebody else's.
    """
    ours = {parse(name): claim for name, claim in claims.items() if not _is_module(name)}
    asked = list(dict.fromkeys(request.tunnels))
    if request.absent:
        going = [each for each in ours if not asked or each in asked]
        wanted: list[Tunnel] = []
    else:
        wanted = asked
        places = {each.place for each in wanted}
        going = [
            each
            for each in ours
            if each not in wanted and (request.exclusive or each.place in places)
        ]
    _check(wanted, host, ours, shared)
    kept = {each: claim for each, claim in ours.items() if each not in going}
    places = {each.place for each in wanted}
    replaced = [each for each in going if each.place in places]
    needed = dict.fromkeys(name for each in wanted for name in each.modules)
    operations = [("load", f"module {name}") for name in needed if name not in host.modules]
    loaded = [words for _verb, words in operations]
    for each in replaced:
        operations += _removal(each, host, ours[each])
    for each in wanted:
        anew = any(other.place == each.place for other in replaced)
        its = _addition(each, host, anew)
        if str(each) in shared and not its:
            kept.setdefault(each, Claim())
        if its and each not in kept:
            kept[each] = _claim(None if anew else host.devices.get(each.device))
        operations += its
    removals: list[Operation] = []
    for each in going:
        if each not in replaced and str(each) not in shared:
            removals += _removal(each, host, ours[each])
    modules = {name for name in claims if _is_module(name)} | set(loaded)
    # Of several owners the last takes it out.
    modules |= {f"module {name}" for name in needed} & set(shared)
    # One that is asked for and somebody else's needs its module as well.
    in_use = {f"module {name}" for each in (*kept, *wanted) for name in each.modules}
    theirs = [parse(name) for name in shared if not _is_module(name)]
    used_by_others = {f"module {name}" for each in theirs for name in each.modules} | set(shared)
    idle = sorted(modules - in_use, reverse=True)
    removals += [
        ("unload", name)
        for name in idle
        if name.split()[1] in host.modules and name not in used_by_others
    ]
    after = {str(each): claim for each, claim in kept.items()}
    after.update({name: Claim() for name in sorted(modules - set(idle))})
    surplus = [] if request.absent else [str(each) for each in kept if each not in wanted]
    return TunnelPlan(tuple(operations), tuple(removals), tuple(surplus), after)


def _is_module(words: str) -> bool:
    return words.startswith("module ")


def _claim(found: Device | None) -> Claim:
    """The claim on a device that is brought up: it says whether somebody else has made it, and whether it was up."""
    return Claim(None if found is None else {"there": True, "up": found.is_up})


def _check(
    wanted: Iterable[Tunnel], host: Host, ours: Mapping[Tunnel, Claim], shared: Shared
) -> None:
    taken: dict[str, Tunnel] = {}
    mine = {
        each.place
        for each, claim in ours.items()
        if each.is_fallback or not (claim.found or {}).get("there")
    }
    for each in wanted:
        other = taken.setdefault(each.place, each)
        if other != each:
            raise InvalidInput(
                SUBJECT, "tunnels", each.place, "is listed twice", "remove one of the two"
            )
        if each.place in mine:
            continue
        standing = host.devices.get(each.device) if each.device else None
        odd = standing and (standing.type, standing.local) != (each.type, each.local)
        if odd or host.ports.get(each.place) is False:
            others = [words for words in shared if not _is_module(words)]
            names = [words for words in others if parse(words).place == each.place]
            whose = owners_of(names[0], shared) if names else ""
            raise InvalidInput(
                SUBJECT,
                "device" if each.device else "port",
                each.device or each.port,
                f"exists already{whose}, with another type or address",
                "use another one, or remove the existing one",
            )


def _addition(each: Tunnel, host: Host, anew: bool) -> list[Operation]:
    words = str(each)
    if each.type == GUE:
        return [] if host.ports.get(each.place) and not anew else [("add", words)]
    standing = host.devices.get(each.device)
    if each.is_fallback:
        ready = standing and standing._replace(is_filtered=False).is_ready
        return [] if ready else [("up", words)]
    if standing and not anew:
        return [] if standing.is_ready else [("up", words)]
    return [("add", words), ("up", words)]


def _removal(each: Tunnel, host: Host, claim: Claim) -> list[Operation]:
    words = str(each)
    if each.type == GUE:
        return [("delete", words)] if each.place in host.ports else []
    if each.device not in host.devices:
        return []
    found = claim.found or {}
    if not each.is_fallback and not found.get("there"):
        return [("delete", words)]
    return [("down", words)] if host.devices[each.device].is_up and not found.get("up") else []


def script_body(claims: Mapping[str, Claim]) -> str | None:
    """The commands that make the tunnels again at boot; None where there are none."""
    tunnels: Sequence[Tunnel] = [parse(name) for name in sorted(claims) if not _is_module(name)]
    if not tunnels:
        return None
    modules = list(dict.fromkeys(name for each in tunnels for name in each.modules))
    lines = [*claim_lines(claims), "failed=0"]
    lines += [*(f"modprobe {name} || failed=1" for name in modules)]
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
        if each.is_fallback:
            # The settings of a device that has just come are udev's to make, some time.
            lines.append(f"{_SYSCTL} --prefix=/net/ipv4/conf/{each.device} 2> /dev/null")
        else:
            path = f"/proc/sys/net/ipv4/conf/{each.device}/rp_filter"
            lines.append(
                f"if sort -n {_ALL_FILTER} {path} | tail -n 1 | grep -qx 1; then echo 2 > {path}; fi"
            )
        lines.append(f"ip link set dev {each.device} up || failed=1")
    return "\n".join([*lines, "exit $failed", ""])


_ALL_FILTER = "/proc/sys/net/ipv4/conf/all/rp_filter"
_SYSCTL = "/usr/lib/systemd/systemd-sysctl"
