# SPDX-License-Identifier: GPL-3.0-or-later
"""The segments: hubs, so that every port sees every frame, without any privilege."""

from __future__ import annotations

import time
from pathlib import Path

from lab import process
from lab.errors import LabError
from lab.host import last_lines

ROLE = "hub"


def socket_folder(run: Path, segment: str) -> Path:
    return run / f"hub-{segment}"


def start_hub(run: Path, segment: str, ports: int, *, owner: Path) -> None:
    """Start a hub and wait until cards can be plugged in."""
    folder = socket_folder(run, segment)
    log = owner / f"hub-{segment}.log"
    command = ["vde_switch", "-hub", "-daemon", "-numports", str(max(8, ports + 2))]
    command += ["-sock", str(folder), "-mode", "0600", "-mgmt", str(run / f"mgmt-{segment}")]
    child = process.start(command, owner=owner, role=f"{ROLE}:{segment}", log=log)
    child.wait()
    deadline = time.monotonic() + 5
    while not (folder / "ctl").exists():
        if child.returncode != 0 or time.monotonic() > deadline:
            raise LabError(f"the hub of segment {segment} did not start:\n{last_lines(log)}")
        time.sleep(0.02)
