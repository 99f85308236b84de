#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lvs_vip
short_description: Put virtual addresses on a director or a real server
version_added: 0.1.0
description:
  - Adds virtual addresses (VIPs) to an interface. Each stands for itself alone (a prefix of 32 bits, or 128 of IPv6),
    unless it is given with a length.
  - On a real server that is reached by direct routing or a tunnel they belong on V(lo), where nobody is told of them.
    Set C(arp_ignore) and C(arp_announce) before, with M(lvs.cluster.lvs_sysctl), and take them back only after. IPv6
    needs no such setting, because neighbour solicitations are answered by the interface that has the address.
  - On a director they belong on the interface of the clients' segment, which O(announce) tells of them.
  - What this module adds is in the manifest of O(owner). An address that it finds there already is left as it is, and
    never removed.
extends_documentation_fragment:
  - lvs.cluster.lvs.owner
  - lvs.cluster.lvs.alike
  - lvs.cluster.lvs.attributes
requirements:
  - iproute2 on the host
  - pyroute2 (python3-pyroute2 of the distribution) on the host, where something is to be changed
options:
  addresses:
    description:
      - The addresses, IPv4 and IPv6. Needed with O(state=present), unless O(exclusive=true).
    type: list
    elements: str
    default: []
  interface:
    description:
      - The interface.
      - If it is empty, an address stays where it is; else it gets on the interface on whose network it is, or else on
        V(lo), which does for a virtual address that routers send to this host.
    type: str
    default: lo
  scope:
    description: The scope of IPv4 addresses. Left out, it is V(host) on V(lo) and V(global) elsewhere.
    type: str
    choices: [global, link, host]
  nodad:
    description:
      - Whether IPv6 addresses are added without asking whether somebody has them. They would be unusable for a second
        otherwise, and for good where somebody answers.
    type: bool
    default: true
  passive:
    description:
      - Whether the host never chooses an IPv6 address of these as the source of what it sends on its own, by a
        preferred lifetime of 0. Answers from it are as ever. Of IPv4 a prefix of 32 bits sees to that.
    type: bool
    default: true
  announce:
    description:
      - Whether the segment is told of what is added, by gratuitous ARP or an unsolicited neighbour advertisement,
        three times.
      - At boot it is not, because neighbours know this host's hardware address still.
    type: bool
    default: false
  probe:
    description:
      - Whether the segment is asked, by ARP or neighbour solicitation, before an address is added. Where another
        machine has it, the task fails and changes nothing.
    type: bool
    default: false
  release:
    description:
      - Addresses that another program takes over. They are left where they are, and are no longer of O(owner), nor
        restored at boot.
    type: list
    elements: str
    default: []
  exclusive:
    description: Whether all other addresses that O(owner) has made are removed.
    type: bool
    default: false
  at_boot:
    description:
      - Whether all addresses of O(owner) are added again at boot, by a shell script in C(/etc/lvs.cluster/boot.d) that
        needs C(ip) only. It waits up to a minute for the interface.
      - With V(false), an earlier script of O(owner) is removed.
    type: bool
    default: true
  state:
    description:
      - With V(absent), O(addresses) are removed as far as O(owner) has made them; without O(addresses), all that it has
        made are.
    type: str
    choices: [present, absent]
    default: present
notes:
  - Network managers such as C(systemd-networkd) remove addresses that they do not know from the interfaces that they
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

- name: Keep only this one
  lvs.cluster.lvs_vip:
    addresses: [170.210.122.105]
    exclusive: true

- name: Remove all that were added
  lvs.cluster.lvs_vip:
    state: absent
"""

RETURN = r"""
addresses:
  description: Where the addresses are that were asked for, in the words of C(ip address).
  returned: success
  type: list
  elements: str
  sample: ["-4 address 170.210.122.104/32 dev lo scope host"]
found:
  description: Those of them that somebody else has made.
  returned: success
  type: list
  elements: str
surplus:
  description: What O(owner) has made besides, and what stays because of O(exclusive=false).
  returned: success
  type: list
  elements: str
operations:
  description: What was done, in order, or in check mode would be.
  returned: success
  type: list
  elements: dict
  contains:
    verb:
      description: V(add) or V(delete).
      type: str
      returned: always
    object:
      description: The address in the words of C(ip address).
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
