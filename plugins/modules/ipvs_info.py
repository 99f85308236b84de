#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ipvs_info
short_description: Return the IPVS table, counters and settings of a director
version_added: 0.1.0
description:
  - Returns the virtual services and real servers of a Linux Virtual Server director, their counters, and the settings
    of IPVS. It changes nothing, and does not load IPVS.
  - Its RV(services) can be passed to M(lvs.cluster.ipvs_table) unchanged.
extends_documentation_fragment:
  - lvs.cluster.lvs.alike
  - lvs.cluster.lvs.reading
  - lvs.cluster.lvs.netns
options:
  filter:
    description: Which services are returned, all if omitted. A service has to match each of the options.
    type: dict
    suboptions:
      addresses:
        description: Virtual addresses, or networks of them. With O(filter.fwmarks), one of the two has to match.
        type: list
        elements: str
        default: []
      fwmarks:
        description: Firewall marks.
        type: list
        elements: int
        default: []
      protocols:
        description: Protocols; a firewall mark's service has none.
        type: list
        elements: str
        choices: [tcp, udp, sctp]
        default: []
      real_servers:
        description: Addresses of real servers, one of which the service has to contain.
        type: list
        elements: str
        default: []
  statistics:
    description: Whether to return counters too, which takes about as long as everything else.
    type: bool
    default: true
  described:
    description:
      - The services of a description, each with its C(name) and its C(keys) in the table, as C(services) in the result
        of M(lvs.cluster.lvs_description) has them. RV(statistics[].name) then has their names.
    type: list
    elements: dict
    default: []
seealso:
  - module: lvs.cluster.ipvs_table
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Get the services of this network
  lvs.cluster.ipvs_info:
    filter:
      addresses: [170.210.122.0/25]
  register: ipvs

- name: Get the counters of the services of the description
  lvs.cluster.ipvs_info:
    described: "{{ lvs_derived.hosts[inventory_hostname].services }}"

- name: Show how many connections the real servers have
  ansible.builtin.debug:
    msg: "{{ item.address }} has {{ item.active_connections }} connections"
  loop: "{{ ipvs.statistics | map(attribute='real_servers') | flatten }}"
  loop_control:
    label: "{{ item.address }}"

- name: Make the table of another director the same
  lvs.cluster.ipvs_table:
    services: "{{ ipvs.services }}"
  delegate_to: director2
"""

RETURN = r"""
loaded:
  description: Whether IPVS is loaded. If it is not, the other values are empty or omitted.
  returned: success
  type: bool
services:
  description: The services with their real servers, as M(lvs.cluster.ipvs_table) takes them.
  returned: success
  type: list
  elements: dict
statistics:
  description: The counters of each service, in the same order. The kernel updates them every two seconds.
  returned: when O(statistics=true)
  type: list
  elements: dict
  contains:
    name:
      description: The name of the service in the description; empty if O(described) does not have it.
      type: str
      returned: always
    service:
      description: What identifies the service.
      type: dict
      returned: always
    connections:
      description: How many connections were scheduled.
      type: int
      returned: always
    incoming_packets:
      description: Packets from clients.
      type: int
      returned: always
    outgoing_packets:
      description: Packets to clients that passed the director, as they do with NAT.
      type: int
      returned: always
    incoming_bytes:
      description: Bytes from clients.
      type: int
      returned: always
    outgoing_bytes:
      description: Bytes to clients that passed the director.
      type: int
      returned: always
    rates:
      description: The same five values per second, as estimated by the kernel.
      type: dict
      returned: always
    real_servers:
      description:
        - The same values for each real server, with its C(address) and C(port), and its current number of
          C(active_connections), C(inactive_connections) and C(persistent_connections).
      type: list
      elements: dict
      returned: always
timeouts:
  description: The timeouts of idle connections in seconds.
  returned: when IPVS is loaded
  type: dict
  sample: {tcp: 900, tcpfin: 120, udp: 300}
sync_daemons:
  description: The sync daemons that run.
  returned: when IPVS is loaded
  type: list
  elements: dict
  sample: [{role: master, interface: eth1, syncid: 7, maxlen: 1472, group: 224.0.0.81, port: 8848, ttl: 1}]
version:
  description: The version of IPVS.
  returned: when IPVS is loaded
  type: str
  sample: 1.2.1
connection_table_size:
  description: The number of buckets of the connection table, which the module parameter C(conn_tab_bits) sets.
  returned: when IPVS is loaded
  type: int
  sample: 4096
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lvs.cluster.plugins.module_utils import _runtime
from ansible_collections.lvs.cluster.plugins.module_utils.host import netns
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import daemon, data, netlink
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.selection import Selection
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.statistics import statistics_data


def argument_spec():
    return {
        "filter": {
            "type": "dict",
            "options": {
                "addresses": {"type": "list", "elements": "str", "default": []},
                "fwmarks": {"type": "list", "elements": "int", "default": []},
                "protocols": {
                    "type": "list",
                    "elements": "str",
                    "choices": ["tcp", "udp", "sctp"],
                    "default": [],
                },
                "real_servers": {"type": "list", "elements": "str", "default": []},
            },
        },
        "statistics": {"type": "bool", "default": True},
        "described": {"type": "list", "elements": "dict", "default": []},
        **_runtime.NETNS_OPTION,
    }


def names_of(described):
    """What the table calls a service, to its name in a description."""
    return {
        str(key): str(each.get("name", "")) for each in described for key in each.get("keys") or ()
    }


def work(module):
    selection = Selection.of(**(module.params["filter"] or {}))
    with_statistics = module.params["statistics"]
    if module.params["netns"]:
        netns.enter(module.params["netns"])
    names = names_of(module.params["described"])
    if not netlink.is_loaded():
        empty = {"statistics": []} if with_statistics else {}
        return {"changed": False, "loaded": False, "services": [], **empty}
    with netlink.Client() as ipvs:
        chosen = selection.of_table(ipvs.table())
        info, daemons = ipvs.info(), ipvs.daemons()
        result = {
            "changed": False,
            "loaded": True,
            "services": [data.service_data(service) for service in chosen],
            "timeouts": ipvs.timeouts()._asdict(),
            "sync_daemons": [daemon.data(daemons[role]) for role in sorted(daemons)],
            "version": info.version,
            "connection_table_size": info.connection_table_size,
        }
        if with_statistics:
            counted = ipvs.statistics()
            result["statistics"] = [
                {
                    "name": names.get(str(service.key), ""),
                    **statistics_data(service.key, counted[service.key]),
                }
                for service in chosen
                if service.key in counted
            ]
    return result


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
