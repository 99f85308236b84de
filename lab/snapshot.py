# SPDX-License-Identifier: GPL-3.0-or-later
"""Booted machines, kept: each node boots once, and from then on starts out of its snapshot."""

from __future__ import annotations

import json
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

from lab import cpio, machine, qmp
from lab.accel import Accelerator
from lab.cache import digest, make_key, publish
from lab.errors import LabError
from lab.host import last_lines, qemu_version
from lab.image import Image
from lab.kernel import initramfs
from lab.overlay import overlay
from lab.progress import Progress
from lab.ssh import KeyStore, Shell
from lab.topology import NodeSpec, Topology

BOOT_SECONDS = 400.0

# Once systemd has nothing left to start; then what tests use first is read from disk once, so
# that every restored machine has it in memory. Read, not run: ipvsadm would load ip_vs.
_SETTLE = """
systemctl is-system-running --wait; systemctl is-active --quiet lab-clock || exit 1
python3 -c 'import json, zipfile, zipimport, base64, subprocess, selectors, pyroute2.iproute'
cat /usr/sbin/ipvsadm /usr/sbin/nft /usr/sbin/xtables-nft-multi /usr/bin/curl > /dev/null
ip -br address; sync
""".strip().replace("\n", "; ")


@dataclass(frozen=True)
class Snapshot:
    """A booted machine: its disk, with its memory inside, and what it was booted with."""

    folder: Path

    @property
    def disk(self) -> Path:
        return self.folder / "disk.qcow2"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd"


class Booter:
    """Finds or makes the snapshots of a topology's nodes."""

    def __init__(
        self,
        *,
        cache: Path,
        run: Path,
        topology: Topology,
        image: Image,
        accelerator: Accelerator,
        progress: Progress,
    ) -> None:
        self._cache = cache
        self._run = run
        self._topology = topology
        self._image = image
        self._accelerator = accelerator
        self._progress = progress
        self._store = KeyStore(cache)
        self._shell = Shell(run)

    def ensure(self, node: NodeSpec, port: int, cancelled: threading.Event) -> Snapshot:
        files = overlay(self._topology, node, self._store.keys(node.name))
        key = make_key(
            qemu=qemu_version(),
            processor=self._accelerator.processor,
            hardware=machine.hardware(node, self._accelerator),
            image=self._image.identity,
            files=digest(cpio.archive(files)),
            init=digest(initramfs(self._image, {})),
            settle=_SETTLE,
        )
        entry = self._cache / "snapshots" / f"{node.name}-{key}"

        def build(folder: Path) -> None:
            (folder / "initrd").write_bytes(initramfs(self._image, files))
            self._boot(folder, node, port, cancelled)
            meta = {"node": node.name, "image": self._image.folder.name}
            (folder / "snapshot.json").write_text(json.dumps(meta) + "\n")

        return Snapshot(publish(entry, build))

    def _boot(self, folder: Path, node: NodeSpec, port: int, cancelled: threading.Event) -> None:
        self._progress(f"{node.name}: booting (once)")
        places = machine.Places(
            disk=folder / "disk.qcow2",
            kernel=self._image.vmlinuz,
            initrd=folder / "initrd",
            socket=self._run / f"{node.name}.boot",
            clock=self._run / f"{node.name}.boot-clock",
            console=folder / "console",
            log=folder / "qemu.log",
        )
        machine.make_disk(places.disk, self._image.disk)
        line = machine.command(node, self._accelerator, places, port, restore=False)
        child = machine.start(line, places, owner=folder, role=node.name)

        def check() -> None:
            if cancelled.is_set():
                raise LabError(f"{node.name}: given up")
            if child.poll() is not None:
                raise LabError(f"{node.name}: QEMU ended\n{last_lines(places.log)}")

        try:
            done = self._shell.wait(
                node.name,
                port,
                _SETTLE,
                seconds=BOOT_SECONDS,
                check=check,
                shared=False,
            )
            if done.returncode != 0:
                raise LabError(f"{node.name}: not as it should be after boot: {done.stderr}")
            state = done.stdout.split("\n", 1)[0]
            if state != "running":
                self._progress(f"{node.name}: systemd says {state!r}; see systemctl --failed there")
            qmp.monitor(places.socket, f"savevm {machine.SNAPSHOT}")
            qmp.quit_machine(places.socket)
            child.wait(30)
        except LabError as error:
            console = last_lines(places.console)
            raise LabError(f"{error}\nThe end of {node.name}'s console:\n{console}") from None
        except subprocess.TimeoutExpired:
            raise LabError(f"{node.name}: QEMU does not end") from None
        finally:
            child.kill()
            child.wait()
        self._progress(f"{node.name}: booted, snapshot taken")
