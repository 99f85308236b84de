# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the directors of a cluster agree on which of them is active: the variables ``keepalived_*``. Pure.

Whether they fit the services and the other directors is checked in ``availability``.
"""

from __future__ import annotations

import ipaddress
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ansible_collections.lvs.cluster.plugins.module_utils.net import (
    FAMILIES,
    Network,
    canonical_address,
    family_of,
    listed,
)

from .findings import Findings
from .topology import Topology, unusable
from .variables import KEEPALIVED, Values, path_of

ADDRESS, ROUTER_IDS = "keepalived_address", "keepalived_router_ids"
PASSWORD, ADVERT_INTERVAL = "keepalived_password", "keepalived_advert_interval"
# An advertisement of VRRP version 3 has the interval in 12 bits, in hundredths of a second; one of version 2 in 8 bits,
# in seconds.
MAX_INTERVAL, MAX_INTERVAL_2 = 40.95, 255.0
MAX_ROUTER_ID = 255
FIRST_PRIORITY, PRIORITY_STEP, MAX_PRIORITY = 200, 10, 254
# In seconds; keepalived's own limit of the delay.
MAX_PREEMPT_DELAY, MAX_STARTUP_DELAY, MAX_REFRESH = 1000, 600, 86400
# As long as the field of an advertisement, and nothing that means something to keepalived's parser.
_PASSWORD = re.compile(r"[A-Za-z0-9_.,:;@%+=*/^|<>()\[\]?&-]{1,8}")


class Source(NamedTuple):
    """An address that a director speaks from.

    :ivar network: None where its prefix length is not known.
    """

    address: str
    network: Network | None


@dataclass(frozen=True)
class Director:
    """A director as VRRP sees it.

    :ivar declared: whether its addresses are declared for VRRP, and not taken from lvs_address.
    """

    sources: tuple[Source, ...] = ()
    declared: bool = False
    priority: int = FIRST_PRIORITY
    preempt_delay: int = 0
    startup_delay: int = 0

    def counterpart(self, number: int, family: str) -> Source | None:
        """What belongs with the address of another director: that at its place, or of its family in lvs_address.

        :param number: its place, from 1.
        """
        if self.declared:
            return self.sources[number - 1] if number <= len(self.sources) else None
        return next((each for each in self.sources if family_of(each.address) == family), None)


@dataclass(frozen=True)
class Segment:
    """A network on which the directors hear each other, in one family.

    :ivar number: from 1, as the addresses are listed.
    :ivar addresses: by director.
    :ivar network: None where it is not known.
    """

    number: int
    family: str
    addresses: Mapping[str, str]
    network: Network | None
    router_id: int

    def holds(self, address: str) -> bool:
        """Whether the address is known to be on that network."""
        return self.network is not None and ipaddress.ip_address(address) in self.network


@dataclass(frozen=True)
class Vrrp:
    """What the directors of a cluster agree on.

    :ivar owns_table: whether keepalived has the IPVS table too, and checks the real servers.
    :ivar password: whether there is one. Its value stands nowhere.
    :ivar directors: in the inventory's order.
    """

    cluster: str
    directors: Mapping[str, Director]
    segments: tuple[Segment, ...]
    owns_table: bool = True
    multicast: bool = False
    advert_interval: float = 1.0
    garp_refresh: int = 60
    password: bool = False
    preempt: bool = False
    sync: bool = True

    def segment_of(self, address: str) -> Segment | None:
        """Which segment an address moves with: the smallest that holds it, else the first of its family."""
        its = [each for each in self.segments if each.family == family_of(address)]
        holding = [each for each in its if each.holds(address)]
        return max(holding, key=_prefix_length, default=its[0] if its else None)

    @property
    def own_addresses(self) -> dict[str, str]:
        """All addresses that directors speak from, each with its director."""
        return {
            source.address: host
            for host, director in self.directors.items()
            for source in director.sources
        }


def _prefix_length(segment: Segment) -> int:
    return segment.network.prefixlen if segment.network else 0


def derived_router_id(cluster: str, number: int, family: str, taken: Iterable[int] = ()) -> int:
    """A virtual router id: the same at every run, and probably another one in each cluster."""
    used = set(taken)
    found = zlib.crc32(f"{cluster}/{number}/{family}".encode()) % MAX_ROUTER_ID + 1
    while found in used and len(used) < MAX_ROUTER_ID:
        found = found % MAX_ROUTER_ID + 1
    return found


def read_vrrp(
    cluster: str,
    topology: Topology,
    values: Mapping[str, Values],
    given: Mapping[str, Values],
    findings: Findings,
) -> Vrrp:
    """How the directors of a cluster find the active one.

    :param values: by host, its variables; ``given``: as they are set.
    """
    mine = {host: given[host] for host in topology.directors}
    directors = {
        host: _director(number, host, topology, values[host], mine, findings)
        for number, host in enumerate(topology.directors)
    }
    if not directors:
        return Vrrp(cluster, {}, ())
    first = topology.directors[0]
    common = values[first]

    def path(name: str) -> str:
        return path_of(first, name, mine)

    password = bool(common[PASSWORD])
    if password and not _PASSWORD.fullmatch(common[PASSWORD]):
        findings.error(
            "",
            path(PASSWORD),
            None,
            "must have 1 to 8 letters, digits or signs, without spaces, quotes, backslashes, braces and any of ! # $ ~",
            "choose another one",
        )
    _check_interval(common[ADVERT_INTERVAL], password, path(ADVERT_INTERVAL), findings)
    _check_range("keepalived_garp_refresh", common, MAX_REFRESH, path, findings, "0 for no refresh")
    segments = _segments(cluster, directors, common[ROUTER_IDS], path(ROUTER_IDS), findings)
    return Vrrp(
        cluster,
        directors,
        segments,
        common["keepalived_table"] == KEEPALIVED,
        common["keepalived_multicast"],
        common[ADVERT_INTERVAL],
        common["keepalived_garp_refresh"],
        password,
        common["keepalived_preempt"],
        common["keepalived_sync"],
    )


def _director(
    number: int,
    host: str,
    topology: Topology,
    values: Values,
    given: Mapping[str, Values],
    findings: Findings,
) -> Director:
    """:param number: its place among the directors, from 0."""

    def path(name: str) -> str:
        return path_of(host, name, given)

    priority = values["keepalived_priority"]
    if not 0 <= priority <= MAX_PRIORITY:
        findings.error(
            "",
            path("keepalived_priority"),
            priority,
            f"must be from 1 to {MAX_PRIORITY}",
            "omit it, or write a number; the highest is preferred",
        )
    for name, most in (
        ("keepalived_preempt_delay", MAX_PREEMPT_DELAY),
        ("keepalived_startup_delay", MAX_STARTUP_DELAY),
    ):
        _check_range(name, values, most, path, findings, "0 for none")
    sources = _sources(host, topology, values[ADDRESS], path(ADDRESS), findings)
    return Director(
        sources,
        bool(listed(values[ADDRESS])),
        priority or max(1, FIRST_PRIORITY - PRIORITY_STEP * number),
        values["keepalived_preempt_delay"],
        values["keepalived_startup_delay"],
    )


def _check_range(
    name: str,
    values: Values,
    most: int,
    path: Callable[[str], str],
    findings: Findings,
    remedy: str,
) -> None:
    if not 0 <= values[name] <= most:
        problem = f"must be from 0 to {most} seconds"
        findings.error("", path(name), values[name], problem, f"use a number, {remedy}")


def _check_interval(interval: float, password: bool, path: str, findings: Findings) -> None:
    if password:
        if not 1 <= interval <= MAX_INTERVAL_2 or interval % 1:
            problem = f"must be a whole number from 1 to {MAX_INTERVAL_2:g}, because passwords need VRRP version 2"
            findings.error("", path, interval, problem, "round it, or omit keepalived_password")
    elif not 0.01 <= interval <= MAX_INTERVAL or abs(interval * 100 - round(interval * 100)) > 1e-6:
        problem = f"must be from 0.01 to {MAX_INTERVAL:g} seconds, in hundredths"
        findings.error("", path, interval, problem, "use for example 1 or 0.5")


def _sources(
    host: str, topology: Topology, declared: Any, path: str, findings: Findings
) -> tuple[Source, ...]:
    own, networks = topology.addresses_of(host), topology.networks.get(host, {})
    found: dict[str, Source] = {}
    for text in map(str, listed(declared)):
        with findings.at("", path):
            family, address = canonical_address(text.partition("/")[0], path, path)
            network = networks.get(family) if own.get(family) == address else None
            if "/" in text:
                network = _network(text, path, findings)
            problem, remedy = unusable(address, network), ""
            owner = topology.owners.get(address, host)
            if address in found:
                problem, remedy = "is listed twice", "remove one of the two"
            elif owner != host:
                problem, remedy = f"is the address of {owner}", f"use an address of {host}"
            if problem:
                remedy = remedy or "use an address by which the other directors reach this one"
                findings.error("", path, address, problem, remedy)
            found[address] = Source(address, network)
    if not listed(declared):
        found = {
            own[family]: Source(own[family], networks.get(family))
            for family in FAMILIES
            if family in own
        }
    return tuple(found.values())


def _network(text: str, path: str, findings: Findings) -> Network | None:
    try:
        return ipaddress.ip_interface(text).network
    except ValueError:
        problem = "is not an address with the prefix length of its network"
        findings.error("", path, text, problem, "use for example 192.168.0.107/24")
        return None


def _segments(
    cluster: str,
    directors: Mapping[str, Director],
    declared: Sequence[int],
    path: str,
    findings: Findings,
) -> tuple[Segment, ...]:
    """Those of the first director, with what the others have at the same place of the list."""
    of_first = next(iter(directors.values())).sources
    for router_id in declared:
        if not 1 <= router_id <= MAX_ROUTER_ID:
            problem = f"must be from 1 to {MAX_ROUTER_ID}"
            remedy = "choose numbers that nothing else on the segment uses"
            findings.error("", path, router_id, problem, remedy)
    if declared and len(declared) != len(of_first):
        findings.error(
            "",
            path,
            list(declared),
            f"must have as many numbers as {ADDRESS} has addresses, which is {len(of_first)}",
            "omit it, or write one for each",
        )
        declared = ()
    found: list[Segment] = []
    for number, source in enumerate(of_first, 1):
        family = family_of(source.address)
        sources = {
            host: its
            for host, each in directors.items()
            for its in [each.counterpart(number, family)]
            if its
        }
        known = [each.network for each in sources.values() if each.network]
        taken = [each.router_id for each in found if each.family == family]
        found.append(
            Segment(
                number,
                family,
                {host: each.address for host, each in sources.items()},
                known[0] if known else None,
                declared[number - 1]
                if declared
                else derived_router_id(cluster, number, family, taken),
            )
        )
    return tuple(found)
