# SPDX-License-Identifier: GPL-3.0-or-later
"""A laboratory of virtual machines with real kernels, for whatever needs a real IPVS."""

from __future__ import annotations

from lab.capture import Capture
from lab.errors import LabError
from lab.instance import Lab, Node

__all__ = ["Capture", "Lab", "LabError", "Node"]
