# SPDX-License-Identifier: GPL-3.0-or-later
"""Change conditions of the pure files at random, and count the changes that the unit tests notice.

``python -m tools.mutation [--number N] [--seed S] [--only PATH] [--log FILE]``. Each mutant changes one comparison, one
``and`` or ``or``, or one condition, in a copy of the checkout, and is judged by the unit tests of its folder. Survivors
are printed as they are in the source: a survivor that changes behaviour lacks a test. What is found goes to the log at
once; begun again with the same files, it goes on where it was.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tools.checkout import cache, collection_copy, root_of
from tools.env import ROOT
from tools.memory import state_of_files
from tools.process import say

_UTILS, _CONTROLLER = "plugins/module_utils", "plugins/plugin_utils"
# Pure files, and the tests that judge them. What talks to a kernel is judged inside the lab instead.
PURE = {
    f"{_UTILS}/engine.py": ("tests/unit/test_engine.py",),
    f"{_UTILS}/kinds.py": ("tests/unit/test_engine.py",),
    f"{_UTILS}/net.py": ("tests/unit/test_net.py",),
    f"{_UTILS}/host": ("tests/unit/host",),
    f"{_UTILS}/ipvs": ("tests/unit/ipvs",),
    f"{_UTILS}/kernel_module": ("tests/unit/kernel_module",),
    f"{_UTILS}/netfilter": ("tests/unit/netfilter",),
    f"{_UTILS}/network": ("tests/unit/network",),
    f"{_UTILS}/sysctl": ("tests/unit/sysctl",),
    f"{_CONTROLLER}/cluster": ("tests/unit/controller/cluster",),
}
# Those that do I/O, or decide nothing but when it is done.
IO = {
    f"{_UTILS}/{name}.py"
    for name in (
        "host/commands",
        "host/netns",
        "host/proc",
        "host/rollback",
        "host/session",
        "ipvs/kind",
        "ipvs/netlink",
        "kernel_module/kind",
        "kernel_module/modprobe",
        "netfilter/iptables",
        "netfilter/kind",
        "network/devices",
        "network/iproute",
        "network/kinds",
        "network/request",
        "network/rtnl",
        "network/wire",
        "sysctl/kind",
    )
}
_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}


@dataclass(frozen=True)
class Mutant:
    """:ivar number: which of the file's changeable nodes, in the order of walking."""

    path: Path
    number: int
    tests: tuple[str, ...]


def changeable(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Every node that can be changed, and how."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            yield node, "compare"
        elif isinstance(node, ast.BoolOp):
            yield node, "boolean"
        elif isinstance(node, (ast.If, ast.IfExp, ast.While)):
            yield node, "condition"


def mutated(source: str, number: int) -> tuple[str, int, str]:
    """The source with one change, the line that is changed, and the line's new text."""
    tree = ast.parse(source)
    node, how = list(changeable(tree))[number]
    if how == "compare" and isinstance(node, ast.Compare):
        node.ops = [_OPPOSITE[type(node.ops[0])]()]
    elif how == "boolean" and isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    elif isinstance(node, (ast.If, ast.IfExp, ast.While)):
        node.test = ast.UnaryOp(ast.Not(), node.test)
    shown = ast.unparse(node).splitlines()[0]
    return ast.unparse(ast.fix_missing_locations(tree)), getattr(node, "lineno", 0), shown


def candidates() -> list[Mutant]:
    found = []
    for name, tests in PURE.items():
        path = ROOT / name
        files = [path] if path.is_file() else sorted(path.glob("*.py"))
        for file in files:
            relative = file.relative_to(ROOT)
            if str(relative) in IO:
                continue
            count = sum(1 for _each in changeable(ast.parse(file.read_text())))
            found += [Mutant(relative, number, tests) for number in range(count)]
    return found


def survives(copy: Path, mutant: Mutant) -> str:
    """What was changed, where no test has noticed; else nothing."""
    target = copy / mutant.path
    source = target.read_text()
    text, line, shown = mutated(source, mutant.number)
    target.write_text(text)
    try:
        noticed = _judge(copy, mutant.tests).returncode != 0
    except subprocess.TimeoutExpired:
        noticed = True
    finally:
        target.write_text(source)
    return "" if noticed else f"{mutant.path}:{line}: {shown}"


def _judge(copy: Path, tests: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    path = os.pathsep.join([str(copy), str(root_of(copy))])
    environ = {
        **os.environ,
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_ADDOPTS": "",
    }
    return subprocess.run(
        words, cwd=copy, env=environ, capture_output=True, timeout=300, check=False
    )


class Log:
    """What has been found of mutants, one JSON object a line, so that an interrupted run can go on.

    :ivar found: by mutant, what has survived, or nothing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: dict[tuple[str, int], str] = {}
        self._lock = threading.Lock()
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                entry = json.loads(line)
                self.found[entry["path"], entry["number"]] = entry["survived"]

    def of(self, mutant: Mutant) -> str | None:
        """What has survived of it; nothing where it was noticed, None where it was not judged."""
        return self.found.get((str(mutant.path), mutant.number))

    def add(self, mutant: Mutant, survived: str) -> None:
        """Remember it, and write it down at once."""
        entry = {"path": str(mutant.path), "number": mutant.number, "survived": survived}
        with self._lock:
            self.found[str(mutant.path), mutant.number] = survived
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")


def failing(copy: Path, mutants: Sequence[Mutant]) -> Mapping[tuple[str, ...], bytes]:
    """The tests that fail without any change, and so judge nothing, with what they print."""
    done = {tests: _judge(copy, tests) for tests in sorted({mutant.tests for mutant in mutants})}
    return {tests: each.stdout for tests, each in done.items() if each.returncode}


def judge_all(mutants: Sequence[Mutant], log: Log) -> None:
    """Judge those that have not been, two at a time, each in a copy of its own."""
    waiting = [mutant for mutant in mutants if log.of(mutant) is None]

    def judge(copy: Path, part: Sequence[Mutant]) -> None:
        for mutant in part:
            log.add(mutant, survives(copy, mutant))

    with collection_copy() as one, collection_copy() as two, ThreadPoolExecutor(2) as pool:
        for _done in pool.map(judge, (one, two), (waiting[::2], waiting[1::2])):
            pass


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.mutation", description=__doc__)
    parser.add_argument("--number", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="files whose path holds this")
    parser.add_argument("--log", type=Path, help="the log (default: one in the cache)")
    given = parser.parse_args(arguments)
    found = [mutant for mutant in candidates() if given.only in str(mutant.path)]
    chosen = random.Random(given.seed).sample(found, min(given.number, len(found)))
    if not chosen:
        parser.error(f"nothing can be changed in files whose path holds {given.only!r}")
    log = Log(given.log or cache() / "mutation" / f"{state_of_files()}.jsonl")
    known = sum(log.of(mutant) is not None for mutant in chosen)
    say(f"{len(chosen)} of {len(found)} mutants, {known} of them judged before; log: {log.path}")
    with collection_copy() as copy:
        broken = failing(copy, [mutant for mutant in chosen if log.of(mutant) is None])
    for tests, output in broken.items():
        say(output.decode(errors="replace"))
        say(f"the tests in {', '.join(tests)} fail without any change, and so judge nothing")
    if broken:
        return 1
    judge_all(chosen, log)
    survivors = sorted(text for text in map(log.of, chosen) if text)
    for text in survivors:
        say(f"survived: {text}")
    killed = len(chosen) - len(survivors)
    say(f"{killed} of {len(chosen)} mutants killed ({killed * 100 / len(chosen):.0f} %)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
