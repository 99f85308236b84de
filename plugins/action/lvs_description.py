# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""lvs_description: reads the variables of all hosts on the control node, once, and derives every configuration."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.lvs.cluster.plugins.modules.lvs_description import argument_spec
from ansible_collections.lvs.cluster.plugins.plugin_utils.cluster.derive import Inventory, derive
from ansible_collections.lvs.cluster.plugins.plugin_utils.cluster.keepalived import Document
from ansible_collections.lvs.cluster.plugins.plugin_utils.cluster.rendering import (
    TEMPLATE,
    render,
)
from ansible_collections.lvs.cluster.plugins.plugin_utils.cluster.variables import (
    OTHERS,
    PREFIXES,
)
from ansible_collections.lvs.cluster.plugins.plugin_utils.plain import plain

_COLLECTION = pathlib.Path(__file__).resolve().parents[2]
_OF_NAMED_HOSTS = ("lvs_address", "lvs_cluster", "lvs_weight")

display = Display()


def _render(document: Document) -> str:
    return render((_COLLECTION / TEMPLATE).read_text(encoding="utf-8"), document)


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        _passed, args = self.validate_argument_spec(argument_spec())
        inventory, problems = _Variables(self._templar, task_vars).inventory()
        derived = derive(inventory, _render, args["methods"])
        for warning in derived.warnings:
            display.warning(warning)
        errors = [*problems, *derived.errors]
        if errors:
            result.update(failed=True, errors=errors, msg="\n".join(errors))
            return result
        result.update(
            changed=False,
            methods=args["methods"],
            hosts=derived.hosts,
            warned=list(derived.warnings),
        )
        return result


class _Variables:
    """The variables of hosts, with those of the play, a role or the command line over them.

    ``hostvars`` holds what the inventory and the command line set. What only this task sees comes from the play or a
    role, and counts for all hosts.
    """

    def __init__(self, templar: Any, task_vars: dict[str, Any]) -> None:
        self._templar = templar
        self._task_vars = task_vars
        self._hostvars = task_vars["hostvars"]
        self._host = task_vars["inventory_hostname"]
        self._problems: list[str] = []

    def inventory(self) -> tuple[Inventory, list[str]]:
        """What the inventory declares, and what could not be evaluated."""
        groups = {
            str(name): [str(host) for host in hosts]
            for name, hosts in self._task_vars["groups"].items()
        }
        members = Inventory(groups).members
        over = self._of_the_play()
        variables = {host: {**self._of_host(host), **over} for host in members}
        named = Inventory(groups, variables).named
        variables |= {host: self._of_host(host, _OF_NAMED_HOSTS) for host in named}
        return Inventory(groups, variables), self._problems

    def _of_the_play(self) -> dict[str, Any]:
        own = self._of_host(self._host)
        found = self._evaluated(self._host, self._task_vars, self._names(self._task_vars))
        return {name: value for name, value in found.items() if value != own.get(name)}

    def _of_host(self, host: str, only: tuple[str, ...] = ()) -> dict[str, Any]:
        # Their own expressions may look at other hosts, which those that hostvars evaluates can't.
        variables = {
            **self._hostvars.raw_get(host),
            "hostvars": self._hostvars,
            "groups": self._task_vars["groups"],
        }
        return self._evaluated(host, variables, only or self._names(variables))

    @staticmethod
    def _names(variables: Any) -> list[str]:
        return [name for name in variables if name.startswith(PREFIXES) and name not in OTHERS]

    def _evaluated(self, host: str, variables: Any, names: Iterable[str]) -> dict[str, Any]:
        """These variables of a host, as plain data; those that are null are left out."""
        templar = self._templar.copy_with_new_env(available_variables=variables)
        found = {}
        for name in names:
            try:
                value = plain(templar.template(variables.get(name)))
            except Exception as error:
                self._cannot_evaluate(host, name, error)
                continue
            if value is not None:
                found[name] = value
        return found

    def _cannot_evaluate(self, host: str, name: str, error: Exception) -> None:
        text = " ".join(str(error).split())
        problem = (
            f"hostvars[{host}].{name}: cannot be evaluated: {text[:300]}. Correct the expression, and do not use "
            "facts of hosts: none are gathered, so that a host that is down changes nothing for the others."
        )
        if problem not in self._problems:
            self._problems.append(problem)
