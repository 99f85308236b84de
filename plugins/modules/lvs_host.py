#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lvs_host
short_description: Configure a whole director or real server in one run
version_added: 0.1.0
description:
  - Applies everything that a host of a Linux Virtual Server cluster needs, whether it is a director, a real server or
    both. That is kernel modules, kernel settings, firewall rules, tunnels, routes, timeouts, the IPVS table, sync
    daemons, firewall marks, virtual addresses and keepalived.
  - The roles of this collection pass it what M(lvs.cluster.lvs_description) has derived from the description of the
    cluster.
  - Everything is read, planned and checked before anything is changed. Then all additions and edits are made, kind by
    kind, and only if all of them have succeeded, what is no longer needed is removed, in the reverse order. So nothing
    is removed before its replacement is in service. A run that fails half-way leaves the service running, and the next
    run completes the change.
  - What the owner has created before and the configuration no longer contains is removed, and the previous state is
    restored. What other owners or programs have created stays.
  - A change of return routes is undone unless it is confirmed over a new connection in time. The task does that
    automatically.
extends_documentation_fragment:
  - lvs.cluster.lvs.alike
  - lvs.cluster.lvs.attributes
options:
  configuration:
    description:
      - The desired state of the host, by kind of resource. If a kind is omitted, nothing of it is desired.
      - The kinds are V(modules) (M(lvs.cluster.lvs_kernel_module)), V(settings) (M(lvs.cluster.lvs_sysctl)),
        V(firewall) (M(lvs.cluster.iptables_masq)), V(tunnel_filter) (M(lvs.cluster.iptables_decap)), V(tunnels)
        (M(lvs.cluster.lvs_tunnel)), V(routes) (M(lvs.cluster.lvs_route)), V(timeouts) (M(lvs.cluster.ipvs_timeout)),
        V(table) (M(lvs.cluster.ipvs_table)), V(sync_daemons) (M(lvs.cluster.ipvs_sync_daemon)), V(marks)
        (M(lvs.cluster.iptables_mark)) and V(addresses) (M(lvs.cluster.lvs_vip)). Each entry has the options of that
        module; V(modules) and V(sync_daemons) are lists of such entries.
      - V(next_hops) are routes of a director to the real servers in its list V(to), for direct routing, each its own
        next hop, so that a change of the forwarding method loses no packet. V(requirements) are conditions that the
        host has to meet before anything is changed.
      - V(keepalived) is the configuration of keepalived, which the control node derives. It is checked by
        C(keepalived -t) on the host before anything is changed, replaced in one step, and keepalived is reloaded, never
        restarted. Then the run waits until the IPVS table is as described, or until the longest time that checks can
        take has passed. What a reload ignores, such as thresholds, is then edited. A configuration that this collection
        did not write is refused.
      - With the option V(release), and no other, the V(table) of O(owner) is released and stays as it is, because
        keepalived takes it over.
    type: dict
    default: {}
  defer:
    description:
      - Whether to leave a director unchanged that should be changed after others, if there is something to change. That
        is a director that has addresses that keepalived moves, or one on which keepalived is new or that is to have the
        addresses without keepalived, while another director has them. RV(deferred) then says so, and a run without this
        option changes it.
      - It has no effect in check mode.
    type: bool
    default: false
  keepalived_password:
    description:
      - The password of VRRP, if V(keepalived) in O(configuration) uses one. VRRP sends it in clear text.
      - It is written only to C(/etc/keepalived/keepalived.conf), mode 0600. Results and diffs do not show it.
    type: str
    default: ""
  owner:
    description:
      - The name under which everything is recorded, see C(/var/lib/lvs.cluster/<owner>.json). The roles use C(cluster-)
        and the name of the cluster.
    type: str
    default: cluster-default
  prune:
    description:
      - Whether what is no longer needed is removed.
      - With V(false), nothing is removed, so that a real server keeps what a director may still need. A return route
        keeps its gateway as long as no machine answers for the new one, such as a floating address that no director has
        yet. RV(remaining) then lists what a later run would remove or change.
    type: bool
    default: true
  rollback:
    description:
      - After how many seconds a change of routes that is not confirmed is undone, if V(routes) in O(configuration)
        does not set it. V(0) is never.
      - If the run itself takes longer, it fails, and the previous routes are restored.
    type: int
    default: 60
  settle_seconds:
    description:
      - How many seconds to wait, once new connections use the new configuration, before firewall rules, real servers,
        routes and settings are removed that established connections may still need. If none of these is removed, it
        does not wait.
    type: float
    default: 2.0
  unprepared:
    description:
      - Addresses of real servers that may not be ready, such as those of hosts that Ansible did not reach. See
        M(lvs.cluster.ipvs_table).
      - If there are any, kernel modules, settings, firewall rules and routes that they may still need are kept too.
    type: list
    elements: str
    default: []
  state:
    description: With V(absent), everything of O(owner) is removed, and the previous state is restored.
    type: str
    choices: [present, absent]
    default: present
notes:
  - Runs of this collection on one host take turns, by a lock on C(/run/lvs.cluster.lock).
  - If a package is missing, nothing is changed, and RV(missing_packages) names it. Install it and run again, as the
    roles do. Check mode shows the whole change all the same.
seealso:
  - module: lvs.cluster.lvs_description
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Check the description and derive every host's configuration
  lvs.cluster.lvs_description:
  register: lvs_derived
  run_once: true

- name: Apply this host's configuration
  lvs.cluster.lvs_host:
    configuration: "{{ lvs_derived.hosts[inventory_hostname].configuration }}"
    owner: "{{ lvs_derived.hosts[inventory_hostname].owner }}"

- name: Remove everything and restore the previous state
  lvs.cluster.lvs_host:
    state: absent
"""

RETURN = r"""
operations:
  description: The operations by kind, in order, or in check mode the planned ones. Kinds without any are omitted.
  returned: success
  type: dict
  sample: {addresses: [{verb: add, object: -4 address 170.210.122.104/32 dev eth1 scope global}]}
remaining:
  description: What is no longer needed but stays, or keeps its gateway, because of O(prune=false), by kind.
  returned: success
  type: dict
  sample: {addresses: [-4 address 170.210.122.105/32 dev lo scope host]}
not_added:
  description:
    - The real servers that were not added, or keep another forwarding method, because they are O(unprepared).
  returned: success
  type: list
  elements: dict
  contains:
    service:
      description: What identifies the service.
      type: dict
      returned: always
    real_server:
      description: What identifies the real server.
      type: dict
      returned: always
deferred:
  description:
    - Why nothing was changed, with O(defer). V(active), if this director has the addresses, and others should be
      changed before it. V(joining), if another director has them and has to be configured with this one first.
      Otherwise empty.
  returned: success
  type: str
missing_packages:
  description: The packages that are missing. If there are any, nothing was changed.
  returned: success
  type: list
  elements: str
  sample: [ipvsadm]
pending:
  description: Whether a change of routes waits for its confirmation, or in check mode would wait for it.
  returned: success
  type: bool
details:
  description:
    - What each kind says besides, as its own module returns it.
    - For V(keepalived), V(state) is that of its service, V(uptime) for how many seconds it has run, and V(holds)
      lists the virtual addresses that this host has now. Where keepalived owns the table, V(failing) lists the real
      servers that it has taken out of service, V(missing) the services that are not in the table, V(sorry) the sorry
      servers that serve, V(foreign) the real servers that others have added, V(drains) those that are drained, and
      V(not_added) those that are O(unprepared).
  returned: success
  type: dict
  sample:
    keepalived:
      state: active
      uptime: 86400.0
      holds: [170.210.122.104]
      sync_daemons: [{role: master, interface: eth1, syncid: 51}]
      failing:
        - service: {protocol: tcp, address: 170.210.122.104, port: 80}
          real_server: {address: 192.168.0.107, port: 80}
      missing: []
      sorry: []
      foreign: []
      drains: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lvs.cluster.plugins.module_utils import _runtime, kinds

KEEPALIVED = "keepalived"
# What a director needs for a real server that still has the old configuration and stays in the table.
KEPT_FOR_UNPREPARED = ("modules", "settings", "firewall", "next_hops")


def argument_spec():
    return {
        "configuration": {"type": "dict", "default": {}},
        "defer": {"type": "bool", "default": False},
        "keepalived_password": {"type": "str", "default": "", "no_log": True},
        "owner": {"type": "str", "default": "cluster-default"},
        "prune": {"type": "bool", "default": True},
        "rollback": {"type": "int", "default": 60},
        "settle_seconds": {"type": "float", "default": 2.0},
        "unprepared": {"type": "list", "elements": "str", "default": []},
        **_runtime.STATE_OPTION,
    }


def configuration_of(params):
    """The configuration, with the real servers that are not prepared."""
    if params["state"] == "absent":
        return {}
    configuration = dict(params["configuration"])
    for kind in ("table", KEEPALIVED):
        entry = configuration.get(kind)
        if params["unprepared"] and entry and not entry.get("release"):
            configuration[kind] = {**entry, "unprepared": params["unprepared"]}
    return configuration


def context_of(module, configuration):
    """What kinds are built from."""
    params = module.params
    return kinds.Context(
        params["owner"],
        _runtime.commands(module),
        configuration,
        params["rollback"],
        params["keepalived_password"],
        not params["prune"],
    )


def turn_of(module, built, store):
    """The function that says why this director lets others go first; None where this run never waits."""
    params = module.params
    if not params["defer"] or module.check_mode or params["state"] == "absent":
        return None
    keepalived = next((kind for kind in built if kind.name == KEEPALIVED), None)
    return keepalived and (lambda: keepalived.waits_as(store.load().claims))


def nothing_done(missing=(), deferred=""):
    """The result of a run that has changed nothing, and why; the next run shows what it would have changed."""
    return {"changed": False, "diff": [], "missing_packages": list(missing), "deferred": deferred}


def work(module):
    params = module.params
    store = _runtime.enter(module)
    configuration = configuration_of(params)
    names = kinds.used(configuration, store.load())
    built = kinds.build(names, context_of(module, configuration))
    waits = turn_of(module, built, store)
    if waits and not configuration.get(KEEPALIVED):
        # keepalived is removed, so there is something to change; and it can't be planned before the others have.
        reason = waits()
        if reason:
            return nothing_done(deferred=reason)
        # Asking took a moment, and what it has read may have changed meanwhile.
        waits, built = None, kinds.build(names, context_of(module, configuration))
    outcome = _runtime.converge(
        module,
        built,
        store,
        params["prune"],
        params["settle_seconds"],
        KEPT_FOR_UNPREPARED if params["unprepared"] else (),
        waits,
    )
    if outcome.waits:
        return nothing_done(deferred=outcome.waits)
    if outcome.missing and not module.check_mode:
        return nothing_done(outcome.missing)
    plans = outcome.plans
    details = {name: dict(plan.details) for name, plan in plans.items() if plan.details}
    return {
        "changed": outcome.changed,
        "diff": outcome.diff,
        "operations": {
            name: [{"verb": each.verb, "object": each.object} for each in plan.operations]
            for name, plan in plans.items()
            if plan
        },
        "remaining": {name: list(plan.remaining) for name, plan in plans.items() if plan.remaining},
        "not_added": [
            each
            for kind in ("table", KEEPALIVED)
            for each in details.get(kind, {}).get("not_added", [])
        ],
        "missing_packages": list(outcome.missing),
        "deferred": "",
        "pending": bool(details.get("routes", {}).get("pending")),
        "details": details,
    }


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
