# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every module shares: the one place where a result leaves and where an error becomes a failure."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import Any, Callable, NoReturn

from ansible.module_utils.basic import AnsibleModule

from . import boot, netns
from .errors import LvsError, Refused
from .files import Change, apply
from .ipvs import data, netlink
from .ipvs.converge import Outcome, Request, converge
from .ipvs.settings import Kernel
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


KERNEL = Kernel(netlink.Client, netlink.is_loaded)


def enter(module: AnsibleModule) -> Store:
    """The owner's store; in the network namespace that was asked for, if one was."""
    store = Store(module.params["owner"], persistent=not module.params.get("netns"))
    if module.params.get("netns"):
        netns.enter(module.params["netns"])
    return store


def keep_at_boot(
    module: AnsibleModule, kind: str, title: str, body: str | None, part: str = ""
) -> list[Change]:
    """Have commands run at boot, or (None) no more; what that changes. Nothing is kept for a namespace.

    :param kind: as ``boot`` has them.
    :param title: what the commands put back.
    :param part: tells several scripts of one kind and owner apart.
    """
    todo = boot_changes(module, kind, title, body, part)
    if not module.check_mode:
        apply(todo)
    return todo


def boot_changes(
    module: AnsibleModule, kind: str, title: str, body: str | None, part: str = ""
) -> list[Change]:
    """What ``keep_at_boot`` would change, for who has to do it at a moment of his own."""
    if module.params.get("netns"):
        return []
    owner = module.params["owner"]
    text = None if body is None else boot.script(owner, title, body)
    return boot.wanted_changes(kind, f"{owner}-{part}" if part else owner, text)


def result(
    operations: Sequence[Mapping[str, Any]],
    diffs: Sequence[Mapping[str, Any]],
    written: Sequence[Change] = (),
    **more: Any,
) -> dict[str, Any]:
    """What a module returns: changed where anything was done, all diffs in a list.

    :param written: files, whose diffs are added.
    """
    return {
        "changed": bool(operations or diffs or written),
        "operations": list(operations),
        "diff": [*diffs, *(change.diff for change in boot.shown(written))],
        **more,
    }


def converge_ipvs(
    module: AnsibleModule, request: Request, finish: Callable[[Outcome], None] | None = None
) -> Outcome:
    """Make true on this host what is asked of its IPVS, or in check mode find out what that takes.

    :param finish: what else is to be done with the outcome, while the lock is held.
    """
    store = enter(module)
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
        "diff": [diff, *(change.diff for change in boot.shown(written))] if written else diff,
    }
