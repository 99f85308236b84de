# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The machines of a cluster as the inventory declares them: who is what, and where. Pure."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Union

from ..errors import InvalidInput
from ..ipvs.model import canonical_address

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


@dataclass(frozen=True)
class Topology:
    """:ivar directors: the hosts of the group lvs_directors, in the inventory's order.
    :ivar real_servers: the hosts of the group lvs_real_servers.
    :ivar known: all hosts of the inventory.
    :ivar addresses: for each of those that the description is about, its lvs_address as declared.
    """

    directors: tuple[str, ...] = ()
    real_servers: tuple[str, ...] = ()
    known: Collection[str] = ()
    addresses: Mapping[str, Any] = field(default_factory=dict)

    def addresses_of(self, host: str) -> dict[str, str]:
        """The host's addresses on the cluster's network: family to address; empty where none is declared.

        :raises InvalidInput: what is declared is none.
        """
        given = [str(text).partition("/")[0] for text in _listed(self.addresses.get(host))]
        return one_of_each_family(f"host {host}", "lvs_address", given)

    def networks_of(self, host: str) -> dict[str, Network]:
        """The segments that the host's addresses are on: family to network; without those of which no prefix
        length is declared.

        :raises InvalidInput: what is declared is none.
        """
        found: dict[str, Network] = {}
        for text in map(str, _listed(self.addresses.get(host))):
            if "/" not in text:
                continue
            try:
                network = ipaddress.ip_interface(text).network
            except ValueError:
                raise InvalidInput(
                    f"host {host}",
                    "lvs_address",
                    text,
                    "is no address with the prefix length of its network",
                    "write such as 192.168.0.107/24",
                ) from None
            found["ipv4" if network.version == 4 else "ipv6"] = network
        return found

    def host_of(self, address: str) -> str | None:
        """Whose address it is, or None."""
        for host in self.addresses:
            if address in self.addresses_of(host).values():
                return host
        return None


def one_of_each_family(subject: str, option: str, given: Any) -> dict[str, str]:
    """An address, or a list of one of each family: family to address.

    :raises InvalidInput: not so.
    """
    found: dict[str, str] = {}
    for text in _listed(given):
        family, address = canonical_address(str(text), subject, option)
        if family in found:
            raise InvalidInput(
                subject,
                option,
                given,
                f"holds two {'IPv4' if family == 'ipv4' else 'IPv6'} addresses",
                "give one, or one of each family",
            )
        found[family] = address
    return found


def networks(option: str, given: Any) -> tuple[Network, ...]:
    """A list of networks.

    :raises InvalidInput: something in it is none.
    """
    return tuple(network("the description", option, str(text)) for text in _listed(given))


def network(subject: str, option: str, text: str) -> Network:
    """A network.

    :raises InvalidInput: it is none, or has bits set beyond its prefix.
    """
    with contextlib.suppress(ValueError):
        return ipaddress.ip_network(text)
    problem, remedy = "is not a network", "write such as 192.168.0.0/24 or fd00:0:0:1::/64"
    with contextlib.suppress(ValueError):
        remedy = f"write {ipaddress.ip_network(text, strict=False)}"
        problem = "has bits set beyond its prefix"
    raise InvalidInput(subject, option, text, problem, remedy)


def network_of(address: str, among: Iterable[Network]) -> Network | None:
    """The smallest of these networks that the address is in, or None."""
    parsed = ipaddress.ip_address(address)
    inside = [network for network in among if parsed in network]
    return max(inside, key=lambda network: network.prefixlen, default=None)


def _listed(given: Any) -> list[Any]:
    if given is None or given == "":
        return []
    return list(given) if isinstance(given, (list, tuple)) else [given]
