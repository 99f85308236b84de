# SPDX-License-Identifier: GPL-3.0-or-later
"""KVM or TCG: decided by a timed boot, since ``/dev/kvm`` may exist and hang a kernel for ever."""

from __future__ import annotations

import json
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

from lab import process
from lab.cache import discard, locked, make_key, write_atomically
from lab.errors import LabError
from lab.host import qemu_version
from lab.image import Image
from lab.kernel import PROBE_COMMAND_LINE, initramfs
from lab.progress import Progress

CHOICES = ("auto", "kvm", "tcg", "icount")
_SIGN = b"lvs-lab: the kernel runs"
_PATIENCE = 12.0
_KVM = Path("/dev/kvm")


@dataclass(frozen=True)
class Accelerator:
    """A way to run a machine's instructions."""

    name: str

    @property
    def arguments(self) -> list[str]:
        if self.name == "kvm":
            return ["-accel", "kvm", "-cpu", "host"]
        if self.name == "icount":
            # The machine's clock counts its instructions, one a nanosecond.
            words = ["-icount", "shift=0"]
            return [*words, "-accel", "tcg,thread=single", "-cpu", "max"]
        return ["-accel", "tcg,thread=multi", "-cpu", "max"]

    @property
    def processor(self) -> str:
        """What a snapshot depends on beside QEMU: under KVM, the host's processor and kernel."""
        if self.name != "kvm":
            return ""
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
        kept = [line for line in lines if line.startswith(("model name", "flags", "microcode"))]
        return platform.release() + "\n".join(kept)


def choose(cache: Path, wanted: str, image: Image, progress: Progress) -> Accelerator:
    """The accelerator to use: as wanted, or KVM where it is proved to work."""
    if wanted in ("tcg", "icount"):
        return Accelerator(wanted)
    usable = os.access(_KVM, os.R_OK | os.W_OK)
    if not usable:
        if wanted == "kvm":
            raise LabError(f"{_KVM} cannot be opened; join its group (kvm), or use --accel tcg")
        return Accelerator("tcg")
    works = _kvm_works(cache, image, progress)
    if wanted == "kvm" and not works:
        raise LabError(
            f"a kernel under KVM did not start within {_PATIENCE:.0f} s; use --accel tcg, or "
            f"remove {cache / 'accel'} to try again"
        )
    return Accelerator("kvm" if works else "tcg")


def _kvm_works(cache: Path, image: Image, progress: Progress) -> bool:
    key = make_key(qemu=qemu_version(), host=platform.release())
    answer = cache / "accel" / f"{key}.json"
    with locked(cache / "accel" / ".lock"):
        if answer.exists():
            return bool(json.loads(answer.read_text())["kvm"])
        progress(f"trying KVM (for at most {_PATIENCE:.0f} s, once)")
        folder = cache / "accel" / "trial"
        discard(folder)
        folder.mkdir(parents=True)
        try:
            works = _trial(folder, image)
        finally:
            discard(folder)
        progress("KVM works" if works else "KVM does not work here: using TCG, which is slower")
        write_atomically(answer, json.dumps({"kvm": works}).encode())
        return works


def _trial(folder: Path, image: Image) -> bool:
    initrd = folder / "initrd"
    initrd.write_bytes(initramfs(image, {}))
    console = folder / "console"
    line = ["qemu-system-x86_64", "-machine", "pc", "-nodefaults", "-display", "none"]
    line += [*Accelerator("kvm").arguments, "-m", "256", "-no-reboot"]
    line += ["-kernel", str(image.vmlinuz), "-initrd", str(initrd)]
    line += ["-append", PROBE_COMMAND_LINE, "-serial", f"file:{console}"]
    child = process.start(line, owner=folder, role="trial", log=folder / "log")
    deadline = time.monotonic() + _PATIENCE
    try:
        while time.monotonic() < deadline:
            if console.exists() and _SIGN in console.read_bytes():
                return True
            if child.poll() is not None:
                return False
            time.sleep(0.1)
        return False
    finally:
        child.kill()
        child.wait()
