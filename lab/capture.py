# SPDX-License-Identifier: GPL-3.0-or-later
"""What a network card has seen since a moment, as a packet capture file's content."""

from __future__ import annotations

import struct
from pathlib import Path

_HEADER = 24
_RECORD = struct.Struct("=IIII")


class Capture:
    """A recording that began when this was made.

    If the machine has booted since, the earlier part is in a second file, which is read as well.
    """

    def __init__(self, path: Path, start: int | None = None) -> None:
        self._path = path
        self._start = max(_HEADER, self._size() if start is None else start)

    def read(self) -> bytes:
        """The file's header and all complete packets recorded since the beginning."""
        return self.header() + complete_records(self._since(self._start))

    def read_on(self) -> bytes:
        """The complete packets recorded since the beginning or the last such call; no header."""
        records = complete_records(self._since(self._start))
        self._start += len(records)
        return records

    def header(self) -> bytes:
        with self._path.open("rb") as file:
            return file.read(_HEADER)

    def _earlier(self) -> int:
        """Bytes of the earlier recording; without one, of a header alone."""
        earlier = _earlier(self._path)
        return earlier.stat().st_size if earlier.exists() else _HEADER

    def _size(self) -> int:
        return self._earlier() + self._path.stat().st_size - _HEADER

    def _since(self, start: int) -> bytes:
        """Both recordings as one, from a place in it."""
        size = self._earlier()
        found = b""
        if start < size:
            with _earlier(self._path).open("rb") as file:
                file.seek(start)
                found = file.read()
        with self._path.open("rb") as file:
            file.seek(_HEADER + max(0, start - size))
            return found + file.read()


def set_aside(path: Path) -> None:
    """Keep what was recorded, if anything was: another program is about to record from the beginning of this file."""
    if not path.exists() or path.stat().st_size <= _HEADER:
        return
    with path.open("r+b") as file, _earlier(path).open("ab") as kept:
        header = file.read(_HEADER)
        if not kept.tell():
            kept.write(header)
        kept.write(complete_records(file.read()))
        # Else both have it, until the other program begins.
        file.truncate(_HEADER)


def _earlier(path: Path) -> Path:
    return path.with_name(f"{path.name}.earlier")


def complete_records(data: bytes) -> bytes:
    """The data without a last packet that is still being written."""
    end = 0
    while end + _RECORD.size <= len(data):
        length = _RECORD.unpack_from(data, end)[2]
        if end + _RECORD.size + length > len(data):
            break
        end += _RECORD.size + length
    return data[:end]
