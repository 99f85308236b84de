# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table goes over to another program, and comes back from keepalived, without being touched."""

from __future__ import annotations

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.engine import Held
from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.host.manifest import (
    KEEPALIVED_MADE,
    Claim,
)
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import ownership
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.daemon import KIND, Daemon
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.kind import (
    Current,
    CurrentDaemons,
    DesiredDaemon,
    SyncDaemons,
    Table,
)
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import (
    RealServerAttributes,
    RealServerKey,
    Service,
    ServiceAttributes,
    ServiceKey,
)
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.table import (
    DesiredTable,
    ReleasedTable,
)
from ansible_collections.lvs.cluster.plugins.module_utils.keepalived.model import Made

from ..fake_kernel import FakeKernel

WEB = ServiceKey.at("tcp", "192.0.2.100", 80)
OTHER = ServiceKey.at("tcp", "192.0.2.101", 80)
ONE, TWO = (RealServerKey.at(f"10.0.0.{number}", 80) for number in (1, 2))
RR = ServiceAttributes("rr", "255.255.255.255")
THERE = {
    WEB: Service(WEB, RR, {ONE: RealServerAttributes(), TWO: RealServerAttributes()}),
    OTHER: Service(OTHER, RR),
}
OWN = {
    "ipvs_service": {str(WEB): Claim()},
    "ipvs_real_server": {
        f"{WEB} > {ONE}": Claim(),
        f"{WEB} > {TWO}": Claim({"weight": 5}),
        f"{OTHER} > {ONE}": Claim(),
    },
}


def released(held, prune=True):
    table = Table(ReleasedTable({}), "a", True, FakeKernel().kernel)
    return table.plan(Current(THERE), held, prune, False)


@pytest.mark.parametrize("others", [{}, {"ipvs_service": {str(WEB): {"b": Claim()}}}])
def test_a_table_that_is_released_stays_as_it_is_and_is_no_longer_ours(others):
    plan = released(Held(OWN, others))
    assert plan.operations == ()
    assert not any(plan.claims.values())
    assert [script.body for script in plan.scripts] == [None]
    assert (plan.remaining, plan.packages) == ((), ())
    assert plan.details["not_added"] == []
    assert not any(diff.before or diff.after for diff in plan.diffs.values())


def test_a_run_that_only_grows_does_not_give_it_up_yet():
    """So neither does one that fails: what restores it at the next boot stays."""
    plan = released(Held(OWN), prune=False)
    assert plan.operations == ()
    assert {kind: plan.claims[kind] for kind in OWN} == OWN
    assert plan.remaining == ()
    (script,) = plan.scripts
    assert f"-a -t {WEB.address}:80 -r {ONE}" in script.body
    assert f"-t {OTHER.address}:80" not in script.body


def test_what_was_drained_is_said_by_whom_it_goes_to():
    drains = {"drain": {f"{WEB} > {ONE}": {"drained": Claim({"weight": 1, "since": 1})}}}
    plan = released(Held({**OWN, "described_weight": {"x": Claim()}}, drains))
    assert plan.claims["described_weight"] == {}


def test_nothing_can_be_combined_with_release():
    assert Table.of({"release": True}, "a", None)
    with pytest.raises(InvalidInput, match=r"table\.services: unknown option"):
        Table.of({"release": True, "services": []}, "a", None)


MADE = Made(
    frozenset(
        [
            ("ipvs_service", str(WEB)),
            ("ipvs_real_server", f"{WEB} > {ONE}"),
            ("ipvs_real_server", f"{WEB} > {TWO}"),
        ]
    ),
    frozenset([WEB.address]),
    frozenset([7]),
).claims


@pytest.mark.parametrize("adopts", [True, False])
def test_what_keepalived_has_made_is_ours_where_it_is_taken_over(adopts):
    wanted = Service(WEB, RR, {ONE: RealServerAttributes()})
    table = Table(DesiredTable({WEB: wanted}), "a", True, FakeKernel().kernel, adopts=adopts)
    plan = table.plan(Current(THERE), Held({}, {}, MADE), True, False)
    assert [str(each) for each in plan.operations] == (
        [f"delete real server {TWO} of service {WEB}"] if adopts else []
    )
    claims = plan.claims
    assert set(claims["ipvs_service"]) == {str(WEB)}
    assert set(claims["ipvs_real_server"]) == {f"{WEB} > {ONE}"}
    assert (claims["ipvs_service"][str(WEB)] == Claim()) == adopts
    # With nothing claimed, nothing is adopted; and nothing but the table.
    assert ownership.with_taken_over(OWN, {}) == OWN
    assert ownership.with_taken_over({}, MADE[KEEPALIVED_MADE]) == {
        "ipvs_service": {str(WEB): Claim()},
        "ipvs_real_server": {f"{WEB} > {ONE}": Claim(), f"{WEB} > {TWO}": Claim()},
    }


def test_what_was_ours_before_keeps_its_claim():
    claims = ownership.with_taken_over(OWN, MADE[KEEPALIVED_MADE])
    assert claims["ipvs_real_server"][f"{WEB} > {TWO}"] == Claim({"weight": 5})


@pytest.mark.parametrize(("entry", "adopts"), [({"services": []}, True), (None, False)])
def test_only_a_table_that_is_desired_takes_over(entry, adopts):
    plan = Table.of(entry, "a", None).plan(Current(THERE), Held({}, {}, MADE), True, False)
    assert bool(plan.shrink) == adopts


@pytest.mark.parametrize(("syncid", "found"), [(7, False), (8, True)])
def test_a_sync_daemon_of_keepalived_is_ours_where_it_is_taken_over(syncid, found):
    running = {"master": Daemon("master", "eth1", syncid), "backup": Daemon("backup", "eth1", 7)}
    desired = [DesiredDaemon("master", {"interface": "eth1", "syncid": 7})]
    daemons = SyncDaemons(desired, kernel=FakeKernel().kernel, adopts=True)
    plan = daemons.plan(CurrentDaemons(running), Held({}, {}, MADE), True, False)
    assert set(plan.claims[KIND]) == {"master"}
    assert (plan.claims[KIND]["master"].found is not None) == found
    # The other one is keepalived's to stop.
    assert plan.shrink == ()
