# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order in which a change of routes is made and confirmed; what really happens then, molecule shows."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("ansible.plugins.action", reason="the control node has ansible-core")

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase

from ansible_collections.lvs.cluster.plugins.action import lvs_host, lvs_route

CHANGED = {"changed": True, "pending": True, "diff": []}


class Connection(ConnectionBase):
    """One that can be reset."""

    transport = "recorded"

    def __init__(self, log):
        self._log = log
        self._shell = SimpleNamespace(tmpdir="/tmp/there")

    def _connect(self):
        return self

    def exec_command(self, *_words, **_more):
        raise NotImplementedError

    put_file = fetch_file = exec_command

    def close(self):
        pass

    def reset(self):
        self._log.append("reset")


class Local(Connection):
    """One that has no other end."""

    reset = ConnectionBase.reset


def run(plugin, args, answers, check_mode=False, connection=Connection):
    """What a task returns, and what it did in which order.

    :param answers: of the module, and of the confirmation; an exception is raised.
    """
    log, left = [], list(answers)

    class Action(plugin.ActionModule):
        def __init__(self):
            self._task = SimpleNamespace(args=args, check_mode=check_mode, async_val=0, action="it")
            self._connection = connection(log)

        def _early_needs_tmp_path(self):
            return False

        def _execute_module(self, module_name=None, module_args=None, task_vars=None):
            log.append((module_name, module_args))
            answer = left.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return dict(answer)

    return Action().run(task_vars={}), log


@pytest.mark.parametrize(
    ("plugin", "args", "owner"),
    [
        (lvs_route, {}, "default"),
        (lvs_route, {"owner": "mine"}, "mine"),
        (lvs_host, {}, "cluster-default"),
        (lvs_host, {"owner": "cluster-web"}, "cluster-web"),
    ],
)
def test_a_pending_change_is_confirmed_at_once_over_a_new_connection(plugin, args, owner):
    result, log = run(plugin, args, [CHANGED, {"changed": False}])
    confirmation = ("lvs.cluster.lvs_route", {"state": "confirmed", "owner": owner})
    assert log == [(None, None), "reset", confirmation]
    assert result == {**CHANGED, "pending": False, "confirmed": True}


@pytest.mark.parametrize("plugin", [lvs_route, lvs_host])
@pytest.mark.parametrize(
    ("answer", "check_mode"),
    [
        ({"changed": False, "pending": False}, False),
        ({"changed": False, "missing_packages": ["python3-pyroute2"]}, False),
        (CHANGED, True),
        ({"failed": True, "msg": "no", "pending": True}, False),
    ],
)
def test_where_nothing_waits_nothing_is_confirmed(plugin, answer, check_mode):
    result, log = run(plugin, {}, [answer], check_mode)
    assert (result, log) == (answer, [(None, None)])


def test_a_connection_without_an_end_is_not_reset():
    result, log = run(lvs_route, {}, [CHANGED, {"changed": False}], connection=Local)
    assert "reset" not in log
    assert result["confirmed"]


@pytest.mark.parametrize(
    ("plugin", "args", "seconds"),
    [
        (lvs_route, {}, "60 seconds"),
        (lvs_route, {"rollback": 90}, "90 seconds"),
        (lvs_host, {"rollback": 30}, "30 seconds"),
        (lvs_host, {"configuration": {"routes": {"rollback": 45}}, "rollback": 30}, "45 seconds"),
        (lvs_host, {"configuration": {"routes": None}}, "60 seconds"),
    ],
)
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (AnsibleConnectionFailure("timed out"), "timed out"),
        ({"failed": True, "msg": "rs1: has been undone."}, "rs1: has been undone"),
        ({"unreachable": True, "msg": "no route"}, "no route"),
    ],
)
def test_a_host_that_is_heard_from_no_more_undoes_the_change_itself(
    plugin, args, seconds, answer, words
):
    result, _log = run(plugin, args, [CHANGED, answer])
    assert (result["failed"], result["confirmed"]) == (True, False)
    assert f"({words})" in result["msg"]
    assert f"undoes it by itself, {seconds} after it was made" in result["msg"]
