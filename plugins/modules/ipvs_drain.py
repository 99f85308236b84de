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
  - Takes a real server out of service on a Linux Virtual Server director without breaking connections, and later
    restores its weight.
  - A drained real server has weight 0. It gets no new connections, and keeps the existing ones. The result contains
    their number, so that a task can wait for the last one with C(until) and C(retries).
  - The weight is 0 as soon as the task has run, and stays 0 until O(state=restored). Runs of C(site.yml) and of the
    other modules of this collection, reloads and restarts of keepalived, real servers that fail their checks and
    recover, and reboots of the director do not change it.
  - It works whether this collection or keepalived owns the IPVS table. If keepalived does, the weight in its
    configuration is changed too, and keepalived is reloaded.
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
    description: The port of the real server. If omitted, all of its ports.
    type: int
  service:
    description: The virtual service. If omitted, all services that have this real server.
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
      - With V(drained), the real server gets weight 0, and its previous weight is recorded. The task fails if no
        service has this real server.
      - With V(restored), its weight is restored. This is the weight that the description has now or, if no run has
        applied a description since, the previous weight. A real server that is not drained is not changed.
      - With V(unchanged), nothing is changed.
    type: str
    choices: [drained, restored, unchanged]
    default: drained
  force:
    description:
      - Whether to drain a real server although a service would be left without a real server that has weight or, if
        keepalived owns the table, without its quorum. Such a service refuses new clients.
      - If keepalived owns the table and such a service has a sorry server, keepalived may break its connections.
    type: bool
    default: false
  steps:
    description:
      - In how many equal steps the weight is restored with O(state=restored), from V(1), which is at once, to V(100).
      - Each run takes one step. RV(restored) is true after the last one, so C(until) and C(retries) take all of them,
        and C(delay) is the time between two.
      - A weight cannot be divided further than to 1. A weight of 1 is restored at once.
      - If keepalived owns the table, each step reloads it, after which all of its checks start again. Choose a C(delay)
        longer than their interval.
    type: int
    default: 1
notes:
  - Runs of this collection on one host take turns, by a lock on C(/run/lvs.cluster.lock).
  - Drains are recorded in C(/var/lib/lvs.cluster/drained.json). Other runs respect them, whichever program has added
    the real server.
  - The drain of a real server that is in no table and no description any more is deleted by the next run, unless that
    has O(state=unchanged).
  - On a standby director, synchronized connections count like its own.
  - The schedulers V(sh), V(mh) and V(dh) still choose a drained real server for its share of new clients, which are
    then refused. Set the flag C(sh-fallback) or C(mh-fallback) of the service before. V(dh) has none.
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

- name: Drain it, and also wait for connections that are closing
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

- name: Restore its weight
  lvs.cluster.ipvs_drain:
    real_server: 192.168.0.107
    state: restored

- name: Restore its weight in four steps of 15 seconds
  lvs.cluster.ipvs_drain:
    real_server: 192.168.0.107
    state: restored
    steps: 4
  register: drain
  until: drain.restored
  retries: 4
  delay: 15

- name: Show how many connections it has
  lvs.cluster.ipvs_drain:
    real_server: 192.168.0.107
    state: unchanged
"""

RETURN = r"""
idle:
  description:
    - Whether the real server can be stopped without breaking a connection of any of the services.
    - It has no established connection. With UDP or a firewall mark, IPVS cannot tell whether a connection has ended, so
      it has no connections at all; they end with their timeout.
    - No client is left that persistence would send to it, unless C(net.ipv4.vs.expire_quiescent_template) is 1, with
      which such a client gets another real server.
    - In the first 3 seconds, no handshake is in progress.
  returned: success
  type: bool
restored:
  description: Whether the real server is drained in none of the services, and so has its full weight.
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
    - How many connections it has that are being established, or that have ended and have not timed out, and all
      connections of UDP.
  returned: success
  type: int
  sample: 12
persistent_connections:
  description: How many clients persistence would send to it.
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
      description: What identifies the service.
      type: dict
      returned: always
    real_server:
      description: Its address and port there.
      type: dict
      returned: always
    weight:
      description:
        - The weight in the kernel, or in check mode the weight that it would get. Null if the real server is not in the
          table, because keepalived removes those that fail their checks.
      type: int
      returned: always
    drained:
      description: Whether it is drained. A real server that is restored in steps is drained until the last step.
      type: bool
      returned: always
    remembered_weight:
      description: The weight that will be restored. Null if it is not drained.
      type: int
      returned: always
    since:
      description: Since when it has been drained, in Unix time. Null if it is not.
      type: int
      returned: always
    age:
      description: For how many seconds it has been drained. Null if it is not.
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
      description: How many clients persistence would send to it.
      type: int
      returned: always
    idle:
      description: The same as RV(idle), for this service.
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
