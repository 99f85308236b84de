# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends HTTP requests at an even rate and logs each: load.py LOG PER_SECOND SECONDS NAME=ADDRESS:PORT...

Services take turns. Each request is a connection of its own, begun when it is due, however long those before it take.
The log gets one JSON object a line: ``at``, when the request was begun (seconds since the epoch), ``service``,
``seconds`` until its end, and either ``answer``, the body, or ``failure``, the reason why there is none.
Ends after SECONDS, or on SIGTERM; requests that are under way are waited for.
"""

import asyncio
import itertools
import json
import os
import signal
import sys
import time

# Longer than TCP takes to repeat what was lost once or twice: what is late is slow, what never comes is a failure.
PATIENCE = 10.0
# After a pause of this machine itself, the requests of at most the last second are made up for.
ARREARS = 1.0


async def request(address, port):
    """The body of the answer.

    :raises OSError: the connection was refused or reset.
    :raises ValueError: the answer is not what was asked for.
    """
    host = f"[{address}]" if ":" in address else address
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(f"GET / HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        answer = (await reader.read()).decode("latin-1")
    finally:
        writer.transport.abort() if sys.exc_info()[0] else writer.close()
    head, separator, body = answer.partition("\r\n\r\n")
    if not separator:
        raise ValueError("the answer is cut off" if answer else "closed without an answer")
    status = head.split("\r\n")[0]
    if status.split()[1:2] != ["200"]:
        raise ValueError(status)
    return body.strip()


async def logged(service, address, port, log):
    """Make a request, and log what has come of it."""
    entry = {"at": time.time(), "service": service}
    began = time.monotonic()
    try:
        entry["answer"] = await asyncio.wait_for(request(address, port), PATIENCE)
    except asyncio.TimeoutError:  # noqa: UP041  (not yet the same on the client's Python 3.9)
        entry["failure"] = f"no answer within {PATIENCE:g} seconds"
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None)
        entry["failure"] = os.strerror(number) if number else str(error) or type(error).__name__
    entry["seconds"] = round(time.monotonic() - began, 3)
    log.write(json.dumps(entry) + "\n")
    log.flush()


async def main(path, per_second, seconds, services):
    """Begin requests until the time is up or SIGTERM comes, and wait for those that are under way."""
    ending = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    under_way = set()
    began = due = time.monotonic()
    with open(path, "w") as log:
        for name, address, port in itertools.cycle(services):
            if ending.is_set() or time.monotonic() - began > seconds:
                break
            task = asyncio.ensure_future(logged(name, address, port, log))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            due = max(due + 1 / per_second, time.monotonic() - ARREARS)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        await asyncio.gather(*under_way)


def service_of(text):
    """(name, address, port) of NAME=ADDRESS:PORT."""
    name, _sign, place = text.partition("=")
    address, _colon, port = place.rpartition(":")
    return name, address.strip("[]"), int(port)


if __name__ == "__main__":
    log_path, rate, limit, *places = sys.argv[1:]
    asyncio.run(main(log_path, float(rate), float(limit), [service_of(each) for each in places]))
