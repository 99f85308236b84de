#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ipvs_timeout
short_description: Set for how long IPVS remembers idle connections
version_added: 0.1.0
description:
  - Sets the three timeouts of IPVS on a Linux Virtual Server director, in force at once for packets that arrive from
    then
    on.
  - A timeout that is left out, or V(0), is not asked for. Where an earlier run has changed it, it gets back the value
    that was found then.
extends_documentation_fragment:
  - lvs.cluster.lvs.owner
  - lvs.cluster.lvs.netns
  - lvs.cluster.lvs.attributes
options:
  tcp:
    description: Seconds for TCP sessions. The kernel begins with 900.
    type: int
    default: 0
  tcpfin:
    description: Seconds for TCP sessions after a FIN. The kernel begins with 120.
    type: int
    default: 0
  udp:
    description: Seconds for UDP. The kernel begins with 300.
    type: int
    default: 0
  at_boot:
    description:
      - Whether they are set again at boot, by a shell script in C(/etc/lvs.cluster/boot.d), which needs C(ipvsadm).
      - With V(false), an earlier script of O(owner) is removed. In a O(netns) nothing is put back.
    type: bool
    default: false
  state:
    description: With V(absent), all three get back what was found before our first change.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: lvs.cluster.ipvs_info
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Forget idle TCP sessions after half an hour, also after a reboot
  lvs.cluster.ipvs_timeout:
    tcp: 1800
    at_boot: true

- name: Go back to what was there before
  lvs.cluster.ipvs_timeout:
    state: absent
"""

RETURN = r"""
timeouts:
  description: The timeouts that are now in force, or in check mode would be.
  returned: success
  type: dict
  contains:
    tcp:
      description: Seconds for TCP sessions.
      type: int
      returned: always
    tcpfin:
      description: Seconds for TCP sessions after a FIN.
      type: int
      returned: always
    udp:
      description: Seconds for UDP.
      type: int
      returned: always
operations:
  description: What was set, or in check mode would be.
  returned: success
  type: list
  elements: dict
  contains:
    verb:
      description: V(set).
      type: str
      returned: always
    timeouts:
      description: The three timeouts.
      type: dict
      returned: always
"""

from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lvs.cluster.plugins.module_utils import _runtime, boot
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import settings, timeouts

NAMES = ("tcp", "tcpfin", "udp")


def argument_spec():
    return {
        **{name: {"type": "int", "default": 0} for name in NAMES},
        "at_boot": {"type": "bool", "default": False},
        **_runtime.STATE_OPTION,
        **_runtime.NETNS_OPTION,
        **_runtime.OWNER_OPTION,
    }


def work(module):
    params = module.params
    present = params["state"] == "present"
    wanted = {name: params[name] for name in NAMES} if present else {}
    at_boot = params["at_boot"] and present
    if at_boot and not module.check_mode:
        boot.require("ipvsadm")
    store = _runtime.enter(module)
    todo = settings.set_timeouts(_runtime.KERNEL, store, wanted, module.check_mode)
    body = timeouts.script_body(wanted) if at_boot else None
    written = _runtime.keep_at_boot(module, boot.TIMEOUTS, "timeouts of IPVS", body)
    changed = todo.before != todo.after
    return _runtime.result(
        [{"verb": "set", "timeouts": asdict(todo.after)}] if changed else [],
        [todo.diff] if changed else [],
        written,
        timeouts=asdict(todo.after),
    )


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
