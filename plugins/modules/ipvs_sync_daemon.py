#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ipvs_sync_daemon
short_description: Run a sync daemon of IPVS, which shares connections among directors
version_added: 0.1.0
description:
  - Starts, restarts or stops the kernel's sync daemon on a Linux Virtual Server director. A V(master) tells the others
    which connections there are, a V(backup) listens. Both may run on one director.
  - A daemon can't be edited. It is stopped and started anew where something about it changes, and only then; should the
    kernel refuse the new one, the old one is started again.
  - Where C(keepalived) runs with C(lvs_sync_daemon), the daemon is its own; let this module alone there.
  - The daemons tell of changes only. A director that has been away learns of old connections as they are used.
extends_documentation_fragment:
  - lvs.cluster.lvs
  - lvs.cluster.lvs.owner
  - lvs.cluster.lvs.netns
  - lvs.cluster.lvs.attributes
options:
  role:
    description: Which of the two daemons it is.
    type: str
    choices: [master, backup]
    required: true
  interface:
    description: The interface on which the directors hear each other. Needed where the daemon does not run yet.
    type: str
  syncid:
    description: A number from V(0) to V(255) that is the same on directors of one cluster. A new daemon has V(0).
    type: int
  maxlen:
    description: How many bytes a message may have. A new daemon has V(0), which is as many as the interface takes.
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
      - Whether it is started again at boot, by a shell script in C(/etc/lvs.cluster/boot.d), which needs C(ipvsadm).
      - With V(false), an earlier script of O(owner) is removed. In a O(netns) nothing is put back.
    type: bool
    default: false
notes:
  - With the setting C(net.ipv4.vs.backup_only) and both daemons, IPVS forwards nothing; a second daemon is refused
    then.
seealso:
  - module: lvs.cluster.ipvs_info
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Tell the other director of the connections
  lvs.cluster.ipvs_sync_daemon:
    role: master
    interface: eth1
    syncid: 7
    at_boot: true

- name: Stop listening
  lvs.cluster.ipvs_sync_daemon:
    role: backup
    state: absent
"""

RETURN = r"""
sync_daemon:
  description: The daemon that now runs, or in check mode would; none where none does.
  returned: success
  type: dict
  sample: {role: master, interface: eth1, syncid: 7, maxlen: 1472, group: 224.0.0.81, port: 8848, ttl: 1}
operations:
  description: What was done, or in check mode would be.
  returned: success
  type: list
  elements: dict
  contains:
    verb:
      description: One of V(start) and V(stop).
      type: str
      returned: always
    sync_daemon:
      description: The daemon that it was done to.
      type: dict
      returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lvs.cluster.plugins.module_utils import _runtime, boot
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import daemon, settings
from ansible_collections.lvs.cluster.plugins.module_utils.sysctl import proc

OPTIONS = {
    "interface": {"type": "str"},
    "syncid": {"type": "int"},
    "maxlen": {"type": "int"},
    "group": {"type": "str"},
    "port": {"type": "int"},
    "ttl": {"type": "int"},
}


def argument_spec():
    return {
        "role": {"type": "str", "choices": list(daemon.ROLES), "required": True},
        **OPTIONS,
        "at_boot": {"type": "bool", "default": False},
        **_runtime.STATE_OPTION,
        **_runtime.NETNS_OPTION,
        **_runtime.OWNER_OPTION,
    }


def work(module):
    params = module.params
    role, present = params["role"], params["state"] == "present"
    at_boot = params["at_boot"] and present
    if at_boot and not module.check_mode:
        boot.require("ipvsadm")

    def wish(current):
        given = {name: params[name] for name in OPTIONS}
        return daemon.wanted(current, role, given) if present else None

    store = _runtime.enter(module)
    backup_only = proc.read("net.ipv4.vs.backup_only") == "1"
    change = settings.set_daemon(_runtime.KERNEL, store, role, wish, backup_only, module.check_mode)
    body = daemon.script_body(change.after, params["maxlen"]) if at_boot else None
    title = f"sync daemon {role}"
    written = _runtime.keep_at_boot(module, boot.SYNC, title, body, part=role)
    done = (("stop", change.before), ("start", change.after)) if change else ()
    return _runtime.result(
        [{"verb": verb, "sync_daemon": daemon.data(which)} for verb, which in done if which],
        [change.diff] if change else [],
        written,
        sync_daemon=daemon.data(change.after) if change.after else None,
    )


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
