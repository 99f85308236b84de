# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration: a director, two real servers and a client, out of examples/quickstart."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from tools.checkout import cache
from tools.env import ROOT
from tools.process import capture, run, say

LAB = (sys.executable, "-m", "lab", "--name", "demo")
EXAMPLE = ROOT / "examples" / "quickstart" / "inventory"
PLAYBOOK = ROOT / "playbooks" / "site.yml"
URL = "http://170.210.122.104/"
REQUESTS = 6
# IPVS adds its counters up every two seconds.
COUNTING_SECONDS = 3


class DemoError(Exception):
    """Why the demonstration did not show what it should."""


def changes(recap: str) -> dict[str, int]:
    """How many changes Ansible's recap reports, by host."""
    return {
        host: int(changed)
        for host, changed in re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", recap, re.MULTILINE)
    }


def check_in_turn(answers: Sequence[str]) -> None:
    """Two real servers, one after the other, for as long as there were requests."""
    names = sorted(set(answers))
    if len(names) != 2:
        raise DemoError(f"two real servers should have answered, and it was {names or 'none'}")
    if any(one == other for one, other in pairwise(answers)):
        raise DemoError(f"the real servers did not answer in turn: {', '.join(answers)}")


def on(node: str, *words: str) -> str:
    """Run a command on a machine of the lab; what it prints."""
    try:
        return capture([*LAB, "ssh", node, *words]).strip()
    except subprocess.CalledProcessError as error:
        raise DemoError(f"on {node}, this failed: {' '.join(words)}") from error


def play(inventory: Path) -> dict[str, int]:
    """Bring the machines to what the description says; the changes."""
    lines: list[str] = []
    # The machines come last: how they are reached overrides what the description says of that.
    words = ["ansible-playbook", "-i", str(EXAMPLE), "-i", str(inventory), str(PLAYBOOK)]
    if run(words, each_line=lines.append):
        raise DemoError("the playbook failed")
    found = changes("\n".join(lines))
    if not found:
        raise DemoError("the playbook ran on no host")
    return found


def bring_up() -> Path:
    """The machines; the result is their inventory."""
    say("\n# Machines: a director, two real servers, a client. The first time takes minutes.")
    if run([*LAB, "up", "quickstart"]):
        raise DemoError("the lab did not come up")
    inventory = cache() / "demo" / "machines.yml"
    inventory.parent.mkdir(parents=True, exist_ok=True)
    inventory.write_text(capture([*LAB, "inventory"]), encoding="utf-8")
    return inventory


def show_answers() -> None:
    say(f"\n# Six requests of the client to {URL}, which is the director")
    answers = []
    for number in range(1, REQUESTS + 1):
        answers.append(on("client", "curl", "--silent", "--fail", "--max-time", "10", URL))
        say(f"request {number}: {answers[-1]}")
    check_in_turn(answers)


def up() -> None:
    inventory = bring_up()
    say("\n# The description in examples/quickstart, applied")
    play(inventory)
    say("\n# Once more: nothing changes")
    again = play(inventory)
    if any(again.values()):
        raise DemoError(f"the second run changed something: {again}")
    show_answers()
    say("\n# What the director counted")
    time.sleep(COUNTING_SECONDS)
    say(on("director", "ipvsadm", "-L", "-n", "--stats"))
    say(
        "\n# Have a look around, change the description and apply it again; all of it stays up.\n"
        "log in:     make demo-ssh NODE=director      (or rs1, rs2, client)\n"
        "apply:      python3 tools/env.py ansible-playbook "
        f"-i {EXAMPLE.relative_to(ROOT)} -i {inventory} {PLAYBOOK.relative_to(ROOT)}\n"
        "tear down:  make demo-down"
    )


def main(arguments: Sequence[str]) -> int:
    if list(arguments) == ["down"]:
        return run([*LAB, "down"])
    if list(arguments) not in ([], ["up"]):
        print("usage: python -m tools.demo [up | down]", file=sys.stderr)
        return 2
    try:
        up()
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted; make demo-down takes the machines down", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
