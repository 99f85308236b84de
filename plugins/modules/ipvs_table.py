#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ipvs_table
short_description: Make the whole IPVS table of a director what a description says
version_added: 0.1.0
description:
  - Takes all virtual services with their real servers, as data or as the text of C(ipvsadm), and makes the table of a
    Linux Virtual Server director so, by one reading, one plan, and few system calls however many objects there are.
  - What is left out of a service or real server has its default, unlike with M(lvs.cluster.ipvs_service).
  - Everything that can be edited is edited in place. Nothing is removed before everything that is added or edited
    stands, and no real server of a service is removed where an addition to that service has failed.
  - What the description no longer holds is removed if an earlier run has made it. What somebody else has made stays,
    and what an earlier run has found and edited is given back as it was found, unless O(purge) says otherwise.
  - Where the kernel refuses a part, the rest is carried out, the task fails and names every part that was refused. A
    second run completes it.
extends_documentation_fragment:
  - lvs.cluster.lvs.owner
  - lvs.cluster.lvs.netns
  - lvs.cluster.lvs.attributes
options:
  services:
    description:
      - The virtual services. An empty list removes all that are ours.
      - What M(lvs.cluster.ipvs_service) returns as a service is one.
    type: list
    elements: dict
    suboptions:
      address:
        description: The virtual address (VIP). A service is named either by address and port, or by fwmark.
        type: str
      port:
        description: The port that clients connect to; V(0) is all ports, which needs persistence.
        type: int
      protocol:
        description: The protocol, V(tcp) where it is left out.
        type: str
        choices: [tcp, udp, sctp]
      fwmark:
        description: The firewall mark of the packets that are balanced as one service.
        type: int
      family:
        description: The address family of a firewall mark's service, V(ipv4) where it is left out.
        type: str
        choices: [ipv4, ipv6]
      scheduler:
        description: How the real server for a new connection is chosen, V(wlc) where it is left out.
        type: str
        choices: [dh, fo, lblc, lblcr, lc, mh, nq, ovf, rr, sed, sh, twos, wlc, wrr]
      scheduler_flags:
        description: The scheduler's flags, none where they are left out.
        type: list
        elements: str
        choices: [flag-1, flag-2, flag-3, sh-fallback, sh-port, mh-fallback, mh-port]
      persistence_timeout:
        description: For how many seconds a client keeps its real server; V(0), as where it is left out, is none.
        type: int
      persistence_netmask:
        description: Which clients count as one for persistence; each address for itself where it is left out.
        type: str
      persistence_engine:
        description: What tells clients apart instead of their address; none where it is left out.
        type: str
        choices: ["", sip]
      one_packet:
        description: Whether each packet is scheduled for itself; not where it is left out.
        type: bool
      real_servers:
        description:
          - The real servers of the service, each as with M(lvs.cluster.ipvs_real_server).
        type: list
        elements: dict
        suboptions:
          address:
            description: The address of the real server.
            type: str
            required: true
          port:
            description: The port that it listens on. Left out, it is the service's port.
            type: int
          forwarding:
            description: How packets reach it, V(nat) where it is left out. C(ipvsadm)'s words are taken too.
            type: str
            choices: [nat, dr, tun, masq, masquerading, gate, gatewaying, ipip, tunneling]
          weight:
            description: Its share of new connections, from V(0), which is none, to V(65535). V(1) where it is left out.
            type: int
          upper_threshold:
            description:
              - The number of connections from which on it gets no new ones. V(0), as where it is left out, is no limit.
            type: int
          lower_threshold:
            description: The number of connections below which it gets new ones again.
            type: int
          tunnel_type:
            description: How packets are wrapped for V(tun), V(ipip) where it is left out.
            type: str
            choices: [ipip, gue, gre]
          tunnel_port:
            description: The UDP port on which it unwraps GUE.
            type: int
          tunnel_checksum:
            description: The checksum of the wrapping, V(none) where it is left out.
            type: str
            choices: [none, csum, remcsum]
  rules:
    description:
      - The virtual services as lines of C(-A) and C(-a), as C(ipvsadm --save --numeric) writes them, in place of
        O(services). Thresholds (C(-x), C(-y)), which C(ipvsadm) does not save, are understood.
      - A real server without a forwarding method is one by direct routing, as for C(ipvsadm).
    type: str
  purge:
    description:
      - What becomes of what is in the table and not in the description.
      - V(none) leaves it.
      - V(owned) removes what the manifest of O(owner) says we have made. In a O(netns), that is nothing.
      - V(scope) removes, besides, everything whose service is in O(scope), whoever has made it.
      - V(all) removes everything, whoever has made it.
    type: str
    choices: [none, owned, scope, all]
    default: owned
  scope:
    description: The part of the table that O(purge=scope) is about.
    type: dict
    suboptions:
      addresses:
        description: Virtual addresses, or networks of them.
        type: list
        elements: str
        default: []
      fwmarks:
        description: Firewall marks.
        type: list
        elements: int
        default: []
  max_removals:
    description:
      - How many services and real servers one run may remove. A plan that would remove more is refused before anything
        is changed.
      - Either a number, or a percentage (V(25%)) of the services and real servers that the table holds.
      - Left out, there is no limit.
    type: str
  unprepared:
    description:
      - Addresses of real servers that may not be ready to work, such as those of machines that Ansible could not reach.
      - Where such a real server is in the table it stays as it is; where it is not, it is not added.
      - One that the description does not hold is removed all the same.
    type: list
    elements: str
    default: []
  at_boot:
    description:
      - Whether what O(services) or O(rules) describes is put back at boot, by a shell script in
        C(/etc/lvs.cluster/boot.d) that needs neither Python nor this collection, but C(ipvsadm).
      - The script gives the kernel what is missing, and fails if not all of it stands then. It can be run at any time.
      - With V(false), an earlier script of O(owner) is removed. In a O(netns) nothing is put back.
    type: bool
    default: false
seealso:
  - module: lvs.cluster.ipvs_service
  - module: lvs.cluster.ipvs_real_server
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Keep the table as described, and never lose more than half of it at once
  lvs.cluster.ipvs_table:
    services:
      - address: 170.210.122.104
        port: 80
        scheduler: wrr
        real_servers:
          - {address: 192.168.0.107, weight: 2}
          - {address: 192.168.0.108, port: 8080}
      - fwmark: 10
        scheduler: sh
        real_servers:
          - {address: 192.168.0.107, forwarding: dr}
    max_removals: 50%

- name: Keep what an operator has saved by "ipvsadm -Sn"
  lvs.cluster.ipvs_table:
    rules: "{{ lookup('ansible.builtin.file', 'director.rules') }}"
    owner: rules-file

- name: Let nobody else balance addresses of this network here
  lvs.cluster.ipvs_table:
    services: "{{ web_services }}"
    purge: scope
    scope:
      addresses: [170.210.122.0/25]

- name: Keep the table, also over a reboot, and add no machine that could not be prepared
  lvs.cluster.ipvs_table:
    services: "{{ web_services }}"
    unprepared: [192.168.0.108]
    at_boot: true

- name: Remove all that earlier runs have made
  lvs.cluster.ipvs_table:
    services: []
"""

RETURN = r"""
services:
  description: The whole table as it now is, or in check mode as it would be, as O(services) takes it.
  returned: success
  type: list
  elements: dict
held_back:
  description: The real servers that were not added because they are unprepared.
  returned: success
  type: list
  elements: dict
  contains:
    service:
      description: What names the service.
      type: dict
      returned: always
    real_server:
      description: What names the real server.
      type: dict
      returned: always
errors:
  description: A sentence for every part that the kernel has refused.
  returned: when it has refused some
  type: list
  elements: str
operations:
  description: What was done to the table, in order, or in check mode would be.
  returned: success
  type: list
  elements: dict
  contains:
    verb:
      description: One of V(add), V(edit) and V(delete).
      type: str
      returned: always
    service:
      description: The service that it was done to, or in.
      type: dict
      returned: always
    real_server:
      description: The real server that it was done to.
      type: dict
      returned: for an operation on a real server
  sample:
    - verb: add
      service: {protocol: tcp, address: 170.210.122.104, port: 80}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lvs.cluster.plugins.module_utils import _runtime, boot
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import data, options, restore
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.converge import WholeTable
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import canonical_address
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.parse import parse_rules
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.table import (
    PURGES,
    Limit,
    Scope,
    TableWish,
    desired_table,
)


def argument_spec():
    return {
        "services": {
            "type": "list",
            "elements": "dict",
            "options": {
                **options.SERVICE_KEY_SPEC,
                **options.SERVICE_ATTRIBUTES_SPEC,
                "real_servers": options.REAL_SERVERS_SPEC,
            },
        },
        "rules": {"type": "str"},
        "purge": {"type": "str", "choices": list(PURGES), "default": "owned"},
        "scope": {
            "type": "dict",
            "options": {
                "addresses": {"type": "list", "elements": "str", "default": []},
                "fwmarks": {"type": "list", "elements": "int", "default": []},
            },
        },
        "max_removals": {"type": "str"},
        "unprepared": {"type": "list", "elements": "str", "default": []},
        "at_boot": {"type": "bool", "default": False},
        **_runtime.NETNS_OPTION,
        **_runtime.OWNER_OPTION,
    }


def work(module):
    params = module.params
    services = params["services"] if params["rules"] is None else parse_rules(params["rules"])
    scope = params["scope"] or {"addresses": [], "fwmarks": []}
    limit = params["max_removals"]
    wish = TableWish(
        desired_table(services),
        params["purge"],
        Scope.of(**scope),
        frozenset(
            canonical_address(text, "the table", "unprepared")[1] for text in params["unprepared"]
        ),
    )
    if params["at_boot"] and not module.check_mode:
        boot.require("ipvsadm")
    written = []

    def finish(outcome):
        body = restore.script_body(wish.kept(outcome.table)) if params["at_boot"] else None
        title = "virtual services and real servers"
        written.extend(_runtime.keep_at_boot(module, boot.TABLE, title, body))

    request = WholeTable(wish, None if limit is None else Limit.of(limit))
    outcome = _runtime.converge_ipvs(module, request, finish)
    keys = sorted(outcome.table, key=lambda key: key.sort_key)
    return {
        **_runtime.ipvs_result(outcome, written),
        "services": [data.service_data(outcome.table[key]) for key in keys],
        "held_back": [
            {
                "service": data.service_key_data(key),
                "real_server": data.real_server_key_data(server),
            }
            for key, server in wish.held_back(outcome.table)
        ],
    }


def main():
    module = AnsibleModule(
        argument_spec=argument_spec(),
        mutually_exclusive=[("services", "rules")],
        required_one_of=[("services", "rules")],
        required_if=[("purge", "scope", ("scope",))],
        supports_check_mode=True,
    )
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
