# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What single-object modules ask for: one service, or one real server, present or absent.

An option that is left out keeps what stands; a new object gets the default for it. A wish turns the
service that is into the service that shall be; ``plan`` does the rest. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Union

from ..errors import InvalidInput
from . import options
from .model import (
    RealServerAttributes,
    RealServerKey,
    Service,
    ServiceAttributes,
    ServiceKey,
    check_real_server,
    check_service,
)
from .options import Options


@dataclass(frozen=True)
class ServiceWish:
    """A service that shall be there, or not.

    :ivar options: what is said about it, as ``options`` has it.
    :ivar real_servers: the options of each real server that shall be in it; None: nothing is said.
    :ivar exact: whether other real servers than these shall go.
    """

    service: ServiceKey
    present: bool = True
    options: Options = field(default_factory=dict)
    real_servers: Sequence[Options] | None = None
    exact: bool = False

    needs_service = False

    def target(self, current: Service | None) -> Service | None:
        """The service as it shall be; None where it shall not be.

        :raises InvalidInput: what results can't be.
        """
        if not self.present:
            return None
        base = current or Service(self.service, ServiceAttributes.default(self.service.family))
        changes = options.service_changes(self.service, self.options, base.attributes)
        attributes = replace(base.attributes, **changes)
        check_service(self.service, attributes)
        target = base.with_attributes(attributes)
        wished = set()
        for its_options in self.real_servers or ():
            wish = RealServerWish.of(self.service, its_options)
            if wish.real_server in wished:
                raise InvalidInput(
                    f"service {self.service}",
                    "real_servers",
                    str(wish.real_server),
                    "stands there twice",
                    "leave one of them out",
                )
            wished.add(wish.real_server)
            target = wish.applied(target)
        if self.exact and self.real_servers is not None:
            for key in set(target.real_servers) - wished:
                target = target.with_real_server(key, None)
        return target


@dataclass(frozen=True)
class RealServerWish:
    """A real server that shall be in a service, or not; the service and the others stay as they are."""

    service: ServiceKey
    real_server: RealServerKey
    present: bool = True
    options: Options = field(default_factory=dict)

    @classmethod
    def of(cls, service: ServiceKey, its_options: Options, present: bool = True) -> RealServerWish:
        """The wish that options make.

        :raises InvalidInput: they name no real server that can be.
        """
        key = options.real_server_key(service, its_options)
        return cls(service, key, present, its_options)

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
        return self.applied(current)

    def applied(self, service: Service) -> Service:
        """The service with this real server.

        :raises InvalidInput: what results can't be.
        """
        base = service.real_servers.get(self.real_server, RealServerAttributes())
        attributes = replace(base, **options.real_server_changes(self.options, base))
        check_real_server(self.service, self.real_server, attributes)
        return service.with_real_server(self.real_server, attributes)


Wish = Union[ServiceWish, RealServerWish]
