# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same examples every time, so that a red run means a change; LVS_HYPOTHESIS=random looks for new ones.

LVS_HYPOTHESIS=few is for the further Pythons: there it is the interpreter that is tested, not the rules.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("same", derandomize=True, deadline=None, max_examples=100)
settings.register_profile("few", derandomize=True, deadline=None, max_examples=15)
settings.register_profile("random", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("LVS_HYPOTHESIS", "same"))
