# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception that users of the lab meet."""

from __future__ import annotations


class LabError(Exception):
    """Something is wrong that the user can do something about: one sentence, with the remedy."""
