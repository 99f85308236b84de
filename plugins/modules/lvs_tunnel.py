#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lvs_tunnel
short_description: Decapsulate tunnelled packets on a real server
version_added: 0.1.0
description:
  - Creates the receiving endpoints of tunnels on a real server to which a director forwards by tunnel. The director
    needs none, because IPVS itself encapsulates.
  - The kernel module is loaded, and the device is created if it does not exist, and brought up. For GUE, the UDP port
    is opened; the packets inside then pass through the device for their type, V(ipip) for IPv4 and V(sit) for IPv6,
    which is needed as well.
  - Strict filtering by reverse path (C(rp_filter)) would drop what such a device decapsulates, so a device with a name
    of its own gets loose filtering. For the devices of the kernel modules, see M(lvs.cluster.lvs_sysctl).
  - A device decapsulates packets from any sender. M(lvs.cluster.iptables_decap) accepts those of the directors only.
  - What this module creates is recorded in the manifest of O(owner). What exists already is left alone and never
    removed.
extends_documentation_fragment:
  - lvs.cluster.lvs.owner
  - lvs.cluster.lvs.alike
  - lvs.cluster.lvs.attributes
requirements:
  - iproute2 on the host
  - pyroute2 (python3-pyroute2 of the distribution) on the host, if something has to be changed
options:
  tunnels:
    description: The tunnels. Required with O(state=present), unless O(exclusive=true).
    type: list
    elements: dict
    default: []
    suboptions:
      type:
        description:
          - V(ipip) is IPv4 in IPv4, V(sit) IPv6 in IPv4, V(ip6tnl) IPv4 and IPv6 in IPv6, V(gre) IPv4 and IPv6 in IPv4,
            V(ip6gre) IPv4 and IPv6 in IPv6, V(gue) a UDP port.
        type: str
        choices: [ipip, sit, ip6tnl, gre, ip6gre, gue]
        required: true
      device:
        description:
          - The name of the device. If omitted, it is the one that the kernel module creates, which receives packets to
            any address of the host, C(tunl0), C(sit0), C(ip6tnl0), C(gre0) or C(ip6gre0). C(ip6tnl0) receives IPv6
            only.
        type: str
      local:
        description: The host's address to which the director sends. Required with any other O(tunnels[].device).
        type: str
      port:
        description: The UDP port of V(gue).
        type: int
      family:
        description: The address family of the outer packets of V(gue), V(ipv4) if omitted.
        type: str
        choices: [ipv4, ipv6]
  exclusive:
    description: Whether all other tunnels that O(owner) has created are removed.
    type: bool
    default: false
  at_boot:
    description:
      - Whether all tunnels of O(owner) are restored at boot, by a shell script in C(/etc/lvs.cluster/boot.d) that needs
        only C(ip) and C(modprobe).
      - With V(false), an earlier script of O(owner) is removed.
    type: bool
    default: true
  state:
    description:
      - With V(absent), those of O(tunnels) are removed that O(owner) has created; without O(tunnels), all that it has
        created. Kernel modules that it has loaded are unloaded, unless they are in use.
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
- name: Decapsulate IPv4 in IPv4
  lvs.cluster.lvs_tunnel:
    tunnels:
      - {type: ipip}

- name: Decapsulate GUE, and GRE packets to one address
  lvs.cluster.lvs_tunnel:
    tunnels:
      - {type: ipip}
      - {type: gue, port: 6080}
      - {type: gre, device: lvs-gre, local: 192.168.0.107}

- name: Remove all tunnels
  lvs.cluster.lvs_tunnel:
    state: absent
"""

RETURN = r"""
surplus:
  description: What else O(owner) has created, and what stays because of O(exclusive=false).
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
