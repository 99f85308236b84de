# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The IPVS generic-netlink client: the only code that talks to IPVS.

Over the standard library alone, so that a director needs nothing installed. Operations are pipelined:
many messages a ``sendmsg``, an acknowledgement asked for on the last one only, as a barrier; the kernel
reports every failure in between by its sequence number, and carries the others out.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator, Sequence
from types import TracebackType

from ..errors import Unavailable
from . import codec
from .daemon import Daemon
from .model import RealServerAttributes, RealServerKey, Service, ServiceAttributes, ServiceKey
from .plan import Operation
from .statistics import Counters, Info, RealServerStatistics, ServiceStatistics
from .timeouts import Timeouts

PROC_TABLE = "/proc/net/ip_vs"

# The socket's receive buffer holds 277 acknowledgements; what does not fit is lost (ENOBUFS).
BATCH = 200

_NETLINK_GENERIC = 16
_SOL_NETLINK, _NETLINK_CAP_ACK = 270, 10
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_DUMP = 0x1, 0x4, 0x300
_GENL_ID_CTRL, _CTRL_CMD_GETFAMILY = 16, 3
_CTRL_ATTR_FAMILY_ID, _CTRL_ATTR_FAMILY_NAME = 1, 2
_RECEIVE_BYTES = 1 << 16
_TIMEOUT_SECONDS = 60.0

Failure = tuple[Operation, int]


def is_loaded() -> bool:
    """Whether this kernel has IPVS loaded. Asking netlink instead would load it."""
    return os.path.exists(PROC_TABLE)


class Client:
    """A conversation with the IPVS of the network namespace that the process is in.

    Opening it loads ``ip_vs`` where it is not loaded. Use it as a context manager.

    :raises Unavailable: the kernel has no IPVS, or the process may not ask.
    """

    def __init__(self) -> None:
        self._sequence = 0
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_GENERIC)
        try:
            self._socket.settimeout(_TIMEOUT_SECONDS)
            self._socket.bind((0, 0))
            # Errors come back without the request that they are about.
            self._socket.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
            self._family = self._resolve_family()
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def service(self, key: ServiceKey) -> Service | None:
        """One service with its real servers, or None."""
        query = codec.pack_service_query(key)
        attributes: ServiceAttributes | None = None
        try:
            for payload in self._ask(codec.GET_SERVICE, query):
                unpacked = codec.unpack_service(payload)
                if unpacked:
                    attributes = unpacked[1]
        except OSError as error:
            # What a service that is not there gives.
            if error.errno != errno.ESRCH:
                raise self._denied(error) from error
        return None if attributes is None else Service(key, attributes, self._real_servers(key))

    def table(self) -> dict[ServiceKey, Service]:
        """The whole table. A dump beside a change may lose or double entries: doubles are dropped here,
        and whoever acts on it reads it twice.
        """
        found: dict[ServiceKey, ServiceAttributes] = {}
        try:
            for payload in self._ask(codec.GET_SERVICE, b"", dump=True):
                unpacked = codec.unpack_service(payload)
                if unpacked:
                    found[unpacked[0]] = unpacked[1]
        except OSError as error:
            raise self._denied(error) from error
        return {key: Service(key, found[key], self._real_servers(key)) for key in found}

    def execute(self, operations: Sequence[Operation]) -> list[Failure]:
        """Carry operations out in order; a failure of one does not stop the rest.

        :returns: each operation that the kernel refused, with the errno. When this returns, all of
            them have been carried out or refused.
        """
        failures: list[Failure] = []
        for start in range(0, len(operations), BATCH):
            failures += self._execute_batch(operations[start : start + BATCH])
        return failures

    def statistics(self) -> dict[ServiceKey, ServiceStatistics]:
        """What was counted, of all services."""
        found: dict[ServiceKey, tuple[Counters, Counters]] = {}
        try:
            for payload in self._ask(codec.GET_SERVICE, b"", dump=True):
                unpacked = codec.unpack_service(payload)
                if unpacked:
                    found[unpacked[0]] = codec.unpack_service_statistics(payload)
        except OSError as error:
            raise self._denied(error) from error
        result = {}
        for key, (total, rates) in found.items():
            result[key] = ServiceStatistics(total, rates, self.real_server_statistics(key))
        return result

    def real_server_statistics(self, key: ServiceKey) -> dict[RealServerKey, RealServerStatistics]:
        """What was counted, of the real servers of one service; empty where there is no such service."""
        servers: dict[RealServerKey, RealServerStatistics] = {}
        for payload in self._ask(codec.GET_DEST, codec.pack_service_query(key), dump=True):
            server = codec.unpack_real_server(payload, key)
            if server:
                servers[server[0]] = codec.unpack_real_server_statistics(payload)
        return servers

    def info(self) -> Info:
        """Version and size of the connection table."""
        return codec.unpack_info(self._answer(codec.GET_INFO))

    def timeouts(self) -> Timeouts:
        """The timeouts in force."""
        return codec.unpack_timeouts(self._answer(codec.GET_CONFIG))

    def set_timeouts(self, timeouts: Timeouts) -> None:
        """:raises OSError: the kernel refuses."""
        self._command(codec.SET_CONFIG, codec.pack_timeouts(timeouts))

    def daemons(self) -> dict[str, Daemon]:
        """The sync daemons that run: role to daemon."""
        try:
            found = [
                codec.unpack_daemon(payload)
                for payload in self._ask(codec.GET_DAEMON, b"", dump=True)
            ]
        except OSError as error:
            raise self._denied(error) from error
        return {daemon.role: daemon for daemon in found if daemon}

    def start_daemon(self, daemon: Daemon) -> None:
        """:raises OSError: the kernel refuses."""
        self._command(codec.NEW_DAEMON, codec.pack_daemon(daemon))

    def stop_daemon(self, daemon: Daemon) -> None:
        """:raises OSError: the kernel refuses; ESRCH where it does not run."""
        self._command(codec.DEL_DAEMON, codec.pack_daemon(daemon))

    def _answer(self, command: int) -> bytes:
        try:
            for payload in self._ask(command, b""):
                return payload
        except OSError as error:
            raise self._denied(error) from error
        raise Unavailable("IPVS gave no answer; see the kernel's log ('dmesg | grep IPVS').")

    def _command(self, command: int, body: bytes) -> None:
        """Have something done, and wait until it is."""
        self._socket.send(self._message(self._family, command, body, _NLM_F_ACK))
        for kind, sequence, payload in self._receive():
            if kind == _NLMSG_ERROR and sequence == self._sequence:
                status = struct.unpack_from("=i", payload)[0]
                if status:
                    raise OSError(-status, os.strerror(-status))
                return

    def _execute_batch(self, operations: Sequence[Operation]) -> list[Failure]:
        first = self._sequence + 1
        batch = bytearray()
        for index, operation in enumerate(operations):
            command, body = codec.pack_operation(operation)
            last = index == len(operations) - 1
            batch += self._message(self._family, command, body, _NLM_F_ACK if last else 0)
        self._socket.send(batch)
        failures: list[Failure] = []
        for kind, sequence, payload in self._receive():
            if kind != _NLMSG_ERROR or not first <= sequence <= self._sequence:
                continue
            (status,) = struct.unpack_from("=i", payload)
            if status:
                failures.append((operations[sequence - first], -status))
            if sequence == self._sequence:
                break
        return failures

    def _real_servers(self, key: ServiceKey) -> dict[RealServerKey, RealServerAttributes]:
        found: dict[RealServerKey, RealServerAttributes] = {}
        query = codec.pack_service_query(key)
        for payload in self._ask(codec.GET_DEST, query, dump=True):
            unpacked = codec.unpack_real_server(payload, key)
            if unpacked:
                found[unpacked[0]] = unpacked[1]
        return found

    def _resolve_family(self) -> int:
        query = codec.attribute(_CTRL_ATTR_FAMILY_NAME, codec.FAMILY_NAME)
        try:
            for payload in self._ask(_CTRL_CMD_GETFAMILY, query, family=_GENL_ID_CTRL):
                found = codec.attributes_of(payload)
                return int(struct.unpack("=H", found[_CTRL_ATTR_FAMILY_ID])[0])
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise self._denied(error) from error
        raise Unavailable(
            f"IPVS is not in the running kernel {os.uname().release} and could not be loaded; "
            "install the kernel package that holds the module ip_vs, boot that kernel, "
            "and see that 'modprobe ip_vs' works."
        )

    @staticmethod
    def _denied(error: OSError) -> Exception:
        if error.errno != errno.EPERM:
            return error
        return Unavailable(
            "IPVS may be read and changed only with CAP_NET_ADMIN in the initial user namespace; "
            "run the task as root (become: true), outside an unprivileged container."
        )

    def _message(self, family: int, command: int, body: bytes, flags: int) -> bytes:
        self._sequence += 1
        header = struct.pack(
            "=IHHII", 20 + len(body), family, _NLM_F_REQUEST | flags, self._sequence, 0
        )
        return header + struct.pack("=BBH", command, codec.FAMILY_VERSION, 0) + body

    def _ask(
        self, command: int, body: bytes, dump: bool = False, family: int | None = None
    ) -> Iterator[bytes]:
        """The attributes of each answer to one question.

        :raises OSError: with the kernel's errno.
        """
        flags = _NLM_F_DUMP if dump else 0
        kernel_family = self._family if family is None else family
        self._socket.send(self._message(kernel_family, command, body, flags))
        for kind, sequence, payload in self._receive():
            if sequence != self._sequence:
                continue
            if kind in (_NLMSG_ERROR, _NLMSG_DONE):
                status = struct.unpack_from("=i", payload)[0] if len(payload) >= 4 else 0
                if status:
                    raise OSError(-status, os.strerror(-status))
                return
            yield payload[4:]
            if not dump:
                return

    def _receive(self) -> Iterator[tuple[int, int, bytes]]:
        """(type, sequence, payload) of every message that arrives, for ever."""
        while True:
            data = self._socket.recv(_RECEIVE_BYTES)
            offset = 0
            while offset + 16 <= len(data):
                length, kind, _flags, sequence, _port = struct.unpack_from("=IHHII", data, offset)
                if length < 16:
                    break
                yield kind, sequence, data[offset + 16 : offset + length]
                offset += (length + 3) & ~3
