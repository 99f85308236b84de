#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ipvs_service
short_description: Manage one IPVS virtual service on a director
version_added: 0.1.0
description:
  - Adds, edits in place or removes one virtual service of a Linux Virtual Server director.
  - An edit is one command to the kernel. Connections that are established live through it, and the
    real servers of the service stay as they are.
  - An option that is left out keeps the value that the service has; a new service gets the default
    that the option's text names.
  - Talks to the kernel over generic netlink. The director needs neither C(ipvsadm) nor a Python library.
extends_documentation_fragment:
  - lvs.cluster.lvs
  - lvs.cluster.lvs.attributes
options:
  address:
    description:
      - The virtual address (VIP) that clients connect to, IPv4 or IPv6.
      - The module does not add the address to an interface.
    type: str
    required: true
  port:
    description:
      - The port that clients connect to.
      - V(0) balances all ports as one service, and needs O(persistence_timeout).
    type: int
    required: true
  protocol:
    description: The protocol that is balanced.
    type: str
    choices: [tcp, udp]
    default: tcp
  scheduler:
    description:
      - How the real server for a new connection is chosen.
      - The kernel module C(ip_vs_<scheduler>) is loaded by itself; where it is not installed, the task
        fails and names it.
      - A new service gets V(wlc).
      - While the kernel puts a change of scheduler into force, for some milliseconds, new connections
        are refused. Established ones live.
    type: str
    choices: [dh, fo, lblc, lblcr, lc, mh, nq, ovf, rr, sed, sh, twos, wlc, wrr]
  persistence_timeout:
    description:
      - For how many seconds after its last connection a client keeps its real server.
      - V(0) turns persistence off, as in a new service. At most V(2678400), 31 days.
    type: int
  persistence_netmask:
    description:
      - Which clients count as one for persistence. For IPv4 a mask (V(255.255.255.0)) or a prefix length (V(24)), for
        IPv6 a prefix length.
      - A service that becomes persistent gets V(255.255.255.255) or V(128), each address for itself.
      - Needs a persistent service.
    type: str
seealso:
  - module: lvs.cluster.ipvs_real_server
  - name: ipvsadm(8)
    description: The classic command line to the same table.
    link: https://manpages.debian.org/ipvsadm
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Balance web requests to the virtual address in turn
  lvs.cluster.ipvs_service:
    address: 170.210.122.104
    port: 80
    scheduler: rr

- name: Keep the clients of one /24 network on one real server for ten minutes
  lvs.cluster.ipvs_service:
    address: 170.210.122.104
    port: 443
    scheduler: wlc
    persistence_timeout: 600
    persistence_netmask: 255.255.255.0

- name: Remove the service and, with it, its real servers
  lvs.cluster.ipvs_service:
    address: 170.210.122.104
    port: 80
    state: absent
"""

RETURN = r"""
service:
  description:
    - The service as it now is, or in check mode as it would be.
    - Null where it is absent.
  returned: success
  type: dict
  sample:
    protocol: tcp
    address: 170.210.122.104
    port: 80
    scheduler: rr
    scheduler_flags: []
    persistence_timeout: 0
    persistence_netmask: 255.255.255.255
    persistence_engine: ""
    one_packet: false
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

from ansible_collections.lvs.cluster.plugins.module_utils import _runtime
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import data
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import SCHEDULERS, ServiceKey
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.wish import ServiceWish


def argument_spec():
    return {
        "address": {"type": "str", "required": True},
        "port": {"type": "int", "required": True},
        "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
        "scheduler": {"type": "str", "choices": list(SCHEDULERS)},
        "persistence_timeout": {"type": "int"},
        "persistence_netmask": {"type": "str"},
        **_runtime.STATE_OPTIONS,
    }


def work(module):
    params = module.params
    wish = ServiceWish(
        service=ServiceKey.at(params["protocol"], params["address"], params["port"]),
        present=params["state"] == "present",
        scheduler=params["scheduler"],
        persistence_timeout=params["persistence_timeout"],
        persistence_netmask=params["persistence_netmask"],
    )
    outcome = _runtime.converge_ipvs(module, wish)
    service = outcome.service and {
        **data.service_key_data(outcome.service.key),
        **data.service_attributes_data(outcome.service.attributes),
    }
    return {**_runtime.ipvs_result(outcome), "service": service}


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
