# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import (
    RealServerAttributes,
    RealServerKey,
    Service,
    ServiceAttributes,
    ServiceKey,
)
from ansible_collections.lvs.cluster.plugins.module_utils.keepalived import model

WEB = ServiceKey.at("tcp", "192.0.2.1", 80)
ONE, TWO, SORRY = (RealServerKey.at(f"10.0.0.{number}", 80) for number in (1, 2, 9))


def table(**weights):
    """A table with one service; None for none."""
    keys = {"one": ONE, "two": TWO, "sorry": SORRY}
    servers = {keys[name]: RealServerAttributes(weight=each) for name, each in weights.items()}
    return {WEB: Service(WEB, ServiceAttributes.default("ipv4"), servers)}


BOTH = table(one=1, two=1)


@pytest.mark.parametrize(
    ("before", "now", "wanted", "is_lost"),
    [
        pytest.param(BOTH, table(), BOTH, True, id="all removed"),
        pytest.param(BOTH, table(one=0, two=0), BOTH, True, id="all inhibited"),
        pytest.param(BOTH, {}, BOTH, True, id="with their service"),
        pytest.param(BOTH, table(two=1), BOTH, False, id="one works"),
        pytest.param(table(), table(), BOTH, False, id="none worked before"),
        pytest.param({}, table(), BOTH, False, id="a new service"),
        pytest.param(BOTH, table(sorry=1), BOTH, True, id="the sorry server serves now"),
        pytest.param(table(sorry=1), table(), BOTH, False, id="it served before"),
        pytest.param(BOTH, table(one=0, two=0), table(one=0, two=0), False, id="all are drained"),
        pytest.param(BOTH, {}, {}, False, id="a service that is no longer described"),
    ],
)
def test_a_service_is_lost_where_no_real_server_works_any_more(before, now, wanted, is_lost):
    assert model.lost(before, now, wanted, {WEB: SORRY}) == ([WEB] if is_lost else [])
