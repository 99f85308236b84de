# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host around the table: the kernel module, the privilege, the lock, the files."""

from __future__ import annotations

import fcntl
import os
import pathlib
import re
import subprocess
import sys

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.host.store import Store
from tests.kernel.harness import (
    STATE,
    VIP,
    ModuleFailed,
    claims,
    real_server,
    service,
    sh,
    table,
)

PROC = pathlib.Path("/proc/net/ip_vs")
BLOCK = pathlib.Path("/etc/modprobe.d/zz-no-ipvs.conf")
LOCK = pathlib.Path("/run/lvs.cluster.lock")


@pytest.fixture
def _unloaded():
    loaded = [line.split()[0] for line in sh("lsmod").splitlines() if line.startswith("ip_vs_")]
    sh("modprobe", "-r", *loaded, "ip_vs")
    assert not PROC.exists()
    LOCK.unlink(missing_ok=True)


@pytest.mark.usefixtures("_unloaded")
def test_check_mode_loads_nothing_and_writes_nothing():
    assert service(check=True, scheduler="rr")["changed"]
    assert not PROC.exists()
    assert not LOCK.exists()
    assert not STATE.exists()


@pytest.mark.usefixtures("_unloaded")
def test_removing_nothing_loads_nothing():
    assert not service(state="absent")["changed"]
    assert not real_server("10.97.0.1", state="absent")["changed"]
    assert not PROC.exists()


@pytest.mark.usefixtures("_unloaded")
def test_adding_loads_ipvs():
    assert service(scheduler="rr")["changed"]
    assert table() == [f"-A -t {VIP}:80 -s rr"]


@pytest.mark.usefixtures("_unloaded")
def test_a_kernel_without_ipvs_is_explained():
    BLOCK.write_text("install ip_vs /bin/false\n")
    release = re.escape(os.uname().release)
    try:
        with pytest.raises(ModuleFailed, match=f"not in the running kernel {release}"):
            service()
    finally:
        BLOCK.unlink()
    assert claims() == {}


@pytest.mark.parametrize(
    "elsewhere",
    [{}, {"directory": "/tmp/unprivileged", "lock": "/tmp/unprivileged.lock"}],
    ids=["refused by the file system", "refused by IPVS"],
)
def test_who_may_not_is_told_how(elsewhere):
    script = (
        "import json, os, sys; from tests.kernel.harness import run_module, ModuleFailed\n"
        "from ansible_collections.lvs.cluster.plugins.module_utils.host import store\n"
        "defaults = store.Store.__init__.__kwdefaults__; os.setuid(65534)\n"
        f"defaults.update({elsewhere})\n"
        f"try: run_module('ipvs_service', address='{VIP}', port=80)\n"
        "except ModuleFailed as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "become: true" in done.stdout


def test_an_error_names_the_host():
    with pytest.raises(ModuleFailed, match=r"^kernel: service tcp 0\.0\.0\.0:80: address="):
        service(address="0.0.0.0")


def test_a_damaged_manifest_stops_before_the_change():
    service()
    before = table()
    (STATE / "default.json").write_text("{")
    with pytest.raises(ModuleFailed, match=r"default\.json is damaged"):
        service(scheduler="rr")
    assert table() == before


def test_two_runs_at_once_end_in_order():
    """One waits for the other; nothing is lost between them."""
    script = (
        "import sys; from tests.kernel.harness import service, real_server\n"
        "service(scheduler='rr')\n"
        "for n in range(5): real_server(f'10.97.0.{sys.argv[1]}', port=8000 + n)\n"
    )
    runs = [subprocess.Popen([sys.executable, "-c", script, str(n)]) for n in (1, 2)]
    assert [run.wait(120) for run in runs] == [0, 0]
    assert len(table()) == 11
    assert len(claims()["ipvs_real_server"]) == 10


def test_a_run_waits_for_another_and_then_says_so(monkeypatch):

    monkeypatch.setitem(Store.__init__.__kwdefaults__, "lock_seconds", 0.2)
    with LOCK.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ModuleFailed, match=r"held /run/lvs\.cluster\.lock.*fuser"):
            service()
    assert table() == []


@pytest.fixture
def _namespace():
    sh("ip", "netns", "add", "other")
    sh("ip", "-n", "other", "link", "set", "lo", "up")
    sh("ip", "-n", "other", "address", "add", "10.97.0.254/24", "dev", "lo")
    yield
    sh("ip", "netns", "del", "other")


@pytest.mark.usefixtures("_namespace")
def test_another_namespace_has_a_table_of_its_own():
    """In processes of their own, because a process that has entered a namespace stays there."""
    script = (
        "from tests.kernel.harness import four_steps\n"
        f"web = dict(address='{VIP}', port=80)\n"
        "four_steps('ipvs_service', **web, scheduler='rr', netns='other')\n"
        "four_steps('ipvs_real_server', service=web, address='10.97.0.1', netns='other')\n"
    )
    # four_steps looks at the table by ipvsadm, which then is in the namespace too.
    subprocess.run([sys.executable, "-c", script], check=True)
    inside = sh("ip", "netns", "exec", "other", "ipvsadm", "--save", "--numeric").splitlines()
    assert inside == [f"-A -t {VIP}:80 -s rr", f"-a -t {VIP}:80 -r 10.97.0.1:80 -m -w 1"]
    assert table() == []
    assert claims() == {}


@pytest.mark.parametrize("name", ["nowhere", "../../etc/passwd"])
def test_a_namespace_that_is_not_there(name):
    with pytest.raises(ModuleFailed, match=r"netns=.*ip netns list"):
        service(netns=name)
