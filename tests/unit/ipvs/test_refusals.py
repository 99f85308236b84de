# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.daemon import Daemon
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import (
    RealServerAttributes,
    RealServerKey,
    ServiceAttributes,
    ServiceKey,
)
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.plan import (
    RealServerOperation,
    ServiceOperation,
)
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.refusals import explain, of_daemon

WEB = ServiceKey.at("tcp", "192.0.2.1", 80)
ATTRIBUTES = ServiceAttributes.default("ipv4")
ADD = ServiceOperation("add", WEB, None, ATTRIBUTES)
WITH_ENGINE = ADD._replace(after=ATTRIBUTES._replace(persistence_engine="sip"))
GONE = ServiceOperation("delete", WEB, ATTRIBUTES, None)
SERVER = RealServerOperation(
    "add", WEB, RealServerKey("ipv4", "10.0.0.1", 80), None, RealServerAttributes()
)
DELETED = SERVER._replace(verb="delete", before=RealServerAttributes(), after=None)


@pytest.mark.parametrize(
    ("operation", "number", "words"),
    [
        (ADD, errno.EPERM, "only root"),
        (SERVER, errno.EPERM, "only root"),
        (ADD, errno.ENOENT, "has no scheduler 'wlc'; make sure that 'modprobe ip_vs_wlc' works"),
        (WITH_ENGINE, errno.ENOENT, "has no scheduler 'wlc', or no persistence engine 'sip'"),
        (GONE, errno.ENOENT, "answered ENOENT"),
        (ADD, errno.EEXIST, "another program has just added it"),
        (GONE, errno.ESRCH, "another program has just removed it"),
        (
            ADD,
            errno.EIO,
            "answered EIO (Input/output error); look for the reason in the kernel's log",
        ),
        (SERVER, errno.ESRCH, "the service does not exist"),
        (DELETED, errno.ENOENT, "another program has just removed it"),
        (SERVER, errno.EEXIST, "another program has just added it"),
        (SERVER, errno.EINVAL, "no unicast route to 10.0.0.1"),
        (DELETED, errno.EINVAL, "answered EINVAL"),
        (SERVER, errno.ERANGE, "weight or thresholds are out of range"),
        (SERVER, errno.ENOMEM, "answered ENOMEM"),
        (SERVER, 4242, "answered 4242"),
    ],
)
def test_what_the_kernels_numbers_mean(operation, number, words):
    found = explain(operation, number)
    assert words in str(found)
    assert str(found).startswith(f"Could not {operation}: ")
    assert found.errno == number


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENODEV, ""), "there is no interface eth1"),
        (OSError(errno.EINVAL, ""), "while a real server is of another address family"),
        (OSError(errno.EADDRNOTAVAIL, ""), "answered EADDRNOTAVAIL"),
        (OSError("no number"), "answered 0"),
    ],
)
def test_what_they_mean_for_a_sync_daemon(error, words):
    found = str(of_daemon(Daemon("master", "eth1"), error))
    assert words in found
    assert found.startswith("Could not start the sync daemon master: ")
