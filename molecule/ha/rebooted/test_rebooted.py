# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""After a reboot of every machine at once, without Ansible: one director serves, and both have the table."""

from __future__ import annotations

import os

import pytest

from shared.tests.directors import DIRECTORS, FLOATING, held, serving, wait_until

# Not as a whole: pytest takes it for an error if there is no test at all.
pytestmark = pytest.mark.skipif(
    os.environ.get("LVS_REBOOT") == "false", reason="nothing was rebooted this time"
)


def test_one_director_serves(lab, fetch):
    # A director waits for its network before it takes part: keepalived_startup_delay.
    wait_until(
        lambda: sorted(len(held(lab, name)) for name in DIRECTORS) == [0, len(FLOATING)],
        60,
        "one director has all floating addresses",
    )
    for name in DIRECTORS:
        wait_until(lambda: serving(lab, name) == {"11", "12"}, 30, f"{name} has its table")  # noqa: B023
    for address in ("10.84.0.100", "10.84.0.101"):
        assert {fetch(address) for _time in range(4)} == {"rs1", "rs2"}
