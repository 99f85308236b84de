# SPDX-License-Identifier: GPL-3.0-or-later
"""Telling a machine the time."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from lab import clock
from lab.errors import LabError


class Guest(threading.Thread):
    """A machine's end of the serial port; it is deaf to the first ``deaf`` lines."""

    def __init__(self, path, deaf=0):
        super().__init__(daemon=True)
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(path))
        self.server.listen()
        self.deaf = deaf
        self.times = []
        self.start()

    def run(self):
        connection, _peer = self.server.accept()
        with connection, connection.makefile("rwb", buffering=0) as port:
            for line in port:
                if not line.strip():
                    continue
                self.times.append(float(line))
                if len(self.times) > self.deaf:
                    port.write(b"noise\r\n" + line)
        self.server.close()


def test_the_time_is_told(tmp_path):
    guest = Guest(tmp_path / "clock")
    clock.set_clock(tmp_path / "clock", seconds=5, check=lambda: None)
    assert abs(guest.times[0] - time.time()) < 5


def test_who_does_not_answer_is_told_again_and_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(clock, "_PATIENCE", 0.05)
    guest = Guest(tmp_path / "clock", deaf=2)
    clock.set_clock(tmp_path / "clock", seconds=5, check=lambda: None)
    assert len(guest.times) == 3
    assert guest.times[2] > guest.times[0]


def test_who_never_answers_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(clock, "_PATIENCE", 0.02)
    Guest(tmp_path / "clock", deaf=1000)
    with pytest.raises(LabError, match="no answer"):
        clock.set_clock(tmp_path / "clock", seconds=0.1, check=lambda: None)


def test_no_port_is_an_error(tmp_path):
    with pytest.raises(LabError, match="is gone"):
        clock.set_clock(tmp_path / "none", seconds=1, check=lambda: None)
