# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-test sanity, in a copy of the collection, with a home of its own in the cache."""

from __future__ import annotations

import ast
import configparser
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tools import env
from tools.checkout import cache, collection_copy, root_of
from tools.env import ROOT
from tools.layers.unit import TARGET_VERSIONS
from tools.process import capture, say
from tools.process import run as run_command
from tools.results import FAILED, Counts, of_run, read_junit_folder

# What ansible-test itself asks for, by its own code.
_PIP_VERSION = """
from types import SimpleNamespace
from ansible_test._internal.python_requirements import get_venv_packages
print(get_venv_packages(SimpleNamespace(version="%d.%d"))["pip"])
"""


def pip_version() -> str:
    code = _PIP_VERSION % sys.version_info[:2]
    return capture([sys.executable, "-c", code]).strip()


def pip_config(listed: str) -> configparser.RawConfigParser:
    """One configuration file's worth out of what ``pip config list`` shows.

    ansible-test starts pip with another home and without PIP_ variables; a mirror set there counts.
    """
    config = configparser.RawConfigParser()
    for line in listed.splitlines():
        found = re.fullmatch(r"([^.=]+)\.([^=]+)=(.*)", line)
        if not found:
            continue
        section = "global" if found[1] == ":env:" else found[1]
        if not config.has_section(section):
            config.add_section(section)
        value = str(ast.literal_eval(found[3]))
        config.set(section, found[2], value.replace("\n", "\n\t"))
    return config


def prepare_home() -> Path:
    """The home: pip's configuration, and the pip that ansible-test bootstraps its venvs with."""
    home = cache() / "ansible-test"
    config = home / ".config" / "pip" / "pip.conf"
    config.parent.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    with config.open("w", encoding="utf-8") as file:
        pip_config(capture([*pip, "config", "list"])).write(file)
    version = pip_version()
    folder = home / ".ansible" / "test" / "cache"
    folder.mkdir(parents=True, exist_ok=True)
    if not list(folder.glob(f"pip-{version}-*.whl")):
        say(f"sanity: fetching pip {version}, which ansible-test builds its environments with")
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            capture([*pip, "download", "-q", "--no-deps", "-d", temporary, f"pip=={version}"])
            for wheel in Path(temporary).glob("*.whl"):
                wheel.replace(folder / wheel.name)
    script = (ROOT / "tools" / "pip_bootstrap.py").read_text(encoding="utf-8")
    name = f"get_pip_{version.replace('.', '_')}.py"
    (folder / name).write_text(script.replace("@VERSION@", version), encoding="utf-8")
    return home


def pythons_folder() -> Path:
    """A folder with a link to each interpreter that a target may have."""
    folder = cache() / "pythons"
    folder.mkdir(parents=True, exist_ok=True)
    for version in TARGET_VERSIONS:
        link = folder / f"python{version}"
        link.unlink(missing_ok=True)
        python = env.find_interpreter(version, os.environ)
        if python:
            link.symlink_to(python)
    return folder


def command_environment(copy: Path) -> Mapping[str, str | Path | None]:
    own, *others = os.environ["PATH"].split(os.pathsep)
    return {
        "HOME": prepare_home(),
        "PATH": os.pathsep.join([own, str(pythons_folder()), *others]),
        "ANSIBLE_COLLECTIONS_PATH": root_of(copy),
        # The checkout must not be found instead of the copy.
        "PYTHONPATH": None,
    }


# What pip has to say while ansible-test builds its environments.
_PIPS_NOISE = re.compile(
    r"\s*(Looking in |WARNING: Location |Collecting |Downloading |Processing |Using cached |━"
    r"|Installing collected |Successfully installed |Requirement already |$)"
)


class Reader:
    """Shows what ansible-test prints, and collects what it says that it left out."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def __call__(self, line: str) -> None:
        if not _PIPS_NOISE.match(line):
            say(line)
        if "kipping" in line or "All targets skipped" in line:
            self.sentences.append(re.sub(r"\x1b\[[\d;]*m|^WARNING: ", "", line))


def inapplicable(folder: Path) -> list[str]:
    """The tests that found nothing to look at; ansible-test says so in its result files only."""
    reports = sorted(folder.glob("ansible-test-sanity-*.xml"))
    return [
        f"{path.stem.removeprefix('ansible-test-sanity-')}: nothing here that it looks at"
        for path in reports
        if "No tests applicable" in path.read_text(encoding="utf-8")
    ]


def run(notes: list[str]) -> Counts:
    reader = Reader()
    with collection_copy() as copy:
        # ansible-test wants to know what git thinks of the files.
        capture(["git", "init", "-q"], cwd=copy)
        capture(["git", "add", "-A"], cwd=copy)
        code = run_command(
            ["ansible-test", "sanity", "--local", "--junit", "--color", "no"],
            cwd=copy,
            environ=command_environment(copy),
            each_line=reader,
            show=False,
        )
        reports = copy / "tests" / "output" / "junit"
        counts = of_run(code, read_junit_folder(reports))
        notes += [*reader.sentences, *inapplicable(reports)]
    if any("All targets skipped" in sentence for sentence in reader.sentences):
        return counts + FAILED
    return counts
