# SPDX-License-Identifier: GPL-3.0-or-later
"""Style, metadata, documentation, and the package that Galaxy gets."""

from __future__ import annotations

import json
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from tools.checkout import collection_copy, files, files_with, root_of, shell_files
from tools.env import ROOT
from tools.process import run as run_command
from tools.process import say
from tools.results import FAILED, PASSED, Counts, outcome, total

# What is for developers, and never part of what Galaxy gets.
DEVELOPERS = ("lab", "tests", "tools", "molecule", "requirements", ".ci", "Makefile")


def simple(*words: str) -> Callable[[Path], Counts]:
    """A check that is one command, in the checkout."""
    return lambda _copy: outcome(run_command(words))


def yamllint(_copy: Path) -> Counts:
    names = files_with(".yml", ".yaml")
    return outcome(run_command(["yamllint", "--strict", "--format", "parsable", *names]))


def merged(_copy: Path) -> Counts:
    """No file holds a conflict of a merge: in prose no other check would see it."""
    paths = [ROOT / name for name in files()]
    texts = {path: path.read_text("utf-8", "replace") for path in paths if path.is_file()}
    wrong = [str(path.relative_to(ROOT)) for path, text in texts.items() if holds_conflict(text)]
    if wrong:
        say(f"a merge has left its conflicts in {', '.join(wrong)}")
    return FAILED if wrong else PASSED


def holds_conflict(text: str) -> bool:
    """Whether git has marked the sides of a conflict in a text."""
    return any(line.startswith(("<<<<<<< ", ">>>>>>> ")) for line in text.splitlines())


def shellcheck(_copy: Path) -> Counts:
    return outcome(run_command(["shellcheck", *shell_files()]))


def ansible_lint(copy: Path) -> Counts:
    words = ["ansible-lint", "--offline", "--profile", "production", "--strict", "--nocolor"]
    return outcome(run_command(words, cwd=copy, environ=_environment(copy)))


def changelog(copy: Path) -> Counts:
    return outcome(run_command(["antsibull-changelog", "lint"], cwd=copy))


def documentation(copy: Path) -> Counts:
    words = ["antsibull-docs", "lint-collection-docs", "--plugin-docs"]
    words += ["--validate-collection-refs", "all", "--skip-rstcheck", "."]
    return outcome(run_command(words, cwd=copy, environ=_environment(copy)))


def package(copy: Path) -> Counts:
    """Build the package, install it into an empty folder, and read every module's documentation."""
    with tempfile.TemporaryDirectory(prefix="lvs.cluster.") as temporary:
        folder = Path(temporary)
        build = ["ansible-galaxy", "collection", "build", "--output-path", temporary]
        if run_command(build, cwd=copy):
            return FAILED
        archive = next(folder.glob("lvs-cluster-*.tar.gz"))
        checks = [
            _contents(archive),
            _documented(archive, folder / "installed"),
            _importer(archive, folder),
        ]
        return PASSED + total(checks)


def _contents(archive: Path) -> Counts:
    with tarfile.open(archive) as opened:
        wrong = for_developers(opened.getnames())
    if wrong:
        say(f"the package holds what build_ignore in galaxy.yml should keep out: {wrong}")
    return FAILED if wrong else PASSED


def for_developers(names: Iterable[str]) -> list[str]:
    """Those of a package's files that are for developers, or are hidden."""
    tops = {PurePosixPath(name).parts[0] for name in names if name not in ("", ".")}
    return sorted(top for top in tops if top in DEVELOPERS or top.startswith("."))


def _documented(archive: Path, folder: Path) -> Counts:
    install = [
        "ansible-galaxy",
        "collection",
        "install",
        "--offline",
        "-p",
        str(folder),
        str(archive),
    ]
    # ansible-galaxy warns where it installs to a folder that Ansible does not search.
    environ = {"ANSIBLE_COLLECTIONS_PATH": folder, "PYTHONPATH": None}
    if run_command([*install, str(archive)], environ=environ):
        return FAILED
    plugins = folder / "ansible_collections" / "lvs" / "cluster" / "plugins"
    return total(
        _documented_plugin(kind, path.stem, environ)
        for kind, where in (("module", "modules"), ("filter", "filter"))
        for path in sorted(plugins.joinpath(where).glob("*"))
        if path.suffix in (".py", ".yml") and path.stem != "__init__"
        if kind == "module" or path.suffix == ".yml"
    )


def _documented_plugin(kind: str, name: str, environ: dict[str, Path | None]) -> Counts:
    lines: list[str] = []
    words = ["ansible-doc", "--json", "--type", kind, f"lvs.cluster.{name}"]
    code = run_command(words, environ=environ, each_line=lines.append, show=False)
    text = "\n".join(lines)
    good = code == 0 and bool(json.loads(text[text.index("{") :])) if "{" in text else False
    if not good:
        say(text)
    return PASSED if good else FAILED


def _importer(archive: Path, folder: Path) -> Counts:
    """The check that Galaxy makes of an upload."""
    words = [sys.executable, "-m", "galaxy_importer.main", str(archive)]
    return outcome(run_command(words, cwd=folder, environ={"HOME": folder}))


def _environment(copy: Path) -> dict[str, Path | None]:
    return {"ANSIBLE_COLLECTIONS_PATH": root_of(copy), "PYTHONPATH": None}


CHECKS: tuple[Callable[[Path], Counts], ...] = (
    simple("ruff", "check", "."),
    simple("ruff", "format", "--check", "."),
    merged,
    yamllint,
    shellcheck,
    ansible_lint,
    changelog,
    documentation,
    package,
)


def run(_notes: list[str]) -> Counts:
    with collection_copy() as copy:
        return total(check(copy) for check in CHECKS)
