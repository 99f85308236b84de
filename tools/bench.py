# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure ipvs_table against ipvsadm, in one machine and one run: seconds, and the machine's instructions."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lab import Lab
from lab.progress import Progress
from tests.kernel.__main__ import NODE, TARGET, payload
from tools.process import say

NAME = "bench"


@dataclass(frozen=True)
class Measurement:
    """The best of some rounds: seconds of the host, instructions of the machine."""

    seconds: float
    instructions: float


Key = tuple[int, str]


def collect(events: Iterable[tuple[float, Mapping[str, object]]]) -> dict[Key, Measurement]:
    """What the machine has said, with the time at which it said it, as the best of each measurement.

    A processor second of the machine is 10^9 instructions.
    """
    found: dict[Key, Measurement] = {}
    began = 0.0
    for moment, event in events:
        if event["event"] == "begin":
            began = moment
            continue
        size = event["size"]
        assert isinstance(size, list)
        key = (int(size[0]), str(event["what"]))
        used = event["processor_seconds"]
        assert isinstance(used, float)
        best = found.get(key, Measurement(float("inf"), float("inf")))
        found[key] = Measurement(min(best.seconds, moment - began), min(best.instructions, used))
    return found


PAIRS = (
    ("load", "ipvs_table, load", "ipvsadm -R"),
    ("no change", "ipvs_table, no change", "ipvsadm -Sn"),
)


def rows(found: Mapping[Key, Measurement]) -> list[list[str]]:
    """The table: each of ours against its peer; and without what any Python needs to start."""
    table = [
        ["services x real servers", "what", "ours", "ipvsadm", "ratio", "without start", "ratio"]
    ]
    for number in sorted({key[0] for key in found}):
        start = found[number, "start"]
        for what, ours, peer in PAIRS:
            one, other = found[number, ours], found[number, peer]
            table.append(_row(number, f"{what}, s", one.seconds, other.seconds, start.seconds))
            table.append(
                _row(
                    number,
                    f"{what}, 10^9 instructions",
                    one.instructions,
                    other.instructions,
                    start.instructions,
                )
            )
    return table


def _row(number: int, what: str, ours: float, peer: float, start: float) -> list[str]:
    pure = ours - start
    return [
        f"{number} x 10",
        what,
        f"{ours:.2f}",
        f"{peer:.2f}",
        f"{ours / peer:.2f}",
        f"{pure:.2f}",
        f"{pure / peer:.2f}",
    ]


def markdown(table: Sequence[Sequence[str]]) -> str:
    head, *body = table
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> int:
    progress = Progress()
    left_over = Lab.find(NAME)
    if left_over:
        left_over.down(progress)
    lab = Lab.up("kernel", name=NAME, accel="icount", progress=progress)
    try:
        lab.push(NODE, payload(("bench",)), TARGET)
        return measure(lab)
    finally:
        lab.down(progress)


def measure(lab: Lab) -> int:
    command = ["env", f"PYTHONPATH={TARGET}", "python3", "-m", "tests.bench.guest"]
    line = [*lab.ssh_command(NODE), shlex.join(command)]
    events = []
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for text in process.stdout:
            event = json.loads(text)
            events.append((time.monotonic(), event))
            if event["event"] == "end":
                say(f"{event['size'][0]} x {event['size'][1]}: {event['what']}")
    if process.returncode:
        say("bench: a measurement failed")
        return 1
    say("\n" + markdown(rows(collect(events))))
    say(
        "\nBest of three rounds. 'ratio' below 1 means that ours is faster. Seconds are those of an emulated machine."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
