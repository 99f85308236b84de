#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: iptables_decap
short_description: Take tunnelled packets from the directors only, and answer in segments that fit
version_added: 0.1.0
description:
  - Keeps the firewall rules of a real server that a director reaches by tunnelling.
  - Tunnelled packets are accepted from O(directors) and dropped from everybody else, because a tunnel's device unwraps
    what anybody sends.
  - Of TCP connections to O(addresses) it lowers the maximum segment size (MSS) that the real server announces, so that
    what a client sends fits the tunnel. Otherwise large uploads hang where ICMP does not get through to the client.
  - The rules are in chains of their own, C(LVS-DECAP-<owner>) in the table C(filter) and C(LVS-MSS-<owner>) in
    C(mangle), jumped to from the top of C(INPUT) and C(OUTPUT), with a comment that names the owner. Nothing else in
    the firewall is touched, and nothing is flushed.
extends_documentation_fragment:
  - lvs.cluster.lvs
  - lvs.cluster.lvs.owner
  - lvs.cluster.lvs.attributes
requirements:
  - pyroute2 (python3-pyroute2 of the distribution) on the host, unless O(mtu) is given
options:
  directors:
    description: The addresses, or networks, from which directors send.
    type: list
    elements: str
    default: []
  tunnels:
    description: The kinds of tunnel, as M(lvs.cluster.lvs_tunnel) has them.
    type: list
    elements: dict
    default: []
    suboptions:
      type:
        description: What it is; see M(lvs.cluster.lvs_tunnel).
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
  addresses:
    description: The virtual addresses.
    type: list
    elements: str
    default: []
  local:
    description: The host's addresses that directors send to. The smallest MTU of the interfaces that have them counts.
    type: list
    elements: str
    default: []
  mtu:
    description: The MTU of the network between directors and this host, where O(local) doesn't tell it.
    type: int
  at_boot:
    description:
      - Whether the rules are put back at boot, by a shell script in C(/etc/lvs.cluster/boot.d) that needs C(iptables)
        only.
      - With V(false), an earlier script of O(owner) is removed.
    type: bool
    default: true
notes:
  - Where the firewall drops by default, the services themselves have to be let in too.
seealso:
  - module: lvs.cluster.lvs_tunnel
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Take tunnels of the director only
  lvs.cluster.iptables_decap:
    directors: [192.168.0.104]
    tunnels:
      - {type: ipip}
    addresses: [170.210.122.104]
    local: [192.168.0.107]

- name: Take the rules away
  lvs.cluster.iptables_decap:
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
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import canonical_address
from ansible_collections.lvs.cluster.plugins.module_utils.link import rtnl, tunnel
from ansible_collections.lvs.cluster.plugins.module_utils.netfilter import decap

SUBJECT = "the tunnels' rules"
# RFC 791 and RFC 8200 have less and this much; below it there is no use in a tunnel.
LEAST_MTU = 1280


def argument_spec():
    tunnels = {
        "type": {"type": "str", "choices": list(tunnel.CHOICES), "required": True},
        "port": {"type": "int"},
        "family": {"type": "str", "choices": list(_firewall.FAMILIES), "default": "ipv4"},
        "checksum": {"type": "str", "choices": list(decap.CHECKSUMS), "default": "none"},
    }
    return {
        "directors": {"type": "list", "elements": "str", "default": []},
        "tunnels": {"type": "list", "elements": "dict", "default": [], "options": tunnels},
        "addresses": {"type": "list", "elements": "str", "default": []},
        "local": {"type": "list", "elements": "str", "default": []},
        "mtu": {"type": "int"},
        "at_boot": {"type": "bool", "default": True},
        **_runtime.STATE_OPTION,
        **_runtime.OWNER_OPTION,
    }


def outer(given):
    port = given["port"] or 0
    if given["type"] == tunnel.GUE and not 1 <= port <= 65535:
        raise InvalidInput(SUBJECT, "port", port, "is no UDP port", "give one from 1 to 65535")
    return decap.Outer(given["type"], port, given["family"], given["checksum"])


def mtu_of(params):
    if params["mtu"] is not None:
        if not LEAST_MTU <= params["mtu"] <= 65535:
            remedy = f"give a number of bytes from {LEAST_MTU} to 65535"
            raise InvalidInput(SUBJECT, "mtu", params["mtu"], "can't be", remedy)
        return params["mtu"]
    if not params["local"] or not params["addresses"] or not params["tunnels"]:
        return 0
    wanted = {canonical_address(text, SUBJECT, "local")[1] for text in params["local"]}
    with rtnl.connect() as kernel:
        found = [kernel.mtu(each.interface) for each in kernel.standing() if each.address in wanted]
    if not found:
        raise InvalidInput(
            SUBJECT,
            "local",
            params["local"],
            "holds no address of this host",
            "give one that 'ip address' shows here (for the roles: correct lvs_address), or the mtu",
        )
    return min(found)


def wish_of(params):
    if params["state"] == "absent":
        return decap.DecapWish()
    return decap.DecapWish(
        tuple(network(SUBJECT, "directors", text) for text in params["directors"]),
        tuple(outer(each) for each in params["tunnels"]),
        tuple(canonical_address(text, SUBJECT, "addresses") for text in params["addresses"]),
        mtu_of(params),
    )


def work(module):
    owner = module.params["owner"]
    wish = wish_of(module.params)
    chains = {family: decap.chains(wish, family, owner) for family in _firewall.FAMILIES}
    title = "who may send tunnelled packets"
    return _firewall.converge(module, chains, decap.possible(owner), "decap", title)


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
