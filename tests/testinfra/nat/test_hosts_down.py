# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts that are down or left out, and descriptions that are wrong: what site.yml does then, run for real."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess

import pytest
import yaml

from tests.testinfra.foreign import saved_firewall, saved_table

ROOT = pathlib.Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "nat" / "inventory"
VIP = "170.210.122.104"


@pytest.fixture(scope="module")
def services():
    text = (EXAMPLE / "group_vars" / "all.yml").read_text()
    return yaml.safe_load(text)["lvs_virtual_services"]


@pytest.fixture
def site(tmp_path):
    """site.yml with these services, hosts of the inventory that do not answer, and other words."""

    def run(services, dead=(), *words):
        # Nobody listens at the discard port; and no connection of earlier runs is used.
        down = {
            "ansible_port": 9,
            "ansible_ssh_common_args": "-o ControlPath=none -o ConnectTimeout=5",
        }
        inventory = tmp_path / "down.yml"
        inventory.write_text(yaml.safe_dump({"all": {"hosts": dict.fromkeys(dead, down)}}))
        variables = tmp_path / "services.json"
        variables.write_text(json.dumps({"lvs_virtual_services": services}))
        command = ["ansible-playbook", "-i", str(EXAMPLE), "-i", os.environ["LVS_INVENTORY"]]
        command += ["-i", str(inventory), "-e", f"@{variables}", *words]
        unwanted = ("LVS_RECORDS", "ANSIBLE_FORCE_COLOR", "PY_COLORS")
        environ = {name: value for name, value in os.environ.items() if name not in unwanted}
        environ["ANSIBLE_NOCOLOR"] = "1"
        return subprocess.run(
            [*command, str(ROOT / "playbooks" / "site.yml")],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def said(done):
    """All that Ansible has said, on one line; errors go here or there, as it is set up."""
    return " ".join((done.stdout + done.stderr).split())


def added(services):
    """The description with one more service, which rs1 and rs2 shall serve, and one more real server."""
    more = [{**service, "real_servers": list(service["real_servers"])} for service in services]
    more[0]["real_servers"].append({"host": "rs3"})
    extra = {"name": "extra", "address": VIP, "port": 8081}
    extra["real_servers"] = [{"host": "rs1", "port": 80}, {"host": "rs2", "port": 80}]
    return [*more, extra]


def test_a_real_server_that_is_down_keeps_what_it_has_and_is_not_added(site, director, services):
    before = saved_table(director)
    done = site(added(services), ("rs2",))
    assert done.returncode == 4, done.stdout
    assert set(saved_table(director)) - set(before) == {
        f"-a -t {VIP}:80 -r 192.168.1.109:80 -m -w 1",
        f"-A -t {VIP}:8081 -s wlc",
        f"-a -t {VIP}:8081 -r 192.168.0.107:80 -m -w 1",
    }
    assert set(before) <= set(saved_table(director))
    script = director.check_output("cat /etc/lvs.cluster/boot.d/40-table-director")
    assert f"{VIP}:8081 -r 192.168.0.108" not in script
    assert f"{VIP}:80 -r 192.168.0.108" in script


def test_a_limit_takes_the_others_for_prepared(site, director, services):
    done = site(added(services), (), "--limit", "director")
    assert done.returncode == 0, done.stdout
    assert f"-a -t {VIP}:8081 -r 192.168.0.108:80 -m -w 1" in saved_table(director)


def test_all_real_servers_down_block_no_director(site, director, services):
    done = site(services, ("rs1", "rs2", "rs3"))
    assert done.returncode == 4, done.stdout
    assert not [
        line
        for line in saved_table(director)
        if ":8081" in line or ("109:80 -m -w 1" in line and f"{VIP}:80 " in line)
    ]


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ({"scheduler": "rrr"}, "service web: scheduler='rrr': is none of the values"),
        ({"port": 8080}, "service web-alternate"),
        ({"real_servers": [{"host": "rs9"}]}, "host='rs9': is no host of the inventory"),
    ],
)
def test_a_mistake_is_told_before_any_host_is_touched(site, director, services, mistake, words):
    before = saved_table(director)
    done = site([{**services[0], **mistake}, *services[1:]])
    assert done.returncode != 0
    assert words in said(done)
    assert "lvs.cluster.ipvs_table" not in done.stdout
    assert "Prepare the real servers" not in done.stdout
    assert saved_table(director) == before


def test_an_emptied_inventory_takes_no_site_down(site, director):
    before = saved_table(director), saved_firewall(director)
    done = site([], (), "--limit", "director")
    assert done.returncode == 2
    assert "max_removals='75%': is less than what it would remove" in said(done)
    assert re.search(r"director +: ok=\d+ +changed=0 ", done.stdout), done.stdout
    assert (saved_table(director), saved_firewall(director)) == before
    assert director.sysctl("net.ipv4.ip_forward") == 1
