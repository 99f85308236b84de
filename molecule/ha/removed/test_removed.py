# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""After lvs_state=absent: neither director has anything of ours, keepalived is stopped, and nothing else is touched."""

from __future__ import annotations

import pytest

from shared.tests.directors import DIRECTORS, held, table
from shared.tests.dumps import MEASURED, difference
from shared.tests.foreign import saved_firewall


@pytest.mark.parametrize("name", DIRECTORS)
def test_a_director_has_nothing_left(name, lab, machine):
    assert held(lab, name) == set()
    assert table(lab, name) == []
    assert not machine(name).service("keepalived").is_running
    assert not machine(name).service("keepalived").is_enabled
    assert not machine(name).file("/etc/keepalived/keepalived.conf").exists
    assert saved_firewall(machine(name)) == []


def test_every_host_is_as_it_was_found(hosts, dumped, dump):
    assert len(hosts) == 4
    for host in hosts:
        assert difference(dumped("before", host), dump(host), MEASURED) == ""
