#!/usr/bin/python
# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lvs_request_info
short_description: Make one request to each virtual service
version_added: 0.1.0
description:
  - Makes a request to each of some services, from the host where it runs, many at once, and tells which have failed.
  - By TCP and SCTP a connection is opened and closed. By UDP an empty datagram is sent, and fails if it is refused;
    what comes back can only be judged by a command of one's own.
  - The host needs nothing but Python. It must be no director, where the services' addresses are its own.
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description:
      - Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: N/A
  platform:
    description: Target OS/families that can be operated against.
    platforms: linux
    support: full
options:
  requests:
    description: The requests.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What the result calls it, mostly the service's name.
        type: str
        required: true
      address:
        description: The virtual address. Needed without O(requests[].command).
        type: str
      port:
        description: The port. Needed without O(requests[].command).
        type: int
      protocol:
        description: The protocol.
        type: str
        choices: [tcp, udp, sctp]
        default: tcp
      command:
        description: A command that makes the request instead, and exits with 0 if it has succeeded.
        type: str
  timeout:
    description: How many seconds a connection may take.
    type: float
    default: 5
author:
  - lvs.cluster contributors (@lvs-cluster)
"""

EXAMPLES = r"""
- name: See that the services answer
  lvs.cluster.lvs_request_info:
    requests:
      - {name: web, address: 170.210.122.104, port: 80}
      - {name: dns, command: "dig +short @170.210.122.105 www.example.org"}
  delegate_to: monitor
  register: asked
  failed_when: asked.requests | rejectattr('ok') | length > 0
"""

RETURN = r"""
requests:
  description: What became of each request.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: As given.
      type: str
      returned: always
    to:
      description: The place or the command.
      type: str
      returned: always
    ok:
      description: Whether it has succeeded.
      type: bool
      returned: always
    problem:
      description: Why not; empty if it has.
      type: str
      returned: always
    seconds:
      description: How long it took.
      type: float
      returned: always
"""

import shlex
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lvs.cluster.plugins.module_utils import _runtime, request
from ansible_collections.lvs.cluster.plugins.module_utils.commands import Commands
from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import canonical_address


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


def place_of(each):
    subject = f"request {each['name']}"
    address = canonical_address(each["address"] or "", subject, "address")[1]
    if not 1 <= (each["port"] or 0) <= 65535:
        raise InvalidInput(subject, "port", each["port"], "is no port", "give one from 1 to 65535")
    return address, each["port"], each["protocol"]


def by_command(command, commands):
    began = time.monotonic()
    done = commands.run(shlex.split(command))
    return request.Answer(done.complaint, time.monotonic() - began)


def told(each, to, answer):
    return {
        "name": each["name"],
        "to": to,
        "ok": not answer.problem,
        "problem": answer.problem,
        "seconds": round(answer.seconds, 3),
    }


def work(module):
    params = module.params
    commands = Commands(module.run_command)
    plain = [each for each in params["requests"] if not each["command"]]
    places = [place_of(each) for each in plain]
    answers = request.connect_all(places, params["timeout"])
    found = [
        told(each, f"{protocol} {address} port {port}", answer)
        for each, (address, port, protocol), answer in zip(plain, places, answers)
    ]
    found += [
        told(each, each["command"], by_command(each["command"], commands))
        for each in params["requests"]
        if each["command"]
    ]
    return {"changed": False, "requests": found}


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    _runtime.run(module, lambda: work(module))


if __name__ == "__main__":
    main()
