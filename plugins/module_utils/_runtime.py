# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every module shares: the one place where a result leaves and where an error becomes a failure."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import Any, Callable, NoReturn

from ansible.module_utils.basic import AnsibleModule

from . import netns
from .errors import LvsError, Refused
from .files import Change
from .ipvs import data, netlink
from .ipvs.converge import Outcome, Request, converge
from .manifest import DEFAULT_OWNER
from .store import Store

OWNER_OPTION: Mapping[str, Any] = {"owner": {"type": "str", "default": DEFAULT_OWNER}}
STATE_OPTION: Mapping[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}
NETNS_OPTION: Mapping[str, Any] = {"netns": {"type": "str"}}


def run(module: AnsibleModule, work: Callable[[], dict[str, Any]]) -> NoReturn:
    """Do the work and leave with its result, or with one sentence that says which host can't and why."""
    try:
        result = work()
    except Refused as error:
        module.fail_json(
            msg=f"{platform.node()}: {error}",
            changed=bool(error.done),
            errors=[str(refusal) for refusal in error.refusals],
        )
    except LvsError as error:
        module.fail_json(msg=f"{platform.node()}: {error}")
    except PermissionError as error:
        module.fail_json(msg=f"{platform.node()}: {error}; run the task as root (become: true).")
    except OSError as error:
        module.fail_json(msg=f"{platform.node()}: the operating system refused: {error}.")
    module.exit_json(**result)
    raise AssertionError("exit_json does not return")


def converge_ipvs(
    module: AnsibleModule, request: Request, finish: Callable[[Outcome], None] | None = None
) -> Outcome:
    """Make true on this host what is asked of its IPVS, or in check mode find out what that takes.

    :param finish: what else is to be done with the outcome, while the lock is held.
    """
    store = Store(module.params["owner"], persistent=not module.params["netns"])
    if module.params["netns"]:
        netns.enter(module.params["netns"])
    outcome = converge(
        request,
        netlink.Client,
        netlink.is_loaded,
        store,
        module.check_mode,
        finish or (lambda _outcome: None),
    )
    for warning in outcome.warnings:
        module.warn(warning)
    return outcome


def ipvs_result(outcome: Outcome, written: Sequence[Change] = ()) -> dict[str, Any]:
    """The part of a result that all IPVS modules have.

    :param written: the files that have changed with it.
    """
    diff = outcome.plan.diff
    return {
        "changed": bool(outcome.plan or written),
        "operations": [data.operation_data(operation) for operation in outcome.plan.operations],
        "diff": [diff, *(change.diff for change in written)] if written else diff,
    }
