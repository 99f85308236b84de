#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lvs_host_info
short_description: See what this collection has made on a host, and what it needs there
version_added: 0.1.0
description:
  - Tells what the manifests of this collection say is ours on a host, which scripts of ours run at boot, which
    commands and libraries are missing, and how packets to some addresses leave.
  - It changes nothing. The roles look with it before they begin.
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description:
      - Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: N/A
  platform:
    description: Target OS/families that can be operated against.
    platforms: linux
    support: full
options:
  commands:
    description: Commands that are looked for.
    type: list
    elements: str
    default: []
  libraries:
    description: Python libraries that are looked for.
    type: list
    elements: str
    default: []
  reach:
    description: Addresses to which packets shall find their way.
    type: list
    elements: str
    default: []
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: See whose everything is, and how the real server is reached
  lvs.cluster.lvs_host_info:
    commands: [ipvsadm]
    reach: [192.168.0.107]
  register: host

- name: Show it
  ansible.builtin.debug:
    var: host.owners
"""

RETURN = r"""
owners:
  description: Of each owner that has a manifest, the kinds of objects that are its, and of each kind the names.
  returned: success
  type: dict
  sample: {real_server: {address: ["-4 address 170.210.122.104/32 dev lo scope host"]}}
scripts:
  description: The scripts in C(/etc/lvs.cluster/boot.d).
  returned: success
  type: list
  elements: str
missing_commands:
  description: Which of O(commands) are not there.
  returned: success
  type: list
  elements: str
missing_libraries:
  description: Which of O(libraries) are not there.
  returned: success
  type: list
  elements: str
ways:
  description: Of each address in O(reach), how packets leave; none where they can't.
  returned: success
  type: dict
  sample: {192.168.0.107: {gateway: null, interface: eth1, local: false, source: 192.168.0.104}}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lvs.cluster.plugins.module_utils import _runtime, boot, host_state
from ansible_collections.lvs.cluster.plugins.module_utils.commands import Commands
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import canonical_address


def argument_spec():
    return {
        name: {"type": "list", "elements": "str", "default": []}
        for name in ("commands", "libraries", "reach")
    }


def work(module):
    params = module.params
    commands = Commands(module.run_command)
    reach = [canonical_address(text, "the host", "reach")[1] for text in params["reach"]]
    return {
        "changed": False,
        "owners": host_state.owners(),
        "scripts": boot.present(),
        "missing_commands": host_state.missing_commands(params["commands"]),
        "missing_libraries": host_state.missing_libraries(params["libraries"]),
        "ways": {address: host_state.way(address, commands) for address in reach},
    }


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
