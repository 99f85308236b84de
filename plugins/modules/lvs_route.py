#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lvs_route
short_description: Route the replies of a NAT real server back through the director
version_added: 0.1.0
description:
  - With NAT, the replies of a Linux Virtual Server real server have to pass the director. This module sets the routes
    for that on the real server.
  - With O(mode=policy), packets that the host sends from its addresses in O(source) use O(gateway) instead of the
    default route, by a separate routing table and rules. More specific routes take precedence, and packets from other
    addresses are routed as before.
  - With O(mode=default), the default route of the host itself leads to O(gateway). The previous default route is
    restored with O(state=absent). If its metric is larger than that of the new one, it stays beside it. Several owners
    may share the route if they have the same O(gateway). Then the last one restores the previous route.
  - If the replies to the control node, over whose SSH session the module runs, would take another route than before,
    it refuses and changes nothing. Packets to networks in O(keep) keep their route.
  - A change is undone after O(rollback) seconds unless it is confirmed. The task does that automatically. It makes a
    new connection to the host at once, and runs the module over it with O(state=confirmed). If the host cannot be
    reached any more, the task fails, and the host undoes the change. If the host is rebooted before the confirmation,
    the change is undone at boot.
extends_documentation_fragment:
  - lvs.cluster.lvs.owner
  - lvs.cluster.lvs.alike
  - lvs.cluster.lvs.attributes
requirements:
  - iproute2 on the host
  - pyroute2 (python3-pyroute2 of the distribution) on the host, if something has to be changed
options:
  gateway:
    description:
      - The director's address on the real server's network, or that of a router on the way to it, or a list with one
        address of each family.
      - It has to be on a network of the host. Required with O(state=present).
    type: list
    elements: str
    default: []
  source:
    description:
      - The host's own addresses to which the director sends, one of each family of O(gateway). Required with
        O(mode=policy).
    type: list
    elements: str
    default: []
  mode:
    description: Whether only packets from O(source) are routed to O(gateway), or all packets of the host.
    type: str
    choices: [policy, default]
    default: policy
  keep:
    description: Networks, such as that of the control node, whose route must not change.
    type: list
    elements: str
    default: []
  through:
    description:
      - Networks to which replies go through O(gateway) although the host has a more specific route, such as the network
        of clients on a segment of this host. Only with O(mode=policy).
    type: list
    elements: str
    default: []
  table:
    description: The number of the routing table, which no other program may use.
    type: int
    default: 1704
  priority:
    description: The priority of the first rules. The others have the next two numbers.
    type: int
    default: 17040
  rollback:
    description:
      - After how many seconds a change that is not confirmed is undone. With V(0) it is not undone, and needs no
        confirmation.
      - If the run itself takes longer, it fails, and the previous routes are restored.
    type: int
    default: 60
  at_boot:
    description:
      - Whether the routes are set again at boot, by a shell script in C(/etc/lvs.cluster/boot.d) that needs only C(ip).
        It waits up to a minute for the gateway's network.
      - With V(false), an earlier script of O(owner) is removed.
    type: bool
    default: true
  state:
    description:
      - With V(absent), the previous state is restored.
      - With V(confirmed), a change that waits for its confirmation becomes permanent. Without such a change, nothing is
        done. The task does this automatically.
    type: str
    choices: [present, absent, confirmed]
    default: present
notes:
  - Its routes and rules have the protocol number 70, which C(ip route) and C(ip rule) show.
  - With O(mode=default), a network manager may set its own default route again. This does not affect O(mode=policy),
    but C(systemd-networkd) removes rules and routes that it did not create when it restarts. With O(at_boot=true) they
    are restored within seconds, by C(lvs.cluster.service) and C(lvs.cluster-watch.service). To keep them in place all
    the time, set C(ManageForeignRoutingPolicyRules=no) and C(ManageForeignRoutes=no) in its configuration.
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Route replies through the director, except those to the office
  lvs.cluster.lvs_route:
    gateway: [192.168.0.104]
    source: [192.168.0.107]
    keep: [10.20.0.0/16]

- name: Restore the previous routes
  lvs.cluster.lvs_route:
    state: absent
    rollback: 0
"""

RETURN = r"""
next_hops:
  description: The next hop and the interface of replies, for each address family.
  returned: success
  type: dict
  sample: {ipv4: {gateway: 192.168.0.104, interface: eth1}}
pending:
  description: In check mode, whether the change would have to be confirmed; otherwise V(false).
  returned: success
  type: bool
confirmed:
  description: Whether the change was confirmed over a new connection.
  returned: when there was something to confirm
  type: bool
operations:
  description: The operations, in order, or in check mode the planned ones.
  returned: success
  type: list
  elements: dict
  contains:
    verb:
      description: One of V(add), V(restore) and V(delete).
      type: str
      returned: always
    object:
      description: The route or rule in the syntax of C(ip).
      type: str
      returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lvs.cluster.plugins.module_utils import _runtime
from ansible_collections.lvs.cluster.plugins.module_utils.host import rollback
from ansible_collections.lvs.cluster.plugins.module_utils.network import return_route
from ansible_collections.lvs.cluster.plugins.module_utils.network.iproute import IpRoute
from ansible_collections.lvs.cluster.plugins.module_utils.network.kinds import (
    ROUTE_OPTIONS,
    Routes,
)


def argument_spec():
    return {
        **ROUTE_OPTIONS,
        "at_boot": {"type": "bool", "default": True},
        **_runtime.OWNER_OPTION,
        "state": {
            "type": "str",
            "choices": ["present", "absent", "confirmed"],
            "default": "present",
        },
    }


def work(module):
    params = module.params
    commands = _runtime.commands(module)
    if params["state"] == "confirmed":
        if not module.check_mode:
            rollback.confirm(params["owner"], commands)
        return {"changed": False, "operations": [], "diff": [], "next_hops": {}, "pending": False}
    return_route.check_numbers(params)
    store = _runtime.enter(module)
    kind = Routes(
        params if params["state"] == "present" else None,
        params["owner"],
        IpRoute(commands),
        commands,
        params["at_boot"] and params["state"] == "present",
        params["rollback"],
    )
    return _runtime.one_kind(module, kind, store)


def main():
    module = AnsibleModule(
        argument_spec=argument_spec(),
        required_if=[("state", "present", ("gateway",))],
        supports_check_mode=True,
    )
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
