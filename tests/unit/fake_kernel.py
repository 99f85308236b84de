# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A kernel for the tests of what talks to one: it does what IPVS does, and fails on demand."""

from __future__ import annotations

import contextlib
import errno

from ansible_collections.lvs.cluster.plugins.module_utils.errors import Unavailable
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.kind import Kernel
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import Service
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.plan import (
    ADD,
    DELETE,
    ServiceOperation,
)
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.statistics import (
    Counters,
    RealServerStatistics,
)
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.timeouts import Timeouts


def carry_out(table, operation):
    """One operation on a dict of services, with the errno that IPVS gives (0: done)."""
    key = operation.service
    service = table.get(key)
    if isinstance(operation, ServiceOperation):
        if operation.verb == ADD:
            if service:
                return errno.EEXIST
            table[key] = Service(key, operation.after)
        elif not service:
            return errno.ESRCH
        elif operation.verb == DELETE:
            del table[key]
        else:
            table[key] = service.with_attributes(operation.after)
        return 0
    if not service:
        return errno.ESRCH
    known = operation.real_server in service.real_servers
    if known == (operation.verb == ADD):
        return errno.EEXIST if known else errno.ENOENT
    table[key] = service.with_real_server(operation.real_server, operation.after)
    return 0


class FakeKernel:
    """Stands in for netlink.Client, and counts.

    :param refuse: operation -> errno, for what the kernel shall refuse.
    :ivar missing: whether IPVS can't be loaded.
    :ivar seconds: the timeouts.
    :ivar running: the sync daemons, by role.
    :ivar connections: active, inactive and persistent connections, by service and real server.
    :param meddle: called with the table before each reading, as another program would change it.
    """

    def __init__(self, *services, loaded=True, refuse=None, meddle=None):
        self.services = {service.key: service for service in services}
        self.loaded = loaded
        self.missing = False
        self.refuse = refuse or (lambda operation: 0)
        self.meddle = meddle or (lambda services: None)
        self.executed = []
        self.seconds = Timeouts()
        self.running = {}
        self.connections = {}

    @property
    def kernel(self):
        """As the kinds take it."""
        return Kernel(self.connect, self.is_loaded)

    @contextlib.contextmanager
    def connect(self):
        if self.missing:
            raise Unavailable("IPVS is not in this kernel; install it.")
        self.loaded = True
        yield self

    def is_loaded(self):
        return self.loaded

    def service(self, key):
        self.meddle(self.services)
        return self.services.get(key)

    def table(self):
        self.meddle(self.services)
        return dict(self.services)

    def real_server_statistics(self, key):
        servers = self.services[key].real_servers if key in self.services else ()
        none = (0, 0, 0)
        return {
            server: RealServerStatistics(
                *self.connections.get((key, server), none), Counters(), Counters()
            )
            for server in servers
        }

    def timeouts(self):
        return self.seconds

    def set_timeouts(self, timeouts):
        self.executed.append(("set", timeouts))
        self.seconds = timeouts

    def daemons(self):
        return dict(self.running)

    def start_daemon(self, daemon):
        number = self.refuse(daemon)
        if number:
            raise OSError(number, "refused")
        self.executed.append(("start", daemon))
        # The kernel replaces a length of 0 by one that fits the interface.
        self.running[daemon.role] = daemon._replace(maxlen=daemon.maxlen or 1472)

    def stop_daemon(self, daemon):
        self.executed.append(("stop", daemon))
        del self.running[daemon.role]

    def execute(self, operations):
        failures = []
        for operation in operations:
            self.executed.append(operation)
            number = self.refuse(operation) or carry_out(self.services, operation)
            if number:
                failures.append((operation, number))
        return failures
