#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: iptables_mark
short_description: Set firewall marks, for virtual services with several ports or addresses
version_added: 0.1.0
description:
  - Manages the rules on a director that mark incoming packets for virtual services with a firewall mark.
  - The rules are in a separate chain, C(LVS-MARK-<owner>) in the table C(mangle), with a comment that names the owner.
    The chain C(PREROUTING) jumps to it from the top. Nothing else in the firewall is changed, and nothing is flushed.
  - Rules that are replaced stay until the new ones are in place.
extends_documentation_fragment:
  - lvs.cluster.lvs
  - lvs.cluster.lvs.owner
  - lvs.cluster.lvs.alike
  - lvs.cluster.lvs.attributes
options:
  marks:
    description: The marks, each with the packets that get it. If several match a packet, the last one applies.
    type: list
    elements: dict
    default: []
    suboptions:
      fwmark:
        description: The mark, from 1 to 4294967295.
        type: int
        required: true
      match:
        description: The packets that get the mark.
        type: list
        elements: dict
        required: true
        suboptions:
          address:
            description: Their destination, a virtual address or a network of virtual addresses.
            type: str
            required: true
          protocol:
            description: The protocol, in lower or upper case.
            type: str
            choices: [tcp, udp, sctp, TCP, UDP, SCTP]
            default: tcp
          ports:
            description:
              - The destination port, or a list of ports and ranges such as V(8000-8080). All ports if omitted.
              - A range may be written with a colon too, but only in quotes, because YAML reads an unquoted C(20:21) as
                the number 1221.
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
seealso:
  - module: lvs.cluster.ipvs_service
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Mark HTTP and HTTPS as one service
  lvs.cluster.iptables_mark:
    marks:
      - fwmark: 10
        match:
          - {address: 170.210.122.104, ports: [80, 443]}

- name: Add the service, which sends a client to the same real server on both ports
  lvs.cluster.ipvs_service:
    fwmark: 10
    persistence_timeout: 300

- name: Remove the rules
  lvs.cluster.iptables_mark:
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
from ansible_collections.lvs.cluster.plugins.module_utils.netfilter import mark
from ansible_collections.lvs.cluster.plugins.module_utils.netfilter.kind import marks


def argument_spec():
    return {
        **mark.OPTIONS,
        "at_boot": {"type": "bool", "default": True},
        **_runtime.STATE_OPTION,
        **_runtime.OWNER_OPTION,
    }


def work(module):
    params = module.params
    entry = params if params["state"] == "present" else None
    store = _runtime.enter(module)
    kind = marks(entry, params["owner"], _runtime.commands(module), params["at_boot"])
    return _runtime.one_kind(module, kind, store)


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
