# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A part of a table: the services that somebody wants to see. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..net import canonical_address
from .model import Service, Table
from .table import Scope


class Selection(NamedTuple):
    """Which services; what is empty lets all through.

    :ivar real_servers: addresses, one of which has to be among the service's real servers.
    """

    scope: Scope = Scope()
    protocols: frozenset[str] = frozenset()
    real_servers: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        addresses: Sequence[str] = (),
        fwmarks: Sequence[int] = (),
        protocols: Sequence[str] = (),
        real_servers: Sequence[str] = (),
    ) -> Selection:
        """:raises InvalidInput: something is no address or network."""
        servers = (canonical_address(text, "the filter", "real_servers") for text in real_servers)
        return cls(
            Scope.of(addresses, fwmarks),
            frozenset(protocols),
            frozenset(address for _family, address in servers),
        )

    def of_table(self, table: Table) -> list[Service]:
        """The services, sorted."""
        keys = sorted(table, key=lambda key: key.sort_key)
        return [table[key] for key in keys if self._holds(table[key])]

    def _holds(self, service: Service) -> bool:
        scoped = bool(self.scope.networks or self.scope.fwmarks)
        if scoped and service.key not in self.scope:
            return False
        if self.protocols and service.key.protocol not in self.protocols:
            return False
        servers = {server.address for server in service.real_servers}
        return not self.real_servers or bool(servers & self.real_servers)
