# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives in cpio's "newc" form, the one that Linux unpacks at boot. Pure."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True)
class File:
    """A file's content and mode."""

    content: bytes
    mode: int = 0o644


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    target: str


def archive(entries: Mapping[str, File | Link]) -> bytes:
    """All entries, by path, with their folders; a multiple of 4 bytes, so they concatenate."""
    output = bytearray()
    made: set[PurePosixPath] = set()
    number = 0
    for name in sorted(entries):
        path = PurePosixPath(name.lstrip("/"))
        for folder in [*reversed(path.parents)][1:]:
            if folder not in made:
                made.add(folder)
                number += 1
                output += _record(number, str(folder), stat.S_IFDIR | _folder_mode(folder), b"")
        entry = entries[name]
        number += 1
        if isinstance(entry, Link):
            output += _record(number, str(path), stat.S_IFLNK | 0o777, entry.target.encode())
        else:
            output += _record(number, str(path), stat.S_IFREG | entry.mode, entry.content)
    return bytes(output + _record(0, "TRAILER!!!", 0, b""))


def _folder_mode(folder: PurePosixPath) -> int:
    private = folder.name in ("root", ".ssh")
    return 0o700 if private else 0o755


def _record(inode: int, name: str, mode: int, content: bytes) -> bytes:
    path = name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (inode, mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(path), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(header + path) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
