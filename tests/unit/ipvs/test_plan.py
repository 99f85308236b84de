# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from hypothesis import given

from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import rules
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import (
    RealServerAttributes,
    RealServerKey,
    Service,
    ServiceAttributes,
    ServiceKey,
)
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.plan import (
    ADD,
    DELETE,
    EDIT,
    RealServerOperation,
    ServiceOperation,
    plan,
)

from ..fake_kernel import carry_out
from ..strategies import tables

WEB = ServiceKey.at("tcp", "170.210.122.104", 80)
DNS = ServiceKey.at("udp", "170.210.122.104", 53)
ONE = RealServerKey.at("192.168.0.107", 80)
TWO = RealServerKey.at("192.168.0.108", 80)
RR = ServiceAttributes("rr", "255.255.255.255")
WRR = ServiceAttributes("wrr", "255.255.255.255")
NAT = RealServerAttributes()


@given(tables, tables)
def test_a_plan_leads_to_its_target(current, target):
    table = dict(current)
    todo = plan(current, target)
    assert [carry_out(table, operation) for operation in todo.operations] == [0] * len(
        todo.operations
    )
    assert table == target
    assert not plan(table, target)


@given(tables, tables)
def test_nothing_that_can_be_edited_is_made_anew(current, target):
    seen = set()
    for operation in plan(current, target).operations:
        name = (operation.service, getattr(operation, "real_server", None))
        assert name not in seen, "two operations on one object"
        seen.add(name)
        known = operation.service in current and (
            isinstance(operation, ServiceOperation)
            or operation.real_server in current[operation.service].real_servers
        )
        assert (operation.verb == ADD) == (not known)


@given(tables, tables)
def test_removals_come_last(current, target):
    todo = plan(current, target)
    assert all(operation.verb != DELETE for operation in todo.changes)
    assert all(operation.verb == DELETE for operation in todo.removals)
    assert todo.operations == todo.changes + todo.removals


@given(tables, tables)
def test_operations_are_in_the_order_of_their_addresses(current, target):
    todo = plan(current, target)
    for operations in (todo.changes, todo.removals):
        keys = [operation.service.sort_key for operation in operations]
        assert keys == sorted(keys)


@given(tables, tables)
def test_the_diff_shows_what_the_operations_do(current, target):
    def lines(table):
        return {line for service in table.values() for line in rules.service_lines(service)}

    todo = plan(current, target)
    assert set(todo.before) == lines(current) - lines(target)
    assert set(todo.after) == lines(target) - lines(current)


def test_a_plan_for_the_classic_cluster():
    target = {WEB: Service(WEB, RR, {TWO: NAT, ONE: NAT})}
    todo = plan({}, target)
    assert [str(operation) for operation in todo.operations] == [
        "add service tcp 170.210.122.104:80",
        "add real server 192.168.0.107:80 of service tcp 170.210.122.104:80",
        "add real server 192.168.0.108:80 of service tcp 170.210.122.104:80",
    ]
    assert todo.before == ()
    assert todo.after == (
        "-A -t 170.210.122.104:80 -s rr",
        "-a -t 170.210.122.104:80 -r 192.168.0.107:80 -m -w 1",
        "-a -t 170.210.122.104:80 -r 192.168.0.108:80 -m -w 1",
    )


def test_an_edit_knows_what_was_there():
    drained = RealServerAttributes(weight=0)
    todo = plan({WEB: Service(WEB, RR, {ONE: NAT})}, {WEB: Service(WEB, WRR, {ONE: drained})})
    assert todo.operations == (
        ServiceOperation(EDIT, WEB, RR, WRR),
        RealServerOperation(EDIT, WEB, ONE, NAT, drained),
    )
    assert todo.before == (
        "-A -t 170.210.122.104:80 -s rr",
        "-a -t 170.210.122.104:80 -r 192.168.0.107:80 -m -w 1",
    )
    assert todo.after == (
        "-A -t 170.210.122.104:80 -s wrr",
        "-a -t 170.210.122.104:80 -r 192.168.0.107:80 -m -w 0",
    )


def test_a_service_that_goes_takes_its_real_servers_along():
    other = Service(DNS, RR)
    todo = plan({WEB: Service(WEB, RR, {ONE: NAT}), DNS: other}, {DNS: other})
    assert todo.operations == (ServiceOperation(DELETE, WEB, RR, None),)
    assert len(todo.before) == 2
