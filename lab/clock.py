# SPDX-License-Identifier: GPL-3.0-or-later
"""A restored machine's clock: telling it the time also shows, in no time, that it lives again.

A new SSH connection would do as well, but costs an emulated machine a second or more.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from pathlib import Path

from lab.errors import LabError

_PATIENCE = 2.0


def set_clock(path: Path, *, seconds: float, check: Callable[[], None]) -> None:
    """Set a machine's clock through its second serial port; ``check`` may raise to give up."""
    deadline = time.monotonic() + seconds
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as port:
        try:
            port.connect(str(path))
            port.settimeout(_PATIENCE)
            while time.monotonic() < deadline:
                check()
                now = f"{time.time():.3f}".encode()
                port.sendall(b"\n" + now + b"\n")
                if _answered(port, now):
                    return
        except OSError as error:
            raise LabError(f"the serial port {path} is gone: {error}") from None
    raise LabError(f"no answer to the time within {seconds:.0f} s")


def _answered(port: socket.socket, now: bytes) -> bool:
    """Whether this very time comes back; what answers to an earlier one is passed over."""
    received = b""
    with contextlib.suppress(TimeoutError):
        while data := port.recv(4096):
            received += data
            if now in received.replace(b"\r", b"\n").split(b"\n")[:-1]:
                return True
    return False
