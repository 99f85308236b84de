# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Record what every run of a playbook changes and costs, so that tests can compare it with what is claimed.

One JSON file a run, in the folder that LVS_RECORDS names, numbered in order; runs on this machine
itself (which boot the lab) are left out.
"""

from __future__ import annotations

import collections
import functools
import json
import os
import pathlib
import tempfile

from ansible import context
from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: record
type: aggregate
short_description: Record the changes, diffs, task headers and module runs of a run as JSON
description: One file a run in the folder that the environment variable LVS_RECORDS names.
"""

COLLECTION = "lvs.cluster."
THIS_MACHINE = "localhost"


class ModuleRuns:
    """The runs of the collection's modules on hosts, counted where an action has a module run.

    A task is not a module run: one may run no module, or several, or the same once for each item of a loop. Tasks run
    in processes of their own, so that what they count meets in a file.
    """

    def __init__(self):
        # Closed, and so removed, when the run ends.
        self._file = tempfile.NamedTemporaryFile("r", prefix="lvs.cluster.")  # noqa: SIM115
        execute, path = ActionBase._execute_module, self._file.name

        @functools.wraps(execute)
        def counted(action, module_name=None, *args, **kwargs):
            name = module_name or action._task.action
            if name.startswith(COLLECTION):
                variables = kwargs.get("task_vars") or {}
                host = action._task.delegate_to or variables.get("inventory_hostname", "")
                with open(path, "a") as file:
                    file.write(f"{host} {name}\n")
            return execute(action, module_name, *args, **kwargs)

        ActionBase._execute_module = counted

    def by_host(self):
        """Of each host its modules, with how often they have run."""
        found = {}
        self._file.seek(0)
        for line in self._file:
            host, module = line.split()
            found.setdefault(host, collections.Counter())[module] += 1
        found.pop(THIS_MACHINE, None)
        return found


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "record"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self):
        super().__init__()
        self._playbook = ""
        self._results = []
        self._headers = []
        self._module_runs = ModuleRuns()

    def v2_playbook_on_start(self, playbook):
        self._playbook = pathlib.Path(playbook._file_name).name

    # Ansible's default output prints one header for each of these.
    def v2_playbook_on_task_start(self, task, is_conditional):
        self._headers.append(task.get_name())

    def v2_playbook_on_handler_task_start(self, task):
        self._headers.append(task.get_name())

    def v2_playbook_on_cleanup_task_start(self, task):
        self._headers.append(task.get_name())

    def v2_runner_on_ok(self, result):
        found = result._result
        for item in found.get("results", [found]):
            self._results.append(
                {
                    "host": result._host.get_name(),
                    "task": result._task.get_name(),
                    "action": result._task.action,
                    "changed": bool(item.get("changed")),
                    "diff": item.get("diff"),
                }
            )

    def v2_playbook_on_stats(self, stats):
        results = [found for found in self._results if found["host"] != THIS_MACHINE]
        folder = os.environ.get("LVS_RECORDS")
        if not results or not folder:
            return
        target = pathlib.Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        record = {
            "playbook": self._playbook,
            "check": bool(context.CLIARGS.get("check")),
            "headers": self._headers,
            "module_runs": self._module_runs.by_host(),
            "results": results,
        }
        number = len(list(target.iterdir())) + 1
        (target / f"{number:02}.json").write_text(json.dumps(record, indent=1))
