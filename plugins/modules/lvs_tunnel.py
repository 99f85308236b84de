#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lvs_tunnel
short_description: Unwrap tunnelled packets on a real server
version_added: 0.1.0
description:
  - Makes the receiving end of tunnels on a real server that a director reaches by tunnelling. The director needs
    none, because IPVS itself encapsulates.
  - The module of the kernel is loaded, and the device is made, where it is not there, and brought up. Of GUE, the UDP
    port is opened; what comes out of it goes through the device for what it holds, V(ipip) for IPv4 and V(sit) for
    IPv6, which is needed besides.
  - Strict filtering by reverse path (C(rp_filter)) would drop what such a device unwraps, so a device with a name of
    its own gets the loose kind. For those of the kernel's modules, see M(lvs.cluster.lvs_sysctl).
  - A device unwraps what anybody sends. M(lvs.cluster.iptables_decap) lets the directors in only.
  - What this module makes is in the manifest of O(owner). What it finds there already is left as it is, and never
    removed.
extends_documentation_fragment:
  - lvs.cluster.lvs.owner
  - lvs.cluster.lvs.alike
  - lvs.cluster.lvs.attributes
requirements:
  - iproute2 on the host
  - pyroute2 (python3-pyroute2 of the distribution) on the host, where something is to be changed
options:
  tunnels:
    description: The tunnels. Needed with O(state=present), unless O(exclusive=true).
    type: list
    elements: dict
    default: []
    suboptions:
      type:
        description:
          - V(ipip) is IPv4 in IPv4, V(sit) IPv6 in IPv4, V(ip6tnl) both in IPv6, V(gre) both in IPv4, V(ip6gre) both
            in IPv6, V(gue) a UDP port.
        type: str
        choices: [ipip, sit, ip6tnl, gre, ip6gre, gue]
        required: true
      device:
        description:
          - The name of the device. Left out, it is the one that comes with the kernel's module, and takes packets
            sent to any address of the host, C(tunl0), C(sit0), C(ip6tnl0), C(gre0) or C(ip6gre0). C(ip6tnl0) takes
            IPv6 only.
        type: str
      local:
        description: The host's address that the director sends to. Needed with a O(tunnels[].device) of another name.
        type: str
      port:
        description: The UDP port of V(gue).
        type: int
      family:
        description: The address family of the outer packets of V(gue), V(ipv4) where it is left out.
        type: str
        choices: [ipv4, ipv6]
  exclusive:
    description: Whether all other tunnels that O(owner) has made are removed.
    type: bool
    default: false
  at_boot:
    description:
      - Whether all tunnels of O(owner) are made again at boot, by a shell script in C(/etc/lvs.cluster/boot.d) that
        needs C(ip) and C(modprobe) only.
      - With V(false), an earlier script of O(owner) is removed.
    type: bool
    default: true
  state:
    description:
      - With V(absent), O(tunnels) are removed as far as O(owner) has made them; without O(tunnels), all that it has
        made are. Modules of the kernel that it has loaded are taken out, unless somebody uses them.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: lvs.cluster.iptables_decap
  - module: lvs.cluster.lvs_sysctl
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Unwrap IPv4 in IPv4
  lvs.cluster.lvs_tunnel:
    tunnels:
      - {type: ipip}

- name: Unwrap GUE, and what is sent to one address by GRE
  lvs.cluster.lvs_tunnel:
    tunnels:
      - {type: ipip}
      - {type: gue, port: 6080}
      - {type: gre, device: lvs-gre, local: 192.168.0.107}

- name: Take them all away
  lvs.cluster.lvs_tunnel:
    state: absent
"""

RETURN = r"""
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
      description: One of V(load), V(add), V(up), V(down), V(delete) and V(unload).
      type: str
      returned: always
    object:
      description: The device, port or kernel module.
      type: str
      returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lvs.cluster.plugins.module_utils import _runtime
from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.network import tunnel
from ansible_collections.lvs.cluster.plugins.module_utils.network.iproute import IpRoute
from ansible_collections.lvs.cluster.plugins.module_utils.network.kinds import (
    TUNNEL_OPTIONS,
    Tunnels,
)


def argument_spec():
    return {
        **TUNNEL_OPTIONS,
        "exclusive": {"type": "bool", "default": False},
        "at_boot": {"type": "bool", "default": True},
        **_runtime.OWNER_OPTION,
        **_runtime.STATE_OPTION,
    }


def work(module):
    params = module.params
    absent = params["state"] == "absent"
    if not (absent or params["exclusive"] or params["tunnels"]):
        raise InvalidInput(
            tunnel.SUBJECT, "tunnels", [], "holds none", "give some, or set exclusive to true"
        )
    request = tunnel.Request(tuple(map(tunnel.tunnel, params["tunnels"])), absent=absent)
    store, commands = _runtime.enter(module), _runtime.commands(module)
    kind = Tunnels(request, params["owner"], IpRoute(commands), commands, params["at_boot"])
    return _runtime.one_kind(module, kind, store, prune=absent or params["exclusive"])


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
