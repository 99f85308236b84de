# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the tests of this folder inside a machine of the lab, against its real IPVS.

``python -m tests.kernel [pytest's words]``. The modules are called in process there, because starting
them one by one would cost most of the time. LVS_JUNIT names the file for the results (JUnit XML), and
LVS_LAB_RELEASE the Debian release whose kernel to use. LVS_LAB_KEEP=1 leaves the machine running.
LVS_KERNEL_PART=1/2 runs the first half of the test files, in a machine of its own.
"""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from lab import Lab
from lab.progress import Progress

# Another name lets two runs share one cache.
PART = os.environ.get("LVS_KERNEL_PART", "")
NAME = os.environ.get("LVS_KERNEL_LAB", "test-kernel" + (f"-{PART[0]}" if PART else ""))
NODE = "kernel"
TARGET = "/opt/lvs"
ROOT = Path(__file__).resolve().parents[2]
UNWANTED = {"__pycache__", "csharp", "powershell"}


def main(words: list[str]) -> int:
    progress = Progress()
    left_over = Lab.find(NAME)
    if left_over and not os.environ.get("LVS_LAB_KEEP"):
        left_over.down(progress)
    release = os.environ.get("LVS_LAB_RELEASE", "bookworm")
    lab = Lab.up("kernel", name=NAME, release=release, progress=progress)
    try:
        lab.push(NODE, payload(), TARGET)
        progress("tests, collection and readers are in the machine")
        code = run_tests(lab, words)
        fetch_results(lab)
        return code
    finally:
        if not os.environ.get("LVS_LAB_KEEP"):
            lab.down(progress)


def payload(more: Sequence[str] = ()) -> bytes:
    """What the tests import: the collection, what Ansible gives a module, and pyroute2 to read back.

    :param more: other folders of tests.
    """
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        collection = "ansible_collections/lvs/cluster/plugins"
        add(archive, ROOT / "plugins", collection)
        for folder in ("kernel", *more):
            add(archive, ROOT / "tests" / folder, f"tests/{folder}")
        ansible = package("ansible")
        for name in ("__init__.py", "_vendor", "release.py", "module_utils"):
            add(archive, ansible / name, f"ansible/{name}")
        add(archive, package("pyroute2"), "pyroute2")
    return data.getvalue()


def package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{name} is not installed; run this by: make kernel")
    return Path(spec.origin).parent


def add(archive: tarfile.TarFile, source: Path, target: str) -> None:
    def sources_only(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if UNWANTED & set(member.name.split("/")) else member

    archive.add(source, target, filter=sources_only)


def chosen(part: str) -> list[str]:
    """The files of a part, such as ``1/2``; with no part, the whole folder.

    A file goes to the part that is smallest so far, the largest files first.
    """
    if not part:
        return [""]
    number, count = map(int, part.split("/"))
    folder = ROOT / "tests" / "kernel"
    sizes = {path.name: weight(path) for path in folder.glob("test_*.py")}
    parts: list[list[str]] = [[] for _each in range(count)]
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        min(parts, key=lambda names: sum(sizes[each] for each in names)).append(name)
    return sorted(parts[number - 1])


def weight(path: Path) -> float:
    """How much of a part a file takes: its size, without the share of tests that are for a full run only."""
    text = path.read_text()
    tests, long = text.count("\ndef test_"), text.count("\n@pytest.mark.long\n")
    return len(text) * max(1, tests - long) / max(1, tests)


def run_tests(lab: Lab, words: list[str]) -> int:
    command = [
        *("env", f"PYTHONPATH={TARGET}", "python3", "-m", "pytest", "-p", "no:cacheprovider"),
        *("-ra", "--strict-markers", "--rootdir", TARGET, "--junitxml=/tmp/junit.xml"),
        *(words or ["-v"]),
        *(f"{TARGET}/tests/kernel/{name}" for name in chosen(PART)),
    ]
    ssh = lab.ssh_command(NODE)
    return subprocess.run([*ssh, shlex.join(command)], check=False).returncode


def fetch_results(lab: Lab) -> None:
    target = os.environ.get("LVS_JUNIT")
    if target:
        Path(target).write_text(lab.ssh(NODE, ["cat", "/tmp/junit.xml"]).stdout)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
