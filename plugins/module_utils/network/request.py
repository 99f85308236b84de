# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests to virtual services, as a client would make them: by a connection or by a command."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, NamedTuple

_AT_ONCE = 32
# What is kept of a command's errors, in bytes.
_COMPLAINT = 500


class Answer(NamedTuple):
    """What became of a request.

    :ivar problem: empty where it has succeeded.
    :ivar answered: whether the service has said anything; UDP does not tell silence from success.
    """

    problem: str
    seconds: float
    answered: bool = True


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _is_own(address: str) -> bool:
    """Whether the host itself has an address: then what it sends there comes from there. Sends nothing."""
    with socket.socket(_family(address), socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((address, 9))
        except OSError:
            return False
        return bool(sock.getsockname()[0] == address)


def connect(address: str, port: int, protocol: str, timeout: float) -> Answer:
    """Open a connection and close it; by UDP send an empty datagram, and see that it is not refused."""
    began = time.monotonic()
    if _is_own(address):
        problem = "the address is this host's own; make the request from another host"
        return Answer(problem, time.monotonic() - began)
    family = _family(address)
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    number = socket.IPPROTO_SCTP if protocol == "sctp" else 0
    problem, answered = "", True
    try:
        with socket.socket(family, kind, number) as peer:
            peer.settimeout(timeout)
            peer.connect((address, port))
            if protocol == "udp":
                peer.send(b"")
                peer.settimeout(min(timeout, 1.0))
                peer.recv(1)
    except socket.timeout:
        answered = False
        problem = "" if protocol == "udp" else f"no answer within {timeout:g} seconds"
    except OSError as error:
        problem = error.strerror or str(error)
    return Answer(problem, time.monotonic() - began, answered)


def command(text: str, timeout: float) -> Answer:
    """Run a command that makes a request. It and what it has started end when the time is up."""
    began = time.monotonic()
    problem = _command_problem(text, timeout)
    return Answer(problem, time.monotonic() - began)


def _command_problem(text: str, timeout: float) -> str:
    try:
        words = shlex.split(text)
    except ValueError as error:
        return f"the command can't be split into words: {error}"
    if not words:
        return "the command is empty"
    # Into a file: what the command leaves behind may keep a pipe open for ever.
    with tempfile.TemporaryFile() as errors:
        try:
            # run_command has no time limit, and would wait for what a command leaves behind.
            process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
                env={**os.environ, "LC_ALL": "C"},
            )
        except FileNotFoundError:
            return f"there is no command {words[0]} on this host"
        except OSError as error:
            return f"{words[0]}: {error.strerror or error}"
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return f"did not end within {timeout:g} seconds"
        if not code:
            return ""
        errors.seek(0)
        complaint = " ".join(errors.read(_COMPLAINT).decode("utf-8", "replace").split())
    if complaint:
        return complaint
    return f"exit code {code}" if code > 0 else f"ended by signal {-code}"


def all_at_once(requests: Sequence[Callable[[], Answer]]) -> list[Answer]:
    """Make many requests beside each other; their answers in the same order."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda request: request(), requests))
