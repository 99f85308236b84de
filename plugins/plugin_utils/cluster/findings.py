# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with a description, collected, so that an operator sees all of it at once. Pure."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput


@dataclass
class Findings:
    """Sentences, each once, in the order in which they were found.

    :ivar errors: where there are some, nothing may be done.
    :ivar warnings: what is probably a mistake.
    """

    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def error(self, path: str, option: str | None, value: Any, problem: str, remedy: str) -> None:
        """Something is wrong.

        :param path: the YAML path of the object, whose key ``option`` is; empty where that is a variable.
        """
        _add(self.errors, _sentence(path, option, value, problem, remedy))

    def warn(self, path: str, option: str | None, value: Any, problem: str, remedy: str) -> None:
        """Something is probably wrong."""
        _add(self.warnings, _sentence(path, option, value, problem, remedy))

    @contextlib.contextmanager
    def at(self, path: str, option: str | None = None) -> Iterator[None]:
        """Collect an error of the modules' own checks, and end the block there.

        :param option: the variable's own name where those checks know it by another.
        """
        try:
            yield
        except InvalidInput as error:
            # An error within one of its parts names that part.
            where = error.subject if path and error.subject.startswith(path) else path
            self.error(where, option or error.option, error.value, error.problem, error.remedy)


def _sentence(path: str, option: str | None, value: Any, problem: str, remedy: str) -> str:
    if not path and option:
        path, option = option, None
    return str(InvalidInput(path, option, value, problem, remedy))


def _add(sentences: list[str], sentence: str) -> None:
    if sentence not in sentences:
        sentences.append(sentence)
