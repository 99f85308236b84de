# SPDX-License-Identifier: GPL-3.0-or-later
"""What a keeper does when its machine ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import keeper, qmp


class FakeLab:
    """Records what is done to its machine."""

    def __init__(self):
        self.done = []

    def events(self, node):
        return Path(f"/run/{node}.events")

    def end(self, node):
        self.done.append(f"end {node}")

    def boot(self, node):
        self.done.append(f"boot {node}")


@pytest.mark.parametrize(
    ("reasons", "done"),
    [
        ([""], []),
        (["guest-shutdown"], ["end rs1"]),
        (["guest-reset", ""], ["end rs1", "boot rs1"]),
        (
            ["guest-reset", "guest-reset", "guest-shutdown"],
            ["end rs1", "boot rs1", "end rs1", "boot rs1", "end rs1"],
        ),
    ],
)
def test_a_machine_that_reboots_boots_in_a_new_qemu(monkeypatch, reasons, done):
    """A machine that powers off is ended. If someone else has ended its QEMU, nothing is done."""
    coming = iter(reasons)
    monkeypatch.setattr(qmp, "wait_for_end", lambda _socket: next(coming))
    lab = FakeLab()
    keeper.keep(lab, "rs1")
    assert lab.done == done


def test_without_a_lab_it_fails(tmp_path):
    with pytest.raises(FileNotFoundError):
        keeper.main(str(tmp_path / "gone"), "rs1")
