# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keepalived does on a director, out of its cluster: its configuration file, and what the host has to know. Pure.

The file is rendered by the template of the role keepalived, which gets a ``Document``. Names of interfaces are known
on the host only. So the file has definitions such as ``$INTERFACE_FOR_192_0_2_1``, which the host adds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import data
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import (
    FULL_NETMASK,
    RealServerAttributes,
    RealServerKey,
)
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.words import TUN
from ansible_collections.lvs.cluster.plugins.module_utils.net import (
    FULL_LENGTH,
    IPV4,
    IPV6,
    packed,
)

from .availability import Move, floating_addresses, moves, sync_segment
from .checks import Cluster
from .description import Forwarded, VirtualService
from .health import Check
from .variables import Values
from .vrrp import Segment, Vrrp

# As keepalived has the types of checks.
KEYWORDS = {
    "tcp": "TCP_CHECK",
    "http": "HTTP_GET",
    "https": "SSL_GET",
    "dns": "DNS_CHECK",
    "smtp": "SMTP_CHECK",
    "udp": "UDP_CHECK",
    "ping": "PING_CHECK",
    "command": "MISC_CHECK",
}
# How much longer than a check the table may take to become as it is described.
GRACE_SECONDS = 3.0
# How often the active director announces an idle connection again.
SYNC_REFRESH_SECONDS = 10
LINK_LOCAL = "fe80::/10"
_PLAIN_WORD = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
_HOST_NAME = re.compile(r"[A-Za-z0-9._-]*[A-Za-z][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Checker:
    """A health check; numbers are texts, as keepalived reads them.

    :ivar command: its words, quoted.
    :ivar sni: whether the name of the host is sent when TLS begins.
    """

    of: Check
    keyword: str
    interval: str
    timeout: str
    retry_delay: str
    command: str
    sni: bool


@dataclass(frozen=True)
class RealServer:
    """:ivar target: its address, and its port where it has one.
    :ivar method: how packets are forwarded, with the options of a tunnel.
    """

    key: RealServerKey
    target: str
    method: str
    attributes: RealServerAttributes
    check: Checker | None = None


@dataclass(frozen=True)
class VirtualServer:
    """:ivar target: how keepalived names it.
    :ivar granularity: which clients count as one for persistence; empty for each by itself.
    :ivar checked: whether a real server is.
    """

    of: VirtualService
    target: str
    flags: tuple[str, ...]
    granularity: str
    real_servers: tuple[RealServer, ...]
    sorry: RealServer | None
    checked: bool


@dataclass(frozen=True)
class Instance:
    """A VRRP instance.

    :ivar interface: the definition of the interface that it speaks on.
    :ivar source: the address that it speaks from.
    :ivar peers: those of the other directors; none for multicast.
    :ivar multicast_source: the address that it multicasts from; empty for the one that keepalived takes.
    :ivar advertised: what its advertisements name, and nobody uses.
    :ivar addresses: what it moves, each with the definition of its interface.
    """

    name: str
    interface: str
    router_id: int
    source: str
    peers: tuple[str, ...]
    multicast_source: str
    advertised: str
    addresses: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Sync:
    """The sync daemon: its interface, and the instance whose state it follows."""

    interface: str
    instance: str
    syncid: int


@dataclass(frozen=True)
class Document:
    """What the template renders.

    :ivar router_id: what names the host.
    :ivar group: the name of the sync group; empty where there are not several instances.
    """

    router_id: str
    group: str
    version: int
    advert_interval: str
    garp_refresh: int
    startup_delay: int
    preempt: bool
    preempt_delay: int
    priority: int
    password: bool
    instances: tuple[Instance, ...]
    sync: Sync | None
    virtual_servers: tuple[VirtualServer, ...]


Renderer = Callable[[Document], str]
Configuration = dict[str, Any]


def entry(host: str, cluster: Cluster, values: Values, render: Renderer) -> Configuration:
    """What a director has to know of keepalived; empty where that does not run.

    :param render: makes the configuration file.
    """
    vrrp = cluster.vrrp
    if not vrrp:
        return {}
    document = _document(host, cluster, vrrp)
    checks = [check for each in cluster.services for check in each.checks.values()]
    found: Configuration = {
        "text": render(document),
        "interfaces": {**_watched(host, cluster, vrrp), **_interfaces(document)},
        "vrrp_interfaces": [_plain(each.interface) for each in document.instances],
        "interface": values["director_vip_interface"],
        "table": cluster.checked,
        "sync": {"syncid": document.sync.syncid} if document.sync else None,
        "floating": floating_addresses(cluster),
        "settle_seconds": GRACE_SECONDS,
    }
    if cluster.checked:
        longest = max((check.detection_seconds for check in checks), default=0.0)
        found |= {
            "services": [data.service_data(each.service) for each in cluster.services],
            "sorry": [_sorry(each, each.sorry) for each in cluster.services if each.sorry],
            "inhibit": [
                data.service_key_data(each.key)
                for each in cluster.services
                if each.availability.inhibit
            ],
            "max_removals": values["director_max_removals"],
            "settle_seconds": round(longest + GRACE_SECONDS, 3),
        }
    return found


def peers(host: str, cluster: Cluster) -> list[str]:
    """The addresses and networks from which the other directors send to a director.

    Multicast by IPv6 comes from the link-local address of an interface, whatever address is configured (RFC 5798,
    section 5.1.2.1).
    """
    vrrp = cluster.vrrp
    if not vrrp:
        return []
    found = [address for address, owner in vrrp.own_addresses.items() if owner != host]
    if found and vrrp.multicast and any(each.segment.family == IPV6 for each in moves(cluster)):
        found.append(LINK_LOCAL)
    return found


def ready_seconds(host: str, cluster: Cluster) -> float:
    """How long keepalived must have run on a director before it can take over without breaking connections.

    That is the startup delay, then up to four intervals of advertisements, and one refresh period, in which the active
    director announces each idle connection again.
    """
    vrrp = cluster.vrrp
    if not vrrp or host not in vrrp.directors:
        return 0.0
    refresh = SYNC_REFRESH_SECONDS if sync_segment(cluster) else 0
    return vrrp.directors[host].startup_delay + 4 * vrrp.advert_interval + refresh


def _sorry(each: VirtualService, its: Forwarded) -> Configuration:
    return {
        "service": data.service_key_data(each.key),
        "real_server": data.real_server_data(its.server, its.attributes),
    }


def _document(host: str, cluster: Cluster, vrrp: Vrrp) -> Document:
    its = vrrp.directors[host]
    instances = [
        _instance(host, each, vrrp) for each in moves(cluster) if host in each.segment.addresses
    ]
    return Document(
        re.sub(r"[^A-Za-z0-9_.-]", "_", host),
        cluster.name if len(instances) > 1 else "",
        2 if vrrp.password else 3,
        seconds(vrrp.advert_interval),
        vrrp.garp_refresh,
        its.startup_delay,
        vrrp.preempt,
        its.preempt_delay,
        its.priority,
        vrrp.password,
        tuple(instances),
        _sync(host, cluster),
        tuple(_virtual_server(each) for each in cluster.services) if cluster.checked else (),
    )


def _instance(host: str, move: Move, vrrp: Vrrp) -> Instance:
    segment, source = move.segment, move.segment.addresses[host]
    others = [address for director, address in segment.addresses.items() if director != host]
    return Instance(
        _name(vrrp.cluster, segment),
        _definition("OF", source),
        segment.router_id,
        source,
        () if vrrp.multicast else tuple(others),
        source if vrrp.multicast and segment.family == IPV4 else "",
        _advertised(segment),
        tuple(
            (f"{address}/{FULL_LENGTH[segment.family]}", _definition("FOR", address))
            for address in sorted(move.addresses, key=lambda each: packed(segment.family, each))
        ),
    )


def _advertised(segment: Segment) -> str:
    """An address that stays the same whatever the services are.

    A backup ignores advertisements that name other addresses than its own configuration (``vrrp_check_packet`` in
    vrrp.c). If they named virtual addresses, two directors that are changed one after the other would both be active
    in between. So they name one on the loopback interface, of 127.0.0.0/8 or of the discard prefix of RFC 6666.
    """
    if segment.family == IPV4:
        return f"127.112.0.{segment.router_id}/{FULL_LENGTH[IPV4]}"
    return f"100::112:{segment.router_id}/{FULL_LENGTH[segment.family]}"


def _name(cluster: str, segment: Segment) -> str:
    return f"{cluster}_{segment.number}_{segment.family}"


def _definition(what: str, address: str) -> str:
    return f"$INTERFACE_{what}_" + re.sub("[.:]", "_", address)


def _plain(definition: str) -> str:
    return definition[1:]


def _interfaces(document: Document) -> dict[str, dict[str, str]]:
    """The definitions, each with the address that tells the interface."""
    found = {}
    for instance in document.instances:
        found[_plain(instance.interface)] = {"of": instance.source}
        for address, definition in instance.addresses:
            found[_plain(definition)] = {"for": address.partition("/")[0]}
    return found


def _watched(host: str, cluster: Cluster, vrrp: Vrrp) -> dict[str, dict[str, str]]:
    """Further interfaces without which a director can't serve: the host tracks all those that are defined."""
    own = [source.address for source in vrrp.directors[host].sources]
    addresses = [*own, *cluster.topology.addresses_of(host).values()]
    return {_plain(_definition("OF", each)): {"of": each} for each in addresses}


def _sync(host: str, cluster: Cluster) -> Sync | None:
    segment = sync_segment(cluster)
    if not segment or host not in segment.addresses:
        return None
    interface = _definition("OF", segment.addresses[host])
    return Sync(interface, _name(cluster.name, segment), segment.router_id)


def _virtual_server(each: VirtualService) -> VirtualServer:
    key, attributes = each.key, each.service.attributes
    target = f"fwmark {key.fwmark}" if key.fwmark else _target(key.address, key.port)
    netmask = attributes.persistence_netmask
    real_servers = tuple(
        _real_server(server, its, each.checks.get(server))
        for server, its in each.service.real_servers.items()
    )
    return VirtualServer(
        each,
        target,
        tuple(sorted(attributes.scheduler_flags)),
        netmask if netmask != FULL_NETMASK[key.family] else "",
        real_servers,
        _real_server(each.sorry.server, each.sorry.attributes) if each.sorry else None,
        bool(each.checks),
    )


def _target(address: str, port: int) -> str:
    return f"{address} {port}" if port else address


def _real_server(
    key: RealServerKey, attributes: RealServerAttributes, check: Check | None = None
) -> RealServer:
    return RealServer(
        key,
        _target(key.address, key.port),
        _method(attributes),
        attributes,
        _checker(check) if check else None,
    )


def _method(attributes: RealServerAttributes) -> str:
    words = [attributes.forwarding.upper()]
    if attributes.forwarding == TUN and attributes.tunnel_type != "ipip":
        words += ["type", attributes.tunnel_type]
        if attributes.tunnel_port:
            words += ["port", str(attributes.tunnel_port)]
        if attributes.tunnel_checksum != "none":
            words.append(attributes.tunnel_checksum)
    return " ".join(words)


def _checker(check: Check) -> Checker:
    # keepalived ends a command after whole seconds.
    timeout = float(math.ceil(check.timeout)) if check.type == "command" else check.timeout
    return Checker(
        check,
        KEYWORDS[check.type],
        seconds(check.interval),
        seconds(timeout),
        seconds(check.retry_delay),
        " ".join(_quoted(word) for word in check.command),
        check.type == "https" and _HOST_NAME.fullmatch(check.host) is not None,
    )


def _quoted(word: str) -> str:
    """A word of a command, which stands within double quotes."""
    return word if _PLAIN_WORD.fullmatch(word) else f"'{word}'"


def seconds(value: float) -> str:
    """A time as keepalived reads it, to the millisecond."""
    return f"{value:.3f}".rstrip("0").rstrip(".")
