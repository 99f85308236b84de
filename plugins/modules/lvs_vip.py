#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lvs_vip
short_description: Add virtual addresses to a director or a real server
version_added: 0.1.0
description:
  - Adds virtual addresses (VIPs) to an interface. Their prefix length is 32, or 128 for IPv6, unless one is given.
  - On a real server with direct routing or a tunnel, they belong on V(lo), where they are not announced. First set
    C(arp_ignore) and C(arp_announce) with M(lvs.cluster.lvs_sysctl), and reset them only after the addresses are
    removed. IPv6 needs no such setting, because only the interface that has an address answers neighbour solicitations.
  - On a director, they belong on the interface of the clients' segment, where O(announce) announces them.
  - What this module adds is recorded in the manifest of O(owner). An address that exists already is left alone and
    never removed.
extends_documentation_fragment:
  - lvs.cluster.lvs.owner
  - lvs.cluster.lvs.alike
  - lvs.cluster.lvs.attributes
requirements:
  - iproute2 on the host
  - pyroute2 (python3-pyroute2 of the distribution) on the host, if something has to be changed
options:
  addresses:
    description:
      - The addresses, IPv4 and IPv6. Required with O(state=present), unless O(exclusive=true).
    type: list
    elements: str
    default: []
  interface:
    description:
      - The interface.
      - If empty, an address that exists stays where it is; otherwise it is added to the interface whose network
        contains it, otherwise to V(lo), which is right for a virtual address that is routed to this host.
    type: str
    default: lo
  scope:
    description: The scope of IPv4 addresses. If omitted, it is V(host) on V(lo) and V(global) elsewhere.
    type: str
    choices: [global, link, host]
  nodad:
    description:
      - Whether IPv6 addresses are added without duplicate address detection. With it, an address is unusable for a
        second, and stays unusable if another machine has it.
    type: bool
    default: true
  passive:
    description:
      - Whether these IPv6 addresses are never chosen as the source of connections of this host, by a preferred lifetime
        of 0. Replies from them are not affected. For IPv4, the prefix length of 32 has the same effect.
    type: bool
    default: true
  announce:
    description:
      - Whether addresses that are added are announced to the segment, three times, by gratuitous ARP or an unsolicited
        neighbour advertisement.
      - They are not announced at boot, because neighbours still have the MAC address of this host.
    type: bool
    default: false
  probe:
    description:
      - Whether the segment is probed, by ARP or neighbour solicitation, before an address is added. If another machine
        has the address, the task fails and changes nothing.
    type: bool
    default: false
  release:
    description:
      - Addresses that another program takes over. They stay where they are, but no longer belong to O(owner), and are
        not restored at boot.
    type: list
    elements: str
    default: []
  exclusive:
    description: Whether all other addresses that O(owner) has added are removed.
    type: bool
    default: false
  at_boot:
    description:
      - Whether all addresses of O(owner) are restored at boot, by a shell script in C(/etc/lvs.cluster/boot.d) that
        needs only C(ip). It waits up to a minute for the interface.
      - With V(false), an earlier script of O(owner) is removed.
    type: bool
    default: true
  state:
    description:
      - With V(absent), those of O(addresses) are removed that O(owner) has added; without O(addresses), all that it has
        added.
    type: str
    choices: [present, absent]
    default: present
notes:
  - Network managers such as C(systemd-networkd) remove addresses that they did not add from the interfaces that they
    manage. With O(at_boot=true) these are restored within seconds, by C(lvs.cluster.service) and
    C(lvs.cluster-watch.service). C(systemd-networkd) leaves V(lo) alone.
seealso:
  - module: lvs.cluster.lvs_sysctl
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Accept packets for the virtual addresses without announcing them
  lvs.cluster.lvs_vip:
    addresses: [170.210.122.104, "2001:db8:170::104"]

- name: Add the virtual address to the director
  lvs.cluster.lvs_vip:
    addresses: [170.210.122.104]
    interface: eth1
    announce: true

- name: Keep only this address
  lvs.cluster.lvs_vip:
    addresses: [170.210.122.105]
    exclusive: true

- name: Remove all addresses that were added
  lvs.cluster.lvs_vip:
    state: absent
"""

RETURN = r"""
addresses:
  description: Where the desired addresses are, in the syntax of C(ip address).
  returned: success
  type: list
  elements: str
  sample: ["-4 address 170.210.122.104/32 dev lo scope host"]
found:
  description: Those of them that other programs have added.
  returned: success
  type: list
  elements: str
surplus:
  description: What else O(owner) has added, and what stays because of O(exclusive=false).
  returned: success
  type: list
  elements: str
operations:
  description: The operations, in order, or in check mode the planned ones.
  returned: success
  type: list
  elements: dict
  contains:
    verb:
      description: V(add) or V(delete).
      type: str
      returned: always
    object:
      description: The address in the syntax of C(ip address).
      type: str
      returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lvs.cluster.plugins.module_utils import _runtime
from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.network import address
from ansible_collections.lvs.cluster.plugins.module_utils.network.iproute import IpRoute
from ansible_collections.lvs.cluster.plugins.module_utils.network.kinds import (
    ADDRESS_OPTIONS,
    Addresses,
    request_of,
)


def argument_spec():
    return {
        **ADDRESS_OPTIONS,
        "exclusive": {"type": "bool", "default": False},
        "at_boot": {"type": "bool", "default": True},
        **_runtime.OWNER_OPTION,
        **_runtime.STATE_OPTION,
    }


def work(module):
    params = module.params
    absent = params["state"] == "absent"
    if not (absent or params["exclusive"] or params["addresses"] or params["release"]):
        raise InvalidInput(
            address.SUBJECT, "addresses", [], "holds none", "give some, or set exclusive to true"
        )
    store, commands = _runtime.enter(module), _runtime.commands(module)
    kind = Addresses(
        request_of(params), params["owner"], IpRoute(commands), commands, params["at_boot"]
    )
    return _runtime.one_kind(module, kind, store, prune=absent or params["exclusive"])


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
