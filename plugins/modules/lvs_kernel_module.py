#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lvs_kernel_module
short_description: Set the parameters of a kernel module, and load it
version_added: 0.1.0
description:
  - Writes C(/etc/modprobe.d/lvs.cluster-<owner>-<name>.conf), which is read whenever the module is loaded. A director
    may need the parameter C(conn_tab_bits) of C(ip_vs), which sets the size of the connection table.
  - Such a parameter is read only when the module is loaded. If the module is already loaded with another value, the new
    one takes effect the next time it is loaded, usually at the next boot. A warning says so; nothing is unloaded.
  - A virtual service for FTP with NAT needs C(ip_vs_ftp), which is not loaded automatically. O(load) loads it, now and
    at every boot.
extends_documentation_fragment:
  - lvs.cluster.lvs.owner
  - lvs.cluster.lvs.alike
  - lvs.cluster.lvs.attributes
options:
  name:
    description: The name of the kernel module.
    type: str
    default: ip_vs
  params:
    description: Parameters and their values. The kernel has defaults for those that are omitted.
    type: dict
    default: {}
  load:
    description:
      - Whether the module is loaded, now and at every boot.
      - With V(false), if O(owner) has loaded it, it is no longer loaded at boot, and is unloaded unless it is in use.
    type: bool
    default: false
  state:
    description: With V(absent), the files are removed.
    type: str
    choices: [present, absent]
    default: present
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Set 2^18 buckets for a million connections, from the next boot on
  lvs.cluster.lvs_kernel_module:
    params:
      conn_tab_bits: 18

- name: Load the module for FTP with NAT
  lvs.cluster.lvs_kernel_module:
    name: ip_vs_ftp
    load: true
"""

RETURN = r"""
pending:
  description: The parameters that take effect the next time the module is loaded, with their current values.
  returned: success
  type: dict
  sample: {conn_tab_bits: "12"}
operations:
  description: The operations, or in check mode the planned ones.
  returned: success
  type: list
  elements: dict
  contains:
    verb:
      description: One of V(write), V(remove), V(load) and V(unload).
      type: str
      returned: always
    path:
      description: The file, or the module's folder in C(/sys).
      type: str
      returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lvs.cluster.plugins.module_utils import _runtime
from ansible_collections.lvs.cluster.plugins.module_utils.kernel_module.kind import (
    KernelModules,
    Module,
)


def argument_spec():
    return {
        "name": {"type": "str", "default": "ip_vs"},
        "params": {"type": "dict", "default": {}},
        "load": {"type": "bool", "default": False},
        **_runtime.STATE_OPTION,
        **_runtime.OWNER_OPTION,
    }


def work(module):
    params = module.params
    store = _runtime.enter(module)
    wanted = Module.of(params)
    desired = [wanted] if params["state"] == "present" else []
    kind = KernelModules(desired, params["owner"], _runtime.commands(module), [wanted.name])
    result = _runtime.one_kind(module, kind, store)
    return {**result, "pending": result["pending"].get(wanted.name, {})}


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
