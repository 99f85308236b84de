# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One request to a virtual service, as a client would make it."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

_AT_ONCE = 32


@dataclass(frozen=True)
class Answer:
    """:ivar problem: empty where all went well."""

    problem: str
    seconds: float


def connect(address: str, port: int, protocol: str, timeout: float) -> Answer:
    """Open a connection, and close it; by UDP send an empty datagram, and see that nobody refuses it."""
    began = time.monotonic()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    number = socket.IPPROTO_SCTP if protocol == "sctp" else 0
    problem = ""
    try:
        with socket.socket(family, kind, number) as peer:
            peer.settimeout(timeout)
            peer.connect((address, port))
            if protocol == "udp":
                peer.send(b"")
                peer.settimeout(min(timeout, 1.0))
                peer.recv(1)
    except socket.timeout:
        # No answer to an empty datagram is no fault: nobody has refused it.
        problem = "" if protocol == "udp" else f"no answer within {timeout:g} seconds"
    except OSError as error:
        problem = error.strerror or str(error)
    return Answer(problem, time.monotonic() - began)


def connect_all(places: Sequence[tuple[str, int, str]], timeout: float) -> list[Answer]:
    """:param places: (address, port, protocol) of each."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda place: connect(place[0], place[1], place[2], timeout), places))
