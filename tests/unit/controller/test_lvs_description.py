# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""lvs_description as a playbook runs it: whose variables count, and how mistakes are reported. No host is asked."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
import yaml

SERVICES = [
    {"name": "web", "address": "198.51.100.10", "port": 80, "real_servers": [{"host": "rs1"}]}
]
INVENTORY = {
    "lvs_directors": {"hosts": {"director": {"lvs_address": "192.168.0.1"}}},
    "lvs_real_servers": {
        "hosts": {
            "rs1": {"lvs_address": "192.168.0.7"},
            "rs2": {"lvs_address": "192.168.0.8", "nat_routing": "default"},
        }
    },
    "all": {
        "vars": {
            "lvs_virtual_services": SERVICES,
            "lvs_inside_networks": ["192.168.0.0/24"],
            "lvs_inside_gateway": "{{ hostvars['director'].lvs_address }}",
        }
    },
}
ROLE = {"role": "lvs.cluster.preflight"}
SHOW = {
    "ansible.builtin.copy": {
        "content": "{{ lvs_derived | to_json }}",
        "dest": "{{ seen }}/{{ inventory_hostname }}.json",
        "mode": "0600",
    },
    "delegate_to": "localhost",
}


@pytest.fixture
def derive(tmp_path):
    """Run the role preflight: (exit code, what was printed, by host what it has got)."""

    def run(*words, inventory=None, play=None, role=None):
        for file in tmp_path.glob("*.json"):
            file.unlink()
        (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory or INVENTORY))
        plays = [
            {
                "hosts": "all",
                "gather_facts": False,
                "vars": {"seen": str(tmp_path), **(play or {})},
                "roles": [{**ROLE, **(role or {})}],
                "tasks": [SHOW],
            }
        ]
        (tmp_path / "play.yml").write_text(yaml.safe_dump(plays))
        done = subprocess.run(
            [
                "ansible-playbook",
                "-i",
                str(tmp_path / "hosts.yml"),
                str(tmp_path / "play.yml"),
                *words,
            ],
            capture_output=True,
            text=True,
            check=False,
            # Nothing may connect: there is no such host.
            env={**os.environ, "ANSIBLE_SSH_EXECUTABLE": "/bin/false", "ANSIBLE_NOCOLOR": "1"},
        )
        found = {file.stem: json.loads(file.read_text()) for file in tmp_path.glob("*.json")}
        return done.returncode, " ".join((done.stdout + done.stderr).split()), found

    return run


def configuration(found, host):
    return found["director"]["hosts"][host]["configuration"]


def test_every_host_gets_the_whole(derive):
    code, said, found = derive()
    assert code == 0, said
    assert set(found) == {"director", "rs1", "rs2"}
    assert found["rs1"]["hosts"] == found["director"]["hosts"]
    assert configuration(found, "rs1")["routes"]["gateway"] == ["192.168.0.1"]


def test_variables_of_the_play_and_the_command_line_count_for_all_hosts(derive):
    services = [{**SERVICES[0], "real_servers": [{"host": "rs2"}]}]
    _code, _said, found = derive(play={"lvs_virtual_services": services})
    assert configuration(found, "rs1") == {}
    assert configuration(found, "rs2")["routes"]["mode"] == "default"
    code, said, found = derive(role={"vars": {"nat_rollback_seconds": 30}})
    assert code == 0, said
    assert configuration(found, "rs1")["routes"]["rollback"] == 30
    _code, _said, found = derive("-e", json.dumps({"lvs_virtual_services": services}))
    assert configuration(found, "rs1") == {}


def test_a_limit_changes_nothing(derive):
    _code, _said, whole = derive()
    code, said, found = derive("--limit", "rs1")
    assert code == 0, said
    assert found["rs1"]["hosts"] == whole["rs1"]["hosts"]


def test_removal_needs_no_description(derive):
    only_hosts = {name: group for name, group in INVENTORY.items() if name != "all"}
    code, said, found = derive("-e", "lvs_state=absent", inventory=only_hosts)
    assert code == 0, said
    assert {host["state"] for host in found["rs1"]["hosts"].values()} == {"absent"}


def test_a_mistake_is_reported_once_and_with_its_path(derive):
    wrong = [{**SERVICES[0], "scheduler": "rrr"}]
    code, said, found = derive(play={"lvs_virtual_services": wrong})
    assert code != 0
    assert found == {}
    assert "lvs_virtual_services[web].scheduler: unknown value" in said
    assert said.count("fatal: ") == 1


@pytest.mark.parametrize("value", [None, "", {"web": 1}])
def test_what_is_no_list_of_services_is_one_short_sentence(derive, value):
    inventory = {
        **INVENTORY,
        "all": {"vars": {**INVENTORY["all"]["vars"], "lvs_virtual_services": value}},
    }
    code, said, _found = derive(inventory=inventory)
    assert code != 0
    assert "lvs_virtual_services: " in said
    assert len(said) < 2500, said


def test_an_expression_that_needs_facts_is_named(derive):
    inventory = {
        **INVENTORY,
        "lvs_directors": {
            "hosts": {"director": {"lvs_address": "{{ ansible_facts.default_ipv4.address }}"}}
        },
        "all": {"vars": {**INVENTORY["all"]["vars"], "lvs_inside_gateway": "192.168.0.1"}},
    }
    code, said, _found = derive(inventory=inventory)
    assert code != 0
    assert "hostvars[director].lvs_address: cannot be evaluated" in said
    assert "do not use facts of hosts" in said


def test_an_inventory_without_the_groups_is_refused(derive):
    code, said, _found = derive(inventory={"all": {"hosts": {"somebody": {}}}})
    assert code != 0
    assert "neither this group nor lvs_real_servers has a host" in said


def test_what_is_probably_a_mistake_is_a_warning(derive):
    code, said, _found = derive(
        play={"lvs_virtual_services": [{**SERVICES[0], "real_servers": []}]}
    )
    assert code == 0
    assert "lvs_virtual_services[web].real_servers: is empty" in said


def test_keepalived_is_rendered_and_its_password_is_not_passed_on(derive):
    address = "{{ lvs_address }}/24"
    directors = {
        name: {"lvs_address": f"192.168.0.{number}", "keepalived_address": address}
        for number, name in enumerate(("director", "backup"), 1)
    }
    inventory = {
        **INVENTORY,
        "lvs_directors": {"hosts": directors, "vars": {"keepalived_password": "se.cret"}},
        "all": {
            "vars": {
                **INVENTORY["all"]["vars"],
                "lvs_high_availability": "keepalived",
                "lvs_inside_gateway": "192.168.0.254",
            }
        },
    }
    code, said, found = derive(inventory=inventory)
    assert code == 0, said
    text = configuration(found, "backup")["keepalived"]["text"]
    assert "vrrp_instance default_1_ipv4 {" in text
    assert "auth_pass $PASSWORD" in text
    assert "unicast_src_ip 192.168.0.2\n" in text
    assert "se.cret" not in json.dumps(found) + said
