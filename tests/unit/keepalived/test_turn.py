# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.keepalived.turn import (
    ACTIVE,
    JOINING,
    waits_as,
)


@pytest.mark.parametrize(
    ("runs", "holds", "others_hold", "reason"),
    [
        pytest.param(True, True, False, ACTIVE, id="backups lose keepalived first"),
        pytest.param(
            True, False, True, JOINING, id="the other director gives up the addresses first"
        ),
        pytest.param(True, False, False, "", id="no director has the addresses"),
        pytest.param(
            False, False, True, JOINING, id="the same if keepalived has been stopped here"
        ),
    ],
)
def test_who_waits_for_others_before_it_has_the_addresses_by_itself(
    runs, holds, others_hold, reason
):
    assert waits_as(runs, holds, others_hold, takes=True) == reason


@pytest.mark.parametrize(
    ("runs", "holds", "others_hold", "reason"),
    [
        pytest.param(True, True, False, ACTIVE, id="the active one comes last"),
        pytest.param(True, False, True, "", id="one that stands by comes first"),
        pytest.param(True, False, False, "", id="nobody serves, so nothing is waited for"),
        pytest.param(False, False, True, JOINING, id="a new one comes after the one that serves"),
        pytest.param(False, False, False, "", id="the first of a new cluster"),
        pytest.param(False, True, False, "", id="the only one so far keeps its addresses"),
        pytest.param(False, True, True, "", id="two have them: the one with keepalived is to win"),
    ],
)
def test_who_waits_for_others(runs, holds, others_hold, reason):
    assert waits_as(runs, holds, others_hold) == reason
