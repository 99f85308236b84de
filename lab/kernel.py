# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine boots with: the image's kernel, and an initramfs that ends in the node's files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lab.cpio import File, Link, archive
from lab.image import Image

_INIT = Path(__file__).parent / "guest" / "init"

# The serial line is the console; network cards keep the kernel's names, eth0 and so on.
# Time jumps when a snapshot is loaded, which the kernel's watchdogs would take for a hang.
COMMAND_LINE = "console=ttyS0 quiet panic=-1 net.ifnames=0 rw nowatchdog tsc=reliable"
COMMAND_LINE += " rcupdate.rcu_cpu_stall_suppress=1"
# An emulator translates a program's code once for each address at which it is loaded.
COMMAND_LINE += " norandmaps"
PROBE_COMMAND_LINE = "console=ttyS0 panic=-1 lvs-lab.probe"


def initramfs(image: Image, overlay: Mapping[str, File | Link]) -> bytes:
    """Two archives, one behind the other: the common one, and the node's."""
    common: dict[str, File | Link] = {
        "init": File(_INIT.read_bytes(), 0o755),
        "bin/sh": Link("busybox"),
        "bin/busybox": File((image.boot / "busybox").read_bytes(), 0o755),
    }
    for module in sorted((image.boot / "modules").iterdir()):
        common[f"modules/{module.name}"] = File(module.read_bytes())
    return archive(common) + archive(overlay)
