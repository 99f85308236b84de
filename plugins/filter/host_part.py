# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.lvs.cluster.plugins.module_utils.cluster import part
from ansible_collections.lvs.cluster.plugins.module_utils.cluster.topology import Topology
from ansible_collections.lvs.cluster.plugins.plugin_utils.plain import plain

DIRECTORS = "lvs_directors"
REAL_SERVERS = "lvs_real_servers"
ADDRESS = "lvs_address"


def named_hosts(services):
    """The hosts that the description names, as far as it can be understood."""
    for service in services if isinstance(services, list) else []:
        servers = service.get("real_servers") if isinstance(service, dict) else None
        for server in servers if isinstance(servers, list) else []:
            if isinstance(server, dict) and server.get("host"):
                yield str(server["host"])


def host_part(variables, host, hostvars, groups):
    variables = plain(variables)
    directors = [str(name) for name in groups.get(DIRECTORS, [])]
    real_servers = [str(name) for name in groups.get(REAL_SERVERS, [])]
    known = {str(name) for name in groups.get("all", [])}
    wanted = [*directors, *real_servers, *named_hosts(variables.get("virtual_services"))]
    addresses = {
        name: plain(hostvars[name][ADDRESS])
        for name in dict.fromkeys(wanted)
        if name in known and ADDRESS in hostvars[name]
    }
    topology = Topology(tuple(directors), tuple(real_servers), known, addresses)
    return part.host_part(str(host), variables, topology)


class FilterModule:
    def filters(self):
        return {"host_part": host_part}
