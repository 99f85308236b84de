# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every way in which the collection can fail, as one type each.

Each error carries its parts, and its text is one sentence that an operator can act on: which object,
which value, what is wrong, what to do. Only ``_runtime`` turns them into Ansible's failure.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

# Of a value in a message, in characters.
_LONGEST = 80


class LvsError(Exception):
    """The root of them; its text is the sentence for the operator."""


class InvalidInput(LvsError):
    """What was asked for can't be; nothing has been changed.

    :param subject: the object as its operator knows it: its YAML path in a description, such as
        ``lvs_virtual_services[web].real_servers[2]``, or words such as ``service tcp 192.0.2.1:80``.
    :param option: the option that is wrong, or None where it is the whole object.
    :param value: the value that was given for it.
    :param problem: what is wrong with it.
    :param remedy: what to write instead.
    """

    def __init__(
        self, subject: str, option: str | None, value: Any, problem: str, remedy: str
    ) -> None:
        self.subject = subject
        self.option = option
        self.value = value
        self.problem = problem
        self.remedy = remedy
        super().__init__(self._text())

    def _text(self) -> str:
        if " " in self.subject:
            what = f"{self.option}={_cut(repr(self.value))}: " if self.option else ""
            return f"{self.subject}: {what}{self.problem}; {_ended(self.remedy)}"
        where = f"{self.subject}.{self.option}" if self.option else self.subject
        got = f", got {_json(self.value)}" if self.value is not None else ""
        return f"{where}: {self.problem}{got}. {self.remedy[:1].upper()}{_ended(self.remedy[1:])}"


def _ended(text: str) -> str:
    """With its full stop, unless it is a question."""
    return text if text.endswith("?") else f"{text}."


def _json(value: Any) -> str:
    """A value as an operator would write it."""
    return _cut(json.dumps(value, default=str, ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


class KernelRefusal(LvsError):
    """The kernel refused an operation.

    :param subject: what was to be done to which object.
    :param errno: the kernel's number for its reason.
    :param problem: what that number means for this operation.
    :param remedy: what to do about it.
    """

    def __init__(self, subject: str, errno: int, problem: str, remedy: str) -> None:
        self.subject = subject
        self.errno = errno
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{subject}: {problem}; {remedy}.")


class Refused(LvsError):
    """The kernel refused a part of a change; the rest has been carried out.

    :param refusals: what, and why.
    :param done: how many operations have been carried out.
    :param skipped: how many removals were left for later, because what was to come before them failed.
    """

    def __init__(self, refusals: Sequence[KernelRefusal], done: int, skipped: int) -> None:
        self.refusals = refusals
        self.done = done
        self.skipped = skipped
        text = " ".join(str(refusal) for refusal in refusals)
        if done or skipped or len(refusals) > 1:
            text += f" {done} other operations have been carried out"
            text += f", and {skipped} removals were postponed" if skipped else ""
            text += "; correct this, and run again."
        super().__init__(text)


class Unavailable(LvsError):
    """Something that the host must have is missing: the kernel module, the privilege, the file."""


class Interference(LvsError):
    """Another program works on the same objects at the same time."""


class StateError(LvsError):
    """The manifest on the host can't be read or written."""


class MissingPackage(Unavailable):
    """Packages of the distribution are missing on the host.

    :param packages: their names on Debian and Ubuntu.
    """

    def __init__(self, packages: Sequence[str]) -> None:
        self.packages = tuple(packages)
        several = "packages" if len(packages) > 1 else "package"
        super().__init__(
            f"This host lacks the {several} {', '.join(packages)}; install what is missing and run again."
        )
