# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every module shares: the one place where a result leaves and where an error becomes a failure."""

from __future__ import annotations

import platform
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Callable, NoReturn

from ansible.module_utils.basic import AnsibleModule

from .engine import Engine, Kind, Outcome, require_packages
from .errors import LvsError, Refused
from .host import netns
from .host.commands import Commands
from .host.manifest import DEFAULT_OWNER
from .host.store import Store

OWNER_OPTION: Mapping[str, Any] = {"owner": {"type": "str", "default": DEFAULT_OWNER}}
STATE_OPTION: Mapping[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}
NETNS_OPTION: Mapping[str, Any] = {"netns": {"type": "str"}}


def run(module: AnsibleModule, work: Callable[[], dict[str, Any]]) -> NoReturn:
    """Do the work and exit with its result, or fail with one sentence that says which host can't and why."""
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
        module.fail_json(
            msg=f"{platform.node()}: the operating system reported: {error}; correct this, and run again."
        )
    module.exit_json(**result)
    raise AssertionError("exit_json does not return")


def commands(module: AnsibleModule) -> Commands:
    """Commands of this host."""
    return Commands(module.run_command)


def enter(module: AnsibleModule) -> Store:
    """The owner's store; in the network namespace that was asked for, if one was."""
    store = Store(module.params["owner"], persistent=not module.params.get("netns"))
    if module.params.get("netns"):
        netns.enter(module.params["netns"])
    return store


def converge(
    module: AnsibleModule,
    kinds: Sequence[Kind],
    store: Store,
    prune: bool = True,
    pause: float = 0.0,
    keep: Collection[str] = (),
    waits: Callable[[], str] | None = None,
) -> Outcome:
    """Run the engine on these kinds, and pass its warnings on.

    :param store: as ``enter`` returns it.
    :param keep: the names of kinds that only grow.
    :param waits: as the engine has it.
    """
    engine = Engine(store, commands(module), module.check_mode, prune, pause, keep, waits=waits)
    outcome = engine.run(kinds)
    # A host whose turn is later says then what there is to say.
    for warning in () if outcome.waits else outcome.warnings:
        module.warn(warning)
    return outcome


def one_kind(module: AnsibleModule, kind: Kind, store: Store, prune: bool = True) -> dict[str, Any]:
    """Run the engine on one kind; the module's result.

    :raises MissingPackage: the host lacks one, and so nothing was changed.
    """
    outcome = converge(module, [kind], store, prune)
    if not module.check_mode:
        require_packages(outcome)
    plan = outcome.plans[kind.name]
    return {
        "changed": outcome.changed,
        "operations": [operation.data for operation in plan.operations],
        "diff": outcome.diff,
        **plan.details,
    }
