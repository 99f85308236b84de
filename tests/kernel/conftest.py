# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
import shutil

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.host import boot
from tests.kernel.harness import STATE, our_files, sh
from tests.kernel.network import Network


@pytest.fixture(autouse=True)
def _no_boot_service(request, monkeypatch):
    """The boot service and its watcher stay off, or they would restore what a test takes away by hand."""
    if not request.node.get_closest_marker("boot_service"):
        monkeypatch.setattr(boot, "activate", lambda *_arguments: None)


@pytest.fixture(autouse=True)
def _clean():
    sh("modprobe", "ip_vs")
    sh("ipvsadm", "--clear")
    shutil.rmtree(STATE, ignore_errors=True)
    for path in our_files():
        pathlib.Path(path).unlink()


@pytest.fixture(scope="session")
def network():
    """A client and two real servers around this machine, each in a namespace of its own."""
    with Network() as built:
        yield built


def pytest_configure(config):
    config.addinivalue_line("markers", "boot_service: lets systemd start the boot service")
    config.addinivalue_line("markers", "long: takes minutes, so it is part of a full run only")
