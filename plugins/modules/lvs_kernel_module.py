#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lvs_kernel_module
short_description: Set the parameters of a kernel module, and have it loaded
version_added: 0.1.0
description:
  - Writes C(/etc/modprobe.d/lvs.cluster-<owner>-<name>.conf), which is read whenever the module is loaded. The
    parameter
    that a director may need is C(conn_tab_bits) of C(ip_vs), the size of the table of connections.
  - Such a parameter is read once. Where the module is loaded with another value, the new one takes effect at the next
    load, which mostly is the next boot; the module says so and unloads nothing.
  - A virtual service of FTP by NAT needs C(ip_vs_ftp), which nobody loads by itself. O(load) does so, now and at
    every boot.
extends_documentation_fragment:
  - lvs.cluster.lvs.owner
  - lvs.cluster.lvs.attributes
options:
  name:
    description: The module.
    type: str
    default: ip_vs
  params:
    description: Parameters and their values. What is left out of it is left to the kernel.
    type: dict
    default: {}
  load:
    description:
      - Whether the module is loaded, now and at every boot.
      - With V(false) it is no more, if O(owner) has had it loaded, and taken out unless somebody uses it.
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
- name: Have 2^18 buckets for a million connections, from the next boot on
  lvs.cluster.lvs_kernel_module:
    params:
      conn_tab_bits: 18

- name: Let FTP through NAT
  lvs.cluster.lvs_kernel_module:
    name: ip_vs_ftp
    load: true
"""

RETURN = r"""
pending:
  description: The parameters that wait for the module to be loaded anew, with the values that are in force until then.
  returned: success
  type: dict
  sample: {conn_tab_bits: "12"}
operations:
  description: What was done, or in check mode would be.
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

import glob

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lvs.cluster.plugins.module_utils import (
    _runtime,
    files,
    kernel_module,
    modprobe,
)
from ansible_collections.lvs.cluster.plugins.module_utils.commands import Commands
from ansible_collections.lvs.cluster.plugins.module_utils.manifest import Claim, check_owner


def argument_spec():
    return {
        "name": {"type": "str", "default": "ip_vs"},
        "params": {"type": "dict", "default": {}},
        "load": {"type": "bool", "default": False},
        **_runtime.STATE_OPTION,
        **_runtime.OWNER_OPTION,
    }


MODPROBE = {"load": lambda name: (name, "The task needs"), "unload": lambda name: (name,)}


def keep_loaded(module, name):
    """What is to be done for the module to be loaded, now and at boot, or no more: (verbs, files)."""
    owner, wanted = module.params["owner"], module.params["load"]
    wanted = wanted and module.params["state"] == "present"
    store = _runtime.enter(module)
    with store.locked(read_only=module.check_mode):
        manifest = store.load()
        ours = manifest.claim(kernel_module.KIND, name) is not None
        loaded = modprobe.is_loaded(name)
        verbs = ["load"] if wanted and not loaded else []
        if not wanted and ours:
            verbs = ["unload"] if loaded else []
        claim = Claim() if verbs == ["load"] else None
        if not module.check_mode and (claim or (ours and not wanted)):
            store.save(manifest.with_claim(kernel_module.KIND, name, claim))
    text = f"# Of lvs.cluster, for owner {owner}.\n{name}\n" if wanted else None
    return verbs, files.changes([files.File(kernel_module.load_path(owner, name), text)])


def work(module):
    owner, name = check_owner(module.params["owner"]), module.params["name"]
    params = {key: str(value) for key, value in module.params["params"].items()}
    if module.params["state"] == "absent":
        params = {}
    kernel_module.check(name, params)
    path = kernel_module.path(owner, name)
    loading, written = keep_loaded(module, name)
    todo = [
        *files.changes([files.File(path, kernel_module.text(owner, name, params))]),
        *written,
    ]
    if not module.check_mode:
        files.apply(todo)
        for verb in loading:
            # After its parameters are written down.
            getattr(modprobe, verb)(*MODPROBE[verb](name), Commands(module.run_command))
    in_force = {
        parameter: files.read(kernel_module.PARAMETERS.format(name=name, parameter=parameter))
        for parameter in params
    }
    waiting = kernel_module.pending(params, in_force)
    for parameter, value in waiting.items():
        module.warn(
            f"{name} is loaded with {parameter}={value.strip()}; {params[parameter]} takes effect when it is "
            "loaded next, which mostly is the next boot."
        )
    found = (file for folder in kernel_module.FOLDERS for file in glob.glob(f"{folder}/*.conf"))
    others = {file: files.read(file) or "" for file in found if file != path}
    for sentence in kernel_module.contradictions(name, params, others):
        module.warn(sentence)
    return _runtime.result(
        [
            *(
                {
                    "verb": "remove" if each.wanted.content is None else "write",
                    "path": each.wanted.path,
                }
                for each in todo
            ),
            *({"verb": verb, "path": f"/sys/module/{name}"} for verb in loading),
        ],
        [kernel_module.diff(name, verb) for verb in loading],
        todo,
        pending={parameter: value.strip() for parameter, value in waiting.items()},
    )


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
