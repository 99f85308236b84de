# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from lab.accel import CHOICES
from lab.errors import LabError
from lab.host import environment
from lab.image import DEFAULT_KERNEL, RELEASES
from lab.instance import Lab, lab_names, take_down
from lab.progress import Progress
from lab.prune import prune

NOT_RUNNING = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the result is the exit code."""
    given = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return int(given.command(given))
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
        return 130


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lab",
        description="A laboratory of virtual machines with real kernels, described by a topology.",
        epilog="All of it runs without root and is cached; docs/lab.md tells more.",
    )
    _name_option(parser, os.environ.get("LVS_LAB_NAME"))
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    up = commands.add_parser(
        "up",
        help="bring a lab up",
        description="Bring a lab up. The first time builds an image and boots every machine; "
        "from then on the machines start out of snapshots, in seconds.",
    )
    up.add_argument(
        "topology",
        nargs="?",
        default="quickstart",
        help="a topology's name, or the path of its file (default: quickstart)",
    )
    up.add_argument(
        "--release",
        choices=RELEASES,
        default=os.environ.get("LVS_LAB_RELEASE", "bookworm"),
        help="the Debian release of image and kernel (default: $LVS_LAB_RELEASE, or bookworm)",
    )
    up.add_argument(
        "--kernel",
        metavar="PACKAGE",
        default=DEFAULT_KERNEL,
        help=f"the kernel's package in that release (default: {DEFAULT_KERNEL})",
    )
    up.add_argument(
        "--accel",
        choices=CHOICES,
        default="auto",
        help="how machines are run; auto tries KVM once and falls back to TCG; icount is TCG that "
        "counts instructions instead of time (default: auto)",
    )
    up.set_defaults(command=_up)

    _command(
        commands,
        "down",
        _down,
        "take a lab down",
        "Take a lab down, in whatever state it is. What was changed on its machines is gone.",
    )
    _command(
        commands,
        "reset",
        _reset,
        "set all machines back to just after boot",
        "Set all machines of a running lab back to the moment after boot, in seconds.",
    )
    _command(
        commands,
        "status",
        _status,
        "show a lab's machines",
        f"Show a lab's machines. The exit code is {NOT_RUNNING} where the lab is not running.",
    )

    for word, function, summary, description in (
        (
            "freeze",
            Lab.freeze,
            "stop a machine in the middle of what it does",
            "Stop a machine in the middle of what it does. It answers nothing, as if it were dead.",
        ),
        (
            "thaw",
            Lab.thaw,
            "let a frozen machine go on",
            "Let a frozen machine go on where it was.",
        ),
        (
            "crash",
            Lab.crash,
            "take a machine's power away and give it back",
            "Take a machine's power away and give it back: it boots without having shut down.",
        ),
    ):
        control = commands.add_parser(word, help=summary, description=description)
        control.add_argument("node", help="the machine's name")
        control.set_defaults(command=_control, control=function)

    ssh = commands.add_parser(
        "ssh",
        help="log in to a machine, or run a command on it",
        description="Log in to a machine as root, or run a command there and exit as it does. "
        "One word is a line for the machine's shell, several are passed on as they are. Options "
        "of the lab itself come before the machine's name.",
    )
    ssh.add_argument("node", help="the machine's name")
    ssh.add_argument("words", nargs=argparse.REMAINDER, metavar="CMD", help="the command")
    ssh.set_defaults(command=_ssh)

    _command(
        commands,
        "inventory",
        _inventory,
        "print the Ansible inventory",
        "Print the Ansible inventory of a running lab, as YAML.",
    )

    capture = commands.add_parser(
        "capture",
        help="record what a machine's network card sees",
        description="Record what a machine's card sees on its segment, from now until "
        "interrupted, as a packet capture; each packet is written as it is seen.",
    )
    capture.add_argument("node", help="the machine's name")
    capture.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="the file (default: standard output)"
    )
    capture.add_argument(
        "-i", "--interface", default="eth1", help="the card (default: eth1, the first)"
    )
    capture.add_argument(
        "--all", action="store_true", help="begin with what was seen since the lab came up"
    )
    capture.add_argument(
        "--seconds", type=float, help="stop by itself after this time (0: at once)"
    )
    capture.set_defaults(command=_capture)

    pruning = commands.add_parser(
        "prune",
        help="remove what is no longer of use from the cache",
        description="Remove images of outdated recipes, snapshots without an image, and "
        "whatever was not used for some time. Running labs keep what they use.",
    )
    pruning.add_argument(
        "--days", type=float, default=30.0, help="how long unused things are kept (default: 30)"
    )
    pruning.set_defaults(command=lambda given: prune(given.days, Progress()))
    for command in commands.choices.values():
        _name_option(command, argparse.SUPPRESS)  # before or behind the command, as one likes
    return parser


def _name_option(parser: argparse.ArgumentParser, default: str | None) -> None:
    parser.add_argument(
        "--name",
        default=default,
        help="the lab's name; default: $LVS_LAB_NAME, or the topology's name (quickstart)",
    )


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    function: object,
    summary: str,
    description: str,
) -> None:
    commands.add_parser(name, help=summary, description=description).set_defaults(command=function)


def _name(given: argparse.Namespace) -> str:
    """The lab meant: as told, else the only one there is, else the default one."""
    if given.name:
        return str(given.name)
    names = lab_names()
    return names[0] if len(names) == 1 else "quickstart"


def _up(given: argparse.Namespace) -> int:
    lab = Lab.up(
        given.topology,
        name=given.name,
        release=given.release,
        kernel=given.kernel,
        accel=given.accel,
        progress=Progress(),
    )
    print(f"lab: {lab.name}: {', '.join(lab.nodes)}", file=sys.stderr)
    return 0


def _down(given: argparse.Namespace) -> int:
    take_down(_name(given), Progress())
    return 0


def _reset(given: argparse.Namespace) -> int:
    lab = Lab.find(_name(given))
    if lab is None:
        Lab.open(_name(given))
        return NOT_RUNNING
    lab.reset(Progress())
    return 0


def _status(given: argparse.Namespace) -> int:
    name = _name(given)
    lab = Lab.find(name)
    if lab is None:
        others = [other for other in lab_names() if other != name]
        hint = f" (there is: {', '.join(others)})" if others else ""
        print(f"the lab {name} is not running{hint}")
        return NOT_RUNNING
    states = lab.states()
    settings = ", ".join(lab.setting(key) for key in ("release", "kernel_version", "accel"))
    complete = lab.setting("ready") == "True"
    print(f"lab {name}: {settings}{'' if complete else ' (never came up completely)'}")
    prefix = f"python -m lab --name {name} ssh"
    rows = [
        (node.name, states[node.name], f"{prefix} {node.name}", " ".join(node.addresses))
        for node in lab.nodes.values()
    ]
    rows.insert(0, ("NODE", "STATE", "SSH", "ADDRESSES"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
    return 0 if complete and "dead" not in states.values() else NOT_RUNNING


def _ssh(given: argparse.Namespace) -> int:
    line = Lab.open(_name(given)).ssh_command(given.node)
    if given.words:
        words = given.words[1:] if given.words[0] == "--" else given.words
        line.append(words[0] if len(words) == 1 else shlex.join(words))
    elif sys.stdin.isatty():
        line.insert(1, "-t")
    return subprocess.run(line, env=environment(), check=False).returncode


def _control(given: argparse.Namespace) -> int:
    given.control(Lab.open(_name(given)), given.node)
    return 0


def _inventory(given: argparse.Namespace) -> int:
    sys.stdout.write(Lab.open(_name(given)).inventory())
    return 0


def _capture(given: argparse.Namespace) -> int:
    lab = Lab.open(_name(given))
    capture = lab.capture(given.node, given.interface, since_start=given.all)
    with contextlib.ExitStack() as files:
        output = files.enter_context(given.output.open("wb")) if given.output else sys.stdout.buffer
        deadline = None if given.seconds is None else time.monotonic() + given.seconds
        try:
            output.write(capture.header())
            while True:
                last = deadline is not None and time.monotonic() >= deadline
                output.write(capture.read_on())
                output.flush()
                if last:
                    return 0
                time.sleep(0.1)
        except KeyboardInterrupt:
            output.write(capture.read_on())
            return 0
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
