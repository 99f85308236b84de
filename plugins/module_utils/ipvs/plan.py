# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the current table to the desired one: the operations, their order, their diff.

What must be done is computed here, once, for every module. Everything that can be edited is edited in place, and
deletions are listed apart, because nothing is deleted before everything has been added and edited: so a service is
never without real servers in between. Pure.
"""

from __future__ import annotations

from typing import NamedTuple, Union

from . import rules
from .model import (
    RealServerAttributes,
    RealServerKey,
    Service,
    ServiceAttributes,
    ServiceKey,
    Table,
)

ADD = "add"
EDIT = "edit"
DELETE = "delete"


class ServiceOperation(NamedTuple):
    """Add, edit or delete a service; deleting takes its real servers along."""

    verb: str
    service: ServiceKey
    before: ServiceAttributes | None
    after: ServiceAttributes | None

    @property
    def object(self) -> str:
        """What it is about, in words."""
        return f"service {self.service}"

    def __str__(self) -> str:
        return f"{self.verb} {self.object}"


class RealServerOperation(NamedTuple):
    """Add, edit or delete a real server of a service."""

    verb: str
    service: ServiceKey
    real_server: RealServerKey
    before: RealServerAttributes | None
    after: RealServerAttributes | None

    @property
    def object(self) -> str:
        """What it is about, in words."""
        return f"real server {self.real_server} of service {self.service}"

    def __str__(self) -> str:
        return f"{self.verb} {self.object}"


Operation = Union[ServiceOperation, RealServerOperation]


class Plan(NamedTuple):
    """What leads from one table to another.

    :ivar changes: adds and edits, to be done first.
    :ivar removals: deletes, to be done once all changes are done.
    :ivar before: lines of the objects touched, as they were (ipvsadm's syntax).
    :ivar after: the same lines, as they are to be.
    """

    changes: tuple[Operation, ...]
    removals: tuple[Operation, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def operations(self) -> tuple[Operation, ...]:
        """All of them, in order."""
        return self.changes + self.removals

    def __bool__(self) -> bool:
        return bool(self.changes or self.removals)


def plan(current: Table, target: Table) -> Plan:
    """Compute what leads from ``current`` to ``target``.

    What is in ``current`` and not in ``target`` is deleted. Scope and ownership are up to the caller, who leaves in
    ``target`` what must not be touched.
    """
    changes: list[Operation] = []
    removals: list[Operation] = []
    before: list[str] = []
    after: list[str] = []
    for key in sorted({*current, *target}, key=lambda service: service.sort_key):
        old, new = current.get(key), target.get(key)
        if new is None:
            if old is not None:
                removals.append(ServiceOperation(DELETE, key, old.attributes, None))
                before += rules.service_lines(old)
            continue
        if old is None or old.attributes != new.attributes:
            verb = ADD if old is None else EDIT
            known = old.attributes if old else None
            changes.append(ServiceOperation(verb, key, known, new.attributes))
            after.append(rules.service_line(key, new.attributes))
            if known:
                before.append(rules.service_line(key, known))
        for operation in _real_servers(old or Service(key, new.attributes), new):
            (removals if operation.verb == DELETE else changes).append(operation)
            if operation.before:
                before.append(rules.real_server_line(key, operation.real_server, operation.before))
            if operation.after:
                after.append(rules.real_server_line(key, operation.real_server, operation.after))
    return Plan(tuple(changes), tuple(removals), tuple(before), tuple(after))


def _real_servers(old: Service, new: Service) -> list[RealServerOperation]:
    operations: list[RealServerOperation] = []
    for key in sorted(
        {*old.real_servers, *new.real_servers}, key=lambda real_server: real_server.sort_key
    ):
        before, after = old.real_servers.get(key), new.real_servers.get(key)
        if before == after:
            continue
        verb = ADD if before is None else DELETE if after is None else EDIT
        operations.append(RealServerOperation(verb, new.key, key, before, after))
    return operations
