# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress on standard error, each line with the seconds since the start."""

from __future__ import annotations

import sys
import time


class Progress:
    """Tells the user what happens; silent if asked to be."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._start = time.monotonic()

    def __call__(self, message: str) -> None:
        if not self._quiet:
            elapsed = time.monotonic() - self._start
            print(f"[{elapsed:6.1f} s] {message}", file=sys.stderr, flush=True)
