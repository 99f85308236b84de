# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a real server is still in use."""

from __future__ import annotations

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.draining.connections import (
    Connections,
    is_idle,
    is_in_service,
    summary,
)
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import ServiceKey

TCP, UDP, SCTP = (ServiceKey.at(protocol, "192.0.2.1", 53) for protocol in ("tcp", "udp", "sctp"))
MARK = ServiceKey.marked(7)


@pytest.mark.parametrize("service", [TCP, UDP, SCTP, MARK])
@pytest.mark.parametrize("reschedules", [False, True])
@pytest.mark.parametrize("fresh", [False, True])
def test_nothing_is_idle_and_an_established_connection_is_not(service, reschedules, fresh):
    assert is_idle(service, Connections(), reschedules, fresh)
    assert not is_idle(service, Connections(active=1), reschedules, fresh)


@pytest.mark.parametrize(
    ("service", "fresh", "idle"),
    [
        (TCP, False, True),
        (SCTP, False, True),
        # Its handshake may be under way.
        (TCP, True, False),
        # Nobody knows whether it has ended.
        (UDP, False, False),
        (MARK, False, False),
    ],
)
def test_what_an_inactive_connection_means(service, fresh, idle):
    assert is_idle(service, Connections(inactive=1), False, fresh) is idle


def test_a_client_may_come_back_as_long_as_persistence_remembers_it():
    assert not is_idle(TCP, Connections(persistent=1), reschedules=False, fresh=False)
    assert is_idle(TCP, Connections(persistent=1), reschedules=True, fresh=False)


def test_a_summary_adds_up():
    one = {**Connections(1, 2, 3).data, "idle": False, "drained": True, "in_service": False}
    two = {**Connections(0, 4, 0).data, "idle": True, "drained": False, "in_service": True}
    assert summary([one, two]) == {
        "active_connections": 1,
        "inactive_connections": 6,
        "persistent_connections": 3,
        "idle": False,
        "restored": False,
        "in_service": False,
    }
    assert summary([two])["idle"]
    assert summary([two])["restored"]
    assert summary([two])["in_service"]
    assert summary([])["idle"]
    # A real server that is in no service gets no connections.
    assert not summary([])["in_service"]


@pytest.mark.parametrize(
    ("weight", "configured", "serves"),
    [
        (1, 1, True),
        (0, 1, False),
        (None, 1, False),
        (0, 0, True),
        (0, None, True),
        (None, None, False),
    ],
)
def test_whether_a_real_server_gets_what_it_is_to_get(weight, configured, serves):
    assert is_in_service(weight, configured) == serves
