# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel modules as a kind of resource: their parameters, and which are loaded now and at boot."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..engine import Base, Diff, Held, Operation, Plan
from ..errors import KernelRefusal, Unavailable
from ..host.commands import Commands
from ..host.files import File, read
from ..host.manifest import Claim, check_owner
from . import modprobe, parameters
from .parameters import KIND


class Module(NamedTuple):
    """A kernel module that is asked for.

    :ivar params: parameter to value, in force from the next time it is loaded.
    :ivar load: whether it is loaded, now and at every boot.
    """

    name: str
    params: Mapping[str, str]
    load: bool

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Module:
        """:raises InvalidInput: a name or value can't be."""
        name = options.get("name") or "ip_vs"
        params = {key: str(value) for key, value in (options.get("params") or {}).items()}
        parameters.check(name, params)
        return cls(name, params, bool(options.get("load")))


class Current(NamedTuple):
    """What there is.

    :ivar loaded: the names of those that are loaded, of those that matter.
    :ivar in_force: of each module, parameter to value in force; None where it can't be read.
    :ivar files: path to content of the files of modprobe.d(5).
    :ivar ours: the modules of which the owner has files.
    """

    loaded: frozenset[str]
    in_force: Mapping[str, Mapping[str, str | None]]
    files: Mapping[str, str]
    ours: frozenset[str]


class KernelModules(Base):
    """The kernel modules of one owner.

    :param scope: the names that it is about, where others of the owner are to be left alone.
    """

    name = "modules"
    claim_kinds = (KIND,)

    def __init__(
        self,
        desired: Sequence[Module],
        owner: str,
        commands: Commands,
        scope: Iterable[str] | None = None,
    ) -> None:
        self._desired = {module.name: module for module in desired}
        self._owner = check_owner(owner)
        self._commands = commands
        self._scope = None if scope is None else frozenset(scope)

    @classmethod
    def of(
        cls, entry: Sequence[Mapping[str, Any]] | None, owner: str, commands: Commands
    ) -> KernelModules:
        """The modules of an entry of a host's configuration; None for none."""
        return cls([Module.of(each) for each in entry or ()], owner, commands)

    def read(self, held: Held, _check_mode: bool) -> Current:
        ours = {
            os.path.basename(file)[len(prefix) : -len(".conf")]
            for pattern in (parameters.path, parameters.load_path)
            for prefix in [os.path.basename(pattern(self._owner, ""))[: -len(".conf")]]
            for file in glob.glob(pattern(self._owner, "*"))
        }
        names = {*self._desired, *held.claims(KIND), *ours}
        found = (file for folder in parameters.FOLDERS for file in glob.glob(f"{folder}/*.conf"))
        return Current(
            frozenset(name for name in names if modprobe.is_loaded(name)),
            {
                name: {
                    parameter: read(parameters.PARAMETERS.format(name=name, parameter=parameter))
                    for parameter in module.params
                }
                for name, module in self._desired.items()
            },
            {file: read(file) or "" for file in found},
            frozenset(ours),
        )

    def plan(self, current: Current, held: Held, prune: bool, _check_mode: bool) -> Plan:
        claims = held.claims(KIND)
        going = sorted(
            name
            for name in {*claims, *current.ours} - {n for n in self._desired if self._keeps(n)}
            if self._scope is None or name in self._scope
        )
        desired = [module for module in self._desired.values() if self._keeps(module.name)]
        kept: dict[str, Claim] = {
            name: claim for name, claim in claims.items() if name not in going or not prune
        }
        load: list[str] = []
        for module in desired:
            if not module.load:
                continue
            loaded = module.name in current.loaded
            if not loaded:
                load.append(module.name)
            if not loaded or held.shared(KIND, module.name):
                kept.setdefault(module.name, Claim())
        unload = [
            name
            for name in going
            if prune and name in claims and name in current.loaded
            if not held.shared(KIND, name)
        ]
        unload += [
            name
            for name, module in self._desired.items()
            if prune and not module.load and name in claims and name in current.loaded
            if name not in unload and not held.shared(KIND, name)
        ]
        for name in unload:
            kept.pop(name, None)
        diff = Diff(tuple(unload), tuple(load))
        waiting = {
            module.name: parameters.pending(module.params, current.in_force[module.name])
            for module in desired
        }
        return Plan(
            grow=tuple(_operation("load", name) for name in load),
            shrink=tuple(_operation("unload", name) for name in unload),
            claims={KIND: kept},
            diffs={"modules": diff},
            early_files=tuple(self._files(desired, going if prune else [])),
            remaining=() if prune else tuple(going),
            warnings=tuple(self._warnings(desired, current, waiting)),
            details={
                "pending": {
                    name: {key: value.strip() for key, value in found.items()}
                    for name, found in waiting.items()
                    if found
                }
            },
        )

    def do(self, operation: Operation) -> None:
        if operation.verb == "unload":
            modprobe.unload(operation.work, self._commands)
            return
        try:
            modprobe.load(operation.work, "The host needs", self._commands)
        except Unavailable as error:
            raise KernelRefusal(
                f"Could not load {operation.work}", 0, str(error).rstrip("."), "then run again"
            ) from error

    def _keeps(self, name: str) -> bool:
        """Whether there is something to keep of a module: parameters, or that it is loaded."""
        module = self._desired.get(name)
        return bool(module and (module.params or module.load))

    def _files(self, desired: Sequence[Module], going: Sequence[str]) -> list[File]:
        wanted = {module.name: module for module in desired}
        files = []
        for name in [*wanted, *(name for name in going if name not in wanted)]:
            module = wanted.get(name)
            params = module.params if module else {}
            load = bool(module and module.load)
            text = f"# Of lvs.cluster, for owner {self._owner}.\n{name}\n" if load else None
            files.append(
                File(parameters.path(self._owner, name), parameters.text(self._owner, name, params))
            )
            files.append(File(parameters.load_path(self._owner, name), text))
        return files

    def _warnings(
        self,
        desired: Sequence[Module],
        current: Current,
        waiting: Mapping[str, Mapping[str, str]],
    ) -> list[str]:
        found = []
        for module in desired:
            own = parameters.path(self._owner, module.name)
            others = {file: text for file, text in current.files.items() if file != own}
            found += [
                f"{module.name} is loaded with {parameter}={value.strip()}; {module.params[parameter]} takes "
                "effect the next time it is loaded, usually at the next boot."
                for parameter, value in waiting[module.name].items()
            ]
            found += parameters.contradictions(module.name, module.params, others)
        return found


def _operation(verb: str, name: str) -> Operation:
    return Operation(verb, f"module {name}", name, {"verb": verb, "path": f"/sys/module/{name}"})
