# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Confirming a change of routes over a new connection, at once and for each host by itself.

A host undoes such a change, unless it is told in time that it can still be reached. Every host has a timer of its
own, so its change is confirmed as a part of the same task and not by a later one, which would have to wait for all
other hosts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.connection import ConnectionBase

MODULE = "lvs.cluster.lvs_route"
# After so many seconds a host undoes a change of routes, where nothing else is said: as the modules document.
ROLLBACK_SECONDS = 60


class ConfirmingAction(ActionBase):
    """The action of a module that may change routes.

    :cvar owner: whose routes they are, where the task does not say.
    """

    owner = "default"

    _supports_check_mode = True
    # In the background no one could confirm the change.
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = self._task.args
        owner = args.get("owner") or self.owner
        result.update(run_and_confirm(self, owner, self.seconds(args), task_vars))
        return result

    def seconds(self, args: Mapping[str, Any]) -> Any:
        """After how many seconds the host undoes the change."""
        return args.get("rollback", ROLLBACK_SECONDS)


def run_and_confirm(
    action: ActionBase,
    owner: str,
    seconds: Any,
    task_vars: dict[str, Any] | None,
) -> dict[str, Any]:
    """Run the task's module, and confirm the change of routes that it may leave pending.

    :param action: the task's.
    :param seconds: after which the host undoes the change; None for what the module has by default.
    :returns: the module's result, with ``confirmed`` where there was something to confirm.
    """
    result: dict[str, Any] = action._execute_module(task_vars=task_vars)
    if not result.get("pending") or result.get("failed") or action._task.check_mode:
        return result
    problem = _confirm(action, owner, task_vars)
    if problem:
        after = f"{seconds} seconds" if seconds else "some time"
        return {
            **result,
            "failed": True,
            "confirmed": False,
            "msg": f"The change of routes could not be confirmed over a new connection ({problem}). The host undoes "
            f"it by itself, {after} after it was made. See whether the control node can reach the host by its new "
            "routes: add the control node's network to keep (for the roles: lvs_management_networks).",
        }
    return {**result, "pending": False, "confirmed": True}


def _confirm(action: ActionBase, owner: str, task_vars: dict[str, Any] | None) -> str:
    """What kept the change from being confirmed; empty where it is."""
    try:
        connection = action._connection
        if _can_reset(connection):
            connection.reset()
        done = action._execute_module(
            module_name=MODULE,
            module_args={"state": "confirmed", "owner": owner},
            task_vars=task_vars,
        )
    except AnsibleError as error:
        return str(error)
    if done.get("failed") or done.get("unreachable"):
        return str(done.get("msg") or "the module failed").rstrip(".")
    return ""


def _can_reset(connection: Any) -> bool:
    """Whether a connection can be closed and opened again. A local one need not be."""
    return (
        isinstance(connection, ConnectionBase)
        and type(connection).reset is not ConnectionBase.reset
    )
