# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the layers of tests, cheap ones first, and sum up: ``python -m tools.test [LAYER...]``.

With ``--full``, also those that take too long for every day. A full run remembers which layers have
passed with just the files that they read, and skips them when it is begun again.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tools.checkout import cache
from tools.layers import kernel, lint, molecule, sanity, static, unit
from tools.memory import Memory, state_of_files
from tools.process import say
from tools.results import Counts, LayerResult, summary


@dataclass(frozen=True)
class Layer:
    name: str
    summary: str
    # Runs the tests. Notes, such as what was skipped and why, are repeated below the summary.
    run: Callable[[list[str]], Counts]
    # Files and folders of the project that it does not read.
    unread: Sequence[str] = ()

    def state(self) -> str:
        """That of the files it reads."""
        return state_of_files(self.unread)


# Tests on the usual kernel that have begun beside the layers before theirs, by the Debian release; None for those of
# every day.
_begun: dict[str | None, kernel.Tests] = {}


def _on_a_kernel(release: str | None) -> Callable[[list[str]], Counts]:
    def run(_notes: list[str]) -> Counts:
        tests = _begun.pop(release, None)
        return tests.counts() if tests else kernel.run_on(release)

    return run


def _whole(name: str) -> Layer:
    return Layer(
        f"molecule-{name}",
        f"the cluster {name}, with all changes, failures and reboots",
        lambda _notes: molecule.run_scenario(name),
        molecule.unread_by(name),
    )


CHEAP = (
    Layer("lint", "style, metadata, documentation, and the package that Galaxy gets", lint.run),
    Layer("types", "mypy --strict", static.run),
    Layer("sanity", "ansible-test sanity on every Python that a target may have", sanity.run),
    Layer("unit", "the pure parts, also on the oldest Python that a target may have", unit.run),
)
# What there is time for every day.
USUAL = (
    *CHEAP,
    Layer(
        "kernel",
        "the modules against a real IPVS, inside machines of the lab",
        _on_a_kernel(None),
        kernel.UNREAD,
    ),
    Layer("molecule", "the roles on whole clusters of the lab", molecule.run, molecule.UNREAD),
)
# Everything.
FULL = (
    *CHEAP,
    Layer("unit-newer", "the pure parts on the other Pythons of targets", unit.run_newer),
    *(
        Layer(
            f"kernel-{version}",
            f"the modules against the IPVS of Debian {debian}",
            _on_a_kernel(release),
            kernel.UNREAD,
        )
        for version, debian, release in kernel.KERNELS
    ),
    *(_whole(name) for name in molecule.scenarios()),
    Layer(
        "molecule-ha-13",
        "two directors with the keepalived of Debian 13, and some failures",
        lambda _notes: molecule.run_scenario("ha", changes="some", release="trixie"),
        molecule.unread_by("ha"),
    ),
)


def run_layer(layer: Layer) -> LayerResult:
    say(f"=== {layer.name}: {layer.summary}")
    began = time.monotonic()
    notes: list[str] = []
    counts = layer.run(notes)
    result = LayerResult(layer.name, counts, time.monotonic() - began, notes)
    say(f"=== {layer.name}: {counts}, {result.seconds:.0f} s\n")
    return result


def _begin_kernel(names: Sequence[str]) -> None:
    """Where other layers come first, the tests on the usual kernel run beside them: its machines wait a lot."""
    usual, _debian, release = kernel.KERNELS[0]
    releases = {"kernel": None, f"kernel-{usual}": release}
    for name in names[1:]:
        if name in releases and not _begun:
            say(f"=== {name}: begun beside the others, shown in its turn")
            _begun[releases[name]] = kernel.Tests(releases[name])


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    layers = {layer.name: layer for layer in USUAL + FULL}
    parser = argparse.ArgumentParser(prog="python -m tools.test", description=__doc__)
    parser.add_argument(
        "layers",
        nargs="*",
        metavar="LAYER",
        help=f"{', '.join(layers)} (default: those of every day)",
    )
    parser.add_argument(
        "--fail-fast", action="store_true", help="stop after the first layer that fails"
    )
    parser.add_argument("--full", action="store_true", help="also the layers that take long")
    parser.add_argument(
        "--fresh", action="store_true", help="with --full: run what has passed already, too"
    )
    given = parser.parse_args(arguments)
    unknown = [name for name in given.layers if name not in layers]
    if unknown:
        parser.error(f"no such layer: {', '.join(unknown)} (there are: {', '.join(layers)})")
    signal.signal(signal.SIGTERM, _interrupt)
    chosen = [each for name, each in layers.items() if name in given.layers]
    chosen = chosen or list(FULL if given.full else USUAL)
    memory = Memory(cache() / "passed") if given.full else None
    states = {layer.name: layer.state() for layer in chosen if memory}
    if memory and given.fresh:
        for name, state in states.items():
            memory.forget(name, state)
    earlier = {name: memory.recall(name, state) for name, state in states.items() if memory}
    results: list[LayerResult] = []
    try:
        if not given.fail_fast:
            _begin_kernel([layer.name for layer in chosen if not earlier.get(layer.name)])
        for layer in chosen:
            passed = earlier.get(layer.name)
            if passed:
                say(f"=== {layer.name}: has passed with the files that it reads: {passed.counts}\n")
            results.append(passed or run_layer(layer))
            if memory and results[-1].good:
                memory.keep(results[-1], states[layer.name])
            if given.fail_fast and not results[-1].good:
                break
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    finally:
        for tests in _begun.values():
            tests.end()
    say(summary(results))
    return 0 if all(result.good for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
