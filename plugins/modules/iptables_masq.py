#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: iptables_masq
short_description: Manage the firewall rules of a director that forwards with NAT
version_added: 0.1.0
description:
  - Manages the firewall rules that a Linux Virtual Server director needs if it forwards with NAT. Packets for the
    services are accepted, replies of real servers are forwarded, and connections that real servers open are
    masqueraded.
  - The rules are in separate chains, C(LVS-IN-<owner>), C(LVS-FWD-<owner>) and C(LVS-OUT-<owner>) in the table
    C(filter), and C(LVS-POST-<owner>) and C(LVS-SNAT-<owner>) in C(nat), with a comment that names the owner. The
    built-in chains jump to them from the top. Nothing else in the firewall is changed, and nothing is flushed.
  - Replies of real servers are accepted by their source, because connection tracking considers them invalid unless
    C(net.ipv4.vs.conntrack) is 1.
  - ICMPv6 redirects to real servers are dropped. If clients share the segment, redirects would lead replies past the
    director. For IPv4, M(lvs.cluster.lvs_sysctl) keeps the kernel from sending any.
  - Each table is changed in one transaction, by C(iptables-restore --noflush). Rules that are replaced stay until the
    new ones are in place. Both C(iptables-nft) and C(iptables-legacy) work; the one that C(iptables) is on the
    host is used.
extends_documentation_fragment:
  - lvs.cluster.lvs
  - lvs.cluster.lvs.owner
  - lvs.cluster.lvs.alike
  - lvs.cluster.lvs.attributes
options:
  networks:
    description: The networks of real servers, IPv4 and IPv6.
    type: list
    elements: str
    default: []
  services:
    description: The virtual services whose packets are accepted.
    type: list
    elements: dict
    default: []
    suboptions:
      address:
        description: The virtual address (VIP). Name a service either by address and port, or by fwmark.
        type: str
      port:
        description: The port, V(0) for all ports.
        type: int
      protocol:
        description: The protocol, V(tcp) if omitted.
        type: str
        choices: [tcp, udp, sctp]
      fwmark:
        description: The firewall mark.
        type: int
      family:
        description: The address family of the service of a firewall mark, V(ipv4) if omitted.
        type: str
        choices: [ipv4, ipv6]
  masquerade:
    description:
      - Whether connections that real servers open are masqueraded. Those to O(networks) never are.
    type: bool
    default: true
  exclude:
    description: Other networks to which connections are not masqueraded.
    type: list
    elements: str
    default: []
  out_interface:
    description: Masquerade only what leaves through this interface. A C(+) at the end matches any longer name.
    type: str
  ipvs:
    description:
      - Masquerade only packets of IPVS. The firewall sees them only while C(net.ipv4.vs.conntrack) is 1; otherwise the
        module fails.
    type: bool
    default: false
  snat:
    description:
      - The virtual services, forwarded with NAT, whose clients are masqueraded. Real servers then see the director's
        address instead of the client's, and reply to it even if it is not their router (one-armed NAT).
      - The firewall sees such packets only while C(net.ipv4.vs.conntrack) is 1; otherwise the module fails.
    type: list
    elements: dict
    default: []
    suboptions:
      address:
        description: The virtual address (VIP). Name a service either by address and port, or by fwmark.
        type: str
      port:
        description: The port, V(0) for all ports.
        type: int
      protocol:
        description: The protocol, V(tcp) if omitted.
        type: str
        choices: [tcp, udp, sctp]
      fwmark:
        description: The firewall mark.
        type: int
      family:
        description: The address family of the service of a firewall mark, V(ipv4) if omitted.
        type: str
        choices: [ipv4, ipv6]
  accept:
    description:
      - Whether packets from O(networks), and replies to them, are accepted in C(FORWARD), and ICMPv6 redirects to
        O(networks) are dropped.
    type: bool
    default: true
  peers:
    description:
      - The addresses of other directors, or networks of them. VRRP is accepted from them, and so are the messages of
        their sync daemons.
    type: list
    elements: str
    default: []
  at_boot:
    description:
      - Whether the rules are restored at boot, by a shell script in C(/etc/lvs.cluster/boot.d) that needs only
        C(iptables).
      - With V(false), an earlier script of O(owner) is removed.
    type: bool
    default: true
notes:
  - If nftables, firewalld or the other variant of iptables filters too, packets have to pass those rules as well. The
    module warns about this.
  - A jump that exists once stays in its place, even if rules were inserted before it.
seealso:
  - module: lvs.cluster.lvs_sysctl
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Accept the web service, and masquerade connections of real servers
  lvs.cluster.iptables_masq:
    networks: [192.168.0.0/25, "fd00:192:168::/64"]
    services:
      - {address: 170.210.122.104, port: 80}
      - {address: "2001:db8:170::104", port: 80}

- name: Only masquerade, and only on eth0
  lvs.cluster.iptables_masq:
    networks: [192.168.0.0/25]
    out_interface: eth0
    accept: false

- name: Let real servers with another default gateway reply to the director
  lvs.cluster.iptables_masq:
    networks: [192.168.0.0/25]
    services: &services
      - {address: 170.210.122.104, port: 80}
    snat: *services

- name: Accept VRRP and synchronized connections from the other director
  lvs.cluster.iptables_masq:
    peers: [170.210.122.102]

- name: Remove the rules
  lvs.cluster.iptables_masq:
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
from ansible_collections.lvs.cluster.plugins.module_utils.netfilter import nat
from ansible_collections.lvs.cluster.plugins.module_utils.netfilter.kind import firewall


def argument_spec():
    return {
        **nat.OPTIONS,
        "at_boot": {"type": "bool", "default": True},
        **_runtime.STATE_OPTION,
        **_runtime.OWNER_OPTION,
    }


def work(module):
    params = module.params
    entry = params if params["state"] == "present" else None
    store = _runtime.enter(module)
    kind = firewall(entry, params["owner"], _runtime.commands(module), params["at_boot"])
    return _runtime.one_kind(module, kind, store)


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
