#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lvs_sysctl
short_description: Set kernel settings of directors and real servers
version_added: 0.1.0
description:
  - Sets the kernel settings that a Linux Virtual Server director or real server needs, by profile, and any other
    settings by value. They take effect at once and at every boot.
  - An existing value that is stricter and serves the purpose is kept.
  - The settings of an owner are exactly those of its last task. A setting that it no longer sets gets its previous
    value back, unless another program has changed it since.
  - "Profile V(director) with forwarding V(nat) and IPv4 sets C(net.ipv4.ip_forward=1), so that the replies of real
    servers pass; and C(send_redirects=0) for C(all), C(default) and the interfaces, because if clients and real servers
    share a segment, a redirect would tell the real server a route that bypasses the director. With IPv6 it sets
    C(net.ipv6.conf.all.forwarding=1), and before that C(accept_ra=2) on interfaces that have V(1), or the director
    would lose a default route that it has learned from router advertisements."
  - Profile V(director) with V(dr) or V(tun) sets C(net.ipv4.vs.conn_reuse_mode=3), so that a client that reuses a port
    is scheduled anew. The director sees no replies, so it keeps a closed connection for two minutes. These methods need
    no forwarding in the kernel.
  - "Profile V(real_server) with V(dr) or V(tun) sets C(arp_ignore=1) and C(arp_announce=2), which suppress ARP for the
    virtual address. With V(tun) it sets C(rp_filter=2) on the O(decapsulating) interfaces, and with V(dr) on those of
    O(ingress), if the effective value would be V(1); C(all) is never lowered."
  - Profile V(real_server) with V(nat) sets nothing.
extends_documentation_fragment:
  - lvs.cluster.lvs.owner
  - lvs.cluster.lvs.alike
  - lvs.cluster.lvs.attributes
options:
  profiles:
    description: The roles of the host.
    type: list
    elements: str
    choices: [director, real_server]
    default: []
  forwarding:
    description: The forwarding methods that the host uses. The names that C(ipvsadm) uses are accepted too.
    type: list
    elements: str
    choices: [nat, dr, tun, masq, masquerading, gate, gatewaying, ipip, tunneling]
    default: []
  families:
    description: The address families of the services.
    type: list
    elements: str
    choices: [ipv4, ipv6]
    default: [ipv4]
  interfaces:
    description:
      - The interfaces to which the profile applies. If omitted, it applies to all of them, including future ones.
      - On a real server, these are the interfaces on whose network ARP requests for the virtual address are sent.
    type: list
    elements: str
    default: []
  ingress:
    description:
      - The host's own addresses at which packets of a director arrive, if O(forwarding) has V(dr). The interfaces that
        have them get C(rp_filter=2) if the effective value would be V(1), because replies may leave through another
        interface.
      - This needs pyroute2 on a host that filters by reverse path.
    type: list
    elements: str
    default: []
  decapsulating:
    description:
      - The interfaces on which decapsulated packets arrive, if O(forwarding) has V(tun).
    type: list
    elements: str
    default: [tunl0]
  values:
    description:
      - Settings by name, with their values. They take precedence over those of the profile.
      - The parts of a name are separated by dots, or by slashes throughout if a part contains a dot
        (C(net/ipv4/conf/eth0.100/arp_ignore)).
      - Settings below C(net.ipv4.vs) load C(ip_vs), now and at every boot.
    type: dict
    default: {}
  exclusive:
    description: Whether all other settings of O(owner) get their previous values back.
    type: bool
    default: true
  state:
    description: With V(absent), all settings of O(owner) get their previous values back, and its files are removed.
    type: str
    choices: [present, absent]
    default: present
notes:
  - "The files are C(/etc/sysctl.d/90-lvs.cluster-<owner>.conf) and, if C(ip_vs) is needed for them,
    C(/etc/modules-load.d/lvs.cluster-<owner>.conf). If a file that is read later at boot sets another value, a warning
    says so."
  - Writing C(ip_forward) resets C(forwarding) of all interfaces and C(accept_redirects) of C(all). Their previous
    values are restored together with it.
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Forward with NAT, and drop connections of a failed real server at once
  lvs.cluster.lvs_sysctl:
    profiles: [director]
    forwarding: [nat]
    values:
      net.ipv4.vs.expire_nodest_conn: 1

- name: Suppress ARP for the virtual address on the segment of eth1
  lvs.cluster.lvs_sysctl:
    profiles: [real_server]
    forwarding: [dr]
    interfaces: [eth1]

- name: Restore all previous values
  lvs.cluster.lvs_sysctl:
    state: absent
"""

RETURN = r"""
settings:
  description: Every desired setting, with its current value, or in check mode the predicted one.
  returned: success
  type: dict
  sample: {net.ipv4.ip_forward: "1"}
surplus:
  description: Settings of O(owner) that are no longer desired, and stay because of O(exclusive=false).
  returned: success
  type: list
  elements: str
errors:
  description: A message for each value that the kernel has refused.
  returned: when the kernel has refused values
  type: list
  elements: str
operations:
  description: The operations on the running kernel, in order, or in check mode the planned ones.
  returned: success
  type: list
  elements: dict
  contains:
    verb:
      description: V(set).
      type: str
      returned: always
    name:
      description: The setting.
      type: str
      returned: always
    before:
      description: The previous value.
      type: str
      returned: always
    after:
      description: The new value.
      type: str
      returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lvs.cluster.plugins.module_utils import _runtime
from ansible_collections.lvs.cluster.plugins.module_utils.sysctl.kind import OPTIONS, Settings


def argument_spec():
    return {
        **OPTIONS,
        "exclusive": {"type": "bool", "default": True},
        **_runtime.STATE_OPTION,
        **_runtime.OWNER_OPTION,
    }


def work(module):
    params = module.params
    absent = params["state"] == "absent"
    store = _runtime.enter(module)
    settings = Settings.of(None if absent else params, params["owner"], _runtime.commands(module))
    return _runtime.one_kind(module, settings, store, prune=absent or params["exclusive"])


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
