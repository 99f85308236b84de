# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster at work changes who moves its addresses, and who owns its tables, each in one run of site.yml."""

from __future__ import annotations

import pytest

from shared.tests.directors import (
    DIRECTORS,
    FLOATING,
    GATEWAY,
    VIPS,
    at_work,
    held,
    make_active,
    table,
)
from shared.tests.playbooks import succeed

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("whole")]

# One director, whose own address is the gateway of the real servers.
ALONE = {"lvs_high_availability": "none", "lvs_inside_gateway": "192.168.84.2"}
WITHOUT_BACKUP = {"backup": {"lvs_state": "absent"}}


def test_two_directors_become_one_and_two_again(lab, playbook, load, tell):
    """And NAT goes from a floating gateway to the director's own address and back."""
    make_active(lab, "director")
    at_work(lab)
    with load() as traffic:
        succeed(playbook("site.yml", variables=ALONE, hosts=WITHOUT_BACKUP))
    tell(traffic, "to one: ")
    assert held(lab, "director") == set(VIPS)
    assert held(lab, "backup") == set()
    assert table(lab, "backup") == []
    assert len(table(lab, "director")) == 6
    assert lab.ssh("director", "systemctl is-active keepalived", check=False).stdout != "active\n"
    traffic.check_complete()

    with load() as traffic:
        succeed(playbook("site.yml", variables={"director_vantage": "client"}))
    tell(traffic, "to two: ")
    assert held(lab, "director") == set(FLOATING)
    traffic.check_complete()


def test_another_program_takes_over_and_gives_back(lab, playbook, load, tell):
    """With `external` the addresses stay where they are: from then on they are the other program's."""
    make_active(lab, "director")
    at_work(lab)
    with load() as traffic:
        succeed(playbook("site.yml", variables={"lvs_high_availability": "external"}))
    tell(traffic, "to external: ")
    assert held(lab, "director") == set(FLOATING)
    assert held(lab, "backup") == set()
    for name in DIRECTORS:
        assert len(table(lab, name)) == 6
        assert "backup" not in lab.ssh(name, "ipvsadm --list --daemon").stdout
    traffic.check_complete()

    with load() as traffic:
        succeed(playbook("site.yml"))
    tell(traffic, "to keepalived: ")
    traffic.check_complete()


def test_the_table_becomes_ours_and_keepaliveds_again(lab, playbook, load, tell):
    """keepalived_table: ours leaves the addresses to keepalived; a dead real server is noticed by nobody then."""
    with load() as traffic:
        succeed(playbook("site.yml", variables={"keepalived_table": "ours"}))
    tell(traffic, "to ours: ")
    for name in DIRECTORS:
        assert "virtual_server" not in lab.ssh(name, "cat /etc/keepalived/keepalived.conf").stdout
        assert len(table(lab, name)) == 6
    traffic.check_complete()
    assert GATEWAY in held(lab, "director") | held(lab, "backup")

    with load() as traffic:
        succeed(playbook("site.yml"))
    tell(traffic, "to keepalived: ")
    traffic.check_complete()
