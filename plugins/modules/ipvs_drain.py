#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ipvs_drain
short_description: Drain a real server, and restore it
version_added: 0.1.0
description:
  - Takes a real server out of service on a Linux Virtual Server director without breaking connections, and later gives
    it back its weight.
  - A drained real server has weight 0. It gets no new connections, and keeps those that it has. How many these are is
    in the result, so that a task can wait for their end with C(until) and C(retries).
  - The weight is 0 as soon as the task has run, and stays 0 through everything that sets weights otherwise, which is
    runs of C(site.yml) and of the other modules of this collection, reloads and restarts of keepalived, real servers
    that fail their checks and recover, and reboots of the director. It stays 0 until O(state=restored).
  - It does not matter whether this collection or keepalived owns the IPVS table. Where keepalived does, the weight in
    its configuration is changed too, and it reads it again.
  - Each director has its own drains. Drain a real server on all of them.
extends_documentation_fragment:
  - lvs.cluster.lvs.alike
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
    details:
      - Check mode loads no kernel module and writes no file.
  diff_mode:
    description:
      - Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
    details:
      - The diff in check mode is the diff of the change.
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: partial
    details:
      - With O(steps), each run takes the next step, up to the last.
options:
  real_server:
    description: The address of the real server, as the director sends packets to it.
    type: str
    required: true
  port:
    description: The port of the real server. If omitted, all of its ports are meant.
    type: int
  service:
    description: The virtual service. If omitted, all services are meant that have this real server.
    type: dict
    suboptions:
      address:
        description: The virtual address (VIP). A service is named either by address and port, or by fwmark.
        type: str
      port:
        description: The service's port.
        type: int
      protocol:
        description: The service's protocol, V(tcp) if omitted.
        type: str
        choices: [tcp, udp, sctp]
      fwmark:
        description: The service's firewall mark.
        type: int
      family:
        description: The address family of a firewall mark's service, V(ipv4) if omitted.
        type: str
        choices: [ipv4, ipv6]
  state:
    description:
      - With V(drained), the real server has weight 0, and the weight that it had is remembered. The task fails if no
        service has this real server.
      - With V(restored), it has its weight again. This is the weight that its description has by now, or if nothing
        has applied one since, the weight that it had. A real server that is not drained stays as it is.
      - With V(unchanged), nothing is changed.
    type: str
    choices: [drained, restored, unchanged]
    default: drained
  force:
    description:
      - Whether a real server is drained although a service would be left without real servers of any weight, or, where
        keepalived owns the table, without its quorum. Such a service refuses new clients.
      - Where keepalived owns the table and such a service has a sorry server, keepalived may cut its connections.
    type: bool
    default: false
  steps:
    description:
      - In how many equal steps the weight is given back with O(state=restored), from V(1), which is at once, to V(100).
      - Each run takes one step. RV(restored) is true after the last, so C(until) and C(retries) take all of them, and
        C(delay) is the time between two.
      - A weight can't be divided further than to 1. One of 1 is given back at once.
      - Where keepalived owns the table, each step reloads it, after which all of its checks begin anew. Let C(delay) be
        longer than their interval.
    type: int
    default: 1
notes:
  - Runs of this collection on one host take turns, by a lock on C(/run/lvs.cluster.lock).
  - Drains are kept in C(/var/lib/lvs.cluster/drained.json). Whoever makes the real server, other runs respect them.
  - The drain of a real server that is in no table and no description any more is forgotten by the next run, unless it
    is one with O(state=unchanged).
  - On a director that is a backup, synchronized connections count like its own.
  - The schedulers V(sh), V(mh) and V(dh) go on choosing a drained real server for its share of new clients, which are
    refused then. Set the flag C(sh-fallback) or C(mh-fallback) of the service before. V(dh) has none.
seealso:
  - module: lvs.cluster.ipvs_info
  - module: lvs.cluster.ipvs_real_server
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Drain a real server, and wait up to ten minutes for its last connection
  lvs.cluster.ipvs_drain:
    real_server: 192.168.0.107
  register: drain
  until: drain.idle
  retries: 60
  delay: 10

- name: Do not wait for connections that are ending, either
  lvs.cluster.ipvs_drain:
    real_server: 192.168.0.107
  register: drain
  until: drain.active_connections + drain.inactive_connections == 0
  retries: 60
  delay: 10

- name: Drain it in one service only
  lvs.cluster.ipvs_drain:
    real_server: 192.168.0.107
    service: {address: 170.210.122.104, port: 80}

- name: Give it back its weight
  lvs.cluster.ipvs_drain:
    real_server: 192.168.0.107
    state: restored

- name: Give it back its weight in four steps of 15 seconds
  lvs.cluster.ipvs_drain:
    real_server: 192.168.0.107
    state: restored
    steps: 4
  register: drain
  until: drain.restored
  retries: 4
  delay: 15

- name: See how many connections it has
  lvs.cluster.ipvs_drain:
    real_server: 192.168.0.107
    state: unchanged
"""

RETURN = r"""
idle:
  description:
    - Whether the real server has nothing to do any more in any of the services, so that it can be stopped without
      breaking a connection.
    - It has no established connection, and with UDP or a firewall mark, whose connections IPVS can't tell from ended
      ones, none at all until they have timed out.
    - No client is left that persistence would send to it, unless C(net.ipv4.vs.expire_quiescent_template) is 1, with
      which such a client gets another real server.
    - For the first 3 seconds no handshake is under way, either.
  returned: success
  type: bool
restored:
  description: Whether the real server is drained in none of the services, and so has its whole weight.
  returned: success
  type: bool
in_service:
  description:
    - Whether it is drained in none of the services, and gets its share of new connections in all of them. Where
      keepalived has the table, that says that its health checks succeed on this director.
  returned: success
  type: bool
active_connections:
  description: How many established connections it has in all of the services.
  returned: success
  type: int
  sample: 3
inactive_connections:
  description:
    - How many connections it has that are about to be established, or that have ended and have not timed out, and all
      those of UDP.
  returned: success
  type: int
  sample: 12
persistent_connections:
  description: How many clients persistence remembers for it.
  returned: success
  type: int
  sample: 0
real_servers:
  description: The real server in each of the services.
  returned: success
  type: list
  elements: dict
  contains:
    service:
      description: What names the service.
      type: dict
      returned: always
    real_server:
      description: Its address and port there.
      type: dict
      returned: always
    weight:
      description:
        - The weight that the kernel has, or in check mode would have. Null where it is not in the table, as keepalived
          removes those that fail their checks.
      type: int
      returned: always
    drained:
      description: Whether it is drained. One that is restored in steps is, until the last.
      type: bool
      returned: always
    remembered_weight:
      description: The weight that it gets back. Null where it is not drained.
      type: int
      returned: always
    since:
      description: Since when it is drained, in Unix time. Null where it is not.
      type: int
      returned: always
    age:
      description: For how many seconds it has been drained. Null where it is not.
      type: int
      returned: always
    active_connections:
      description: How many established connections it has.
      type: int
      returned: always
    inactive_connections:
      description: How many other connections it has.
      type: int
      returned: always
    persistent_connections:
      description: How many clients persistence remembers for it.
      type: int
      returned: always
    idle:
      description: The same as RV(idle), of this service.
      type: bool
      returned: always
    in_service:
      description: The same as RV(in_service), of this service.
      type: bool
      returned: always
  sample:
    - service: {protocol: tcp, address: 170.210.122.104, port: 80}
      real_server: {address: 192.168.0.107, port: 80}
      weight: 0
      drained: true
      remembered_weight: 2
      since: 1791158400
      age: 75
      active_connections: 3
      inactive_connections: 12
      persistent_connections: 0
      idle: false
      in_service: false
operations:
  description: What was done, in order, or in check mode would be.
  returned: success
  type: list
  elements: dict
  contains:
    verb:
      description: V(drain), V(restore), or V(edit) for the configuration of keepalived.
      type: str
      returned: always
    service:
      description: The service that it was done in.
      type: dict
      returned: for real servers
    real_server:
      description: The real server that it was done to.
      type: dict
      returned: for real servers
    path:
      description: The file that was changed.
      type: str
      returned: for keepalived
  sample:
    - verb: drain
      service: {protocol: tcp, address: 170.210.122.104, port: 80}
      real_server: {address: 192.168.0.107, port: 80}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lvs.cluster.plugins.module_utils import _runtime
from ansible_collections.lvs.cluster.plugins.module_utils.draining import request
from ansible_collections.lvs.cluster.plugins.module_utils.draining.configuration import Keepalived
from ansible_collections.lvs.cluster.plugins.module_utils.draining.kind import Drains
from ansible_collections.lvs.cluster.plugins.module_utils.host.store import Store
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import drain


def argument_spec():
    return {**request.OPTIONS}


def work(module):
    configuration = Keepalived(_runtime.commands(module))
    kind = Drains(request.Request.of(module.params), configuration)
    return _runtime.one_kind(module, kind, Store(drain.OWNER))


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
