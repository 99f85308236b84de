# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit tests, on the main interpreter and on the others that a target may have."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import ansible

from tools import env
from tools.checkout import cache
from tools.env import ROOT
from tools.process import run as run_command
from tools.process import say
from tools.results import FAILED, Counts, of_run, read_junit

TARGET_VERSIONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")

# What never runs on a target needs the main interpreter only.
MAIN_ONLY = ("tests/unit/controller", "tests/unit/lab", "tests/unit/tools", "tests/unit/wire")


def main_version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def ansible_folder() -> Path:
    """A folder with the main environment's ``ansible`` package and nothing else of it.

    Its module_utils support every Python that a target may have; ansible-core as a whole does not.
    """
    package = Path(ansible.__path__[0]).resolve()
    folder = cache() / "ansible-package" / env.venv_name(Path(sys.executable), bytes(package))
    link = folder / "ansible"
    if not link.exists():
        folder.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(package)
    return folder


def run_pytest(python: Path, options: list[str], environ: Mapping[str, str]) -> Counts:
    with tempfile.TemporaryDirectory(prefix="lvs.cluster.") as folder:
        junit = Path(folder) / "unit.xml"
        words = [str(python), "-m", "pytest", "tests/unit", "-q", f"--junit-xml={junit}", *options]
        return of_run(run_command(words, environ=environ), read_junit(junit))


def run_other(version: str, python: Path) -> Counts:
    """The plugins' tests on another interpreter, in a virtual environment of its own."""
    try:
        virtual = env.venv(cache(), python, ROOT / "requirements" / "unit.txt")
    except env.EnvironmentProblem as problem:
        say(f"unit: Python {version}: {problem}")
        return FAILED
    # scapy and the like are not there, and neither is what is not for targets.
    path = [str(ROOT), str(env.collections_folder(cache())), str(ansible_folder())]
    ignored = [f"--ignore={folder}" for folder in MAIN_ONLY]
    environ = {"PYTHONPATH": os.pathsep.join(path), "LVS_HYPOTHESIS": "few"}
    return run_pytest(virtual / "bin" / "python", ignored, environ)


def run(notes: list[str]) -> Counts:
    """What there is time for every day: the main interpreter, and the oldest that a target may have."""
    say(f"unit: Python {main_version()}")
    return run_pytest(Path(sys.executable), [], {}) + _run_others(TARGET_VERSIONS[:1], notes)


def run_newer(notes: list[str]) -> Counts:
    """The other interpreters that a target may have."""
    return _run_others(TARGET_VERSIONS[1:], notes)


def _run_others(versions: Sequence[str], notes: list[str]) -> Counts:
    counts, absent = Counts(), []
    for version in versions:
        if version == main_version():
            continue
        python = env.find_interpreter(version, os.environ)
        if python is None:
            absent.append(version)
            continue
        say(f"unit: Python {version}, without {', '.join(MAIN_ONLY)}, which are not for targets")
        counts += run_other(version, python)
    if absent:
        notes.append(f"not on this machine, so skipped: Python {', '.join(absent)}")
        say(f"unit: {notes[-1]}")
    return counts
