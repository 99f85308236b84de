#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: iptables_masq
short_description: Let NAT through the firewall of a director, and masquerade
version_added: 0.1.0
description:
  - Keeps the rules that a Linux Virtual Server director needs where it forwards by NAT. Packets for the services are
    let in, the answers of real servers are let through, and what real servers send on their own leaves with the
    director's address.
  - The rules are in chains of their own, C(LVS-IN-<owner>), C(LVS-FWD-<owner>) and C(LVS-OUT-<owner>) in the table
    C(filter), and C(LVS-POST-<owner>) in C(nat), with a comment that names the owner. Each is jumped to from the top of
    the built-in chain. Nothing else in the firewall is touched, and nothing is flushed.
  - The answers of real servers are accepted by their source. To connection tracking they are invalid, unless
    C(net.ipv4.vs.conntrack) is 1.
  - IPv6 redirects to real servers are dropped, because where clients share the segment they would lead answers past the
    director. For IPv4, M(lvs.cluster.lvs_sysctl) keeps the kernel from sending any.
  - Each table is changed in one step, by C(iptables-restore --noflush). Both C(iptables-nft) and C(iptables-legacy)
    will do; what is used is whichever the host calls C(iptables).
extends_documentation_fragment:
  - lvs.cluster.lvs
  - lvs.cluster.lvs.owner
  - lvs.cluster.lvs.attributes
options:
  networks:
    description: Where real servers are, IPv4 and IPv6.
    type: list
    elements: str
    default: []
  services:
    description: The virtual services that are let in.
    type: list
    elements: dict
    default: []
    suboptions:
      address:
        description: The virtual address (VIP). A service is named either by address and port, or by fwmark.
        type: str
      port:
        description: The port, V(0) for all.
        type: int
      protocol:
        description: The protocol, V(tcp) where it is left out.
        type: str
        choices: [tcp, udp, sctp]
      fwmark:
        description: The firewall mark.
        type: int
      family:
        description: The address family of a firewall mark's service, V(ipv4) where it is left out.
        type: str
        choices: [ipv4, ipv6]
  masquerade:
    description: Whether what real servers send on their own is masqueraded. What they send to O(networks) never is.
    type: bool
    default: true
  exclude:
    description: Other networks to which nothing is masqueraded.
    type: list
    elements: str
    default: []
  out_interface:
    description: Masquerade only what leaves by this interface. A C(+) at its end stands for any more.
    type: str
  ipvs:
    description:
      - Masquerade only packets of IPVS. They are known to the firewall only with C(net.ipv4.vs.conntrack=1), so without
        it this is refused.
    type: bool
    default: false
  accept:
    description:
      - Whether what comes from O(networks), and the answers to it, is accepted in C(FORWARD), and IPv6 redirects to
        there are dropped.
    type: bool
    default: true
  at_boot:
    description:
      - Whether the rules are put back at boot, by a shell script in C(/etc/lvs.cluster/boot.d) that needs C(iptables)
        only.
      - With V(false), an earlier script of O(owner) is removed.
    type: bool
    default: true
notes:
  - Where nftables, firewalld or the other kind of iptables filters too, packets have to pass those rules as well. The
    module warns of it.
  - A jump that is there once stays where it is, even if somebody has put rules before it.
seealso:
  - module: lvs.cluster.lvs_sysctl
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Let the web service through, and real servers out
  lvs.cluster.iptables_masq:
    networks: [192.168.0.0/25, "fd00:192:168::/64"]
    services:
      - {address: 170.210.122.104, port: 80}
      - {address: "2001:db8:170::104", port: 80}

- name: Only masquerade, and only to the outside
  lvs.cluster.iptables_masq:
    networks: [192.168.0.0/25]
    out_interface: eth0
    accept: false

- name: Take the rules away
  lvs.cluster.iptables_masq:
    state: absent
"""

RETURN = r"""
rules:
  description: All rules of the owner as they now are, or in check mode would be, as C(iptables) takes them.
  returned: success
  type: dict
  contains:
    ipv4:
      description: Those of iptables.
      type: list
      elements: str
      returned: always
    ipv6:
      description: Those of ip6tables.
      type: list
      elements: str
      returned: always
operations:
  description: What was given to the firewall, or in check mode would be.
  returned: success
  type: list
  elements: dict
  contains:
    verb:
      description: V(restore).
      type: str
      returned: always
    family:
      description: V(ipv4) or V(ipv6).
      type: str
      returned: always
    text:
      description: The input of C(iptables-restore --noflush).
      type: str
      returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lvs.cluster.plugins.module_utils import _firewall, _runtime
from ansible_collections.lvs.cluster.plugins.module_utils.cluster.topology import network
from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import options
from ansible_collections.lvs.cluster.plugins.module_utils.netfilter import nat
from ansible_collections.lvs.cluster.plugins.module_utils.sysctl import proc


def argument_spec():
    return {
        "networks": {"type": "list", "elements": "str", "default": []},
        "services": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": options.SERVICE_KEY_SPEC,
        },
        "masquerade": {"type": "bool", "default": True},
        "exclude": {"type": "list", "elements": "str", "default": []},
        "out_interface": {"type": "str"},
        "ipvs": {"type": "bool", "default": False},
        "accept": {"type": "bool", "default": True},
        "at_boot": {"type": "bool", "default": True},
        **_runtime.STATE_OPTION,
        **_runtime.OWNER_OPTION,
    }


def wish_of(params):
    if params["state"] == "absent":
        return nat.NatWish()
    return nat.NatWish(
        networks=tuple(network("the rules", "networks", text) for text in params["networks"]),
        exclude=tuple(network("the rules", "exclude", text) for text in params["exclude"]),
        services=nat.services(params["services"]),
        out_interface=nat.interface(params["out_interface"]) if params["out_interface"] else "",
        masquerade=params["masquerade"],
        accept=params["accept"],
        ipvs=params["ipvs"],
    )


def check_ipvs_match(module, wish):
    if not wish.ipvs or proc.read("net.ipv4.vs.conntrack") == "1":
        return
    error = InvalidInput(
        "the masquerading",
        "ipvs",
        True,
        "sees no packet while net.ipv4.vs.conntrack is not 1",
        "set that with lvs.cluster.lvs_sysctl before, or leave the option out",
    )
    # In check mode, an earlier task of the same play has not set it yet.
    if not module.check_mode:
        raise error
    module.warn(str(error))


def work(module):
    params = module.params
    wish = wish_of(params)
    check_ipvs_match(module, wish)
    owner = params["owner"]
    chains = {family: nat.chains(wish, family, owner) for family in _firewall.FAMILIES}
    title = "rules of the firewall"
    return _firewall.converge(module, chains, nat.possible(owner), "", title)


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
