# SPDX-License-Identifier: GPL-3.0-or-later
"""Running commands: streamed, in a process group of their own, ended with this process."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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
        with _interruptible():
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


class Begun:
    """A command that runs beside this process, its output going to a file.

    :ivar process: the command, in a group of its own.
    """

    def __init__(self, process: subprocess.Popen[str], output: Path) -> None:
        self.process = process
        self._output = output

    def show(self) -> int:
        """Print what it has printed, and what it prints until its end; its exit code."""
        with self._output.open(errors="replace") as file:
            while True:
                code = self.process.poll()
                text = file.read()
                sys.stdout.write(text)
                sys.stdout.flush()
                if code is not None and not text:
                    return code
                time.sleep(0.2)

    def end(self) -> None:
        """End it, if it has not yet."""
        if self.process.poll() is None:
            end(self.process)


def begin(
    words: Sequence[str | Path], output: Path, *, environ: Mapping[str, str | Path] | None = None
) -> Begun:
    """Run a command beside this process."""
    line = [str(word) for word in words]
    announce([*line, "&"])
    complete = {**os.environ, **{name: str(value) for name, value in (environ or {}).items()}}
    with output.open("w") as file, _interruptible():
        process = subprocess.Popen(
            line,
            cwd=ROOT,
            env=complete,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )
    return Begun(process, output)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Start commands with SIGINT at its default, also where a shell started this process in the background.

    A shell has such a process ignore SIGINT, and every command would inherit that: ``end`` would then wait in vain.
    A handler is reset to the default in a new process; "ignored" is kept.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


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
