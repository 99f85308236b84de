# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""After lvs_state=absent: nothing of ours is left, and nothing else is touched."""

from __future__ import annotations

from tests.testinfra.foreign import saved_firewall, saved_table


def test_the_table_has_none_of_our_services(director):
    assert saved_table(director) == []


def test_the_firewall_has_none_of_our_rules(director):
    assert saved_firewall(director) == []


def test_no_file_of_ours_is_left(director):
    assert director.check_output("find /etc -name '*lvs.cluster*'") == ""
    assert director.check_output("find /var/lib/lvs.cluster -type f") == ""


def test_the_service_is_gone(client):
    assert client.run("curl --silent --fail --max-time 5 http://170.210.122.104/").rc != 0


def test_removing_has_changed_something(records):
    removal = records[-1]
    assert removal["playbook"] == "remove.yml"
    assert any(found["changed"] for found in removal["results"])
