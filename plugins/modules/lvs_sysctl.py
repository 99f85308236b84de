#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lvs_sysctl
short_description: Set the kernel's settings of directors and real servers
version_added: 0.1.0
description:
  - Sets what a Linux Virtual Server director or real server needs of the kernel, by profile, and any other settings by
    value. They are in force at once and at every boot.
  - A value that is found and will do just as well, being stricter, is kept.
  - The settings of an owner are exactly those of its last task. A setting that it no longer sets gets back its previous
    value, unless another program has set it since.
  - "Profile V(director) with forwarding V(nat) and IPv4 sets C(net.ipv4.ip_forward=1), so that the answers of real
    servers pass; and C(send_redirects=0) for C(all), C(default) and the interfaces, because where clients and real
    servers share a segment a redirect would tell the real server a way around the director. With IPv6 it sets
    C(net.ipv6.conf.all.forwarding=1), and before that C(accept_ra=2) on interfaces that have V(1), or the director
    would lose a default route that it learnt from a router's advertisements."
  - Profile V(director) with V(dr) or V(tun) sets C(net.ipv4.vs.conn_reuse_mode=3), so that a client which uses a port
    again is scheduled anew. The director sees no replies and so keeps a closed connection for two minutes. Such packets
    come in for an address of the director and go out as its own; nothing is forwarded.
  - "Profile V(real_server) with V(dr) or V(tun) sets C(arp_ignore=1) and C(arp_announce=2), so that the machine keeps
    quiet about the virtual address. With V(tun) it sets C(rp_filter=2) on the O(decapsulating) interfaces, and with
    V(dr) on those of O(ingress), if it would otherwise count as V(1); C(all) is never lowered."
  - Profile V(real_server) with V(nat) sets nothing.
extends_documentation_fragment:
  - lvs.cluster.lvs.owner
  - lvs.cluster.lvs.alike
  - lvs.cluster.lvs.attributes
options:
  profiles:
    description: What the host is.
    type: list
    elements: str
    choices: [director, real_server]
    default: []
  forwarding:
    description: The forwarding methods that the host has to do with. C(ipvsadm)'s words are taken too.
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
      - The interfaces that the profile is about. Left out, it is about all of them, also those that come later.
      - Of a real server these are the interfaces of the network where the virtual address is asked for.
    type: list
    elements: str
    default: []
  ingress:
    description:
      - The host's own addresses at which packets of a director arrive, where O(forwarding) has V(dr). The interfaces
        that have them get C(rp_filter=2), if it would otherwise count as V(1), because answers may leave by another.
      - This needs pyroute2 on a host that filters by reverse path.
    type: list
    elements: str
    default: []
  decapsulating:
    description:
      - The interfaces on which tunnelled packets appear, where O(forwarding) has V(tun).
    type: list
    elements: str
    default: [tunl0]
  values:
    description:
      - Settings by name, with their values. They win over the profile's.
      - Between the words of a name are dots, or slashes throughout where a word holds a dot
        (C(net/ipv4/conf/eth0.100/arp_ignore)).
      - Those below C(net.ipv4.vs) load C(ip_vs), and have it loaded at boot.
    type: dict
    default: {}
  exclusive:
    description: Whether all other settings of O(owner) get back the value that was found.
    type: bool
    default: true
  state:
    description: With V(absent), everything of O(owner) gets back the value that was found, and its files are removed.
    type: str
    choices: [present, absent]
    default: present
notes:
  - "The files are C(/etc/sysctl.d/90-lvs.cluster-<owner>.conf) and, where C(ip_vs) is needed for them,
    C(/etc/modules-load.d/lvs.cluster-<owner>.conf). A file that is read later at boot and says otherwise is warned of."
  - Writing C(ip_forward) resets C(forwarding) of all interfaces and C(accept_redirects) of C(all). What was found of
    these
    is given back with it.
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Forward by NAT, and let clients of a dead real server go at once
  lvs.cluster.lvs_sysctl:
    profiles: [director]
    forwarding: [nat]
    values:
      net.ipv4.vs.expire_nodest_conn: 1

- name: Keep quiet about the virtual address on the segment of eth1
  lvs.cluster.lvs_sysctl:
    profiles: [real_server]
    forwarding: [dr]
    interfaces: [eth1]

- name: Give everything back
  lvs.cluster.lvs_sysctl:
    state: absent
"""

RETURN = r"""
settings:
  description: Every setting that is asked for, with the value now in force, or in check mode the one that would be.
  returned: success
  type: dict
  sample: {net.ipv4.ip_forward: "1"}
surplus:
  description: Settings of O(owner) that are not asked for, and stay because of O(exclusive=false).
  returned: success
  type: list
  elements: str
errors:
  description: A sentence for every value that the kernel has refused.
  returned: when it has refused some
  type: list
  elements: str
operations:
  description: What was written to the running kernel, in order, or in check mode would be.
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
      description: The value that it had.
      type: str
      returned: always
    after:
      description: The value that it gets.
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
