# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""After lvs_state=absent: no trace of ours is left, and nothing else is touched."""

from __future__ import annotations

from shared.tests.dumps import MEASURED, difference
from shared.tests.foreign import saved_firewall, saved_table
from shared.tests.heard import answers, heard


def test_the_table_has_none_of_our_services(director):
    assert saved_table(director) == []


def test_the_firewall_has_none_of_our_rules(director):
    assert saved_firewall(director) == []


def test_every_host_is_as_it_was_found(hosts, dumped, dump):
    assert hosts
    for host in hosts:
        assert difference(dumped("before", host), dump(host), MEASURED) == ""


def test_the_services_are_gone(client, services):
    for service in services:
        if service.get("address") and service.get("protocol", "tcp") == "tcp":
            address = service["address"]
            host = f"[{address}]" if ":" in address else address
            url = f"http://{host}:{service['port']}/"
            assert client.run(f"curl --globoff --silent --fail --max-time 2 {url}").rc != 0


def test_nobody_but_the_director_ever_answered_for_a_virtual_address(lab, macs, vips):
    found = answers(heard(lab), vips)
    assert {mac for address in vips for mac in found[address]} == {macs["director"]}


def test_removing_has_changed_something(records):
    removal = records[-1]
    assert removal["playbook"] == "remove.yml"
    assert any(found["changed"] for found in removal["results"])
