#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lvs_neighbour_info
short_description: Find out which machines answer for a virtual address
version_added: 0.1.0
description:
  - Probes addresses on the segments of a host, by ARP and neighbour solicitation, and returns which MAC addresses have
    answered. For a virtual address, only the active director must answer.
  - It is safe in production. The ARP request is a probe (RFC 5227), which changes no neighbour's cache. IPv6 addresses
    are probed from the link-local address of the interface.
  - For an address that is routed to the director, no answer is the correct result.
extends_documentation_fragment:
  - lvs.cluster.lvs.alike
  - lvs.cluster.lvs.reading
options:
  addresses:
    description: The addresses.
    type: list
    elements: str
    required: true
  interfaces:
    description: The interfaces to probe on. By default all Ethernet interfaces that are up.
    type: list
    elements: str
    default: []
  seconds:
    description: How many seconds to wait for answers. Three probes are sent, with this wait after each.
    type: float
    default: 0.3
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Find out which machines answer for the virtual address
  lvs.cluster.lvs_neighbour_info:
    addresses: [170.210.122.104]
  register: neighbours
"""

RETURN = r"""
answers:
  description: The answers.
  returned: success
  type: list
  elements: dict
  contains:
    address:
      description: The address.
      type: str
      returned: always
    mac:
      description: The MAC address that has answered for it.
      type: str
      returned: always
    interface:
      description: The interface of this host that has received the answer.
      type: str
      returned: always
interfaces:
  description: The MAC addresses of this host, by interface.
  returned: success
  type: dict
  sample: {eth1: "52:54:00:12:34:56"}
held:
  description: The interfaces that have each of O(addresses). Addresses that the host does not have are omitted.
  returned: success
  type: dict
  sample: {170.210.122.104: [eth1]}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lvs.cluster.plugins.module_utils import _runtime
from ansible_collections.lvs.cluster.plugins.module_utils.net import canonical_address
from ansible_collections.lvs.cluster.plugins.module_utils.network import wire
from ansible_collections.lvs.cluster.plugins.module_utils.network.iproute import IpRoute


def argument_spec():
    return {
        "addresses": {"type": "list", "elements": "str", "required": True},
        "interfaces": {"type": "list", "elements": "str", "default": []},
        "seconds": {"type": "float", "default": 0.3},
    }


def work(module):
    params = module.params
    wanted = list(
        dict.fromkeys(
            canonical_address(text, "the neighbours", "addresses")[1]
            for text in params["addresses"]
        )
    )
    ip = IpRoute(_runtime.commands(module))
    macs = {each.name: each.mac for each in ip.links().values() if each.is_up and each.mac}
    sources = [(name, ip.link_local(name)) for name in params["interfaces"] or sorted(macs)]
    heard = wire.ask(sources, wanted, params["seconds"]) if wanted else ()
    held = {
        address: [each.interface for each in ip.addresses() if each.address == address]
        for address in wanted
    }
    return {
        "changed": False,
        "answers": [
            {"address": address, "mac": mac, "interface": interface}
            for address, mac, interface in sorted(heard)
        ],
        "interfaces": macs,
        "held": {address: names for address, names in held.items() if names},
    }


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
