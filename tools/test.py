# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the layers of tests, cheap ones first, and sum up: ``python -m tools.test [LAYER...]``."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tools.layers import kernel, lint, molecule, sanity, static, unit
from tools.process import say
from tools.results import Counts, LayerResult, summary


@dataclass(frozen=True)
class Layer:
    name: str
    summary: str
    # Runs the tests. Notes, such as what was skipped and why, are repeated below the summary.
    run: Callable[[list[str]], Counts]


LAYERS = (
    Layer("lint", "style, metadata, documentation, and the package that Galaxy gets", lint.run),
    Layer("types", "mypy --strict", static.run),
    Layer("sanity", "ansible-test sanity on every Python that a target may have", sanity.run),
    Layer("unit", "the pure parts on every Python that a target may have", unit.run),
    Layer("kernel", "the modules against a real IPVS, inside a machine of the lab", kernel.run),
    Layer("molecule", "the roles against whole clusters of the lab", molecule.run),
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
    names = [layer.name for layer in LAYERS]
    parser = argparse.ArgumentParser(prog="python -m tools.test", description=__doc__)
    parser.add_argument(
        "layers", nargs="*", metavar="LAYER", help=f"{', '.join(names)} (default: all)"
    )
    parser.add_argument(
        "--fail-fast", action="store_true", help="stop after the first layer that fails"
    )
    given = parser.parse_args(arguments)
    unknown = [name for name in given.layers if name not in names]
    if unknown:
        parser.error(f"no such layer: {', '.join(unknown)} (there are: {', '.join(names)})")
    signal.signal(signal.SIGTERM, _interrupt)
    results: list[LayerResult] = []
    try:
        for layer in LAYERS:
            if given.layers and layer.name not in given.layers:
                continue
            results.append(run_layer(layer))
            if given.fail_fast and not results[-1].good:
                break
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    say(summary(results))
    return 0 if all(result.good for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
