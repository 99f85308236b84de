# SPDX-License-Identifier: GPL-3.0-or-later
"""Running commands: streamed, in a process group of their own, ended with this process."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tools.env import ROOT

_PATIENCE = ((signal.SIGINT, 20.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))


def say(text: str) -> None:
    print(text, flush=True)


def announce(words: Sequence[str]) -> None:
    """Show a command before it runs, as one would type it, without the noise of long paths."""
    text = shlex.join(words).replace(f"{ROOT}/", "")
    say(f"--- {text if len(text) <= 160 else text[:157] + '...'}")


def run(
    words: Sequence[str | Path],
    *,
    cwd: Path = ROOT,
    environ: Mapping[str, str | Path | None] | None = None,
    each_line: Callable[[str], None] | None = None,
    show: bool = True,
) -> int:
    """Run a command and return its exit code; what it prints is shown as it comes.

    ``environ`` changes the environment (None removes). ``each_line`` gets every line as well, or,
    without ``show``, instead.
    """
    line = [str(word) for word in words]
    announce(line)
    given = dict((environ or {}).items())
    complete = {name: value for name, value in os.environ.items() if name not in given}
    complete.update({name: str(value) for name, value in given.items() if value is not None})
    try:
        process = subprocess.Popen(
            line,
            cwd=cwd,
            env=complete,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if each_line else None,
            stderr=subprocess.STDOUT if each_line else None,
            text=True,
            errors="replace",
            process_group=0,
        )
    except OSError as error:
        say(f"cannot run {line[0]}: {error}")
        return 127
    try:
        if each_line and process.stdout:
            for text in process.stdout:
                if show:
                    sys.stdout.write(text)
                    sys.stdout.flush()
                each_line(text.rstrip("\n"))
        return process.wait()
    except BaseException:
        end(process)
        raise


def end(process: subprocess.Popen[str]) -> None:
    """End a command and what it started: politely, then less so."""
    for number, seconds in _PATIENCE:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            break
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def capture(words: Sequence[str | Path], *, cwd: Path = ROOT) -> str:
    """What a short command prints; an exception if it fails."""
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout
