# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A service less: what was for it alone goes, on the director and the real servers, and nothing else does."""

from __future__ import annotations

from shared.tests.foreign import saved_table
from shared.tests.playbooks import succeed


def state(machine):
    """What there is of addresses, marks and settings: of every host, as others tell it."""
    found = {}
    for name in ("director", "rs1", "rs2"):
        host = machine(name)
        addresses = host.check_output("ip -brief address").splitlines()
        found[name] = {
            "addresses": {word for line in addresses for word in line.split()[2:]},
            "marks": host.check_output("iptables-save -t mangle").count("LVS-MARK"),
            "quiet": host.sysctl("net.ipv4.conf.all.arp_ignore"),
        }
    return found


def test_a_service_less_and_back(site, machine, director, services, fetch):
    before, table = state(machine), saved_table(director)
    succeed(site(services[:2]))
    after = state(machine)
    for name, its in after.items():
        assert before[name]["addresses"] - its["addresses"] == {"10.80.0.101/32", "10.80.0.102/32"}
        assert its["addresses"] <= before[name]["addresses"]
        assert (its["marks"], its["quiet"]) == (0, before[name]["quiet"])
    assert {fetch("10.80.0.100") for _time in range(2)} == {"rs1", "rs2"}
    assert "-f 10" not in " ".join(saved_table(director))
    assert "changed=0 " in succeed(site(services[:2]))
    succeed(site(services))
    assert (state(machine), saved_table(director)) == (before, table)


def test_only_one_family_is_left(site, machine, services, fetch):
    """With IPv6 alone there is nothing to keep quiet about by settings, and they are given back."""
    before = state(machine)
    succeed(site([services[1]]))
    after = state(machine)
    assert (after["rs1"]["quiet"], before["rs1"]["quiet"]) == (0, 1)
    assert "fd80::100/128" in after["rs1"]["addresses"]
    assert "10.80.0.100/32" not in after["rs1"]["addresses"]
    assert fetch("fd80::100") in ("rs1", "rs2")
    succeed(site(services))
    assert state(machine) == before
