# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host on which real servers are drained, for the tests: a kernel, manifests, scripts and a keepalived in memory."""

from __future__ import annotations

import os

from ansible_collections.lvs.cluster.plugins.module_utils.draining import kind
from ansible_collections.lvs.cluster.plugins.module_utils.draining.configuration import (
    services_of,
    with_weights,
)
from ansible_collections.lvs.cluster.plugins.module_utils.draining.request import Request
from ansible_collections.lvs.cluster.plugins.module_utils.engine import Engine
from ansible_collections.lvs.cluster.plugins.module_utils.errors import KernelRefusal
from ansible_collections.lvs.cluster.plugins.module_utils.host import boot
from ansible_collections.lvs.cluster.plugins.module_utils.host.commands import Commands
from ansible_collections.lvs.cluster.plugins.module_utils.host.manifest import (
    KEEPALIVED,
    Claim,
    Manifest,
)
from ansible_collections.lvs.cluster.plugins.module_utils.host.store import Store
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import drain
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.kind import Table
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.table import (
    DesiredTable,
    desired_table,
)

from ..fake_kernel import FakeKernel

WEB = {"address": "192.0.2.1", "port": 80, "scheduler": "rr"}
KEY = "tcp 192.0.2.1:80"
TEXT = """\
# Of lvs.cluster, for owner cluster-x: written by Ansible; what is changed here is lost at the next run.
# service tcp 192.0.2.1:80
virtual_server 192.0.2.1 80 {
  quorum 1
  # real server 10.0.0.1:80
  real_server 10.0.0.1 80 {
    weight 3
  }
  # real server 10.0.0.2:80
  real_server 10.0.0.2 80 {
    weight 1
  }
}
"""


def name(n):
    return f"{KEY} > 10.0.0.{n}:80"


def described(*weights):
    """The options of a service whose real servers 10.0.0.1, 10.0.0.2 ... have these weights."""
    servers = [{"address": f"10.0.0.{n}", "weight": w} for n, w in enumerate(weights, 1)]
    return [{**WEB, "real_servers": servers}]


class Keepalived:
    """Its configuration, which it reads at once: it edits the weights that have changed in it."""

    path = "/etc/keepalived/keepalived.conf"

    def __init__(self, kernel):
        self.text = None
        self.pending = False
        self.complaint = None
        self.dies = False
        self.checked = []
        self.kernel = kernel

    def read(self):
        return self.text, self.pending

    def check(self, text):
        self.checked.append(text)
        if self.complaint:
            raise KernelRefusal("Could not change the weights", 0, self.complaint, "correct it")

    def put(self, text):
        if self.dies:
            raise KernelRefusal("Could not reload keepalived", 0, "it is dead", "see the journal")
        before = self.weights()
        self.text, self.pending = text, False
        for each, weight in self.weights().items():
            if weight != before[each]:
                self.kernel.set_weight(each, weight)

    def weights(self):
        return {
            each: weight
            for service in services_of(self.text).values()
            for each, weight in service.weights.items()
        }


class Kernel(FakeKernel):
    def set_weight(self, each, weight):
        """As another program does it."""
        key, server = drain.keys_of(each)
        attributes = self.services[key].real_servers.get(server)
        if attributes:
            new = attributes._replace(weight=weight)
            self.services[key] = self.services[key].with_real_server(server, new)

    @property
    def weights(self):
        return drain.weights_of(self.services)


class Host:
    """:ivar now: Unix time."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self.now = 1000.0
        self.kernel = Kernel()
        self.keepalived = Keepalived(self.kernel)
        self.reschedules = "0"
        monkeypatch.setattr(boot, "FOLDER", str(folder / "boot.d"))
        monkeypatch.setattr(boot, "_unit_files", lambda *_arguments: [])
        monkeypatch.setattr(boot, "DROPPING", ())
        monkeypatch.setattr("time.time", lambda: self.now)
        monkeypatch.setattr(kind.proc, "read", lambda _name: self.reschedules)
        monkeypatch.setattr(
            "ansible_collections.lvs.cluster.plugins.module_utils.ipvs.kind._lacks_ipvsadm",
            lambda: False,
        )

    def store(self, owner):
        return Store(owner, directory=str(self.folder / "state"), lock=str(self.folder / "lock"))

    def run(self, store, one, check_mode=False):
        commands = Commands(lambda *_words, **_more: (0, "", ""))
        return Engine(store, commands, check_mode).run([one])

    def drain(self, address="10.0.0.1", check_mode=False, **options):
        """One run of the module; its outcome."""
        params = {
            "real_server": address,
            "port": None,
            "service": None,
            "state": "drained",
            "force": False,
            "steps": 1,
            **options,
        }
        one = kind.Drains(
            Request.of(params),
            self.keepalived,
            self.kernel.kernel,
            lambda: self.now,
            boot.FOLDER,
        )
        return self.run(self.store(drain.OWNER), one, check_mode)

    def restore(self, address="10.0.0.1", **options):
        return self.drain(address, state="restored", **options)

    def apply(self, services, owner="cluster-x", check_mode=False, at_boot=True):
        """One run of a table; its outcome."""
        store = self.store(owner)
        desired = DesiredTable(desired_table(services))
        record = str(self.folder / "record")
        one = Table(desired, owner, at_boot, self.kernel.kernel, record, store.path)
        return self.run(store, one, check_mode)

    def owned_by_keepalived(self, text=TEXT):
        """keepalived owns the table, which is as it says."""
        self.apply(described(3, 1), at_boot=False)
        self.keepalived.text = text
        self.store("cluster-x").save(Manifest("cluster-x", {KEEPALIVED: {KEEPALIVED: Claim({})}}))

    def drains(self):
        claims = self.store(drain.OWNER).load().claims.get(drain.DRAIN, {})
        return {each: drain.Drain.of(claim) for each, claim in claims.items()}

    def script(self, owner="cluster-x"):
        """The lines of real servers in the script that restores a table at boot."""
        path = boot.path(boot.TABLE, owner)
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            return [line.rstrip("\n") for line in file if line.startswith("-a")]


__all__ = ["KEY", "TEXT", "WEB", "Host", "described", "name", "with_weights"]
