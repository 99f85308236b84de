# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which kinds a run has, and in which order."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils import kinds
from ansible_collections.lvs.cluster.plugins.module_utils.engine import Held
from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.host.commands import Commands
from ansible_collections.lvs.cluster.plugins.module_utils.host.manifest import Claim, Manifest
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.kind import Current
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import (
    Service,
    ServiceAttributes,
    ServiceKey,
)
from ansible_collections.lvs.cluster.plugins.module_utils.network.address import Address
from ansible_collections.lvs.cluster.plugins.module_utils.network.kinds import Segment

WEB = ServiceKey.at("tcp", "192.0.2.1", 80)
NONE = Manifest("a")
RUNNING = NONE.with_claim("keepalived", "keepalived", Claim({}))
DIRECTOR = {name: {"x": 1} for name in ("settings", "timeouts", "table", "marks", "addresses")}


def used(configuration, manifest=NONE):
    return kinds.used(configuration, manifest, lambda _pattern: False)


def test_keepalived_comes_last():
    names = used({"keepalived": {"text": ""}, **DIRECTOR})
    assert names == ["settings", "timeouts", "table", "marks", "addresses", "keepalived"]
    assert used({"keepalived": {"text": ""}, **DIRECTOR}, RUNNING) == names


def test_keepalived_leaves_before_what_is_taken_over_from_it_grows():
    assert used(DIRECTOR, RUNNING) == [
        *("settings", "keepalived", "timeouts", "table", "marks", "addresses")
    ]
    assert used({}, RUNNING) == ["keepalived"]
    assert used(DIRECTOR) == ["settings", "timeouts", "table", "marks", "addresses"]


def test_all_others_keep_their_places():
    everything = {name: {"x": 1} for name in kinds.KINDS}
    assert used(everything) == list(kinds.KINDS)
    without = {name: entry for name, entry in everything.items() if name != "keepalived"}
    names = used(without, RUNNING)
    assert [name for name in names if name != "keepalived"] == list(without)
    assert names.index("keepalived") == names.index("timeouts") - 1


def test_what_is_no_kind_is_told():
    with pytest.raises(InvalidInput, match="is not a kind of resource"):
        used({"tabel": {}})


@pytest.mark.parametrize(
    ("configuration", "takes_over"),
    [
        ({}, False),
        ({"table": {"services": []}}, True),
        ({"table": {"release": True}}, False),
        ({"addresses": {"addresses": ["192.0.2.1"]}}, False),
        ({"table": {"services": []}, "keepalived": {"text": ""}}, False),
    ],
)
def test_whether_what_keepalived_has_made_becomes_ours(configuration, takes_over):
    context = kinds.Context("a", Commands(lambda *_words: (0, "", "")), configuration)
    assert context.takes_over == takes_over


def built(name, configuration):
    context = kinds.Context("a", Commands(lambda *_words: (0, "", "")), configuration)
    return kinds.build([name], context)[0]


def test_what_keepalived_makes_is_not_taken_away_from_it():
    """Also where the configuration says nothing of the other kinds."""
    keepalived = {"keepalived": {"table": True, "floating": ["192.0.2.1"]}}
    claims = {"ipvs_service": {"tcp 192.0.2.1:80": Claim()}}
    table = {WEB: Service(WEB, ServiceAttributes.default("ipv4"))}
    plan = built("table", keepalived).plan(Current(table), Held(claims), True, False)
    assert plan.operations == ()
    address = Address("192.0.2.1", 32, "eth1")
    held = Held({"address": {str(address): Claim()}})
    plan = built("addresses", keepalived).plan(Segment((address,), ("eth1",)), held, True, False)
    assert (plan.operations, plan.claims) == ((), {"address": {}})
    with pytest.raises(InvalidInput, match=r"^table: cannot be combined with keepalived\.table"):
        built("table", {**keepalived, "table": {"services": []}})
    assert built("table", {**keepalived, "table": {"release": True}})


def test_the_sync_daemons_make_way_for_that_of_keepalived():
    for sync, yields in ((None, False), ({"syncid": 1}, True)):
        daemons = built("sync_daemons", {"keepalived": {"sync": sync}})
        assert daemons._yields == yields


def printed(code):
    """What a program prints, of an interpreter that has imported nothing yet."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_keepalived_is_imported_only_where_it_is_used():
    code = (
        "import sys\n"
        "from ansible_collections.lvs.cluster.plugins.module_utils import kinds\n"
        "from ansible_collections.lvs.cluster.plugins.module_utils.host.commands import Commands\n"
        "context = kinds.Context('a', Commands(print), {'table': {'services': []}})\n"
        "kinds.build(['table', 'addresses', 'sync_daemons'], context)\n"
        "print([name for name in sys.modules if 'keepalived' in name])\n"
    )
    assert printed(code) == "[]\n"


def test_no_module_of_hosts_defines_a_dataclass():
    """Those of all kinds would take longer than all the rest of their import."""
    code = (
        "import importlib, pkgutil\n"
        "from ansible_collections.lvs.cluster.plugins import module_utils\n"
        "walk = pkgutil.walk_packages(module_utils.__path__, f'{module_utils.__name__}.')\n"
        "ours = [importlib.import_module(each.name) for each in walk]\n"
        "print(len(ours) > 60)\n"
        "for each in {each for module in ours for each in vars(module).values() if isinstance(each, type)}:\n"
        "    if hasattr(each, '__dataclass_fields__'):\n"
        "        print(each)\n"
    )
    assert printed(code) == "True\n"
