# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.kernel.__main__ import chosen, weight
from tools.demo import DemoError, changes, check_in_turn
from tools.env import ROOT
from tools.layers import kernel
from tools.layers.lint import for_developers, holds_conflict
from tools.layers.sanity import Reader, pip_config
from tools.results import Counts
from tools.test import FULL, USUAL, main


def test_the_layers_stand_in_the_order_of_their_cost() -> None:
    names = [layer.name for layer in USUAL]
    assert names == ["lint", "types", "sanity", "unit", "kernel", "molecule"]
    assert [layer.name for layer in FULL][:5] == [*names[:4], "unit-newer"]


class Begun:
    """Tests on a kernel that take no time."""

    def __init__(self, release: str | None) -> None:
        self.release = release

    def counts(self) -> Counts:
        return Counts(1)

    def end(self) -> None:
        raise AssertionError("they were not shown")


@pytest.mark.parametrize(
    ("words", "begun", "order"),
    [
        (["kernel", "lint"], [None], ["lint", "kernel"]),
        (["kernel"], [], ["kernel"]),
        (["--fail-fast", "kernel", "lint"], [], ["lint", "kernel"]),
        # What has begun is shown as the layer that it is.
        (
            ["kernel-6.12", "kernel-6.1", "lint"],
            ["bookworm"],
            ["lint", "kernel-6.1", "kernel-6.12"],
        ),
        (["kernel-6.12", "lint"], [], ["lint", "kernel-6.12"]),
    ],
)
def test_the_tests_on_the_usual_kernel_begin_beside_cheaper_layers(
    words: list[str],
    begun: list[str | None],
    order: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    seen: list[str | None] = []
    run_on: list[str | None] = []

    def begin(release: str | None) -> Begun:
        seen.append(release)
        return Begun(release)

    def run(release: str | None) -> Counts:
        run_on.append(release)
        return Counts(1)

    monkeypatch.setattr(kernel, "Tests", begin)
    monkeypatch.setattr(kernel, "run_on", run)
    layers = [
        replace(each, run=lambda _notes: Counts(1)) if each.name == "lint" else each
        for each in FULL
    ]
    monkeypatch.setattr("tools.test.FULL", tuple(layers))
    monkeypatch.setattr("signal.signal", lambda _number, _handler: None)
    assert main(words) == 0
    assert seen == begun
    releases = {"kernel": None, "kernel-6.1": "bookworm", "kernel-6.12": "trixie"}
    assert run_on == [
        releases[name] for name in order if name in releases and releases[name] not in begun
    ]
    shown = [
        line.split()[1]
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("=== ") and "passed" in line
    ]
    assert [name.rstrip(":") for name in shown] == order


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_kernel_test_is_in_one_part(count: int) -> None:
    parts = [chosen(f"{number}/{count}") for number in range(1, count + 1)]
    folder = ROOT / "tests" / "kernel"
    assert sorted(name for names in parts for name in names) == sorted(
        path.name for path in folder.glob("test_*.py")
    )
    sizes = [sum(weight(folder / name) for name in names) for names in parts]
    assert max(sizes) < 1.2 * min(sizes)
    assert chosen("") == [""]


def test_what_is_for_developers_is_found_in_a_package() -> None:
    names = ["MANIFEST.json", "lab/cli.py", "lab", "plugins/modules/x.py", ".ci/run", "docs/lab.md"]
    assert for_developers(names) == [".ci", "lab"]


def test_the_conflict_of_a_merge_is_found_in_any_text() -> None:
    markers = ("<" * 7 + " HEAD", ">" * 7 + " topic")
    assert all(holds_conflict(f"Before.\n{marker}\nAfter.\n") for marker in markers)
    assert not holds_conflict("A title\n=======\n\n> quoted <<<<<<<\n")


def test_pips_settings_are_carried_over_from_files_and_environment() -> None:
    listed = """
:env:.timeout='60'
global.extra-index-url='https://a.invalid/simple\\nhttps://b.invalid/simple'
install.no-compile='true'
"""
    config = pip_config(listed)
    assert config.get("global", "timeout") == "60"
    assert config.get("global", "extra-index-url").split() == [
        "https://a.invalid/simple",
        "https://b.invalid/simple",
    ]
    assert config.get("install", "no-compile") == "true"


def test_what_ansible_test_leaves_out_is_remembered(capsys: pytest.CaptureFixture[str]) -> None:
    reader = Reader()
    reader('WARNING: Skipping sanity test "import" on Python 3.14 because it could not be found.')
    reader("Collecting pip==25.2")
    reader('Running sanity test "pep8"')
    assert reader.sentences == [
        'Skipping sanity test "import" on Python 3.14 because it could not be found.'
    ]
    assert "Collecting" not in capsys.readouterr().out


RECAP = """
PLAY RECAP *****************************************************
director                   : ok=12   changed=3    unreachable=0    failed=0    skipped=1
rs1                        : ok=4    changed=0    unreachable=0    failed=0    skipped=0
"""


def test_the_recap_tells_the_changes() -> None:
    assert changes(RECAP) == {"director": 3, "rs1": 0}
    assert changes("nothing ran") == {}


def test_answers_in_turn_are_good() -> None:
    check_in_turn(["rs2", "rs1", "rs2", "rs1"])


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        (["rs1", "rs1", "rs1"], "two real servers"),
        ([], "none"),
        (["rs1", "rs2", "rs2", "rs1"], "in turn"),
        (["rs1", "rs2", "rs3"], "two real servers"),
    ],
)
def test_answers_otherwise_are_an_error(answers: list[str], why: str) -> None:
    with pytest.raises(DemoError, match=why):
        check_in_turn(answers)
