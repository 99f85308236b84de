# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""After a reboot of every machine the cluster serves as before it."""

from __future__ import annotations

import os

import pytest

from shared.tests.served import test_served as before

# Skipped one by one, not as a whole: pytest takes it for an error if there is no test at all.
pytestmark = pytest.mark.skipif(
    os.environ.get("LVS_REBOOT") == "false", reason="nothing was rebooted this time"
)

holding = before.holding
test_every_service_is_shared_out_as_described = before.test_every_service_is_shared_out_as_described
test_nobody_else_has_one_on_the_segment = before.test_nobody_else_has_one_on_the_segment
test_only_the_director_answers_for_a_virtual_address = (
    before.test_only_the_director_answers_for_a_virtual_address
)
