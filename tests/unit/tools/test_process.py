# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that run beside this process."""

from __future__ import annotations

import sys
import time

from tools.process import begin


def test_what_it_prints_is_shown_when_asked_for(tmp_path, capsys):
    program = (
        "import sys, time; print('first', flush=True); time.sleep(0.3); print('last'); sys.exit(3)"
    )
    begun = begin([sys.executable, "-c", program], tmp_path / "output", environ={"A": tmp_path})
    capsys.readouterr()
    time.sleep(0.2)
    assert capsys.readouterr().out == ""
    assert begun.show() == 3
    assert capsys.readouterr().out == "first\nlast\n"


def test_it_is_ended_with_what_it_has_started(tmp_path):
    begun = begin(["sh", "-c", "sleep 60 & wait"], tmp_path / "output")
    time.sleep(0.2)
    began = time.monotonic()
    begun.end()
    assert begun.process.poll() is not None
    assert time.monotonic() - began < 10
    begun.end()
