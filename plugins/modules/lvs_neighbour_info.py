#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lvs_neighbour_info
short_description: Hear who answers for a virtual address
version_added: 0.1.0
description:
  - Asks on the segments of a host who has some addresses, by ARP and neighbour solicitation, and tells which hardware
    addresses have answered. For a virtual address that is to be the active director only.
  - It is safe in production. ARP is asked as a probe (RFC 5227), from which nobody learns anything; IPv6 is asked
    from the interface's own link-local address.
  - Silence is right for an address that routers send to the director without asking.
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description:
      - Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: N/A
  platform:
    description: Target OS/families that can be operated against.
    platforms: linux
    support: full
requirements:
  - pyroute2 (python3-pyroute2 of the distribution) on the host
options:
  addresses:
    description: The addresses.
    type: list
    elements: str
    required: true
  interfaces:
    description: Where to ask. Left out, on all Ethernet interfaces that are up.
    type: list
    elements: str
    default: []
  seconds:
    description: How long answers are waited for, after each of three times of asking.
    type: float
    default: 0.3
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Hear who has the virtual address
  lvs.cluster.lvs_neighbour_info:
    addresses: [170.210.122.104]
  register: heard
"""

RETURN = r"""
answers:
  description: Who has answered.
  returned: success
  type: list
  elements: dict
  contains:
    address:
      description: The address.
      type: str
      returned: always
    mac:
      description: The hardware address that says that it has it.
      type: str
      returned: always
    interface:
      description: Where this host has heard it.
      type: str
      returned: always
interfaces:
  description: The host's own hardware addresses, by interface.
  returned: success
  type: dict
  sample: {eth1: "52:54:00:12:34:56"}
held:
  description: Of each of O(addresses) that the host itself has, the interfaces that have it.
  returned: success
  type: dict
  sample: {170.210.122.104: [eth1]}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lvs.cluster.plugins.module_utils import _runtime
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import canonical_address
from ansible_collections.lvs.cluster.plugins.module_utils.link import frames, rtnl, wire


def argument_spec():
    return {
        "addresses": {"type": "list", "elements": "str", "required": True},
        "interfaces": {"type": "list", "elements": "str", "default": []},
        "seconds": {"type": "float", "default": 0.3},
    }


def work(module):
    params = module.params
    wanted = [
        canonical_address(text, "the neighbours", "addresses")[1] for text in params["addresses"]
    ]
    with rtnl.connect() as kernel:
        standing = kernel.standing()
        up = kernel.up()
    macs = {name: wire.mac_of(name) for name in up}
    macs = {name: frames.mac_text(mac) for name, mac in macs.items() if mac}
    sources = [
        (
            name,
            next(
                (
                    a.address
                    for a in standing
                    if a.interface == name and a.address.startswith("fe80:")
                ),
                "",
            ),
        )
        for name in params["interfaces"] or sorted(macs)
    ]
    heard = wire.ask(sources, wanted, params["seconds"])
    return {
        "changed": False,
        "answers": [
            {"address": address, "mac": mac, "interface": interface}
            for address, mac, interface in sorted(heard)
        ],
        "interfaces": macs,
        "held": {
            address: [each.interface for each in standing if each.address == address]
            for address in wanted
            if any(each.address == address for each in standing)
        },
    }


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
