#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ipvs_service
short_description: Manage one IPVS virtual service on a director
version_added: 0.1.0
description:
  - Adds, edits or removes one virtual service of a Linux Virtual Server director, and optionally its real servers.
  - The service is edited in place. Established connections are kept.
  - An option that is omitted keeps the value that the service has. A new service gets the default that is documented
    with the option.
  - Talks to the kernel over generic netlink. The director needs neither C(ipvsadm) nor a Python library.
extends_documentation_fragment:
  - lvs.cluster.lvs
  - lvs.cluster.lvs.owner
  - lvs.cluster.lvs.netns
  - lvs.cluster.lvs.alike
  - lvs.cluster.lvs.attributes
options:
  address:
    description:
      - The virtual address (VIP) that clients connect to, IPv4 or IPv6.
      - The module does not add the address to an interface.
      - A service is named either by O(address) and O(port), or by O(fwmark).
    type: str
  port:
    description:
      - The port that clients connect to.
      - V(0) balances all ports as one service, and needs O(persistence_timeout).
    type: int
  protocol:
    description: The protocol that is balanced, V(tcp) if omitted.
    type: str
    choices: [tcp, udp, sctp]
  fwmark:
    description:
      - The firewall mark, from V(1) to V(4294967295), of the packets that are balanced as one service, whatever their
        address and port.
      - The module does not create the firewall rules that set the mark.
    type: int
  family:
    description:
      - The address family of the packets that carry O(fwmark), V(ipv4) if omitted.
      - With O(address), it is the family of the address.
    type: str
    choices: [ipv4, ipv6]
  scheduler:
    description:
      - How the real server for a new connection is chosen.
      - The kernel loads the module C(ip_vs_<scheduler>) automatically. If it is not installed, the task fails and
        names it.
      - A new service gets V(wlc).
      - A change of the scheduler refuses new connections for some milliseconds. Established connections are kept.
    type: str
    choices: [dh, fo, lblc, lblcr, lc, mh, nq, ovf, rr, sed, sh, twos, wlc, wrr]
  scheduler_flags:
    description:
      - All of the scheduler's flags. An empty list removes them. A new service has none.
      - V(sh-fallback) and V(mh-fallback) choose another real server if the one chosen has weight 0. V(sh-port) and
        V(mh-port) hash the client's port too.
      - The kernel has only three unnamed flags. V(flag-1) is the first of these names for either scheduler, V(flag-2)
        the second. Results use V(flag-1) to V(flag-3).
    type: list
    elements: str
    choices: [flag-1, flag-2, flag-3, sh-fallback, sh-port, mh-fallback, mh-port]
  persistence_timeout:
    description:
      - For how many seconds after its last connection a client keeps its real server.
      - V(0), the default of a new service, turns persistence off, and resets mask and engine. At most V(2678400), 31
        days.
    type: int
  persistence_netmask:
    description:
      - Which clients are treated as one for persistence. For IPv4 a mask (V(255.255.255.0)) or a prefix length (V(24)),
        for IPv6 a prefix length.
      - A service that becomes persistent gets V(255.255.255.255) or V(128), so that each address is a separate client.
      - Needs a persistent service.
    type: str
  persistence_engine:
    description:
      - What identifies a client instead of its address. V(sip) uses the Call-ID of SIP over UDP. V(""), the default
        of a new service, is none.
      - Needs a persistent service.
    type: str
    choices: ["", sip]
  one_packet:
    description:
      - Whether each packet is scheduled separately, V(false) for a new service. Only for UDP or O(fwmark).
    type: bool
  real_servers:
    description:
      - Real servers of the service, with the options of M(lvs.cluster.ipvs_real_server).
      - Other real servers are not changed, unless O(real_servers_exact=true).
    type: list
    elements: dict
    suboptions:
      address:
        description: The address of the real server.
        type: str
        required: true
      port:
        description: The port that it listens on, the service's port if omitted.
        type: int
      forwarding:
        description: How packets reach it, V(nat) for a new one. The names that C(ipvsadm) uses are accepted too.
        type: str
        choices: [nat, dr, tun, masq, masquerading, gate, gatewaying, ipip, tunneling]
      weight:
        description: Its share of new connections, from V(0), which is none, to V(65535). V(1) for a new one.
        type: int
      upper_threshold:
        description:
          - The number of connections at which it gets no new ones. V(0), the default of a new one, is no limit.
        type: int
      lower_threshold:
        description: The number of connections below which it gets new ones again.
        type: int
      tunnel_type:
        description: How packets are encapsulated for V(tun), V(ipip) for a new one.
        type: str
        choices: [ipip, gue, gre]
      tunnel_port:
        description: The UDP port on which it decapsulates GUE.
        type: int
      tunnel_checksum:
        description: The checksum of the encapsulation, V(none) for a new one.
        type: str
        choices: [none, csum, remcsum]
  real_servers_exact:
    description:
      - Whether real servers that are not in O(real_servers) are removed, even if other programs have added them. This
        breaks their connections.
    type: bool
    default: false
seealso:
  - module: lvs.cluster.ipvs_real_server
  - name: ipvsadm(8)
    description: The standard command for the same table.
    link: https://manpages.debian.org/ipvsadm
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Balance web requests to the virtual address in turn
  lvs.cluster.ipvs_service:
    address: 170.210.122.104
    port: 80
    scheduler: rr

- name: Keep the clients of one /24 network on one real server for ten minutes
  lvs.cluster.ipvs_service:
    address: 170.210.122.104
    port: 443
    scheduler: wlc
    persistence_timeout: 600
    persistence_netmask: 255.255.255.0

- name: Set up a service with exactly these two real servers
  lvs.cluster.ipvs_service:
    address: 170.210.122.104
    port: 8080
    scheduler: wrr
    real_servers:
      - {address: 192.168.0.107, port: 80, weight: 2}
      - {address: 192.168.0.108, port: 80}
    real_servers_exact: true

- name: Balance everything that the firewall marks with 10 as one service
  lvs.cluster.ipvs_service:
    fwmark: 10
    scheduler: sh
    scheduler_flags: [sh-fallback]

- name: Remove the service and, with it, its real servers
  lvs.cluster.ipvs_service:
    address: 170.210.122.104
    port: 80
    state: absent
"""

RETURN = r"""
service:
  description:
    - The resulting service with all its real servers, or in check mode the predicted one.
    - The values are options of this module; a service of a firewall mark has C(fwmark) and C(family) instead of
      C(protocol), C(address) and C(port).
    - Null if it is absent.
  returned: success
  type: dict
  sample:
    protocol: tcp
    address: 170.210.122.104
    port: 80
    scheduler: rr
    scheduler_flags: []
    persistence_timeout: 0
    persistence_netmask: 255.255.255.255
    persistence_engine: ""
    one_packet: false
    real_servers:
      - address: 192.168.0.107
        port: 80
        forwarding: nat
        weight: 2
        upper_threshold: 0
        lower_threshold: 0
        tunnel_type: ipip
        tunnel_port: 0
        tunnel_checksum: none
operations:
  description: The operations on the table, in order, or in check mode the planned ones.
  returned: success
  type: list
  elements: dict
  contains:
    verb:
      description: One of V(add), V(edit) and V(delete).
      type: str
      returned: always
    service:
      description: The service of the operation.
      type: dict
      returned: always
    real_server:
      description: The real server of the operation.
      type: dict
      returned: for an operation on a real server
  sample:
    - verb: add
      service: {protocol: tcp, address: 170.210.122.104, port: 80}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lvs.cluster.plugins.module_utils import _runtime
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import options
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.kind import Table
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.request import ServiceRequest
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.table import OneService


def argument_spec():
    return {
        **options.SERVICE_KEY_SPEC,
        **options.SERVICE_ATTRIBUTES_SPEC,
        "real_servers": options.REAL_SERVERS_SPEC,
        "real_servers_exact": {"type": "bool", "default": False},
        **_runtime.NETNS_OPTION,
        **_runtime.OWNER_OPTION,
        **_runtime.STATE_OPTION,
    }


def work(module):
    params = module.params
    request = ServiceRequest(
        service=options.service_key(params),
        present=params["state"] == "present",
        options=params,
        real_servers=params["real_servers"],
        exact=params["real_servers_exact"],
    )
    store = _runtime.enter(module)
    return _runtime.one_kind(module, Table(OneService(request), params["owner"]), store)


def main():
    module = AnsibleModule(
        argument_spec=argument_spec(),
        required_if=[("real_servers_exact", True, ("real_servers",))],
        supports_check_mode=True,
    )
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
