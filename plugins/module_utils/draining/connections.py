# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a drained real server is still in use. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..ipvs.model import ServiceKey

# IPVS counts the connections of these as active while they are established, and only these.
_WITH_STATE = ("tcp", "sctp")
# A connection is inactive until its handshake is through.
HANDSHAKE_SECONDS = 3


class Connections(NamedTuple):
    """What a real server of a service has, as IPVS counts it.

    :ivar active: established connections.
    :ivar inactive: connections that begin or have ended, and all of protocols without a state, such as UDP, until their
        timeout.
    :ivar persistent: clients that persistence sends here.
    """

    active: int = 0
    inactive: int = 0
    persistent: int = 0

    @property
    def data(self) -> dict[str, int]:
        """As results have it, with the names that ipvs_info uses."""
        return {
            "active_connections": self.active,
            "inactive_connections": self.inactive,
            "persistent_connections": self.persistent,
        }


def is_idle(service: ServiceKey, found: Connections, reschedules: bool, fresh: bool) -> bool:
    """Whether a real server has nothing left to do for a service.

    :param reschedules: whether a client of a real server with weight 0 gets another one, in spite of persistence
        (net.ipv4.vs.expire_quiescent_template). Otherwise it may come back as long as it is remembered.
    :param fresh: whether the weight is so new that a handshake may be under way.
    """
    if found.active or (found.persistent and not reschedules):
        return False
    # Of a firewall mark's service nobody knows the protocol.
    return not found.inactive or (service.protocol in _WITH_STATE and not fresh)


def is_in_service(weight: int | None, configured: int | None) -> bool:
    """Whether a real server that is not drained gets its share of new connections.

    :param weight: its weight in the kernel; None if it is not in the table.
    :param configured: its weight in the configuration of keepalived; None if keepalived does not own the table. A real
        server that fails its checks has a lower weight in the kernel.
    """
    return weight is not None and (weight > 0 or not configured)


def summary(entries: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What the entries of a result come to."""
    listed = list(entries)
    return {
        **{name: sum(entry[name] for entry in listed) for name in Connections().data},
        "idle": all(entry["idle"] for entry in listed),
        "restored": not any(entry["drained"] for entry in listed),
        "in_service": bool(listed) and all(entry["in_service"] for entry in listed),
    }
