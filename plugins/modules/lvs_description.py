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
  - It runs on the control node and connects to no host. So a host that is down, or outside C(--limit), makes no
    difference. Facts of hosts are not used.
  - All mistakes are reported at once, each with its YAML path. Then nothing is changed on any host.
  - Run it with C(run_once), as the role P(lvs.cluster.preflight#role) does, which registers the result as
    C(lvs_derived) for every host.
extends_documentation_fragment:
  - lvs.cluster.lvs.alike
  - lvs.cluster.lvs.reading
options:
  methods:
    description:
      - The forwarding methods that hosts are set up for. With all of them, the configuration of a director also has its
        table, timeouts, firewall marks, virtual addresses and keepalived.
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

- name: Show the configuration of this host
  ansible.builtin.debug:
    var: lvs_derived.hosts[inventory_hostname].configuration
"""

RETURN = r"""
methods:
  description: The value of O(methods).
  returned: success
  type: list
  elements: str
hosts:
  description:
    - For each host its C(configuration), C(owner), C(state) and C(settle_seconds), as M(lvs.cluster.lvs_host) takes
      them, its C(cluster), C(roles) and C(addresses), the C(directors) of its cluster, and the C(services) of its
      cluster with their C(name), C(addresses) and C(places). For a real server also the C(drainable) addresses to which
      directors send, and C(requests) directly to it, as M(lvs.cluster.lvs_request_info) takes them.
  returned: success
  type: dict
warned:
  description: Messages about probable mistakes. Each is shown as a warning as well.
  returned: success
  type: list
  elements: str
errors:
  description: A message for each mistake.
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
        msg="lvs_description runs on the control node only; use it as lvs.cluster.lvs_description."
    )


if __name__ == "__main__":
    main()
