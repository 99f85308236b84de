# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Record what every run of a playbook changes, so that tests can compare check mode with reality.

One JSON file a run, in the folder that LVS_RECORDS names, numbered in order; runs on this machine
itself (which boot the lab) are left out.
"""

from __future__ import annotations

import json
import os
import pathlib

from ansible import context
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: record
type: aggregate
short_description: Record the changes and diffs of a run as JSON
description: One file a run in the folder that the environment variable LVS_RECORDS names.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "record"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self):
        super().__init__()
        self._playbook = ""
        self._results = []

    def v2_playbook_on_start(self, playbook):
        self._playbook = pathlib.Path(playbook._file_name).name

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

    def v2_playbook_on_stats(self, stats):  # noqa: ARG002  (the name is part of the interface)
        results = [found for found in self._results if found["host"] != "localhost"]
        folder = os.environ.get("LVS_RECORDS")
        if not results or not folder:
            return
        target = pathlib.Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        record = {
            "playbook": self._playbook,
            "check": bool(context.CLIARGS.get("check")),
            "results": results,
        }
        number = len(list(target.iterdir())) + 1
        (target / f"{number:02}.json").write_text(json.dumps(record, indent=1))
