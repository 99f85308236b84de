# SPDX-License-Identifier: GPL-3.0-or-later
"""What a network card has seen since a moment, as a packet capture file's content."""

from __future__ import annotations

import struct
from pathlib import Path

_HEADER = 24
_RECORD = struct.Struct("=IIII")


class Capture:
    """A recording that began when this was made."""

    def __init__(self, path: Path, start: int | None = None) -> None:
        self._path = path
        self._start = max(_HEADER, path.stat().st_size if start is None else start)

    def read(self) -> bytes:
        """The file's header and all complete packets recorded since the beginning."""
        with self._path.open("rb") as file:
            header = file.read(_HEADER)
            file.seek(self._start)
            return header + complete_records(file.read())

    def read_on(self) -> bytes:
        """The complete packets recorded since the beginning or the last such call; no header."""
        with self._path.open("rb") as file:
            file.seek(self._start)
            records = complete_records(file.read())
        self._start += len(records)
        return records

    def header(self) -> bytes:
        with self._path.open("rb") as file:
            return file.read(_HEADER)


def complete_records(data: bytes) -> bytes:
    """The data without a last packet that is still being written."""
    end = 0
    while end + _RECORD.size <= len(data):
        length = _RECORD.unpack_from(data, end)[2]
        if end + _RECORD.size + length > len(data):
            break
        end += _RECORD.size + length
    return data[:end]
