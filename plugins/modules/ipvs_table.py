#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ipvs_table
short_description: Make the IPVS table of a director match a description
version_added: 0.1.0
description:
  - Takes all virtual services with their real servers, as data or in the format of C(ipvsadm), and makes the table of a
    Linux Virtual Server director match, with one plan and few system calls however many objects there are.
  - An option of a service or real server that is omitted has its default, unlike with M(lvs.cluster.ipvs_service).
  - Everything that can be edited is edited in place. Nothing is removed unless all additions and edits have succeeded.
  - What is no longer described is removed if O(owner) has added it. What other programs have added stays, and an object
    that was found and edited gets its previous attributes back. O(purge) changes this.
  - If the kernel refuses some additions or edits, the others are made, and the task fails and names each one that was
    refused. The next run completes the change.
extends_documentation_fragment:
  - lvs.cluster.lvs.owner
  - lvs.cluster.lvs.netns
  - lvs.cluster.lvs.alike
  - lvs.cluster.lvs.attributes
options:
  services:
    description:
      - The virtual services. An empty list removes all that O(owner) has added.
      - The format is that of the result of M(lvs.cluster.ipvs_service).
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
        description: The protocol, V(tcp) if omitted.
        type: str
        choices: [tcp, udp, sctp]
      fwmark:
        description: The firewall mark of the packets that are balanced as one service.
        type: int
      family:
        description: The address family of a firewall mark's service, V(ipv4) if omitted.
        type: str
        choices: [ipv4, ipv6]
      scheduler:
        description: How the real server for a new connection is chosen, V(wlc) if omitted.
        type: str
        choices: [dh, fo, lblc, lblcr, lc, mh, nq, ovf, rr, sed, sh, twos, wlc, wrr]
      scheduler_flags:
        description: The scheduler's flags, none if omitted.
        type: list
        elements: str
        choices: [flag-1, flag-2, flag-3, sh-fallback, sh-port, mh-fallback, mh-port]
      persistence_timeout:
        description: For how many seconds a client keeps its real server. V(0), the default, turns persistence off.
        type: int
      persistence_netmask:
        description: Which clients are treated as one for persistence. If omitted, each address is a separate client.
        type: str
      persistence_engine:
        description: What identifies a client instead of its address, nothing if omitted.
        type: str
        choices: ["", sip]
      one_packet:
        description: Whether each packet is scheduled separately, V(false) if omitted.
        type: bool
      real_servers:
        description:
          - The real servers of the service, with the options of M(lvs.cluster.ipvs_real_server).
        type: list
        elements: dict
        suboptions:
          address:
            description: The address of the real server.
            type: str
            required: true
          port:
            description: The port that it listens on, the service's port if omitted.
            type: int
          forwarding:
            description: How packets reach it, V(nat) if omitted. The names that C(ipvsadm) uses are accepted too.
            type: str
            choices: [nat, dr, tun, masq, masquerading, gate, gatewaying, ipip, tunneling]
          weight:
            description: Its share of new connections, from V(0), which is none, to V(65535). V(1) if omitted.
            type: int
          upper_threshold:
            description:
              - The number of connections at which it gets no new ones. V(0), the default, is no limit.
            type: int
          lower_threshold:
            description: The number of connections below which it gets new ones again.
            type: int
          tunnel_type:
            description: How packets are encapsulated for V(tun), V(ipip) if omitted.
            type: str
            choices: [ipip, gue, gre]
          tunnel_port:
            description: The UDP port on which it decapsulates GUE.
            type: int
          tunnel_checksum:
            description: The checksum of the encapsulation, V(none) if omitted.
            type: str
            choices: [none, csum, remcsum]
  rules:
    description:
      - The virtual services as lines of C(-A) and C(-a), in the format of C(ipvsadm --save --numeric), instead of
        O(services). Thresholds (C(-x), C(-y)), which C(ipvsadm) does not save, are accepted too.
      - A real server without a forwarding method uses direct routing, as with C(ipvsadm).
    type: str
  purge:
    description:
      - Which objects are removed that are in the table but not in the description.
      - V(none) removes nothing.
      - V(owned) removes what O(owner) has added, according to its manifest. With O(netns), that is nothing.
      - V(scope) also removes those whose service is in O(scope), even if other programs have added them.
      - V(all) removes all of them, even if other programs have added them.
    type: str
    choices: [none, owned, scope, all]
    default: owned
  scope:
    description: The part of the table to which O(purge=scope) applies.
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
      - Either a number, or a percentage (V(25%)). It applies to the services and real servers that O(owner) has in the
        table, and separately to the real servers that it has in each service that stays.
      - Only net losses of objects of O(owner) count. What is replaced is not lost.
      - If omitted, there is no limit.
    type: str
  unprepared:
    description:
      - Addresses of real servers that may not be ready, such as those of hosts that Ansible could not reach.
      - Real servers with such an address stay in their service unchanged, even if their port or method is to change,
        and none is added. RV(not_added) lists them.
      - Those that are no longer described are removed all the same.
    type: list
    elements: str
    default: []
  at_boot:
    description:
      - Whether the services and real servers are restored at boot, by a shell script in C(/etc/lvs.cluster/boot.d) that
        needs only C(ipvsadm).
      - The script adds what is missing, and fails if the kernel refuses some of it. It can be run at any time.
      - With V(false), an earlier script of O(owner) is removed. With O(netns), nothing is restored at boot.
    type: bool
    default: false
notes:
  - A real server that is drained keeps weight 0. It gets its described weight when it is restored (see
    M(lvs.cluster.ipvs_drain)).
seealso:
  - module: lvs.cluster.ipvs_drain
  - module: lvs.cluster.ipvs_service
  - module: lvs.cluster.ipvs_real_server
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Apply the described table, but never remove more than half of it at once
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

- name: Apply what "ipvsadm -Sn" has saved
  lvs.cluster.ipvs_table:
    rules: "{{ lookup('ansible.builtin.file', 'director.rules') }}"
    owner: rules-file

- name: Remove all other services of this network, including those that other programs have added
  lvs.cluster.ipvs_table:
    services: "{{ web_services }}"
    purge: scope
    scope:
      addresses: [170.210.122.0/25]

- name: Restore the table at boot, and do not add a real server that is not ready
  lvs.cluster.ipvs_table:
    services: "{{ web_services }}"
    unprepared: [192.168.0.108]
    at_boot: true

- name: Remove all that earlier runs have added
  lvs.cluster.ipvs_table:
    services: []
"""

RETURN = r"""
not_added:
  description:
    - The real servers that were not added, or keep another forwarding method, because they are O(unprepared).
  returned: success
  type: list
  elements: dict
  contains:
    service:
      description: What identifies the service.
      type: dict
      returned: always
    real_server:
      description: What identifies the real server.
      type: dict
      returned: always
drains:
  description:
    - The real servers of the description that are drained (see M(lvs.cluster.ipvs_drain)) and so do not have their
      full weight, the oldest drain first. Drains of real servers that are not in the table any more are listed too.
  returned: success
  type: list
  elements: dict
  contains:
    service:
      description: What identifies the service.
      type: dict
      returned: always
    real_server:
      description: What identifies the real server.
      type: dict
      returned: always
    remembered_weight:
      description: The weight that it gets when it is restored.
      type: int
      returned: always
    since:
      description: Since when it has been drained, in Unix time.
      type: int
      returned: always
    age:
      description: For how many seconds it has been drained.
      type: int
      returned: always
errors:
  description: A message for each operation that the kernel has refused.
  returned: when the kernel has refused operations
  type: list
  elements: str
operations:
  description: The operations on the table, in order, or in check mode the planned ones.
  returned: success
  type: list
  elements: dict
  contains:
    verb:
      description: One of V(add), V(edit) and V(delete).
      type: str
      returned: always
    service:
      description: The service of the operation.
      type: dict
      returned: always
    real_server:
      description: The real server of the operation.
      type: dict
      returned: for an operation on a real server
  sample:
    - verb: add
      service: {protocol: tcp, address: 170.210.122.104, port: 80}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lvs.cluster.plugins.module_utils import _runtime
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import options
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.kind import Table, described


def argument_spec():
    return {
        **options.TABLE_OPTIONS,
        "at_boot": {"type": "bool", "default": False},
        **_runtime.NETNS_OPTION,
        **_runtime.OWNER_OPTION,
    }


def work(module):
    params = module.params
    desired = described(params)
    store = _runtime.enter(module)
    kind = Table(desired, params["owner"], params["at_boot"] and store.persistent)
    return _runtime.one_kind(module, kind, store)


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
