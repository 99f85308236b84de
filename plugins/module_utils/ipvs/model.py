# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an IPVS table is: services, real servers, and which of them are valid.

Identity (``ServiceKey``, ``RealServerKey``) is separate from attributes, because the kernel can edit
every attribute in place and no part of an identity. All values are canonical from their construction
on, so that ``==`` means "the same to the kernel": ``2001:DB8::0001`` is ``2001:db8::1``.

Pure: this file knows neither Ansible nor a kernel. The limits are those of ``ip_vs_ctl.c`` in Linux and
of ``ipvsadm(8)``; where the kernel would accept nonsense in silence, ``check_*`` refuse it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..errors import InvalidInput
from ..net import (
    IPV4,
    IPV6,
    canonical_address,
    endpoint,
    is_whole,
    named_endpoint,
    packed,
    split_endpoint,
)
from ..values import EMPTY
from .words import PROTOCOLS

# The kernel's module of each is ip_vs_<name>.
SCHEDULERS = (
    "dh",
    "fo",
    "lblc",
    "lblcr",
    "lc",
    "mh",
    "nq",
    "ovf",
    "rr",
    "sed",
    "sh",
    "twos",
    "wlc",
    "wrr",
)
DEFAULT_SCHEDULER = "wlc"

PERSISTENCE_ENGINES = ("sip",)

TUNNEL_TYPES = ("ipip", "gue", "gre")
TUNNEL_CHECKSUMS = ("none", "csum", "remcsum")

# Two schedulers give the same bit two names each.
SCHEDULER_FLAG_ALIASES: Mapping[str, str] = {
    "sh-fallback": "flag-1",
    "sh-port": "flag-2",
    "mh-fallback": "flag-1",
    "mh-port": "flag-2",
}
SCHEDULER_FLAGS = ("flag-1", "flag-2", "flag-3")

MAX_WEIGHT = 65535
# ipvsadm's own limit (31 days). The kernel multiplies by HZ in 32 bits and wraps beyond 49 days.
MAX_PERSISTENCE_TIMEOUT = 31 * 86400
MAX_FWMARK = 2**32 - 1
# ipvsadm reads a signed number.
MAX_THRESHOLD = 2**31 - 1
FULL_NETMASK: Mapping[str, str] = {IPV4: "255.255.255.255", IPV6: "128"}


def _check_port(port: int, subject: str, option: str = "port") -> None:
    if not 0 <= port <= 65535:
        raise InvalidInput(subject, option, port, "is not a port", "give a number from 0 to 65535")


class ServiceKey(NamedTuple):
    """Which virtual service: (family, protocol, address, port), or (family, fwmark).

    Build it with ``at`` or ``marked``, which check and canonicalise.
    """

    family: str
    protocol: str = ""
    address: str = ""
    port: int = 0
    fwmark: int = 0

    @classmethod
    def at(cls, protocol: str, address: str, port: int) -> ServiceKey:
        """The service at an address.

        :raises InvalidInput: protocol, address or port can't be a virtual service's.
        """
        subject = f"service {protocol} {named_endpoint(address, port)}"
        if protocol not in PROTOCOLS:
            raise InvalidInput(
                subject,
                "protocol",
                protocol,
                "is not a protocol that IPVS balances",
                "choose one of " + ", ".join(PROTOCOLS),
            )
        family, canonical = canonical_address(address, subject, "address")
        parsed = ipaddress.ip_address(canonical)
        if parsed.is_unspecified or parsed.is_multicast:
            raise InvalidInput(
                subject,
                "address",
                address,
                "can't be a virtual address",
                "use the unicast address that clients connect to",
            )
        _check_port(port, subject)
        return cls(family=family, protocol=protocol, address=canonical, port=port)

    @classmethod
    def marked(cls, fwmark: int, family: str = IPV4) -> ServiceKey:
        """The service of all packets that carry a firewall mark.

        :raises InvalidInput: 0, which the kernel would take for a TCP service, or over 32 bits.
        """
        if not 1 <= fwmark <= MAX_FWMARK:
            raise InvalidInput(
                f"service fwmark {fwmark}",
                "fwmark",
                fwmark,
                "is not a firewall mark",
                f"give a number from 1 to {MAX_FWMARK}",
            )
        return cls(family=family, fwmark=fwmark)

    @classmethod
    def parse(cls, text: str) -> ServiceKey:
        """The reverse of ``str``.

        :raises ValueError: not such a text (InvalidInput where its parts can't be).
        """
        words = text.split()
        if words[:1] == ["fwmark"] and len(words) == 3 and words[2] in (IPV4, IPV6):
            if not is_whole(words[1]):
                raise ValueError(f"{text!r} does not name a service")
            return cls.marked(int(words[1]), words[2])
        if len(words) != 2:
            raise ValueError(f"{text!r} does not name a service")
        address, port = split_endpoint(words[1])
        return cls.at(words[0], address, port)

    def __str__(self) -> str:
        if self.fwmark:
            return f"fwmark {self.fwmark} {self.family}"
        return f"{self.protocol} {endpoint(self.family, self.address, self.port)}"

    @property
    def sort_key(self) -> tuple[int, int, str, bytes, int]:
        """Addresses before marks, IPv4 before IPv6, then by number."""
        address = b"" if self.fwmark else packed(self.family, self.address)
        return (self.fwmark, len(address), self.protocol, address, self.port)


class ServiceAttributes(NamedTuple):
    """Everything of a service that can be edited in place.

    :ivar persistence_timeout: seconds; 0 is "not persistent".
    :ivar persistence_netmask: IPv4: a dotted mask; IPv6: a prefix length.
    :ivar persistence_engine: the kernel's name of it, or "".
    :ivar scheduler_flags: out of SCHEDULER_FLAGS, whose meaning the scheduler decides.
    """

    scheduler: str
    persistence_netmask: str
    persistence_timeout: int = 0
    persistence_engine: str = ""
    one_packet: bool = False
    scheduler_flags: frozenset[str] = frozenset()

    @classmethod
    def default(cls, family: str) -> ServiceAttributes:
        """What a new service has where nothing else is said."""
        return cls(scheduler=DEFAULT_SCHEDULER, persistence_netmask=FULL_NETMASK[family])


class RealServerKey(NamedTuple):
    """Which real server of a service; build it with ``at``."""

    family: str
    address: str
    port: int

    @classmethod
    def at(cls, address: str, port: int) -> RealServerKey:
        """:raises InvalidInput: address or port can't be a real server's."""
        subject = f"real server {named_endpoint(address, port)}"
        family, canonical = canonical_address(address, subject, "address")
        parsed = ipaddress.ip_address(canonical)
        if parsed.is_unspecified or parsed.is_multicast or canonical == "255.255.255.255":
            raise InvalidInput(
                subject,
                "address",
                address,
                "can't be a real server's address",
                "use the unicast address of the real server",
            )
        _check_port(port, subject)
        return cls(family=family, address=canonical, port=port)

    @classmethod
    def parse(cls, text: str) -> RealServerKey:
        """The reverse of ``str``.

        :raises ValueError: not such a text (InvalidInput where its parts can't be).
        """
        return cls.at(*split_endpoint(text))

    def __str__(self) -> str:
        return endpoint(self.family, self.address, self.port)

    @property
    def sort_key(self) -> tuple[int, bytes, int]:
        """IPv4 before IPv6, then by number."""
        address = packed(self.family, self.address)
        return (len(address), address, self.port)


class RealServerAttributes(NamedTuple):
    """Everything of a real server that can be edited in place.

    :ivar weight: 0 means "no new connections"; it is a value, not "unset".
    :ivar upper_threshold: connections from which on it gets no new ones; 0 is "no limit".
    :ivar lower_threshold: connections below which it gets new ones again.
    """

    forwarding: str = "nat"
    weight: int = 1
    upper_threshold: int = 0
    lower_threshold: int = 0
    tunnel_type: str = "ipip"
    tunnel_port: int = 0
    tunnel_checksum: str = "none"


class Service(NamedTuple):
    """A virtual service with its real servers."""

    key: ServiceKey
    attributes: ServiceAttributes
    real_servers: Mapping[RealServerKey, RealServerAttributes] = EMPTY

    def with_attributes(self, attributes: ServiceAttributes) -> Service:
        """The same service, edited."""
        return self._replace(attributes=attributes)

    def with_real_server(
        self, key: RealServerKey, attributes: RealServerAttributes | None
    ) -> Service:
        """The same service with one real server set, or (None) without it."""
        servers: dict[RealServerKey, RealServerAttributes] = dict(self.real_servers)
        if attributes is None:
            servers.pop(key, None)
        else:
            servers[key] = attributes
        return self._replace(real_servers=servers)


Table = Mapping[ServiceKey, Service]


def canonical_netmask(family: str, value: str | int, subject: str) -> str:
    """The persistence netmask as IPVS keeps it: IPv4 a dotted mask, IPv6 a prefix length.

    IPv4 takes a prefix length too.

    :raises InvalidInput: neither, or one that would put all clients or none into one group.
    """
    text = str(value).strip()
    try:
        if family == IPV6:
            if not is_whole(text, 3) or not 1 <= int(text) <= 128:
                raise ValueError(text)
            return str(int(text))
        network = ipaddress.ip_network(f"0.0.0.0/{text}")
        if network.prefixlen == 0 or ("." in text and text != str(network.netmask)):
            raise ValueError(text)
        return str(network.netmask)
    except ValueError:
        form = (
            "a prefix length from 1 to 128"
            if family == IPV6
            else "a mask such as 255.255.255.0 or a prefix length from 1 to 32"
        )
        raise InvalidInput(
            subject,
            "persistence_netmask",
            value,
            f"is not an {'IPv6' if family == IPV6 else 'IPv4'} persistence mask",
            f"give {form}",
        ) from None


# (is it wrong, option, value, what is wrong with it, what to do instead)
_Rule = tuple[bool, str, Any, str, str]


def _refuse_first(subject: str, rules: Iterable[_Rule]) -> None:
    for wrong, option, value, problem, remedy in rules:
        if wrong:
            raise InvalidInput(subject, option, value, problem, remedy)


def check_service(key: ServiceKey, attributes: ServiceAttributes) -> None:
    """Refuse a service that IPVS can't do, or would accept and then not do.

    :raises InvalidInput: with the first thing that is wrong.
    """
    timeout = attributes.persistence_timeout
    netmask = attributes.persistence_netmask
    engine = attributes.persistence_engine
    _refuse_first(
        f"service {key}",
        (
            (
                not key.fwmark and key.port == 0 and not timeout,
                "port",
                0,
                "means all ports, which needs persistence to keep a client's connections together",
                "set persistence_timeout, or name a port",
            ),
            (
                not 0 <= timeout <= MAX_PERSISTENCE_TIMEOUT,
                "persistence_timeout",
                timeout,
                "is out of range",
                f"give seconds from 1 to {MAX_PERSISTENCE_TIMEOUT} (31 days), "
                "or 0 for no persistence",
            ),
            (
                not timeout and netmask != FULL_NETMASK[key.family],
                "persistence_netmask",
                netmask,
                "has no effect without persistence",
                "set persistence_timeout too, or omit the mask",
            ),
            (
                bool(engine) and engine not in PERSISTENCE_ENGINES,
                "persistence_engine",
                engine,
                "is not a persistence engine of the kernel",
                "choose " + " or ".join(PERSISTENCE_ENGINES) + ", or '' for none",
            ),
            (
                bool(engine) and not timeout,
                "persistence_engine",
                engine,
                "has no effect without persistence",
                "set persistence_timeout too, or omit the engine",
            ),
            (
                engine == "sip" and not key.fwmark and key.protocol != "udp",
                "persistence_engine",
                engine,
                f"reads SIP over UDP only, and the service is {key.protocol}",
                "omit the engine, or balance the UDP port",
            ),
            (
                attributes.one_packet and not key.fwmark and key.protocol != "udp",
                "one_packet",
                True,
                f"schedules each packet by itself, which would break {key.protocol} connections",
                "use it for UDP or a firewall mark only",
            ),
        ),
    )


def check_real_server(
    service: ServiceKey, key: RealServerKey, attributes: RealServerAttributes
) -> None:
    """Refuse a real server that IPVS can't do, or would accept and then not do.

    :raises InvalidInput: with the first thing that is wrong.
    """
    method, tunnel = attributes.forwarding, attributes.tunnel_type
    upper, lower = attributes.upper_threshold, attributes.lower_threshold
    tunnelled = method == "tun"
    _refuse_first(
        f"real server {key} of service {service}",
        (
            (
                not 0 <= attributes.weight <= MAX_WEIGHT,
                "weight",
                attributes.weight,
                "is not a weight",
                f"give a number from 0 (no new connections) to {MAX_WEIGHT}",
            ),
            (
                key.family != service.family and not tunnelled,
                "address",
                key.address,
                "is of another address family than its service",
                "give a real server of the service's family, or forward by tun",
            ),
            (
                method in ("dr", "tun") and key.port != service.port,
                "port",
                key.port,
                f"differs from the service's, and {method} can't translate ports",
                f"let the real server listen on {service.port}, or forward by nat"
                if service.port
                else "omit the port: the service is for all ports",
            ),
            (
                key.port == 0 and service.port != 0 and method == "nat",
                "port",
                0,
                "would send the service's connections to port 0",
                f"name the port the real server listens on, such as {service.port}",
            ),
            (
                not 0 <= upper <= MAX_THRESHOLD,
                "upper_threshold",
                upper,
                "is not a number of connections",
                f"give a number up to {MAX_THRESHOLD}, or 0 for no limit",
            ),
            (
                not 0 <= lower <= upper,
                "lower_threshold",
                lower,
                f"is not between 0 and the upper threshold, {upper}",
                "give an upper_threshold at least as large, or 0 for none",
            ),
            (
                not tunnelled and (tunnel, attributes.tunnel_port) != ("ipip", 0),
                "tunnel_type",
                tunnel,
                f"is an option of tunnels only, and forwarding is {method}",
                "omit the options of the tunnel, or forward by tun",
            ),
            (
                tunnel == "gue" and not 1 <= attributes.tunnel_port <= 65535,
                "tunnel_port",
                attributes.tunnel_port,
                "is not a port, and GUE travels in UDP",
                "give the UDP port on which the real server decapsulates, such as 6080",
            ),
            (
                tunnel != "gue" and attributes.tunnel_port != 0,
                "tunnel_port",
                attributes.tunnel_port,
                f"has no meaning for a tunnel of type {tunnel}",
                "omit it, or choose tunnel_type gue",
            ),
            (
                tunnel == "ipip" and attributes.tunnel_checksum != "none",
                "tunnel_checksum",
                attributes.tunnel_checksum,
                "is not available with ipip",
                "omit it, or choose tunnel_type gue or gre",
            ),
            (
                tunnel == "gre" and attributes.tunnel_checksum == "remcsum",
                "tunnel_checksum",
                "remcsum",
                "is the remote checksum of GUE, which GRE does not have",
                "choose csum or none",
            ),
        ),
    )
