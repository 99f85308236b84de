# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What single-object modules ask for: one service, or one real server, present or absent.

An option that is left out keeps what stands; a new object gets the default for it. A wish turns the
service that is into the service that shall be; ``plan`` does the rest. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Union

from ..errors import InvalidInput
from .model import (
    FULL_NETMASK,
    RealServerAttributes,
    RealServerKey,
    Service,
    ServiceAttributes,
    ServiceKey,
    canonical_forwarding,
    canonical_netmask,
    check_real_server,
    check_service,
)


@dataclass(frozen=True)
class ServiceWish:
    """A service that shall be there, or not; its real servers stay as they are."""

    service: ServiceKey
    present: bool = True
    scheduler: str | None = None
    persistence_timeout: int | None = None
    persistence_netmask: str | None = None

    needs_service = False

    def target(self, current: Service | None) -> Service | None:
        """The service as it shall be; None where it shall not be.

        :raises InvalidInput: what results can't be.
        """
        if not self.present:
            return None
        base = current or Service(self.service, ServiceAttributes.default(self.service.family))
        changes: dict[str, Any] = {}
        if self.scheduler is not None:
            changes["scheduler"] = self.scheduler
        if self.persistence_timeout is not None:
            changes["persistence_timeout"] = self.persistence_timeout
            if self.persistence_timeout == 0:
                changes["persistence_netmask"] = FULL_NETMASK[self.service.family]
        if self.persistence_netmask is not None:
            changes["persistence_netmask"] = canonical_netmask(
                self.service.family, self.persistence_netmask, f"service {self.service}"
            )
        attributes = replace(base.attributes, **changes)
        check_service(self.service, attributes)
        return base.with_attributes(attributes)


@dataclass(frozen=True)
class RealServerWish:
    """A real server that shall be in a service, or not; the service and the others stay as they are."""

    service: ServiceKey
    real_server: RealServerKey
    present: bool = True
    forwarding: str | None = None
    weight: int | None = None

    @property
    def needs_service(self) -> bool:
        """A real server can't be added to a service that is not there."""
        return self.present

    def target(self, current: Service | None) -> Service | None:
        """The service as it shall be with (or without) this real server.

        :raises InvalidInput: what results can't be.
        """
        if current is None:
            if self.present:
                raise InvalidInput(
                    f"real server {self.real_server} of service {self.service}",
                    None,
                    None,
                    "the service is not in this director's table",
                    "add it with lvs.cluster.ipvs_service before its real servers",
                )
            return None
        if not self.present:
            return current.with_real_server(self.real_server, None)
        changes: dict[str, Any] = {}
        if self.forwarding is not None:
            changes["forwarding"] = canonical_forwarding(self.forwarding)
        if self.weight is not None:
            changes["weight"] = self.weight
        base = current.real_servers.get(self.real_server, RealServerAttributes())
        attributes = replace(base, **changes)
        check_real_server(self.service, self.real_server, attributes)
        return current.with_real_server(self.real_server, attributes)


Wish = Union[ServiceWish, RealServerWish]
