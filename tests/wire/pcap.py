# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Captured bytes as frames."""

from __future__ import annotations

import io

from scapy.layers.l2 import Ether
from scapy.utils import rdpcap


def frames(data: bytes) -> list[Ether]:
    """The frames of a capture file, in order."""
    return list(rdpcap(io.BytesIO(data)))
