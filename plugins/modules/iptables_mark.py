#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: iptables_mark
short_description: Set the firewall marks by which several ports are one virtual service
version_added: 0.1.0
description:
  - Keeps the rules on a director that mark packets on their way in, so that a virtual service named by a firewall
    mark takes them.
  - The rules are in a chain of their own, C(LVS-MARK-<owner>) in the table C(mangle), jumped to from the top of
    C(PREROUTING), with a comment that names the owner. Nothing else in the firewall is touched, and nothing is
    flushed.
extends_documentation_fragment:
  - lvs.cluster.lvs
  - lvs.cluster.lvs.owner
  - lvs.cluster.lvs.attributes
options:
  marks:
    description: The marks, each with the packets that get it.
    type: list
    elements: dict
    default: []
    suboptions:
      fwmark:
        description: The mark, from 1 to 4294967295.
        type: int
        required: true
      match:
        description: Which packets.
        type: list
        elements: dict
        required: true
        suboptions:
          address:
            description: Their destination, the virtual address, or a network of such.
            type: str
            required: true
          protocol:
            description: The protocol.
            type: str
            choices: [tcp, udp, sctp]
            default: tcp
          ports:
            description: The ports, and ranges of ports such as V(8000:8080). Left out, all.
            type: list
            elements: str
            default: []
  at_boot:
    description:
      - Whether the rules are put back at boot, by a shell script in C(/etc/lvs.cluster/boot.d) that needs C(iptables)
        only.
      - With V(false), an earlier script of O(owner) is removed.
    type: bool
    default: true
seealso:
  - module: lvs.cluster.ipvs_service
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Have http and https be one service
  lvs.cluster.iptables_mark:
    marks:
      - fwmark: 10
        match:
          - {address: 170.210.122.104, ports: [80, 443]}

- name: Let a client keep its real server over both ports
  lvs.cluster.ipvs_service:
    fwmark: 10
    persistence_timeout: 300

- name: Take the rules away
  lvs.cluster.iptables_mark:
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
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import options
from ansible_collections.lvs.cluster.plugins.module_utils.netfilter import mark


def argument_spec():
    match = {
        "address": {"type": "str", "required": True},
        "protocol": {"type": "str", "choices": list(mark.PROTOCOLS), "default": "tcp"},
        "ports": {"type": "list", "elements": "str", "default": []},
    }
    marks = {
        "fwmark": {"type": "int", "required": True},
        "match": {"type": "list", "elements": "dict", "required": True, "options": match},
    }
    return {
        "marks": {"type": "list", "elements": "dict", "default": [], "options": marks},
        "at_boot": {"type": "bool", "default": True},
        **_runtime.STATE_OPTION,
        **_runtime.OWNER_OPTION,
    }


def marks_of(params):
    if params["state"] == "absent":
        return []
    return [
        (fwmark, mark.match(f"mark {fwmark}", given))
        for fwmark, matches in [
            (options.service_key({"fwmark": each["fwmark"]}).fwmark, each["match"])
            for each in params["marks"]
        ]
        for given in matches
    ]


def work(module):
    owner = module.params["owner"]
    marks = marks_of(module.params)
    chains = {family: mark.chains(marks, family, owner) for family in _firewall.FAMILIES}
    return _firewall.converge(module, chains, mark.possible(owner), "mark", "firewall marks")


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
