#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: iptables_decap
short_description: Accept tunnelled packets from directors only, and limit the segment size
version_added: 0.1.0
description:
  - Manages the firewall rules of a real server to which directors forward by tunnels.
  - Tunnelled packets are accepted from O(directors) and dropped from all other hosts, because a tunnel device
    decapsulates packets from any sender. Only packets for the local address of these tunnels are affected; other
    tunnels of the host keep working.
  - It lowers the maximum segment size (MSS) that the real server announces for TCP connections to O(addresses), so that
    what a client sends fits the tunnel. Otherwise large uploads hang if ICMP does not reach the client.
  - The rules are in separate chains, C(LVS-DECAP-<owner>) in the table C(filter) and C(LVS-MSS-<owner>) in C(mangle),
    with a comment that names the owner. C(INPUT) and C(OUTPUT) jump to them from the top. Nothing else in the firewall
    is changed, and nothing is flushed.
  - Rules that are replaced stay until the new ones are in place.
extends_documentation_fragment:
  - lvs.cluster.lvs
  - lvs.cluster.lvs.owner
  - lvs.cluster.lvs.alike
  - lvs.cluster.lvs.attributes
requirements:
  - pyroute2 (python3-pyroute2 of the distribution) on the host, unless O(mtu) is given
options:
  directors:
    description: The addresses or networks from which directors send.
    type: list
    elements: str
    default: []
  tunnels:
    description: The tunnels that directors use, as in M(lvs.cluster.lvs_tunnel).
    type: list
    elements: dict
    default: []
    suboptions:
      type:
        description: The type of tunnel; see M(lvs.cluster.lvs_tunnel).
        type: str
        choices: [ipip, sit, ip6tnl, gre, ip6gre, gue]
        required: true
      port:
        description: The UDP port of V(gue).
        type: int
      family:
        description: The address family of the outer packets of V(gue).
        type: str
        choices: [ipv4, ipv6]
        default: ipv4
      checksum:
        description: The checksum that the director sends with V(gre) and V(gue).
        type: str
        choices: [none, csum, remcsum]
        default: none
      local:
        description:
          - The host's address to which directors send. Only packets for it are accepted or dropped.
          - If omitted, the addresses of the same family in O(local) are used. Without those, tunnelled packets for any
            address are dropped, including those of other tunnels on this host.
        type: str
  addresses:
    description: The virtual addresses.
    type: list
    elements: str
    default: []
  local:
    description:
      - The host's addresses to which directors send.
      - The smallest MTU of the interfaces that have them determines the segment size.
    type: list
    elements: str
    default: []
  mtu:
    description:
      - The MTU of the network between directors and this host, if it is not that of the interface with the address in
        O(local).
    type: int
  at_boot:
    description:
      - Whether the rules are restored at boot, by a shell script in C(/etc/lvs.cluster/boot.d) that needs only
        C(iptables).
      - With V(false), an earlier script of O(owner) is removed.
    type: bool
    default: true
notes:
  - If the firewall drops by default, the services themselves have to be accepted by other rules.
seealso:
  - module: lvs.cluster.lvs_tunnel
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Accept tunnelled packets from the director only
  lvs.cluster.iptables_decap:
    directors: [192.168.0.104]
    tunnels:
      - {type: ipip}
    addresses: [170.210.122.104]
    local: [192.168.0.107]

- name: Remove the tunnel source filter
  lvs.cluster.iptables_decap:
    state: absent
"""

RETURN = r"""
rules:
  description: All rules of the owner, or in check mode the predicted ones, as arguments of C(iptables).
  returned: success
  type: dict
  contains:
    ipv4:
      description: The rules of iptables.
      type: list
      elements: str
      returned: always
    ipv6:
      description: The rules of ip6tables.
      type: list
      elements: str
      returned: always
operations:
  description: The operations on the chains, in order, or in check mode the planned ones.
  returned: success
  type: list
  elements: dict
  contains:
    verb:
      description:
        - One of V(add), V(edit) and V(delete). A chain whose rules are replaced is edited twice. The new rules are
          added first, and the old ones are removed once everything else is in place.
      type: str
      returned: always
    family:
      description: V(ipv4) or V(ipv6).
      type: str
      returned: always
    table:
      description: The table of the firewall.
      type: str
      returned: always
    chain:
      description: The chain.
      type: str
      returned: always
    text:
      description: The input of C(iptables-restore --noflush). All chains of a table are changed in one transaction.
      type: str
      returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lvs.cluster.plugins.module_utils import _runtime
from ansible_collections.lvs.cluster.plugins.module_utils.netfilter import decap
from ansible_collections.lvs.cluster.plugins.module_utils.netfilter.kind import tunnel_filter


def argument_spec():
    return {
        **decap.OPTIONS,
        "at_boot": {"type": "bool", "default": True},
        **_runtime.STATE_OPTION,
        **_runtime.OWNER_OPTION,
    }


def work(module):
    params = module.params
    entry = params if params["state"] == "present" else None
    store = _runtime.enter(module)
    kind = tunnel_filter(entry, params["owner"], _runtime.commands(module), params["at_boot"])
    return _runtime.one_kind(module, kind, store)


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
