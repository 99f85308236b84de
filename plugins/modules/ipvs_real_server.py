#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ipvs_real_server
short_description: Manage one real server of an IPVS virtual service
version_added: 0.1.0
description:
  - Adds, edits or removes one real server of a virtual service on a Linux Virtual Server director.
  - The real server is edited in place. Established connections are kept.
  - An option that is omitted keeps the value that the real server has. A new real server gets the default that is
    documented with the option.
  - Talks to the kernel over generic netlink. The director needs neither C(ipvsadm) nor a Python library.
extends_documentation_fragment:
  - lvs.cluster.lvs
  - lvs.cluster.lvs.owner
  - lvs.cluster.lvs.netns
  - lvs.cluster.lvs.alike
  - lvs.cluster.lvs.attributes
options:
  service:
    description: The virtual service, which must already be in the table (see M(lvs.cluster.ipvs_service)).
    type: dict
    required: true
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
  address:
    description: The address of the real server, of the service's family unless O(forwarding=tun).
    type: str
    required: true
  port:
    description:
      - The port that the real server listens on. V(nat) can translate to any; V(dr) and V(tun) can't.
      - If omitted, it is the service's port.
    type: int
  forwarding:
    description:
      - How packets reach the real server. A new real server gets V(nat).
      - V(nat) rewrites the destination; the replies must return through the director, which must therefore be the
        router of the real server.
      - V(dr) (direct routing) changes only the MAC address; the real server is on the same segment as the director,
        also has the virtual address, and replies to the client directly.
      - V(tun) encapsulates the packet; the real server decapsulates it, also has the virtual address, and replies to
        the client directly.
      - The names that C(ipvsadm) uses are accepted too, V(masq) for V(nat), V(gate) for V(dr), V(ipip) for V(tun).
      - The module does not change the real server itself.
    type: str
    choices: [nat, dr, tun, masq, masquerading, gate, gatewaying, ipip, tunneling]
  weight:
    description:
      - The real server's share of new connections, relative to the other weights of the service, from V(0) to V(65535).
      - V(0) means no new connections; established ones are kept.
      - A real server that is drained by M(lvs.cluster.ipvs_drain) keeps weight V(0), and a warning says so. It gets
        this weight when it is restored.
      - A new real server gets V(1).
    type: int
  upper_threshold:
    description:
      - The number of connections at which the real server gets no new ones. V(0), the default of a new real server, is
        no limit.
    type: int
  lower_threshold:
    description:
      - The number of connections below which it gets new ones again, no more than O(upper_threshold). V(0),
        the default of a new real server, means three quarters of O(upper_threshold).
    type: int
  tunnel_type:
    description: How packets are encapsulated for V(tun), V(ipip) for a new real server.
    type: str
    choices: [ipip, gue, gre]
  tunnel_port:
    description: The UDP port on which the real server decapsulates GUE. Required for V(gue).
    type: int
  tunnel_checksum:
    description:
      - The checksum of the encapsulation, V(none) for a new real server. V(csum) is for GUE and GRE, V(remcsum) for
        GUE.
    type: str
    choices: [none, csum, remcsum]
seealso:
  - module: lvs.cluster.ipvs_drain
  - module: lvs.cluster.ipvs_service
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Add a real server to the web service
  lvs.cluster.ipvs_real_server:
    service:
      address: 170.210.122.104
      port: 80
    address: 192.168.0.107
    weight: 2

- name: Translate to another port
  lvs.cluster.ipvs_real_server:
    service: {address: 170.210.122.104, port: 80}
    address: 192.168.0.108
    port: 8080

- name: Forward with direct routing, at most 1000 connections
  lvs.cluster.ipvs_real_server:
    service: {address: 170.210.122.104, port: 443}
    address: 170.210.122.107
    forwarding: dr
    upper_threshold: 1000

- name: Send no new connections to a real server, until another task sets its weight
  lvs.cluster.ipvs_real_server:
    service: {address: 170.210.122.104, port: 80}
    address: 192.168.0.107
    weight: 0

- name: Remove a real server from the service, which breaks its connections
  lvs.cluster.ipvs_real_server:
    service: {address: 170.210.122.104, port: 80}
    address: 192.168.0.107
    state: absent
"""

RETURN = r"""
real_server:
  description:
    - The resulting real server, or in check mode the predicted one.
    - Null if it is absent.
  returned: success
  type: dict
  sample:
    address: 192.168.0.107
    port: 80
    forwarding: nat
    weight: 2
    upper_threshold: 0
    lower_threshold: 0
    tunnel_type: ipip
    tunnel_port: 0
    tunnel_checksum: none
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
      description: The service of the real server.
      type: dict
      returned: always
    real_server:
      description: The real server of the operation.
      type: dict
      returned: always
  sample:
    - verb: add
      service: {protocol: tcp, address: 170.210.122.104, port: 80}
      real_server: {address: 192.168.0.107, port: 80}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lvs.cluster.plugins.module_utils import _runtime
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import options
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.kind import Table
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.request import RealServerRequest
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.table import OneService


def argument_spec():
    return {
        "service": {"type": "dict", "required": True, "options": {**options.SERVICE_KEY_SPEC}},
        **options.REAL_SERVER_KEY_SPEC,
        **options.REAL_SERVER_ATTRIBUTES_SPEC,
        **_runtime.NETNS_OPTION,
        **_runtime.OWNER_OPTION,
        **_runtime.STATE_OPTION,
    }


def work(module):
    params = module.params
    service = options.service_key(params["service"])
    request = RealServerRequest.of(service, params, present=params["state"] == "present")
    store = _runtime.enter(module)
    return _runtime.one_kind(module, Table(OneService(request), params["owner"]), store)


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
