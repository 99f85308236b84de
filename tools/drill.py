# SPDX-License-Identifier: GPL-3.0-or-later
"""One drill of the scenario ha, or several, by name: ``python -m tools.drill [NAME...]``; without a name, all names."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence

from tools.env import ROOT
from tools.layers.molecule import COMMAND, DRILLS
from tools.process import run, say

_PREFIX = "test_"


def drills() -> dict[str, str]:
    """The name of each drill, to what it is about."""
    return {
        name: about
        for path in sorted((ROOT / "molecule" / DRILLS / "tests").glob(f"{_PREFIX}*.py"))
        for name, about in _tests(path.read_text())
    }


def _tests(source: str) -> Iterator[tuple[str, str]]:
    for each in ast.parse(source).body:
        if isinstance(each, ast.FunctionDef) and each.name.startswith(_PREFIX):
            about = (ast.get_docstring(each) or "").partition("\n")[0]
            yield each.name.removeprefix(_PREFIX), about


def main(arguments: Sequence[str] | None = None) -> int:
    names = list(sys.argv[1:] if arguments is None else arguments)
    known = drills()
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        for name, about in known.items():
            say(f"{name}\n    {about}" if about else name)
        if unknown:
            say(f"There is no drill {', '.join(unknown)}; use one of these.")
        return 2 if unknown else 0
    return run([*COMMAND, DRILLS], environ={"LVS_TESTS": " ".join(names), "LVS_REBOOT": "false"})


if __name__ == "__main__":
    sys.exit(main())
