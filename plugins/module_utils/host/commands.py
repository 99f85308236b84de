# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands of the host, run by whoever is handed in: for a module, Ansible's own ``run_command``."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

SEARCHED = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"


class Done(NamedTuple):
    """What became of a command."""

    code: int
    output: str
    errors: str

    @property
    def complaint(self) -> str:
        """What it said of its failure, on one line; empty where it has not failed."""
        if not self.code:
            return ""
        return " ".join(self.errors.split()) or f"exit code {self.code}"


class Commands(NamedTuple):
    """:ivar run_command: as AnsibleModule has it."""

    run_command: Callable[..., tuple[int, Any, Any]]

    @staticmethod
    def find(name: str) -> str | None:
        """A command's path, None where the host has not got it."""
        return shutil.which(name, path=SEARCHED)

    def run(self, words: Sequence[str], text: str | None = None) -> Done:
        """Run a command that the host has, with this as its input."""
        code, output, errors = self.run_command(
            list(words), data=text, binary_data=True, environ_update={"LC_ALL": "C"}
        )
        return Done(code, output, errors)
