# SPDX-License-Identifier: GPL-3.0-or-later
"""One virtual machine: its QEMU command line, and starting it."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from lab import process, qmp, tsc
from lab.accel import Accelerator
from lab.errors import LabError
from lab.host import last_lines, run
from lab.kernel import COMMAND_LINE
from lab.topology import NodeSpec

SNAPSHOT = "booted"


@dataclass(frozen=True)
class Places:
    """Where one run of a machine has its files."""

    disk: Path
    kernel: Path
    initrd: Path
    socket: Path
    clock: Path
    console: Path
    log: Path
    captures: tuple[Path, ...] = ()
    hubs: tuple[Path, ...] = ()
    # Where its keeper hears that the machine reboots; a machine without one reboots by itself.
    events: Path | None = None


def hardware(node: NodeSpec, accelerator: Accelerator) -> list[str]:
    """What the guest sees of its machine: a snapshot fits this and nothing else."""
    arguments = ["-machine", "pc", "-nodefaults", "-display", "none", *accelerator.arguments]
    arguments += ["-smp", str(node.cpus), "-m", str(node.memory), "-append", COMMAND_LINE]
    arguments += ["-device", "virtio-blk-pci,drive=disk"]
    for number in range(len(node.nics) + 1):
        mac = f"52:54:00:4c:{number:02x}:{node.number:02x}"
        arguments += ["-device", f"virtio-net-pci,netdev=eth{number},mac={mac},romfile="]
    return arguments


def command(
    node: NodeSpec, accelerator: Accelerator, places: Places, port: int, *, restore: bool
) -> list[str]:
    """The whole command line. Without hubs, the cards are plugged into nothing."""
    forward = f"hostfwd=tcp:127.0.0.1:{port}-:22"
    line = ["qemu-system-x86_64", "-name", node.name, *hardware(node, accelerator)]
    khz = tsc.host_khz() if accelerator.name == "tcg" else None
    if khz:
        # Of two, the last counts. It is no part of what a snapshot depends on.
        line += ["-append", f"{COMMAND_LINE} tsc_early_khz={khz}"]
    line += ["-kernel", str(places.kernel), "-initrd", str(places.initrd)]
    line += ["-blockdev", f"driver=file,node-name=file,filename={_escaped(places.disk)}"]
    line += ["-blockdev", "driver=qcow2,node-name=disk,file=file,discard=unmap"]
    line += ["-netdev", f"user,id=eth0,restrict=on,ipv6=off,{forward}"]
    for number, _nic in enumerate(node.nics, 1):
        if places.hubs:
            hub, capture = places.hubs[number - 1], places.captures[number - 1]
            line += ["-netdev", f"vde,id=eth{number},sock={_escaped(hub)}"]
            dump = f"filter-dump,id=dump{number},netdev=eth{number},file={_escaped(capture)}"
            line += ["-object", dump]
        else:
            line += ["-netdev", f"hubport,id=eth{number},hubid={number}"]
    line += ["-chardev", f"file,id=console,path={_escaped(places.console)},append=on"]
    line += ["-chardev", f"socket,id=clock,path={_escaped(places.clock)},server=on,wait=off"]
    line += ["-serial", "chardev:console", "-serial", "chardev:clock"]
    line += ["-qmp", f"unix:{_escaped(places.socket)},server=on,wait=off"]
    if places.events:
        line += ["-qmp", f"unix:{_escaped(places.events)},server=on,wait=off"]
        line += ["-action", "reboot=shutdown,shutdown=pause"]
    if restore:
        line += ["-loadvm", SNAPSHOT]
    return line


def make_disk(path: Path, base: Path) -> None:
    """A disk that holds only what differs from the image's."""
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(base), str(path)])


def start(
    line: list[str], places: Places, *, owner: Path, role: str, seconds: float = 60.0
) -> subprocess.Popen[bytes]:
    """Start QEMU and wait until it takes commands, which is after a snapshot is loaded."""
    for path in (places.socket, places.clock, places.events):
        if path:
            path.unlink(missing_ok=True)
    child = process.start(line, owner=owner, role=role, log=places.log)
    deadline = time.monotonic() + seconds
    while True:
        if child.poll() is not None:
            raise LabError(f"QEMU of {role} ended at once:\n{last_lines(places.log)}")
        if places.socket.exists():
            try:
                qmp.status(places.socket)
                return child
            except LabError:
                if time.monotonic() > deadline:
                    raise
        elif time.monotonic() > deadline:
            child.kill()
            child.wait()
            raise LabError(f"QEMU of {role} does not start:\n{last_lines(places.log)}")
        time.sleep(0.05)


def _escaped(path: Path) -> str:
    """A path among QEMU's options, where a comma is doubled."""
    return os.fspath(path).replace(",", ",,")
