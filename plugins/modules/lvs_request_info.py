#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lvs_request_info
short_description: Make requests to virtual services
version_added: 0.1.0
description:
  - Makes requests to virtual services from the host where it runs, many at a time, and returns which of them have
    failed. A request that fails or hangs does not affect the others.
  - For TCP and SCTP it opens a connection and closes it. For UDP it sends an empty datagram, which fails if it is
    refused. If there is no answer, the request succeeds, but RV(requests[].answered) is false, because only a command
    that speaks the protocol of the service can tell whether it works.
  - The host needs nothing but Python. It must not have the virtual addresses itself, as a director does.
extends_documentation_fragment:
  - lvs.cluster.lvs.alike
  - lvs.cluster.lvs.reading
options:
  requests:
    description: The requests.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The name of the request in the result, such as that of the service.
        type: str
        required: true
      address:
        description: The virtual address. Required without O(requests[].command).
        type: str
      port:
        description: The port. Required without O(requests[].command).
        type: int
      protocol:
        description: The protocol.
        type: str
        choices: [tcp, udp, sctp]
        default: tcp
      command:
        description:
          - A command that makes the request instead. It succeeds if the command exits with 0.
          - It is not run by a shell. Write C(sh -c '...') for a pipe.
        type: str
  timeout:
    description:
      - How many seconds each connection or command may take. A command that takes longer is killed, together with the
        processes that it has started.
    type: float
    default: 5
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: Check that the services answer
  lvs.cluster.lvs_request_info:
    requests:
      - {name: web, address: 170.210.122.104, port: 80}
      - {name: dns, command: "dig +short @170.210.122.105 www.example.org"}
  delegate_to: monitor
  register: result
  failed_when: result.requests | rejectattr('ok') | length > 0
"""

RETURN = r"""
requests:
  description: The result of each request, in the order given.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name as given.
      type: str
      returned: always
    to:
      description: Protocol, address and port, or the command.
      type: str
      returned: always
    ok:
      description: Whether it has succeeded.
      type: bool
      returned: always
    answered:
      description: Whether the service has answered. False for UDP that was neither answered nor refused.
      type: bool
      returned: always
    problem:
      description: Why it has failed; empty if it has not.
      type: str
      returned: always
    seconds:
      description: How long it took.
      type: float
      returned: always
"""

from functools import partial

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lvs.cluster.plugins.module_utils import _runtime
from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.net import (
    canonical_address,
    endpoint,
    family_of,
)
from ansible_collections.lvs.cluster.plugins.module_utils.network import request


def argument_spec():
    each = {
        "name": {"type": "str", "required": True},
        "address": {"type": "str"},
        "port": {"type": "int"},
        "protocol": {"type": "str", "choices": ["tcp", "udp", "sctp"], "default": "tcp"},
        "command": {"type": "str"},
    }
    return {
        "requests": {"type": "list", "elements": "dict", "required": True, "options": each},
        "timeout": {"type": "float", "default": 5.0},
    }


def prepared(each, timeout):
    """(what the result calls the place, the request)."""
    if each["command"] is not None:
        return each["command"], partial(request.command, each["command"], timeout)
    subject, port = f"request {each['name']}", each["port"]
    address = canonical_address(each["address"] or "", subject, "address")[1]
    if not 1 <= (port or 0) <= 65535:
        raise InvalidInput(subject, "port", port, "is not a port", "give a number from 1 to 65535")
    place = f"{each['protocol']} {endpoint(family_of(address), address, port)}"
    return place, partial(request.connect, address, port, each["protocol"], timeout)


def work(module):
    given = module.params["requests"]
    ready = [prepared(each, module.params["timeout"]) for each in given]
    answers = request.all_at_once([make for _to, make in ready])
    return {
        "changed": False,
        "requests": [
            {
                "name": each["name"],
                "to": to,
                "ok": not answer.problem,
                "answered": answer.answered,
                "problem": answer.problem,
                "seconds": round(answer.seconds, 3),
            }
            for each, (to, _make), answer in zip(given, ready, answers)
        ],
    }


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
