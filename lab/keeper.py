# SPDX-License-Identifier: GPL-3.0-or-later
"""Boots a machine in a new QEMU whenever it reboots: ``python -m lab.keeper FOLDER NODE``.

A machine that reboots in the same QEMU overwrites code that was translated for the emulated processor, piece by piece:
after half an hour of work that takes minutes instead of seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path

from lab import qmp
from lab.instance import Lab


def keep(lab: Lab, node: str) -> None:
    """Until the machine ends for good."""
    while True:
        reason = qmp.wait_for_end(lab.events(node))
        if not reason:
            return
        lab.end(node)
        if reason != qmp.REBOOT:
            return
        lab.boot(node)


def main(folder: str, node: str) -> int:
    keep(Lab.at(Path(folder)), node)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
