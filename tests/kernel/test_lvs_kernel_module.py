# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib

import pytest

from tests.kernel.harness import (
    ModuleFailed,
    claims,
    four_steps,
    loaded_modules,
    our_files,
    run_module,
    sh,
)

FILE = pathlib.Path("/etc/modprobe.d/lvs.cluster-default-ip_vs.conf")
SIZE = pathlib.Path("/sys/module/ip_vs/parameters/conn_tab_bits")


def test_written_honest_and_removed():
    done = four_steps("lvs_kernel_module", params={"conn_tab_bits": 10})
    assert done["pending"] == {"conn_tab_bits": "12"}
    assert any(
        "10 takes effect the next time it is loaded" in str(text) for text in done["warnings"]
    )
    assert FILE.read_text().splitlines()[-1] == "options ip_vs conn_tab_bits=10"
    sh("modprobe", "--remove", *loaded_modules())
    assert run_module("lvs_kernel_module", params={"conn_tab_bits": 10})["pending"] == {}
    sh("modprobe", "ip_vs")
    assert SIZE.read_text().strip() == "10"
    done = run_module("lvs_kernel_module", params={"conn_tab_bits": 10})
    assert (done["pending"], done["changed"]) == ({}, False)
    four_steps("lvs_kernel_module", state="absent")
    assert our_files() == {}
    sh("modprobe", "--remove", *loaded_modules())
    sh("modprobe", "ip_vs")


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"conn_tab_bits": 7}, "conn_tab_bits='7': is not a size"),
        ({"conn_tab_bits": "many"}, "conn_tab_bits='many': is not a size"),
        ({"conn_tab_bits": "12\noptions x y=z"}, "is not a value"),
        ({"a b": 1}, "params='a b': is not a name"),
    ],
)
def test_refused(params, words):
    with pytest.raises(ModuleFailed, match=words):
        run_module("lvs_kernel_module", params=params)
    assert not FILE.exists()


def test_another_file_that_says_otherwise():
    other = pathlib.Path("/etc/modprobe.d/somebody.conf")
    other.write_text("# a comment\noptions ip_vs conn_tab_bits=14\n")
    try:
        done = run_module("lvs_kernel_module", params={"conn_tab_bits": 10})
    finally:
        other.unlink()
    assert any(f"{other} also sets conn_tab_bits=14" in str(text) for text in done["warnings"])


def loaded():
    return "ip_vs_ftp" in sh("lsmod")


def test_what_ftp_needs_is_loaded_and_taken_out():
    sh("modprobe", "--remove", "ip_vs_ftp", check=False)
    params = {"name": "ip_vs_ftp", "load": True}
    done = four_steps("lvs_kernel_module", look=loaded, **params)
    assert [each["verb"] for each in done["operations"]] == ["load"]
    assert loaded()
    path = "/etc/modules-load.d/lvs.cluster-default-ip_vs_ftp.conf"
    assert our_files()[path].endswith("\nip_vs_ftp\n")
    four_steps("lvs_kernel_module", look=loaded, name="ip_vs_ftp", state="absent")
    assert (loaded(), our_files(), claims()) == (False, {}, {})


def test_what_somebody_else_has_loaded_stays():
    sh("modprobe", "ip_vs_ftp")
    run_module("lvs_kernel_module", name="ip_vs_ftp", load=True)
    run_module("lvs_kernel_module", name="ip_vs_ftp", state="absent")
    assert loaded()
    assert our_files() == {}
    sh("modprobe", "--remove", "ip_vs_ftp")
