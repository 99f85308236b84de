# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What values have in common. Pure, and the ground floor: imports nothing of ours.

A value is a ``NamedTuple``: every run of a module creates its classes again, and a frozen dataclass takes several times
as long. What has state, or is a container in its own right, is an ordinary class.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

# What a field holds by default that is a mapping; nobody can add to it.
EMPTY: Mapping[Any, Any] = MappingProxyType({})
