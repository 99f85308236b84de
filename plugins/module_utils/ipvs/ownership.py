# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which IPVS objects a plan makes ours, and which it gives up. Pure.

Before a plan is carried out, everything that it adds or edits is claimed; afterwards what it has
deleted is given up, and what the kernel refused goes back to the claim that was there before.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ..manifest import Claim, Manifest
from . import data
from .model import RealServerKey, ServiceAttributes, ServiceKey
from .plan import ADD, DELETE, Operation, Plan, RealServerOperation

SERVICE = "ipvs_service"
REAL_SERVER = "ipvs_real_server"
# Between the service and the real server in a real server's name; neither can hold it.
_IN = " > "


def real_server_name(service: ServiceKey, real_server: RealServerKey) -> str:
    """What a real server is called in the manifest."""
    return f"{service}{_IN}{real_server}"


def object_of(operation: Operation) -> tuple[str, str]:
    """(kind, name) of what an operation is about, as the manifest has them."""
    if isinstance(operation, RealServerOperation):
        return REAL_SERVER, real_server_name(operation.service, operation.real_server)
    return SERVICE, str(operation.service)


def claimed(manifest: Manifest, plan: Plan) -> Manifest:
    """The manifest to write before the plan is carried out."""
    changes: dict[tuple[str, str], Claim] = {}
    for operation in plan.changes:
        kind, name = object_of(operation)
        if operation.verb == ADD:
            changes[kind, name] = Claim()
        elif manifest.claim(kind, name) is None:
            changes.setdefault((kind, name), Claim(_found(operation)))
    return manifest.with_claims((*which, claim) for which, claim in changes.items())


def settled(
    original: Manifest, claims: Manifest, plan: Plan, refused: Collection[Operation]
) -> Manifest:
    """The manifest to write once the plan has been carried out.

    :param original: the manifest before ``claimed``.
    :param claims: what ``claimed`` gave.
    :param refused: the operations that the kernel refused.
    """
    changes: list[tuple[str, str, Claim | None]] = []
    for operation in refused:
        kind, name = object_of(operation)
        changes.append((kind, name, original.claim(kind, name)))
    undone = set(refused)
    gone: set[str] = set()
    for operation in plan.removals:
        if operation in undone or operation.verb != DELETE:
            continue
        kind, name = object_of(operation)
        changes.append((kind, name, None))
        if kind == SERVICE:
            gone.add(name)
    changes += [
        (REAL_SERVER, child, None)
        for child in claims.claims.get(REAL_SERVER, {})
        if child.partition(_IN)[0] in gone
    ]
    return claims.with_claims(changes)


def _found(operation: Operation) -> dict[str, Any] | None:
    before = operation.before
    if isinstance(before, ServiceAttributes):
        return data.service_attributes_data(before)
    return data.real_server_attributes_data(before) if before else None
