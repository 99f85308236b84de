# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What IPVS has counted, apart from what it was told. The kernel adds up every two seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..values import EMPTY
from . import data
from .model import RealServerKey, ServiceKey


class Counters(NamedTuple):
    """Since the service or real server was added, or, as rates, in a second."""

    connections: int = 0
    incoming_packets: int = 0
    outgoing_packets: int = 0
    incoming_bytes: int = 0
    outgoing_bytes: int = 0


class RealServerStatistics(NamedTuple):
    """Of one real server; how many connections it has now, and what it has had."""

    active_connections: int
    inactive_connections: int
    persistent_connections: int
    total: Counters
    rates: Counters


class ServiceStatistics(NamedTuple):
    """Of one service and its real servers."""

    total: Counters
    rates: Counters
    real_servers: Mapping[RealServerKey, RealServerStatistics] = EMPTY


class Info(NamedTuple):
    """:ivar version: such as 1.2.1.
    :ivar connection_table_size: how many hash buckets connections have.
    """

    version: str
    connection_table_size: int


def statistics_data(key: ServiceKey, found: ServiceStatistics) -> dict[str, Any]:
    """As plain data; real servers sorted by address."""
    servers = sorted(found.real_servers, key=lambda server: server.sort_key)
    return {
        "service": data.service_key_data(key),
        **found.total._asdict(),
        "rates": found.rates._asdict(),
        "real_servers": [
            _real_server_data(server, found.real_servers[server]) for server in servers
        ],
    }


def _real_server_data(key: RealServerKey, found: RealServerStatistics) -> dict[str, Any]:
    return {
        **data.real_server_key_data(key),
        "active_connections": found.active_connections,
        "inactive_connections": found.inactive_connections,
        "persistent_connections": found.persistent_connections,
        **found.total._asdict(),
        "rates": found.rates._asdict(),
    }
