# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""After lvs_state=absent: no trace of ours is left, and nothing else is touched."""

from __future__ import annotations

import difflib
import re

from tests.testinfra.foreign import saved_firewall, saved_table

# A reboot lies between the dumps: what the kernel measures of the machine may differ by a little.
MEASURED = re.compile(r"^(kernel|vm)\.[a-z_.]* = \d+$|^net\.ipv4\.(tcp|udp)_r?w?_?mem")


def test_the_table_has_none_of_our_services(director):
    assert saved_table(director) == []


def test_the_firewall_has_none_of_our_rules(director):
    assert saved_firewall(director) == []


def test_every_host_is_as_it_was_found(hosts, dumped, dump):
    assert hosts
    for host in hosts:
        before, after = (
            [line for line in lines if not MEASURED.match(line)]
            for lines in (dumped("before", host), dump(host))
        )
        assert (
            "\n".join(difflib.unified_diff(before, after, "before", "after", lineterm="", n=0))
            == ""
        )


def test_the_service_is_gone(client):
    assert client.run("curl --silent --fail --max-time 5 http://170.210.122.104/").rc != 0


def test_removing_has_changed_something(records):
    removal = records[-1]
    assert removal["playbook"] == "remove.yml"
    assert any(found["changed"] for found in removal["results"])
