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
  - Adds, edits in place or removes one real server of a virtual service on a Linux Virtual Server director.
  - An edit is one command to the kernel, and connections that are established live through it.
  - An option that is left out keeps the value that the real server has; a new real server gets the
    default that the option's text names.
  - Talks to the kernel over generic netlink. The director needs neither C(ipvsadm) nor a Python library.
extends_documentation_fragment:
  - lvs.cluster.lvs
  - lvs.cluster.lvs.attributes
options:
  service:
    description: The virtual service, which must be in the table already (see M(lvs.cluster.ipvs_service)).
    type: dict
    required: true
    suboptions:
      address:
        description: The virtual address (VIP).
        type: str
        required: true
      port:
        description: The service's port.
        type: int
        required: true
      protocol:
        description: The service's protocol.
        type: str
        choices: [tcp, udp]
        default: tcp
  address:
    description: The address of the real server, of the family of the virtual address.
    type: str
    required: true
  port:
    description:
      - The port that the real server listens on. NAT can translate to any.
      - Left out, it is the service's port.
    type: int
  forwarding:
    description:
      - How packets reach the real server. V(nat) rewrites their destination; the real server's answers
        must come back through the director, which so must be its router.
      - V(masq) is ipvsadm's word for V(nat).
      - A new real server gets V(nat).
    type: str
    choices: [nat, masq]
  weight:
    description:
      - The real server's share of new connections, next to the other weights of the service, from V(0) to V(65535).
      - V(0) is a weight as any other. It means no new connections, while established ones live. So it drains the
        real server.
      - A new real server gets V(1).
    type: int
seealso:
  - module: lvs.cluster.ipvs_service
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Let a machine serve web requests
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

- name: Give a machine no new connections
  lvs.cluster.ipvs_real_server:
    service: {address: 170.210.122.104, port: 80}
    address: 192.168.0.107
    weight: 0

- name: Take a machine out of the service, which breaks the connections it still has
  lvs.cluster.ipvs_real_server:
    service: {address: 170.210.122.104, port: 80}
    address: 192.168.0.107
    state: absent
"""

RETURN = r"""
real_server:
  description:
    - The real server as it now is, or in check mode as it would be.
    - Null where it is absent.
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
      description: The service that it was done in.
      type: dict
      returned: always
    real_server:
      description: The real server that it was done to.
      type: dict
      returned: always
  sample:
    - verb: add
      service: {protocol: tcp, address: 170.210.122.104, port: 80}
      real_server: {address: 192.168.0.107, port: 80}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lvs.cluster.plugins.module_utils import _runtime
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import data
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import (
    RealServerKey,
    ServiceKey,
)
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.wish import RealServerWish


def argument_spec():
    return {
        "service": {
            "type": "dict",
            "required": True,
            "options": {
                "address": {"type": "str", "required": True},
                "port": {"type": "int", "required": True},
                "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
            },
        },
        "address": {"type": "str", "required": True},
        "port": {"type": "int"},
        "forwarding": {"type": "str", "choices": ["nat", "masq"]},
        "weight": {"type": "int"},
        **_runtime.STATE_OPTIONS,
    }


def work(module):
    params = module.params
    service = ServiceKey.at(**params["service"])
    port = service.port if params["port"] is None else params["port"]
    real_server = RealServerKey.at(params["address"], port)
    wish = RealServerWish(
        service=service,
        real_server=real_server,
        present=params["state"] == "present",
        forwarding=params["forwarding"],
        weight=params["weight"],
    )
    outcome = _runtime.converge_ipvs(module, wish)
    attributes = outcome.service and outcome.service.real_servers.get(real_server)
    result = attributes and {
        **data.real_server_key_data(real_server),
        **data.real_server_attributes_data(attributes),
    }
    return {**_runtime.ipvs_result(outcome), "real_server": result}


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
