# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bytes of IPVS over generic netlink: model to attributes, attributes to model.

Numbers and layouts are those of ``include/uapi/linux/ip_vs.h``. Most are in host order; ports, tunnel
ports and IPv4 netmasks are big-endian, an address always takes 16 bytes, an IPv6 netmask is a prefix
length. Every message carries every attribute, because the kernel takes what is left out for zero
(``ip_vs_genl_set_cmd`` in ``ip_vs_ctl.c``). Pure: no socket here.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Mapping

from ..net import IPV4, IPV6
from .daemon import Daemon
from .model import (
    FULL_NETMASK,
    RealServerAttributes,
    RealServerKey,
    ServiceAttributes,
    ServiceKey,
)
from .plan import ADD, DELETE, EDIT, Operation, ServiceOperation
from .statistics import Counters, Info, RealServerStatistics
from .timeouts import Timeouts

FAMILY_NAME = b"IPVS\0"
FAMILY_VERSION = 1

# IPVS_CMD_*
NEW_SERVICE, SET_SERVICE, DEL_SERVICE, GET_SERVICE = 1, 2, 3, 4
NEW_DEST, SET_DEST, DEL_DEST, GET_DEST = 5, 6, 7, 8

NEW_DAEMON, DEL_DAEMON, GET_DAEMON, SET_CONFIG, GET_CONFIG = 9, 10, 11, 12, 13
GET_INFO = 15

_COMMANDS: Mapping[tuple[bool, str], int] = {
    (True, ADD): NEW_SERVICE,
    (True, EDIT): SET_SERVICE,
    (True, DELETE): DEL_SERVICE,
    (False, ADD): NEW_DEST,
    (False, EDIT): SET_DEST,
    (False, DELETE): DEL_DEST,
}

# IPVS_CMD_ATTR_*
_ATTR_SERVICE, _ATTR_DEST, _ATTR_DAEMON = 1, 2, 3
_ATTR_TIMEOUT_TCP, _ATTR_TIMEOUT_TCP_FIN, _ATTR_TIMEOUT_UDP = 4, 5, 6

# IPVS_INFO_ATTR_*
_INFO_VERSION, _INFO_CONN_TAB_SIZE = 1, 2

# IPVS_DAEMON_ATTR_*
_DAEMON_STATE, _DAEMON_MCAST_IFN, _DAEMON_SYNC_ID, _DAEMON_SYNC_MAXLEN = 1, 2, 3, 4
_DAEMON_MCAST_GROUP, _DAEMON_MCAST_GROUP6, _DAEMON_MCAST_PORT, _DAEMON_MCAST_TTL = 5, 6, 7, 8
_DAEMON_STATES: Mapping[str, int] = {"master": 1, "backup": 2}

# IPVS_SVC_ATTR_*
_SVC_AF, _SVC_PROTOCOL, _SVC_ADDR, _SVC_PORT, _SVC_FWMARK = 1, 2, 3, 4, 5
_SVC_SCHED_NAME, _SVC_FLAGS, _SVC_TIMEOUT, _SVC_NETMASK, _SVC_PE_NAME = 6, 7, 8, 9, 11

# IPVS_DEST_ATTR_*
_DEST_ADDR, _DEST_PORT, _DEST_FWD_METHOD, _DEST_WEIGHT, _DEST_U_THRESH, _DEST_L_THRESH = range(1, 7)
_DEST_ADDR_FAMILY, _DEST_TUN_TYPE, _DEST_TUN_PORT, _DEST_TUN_FLAGS = 11, 13, 14, 15
_DEST_ACTIVE_CONNS, _DEST_INACT_CONNS, _DEST_PERSIST_CONNS = 7, 8, 9

# Both have the same numbers for what was counted; kernels before 4.1 have the first only, of 32 bits.
_STATS, _STATS64 = 10, 12
# IPVS_STATS_ATTR_*: connections, packets in and out, bytes in and out; then their rates.
_STATS_TOTAL, _STATS_RATES = (1, 2, 3, 4, 5), (6, 7, 8, 9, 10)

_NESTED = 0x8000
_TYPE_MASK = 0x3FFF

# IP_VS_SVC_F_*; the kernel keeps HASHED (0x2) for itself.
_F_PERSISTENT, _F_ONE_PACKET = 0x1, 0x4
_SCHEDULER_FLAG_BITS: Mapping[str, int] = {"flag-1": 0x8, "flag-2": 0x10, "flag-3": 0x20}
_SETTABLE_FLAGS = _F_PERSISTENT | _F_ONE_PACKET | sum(_SCHEDULER_FLAG_BITS.values())

_AF: Mapping[str, int] = {IPV4: socket.AF_INET, IPV6: socket.AF_INET6}
_FAMILY: Mapping[int, str] = {number: family for family, number in _AF.items()}
_PROTOCOL: Mapping[str, int] = {
    "tcp": socket.IPPROTO_TCP,
    "udp": socket.IPPROTO_UDP,
    "sctp": socket.IPPROTO_SCTP,
}
_PROTOCOL_NAME: Mapping[int, str] = {number: name for name, number in _PROTOCOL.items()}

# IP_VS_CONN_F_*: "local" and "bypass" are the kernel's own, but a program may have asked for them.
_FORWARDING: Mapping[str, int] = {"nat": 0, "local": 1, "tun": 2, "dr": 3, "bypass": 4}
_FORWARDING_NAME: Mapping[int, str] = {number: name for name, number in _FORWARDING.items()}
_FORWARDING_MASK = 0x7

_TUNNEL_TYPE: Mapping[str, int] = {"ipip": 0, "gue": 1, "gre": 2}
_TUNNEL_TYPE_NAME: Mapping[int, str] = {number: name for name, number in _TUNNEL_TYPE.items()}
_TUNNEL_CHECKSUM: Mapping[str, int] = {"none": 0, "csum": 1, "remcsum": 2}
_TUNNEL_CHECKSUM_NAME: Mapping[int, str] = {n: name for name, n in _TUNNEL_CHECKSUM.items()}

Attributes = dict[int, bytes]


def attribute(number: int, value: bytes) -> bytes:
    """One netlink attribute, padded to four bytes (``struct nlattr``)."""
    return struct.pack("=HH", len(value) + 4, number) + value + bytes(-len(value) % 4)


def attributes_of(data: bytes | memoryview) -> Attributes:
    """The attributes in a message or in a nest of one: number to value."""
    found: Attributes = {}
    offset, end = 0, len(data)
    while offset + 4 <= end:
        length, number = struct.unpack_from("=HH", data, offset)
        if length < 4 or offset + length > end:
            break
        found[number & _TYPE_MASK] = bytes(data[offset + 4 : offset + length])
        offset += (length + 3) & ~3
    return found


def _u16(number: int, value: int) -> bytes:
    return attribute(number, struct.pack("=H", value))


def _u32(number: int, value: int) -> bytes:
    return attribute(number, struct.pack("=I", value))


def _be16(number: int, value: int) -> bytes:
    return attribute(number, struct.pack(">H", value))


def _text(number: int, value: str) -> bytes:
    return attribute(number, value.encode("ascii") + b"\0")


def _address(family: str, address: str) -> bytes:
    return socket.inet_pton(_AF[family], address).ljust(16, b"\0")


def _address_text(family: str, value: bytes) -> str:
    size = 4 if family == IPV4 else 16
    return socket.inet_ntop(_AF[family], value[:size])


def pack_service_key(key: ServiceKey) -> bytes:
    """The nest that names a service to any command."""
    body = _u16(_SVC_AF, _AF[key.family])
    if key.fwmark:
        body += _u32(_SVC_FWMARK, key.fwmark)
    else:
        body += (
            _u16(_SVC_PROTOCOL, _number(_PROTOCOL, key.protocol))
            + attribute(_SVC_ADDR, _address(key.family, key.address))
            + _be16(_SVC_PORT, key.port)
        )
    return body


def _pack_service_attributes(key: ServiceKey, attributes: ServiceAttributes) -> bytes:
    flags = sum(_SCHEDULER_FLAG_BITS[flag] for flag in attributes.scheduler_flags)
    if attributes.persistence_timeout:
        flags |= _F_PERSISTENT
    if attributes.one_packet:
        flags |= _F_ONE_PACKET
    if key.family == IPV4:
        netmask = socket.inet_pton(socket.AF_INET, attributes.persistence_netmask)
    else:
        netmask = struct.pack("=I", int(attributes.persistence_netmask))
    body = (
        _text(_SVC_SCHED_NAME, attributes.scheduler)
        + attribute(_SVC_FLAGS, struct.pack("=II", flags, _SETTABLE_FLAGS))
        + _u32(_SVC_TIMEOUT, attributes.persistence_timeout)
        + attribute(_SVC_NETMASK, netmask)
    )
    if attributes.persistence_engine:
        body += _text(_SVC_PE_NAME, attributes.persistence_engine)
    return body


def _pack_real_server_key(key: RealServerKey) -> bytes:
    # The family is needed by every command as soon as it differs from the service's.
    return (
        attribute(_DEST_ADDR, _address(key.family, key.address))
        + _be16(_DEST_PORT, key.port)
        + _u16(_DEST_ADDR_FAMILY, _AF[key.family])
    )


def _pack_real_server_attributes(attributes: RealServerAttributes) -> bytes:
    return (
        _u32(_DEST_FWD_METHOD, _number(_FORWARDING, attributes.forwarding))
        + _u32(_DEST_WEIGHT, attributes.weight)
        + _u32(_DEST_U_THRESH, attributes.upper_threshold)
        + _u32(_DEST_L_THRESH, attributes.lower_threshold)
        + attribute(_DEST_TUN_TYPE, bytes([_number(_TUNNEL_TYPE, attributes.tunnel_type)]))
        + _be16(_DEST_TUN_PORT, attributes.tunnel_port)
        + _u16(_DEST_TUN_FLAGS, _number(_TUNNEL_CHECKSUM, attributes.tunnel_checksum))
    )


def _number(numbers: Mapping[str, int], name: str) -> int:
    """The reverse of ``_name``."""
    return numbers[name] if name in numbers else int(name.rpartition("-")[2])


def _name(names: Mapping[int, str], number: int) -> str:
    """What a number is called; one that this kernel invented later keeps its number."""
    return names.get(number) or f"unknown-{number}"


def pack_operation(operation: Operation) -> tuple[int, bytes]:
    """(IPVS command, its attributes) that carry out an operation."""
    service = pack_service_key(operation.service)
    is_service = isinstance(operation, ServiceOperation)
    command = _COMMANDS[is_service, operation.verb]
    if isinstance(operation, ServiceOperation):
        if operation.after:
            service += _pack_service_attributes(operation.service, operation.after)
        return command, attribute(_ATTR_SERVICE | _NESTED, service)
    real_server = _pack_real_server_key(operation.real_server)
    if operation.after:
        real_server += _pack_real_server_attributes(operation.after)
    return command, (
        attribute(_ATTR_SERVICE | _NESTED, service) + attribute(_ATTR_DEST | _NESTED, real_server)
    )


def pack_service_query(key: ServiceKey) -> bytes:
    """The attributes of GET_SERVICE and GET_DEST for one service."""
    return attribute(_ATTR_SERVICE | _NESTED, pack_service_key(key))


def _unsigned(value: bytes) -> int:
    return int.from_bytes(value, sys.byteorder)


def _port(value: bytes) -> int:
    return int.from_bytes(value, "big")


def _string(value: bytes) -> str:
    return value.split(b"\0", 1)[0].decode("ascii", "replace")


def unpack_service(payload: bytes) -> tuple[ServiceKey, ServiceAttributes] | None:
    """A message of GET_SERVICE as model; None where it holds no service.

    Values are taken as the kernel has them, unchecked: another program may have set what we refuse.
    """
    nest = attributes_of(payload).get(_ATTR_SERVICE)
    if nest is None:
        return None
    got = attributes_of(nest)
    family = _FAMILY[_unsigned(got[_SVC_AF])]
    if _SVC_FWMARK in got:
        key = ServiceKey(family=family, fwmark=_unsigned(got[_SVC_FWMARK]))
    else:
        number = _unsigned(got[_SVC_PROTOCOL])
        key = ServiceKey(
            family=family,
            protocol=_name(_PROTOCOL_NAME, number),
            address=_address_text(family, got[_SVC_ADDR]),
            port=_port(got[_SVC_PORT]),
        )
    flags = _unsigned(got[_SVC_FLAGS][:4])
    persistent = bool(flags & _F_PERSISTENT)
    netmask = FULL_NETMASK[family]
    if persistent:
        raw = got[_SVC_NETMASK]
        netmask = socket.inet_ntop(socket.AF_INET, raw) if family == IPV4 else str(_unsigned(raw))
    return key, ServiceAttributes(
        scheduler=_string(got.get(_SVC_SCHED_NAME, b"")),
        persistence_timeout=_unsigned(got[_SVC_TIMEOUT]) if persistent else 0,
        persistence_netmask=netmask,
        persistence_engine=_string(got.get(_SVC_PE_NAME, b"")),
        one_packet=bool(flags & _F_ONE_PACKET),
        scheduler_flags=frozenset(
            name for name, bit in _SCHEDULER_FLAG_BITS.items() if flags & bit
        ),
    )


def unpack_real_server(
    payload: bytes, service: ServiceKey
) -> tuple[RealServerKey, RealServerAttributes] | None:
    """A message of GET_DEST as model; None where it holds no real server."""
    nest = attributes_of(payload).get(_ATTR_DEST)
    if nest is None:
        return None
    got = attributes_of(nest)
    # Kernels before 3.18 have no family of its own: it is the service's.
    number = _unsigned(got[_DEST_ADDR_FAMILY]) if _DEST_ADDR_FAMILY in got else _AF[service.family]
    family = _FAMILY[number]
    key = RealServerKey(
        family=family,
        address=_address_text(family, got[_DEST_ADDR]),
        port=_port(got[_DEST_PORT]),
    )
    method = _unsigned(got[_DEST_FWD_METHOD]) & _FORWARDING_MASK
    return key, RealServerAttributes(
        forwarding=_name(_FORWARDING_NAME, method),
        weight=_unsigned(got[_DEST_WEIGHT]),
        upper_threshold=_unsigned(got[_DEST_U_THRESH]),
        lower_threshold=_unsigned(got[_DEST_L_THRESH]),
        tunnel_type=_name(_TUNNEL_TYPE_NAME, _unsigned(got.get(_DEST_TUN_TYPE, b"\0"))),
        tunnel_port=_port(got.get(_DEST_TUN_PORT, b"\0\0")),
        tunnel_checksum=_name(_TUNNEL_CHECKSUM_NAME, _unsigned(got.get(_DEST_TUN_FLAGS, b"\0\0"))),
    )


def unpack_service_statistics(payload: bytes) -> tuple[Counters, Counters]:
    """(totals, rates) of a message of GET_SERVICE."""
    return _counters(attributes_of(attributes_of(payload)[_ATTR_SERVICE]))


def unpack_real_server_statistics(payload: bytes) -> RealServerStatistics:
    """The same of a message of GET_DEST."""
    got = attributes_of(attributes_of(payload)[_ATTR_DEST])
    total, rates = _counters(got)
    return RealServerStatistics(
        active_connections=_unsigned(got[_DEST_ACTIVE_CONNS]),
        inactive_connections=_unsigned(got[_DEST_INACT_CONNS]),
        persistent_connections=_unsigned(got[_DEST_PERSIST_CONNS]),
        total=total,
        rates=rates,
    )


def _counters(nest: Attributes) -> tuple[Counters, Counters]:
    got = attributes_of(nest.get(_STATS64) or nest.get(_STATS) or b"")
    total, rates = (
        Counters(*(_unsigned(got.get(number, b"")) for number in numbers))
        for numbers in (_STATS_TOTAL, _STATS_RATES)
    )
    return total, rates


def unpack_info(payload: bytes) -> Info:
    """The answer to GET_INFO; the version is packed as KERNEL_VERSION packs it."""
    got = attributes_of(payload)
    version = _unsigned(got[_INFO_VERSION])
    text = f"{version >> 16 & 0xFF}.{version >> 8 & 0xFF}.{version & 0xFF}"
    return Info(text, _unsigned(got[_INFO_CONN_TAB_SIZE]))


def unpack_timeouts(payload: bytes) -> Timeouts:
    """The answer to GET_CONFIG."""
    got = attributes_of(payload)
    numbers = (_ATTR_TIMEOUT_TCP, _ATTR_TIMEOUT_TCP_FIN, _ATTR_TIMEOUT_UDP)
    return Timeouts(*(_unsigned(got[number]) for number in numbers))


def pack_timeouts(timeouts: Timeouts) -> bytes:
    """The attributes of SET_CONFIG."""
    return (
        _u32(_ATTR_TIMEOUT_TCP, timeouts.tcp)
        + _u32(_ATTR_TIMEOUT_TCP_FIN, timeouts.tcpfin)
        + _u32(_ATTR_TIMEOUT_UDP, timeouts.udp)
    )


def pack_daemon(daemon: Daemon) -> bytes:
    """The attributes of NEW_DAEMON and DEL_DAEMON."""
    body = (
        _u32(_DAEMON_STATE, _DAEMON_STATES[daemon.role])
        + _text(_DAEMON_MCAST_IFN, daemon.interface)
        + _u32(_DAEMON_SYNC_ID, daemon.syncid)
    )
    if daemon.maxlen:
        body += _u16(_DAEMON_SYNC_MAXLEN, daemon.maxlen)
    if ":" in daemon.group:
        body += attribute(_DAEMON_MCAST_GROUP6, socket.inet_pton(socket.AF_INET6, daemon.group))
    else:
        body += attribute(_DAEMON_MCAST_GROUP, socket.inet_pton(socket.AF_INET, daemon.group))
    body += _u16(_DAEMON_MCAST_PORT, daemon.port)
    body += attribute(_DAEMON_MCAST_TTL, bytes([daemon.ttl]))
    return attribute(_ATTR_DAEMON | _NESTED, body)


def unpack_daemon(payload: bytes) -> Daemon | None:
    """A message of GET_DAEMON; None where it holds no daemon."""
    nest = attributes_of(payload).get(_ATTR_DAEMON)
    if nest is None:
        return None
    got = attributes_of(nest)
    roles = {number: role for role, number in _DAEMON_STATES.items()}
    default = Daemon("master", "")
    group = default.group
    if _DAEMON_MCAST_GROUP6 in got:
        group = socket.inet_ntop(socket.AF_INET6, got[_DAEMON_MCAST_GROUP6])
    elif _DAEMON_MCAST_GROUP in got:
        group = socket.inet_ntop(socket.AF_INET, got[_DAEMON_MCAST_GROUP])
    port, ttl = got.get(_DAEMON_MCAST_PORT), got.get(_DAEMON_MCAST_TTL)
    return Daemon(
        role=_name(roles, _unsigned(got[_DAEMON_STATE])),
        interface=_string(got[_DAEMON_MCAST_IFN]),
        syncid=_unsigned(got[_DAEMON_SYNC_ID]),
        maxlen=_unsigned(got.get(_DAEMON_SYNC_MAXLEN, b"")),
        group=group,
        port=_unsigned(port) if port else default.port,
        ttl=_unsigned(ttl) if ttl else default.ttl,
    )
