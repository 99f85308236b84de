# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules for single objects ask for: one service, or one real server, present or absent.

An option that is left out keeps its current value; a new object gets its default. A request turns the
current service into the desired one; ``plan`` does the rest. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Union

from ..errors import InvalidInput
from ..values import EMPTY
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


class ServiceRequest(NamedTuple):
    """A service that is to exist, or not.

    :ivar options: what is asked of it, as ``options`` describes it.
    :ivar real_servers: the options of each of its real servers; None: nothing is asked.
    :ivar exact: whether other real servers than these are removed.
    """

    service: ServiceKey
    present: bool = True
    options: Options = EMPTY
    real_servers: Sequence[Options] | None = None
    exact: bool = False

    @property
    def needs_service(self) -> bool:
        """It may be added."""
        return False

    def target(self, current: Service | None) -> Service | None:
        """The desired service; None where it is to be absent.

        :raises InvalidInput: the result can't be.
        """
        if not self.present:
            return None
        base = current or Service(self.service, ServiceAttributes.default(self.service.family))
        changes = options.service_changes(self.service, self.options, base.attributes)
        attributes = base.attributes._replace(**changes)
        check_service(self.service, attributes)
        target = base.with_attributes(attributes)
        requested: set[RealServerKey] = set()
        for its_options in self.real_servers or ():
            request = RealServerRequest.of(self.service, its_options)
            if request.real_server in requested:
                raise InvalidInput(
                    f"service {self.service}",
                    "real_servers",
                    str(request.real_server),
                    "is listed twice",
                    "remove one of the two entries",
                )
            requested.add(request.real_server)
            target = request.applied(target)
        if self.exact and self.real_servers is not None:
            for key in set(target.real_servers) - requested:
                target = target.with_real_server(key, None)
        return target

    def names(self, key: RealServerKey) -> bool:
        """Whether it asks for this real server."""
        return any(
            options.real_server_key(self.service, each) == key for each in self.real_servers or ()
        )


class RealServerRequest(NamedTuple):
    """A real server that is to be in a service, or not; the service and its other real servers stay as they are."""

    service: ServiceKey
    real_server: RealServerKey
    present: bool = True
    options: Options = EMPTY

    @classmethod
    def of(
        cls, service: ServiceKey, its_options: Options, present: bool = True
    ) -> RealServerRequest:
        """The request that options make.

        :raises InvalidInput: they name no valid real server.
        """
        key = options.real_server_key(service, its_options)
        return cls(service, key, present, its_options)

    @property
    def needs_service(self) -> bool:
        """A real server can't be added to a service that does not exist."""
        return self.present

    def target(self, current: Service | None) -> Service | None:
        """The desired service, with (or without) this real server.

        :raises InvalidInput: the result can't be.
        """
        if current is None:
            if self.present:
                raise InvalidInput(
                    f"real server {self.real_server} of service {self.service}",
                    None,
                    None,
                    "the service is not in the IPVS table of this director",
                    "add it with lvs.cluster.ipvs_service before its real servers",
                )
            return None
        if not self.present:
            return current.with_real_server(self.real_server, None)
        return self.applied(current)

    def applied(self, service: Service) -> Service:
        """The service with this real server.

        :raises InvalidInput: the result can't be.
        """
        base = service.real_servers.get(self.real_server, RealServerAttributes())
        attributes = base._replace(**options.real_server_changes(self.options, base))
        check_real_server(self.service, self.real_server, attributes)
        return service.with_real_server(self.real_server, attributes)

    def names(self, key: RealServerKey) -> bool:
        """Whether it asks for this real server."""
        return key == self.real_server


Request = Union[ServiceRequest, RealServerRequest]
