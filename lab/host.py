# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's programs: where they are, which package has them, and how they are run."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from lab.errors import LabError

# An unprivileged user's PATH often lacks the sbin folders, and a bare environment has none at all.
_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")

_PACKAGES = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mmdebstrap": "mmdebstrap",
    "vde_switch": "vde2",
    "mkfs.ext4": "e2fsprogs",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "newuidmap": "uidmap",
}


def search_path() -> str:
    """The PATH of this process, completed by the usual folders."""
    given = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    return os.pathsep.join(dict.fromkeys([*given, *_FOLDERS]))


def find(name: str) -> str | None:
    return shutil.which(name, path=search_path())


def tool(name: str) -> str:
    """The full path of a program that the lab cannot do without."""
    path = find(name)
    if path is None:
        package = _PACKAGES.get(name, name)
        raise LabError(f"{name} is not installed; install the package {package}")
    return path


def home() -> Path:
    """The user's home, also where the environment does not say."""
    return Path(os.environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """What programs are started with: a complete PATH, a HOME and plain English messages."""
    return {
        **os.environ,
        "PATH": search_path(),
        "HOME": str(home()),
        "LC_ALL": "C.UTF-8",
        **(extra or {}),
    }


def run(command: Sequence[str]) -> str:
    """Run a program that has to succeed, and return what it printed."""
    done = subprocess.run(
        [tool(command[0]), *command[1:]],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise LabError(f"{command[0]} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


@lru_cache(maxsize=1)
def qemu_version() -> str:
    """QEMU's version with its package's revision: snapshots are good for one of these only."""
    return run(["qemu-system-x86_64", "--version"]).splitlines()[0].strip()


def last_lines(path: Path, count: int = 20) -> str:
    """The end of a log, for an error message."""
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return "(nothing was written)"
    lines = [line.rstrip() for line in text.replace("\r", "").splitlines() if line.strip()]
    return "\n".join(lines[-count:]) or "(nothing was written)"
