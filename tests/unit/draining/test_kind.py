# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole runs that drain and restore, on a kernel in memory."""

from __future__ import annotations

import errno

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.draining import kind
from ansible_collections.lvs.cluster.plugins.module_utils.errors import (
    Interference,
    InvalidInput,
    Refused,
)
from ansible_collections.lvs.cluster.plugins.module_utils.host.manifest import Claim
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import drain
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.drain import Drain

from .hosts import TEXT, Host, described, name, with_weights

SERVICE = {"protocol": "tcp", "address": "192.0.2.1", "port": 80}


@pytest.fixture
def host(tmp_path, monkeypatch):
    return Host(tmp_path, monkeypatch)


@pytest.fixture
def ours(host):
    """A host on which this collection owns the table."""
    host.apply(described(3, 1))
    return host


@pytest.fixture
def theirs(host):
    """A host on which keepalived owns the table."""
    host.owned_by_keepalived()
    return host


def details(outcome):
    return outcome.plans["drains"].details


def verbs(outcome):
    return [str(each) for each in outcome.plans["drains"].operations]


def connect(host, n, *counts):
    """:param counts: active, inactive and persistent connections."""
    host.kernel.connections[drain.keys_of(name(n))] = counts


def steps(host, before, **options):
    """Check mode reports it and changes nothing; applying does it; applying again changes nothing; and check
    mode's diff is the real one.
    """
    kernel, text = dict(host.kernel.services), host.keepalived.text
    files = sorted(path.read_text() for path in host.folder.rglob("*") if path.is_file())
    checked = host.drain(check_mode=True, **options)
    assert (dict(host.kernel.services), host.keepalived.text) == (kernel, text)
    assert files == sorted(path.read_text() for path in host.folder.rglob("*") if path.is_file())
    done = host.drain(**options)
    assert done.changed
    assert done.diff == checked.diff
    assert verbs(done) == verbs(checked)
    again = host.drain(**options)
    assert not again.changed
    assert again.diff == []
    return done


def test_a_real_server_is_drained_and_restored(ours):
    script = ours.script()
    done = steps(ours, None)
    assert verbs(done) == [f"drain {drain.words_of(name(1))}"]
    assert ours.kernel.weights == {name(1): 0, name(2): 1}
    assert ours.drains() == {name(1): Drain(3, 1000)}
    assert ours.script() == [script[0].replace("-w 3", "-w 0"), script[1]]
    assert details(done)["real_servers"] == [
        {
            "service": SERVICE,
            "real_server": {"address": "10.0.0.1", "port": 80},
            "weight": 0,
            "drained": True,
            "remembered_weight": 3,
            "since": 1000,
            "age": 0,
            "active_connections": 0,
            "inactive_connections": 0,
            "persistent_connections": 0,
            "idle": True,
            "in_service": False,
        }
    ]
    done = steps(ours, None, state="restored")
    assert verbs(done) == [f"restore {drain.words_of(name(1))}"]
    assert ours.kernel.weights == {name(1): 3, name(2): 1}
    assert ours.script() == script
    assert ours.drains() == {}
    assert not (ours.folder / "state" / "drained.json").exists()
    assert details(done)["real_servers"][0]["remembered_weight"] is None
    assert details(done)["restored"]
    assert details(done)["in_service"]


def test_the_diff_shows_the_weight_the_drain_and_the_script(ours):
    shown = {each["before_header"]: each for each in ours.drain().diff}
    assert list(shown) == [
        "drains before",
        "IPVS before",
        str(ours.folder / "boot.d" / "40-table-cluster-x"),
    ]
    assert shown["IPVS before"]["after"] == "-a -t 192.0.2.1:80 -r 10.0.0.1:80 -m -w 0\n"
    assert shown["drains before"]["after"] == (
        "drained: real server 10.0.0.1:80 of service tcp 192.0.2.1:80, of weight 3\n"
    )


def test_only_the_weight_changes(host):
    services = described(3, 1)
    services[0]["real_servers"][0].update(
        forwarding="tun", tunnel_type="gue", tunnel_port=6080, upper_threshold=9, lower_threshold=5
    )
    host.apply(services)
    before = host.kernel.services
    host.drain()
    host.restore()
    assert host.kernel.services == before


def test_progress_shows(ours):
    connect(ours, 1, 2, 1, 0)
    done = ours.drain()
    assert not details(done)["idle"]
    ours.now += 10
    connect(ours, 1, 1, 2, 0)
    done = ours.drain()
    assert details(done)["active_connections"] == 1
    assert details(done)["real_servers"][0]["age"] == 10
    assert not done.changed
    connect(ours, 1, 0, 3, 0)
    done = ours.drain()
    assert (details(done)["idle"], details(done)["inactive_connections"]) == (True, 3)


def test_what_came_before_the_weight_is_counted(ours):
    """A connection that is scheduled between the look at it and the weight."""

    def come(_operation):
        connect(ours, 1, 1, 0, 0)
        return 0

    ours.kernel.refuse = come
    assert not details(ours.drain())["idle"]


def test_a_handshake_may_be_under_way_at_first(ours):
    connect(ours, 1, 0, 1, 0)
    assert not details(ours.drain())["idle"]
    ours.now += 2
    assert not details(ours.drain())["idle"]
    ours.now += 1
    assert details(ours.drain())["idle"]


@pytest.mark.parametrize(("reschedules", "idle"), [("0", False), (None, False), ("1", True)])
def test_a_client_that_persistence_remembers(ours, reschedules, idle):
    ours.reschedules = reschedules
    ours.drain()
    connect(ours, 1, 0, 0, 1)
    assert details(ours.drain())["idle"] is idle


def test_information_changes_nothing(ours):
    connect(ours, 2, 4, 0, 0)
    done = ours.drain("10.0.0.2", state="unchanged")
    assert not done.changed
    assert details(done)["active_connections"] == 4
    assert details(done)["real_servers"][0]["weight"] == 1
    assert ours.drains() == {}
    ours.drain()
    assert not ours.drain(state="unchanged").changed
    assert ours.drains()


def test_a_weight_that_another_program_has_set_is_0_again(ours):
    ours.drain()
    ours.kernel.set_weight(name(1), 7)
    assert ours.drain().changed
    assert ours.kernel.weights[name(1)] == 0
    assert ours.drains() == {name(1): Drain(3, 1000)}


def test_weight_0_before_is_weight_0_after(host):
    host.apply(described(0, 1))
    assert host.drain().changed
    assert host.drains() == {name(1): Drain(0, 1000)}
    assert host.restore().changed
    assert host.kernel.weights[name(1)] == 0
    assert host.drains() == {}


def test_the_last_one_is_refused_and_nothing_is_changed(ours):
    ours.drain()
    before = ours.kernel.services, ours.script(), ours.drains()
    with pytest.raises(InvalidInput, match="the last real server"):
        ours.drain("10.0.0.2")
    assert (ours.kernel.services, ours.script(), ours.drains()) == before
    ours.drain("10.0.0.2", force=True)
    assert ours.kernel.weights == {name(1): 0, name(2): 0}


def test_it_is_given_back_in_steps(ours):
    script = ours.script()
    ours.drain()
    taken = []
    for _run in range(9):
        done = ours.restore(steps=2)
        taken.append(ours.kernel.weights[name(1)])
        assert f"-w {taken[-1]}" in ours.script()[0]
        if details(done)["restored"]:
            break
    assert taken == [2, 3]
    assert ours.script() == script
    assert not ours.restore(steps=2).changed


def test_the_kernel_refuses(ours):
    ours.kernel.refuse = lambda operation: errno.EPERM
    with pytest.raises(Refused, match="Could not edit real server"):
        ours.drain()
    assert ours.drains() == {}
    assert "-w 3" in ours.script()[0]
    ours.kernel.refuse = lambda operation: 0
    ours.drain()
    ours.kernel.refuse = lambda operation: errno.EPERM
    with pytest.raises(Refused):
        ours.restore()
    assert ours.drains() == {name(1): Drain(3, 1000)}
    assert "-w 0" in ours.script()[0]


def test_a_kernel_without_ipvs(host):
    host.kernel.loaded = False
    with pytest.raises(InvalidInput, match="is in no service"):
        host.drain()
    assert details(host.drain(state="unchanged")) == {
        "real_servers": [],
        "active_connections": 0,
        "inactive_connections": 0,
        "persistent_connections": 0,
        "idle": True,
        "restored": True,
        "in_service": False,
    }
    assert not host.kernel.loaded


def test_another_program_undoes_it_at_once(ours):
    ours.kernel.meddle = lambda services: ours.kernel.set_weight(name(1), 5)
    with pytest.raises(Interference, match="undone"):
        ours.drain()


def test_what_is_gone_is_forgotten(ours):
    ours.drain()
    ours.apply([])
    done = ours.restore()
    assert done.changed
    assert verbs(done) == [f"restore {drain.words_of(name(1))}"]
    assert "does not exist any more" in done.warnings[0]
    assert ours.drains() == {}


def test_the_drain_is_recorded_before_the_weight_is_0(ours):
    seen = []

    def look(_operation):
        seen.append(ours.drains())
        return 0

    ours.kernel.refuse = look
    ours.drain()
    assert seen == [{name(1): Drain(3, 1000)}]


# Where keepalived owns the table


def test_both_get_the_weight(theirs):
    done = steps(theirs, None)
    assert verbs(done) == [
        f"drain {drain.words_of(name(1))}",
        "edit /etc/keepalived/keepalived.conf",
    ]
    assert theirs.kernel.weights == {name(1): 0, name(2): 1}
    assert theirs.keepalived.text == with_weights(TEXT, {name(1): 0})
    # What is checked has all weights.
    assert set(theirs.keepalived.checked) == {TEXT}
    done = steps(theirs, None, state="restored")
    assert verbs(done)[0] == "edit /etc/keepalived/keepalived.conf"
    assert theirs.keepalived.text == TEXT
    assert theirs.kernel.weights == {name(1): 3, name(2): 1}


def test_the_diff_shows_weights_and_not_the_file(theirs):
    (shown,) = [each for each in theirs.drain().diff if "keepalived" in each["before_header"]]
    assert shown["before"] == "real server 10.0.0.1:80 of service tcp 192.0.2.1:80 weight 3\n"
    assert shown["after"] == "real server 10.0.0.1:80 of service tcp 192.0.2.1:80 weight 0\n"


def test_a_configuration_that_is_not_claimed_is_not_touched(ours):
    ours.keepalived.text = TEXT
    ours.drain()
    assert ours.keepalived.text == TEXT
    assert ours.kernel.weights[name(1)] == 0


def test_one_that_has_failed_its_checks_is_drained_in_the_configuration(theirs):
    key, server = drain.keys_of(name(1))
    theirs.kernel.services[key] = theirs.kernel.services[key].with_real_server(server, None)
    theirs.drain()
    assert theirs.drains() == {name(1): Drain(3, 1000)}
    assert theirs.keepalived.weights() == {name(1): 0, name(2): 1}
    theirs.restore()
    assert theirs.keepalived.text == TEXT


def test_what_keepalived_does_not_take_changes_nothing(theirs):
    theirs.keepalived.complaint = "unknown keyword"
    with pytest.raises(Refused, match="unknown keyword"):
        theirs.drain()
    assert theirs.kernel.weights[name(1)] == 3
    assert theirs.keepalived.text == TEXT
    assert theirs.drains() == {}
    theirs.keepalived.complaint = None
    theirs.drain()
    theirs.keepalived.complaint = "unknown keyword"
    with pytest.raises(Refused):
        theirs.restore(steps=2)
    assert theirs.drains() == {name(1): Drain(3, 1000)}
    assert theirs.kernel.weights[name(1)] == 0


def test_it_is_not_restored_in_the_kernel_where_the_reload_fails(theirs):
    theirs.drain()
    theirs.keepalived.dies = True
    with pytest.raises(Refused, match="it is dead"):
        theirs.restore()
    assert theirs.kernel.weights[name(1)] == 0
    assert theirs.drains() == {name(1): Drain(3, 1000)}


def test_it_stays_drained_in_the_kernel_where_the_reload_fails(theirs):
    theirs.keepalived.dies = True
    with pytest.raises(Refused, match="it is dead"):
        theirs.drain()
    assert theirs.kernel.weights[name(1)] == 0
    assert theirs.drains() == {name(1): Drain(3, 1000)}
    theirs.keepalived.dies = False
    done = theirs.drain()
    assert verbs(done)[-1] == "edit /etc/keepalived/keepalived.conf"
    assert theirs.keepalived.weights()[name(1)] == 0


def test_a_run_that_was_killed_before_the_reload_is_completed(theirs):
    theirs.drain()
    theirs.keepalived.pending = True
    assert verbs(theirs.drain()) == ["edit /etc/keepalived/keepalived.conf"]
    assert not theirs.keepalived.pending
    theirs.keepalived.pending = True
    assert verbs(theirs.drain(state="unchanged")) == []


def test_the_password_is_in_no_result(theirs):
    theirs.keepalived.text = "$PASSWORD=secret\n" + TEXT
    theirs.keepalived.text = TEXT.replace("\n", "\n$PASSWORD=secret\n", 1)
    outcome = theirs.drain()
    assert "secret" not in repr(outcome)
    assert "secret" in theirs.keepalived.text


def test_an_odd_claim_does_no_harm():
    assert Drain.of(Claim(None)) == Drain(1, 0)


def test_connections_may_come_and_go_between_two_looks():
    one = kind.Current({}, connections={name(1): kind.Connections(1)})
    other = one._replace(connections={name(1): kind.Connections(2)})
    assert (one == other, one != other) == (True, False)
    later = one._replace(reschedules=True)
    assert (one == later, one != later) == (False, True)


def test_the_work_of_the_configuration_hides_its_text():
    assert "secret" not in repr(kind._Text("secret", "secret"))


def test_the_kind_is_told_apart():
    assert kind.Drains.claim_kinds == (drain.DRAIN,)
    assert kind.Drains.rereads
