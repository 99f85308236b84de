# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A keepalived for the tests of what manages one: it does to a fake kernel what keepalived 2.2.7 does to IPVS.

It stands in for ``service.Service``. Its checks are instantaneous: who is in ``sick`` fails them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.lvs.cluster.plugins.module_utils.errors import KernelRefusal
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.daemon import Daemon
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import (
    RealServerAttributes,
    RealServerKey,
    Service,
    ServiceAttributes,
    ServiceKey,
)
from ansible_collections.lvs.cluster.plugins.module_utils.keepalived.service import Unit
from ansible_collections.lvs.cluster.plugins.module_utils.network.address import Address


def server_lines(data, path=""):
    endpoint = f"{data['address']}:{data['port']}"
    lines = [f"  # real server {endpoint}", f"  real_server {data['address']} {data['port']} {{"]
    lines += [f"    weight {data.get('weight', 1)}"]
    if data.get("upper_threshold"):
        lines += [f"    uthreshold {data['upper_threshold']}"]
    its = ["      url {", f"        path {path}", "      }"] if path else []
    return [*lines, "    HTTP_GET {" if path else "    TCP_CHECK {", *its, "    }", "  }"]


def service_lines(data, inhibit=False, path=""):
    """A virtual server as the control node derives it; of the data of a service.

    :param path: of its check by HTTP; empty for one by TCP.
    """
    lines = [
        f"# service {data['protocol']} {data['address']}:{data['port']}",
        f"virtual_server {data['address']} {data['port']} {{",
        f"  lvs_sched {data.get('scheduler', 'wlc')}",
        "  alpha",
        *(["  inhibit_on_failure"] if inhibit else []),
    ]
    for each in data["real_servers"]:
        lines += server_lines(each, path)
    return [*lines, "}"]


@dataclass
class Virtual:
    """A virtual server, as keepalived knows it."""

    attributes: ServiceAttributes
    inhibit: bool
    servers: dict
    alpha: dict


def parsed(text):
    """The virtual servers of a configuration."""
    found, key, server = {}, None, None
    for line in text.splitlines():
        words = line.split()
        if line.startswith("# service "):
            key, server = ServiceKey.parse(line[len("# service ") :]), None
            found[key] = Virtual(ServiceAttributes.default(key.family), False, {}, {})
        elif line.strip().startswith("# real server "):
            server = RealServerKey.parse(words[-1])
            found[key].servers[server] = RealServerAttributes()
            found[key].alpha[server] = True
        elif key and words[:1] == ["lvs_sched"]:
            found[key].attributes = found[key].attributes._replace(scheduler=words[1])
        elif key and words == ["inhibit_on_failure"]:
            found[key].inhibit = True
        elif server and words == ["alpha", "no"]:
            found[key].alpha[server] = False
        elif server and words[:1] in (["weight"], ["uthreshold"]):
            name = {"weight": "weight", "uthreshold": "upper_threshold"}[words[0]]
            attributes = found[key].servers[server]._replace(**{name: int(words[1])})
            found[key].servers[server] = attributes
    return found


class Killed(BaseException):
    """As SIGKILL: nothing of ours runs after it."""


class FakeKeepalived:
    """A service of keepalived, and the keepalived itself.

    :ivar done: what it was told, in order.
    :ivar sick: the real servers that fail their checks.
    :ivar wrong: what a configuration must not have: else all real servers fail their checks.
    :ivar refused: what ``keepalived -t`` says.
    :ivar dies: whether it ends right after each start.
    :ivar killed_at: the number of the step before which the run is killed.
    :ivar loses_table: whether its checking process can't be found.
    """

    def __init__(self, kernel, ip):
        self.kernel = kernel
        self.ip = ip
        self.file = None
        self.mode_is_right = True
        self.pending = False
        self.installed = True
        self.running = None
        self.up = {}
        self.enabled = False
        self.masked = False
        self.sick = set()
        self.wrong = ""
        self.unit_text = None
        self.refused = ""
        self.dies = False
        self.done = []
        self.killed_at = None
        self.loses_table = False
        self.tested = []
        self.clock = 0.0
        self.floating = ()
        self.sync = None

    # What manages it

    def _step(self, what):
        if self.killed_at is not None and len(self.done) >= self.killed_at:
            raise Killed
        self.done.append(what)

    def is_installed(self):
        return self.installed

    def unit(self):
        state = "inactive" if self.running is None else "active"
        return Unit(state, self.enabled, self.masked, 0)

    def text(self):
        return self.file, self.mode_is_right

    def drop_in(self):
        return self.unit_text

    def put_drop_in(self, text):
        self._step("unit")
        self.unit_text = text

    def is_pending(self):
        return self.pending

    def set_pending(self, pending):
        self.pending = pending

    def put(self, text):
        self._step("put" if text is not None else "delete")
        self.file, self.mode_is_right = text, True

    def complaint(self, text):
        self.tested.append(text)
        return self.refused

    def sleep(self, seconds):
        self.clock += seconds

    def now(self):
        return self.clock

    def dead(self, what, complaint=""):
        return KernelRefusal(f"Could not {what}", 0, complaint or "it is dead", "look")

    def start(self):
        self._step("start")
        if self.file is None or self.dies:
            raise self.dead("start keepalived")
        self._load({}, parsed(self.file))

    def reload(self):
        self._step("reload")
        if self.dies:
            self.running = None
            raise self.dead("reload keepalived")
        self._load(self.running, parsed(self.file))

    def give_up_table(self):
        if self.loses_table:
            self.reload()
            return
        self._step("give up table")
        self.running, self.up = parsed(self.file), {}

    def enable(self):
        self._step("enable")
        self.enabled = True

    def disable(self):
        self._step("disable")
        self.enabled = False

    def stop(self):
        self._step("stop")
        if self.running is not None:
            self._load(self.running, {})
            self.ip.all = [each for each in self.ip.all if each.address not in self.floating]
            self.kernel.running.clear()
        self.running = None

    def kill(self):
        self._step("end")
        self.running = None

    def remove_address(self, address):
        self._step(f"remove {address.address}")
        self.ip.all.remove(address)

    # What it does

    def _load(self, old, new):
        table = self.kernel.services
        if not old:
            self.up = {}
        for key in list(old):
            if key not in new:
                table.pop(key, None)
        for key, virtual in new.items():
            before = old.get(key)
            # What exists already keeps its attributes.
            table.setdefault(key, Service(key, virtual.attributes))
            if before and before.attributes != virtual.attributes:
                table[key] = table[key].with_attributes(virtual.attributes)
            for server in before.servers if before else ():
                if server not in virtual.servers:
                    table[key] = table[key].with_real_server(server, None)
            for server, attributes in virtual.servers.items():
                self._server(table, key, server, attributes, before, virtual)
        self.running = new
        if self.sync:
            self.kernel.running["backup"] = Daemon("backup", "eth1", self.sync)

    def _server(self, table, key, server, attributes, before, virtual):
        known = before.servers.get(server) if before else None
        if known is None:
            self.up[key, server] = not virtual.alpha[server]
            if self.up[key, server]:
                self._add(table, key, server, attributes)
            elif virtual.inhibit:
                self._add(table, key, server, attributes._replace(weight=0))
        elif self.up[key, server] and known.weight != attributes.weight:
            table[key] = table[key].with_real_server(server, attributes)
        # The check.
        is_well = str(server) not in self.sick and not (self.wrong and self.wrong in self.file)
        if is_well and not self.up[key, server]:
            table[key] = table[key].with_real_server(server, attributes)
        elif not is_well and self.up[key, server]:
            gone = attributes._replace(weight=0) if virtual.inhibit else None
            table[key] = table[key].with_real_server(server, gone)
        self.up[key, server] = is_well

    @staticmethod
    def _add(table, key, server, attributes):
        if server not in table[key].real_servers:
            table[key] = table[key].with_real_server(server, attributes)


class FakeIp:
    """Stands in for network.iproute.IpRoute."""

    def __init__(self, *addresses):
        self.all = [Address("127.0.0.1", 8, "lo", "host"), *addresses]

    def forget(self):
        """Nothing is kept."""

    def addresses(self):
        return list(self.all)

    def links(self):
        return {"lo": None, "eth0": None, "eth1": None, "eth2": None}


def value_of(text, name):
    """The value of a definition."""
    found = re.search(rf"^\${name}=((?:.*\\\n)*.*)$", text, re.MULTILINE)
    return found[1].replace("\\\n", " ").split() if found else None
