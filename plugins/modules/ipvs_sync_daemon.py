#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ipvs_sync_daemon
short_description: Manage the sync daemons of IPVS, which synchronize connections between directors
version_added: 0.1.0
description:
  - Starts, restarts or stops the kernel's sync daemon on a Linux Virtual Server director. A V(master) sends its
    connections to other directors, a V(backup) receives them. Both may run on one director.
  - The kernel cannot edit a daemon. A daemon is stopped and started again only if it changes. If the kernel refuses the
    new one, the old one is started again.
  - Do not use this module if C(keepalived) runs with C(lvs_sync_daemon), because keepalived then manages the daemon.
  - The daemons send changes only. A director that was down learns about an old connection when that is used again.
extends_documentation_fragment:
  - lvs.cluster.lvs
  - lvs.cluster.lvs.owner
  - lvs.cluster.lvs.netns
  - lvs.cluster.lvs.alike
  - lvs.cluster.lvs.attributes
options:
  role:
    description: Which of the two daemons to manage.
    type: str
    choices: [master, backup]
    required: true
  interface:
    description: The interface that connects the directors. Required if the daemon does not run yet.
    type: str
  syncid:
    description: A number from V(0) to V(255) that is the same on all directors of a cluster. A new daemon has V(0).
    type: int
  maxlen:
    description: The maximum length of a message in bytes. V(0), the default of a new daemon, fits the interface.
    type: int
  group:
    description: The multicast group, IPv4 or IPv6. A new daemon has V(224.0.0.81).
    type: str
  port:
    description: The UDP port. A new daemon has V(8848).
    type: int
  ttl:
    description: How many routers a message may pass. A new daemon has V(1).
    type: int
  at_boot:
    description:
      - Whether it is started at boot, by a shell script in C(/etc/lvs.cluster/boot.d), which needs C(ipvsadm).
      - With V(false), an earlier script of O(owner) is removed. With O(netns), nothing is restored at boot.
    type: bool
    default: false
notes:
  - If both daemons run while C(net.ipv4.vs.backup_only) is 1, IPVS forwards nothing. A second daemon is then refused.
seealso:
  - module: lvs.cluster.ipvs_info
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Synchronize connections to the other director
  lvs.cluster.ipvs_sync_daemon:
    role: master
    interface: eth1
    syncid: 7
    at_boot: true

- name: Stop the backup daemon
  lvs.cluster.ipvs_sync_daemon:
    role: backup
    state: absent
"""

RETURN = r"""
sync_daemon:
  description: The daemon of O(role) that runs now, or in check mode the one that would run. Null if none does.
  returned: success
  type: dict
  sample: {role: master, interface: eth1, syncid: 7, maxlen: 1472, group: 224.0.0.81, port: 8848, ttl: 1}
operations:
  description: The operations, or in check mode the planned ones.
  returned: success
  type: list
  elements: dict
  contains:
    verb:
      description: One of V(start), V(edit) and V(stop). V(edit) stops the daemon and starts it again.
      type: str
      returned: always
    sync_daemon:
      description: The daemon, as it is after V(start) or V(edit), or as it was before V(stop).
      type: dict
      returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lvs.cluster.plugins.module_utils import _runtime
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import daemon
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.kind import (
    DesiredDaemon,
    SyncDaemons,
)


def argument_spec():
    return {
        "role": {"type": "str", "choices": list(daemon.ROLES), "required": True},
        **daemon.OPTIONS,
        "at_boot": {"type": "bool", "default": False},
        **_runtime.STATE_OPTION,
        **_runtime.NETNS_OPTION,
        **_runtime.OWNER_OPTION,
    }


def work(module):
    params = module.params
    role = params["role"]
    present = params["state"] == "present"
    desired = [DesiredDaemon(role, params, keeps=True)] if present else []
    store = _runtime.enter(module)
    at_boot = params["at_boot"] and store.persistent
    kind = SyncDaemons(desired, at_boot, scope=(role,), forced=True)
    result = _runtime.one_kind(module, kind, store)
    daemons = {each["role"]: each for each in result.pop("sync_daemons")}
    return {**result, "sync_daemon": daemons.get(role)}


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
