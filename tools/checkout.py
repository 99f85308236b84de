# SPDX-License-Identifier: GPL-3.0-or-later
"""The project's files, and copies of them where Ansible's tools want a collection to be."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tools.env import ROOT
from tools.process import capture


def files() -> list[Path]:
    """The project's files, those not yet added to git included, relative to the checkout."""
    listed = capture(
        # The checkout may belong to another user: root runs the tests of somebody's files.
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-coz", "--exclude-standard"]
    )
    names = sorted({Path(name) for name in listed.split("\0") if name})
    return [name for name in names if (ROOT / name).is_symlink() or (ROOT / name).is_file()]


def files_with(*suffixes: str) -> list[Path]:
    return [name for name in files() if name.suffix in suffixes]


def shell_files() -> list[Path]:
    """Shell scripts, by name or by their first line. What a link leads to is there by its own name."""
    own = [name for name in files() if not (ROOT / name).is_symlink()]
    return [name for name in own if name.suffix == ".sh" or _has_shell_shebang(ROOT / name)]


def _has_shell_shebang(path: Path) -> bool:
    with path.open("rb") as file:
        words = file.readline(80).split()
    if not words or not words[0].startswith(b"#!"):
        return False
    program = words[-1] if words[0].endswith(b"env") else words[0][2:]
    return program.rpartition(b"/")[2] in (b"sh", b"bash", b"dash")


@contextlib.contextmanager
def collection_copy() -> Iterator[Path]:
    """A copy whose path ends in ansible_collections/lvs/cluster, in a folder that git knows not of.

    ansible-test does not follow a link, and takes files that git ignores for none at all.
    """
    with tempfile.TemporaryDirectory(prefix="lvs.cluster.") as temporary:
        copy = Path(temporary) / "ansible_collections" / "lvs" / "cluster"
        for name in files():
            target = copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target, follow_symlinks=False)
        yield copy


def root_of(copy: Path) -> Path:
    """The folder for ANSIBLE_COLLECTIONS_PATH."""
    return copy.parents[2]


def cache() -> Path:
    return Path(os.environ["LVS_CACHE"])
