# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Drained real servers: what everything that sets weights has to know of them. Pure.

A drain is a claim of the owner ``drained``. It is named like the real server, and holds the weight that the real server
had, since when it is drained, and the weight that it has meanwhile: 0, or more while it is restored in steps.

Every kind that sets weights consults the drains (``consults = (DRAIN,)``), gives a drained real server no more than
that, and claims the weight that its own description has for it (DESCRIBED, one of its ``claim_kinds``). So the weight
that is given back is the one that the description has by then.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from ..engine import Held
from ..host.manifest import Claim
from . import data
from .model import RealServerAttributes, Service, Table
from .ownership import keys_of, real_server_name

# The claims that say which real servers are drained, and whose they are.
DRAIN = "drain"
OWNER = "drained"
# The claims of other owners that say which weight their description has for a drained real server.
DESCRIBED = "described_weight"


class Drain(NamedTuple):
    """One drained real server.

    :ivar weight: what it had before.
    :ivar since: Unix time.
    :ivar now: what it has now: 0, or more while it is restored in steps.
    """

    weight: int
    since: int
    now: int = 0

    @property
    def claim(self) -> Claim:
        """As the manifest has it."""
        now = {"now": self.now} if self.now else {}
        return Claim({"weight": self.weight, "since": self.since, **now})

    @classmethod
    def of(cls, claim: Claim) -> Drain:
        """The reverse."""
        found = claim.found or {}
        return cls(
            int(found.get("weight", 1)), int(found.get("since", 0)), int(found.get("now", 0))
        )

    def allows(self, described: int) -> int:
        """The weight of a real server that has this weight in a description."""
        return min(described, self.now)


# By the real server's name, as ``real_server_name`` makes it.
Drains = Mapping[str, Drain]


def drains(held: Held) -> dict[str, Drain]:
    """All drains on this host, for a kind that consults them or owns them."""
    found = dict(held.claims(DRAIN))
    for name, owners in held.others.get(DRAIN, {}).items():
        found.setdefault(name, next(iter(owners.values())))
    return {name: Drain.of(claim) for name, claim in found.items()}


def applied(table: Table, found: Drains, wanted: Collection[str]) -> Table:
    """A table in which drained real servers have no more weight than they may.

    :param wanted: the names of the real servers whose weight is set; the others stay as they are.
    """
    if not found:
        return table
    return {key: _applied(service, found, wanted) for key, service in table.items()}


def _applied(service: Service, found: Drains, wanted: Collection[str]) -> Service:
    servers: dict[Any, RealServerAttributes] = {}
    for key, attributes in service.real_servers.items():
        name = real_server_name(service.key, key)
        drain = found.get(name) if name in wanted else None
        servers[key] = (
            attributes._replace(weight=drain.allows(attributes.weight)) if drain else attributes
        )
    return service if servers == service.real_servers else service._replace(real_servers=servers)


def weights_of(table: Table) -> dict[str, int]:
    """The weights of all real servers of a table, by name."""
    return {
        real_server_name(key, server): attributes.weight
        for key, service in table.items()
        for server, attributes in service.real_servers.items()
    }


def in_configuration(weights: Mapping[str, int], found: Drains) -> dict[str, int]:
    """The weights that a configuration of keepalived gets for the real servers of one service.

    Where the weights of a service are less than its quorum, keepalived lowers the quorum. That goes wrong only where
    they are all 0: then the quorum counts as lost until the next reload. So where nothing would be left, the drained
    ones keep their weight there, and are drained in the kernel alone.

    :param weights: those of the description, by name.
    """
    left = {
        name: found[name].allows(weight) if name in found else weight
        for name, weight in weights.items()
    }
    return left if any(left.values()) else dict(weights)


def described_claims(weights: Mapping[str, int], found: Drains) -> dict[str, Claim]:
    """The claims (DESCRIBED) that say which weights a description has for drained real servers.

    :param weights: those of the description, by name.
    """
    return {
        name: Claim({"weight": weight, "since": found[name].since})
        for name, weight in weights.items()
        if name in found
    }


def goal(name: str, drain: Drain, held: Held) -> int:
    """The weight that a drained real server gets back: what a description has for it, or else what it had.

    A description that was not applied since it was drained still has the weight that it had.
    """
    claims = held.others.get(DESCRIBED, {}).get(name, {})
    for _owner, claim in sorted(claims.items()):
        found = claim.found or {}
        if found.get("since") == drain.since:
            return int(found["weight"])
    return drain.weight


def next_weight(now: int, full: int, steps: int) -> int:
    """The next weight on the way from 0 to the full one, in equal steps."""
    for step in range(1, steps):
        # Rounded up, so that the first step gives some weight.
        weight = -(-full * step // steps)
        if weight > now:
            return weight
    return full


def words_of(name: str) -> str:
    """A real server by its name, in words."""
    service, server = keys_of(name)
    return f"real server {server} of service {service}"


def key_data(name: str) -> dict[str, Any]:
    """What names a real server, as results have it."""
    service, server = keys_of(name)
    return {
        "service": data.service_key_data(service),
        "real_server": data.real_server_key_data(server),
    }


def drain_data(drain: Drain | None, weight: int | None, clock: float) -> dict[str, Any]:
    """A drain, as results have it; None for a real server that is not drained.

    :param weight: what the real server gets back.
    :param clock: Unix time.
    """
    return {
        "remembered_weight": weight if drain else None,
        "since": drain.since if drain else None,
        "age": max(0, int(clock) - drain.since) if drain else None,
    }


def report(
    found: Drains, names: Iterable[str], weights: Mapping[str, int], clock: float
) -> list[dict[str, Any]]:
    """Drains for the result of a run that respects them, the oldest first.

    :param names: the real servers that are asked for; those that are not drained are left out.
    :param weights: those of the description, by name.
    :param clock: Unix time.
    """
    drained = sorted((found[name].since, name) for name in set(names) if name in found)
    return [
        {**key_data(name), **drain_data(found[name], weights.get(name, found[name].weight), clock)}
        for _since, name in drained
    ]
