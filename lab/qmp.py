# SPDX-License-Identifier: GPL-3.0-or-later
"""Talking to a running QEMU."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from qemu.qmp import QMPClient, QMPError

from lab.errors import LabError

# Why a machine has ended (QEMU's ShutdownCause).
REBOOT = "guest-reset"


@contextlib.asynccontextmanager
async def _connected(client: QMPClient, socket: Path) -> AsyncIterator[None]:
    await client.connect(str(socket))
    try:
        yield
    finally:
        # "quit" closes the connection from the other side.
        with contextlib.suppress(QMPError, EOFError, OSError):
            await client.disconnect()


def execute(socket: Path, *commands: tuple[str, dict[str, Any]], timeout: float = 60.0) -> Any:
    """Run commands on a machine's control socket; returns the last one's answer."""

    async def talk() -> Any:
        client = QMPClient(socket.stem)
        answer: Any = None
        async with _connected(client, socket):
            for command, arguments in commands:
                answer = await client.execute(command, arguments or None)
        return answer

    try:
        return asyncio.run(asyncio.wait_for(talk(), timeout))
    except TimeoutError:  # before OSError, of which it is one
        raise LabError(f"QEMU has not answered on {socket} within {timeout:.0f} s") from None
    except (QMPError, OSError, EOFError) as error:
        reason = str(error) or type(error).__name__
        raise LabError(f"QEMU does not answer on {socket}: {reason}") from None


def monitor(socket: Path, line: str, timeout: float = 120.0) -> str:
    """Run a command of QEMU's human monitor; it answers with nothing where all went well."""
    answer = str(
        execute(socket, ("human-monitor-command", {"command-line": line}), timeout=timeout)
    ).strip()
    if answer:
        raise LabError(f"QEMU refused {line!r}: {answer}")
    return answer


def status(socket: Path) -> str:
    """``running``, ``paused``, ... in QEMU's words."""
    answer = execute(socket, ("query-status", {}), timeout=10.0)
    return str(answer["status"])


def quit_machine(socket: Path) -> None:
    execute(socket, ("quit", {}), timeout=10.0)


def wait_for_end(socket: Path) -> str:
    """Wait until QEMU ends, or its machine does.

    :return: why the machine has ended, in QEMU's words (``guest-reset``, ``guest-shutdown`` ...); empty where it has
        not, but QEMU has.
    """

    async def listen() -> str:
        client = QMPClient(socket.stem)
        # The listener comes first: QEMU tells each event once.
        with client.listener("SHUTDOWN") as listener:
            async with _connected(client, socket):
                status: Any = await client.execute("query-status")
                if status["status"] == "shutdown":
                    # That was before the connection, so the reason is unknown; most machines reboot.
                    return REBOOT
                heard = asyncio.create_task(listener.get())
                ended = asyncio.create_task(client.runstate_changed())
                await asyncio.wait((heard, ended), return_when=asyncio.FIRST_COMPLETED)
                ended.cancel()
                if not heard.done():
                    heard.cancel()
                    return ""
                event: Any = heard.result()
                return str(event["data"]["reason"])

    try:
        return asyncio.run(listen())
    except (QMPError, OSError, EOFError):
        return ""
