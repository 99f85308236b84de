#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lvs_description
short_description: Check the description of clusters and derive every host's configuration
version_added: 0.1.0
description:
  - Reads C(lvs_virtual_services) and the other variables of all hosts in the groups C(lvs_directors) and
    C(lvs_real_servers), checks them, and derives the configuration of each of these hosts, which
    M(lvs.cluster.lvs_host) applies.
  - It works on the control node and asks no host anything. So a host that is down, or left out by C(--limit), makes no
    difference. Facts of hosts are not used.
  - All mistakes are reported at once, each with its YAML path, and then nothing has been changed anywhere.
  - Run it with C(run_once), as the role P(lvs.cluster.preflight#role) does, which registers the result as
    C(lvs_derived) for every host.
extends_documentation_fragment:
  - lvs.cluster.lvs.alike
  - lvs.cluster.lvs.reading
options:
  methods:
    description:
      - The forwarding methods that hosts are set up for. With all of them, the configuration of a director has its
        table, timeouts, firewall marks, virtual addresses and keepalived too.
      - V(keepalived) sets up keepalived on directors without all forwarding methods.
    type: list
    elements: str
    choices: [nat, dr, tun, keepalived]
    default: [nat, dr, tun]
seealso:
  - module: lvs.cluster.lvs_host
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Check the description and derive every host's configuration
  lvs.cluster.lvs_description:
  register: lvs_derived
  run_once: true

- name: Show what this host is going to have
  ansible.builtin.debug:
    var: lvs_derived.hosts[inventory_hostname].configuration
"""

RETURN = r"""
methods:
  description: As O(methods).
  returned: success
  type: list
  elements: str
hosts:
  description:
    - By host its C(configuration), C(owner), C(state) and C(settle_seconds), as M(lvs.cluster.lvs_host) takes them, its
      C(cluster), its C(roles), its C(addresses), the C(directors) of its cluster, and the C(services) of its cluster
      with their C(name), C(addresses) and C(places). Of a real server also the C(drainable) addresses by which
      directors send to it, and C(requests) straight to it, as M(lvs.cluster.lvs_request_info) takes them.
  returned: success
  type: dict
warned:
  description: What is probably a mistake, in sentences. Each is shown as a warning as well.
  returned: success
  type: list
  elements: str
errors:
  description: All mistakes, in sentences.
  returned: failure
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.words import FORWARDING_METHODS


def argument_spec():
    return {
        "methods": {
            "type": "list",
            "elements": "str",
            "choices": [*FORWARDING_METHODS, "keepalived"],
            "default": list(FORWARDING_METHODS),
        }
    }


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    module.fail_json(
        msg="lvs_description works on the control node; run it as lvs.cluster.lvs_description."
    )


if __name__ == "__main__":
    main()
