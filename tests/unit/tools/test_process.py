# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that run beside this process."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from tools.env import ROOT
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


IN_THE_BACKGROUND = """
import pathlib, signal, sys, time
from tools import process
assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
command = [sys.executable, "-c", "import time; print('line', flush=True); time.sleep(60)"]
began = time.monotonic()

def end_it(_line):
    raise RuntimeError

if sys.argv[1] == "begin":
    begun = process.begin(command, pathlib.Path(sys.argv[2]))
    time.sleep(0.5)
    begun.end()
else:
    try:
        process.run(command, each_line=end_it, show=False)
    except RuntimeError:
        pass
assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
print(time.monotonic() - began)
"""


@pytest.mark.parametrize("how", ["begin", "run"])
def test_it_is_ended_at_once_where_a_shell_has_this_process_ignore_sigint(tmp_path, how):
    """As a shell does with what it starts in the background, make test included."""
    words = [sys.executable, "-c", IN_THE_BACKGROUND, how, str(tmp_path / "output")]
    done = subprocess.run(
        ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.splitlines()[-1]) < 10
