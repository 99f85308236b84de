# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configuration files of ours: what they shall hold, what that changes, and the writing itself.

A file of ours is written whole, and replaced in one step that survives a crash. What stands in its
place and is not ours is nobody's to overwrite: our names (``lvs.cluster`` in them) see to that.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable
from typing import Any, NamedTuple


class File(NamedTuple):
    """What shall be at a path.

    :ivar content: the whole text; for a link what it points at; None where nothing shall be there.
    :ivar mode: the permissions of a file.
    :ivar link: whether it is a symbolic link.
    """

    path: str
    content: str | None
    mode: int = 0o644
    link: bool = False


class Change(NamedTuple):
    """One file that is not as it shall be.

    :ivar before: what is there now, None where nothing is.
    """

    before: str | None
    wanted: File

    @property
    def diff(self) -> dict[str, Any]:
        """As Ansible shows it."""
        path, after = self.wanted.path, self.wanted.content
        return {
            "before_header": path if self.before is not None else f"{path} (absent)",
            "after_header": path if after is not None else f"{path} (absent)",
            "before": _shown(self.before, self.wanted.link),
            "after": _shown(after, self.wanted.link),
        }


def read(path: str) -> str | None:
    """What is at a path: a file's text, a link's target, None where there is nothing."""
    try:
        if os.path.islink(path):
            return os.readlink(path)
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except FileNotFoundError:
        return None


def changes(wanted: Iterable[File]) -> list[Change]:
    """What of the wanted is not so yet, in order. A look, which changes nothing."""
    found = ((read(file.path), file) for file in wanted)
    return [
        Change(before, file)
        for before, file in found
        if before != file.content or (before is not None and _is_odd(file))
    ]


def apply(todo: Iterable[Change]) -> None:
    """Carry changes out in order. A folder that is missing is made, one of ours that is left empty
    removed.

    :raises OSError: the file system refuses.
    """
    for change in todo:
        _put(change.wanted)


def remove(path: str) -> bool:
    """Remove a file, and the folders of ours that it leaves empty; whether it was there.

    Of several that remove it, one only is told that it was.
    """
    try:
        os.unlink(path)
        removed = True
    except FileNotFoundError:
        removed = False
    folder = os.path.dirname(path)
    # Only folders that bear our name, and those of drop-ins, are removed, and only empty ones.
    while "lvs.cluster" in folder or folder.endswith(".service.d"):
        try:
            os.rmdir(folder)
        except OSError:
            break
        folder = os.path.dirname(folder)
    return removed


def _is_odd(file: File) -> bool:
    """The content is right: whether kind or permissions are not."""
    status = os.lstat(file.path)
    if os.path.islink(file.path) != file.link:
        return True
    return not file.link and (status.st_mode & 0o7777) != file.mode


def _put(file: File) -> None:
    if file.content is None:
        remove(file.path)
        return
    folder = os.path.dirname(file.path)
    os.makedirs(folder, mode=0o755, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=".lvs.cluster.", dir=folder)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as out:
            if file.link:
                os.unlink(temporary)
                os.symlink(file.content, temporary)
            else:
                out.write(file.content)
                out.flush()
                os.fchmod(out.fileno(), file.mode)
                os.fsync(out.fileno())
        os.replace(temporary, file.path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    entry = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(entry)
    finally:
        os.close(entry)


def _shown(content: str | None, link: bool) -> str:
    if content is None:
        return ""
    return f"-> {content}\n" if link else content
