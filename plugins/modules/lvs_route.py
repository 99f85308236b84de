#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lvs_route
short_description: Lead the answers of a NAT real server back through the director
version_added: 0.1.0
description:
  - Where a Linux Virtual Server forwards by NAT, the answers of a real server have to pass the director. This module
    sets the routes for that on the real server.
  - With O(mode=policy), what the host sends from its addresses in O(source) takes O(gateway) for its default route, by
    rules and a routing table of their own. All other routes count before, and what the host sends from other addresses
    goes as ever.
  - With O(mode=default), the default route of the host itself leads to O(gateway). One that was found is given back by
    O(state=absent). Where it has a larger metric than ours, it stays beside it.
  - If the answers to the controller, over whose SSH session the module runs, would go another way than before, it
    refuses and changes nothing. Networks in O(keep) go the way they went.
  - A change undoes itself after O(rollback) seconds, unless a task with O(state=confirmed) has come through by then.
extends_documentation_fragment:
  - lvs.cluster.lvs.owner
  - lvs.cluster.lvs.attributes
requirements:
  - pyroute2 (python3-pyroute2 of the distribution) on the host
  - iproute2 on the host, for the script at boot
options:
  gateway:
    description:
      - The director's address on the real server's network, or that of a router on the way to it. One, or one of each
        address family.
      - It has to be on a network of the host. Needed with O(state=present).
    type: list
    elements: str
    default: []
  source:
    description:
      - The host's own addresses at which the director reaches it, one of each family of O(gateway). Needed with
        O(mode=policy).
    type: list
    elements: str
    default: []
  mode:
    description: Whether it is about what is sent from O(source) or about all that the host sends.
    type: str
    choices: [policy, default]
    default: policy
  keep:
    description: Networks, such as that of the controller, whose way must stay as it is.
    type: list
    elements: str
    default: []
  through:
    description:
      - Networks to which answers go by O(gateway) even though the host has a way there of its own, such as that of
        clients on a segment that it has an interface on. With O(mode=policy) only.
    type: list
    elements: str
    default: []
  table:
    description: The number of the routing table, which nobody else may use.
    type: int
    default: 1704
  priority:
    description: The priority of the first of three rules, which have this number and the two after it.
    type: int
    default: 17040
  rollback:
    description: After how many seconds a change is undone that is not confirmed. V(0) is never.
    type: int
    default: 60
  at_boot:
    description:
      - Whether the routes are set again at boot, by a shell script in C(/etc/lvs.cluster/boot.d) that needs C(ip) only.
        It waits up to a minute for the gateway's network.
      - With V(false), an earlier script of O(owner) is removed.
    type: bool
    default: true
  state:
    description:
      - With V(absent), what was found is given back.
      - With V(confirmed), a change that waits for it stays; where none waits, nothing is done.
    type: str
    choices: [present, absent, confirmed]
    default: present
notes:
  - Routes and rules of ours bear the protocol 70, so that C(ip route) and C(ip rule) show which they are.
  - With O(mode=default) a network manager may set its own default route again. O(mode=policy) is not touched by that;
    but C(systemd-networkd) removes rules and routes that it does not know when it starts anew. With O(at_boot=true)
    they are back a few seconds later, because C(lvs.cluster.service) is started anew along with it, if it is at work,
    as the roles and every boot see to. So that they never go, have its configuration say
    C(ManageForeignRoutingPolicyRules=no) and C(ManageForeignRoutes=no).
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Lead answers through the director, and leave the office's way alone
  lvs.cluster.lvs_route:
    gateway: [192.168.0.104]
    source: [192.168.0.107]
    keep: [10.20.0.0/16]
  register: way

- name: Prove over a new connection that the host is still heard from
  ansible.builtin.meta: reset_connection

- name: Let it stay
  lvs.cluster.lvs_route:
    state: confirmed

- name: Give everything back
  lvs.cluster.lvs_route:
    state: absent
    rollback: 0
"""

RETURN = r"""
ways:
  description: How answers leave, for each address family.
  returned: success
  type: dict
  sample: {ipv4: {gateway: 192.168.0.104, interface: eth1}}
pending:
  description: Whether the change waits for O(state=confirmed), or in check mode would.
  returned: success
  type: bool
operations:
  description: What was done, in order, or in check mode would be.
  returned: success
  type: list
  elements: dict
  contains:
    verb:
      description: One of V(add), V(restore) and V(delete).
      type: str
      returned: always
    object:
      description: The route or rule in the words of C(ip).
      type: str
      returned: always
"""

from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lvs.cluster.plugins.module_utils import _runtime, boot
from ansible_collections.lvs.cluster.plugins.module_utils.cluster.topology import (
    network,
    one_of_each_family,
)
from ansible_collections.lvs.cluster.plugins.module_utils.commands import Commands
from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.link import (
    converge,
    rollback,
    way_back,
)
from ansible_collections.lvs.cluster.plugins.module_utils.link.model import Way

SUBJECT = "the way back"


def argument_spec():
    return {
        "gateway": {"type": "list", "elements": "str", "default": []},
        "source": {"type": "list", "elements": "str", "default": []},
        "mode": {"type": "str", "choices": list(way_back.MODES), "default": "policy"},
        "keep": {"type": "list", "elements": "str", "default": []},
        "through": {"type": "list", "elements": "str", "default": []},
        "table": {"type": "int", "default": 1704},
        "priority": {"type": "int", "default": 17040},
        "rollback": {"type": "int", "default": 60},
        "at_boot": {"type": "bool", "default": True},
        **_runtime.OWNER_OPTION,
        "state": {
            "type": "str",
            "choices": ["present", "absent", "confirmed"],
            "default": "present",
        },
    }


def wish_of(params, kernel):
    """What is asked for; whether it can be on this host is asked of its kernel."""
    if params["state"] == "absent":
        return way_back.Wish()
    gateways = one_of_each_family(SUBJECT, "gateway", params["gateway"])
    sources = one_of_each_family(SUBJECT, "source", params["source"])
    own = kernel.addresses()
    ways = {}
    for family, gateway in gateways.items():
        way = kernel.way(gateway)
        if way is None or way.gateway or way.interface == "lo":
            raise InvalidInput(
                SUBJECT,
                "gateway",
                gateway,
                "is on no network of this host",
                "give the address of the director, or of a router that leads to it, on a network that "
                "'ip address' shows here",
            )
        if params["mode"] == "policy" and family not in sources:
            raise InvalidInput(
                SUBJECT,
                "source",
                params["source"],
                f"holds no address of the family of the gateway {gateway}",
                "add the host's own address at which the director reaches it",
            )
        if params["mode"] == "policy" and sources[family] not in own:
            raise InvalidInput(
                SUBJECT,
                "source",
                sources[family],
                "is no address of this host",
                "give one that 'ip address' shows here (for the roles: correct lvs_address)",
            )
        ways[family] = Way(gateway, way.interface)
    return way_back.Wish(
        ways,
        {family: sources[family] for family in ways if family in sources},
        tuple(network(SUBJECT, "keep", text) for text in params["keep"]),
        tuple(network(SUBJECT, "through", text) for text in params["through"]),
        params["mode"],
        params["table"],
        params["priority"],
    )


def check_numbers(params):
    for name, least, most in (
        ("table", 1, 2**32 - 1),
        ("priority", 1, 32763),
        ("rollback", 0, 3600),
    ):
        if not least <= params[name] <= most or (
            name == "table" and params[name] in (253, 254, 255)
        ):
            raise InvalidInput(
                SUBJECT,
                name,
                params[name],
                "can't be used",
                f"give a number from {least} to {most}",
            )


def work(module):
    params = module.params
    owner = params["owner"]
    store, commands = _runtime.enter(module), Commands(module.run_command)
    if params["state"] == "confirmed":
        if not module.check_mode:
            rollback.confirm(owner, commands)
        return _runtime.result([], [], ways={}, pending=False)
    check_numbers(params)

    def files(wish, todo):
        body = way_back.script_body(wish, todo) if params["at_boot"] else None
        return _runtime.boot_changes(module, boot.ROUTES, "the way back", body)

    claimed = store.load().claims.get(way_back.KIND)
    if params["state"] == "absent" and not claimed:
        # So that a host that never was a real server needs no library either.
        written = _runtime.keep_at_boot(module, boot.ROUTES, "the way back", None)
        return _runtime.result([], [], written, ways={}, pending=False)
    outcome = converge.converge(
        lambda kernel: wish_of(params, kernel),
        files,
        store,
        owner,
        params["rollback"],
        commands,
        module.check_mode,
    )
    todo = outcome.plan
    verbs = (("add", todo.added), ("restore", todo.restored), ("delete", todo.removed))
    return _runtime.result(
        [{"verb": verb, "object": str(each)} for verb, objects in verbs for each in objects],
        [todo.diff] if todo else [],
        outcome.written,
        ways={family: asdict(way) for family, way in outcome.ways.items()},
        pending=outcome.pending,
    )


def main():
    module = AnsibleModule(
        argument_spec=argument_spec(),
        required_if=[("state", "present", ("gateway",))],
        supports_check_mode=True,
    )
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
