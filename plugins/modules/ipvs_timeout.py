#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ipvs_timeout
short_description: Set the timeouts of idle connections in IPVS
version_added: 0.1.0
description:
  - Sets the three timeouts of IPVS on a Linux Virtual Server director. A new value applies to a connection from its
    next packet on.
  - A timeout that is omitted, or V(0), is not set. If an earlier run of O(owner) has changed it, its previous value is
    restored.
  - Two owners cannot set a timeout to different values.
extends_documentation_fragment:
  - lvs.cluster.lvs.owner
  - lvs.cluster.lvs.netns
  - lvs.cluster.lvs.alike
  - lvs.cluster.lvs.attributes
options:
  tcp:
    description: Seconds for TCP sessions. The kernel's default is 900.
    type: int
    default: 0
  tcpfin:
    description: Seconds for TCP sessions after a FIN. The kernel's default is 120.
    type: int
    default: 0
  udp:
    description: Seconds for UDP. The kernel's default is 300.
    type: int
    default: 0
  at_boot:
    description:
      - Whether they are set again at boot, by a shell script in C(/etc/lvs.cluster/boot.d), which needs C(ipvsadm).
      - With V(false), an earlier script of O(owner) is removed. With O(netns), nothing is restored at boot.
    type: bool
    default: false
  state:
    description: With V(absent), the previous values are restored.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: lvs.cluster.ipvs_info
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Remove idle TCP sessions after half an hour, also after a reboot
  lvs.cluster.ipvs_timeout:
    tcp: 1800
    at_boot: true

- name: Restore the previous timeouts
  lvs.cluster.ipvs_timeout:
    state: absent
"""

RETURN = r"""
timeouts:
  description: The current timeouts, or in check mode the predicted ones.
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
  description: The operations, or in check mode the planned ones.
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

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lvs.cluster.plugins.module_utils import _runtime
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import timeouts
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.kind import Timeouts


def argument_spec():
    return {
        **timeouts.OPTIONS,
        "at_boot": {"type": "bool", "default": False},
        **_runtime.STATE_OPTION,
        **_runtime.NETNS_OPTION,
        **_runtime.OWNER_OPTION,
    }


def work(module):
    params = module.params
    present = params["state"] == "present"
    desired = {name: params[name] for name in timeouts.OPTIONS} if present else {}
    store = _runtime.enter(module)
    kind = Timeouts(desired, params["at_boot"] and store.persistent)
    return _runtime.one_kind(module, kind, store)


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
