# SPDX-License-Identifier: GPL-3.0-or-later
"""mypy over everything that is typed."""

from __future__ import annotations

from tools.checkout import cache
from tools.env import collections_folder
from tools.process import run as run_command
from tools.results import Counts, outcome, total

# Each part is one run, as the name that its modules are imported by.
PARTS = (
    ("-p", "ansible_collections.lvs.cluster.plugins.module_utils"),
    ("-p", "ansible_collections.lvs.cluster.plugins.plugin_utils"),
    ("-p", "lab"),
    ("-p", "tools"),
)


def run_part(flag: str, name: str) -> Counts:
    # mypy reads no PYTHONPATH; the collection's modules are known by their full name.
    path = {"MYPYPATH": collections_folder(cache())}
    return outcome(run_command(["mypy", "--strict", flag, name], environ=path))


def run(_notes: list[str]) -> Counts:
    return total(run_part(*part) for part in PARTS)
