# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the layers of tests, cheap ones first, and sum up: ``python -m tools.test [LAYER...]``.

With ``--full``, also those that take too long for every day. A full run remembers which layers have
passed with just these files, and skips them when it is begun again.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tools.layers import kernel, lint, molecule, sanity, static, unit
from tools.memory import Memory
from tools.process import say
from tools.results import Counts, LayerResult, summary


@dataclass(frozen=True)
class Layer:
    name: str
    summary: str
    # Runs the tests. Notes, such as what was skipped and why, are repeated below the summary.
    run: Callable[[list[str]], Counts]


KERNEL = "kernel"
# The tests on the usual kernel, where they were begun beside the layers before them.
_begun: list[kernel.Tests] = []


def _kernel(_notes: list[str]) -> Counts:
    return _begun.pop().counts() if _begun else kernel.run_on(None)


LAYERS = (
    Layer("lint", "style, metadata, documentation, and the package that Galaxy gets", lint.run),
    Layer("types", "mypy --strict", static.run),
    Layer("sanity", "ansible-test sanity on every Python that a target may have", sanity.run),
    Layer("unit", "the pure parts on every Python that a target may have", unit.run),
    Layer(KERNEL, "the modules against a real IPVS, inside a machine of the lab", _kernel),
    Layer("molecule", "the roles against whole clusters of the lab", molecule.run),
)


def _whole(name: str) -> Layer:
    return Layer(
        f"molecule-{name}",
        f"the cluster {name}, with the reboots and changes that are not made every day",
        lambda _notes: molecule.run_scenario(name),
    )


FULL = (
    Layer("kernel-6.12", "the same on Debian 13's kernel", lambda _notes: kernel.run_on("trixie")),
    Layer("kernel-7.2", "the same on Debian 14's kernel", lambda _notes: kernel.run_on("forky")),
    *(_whole(name) for name in molecule.others()),
)


def run_layer(layer: Layer) -> LayerResult:
    say(f"=== {layer.name}: {layer.summary}")
    began = time.monotonic()
    notes: list[str] = []
    counts = layer.run(notes)
    result = LayerResult(layer.name, counts, time.monotonic() - began, notes)
    say(f"=== {layer.name}: {counts}, {result.seconds:.0f} s\n")
    return result


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    names = [layer.name for layer in LAYERS + FULL]
    parser = argparse.ArgumentParser(prog="python -m tools.test", description=__doc__)
    parser.add_argument(
        "layers", nargs="*", metavar="LAYER", help=f"{', '.join(names)} (default: all)"
    )
    parser.add_argument(
        "--fail-fast", action="store_true", help="stop after the first layer that fails"
    )
    parser.add_argument("--full", action="store_true", help="also the layers that take long")
    parser.add_argument(
        "--fresh", action="store_true", help="with --full: run what has passed already, too"
    )
    given = parser.parse_args(arguments)
    unknown = [name for name in given.layers if name not in names]
    if unknown:
        parser.error(f"no such layer: {', '.join(unknown)} (there are: {', '.join(names)})")
    signal.signal(signal.SIGTERM, _interrupt)
    results: list[LayerResult] = []
    memory = Memory.of_these_files() if given.full else None
    if memory and given.fresh:
        memory.forget()
    chosen = given.layers or names[: None if given.full else len(LAYERS)]
    known = bool(memory and memory.recall(KERNEL))
    try:
        if KERNEL in chosen and chosen != [KERNEL] and not known and not given.fail_fast:
            say("=== kernel: begun beside the others, shown in its turn")
            _begun.append(kernel.Tests())
        for layer in LAYERS + FULL:
            if layer.name not in chosen:
                continue
            earlier = memory.recall(layer.name) if memory else None
            if earlier:
                say(f"=== {layer.name}: has passed with these files: {earlier.counts}\n")
            results.append(earlier or run_layer(layer))
            if memory and results[-1].good:
                memory.keep(results[-1])
            if given.fail_fast and not results[-1].good:
                break
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    finally:
        for tests in _begun:
            tests.end()
    say(summary(results))
    return 0 if all(result.good for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
