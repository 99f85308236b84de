# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the drills share: the cluster is whole before and after each, and each prints its figures."""

from __future__ import annotations

import pytest

from shared.tests.directors import at_work
from shared.tests.playbooks import described
from shared.tests.traffic import under_load


@pytest.fixture
def whole(lab):
    """Before and after a drill everything is at work."""
    at_work(lab)
    yield
    at_work(lab)


# Requests a second. With more, five emulated machines on two processors have no time for anything else.
RATE = 20


@pytest.fixture
def load(lab):
    """Make requests to all services of the description meanwhile."""
    return lambda: under_load(lab, described(), RATE)


@pytest.fixture
def tell(request, capsys):
    """Print a drill's figures."""

    def show(traffic, more=""):
        with capsys.disabled():
            print(f"\ndrill {request.node.name}: {more}{traffic.figures()}")

    return show
