# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib

import pytest

from tests.kernel.children import apart
from tests.kernel.harness import ModuleFailed, claims, four_steps, run_module, sh

SCRIPT = pathlib.Path("/etc/lvs.cluster/boot.d/30-timeouts-default")


def timeouts():
    """As ipvsadm tells them."""
    return [int(word) for word in sh("ipvsadm", "-L", "--timeout").split()[-3:]]


@pytest.fixture(autouse=True)
def _defaults():
    sh("ipvsadm", "--set", "900", "120", "300")
    yield
    sh("ipvsadm", "--set", "900", "120", "300")


def four(**params):
    return four_steps("ipvs_timeout", look=timeouts, **params)


def test_set_one_then_others_then_back():
    done = four(tcp=1800)
    assert timeouts() == [1800, 120, 300]
    assert done["diff"][0]["before"] == "--set 900 120 300\n"
    assert done["timeouts"] == {"tcp": 1800, "tcpfin": 120, "udp": 300}
    four(tcp=1800, tcpfin=60, udp=10)
    assert timeouts() == [1800, 60, 10]
    four(udp=10)
    assert timeouts() == [900, 120, 10]
    four(state="absent")
    assert timeouts() == [900, 120, 300]
    assert claims() == {}


def test_what_is_found_right_is_not_ours():
    assert not run_module("ipvs_timeout", tcp=900)["changed"]
    assert claims() == {}
    assert not run_module("ipvs_timeout", state="absent")["changed"]


def test_the_script_sets_them_again():
    four(tcp=1800, udp=7, at_boot=True)
    sh("ipvsadm", "--set", "900", "120", "300")
    sh("/etc/lvs.cluster/restore")
    assert timeouts() == [1800, 120, 7]
    four(state="absent")
    assert not SCRIPT.exists()


@pytest.mark.parametrize("seconds", [-1, 2147484, 2**32])
def test_what_the_kernel_could_not_keep(seconds):
    with pytest.raises(ModuleFailed, match=f"tcp={seconds}: is out of range"):
        run_module("ipvs_timeout", tcp=seconds)
    assert timeouts() == [900, 120, 300]


def test_the_largest():
    four(tcp=2147483)
    assert timeouts()[0] == 2147483


def test_a_namespace_has_its_own():
    sh("ip", "netns", "add", "apart")
    try:
        run_module_apart = ["ip", "netns", "exec", "apart", "ipvsadm", "-L", "--timeout"]
        apart(lambda: run_module("ipvs_timeout", tcp=77, netns="apart"))
        assert sh(*run_module_apart).split()[-3:] == ["77", "120", "300"]
        assert timeouts() == [900, 120, 300]
        assert claims() == {}
    finally:
        sh("ip", "netns", "del", "apart")
