# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which IPVS objects are claimed, and which claims are given up. Pure.

- What a plan adds or edits is claimed. A claim on an edited object keeps the attributes that were found.
- What the boot script restores is claimed, whatever made it, because after the next boot the script has made it.
  An object that already was as desired is claimed with the attributes that were found, which are the same.
  So where it is no longer desired it stays as it is, as any object that was found, but is no longer restored.
- An object that was found and that the boot script has made anew since is ours: what was found is gone.
- An object that another owner claims is shared. Each owner that wants it claims it, with what the first has found;
  it is removed with the last claim.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

from ..engine import Claims, Held
from ..host.manifest import MADE_ADDRESS, MADE_SYNC, Claim
from . import data
from .model import RealServerKey, ServiceAttributes, ServiceKey
from .plan import ADD, DELETE, Operation, RealServerOperation

SERVICE = "ipvs_service"
REAL_SERVER = "ipvs_real_server"
KINDS = (SERVICE, REAL_SERVER)
# Between the service and the real server in a real server's name; neither can hold it.
_IN = " > "

# (kind, name) of an object, as the manifest has them.
Name = tuple[str, str]


def real_server_name(service: ServiceKey | str, real_server: RealServerKey | str) -> str:
    """What a real server is called in the manifest, by its keys or by their texts."""
    return f"{service}{_IN}{real_server}"


@cache
def keys_of(name: str) -> tuple[ServiceKey, RealServerKey]:
    """The reverse of ``real_server_name``.

    :raises ValueError: not such a name.
    """
    service, _in, real_server = name.partition(_IN)
    return ServiceKey.parse(service), RealServerKey.parse(real_server)


def real_server_part(name: str) -> str:
    """The real server in the name that ``real_server_name`` makes, such as ``10.0.0.1:80``."""
    return name.partition(_IN)[2]


def name_of(service: ServiceKey, real_server: RealServerKey | None = None) -> Name:
    """The name of a service, or of a real server in it."""
    if real_server is None:
        return SERVICE, str(service)
    return REAL_SERVER, real_server_name(service, real_server)


def object_of(operation: Operation) -> Name:
    """The name of what an operation is about."""
    if isinstance(operation, RealServerOperation):
        return name_of(operation.service, operation.real_server)
    return name_of(operation.service)


def with_made_at_boot(own: Claims, made: Collection[str]) -> dict[str, dict[str, Claim]]:
    """The claims, knowing what the boot script has made since they were written: that was not found.

    :param made: names of objects, as the manifest has them.
    """
    return {
        kind: {
            name: Claim() if name in made else claim for name, claim in own.get(kind, {}).items()
        }
        for kind in KINDS
    }


def with_taken_over(own: Claims, made: Collection[str]) -> dict[str, dict[str, Claim]]:
    """The claims, and those on what keepalived has made of the table, which is taken over from it.

    :param made: the names of what it has made (KEEPALIVED_MADE).
    """
    found: dict[str, dict[str, Claim]] = {SERVICE: {}, REAL_SERVER: {}}
    for name in made:
        if not name.startswith((MADE_ADDRESS, MADE_SYNC)):
            found[REAL_SERVER if _IN in name else SERVICE][name] = Claim()
    return {kind: {**found[kind], **own.get(kind, {})} for kind in KINDS}


def claims_after(
    held: Held,
    operations: Collection[Operation],
    released: Collection[Name] = (),
    adopted: Mapping[Name, Mapping[str, Any]] | None = None,
) -> dict[str, dict[str, Claim]]:
    """All claims once operations have been carried out.

    :param released: what is given up although it stays.
    :param adopted: what is claimed although nothing is done to it, with the attributes that were found.
    """
    claims = {kind: dict(held.claims(kind)) for kind in KINDS}
    gone = set()
    for operation in operations:
        kind, name = object_of(operation)
        if operation.verb == ADD:
            claims[kind][name] = Claim()
        elif operation.verb == DELETE:
            claims[kind].pop(name, None)
            if kind == SERVICE:
                gone.add(name)
        elif name not in claims[kind]:
            claims[kind][name] = _shared(held, kind, name) or Claim(_found(operation))
    for (kind, name), found in (adopted or {}).items():
        if name not in claims[kind]:
            claims[kind][name] = _shared(held, kind, name) or Claim(found)
    for kind, name in released:
        claims[kind].pop(name, None)
    return {
        SERVICE: claims[SERVICE],
        # A service takes its real servers along.
        REAL_SERVER: {
            name: claim
            for name, claim in claims[REAL_SERVER].items()
            if name.partition(_IN)[0] not in gone
        },
    }


def reverted(
    claims: Claims, original: Claims, refused: Collection[Operation]
) -> dict[str, dict[str, Claim]]:
    """The claims, where some operations were refused: on their objects, those that were there before."""
    result = {kind: dict(claims.get(kind, {})) for kind in KINDS}
    kept = set()
    for operation in refused:
        kind, name = object_of(operation)
        before = original.get(kind, {}).get(name)
        if before is None:
            result[kind].pop(name, None)
        else:
            result[kind][name] = before
        if kind == SERVICE and operation.verb == DELETE:
            kept.add(name)
    for name, claim in original.get(REAL_SERVER, {}).items():
        if name.partition(_IN)[0] in kept:
            result[REAL_SERVER][name] = claim
    return result


def _shared(held: Held, kind: str, name: str) -> Claim | None:
    """The claim of another owner, who has found what we would not find any more."""
    return next(iter(held.shared(kind, name).values()), None)


def _found(operation: Operation) -> dict[str, Any] | None:
    return None if operation.before is None else found_data(operation.before)


def found_data(attributes: Any) -> dict[str, Any]:
    """Attributes of a service or real server, as a claim keeps them."""
    if isinstance(attributes, ServiceAttributes):
        return data.service_attributes_data(attributes)
    return data.real_server_attributes_data(attributes)
