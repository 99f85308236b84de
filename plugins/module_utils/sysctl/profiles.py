# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which settings of the kernel a director or a real server needs, and which values will do. Pure.

The sources are the kernel's ``Documentation/networking/ip-sysctl.rst`` and ``ipvs-sysctl.rst``, and for
what a write of one setting does to others ``devinet.c`` (inet_forward_change) and ``addrconf.c``
(addrconf_forward_change).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..errors import InvalidInput

DIRECTOR, REAL_SERVER = "director", "real_server"
PROFILES = (DIRECTOR, REAL_SERVER)

FORWARD4, FORWARD6 = "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"
# Of these the kernel itself turns 1 into 2 and back, as memory gets short.
_FLIPPING = ("net.ipv4.vs.drop_entry", "net.ipv4.vs.drop_packet", "net.ipv4.vs.secure_tcp")


class Setting(NamedTuple):
    """A setting as it is needed.

    :ivar value: what is written where the setting has a value that will not do.
    :ivar others: values that will do as well, and are kept.
    :ivar pattern: how the file for the next boot names it, where not by its name.
    """

    name: str
    value: str
    others: frozenset[str] = frozenset()
    pattern: str = ""

    def is_met(self, current: str | None) -> bool:
        return current == self.value or current in self.others


def dotted(name: str) -> str:
    """A name or pattern with dots between its words: where a slash comes first, slashes and dots are the other way
    round (sysctl.d(5))."""
    dot, slash = name.find("."), name.find("/")
    if slash != -1 and (dot == -1 or slash < dot):
        return name.translate({ord("/"): ".", ord("."): "/"})
    return name


def canonical_name(text: str) -> str:
    """A setting's name with dots between its words and a slash for a dot within one, as sysctl.d(5) reads it.

    :raises InvalidInput: it is none.
    """
    name = dotted(text.strip())
    words = name.split(".")
    if len(words) < 2 or "" in words or any(sign.isspace() or sign in "*?=#;" for sign in name):
        raise InvalidInput(
            "the settings",
            "values",
            text,
            "is not the name of a setting",
            "write it as 'sysctl -a' shows it, such as net.ipv4.vs.conntrack",
        )
    if any(word in ("..", "/", "./", "//") or word.strip("/") == "" for word in words):
        raise InvalidInput(
            "the settings",
            "values",
            text,
            "is not the name of a setting",
            "write it as 'sysctl -a' does",
        )
    return name


def explicit(values: Mapping[str, object]) -> list[Setting]:
    """Wishes for exactly these values.

    :raises InvalidInput: a name is none, or a value is empty.
    """
    settings = []
    for text in values:
        given = values[text]
        value = " ".join(str(int(given) if isinstance(given, bool) else given).split())
        if not value or given is None:
            raise InvalidInput(
                "the settings", text, given, "is not a value", "set one, or omit the setting"
            )
        name = canonical_name(text)
        flipped = (
            frozenset({"1", "2"}) if name in _FLIPPING and value in ("1", "2") else frozenset()
        )
        settings.append(Setting(name, value, flipped))
    return settings


class Host(NamedTuple):
    """What of a host the profiles have to know.

    :ivar interfaces: the names of all of them, a dot in one as a slash.
    :ivar accept_ra: of each, where the kernel has IPv6.
    :ivar rp_filter: of each and of ``all``.
    """

    interfaces: tuple[str, ...]
    accept_ra: Mapping[str, str]
    rp_filter: Mapping[str, str]


def of_profiles(
    profiles: Iterable[str],
    forwarding: Iterable[str],
    families: Iterable[str],
    interfaces: Iterable[str],
    decapsulating: Iterable[str],
    host: Host,
    ingress: Iterable[str] = (),
) -> list[Setting]:
    """What these profiles need, in no order.

    :param forwarding: of nat, dr, tun.
    :param interfaces: the interfaces that it is about; all where there are none.
    :param decapsulating: the interfaces on which tunnelled packets appear.
    :param ingress: the interfaces by which a director's packets come in as the clients have sent them.
    """
    methods, families = set(forwarding), set(families)
    names = [name.replace(".", "/") for name in interfaces]
    settings: list[Setting] = []
    for profile in profiles:
        if profile == DIRECTOR and "nat" in methods:
            settings += _nat_director(families, names, host)
        if profile == DIRECTOR and methods & {"dr", "tun"}:
            settings.append(_REUSED_PORTS)
        if profile == REAL_SERVER and "ipv4" in families and methods & {"dr", "tun"}:
            settings += _quiet_about_the_vip(names)
        if profile == REAL_SERVER and "ipv4" in families and "dr" in methods:
            settings += _loose(ingress, host)
        if profile == REAL_SERVER and "ipv4" in families and "tun" in methods:
            settings += _loose(decapsulating, host)
    return settings


# Where a director sees no replies, a closed connection stays in FIN_WAIT, for 120 seconds by default. A client that
# uses its port again within that time would be sent the old way, which may be gone. Bit 2 treats that state like
# TIME_WAIT: the client is scheduled anew (is_new_conn_expected in ip_vs_core.c, ipvs-sysctl.rst).
_REUSED_PORTS = Setting("net.ipv4.vs.conn_reuse_mode", "3", frozenset({"2"}))


def _nat_director(families: set[str], names: list[str], host: Host) -> list[Setting]:
    """The answers are forwarded; and no redirect may tell a real server a shorter way to a client.

    Redirects are sent if ``all`` or the interface says so. An IPv6 router takes no router
    advertisements, unless accept_ra is 2: without that, a director would lose its own default route.
    """
    settings: list[Setting] = []
    if "ipv4" in families:
        settings.append(Setting(FORWARD4, "1"))
        own = names or list(host.interfaces)
        settings += [_redirects(name) for name in ("all", "default")]
        settings += [_redirects(name, "" if names else "*") for name in own]
    if "ipv6" in families:
        settings.append(Setting(FORWARD6, "1"))
        settings += [
            Setting(f"net.ipv6.conf.{name}.accept_ra", "2")
            for name, value in host.accept_ra.items()
            if value in ("1", "2") and name not in ("all", "default")
        ]
    return settings


def _redirects(name: str, pattern: str = "") -> Setting:
    setting = "net.ipv4.conf.{}.send_redirects"
    return Setting(setting.format(name), "0", pattern=setting.format(pattern) if pattern else "")


def _quiet_about_the_vip(names: list[str]) -> list[Setting]:
    """It has the virtual address, and neither answers nor asks in its name. What counts is the larger of
    ``all``'s value and the interface's."""
    settings = []
    for name in names or ["all"]:
        settings.append(Setting(f"net.ipv4.conf.{name}.arp_ignore", "1", frozenset({"2", "8"})))
        settings.append(Setting(f"net.ipv4.conf.{name}.arp_announce", "2"))
    return settings


def _loose(interfaces: Iterable[str], host: Host) -> list[Setting]:
    """A client's address need not be routed towards the interface where its packets come in. What counts is
    the larger of ``all``'s value and the interface's, so 2 at the interface is enough, and ``all`` stays."""
    settings = []
    for text in dict.fromkeys(interfaces):
        name = text.replace(".", "/")
        # A device that is yet to come begins with the default.
        own = host.rp_filter.get(name, host.rp_filter.get("default", "0"))
        if max(int(own), int(host.rp_filter.get("all", "0"))) == 1 or own == "2":
            settings.append(Setting(f"net.ipv4.conf.{name}.rp_filter", "2"))
    return settings


def side_effects(name: str, value: str, current: Mapping[str, str]) -> dict[str, str]:
    """What else writing a setting changes, of these settings.

    :param current: name to value.
    """
    on = value not in ("", "0")
    if name == FORWARD4:
        effects = {
            other: "1" if on else "0"
            for other in current
            if other.startswith("net.ipv4.conf.") and other.endswith(".forwarding")
        }
        if "net.ipv4.conf.all.accept_redirects" in current:
            effects["net.ipv4.conf.all.accept_redirects"] = "0" if on else "1"
        return effects
    if name == FORWARD6:
        return {
            other: value
            for other in current
            if other.startswith("net.ipv6.conf.") and other.endswith(".forwarding")
        }
    return {}


# What has to be read along with a setting, because writing that one changes these.
AFFECTED: Mapping[str, tuple[str, ...]] = {
    FORWARD4: ("net.ipv4.conf.*.forwarding", "net.ipv4.conf.all.accept_redirects"),
    FORWARD6: ("net.ipv6.conf.*.forwarding",),
}


def same_setting(name: str, one: str, other: str) -> bool:
    """Whether two values are the same to us: of some settings the kernel turns 1 into 2 and back."""
    return one == other or (name in _FLIPPING and {one, other} == {"1", "2"})


def rank(name: str) -> int:
    """The order of writing: accept_ra before the forwarding that would end it, and that before all that it
    changes."""
    if name.endswith(".accept_ra"):
        return 0
    return 1 if name in AFFECTED else 2
