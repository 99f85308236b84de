# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""After a reboot of every machine, without Ansible: all is as it was."""

from __future__ import annotations

import difflib
import re

# Those of the kernel and its memory are not ours, and what is counted or drawn begins anew.
NOT_OURS = re.compile(r"^(kernel|vm)\.|^net\.core\.|^net\.ipv4\.(tcp|udp)_|^net\.netfilter\.")


def ours(lines):
    return [line for line in lines if not NOT_OURS.match(line)]


def test_everything_is_as_before(hosts, dumped, dump):
    assert hosts
    for host in hosts:
        before, after = ours(dumped("converged", host)), ours(dump(host))
        assert (
            "\n".join(difflib.unified_diff(before, after, "before", "after", lineterm="", n=0))
            == ""
        )


def test_the_service_says_that_all_went_well(hosts, machine):
    for host in hosts:
        assert machine(host).check_output("systemctl is-active lvs.cluster.service") == "active"


def test_the_size_of_the_connection_table_is_in_force_now(director):
    assert director.check_output("cat /sys/module/ip_vs/parameters/conn_tab_bits") == "15"


def test_requests_are_served(client):
    for url in ("http://170.210.122.104/", "http://[2001:db8:170::104]:8080/"):
        answers = {
            client.check_output(f"curl --silent --fail --max-time 10 {url}") for _time in range(3)
        }
        assert len(answers) > 1
