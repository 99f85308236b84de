# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""keepalived comes, changes and goes, on a fake one that does to a fake kernel what the real one does."""

from __future__ import annotations

import copy
import errno

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.engine import Engine
from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput, Refused
from ansible_collections.lvs.cluster.plugins.module_utils.host import boot
from ansible_collections.lvs.cluster.plugins.module_utils.host.commands import Commands
from ansible_collections.lvs.cluster.plugins.module_utils.host.manifest import Claim, Manifest
from ansible_collections.lvs.cluster.plugins.module_utils.host.options import filled
from ansible_collections.lvs.cluster.plugins.module_utils.host.store import Store
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.daemon import Daemon
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.kind import (
    SyncDaemons,
    Table,
    described,
)
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import (
    RealServerAttributes,
    RealServerKey,
    Service,
    ServiceAttributes,
    ServiceKey,
)
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.options import TABLE_OPTIONS
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.ownership import real_server_name
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.table import ReleasedTable
from ansible_collections.lvs.cluster.plugins.module_utils.keepalived import conf
from ansible_collections.lvs.cluster.plugins.module_utils.keepalived.kind import Keepalived
from ansible_collections.lvs.cluster.plugins.module_utils.keepalived.model import Desired
from ansible_collections.lvs.cluster.plugins.module_utils.keepalived.service import DROP_IN
from ansible_collections.lvs.cluster.plugins.module_utils.network import wire
from ansible_collections.lvs.cluster.plugins.module_utils.network.address import Address
from ansible_collections.lvs.cluster.plugins.module_utils.network.kinds import (
    ADDRESS_OPTIONS,
    Addresses,
    request_of,
)
from ansible_collections.lvs.cluster.plugins.module_utils.network.model import Link

from ..fake_kernel import FakeKernel
from .fake_keepalived import FakeIp, FakeKeepalived, Killed, service_lines

OWNER = "cluster-a"
VIP = "10.83.0.100"
OWN = Address("10.83.0.2", 24, "eth1")
ON_WIRE = Address(VIP, 32, "eth1")
WEB, DNS = ServiceKey.at("tcp", VIP, 80), ServiceKey.at("udp", VIP, 53)
ONE, TWO, THREE = (RealServerKey.at(f"10.0.0.{number}", 80) for number in (1, 2, 3))
SORRY = RealServerKey.at("10.0.0.9", 80)


def server(number, port=80, **more):
    return {"address": f"10.0.0.{number}", "port": port, "forwarding": "nat", **more}


def web(*servers, scheduler="rr", **more):
    listed = list(servers or (server(1), server(2)))
    key = {"protocol": "tcp", "address": VIP, "port": 80}
    return {**key, "scheduler": scheduler, "real_servers": listed, **more}


def dns(*servers):
    key = {"protocol": "udp", "address": VIP, "port": 53}
    return {**key, "scheduler": "rr", "real_servers": list(servers or (server(1, 53),))}


def entry(*services, table=True, inhibit=False, more="", path="", **options):
    """What the control node derives."""
    listed = list(services) if services else [web()]
    text = [f"vrrp {more}".strip()]
    for each in listed if table else ():
        text += service_lines(each, inhibit, path)
    found = {
        "text": "\n".join(text) + "\n",
        "interfaces": {"OWN": {"of": "10.83.0.2"}, "VIP": {"for": VIP}},
        "vrrp_interfaces": ["OWN"],
        "table": table,
        "floating": [VIP],
        "settle_seconds": 5,
    }
    if table:
        found["services"] = listed
        found["inhibit"] = [
            {name: each[name] for name in ("protocol", "address", "port")}
            for each in (listed if inhibit else ())
        ]
    return {**found, **options}


def scheduled(scheduler):
    return ServiceAttributes.default("ipv4")._replace(scheduler=scheduler)


class Host:
    """A host with a fake kernel, a fake keepalived and our manifests."""

    def __init__(self, folder, *services, addresses=(OWN,)):
        self.kernel = FakeKernel(*services)
        self.ip = FakeIp(*addresses)
        self.keepalived = FakeKeepalived(self.kernel, self.ip)
        self.keepalived.floating = (VIP,)
        self.folder = folder

    def store(self, owner=OWNER):
        return Store(owner, directory=str(self.folder / "state"), lock=str(self.folder / "lock"))

    def claim(self, owner, kind, name, found=None):
        """Another owner's claim."""
        store = self.store(owner)
        store.save(store.load().with_claim(kind, name, Claim(found)))

    def run(
        self, entry=None, table=None, addresses=None, check=False, prune=True, daemons=(), **more
    ):
        """As lvs_host runs it. ``table`` is that of the configuration, "release" a released one."""
        takes_over = table not in (None, "release") and entry is None
        desired = Desired.of(entry) if entry else None
        keepalived = Keepalived(
            desired,
            OWNER,
            self.ip,
            self.keepalived,
            more.get("password", ""),
            takes_over,
            daemons,
            self.kernel.kernel,
        )
        others = []
        if table is not None:
            wanted = (
                ReleasedTable({})
                if table == "release"
                else described(filled({"services": table}, TABLE_OPTIONS))
            )
            adopts = table != "release"
            kernel = self.kernel.kernel
            others.append(Table(wanted, OWNER, True, kernel, adopts=adopts))
        if addresses is not None:
            request = request_of(filled(addresses, ADDRESS_OPTIONS))
            commands = Commands(lambda *_words, **_more: (0, "", ""))
            others.append(
                Addresses(request, OWNER, self.ip, commands, adopts=takes_over, keeps=True)
            )
        ordered = [*others, keepalived] if entry else [keepalived, *others]
        engine = Engine(self.store(), Commands(nothing), check, prune, sleep=lambda _seconds: None)
        return engine.run(ordered)

    def servers(self, key=WEB):
        service = self.kernel.services.get(key)
        return (
            {str(each): its.weight for each, its in service.real_servers.items()}
            if service
            else None
        )

    @property
    def made(self):
        return self.store().load().claims.get("keepalived_made")


def nothing(*_words, **_more):
    return 0, "", ""


@pytest.fixture(autouse=True)
def _no_files(monkeypatch, tmp_path):
    """Nothing is written that the next boot would need."""
    monkeypatch.setattr(boot, "FOLDER", str(tmp_path / "boot"))
    monkeypatch.setattr(boot, "wanted_changes", lambda *_words: [])
    monkeypatch.setattr(Commands, "find", staticmethod(lambda name: f"/sbin/{name}"))
    monkeypatch.setattr(
        "ansible_collections.lvs.cluster.plugins.module_utils.network.rtnl.is_there", lambda: True
    )


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def words(outcome, kind="keepalived"):
    return [str(operation) for operation in outcome.plans[kind].operations]


def details(outcome):
    return outcome.plans["keepalived"].details


START = [f"write {DROP_IN}", f"write {conf.PATH}", "start keepalived"]
RELOAD = [f"write {conf.PATH}", "reload keepalived"]


def test_check_then_start_then_nothing(host):
    checked = host.run(entry(), check=True)
    assert words(checked) == START
    assert (host.keepalived.done, host.keepalived.file, host.made) == ([], None, None)
    done = host.run(entry())
    assert words(done) == START
    assert done.diff == checked.diff
    assert host.keepalived.done == ["unit", "put", "enable", "start"]
    assert host.keepalived.file.startswith("# Of lvs.cluster, for owner cluster-a: ")
    assert "\n$OWN=eth1\n$TRACKED=\n$VIP=eth1\nvrrp\n# service" in host.keepalived.file
    assert host.servers() == {"10.0.0.1:80": 1, "10.0.0.2:80": 1}
    assert not host.keepalived.pending
    again = host.run(entry())
    assert not again.changed
    assert again.diff == []
    assert again.warnings == []
    assert len(host.keepalived.done) == 4
    assert details(again)["state"] == "active"
    assert details(again)["failing"] == details(again)["missing"] == []


def test_what_is_claimed_says_what_keepalived_makes(host):
    host.run(entry(sync={"syncid": 7}))
    assert host.store().load().claims == {
        "keepalived": {"keepalived": Claim()},
        "keepalived_made": {
            f"address {VIP}": Claim(),
            "sync 7": Claim(),
            f"tcp {VIP}:80": Claim(),
            f"tcp {VIP}:80 > 10.0.0.1:80": Claim(),
            f"tcp {VIP}:80 > 10.0.0.2:80": Claim(),
        },
    }


def test_a_host_without_keepalived_is_shown_everything_and_nothing_is_changed(host):
    host.keepalived.installed = False
    for check in (True, False):
        outcome = host.run(entry(), check=check)
        assert outcome.missing == ("keepalived",)
        assert words(outcome) == START
        assert any("virtual_server" in part["after"] for part in outcome.diff)
    assert (host.keepalived.done, host.keepalived.tested) == ([], [])


@pytest.mark.parametrize("check", [True, False])
def test_what_keepalived_refuses_changes_nothing(host, check):
    host.run(entry())
    before = host.keepalived.file
    host.keepalived.refused = "line 7: Unknown keyword 'lvs_shed'"
    with pytest.raises(
        InvalidInput, match=r"'keepalived -t'.*line 7: Unknown keyword .*old config"
    ):
        host.run(entry(more="changed"), check=check)
    assert host.keepalived.file == before
    assert len(host.keepalived.done) == 4
    # What it would be run with is what is tested, and only where it changes.
    assert "vrrp changed\n" in host.keepalived.tested[-1]
    count = len(host.keepalived.tested)
    host.run(entry())
    assert len(host.keepalived.tested) == count


def test_a_configuration_of_somebody_else_is_refused(host):
    host.keepalived.file = "global_defs {\n}\n"
    with pytest.raises(
        InvalidInput, match="was not written by this collection, and would be overwritten"
    ):
        host.run(entry())
    assert host.keepalived.tested == []
    host.keepalived.file = "\n"
    host.run(entry())
    assert host.keepalived.running


def test_one_keepalived_serves_one_owner(host):
    host.claim("cluster-b", "keepalived", "keepalived", {})
    with pytest.raises(
        InvalidInput, match="is already managed by the owner cluster-b on this host"
    ):
        host.run(entry())


def test_what_others_keep_is_not_taken_by_keepalived(host):
    host.claim("default", "ipvs_service", f"tcp {VIP}:80")
    with pytest.raises(
        InvalidInput, match=r"the table of tcp 10\.83.*belongs to the owner default"
    ):
        host.run(entry())
    host.run(entry(table=False))


def test_a_floating_address_of_another_owner_is_refused(host):
    host.claim("default", "address", str(ON_WIRE))
    with pytest.raises(
        InvalidInput, match=f"the virtual address {VIP}: belongs to the owner default"
    ):
        host.run(entry())


def test_the_sync_daemon_of_another_owner_is_refused(host):
    host.kernel.running["backup"] = Daemon("backup", "eth1")
    host.claim("default", "ipvs_sync_daemon", "backup")
    host.run(entry())
    with pytest.raises(InvalidInput, match="the sync daemon backup: is run by the owner default"):
        host.run(entry(sync={"syncid": 7}))


def test_a_masked_service_is_told(host):
    host.keepalived.masked = True
    with pytest.raises(InvalidInput, match="is masked on this host; run 'systemctl unmask"):
        host.run(entry())


def test_a_change_reloads_and_never_restarts(host):
    host.run(entry())
    changed = entry(web(server(1, weight=5), server(3), scheduler="wlc"))
    checked = host.run(changed, check=True)
    done = host.run(changed)
    assert checked.diff == done.diff
    # What a reload may not do is edited all the same.
    assert words(done) == [
        *RELOAD,
        f"edit service tcp {VIP}:80",
        f"edit real server 10.0.0.1:80 of service tcp {VIP}:80",
    ]
    assert host.keepalived.done[4:] == ["put", "reload"]
    assert host.servers() == {"10.0.0.1:80": 5, "10.0.0.3:80": 1}
    assert host.kernel.services[WEB].attributes.scheduler == "wlc"
    assert not host.run(changed).changed


def test_thresholds_which_a_reload_ignores_are_edited(host):
    host.run(entry())
    changed = entry(web(server(1, upper_threshold=100), server(2)))
    done = host.run(changed)
    assert words(done)[2:] == [f"edit real server 10.0.0.1:80 of service tcp {VIP}:80"]
    assert host.kernel.services[WEB].real_servers[ONE].upper_threshold == 100
    assert any("-x 100" in part["after"] for part in done.diff)
    assert not host.run(changed).changed


def test_what_somebody_has_edited_by_hand_is_repaired_without_a_reload(host):
    host.run(entry(web(), dns()))
    service = host.kernel.services[WEB]
    attributes = service.attributes._replace(scheduler="lc")
    service = service.with_attributes(attributes).with_real_server(
        ONE, RealServerAttributes(weight=0)
    )
    host.kernel.services[WEB] = service
    done = host.run(entry(web(), dns()))
    assert words(done) == [
        f"edit service tcp {VIP}:80",
        f"edit real server 10.0.0.1:80 of service tcp {VIP}:80",
    ]
    assert host.keepalived.done[4:] == []
    assert host.servers() == {"10.0.0.1:80": 1, "10.0.0.2:80": 1}
    assert not host.run(entry(web(), dns())).changed


def test_a_real_server_that_fails_is_told_and_not_added(host):
    host.keepalived.sick = {"10.0.0.2:80"}
    done = host.run(entry())
    assert host.servers() == {"10.0.0.1:80": 1}
    pair = {
        "service": {"protocol": "tcp", "address": VIP, "port": 80},
        "real_server": {"address": "10.0.0.2", "port": 80},
    }
    assert details(done)["failing"] == [pair]
    # The run has waited for it as long as it may take.
    assert 5 <= host.keepalived.clock < 6
    assert "service: 10.0.0.2:80 of service tcp 10.83.0.100:80. Either" in done.warnings[0]
    again = host.run(entry())
    assert not again.changed
    assert (details(again)["failing"], len(again.warnings)) == ([pair], 1)
    assert host.servers() == {"10.0.0.1:80": 1}


def test_a_run_does_not_wait_for_what_is_there(host):
    host.run(entry())
    assert host.keepalived.clock < 1


def test_keepalived_gets_some_time_to_change_attributes_itself(host):
    host.run(entry())
    service = host.kernel.services[WEB]
    host.kernel.services[WEB] = service.with_attributes(scheduled("lc"))
    before = host.keepalived.clock
    host.run(entry(more="changed"))
    assert 2 <= host.keepalived.clock - before < 3
    assert host.kernel.services[WEB].attributes.scheduler == "rr"


def test_before_keepalived_has_read_its_configuration_nothing_is_wrong(host):
    host.keepalived.sick = {"10.0.0.2:80"}
    host.run(entry())
    assert host.run(entry(), check=True).warnings
    assert host.run(entry(more="changed"), check=True).warnings == []


@pytest.mark.parametrize("scheduler", ["rr", "lc"])
def test_a_weight_of_0_by_inhibit_is_a_failure_and_no_edit(host, scheduler):
    host.keepalived.sick = {"10.0.0.2:80"}
    host.run(entry(inhibit=True))
    assert host.servers() == {"10.0.0.1:80": 1, "10.0.0.2:80": 0}
    done = host.run(entry(web(scheduler=scheduler), inhibit=True))
    assert done.changed == (scheduler == "lc")
    assert len(details(done)["failing"]) == 1
    assert host.servers() == {"10.0.0.1:80": 1, "10.0.0.2:80": 0}
    # Other attributes of it are repaired without giving it a weight.
    thresholds = entry(
        web(server(1), server(2, upper_threshold=9), scheduler=scheduler), inhibit=True
    )
    host.run(thresholds)
    found = host.kernel.services[WEB].real_servers[TWO]
    assert (found.weight, found.upper_threshold) == (0, 9)


def test_a_service_that_is_missing_is_told_and_not_added(host):
    host.run(entry(web(), dns()))
    del host.kernel.services[DNS]
    again = host.run(entry(web(), dns()))
    assert not again.changed
    assert details(again)["missing"] == [
        {"service": {"protocol": "udp", "address": VIP, "port": 53}}
    ]
    assert f"services are missing from the IPVS table: udp {VIP}:53" in again.warnings[0]
    assert DNS not in host.kernel.services


def test_a_sorry_server_is_not_foreign_and_others_are_told(host):
    key = {"protocol": "tcp", "address": VIP, "port": 80}
    with_sorry = entry(sorry=[{"service": key, "real_server": {"address": "10.0.0.9", "port": 80}}])
    host.run(with_sorry)
    service = host.kernel.services[WEB].with_real_server(SORRY, RealServerAttributes())
    host.kernel.services[WEB] = service.with_real_server(THREE, RealServerAttributes())
    again = host.run(with_sorry)
    assert not again.changed
    assert details(again)["sorry"] == [
        {"service": key, "real_server": {"address": "10.0.0.9", "port": 80}}
    ]
    assert details(again)["foreign"] == [
        {"service": key, "real_server": {"address": "10.0.0.3", "port": 80}}
    ]
    assert set(host.servers()) == {"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.9:80"}


def test_the_addresses_that_this_host_has_are_told(host):
    host.run(entry())
    assert details(host.run(entry()))["holds"] == []
    host.ip.all.append(ON_WIRE)
    again = host.run(entry(), addresses={"release": [VIP]})
    assert not again.changed
    assert details(again)["holds"] == [VIP]
    assert ON_WIRE in host.ip.all


def test_a_sync_daemon_that_does_not_come_is_told(host):
    host.keepalived.sync = 7
    with_sync = entry(sync={"syncid": 7})
    host.run(with_sync)
    assert host.run(with_sync).warnings == []
    host.kernel.running.clear()
    again = host.run(with_sync)
    assert not again.changed
    assert "the sync daemon with syncid 7 does not" in again.warnings[0]
    host.keepalived.sync = 8
    host.run(with_sync)
    changed = host.run(entry(sync={"syncid": 8}, more="8"))
    assert changed.warnings == []
    assert [each["syncid"] for each in details(changed)["sync_daemons"]] == [8]


def test_a_sync_daemon_that_is_no_longer_desired_is_stopped(host):
    """A reload leaves it running."""
    host.keepalived.sync = 7
    host.run(entry(sync={"syncid": 7}))
    running = host.kernel.running["backup"]
    host.keepalived.sync = None
    assert words(host.run(entry(more="without"), check=True))[-1] == "stop the sync daemon backup"
    without = host.run(entry(more="without"), prune=False)
    assert words(without)[-2:] == ["reload keepalived", "stop the sync daemon backup"]
    assert host.kernel.running == {}
    # From then on, a daemon with this syncid belongs to someone else.
    host.kernel.running["backup"] = running
    assert not host.run(entry(more="without")).changed


def test_a_sync_daemon_that_could_not_be_stopped_is_not_forgotten(host):
    def refused(_daemon):
        raise OSError(errno.EPERM, "refused")

    host.keepalived.sync = 7
    host.run(entry(sync={"syncid": 7}))
    host.keepalived.sync = None
    stop, host.kernel.stop_daemon = host.kernel.stop_daemon, refused
    with pytest.raises(Refused, match="the sync daemon backup"):
        host.run(entry(more="without"))
    host.kernel.stop_daemon = stop
    assert words(host.run(entry(more="without"))) == ["stop the sync daemon backup"]
    assert host.kernel.running == {}


def test_a_sync_daemon_that_runs_in_the_other_role_by_then_is_stopped_too(host):
    host.keepalived.sync = 7
    host.run(entry(sync={"syncid": 7}))
    host.keepalived.sync = None
    reload = host.keepalived.reload

    def becomes_active(*given):
        reload(*given)
        host.kernel.running = {"master": Daemon("master", "eth1", 7)}

    host.keepalived.reload = becomes_active
    host.run(entry(more="without"))
    assert host.kernel.running == {}


def test_the_former_sync_daemon_is_stopped_before_keepalived_starts_with_another(host):
    host.keepalived.sync = 7
    host.run(entry(sync={"syncid": 7}))
    host.keepalived.kill()
    host.kernel.running["backup"] = Daemon("backup", "eth1", 7)
    host.keepalived.sync = 8
    started = words(host.run(entry(sync={"syncid": 8}, more="8")))
    assert started.index("stop the sync daemon backup") < started.index("start keepalived")
    assert [each.syncid for each in host.kernel.running.values()] == [8]


def test_a_sync_daemon_that_keepalived_replaces_is_left_to_it(host):
    host.keepalived.sync = 7
    host.run(entry(sync={"syncid": 7}))
    host.keepalived.sync = 8
    host.run(entry(sync={"syncid": 8}, more="8"))
    assert [each.syncid for each in host.kernel.running.values()] == [8]


def test_keepalived_that_was_stopped_is_started(host):
    host.run(entry())
    host.keepalived.stop()
    host.keepalived.disable()
    assert host.servers() is None
    done = host.run(entry())
    assert words(done) == ["start keepalived"]
    assert host.keepalived.enabled
    assert host.servers() == {"10.0.0.1:80": 1, "10.0.0.2:80": 1}
    host.keepalived.disable()
    assert words(host.run(entry())) == ["enable keepalived"]
    assert not host.run(entry()).changed


def test_wrong_permissions_are_set_right_without_a_reload(host):
    host.run(entry())
    host.keepalived.mode_is_right = False
    done = host.run(entry())
    assert words(done) == [f"write {conf.PATH}"]
    assert not host.run(entry()).changed
    assert "reload" not in host.keepalived.done


def test_a_table_that_exists_is_taken_over_without_a_gap(host):
    """With alpha, keepalived would never remove a real server that is there and never answers."""
    existing = Service(
        WEB,
        scheduled("rr"),
        {ONE: RealServerAttributes(), TWO: RealServerAttributes()},
    )
    host.kernel.services[WEB] = existing
    host.keepalived.sick = {"10.0.0.2:80"}
    outcome = host.run(entry(web(server(1), server(2), server(3)), dns()), table="release")
    assert words(outcome) == START
    assert host.keepalived.done == ["unit", "put", "put", "enable", "start", "put", "reload"]
    assert host.servers() == {"10.0.0.1:80": 1, "10.0.0.3:80": 1}
    assert "alpha no" not in host.keepalived.file
    assert not host.run(entry(web(server(1), server(2), server(3)), dns()), table="release").changed


@pytest.mark.parametrize("serves", [True, False])
def test_a_host_that_serves_already_does_not_wait_when_keepalived_starts(host, serves, monkeypatch):
    if serves:
        host.ip.all.append(ON_WIRE)
    seen = []
    put = host.keepalived.put
    monkeypatch.setattr(host.keepalived, "put", lambda text: (seen.append(text), put(text)))
    host.run(entry(more="\nvrrp_startup_delay 10"))
    assert ["vrrp_startup_delay" in text for text in seen] == (
        [True, False, True] if serves else [True]
    )
    assert host.keepalived.done.count("reload") == int(serves)


INSTANCE = "\nvrrp_instance VI {\n    virtual_router_id 7\n    advert_int 1\n}\n"


@pytest.mark.parametrize(
    ("serves", "change", "shortly"),
    [
        (True, ("id 7", "id 8"), True),
        (False, ("id 7", "id 8"), False),
        (True, ("int 1", "int 2"), False),
    ],
)
def test_another_instance_gets_the_addresses_back_before_it_is_reloaded(
    host, serves, change, shortly
):
    """With short intervals of advertisements: with the usual ones it would take three of them."""
    host.run(entry(more=INSTANCE))
    if serves:
        host.ip.all.append(ON_WIRE)
    seen = []
    reload = host.keepalived.reload

    def spy():
        seen.append(("advert_int 0.1" in host.keepalived.file, ON_WIRE in host.ip.all))
        if seen[-1][0]:
            host.ip.all.remove(ON_WIRE)
        reload()

    def sleep(seconds):
        host.keepalived.clock += seconds
        if shortly and seen and ON_WIRE not in host.ip.all and host.keepalived.clock - began > 2:
            host.ip.all.append(ON_WIRE)

    began = host.keepalived.clock
    host.keepalived.reload, host.keepalived.sleep = spy, sleep
    host.run(entry(more=INSTANCE.replace(*change)))
    assert seen == ([(True, True), (False, True)] if shortly else [(False, serves)])


@pytest.mark.parametrize(
    ("taken", "holds", "answered", "reason"),
    [
        ([VIP], True, False, "active"),
        ([VIP], False, True, "joining"),
        ([VIP], False, False, ""),
        ([], True, False, "active"),
        # Where another program moves the addresses, a standby loses keepalived first.
        ([], False, True, ""),
    ],
)
def test_which_directors_lose_keepalived_first(host, taken, holds, answered, reason, monkeypatch):
    host.run(entry())
    if holds:
        host.ip.all.append(ON_WIRE)
    host.ip.links = lambda: {"eth1": Link("eth1", is_up=True)}
    host.ip.link_local = lambda _interface: ""
    asked = []

    def ask(sources, addresses, _seconds):
        asked.append((sources, list(addresses)))
        return {(VIP, "02:00:00:00:00:02", "eth1")} if answered else set()

    monkeypatch.setattr(wire, "ask", ask)
    leaving = Keepalived.of(
        None,
        OWNER,
        host.ip,
        Commands(nothing),
        holding={"addresses": taken, "interface": ""},
    )
    monkeypatch.setattr(leaving, "_service", host.keepalived)
    assert leaving.waits_as(host.store().load().claims) == reason
    assert asked == ([([("eth1", "")], [VIP])] if taken and not holds else [])


def test_a_service_that_comes_to_a_running_keepalived_is_taken_over_too(host):
    host.run(entry())
    there = {
        RealServerKey.at("10.0.0.1", 53): RealServerAttributes(upper_threshold=3),
        RealServerKey.at("10.0.0.2", 53): RealServerAttributes(),
    }
    host.kernel.services[DNS] = Service(DNS, scheduled("lc"), there)
    host.keepalived.sick = {"10.0.0.1:53"}
    outcome = host.run(entry(web(), dns(server(1, 53), server(2, 53))))
    assert host.keepalived.done[4:] == ["put", "put", "reload", "put", "reload"]
    assert host.servers(DNS) == {"10.0.0.2:53": 1}
    assert host.kernel.services[DNS].attributes.scheduler == "rr"
    assert f"edit service udp {VIP}:53" in words(outcome)


def test_what_is_not_prepared_is_not_added_and_told(host):
    """Its check succeeds, but the virtual address or the return route may be missing."""
    host.run(entry(web(server(1))))
    outcome = host.run(entry(web(server(1), server(2)), unprepared=["10.0.0.2"]))
    assert not outcome.changed
    assert host.servers() == {"10.0.0.1:80": 1}
    details = outcome.plans["keepalived"].details
    assert [each["real_server"]["address"] for each in details["not_added"]] == ["10.0.0.2"]
    assert details["failing"] == []
    assert words(host.run(entry(web(server(1), server(2))))) == RELOAD
    assert host.servers() == {"10.0.0.1:80": 1, "10.0.0.2:80": 1}


def test_what_is_not_prepared_stays_under_its_former_port(host):
    host.run(entry())
    moved = web(server(1), server(2, 8080))
    outcome = host.run(entry(moved, unprepared=["10.0.0.2"]))
    assert not outcome.changed
    assert host.servers() == {"10.0.0.1:80": 1, "10.0.0.2:80": 1}
    # It is still ours, whatever else changes.
    heavier = web(server(1, weight=2), server(2, 8080))
    outcome = host.run(entry(heavier, unprepared=["10.0.0.2"]))
    assert words(outcome)[:2] == RELOAD
    assert details(outcome)["foreign"] == []
    assert real_server_name(WEB, TWO) in host.made
    host.run(entry(moved))
    assert host.servers() == {"10.0.0.1:80": 1, "10.0.0.2:8080": 1}


LOST = f"the health checks of all real servers of tcp {VIP}:80 fail with it"


@pytest.mark.parametrize("inhibit", [False, True])
def test_checks_that_take_every_real_server_out_of_service_are_taken_back(host, inhibit):
    host.run(entry(path="/", inhibit=inhibit))
    before = host.keepalived.file
    host.keepalived.wrong = "/typo"
    began = host.keepalived.clock
    with pytest.raises(Refused, match=LOST):
        host.run(entry(path="/typo", inhibit=inhibit))
    # As soon as it is seen.
    assert host.keepalived.clock == began
    assert host.keepalived.file == before
    assert host.servers() == {"10.0.0.1:80": 1, "10.0.0.2:80": 1}
    assert not host.keepalived.pending
    assert not host.run(entry(path="/", inhibit=inhibit)).changed
    host.keepalived.wrong = ""
    assert words(host.run(entry(path="/typo", inhibit=inhibit))) == RELOAD


def test_a_check_that_is_new_to_keepalived_is_waited_for(host):
    """Until it has failed, a real server that was at work stays in service."""
    host.run(entry(path="/"))
    began = host.keepalived.clock
    host.run(entry(path="/other"))
    assert host.keepalived.clock - began >= 5
    began = host.keepalived.clock
    host.run(entry(web(scheduler="lc"), path="/other"))
    assert host.keepalived.clock - began < 5


def test_one_real_server_that_fails_a_new_check_is_told_and_no_error(host):
    host.run(entry(path="/"))
    host.keepalived.sick = {"10.0.0.1:80"}
    outcome = host.run(entry(path="/other"))
    assert "10.0.0.1:80" in str(outcome.warnings)


def test_what_was_out_of_service_before_is_no_reason_to_refuse(host):
    host.run(entry(path="/"))
    host.keepalived.sick = {"10.0.0.1:80", "10.0.0.2:80"}
    host.keepalived.reload()
    assert host.servers() == {}
    assert words(host.run(entry(path="/other"))) == RELOAD


def test_where_the_checks_fail_at_the_first_start_the_table_stays_as_it_was(host):
    there = {ONE: RealServerAttributes(), TWO: RealServerAttributes(weight=3)}
    host.kernel.services[WEB] = Service(WEB, scheduled("rr"), there)
    host.keepalived.wrong = "/typo"
    with pytest.raises(Refused, match=LOST):
        host.run(entry(path="/typo"), table="release")
    assert host.servers() == {"10.0.0.1:80": 1, "10.0.0.2:80": 3}
    assert host.keepalived.running is None
    assert host.keepalived.file is None
    assert not host.keepalived.enabled


@pytest.mark.parametrize("weight", [0, 3])
def test_what_has_failed_before_is_not_believed_to_be_up(host, weight):
    """keepalived takes nothing back whose failure it does not know of."""
    servers = {ONE: RealServerAttributes(), TWO: RealServerAttributes(weight=weight)}
    host.kernel.services[WEB] = Service(WEB, scheduled("rr"), servers)
    seen = []
    start = host.keepalived.start

    def spy():
        seen.append(host.keepalived.file)
        start()

    host.keepalived.start = spy
    host.run(entry(inhibit=True))
    assert seen[0].count("alpha no") == (1 if weight == 0 else 2)
    assert host.servers()["10.0.0.1:80"] == 1
    assert host.servers()["10.0.0.2:80"] == 1


def test_what_is_no_longer_desired_goes_with_the_reload(host):
    host.run(entry(web(), dns()))
    done = host.run(entry(web(server(1))))
    assert words(done) == RELOAD
    assert host.servers() == {"10.0.0.1:80": 1}
    assert DNS not in host.kernel.services
    assert f"udp {VIP}:53" not in host.made
    assert not host.run(entry(web(server(1)))).changed


def test_what_a_dead_keepalived_has_left_behind_and_is_no_longer_desired_is_removed(host):
    host.run(entry(web(), dns()))
    host.keepalived.kill()
    foreign = ServiceKey.at("tcp", "10.83.0.200", 80)
    host.kernel.services[foreign] = Service(foreign, scheduled("rr"))
    host.kernel.services[WEB] = host.kernel.services[WEB].with_real_server(
        THREE, RealServerAttributes()
    )
    done = host.run(entry(web(server(1))))
    assert words(done) == [
        *START[1:],
        f"delete real server 10.0.0.2:80 of service tcp {VIP}:80",
        f"delete service udp {VIP}:53",
    ]
    assert host.servers() == {"10.0.0.1:80": 1, "10.0.0.3:80": 1}
    assert set(host.kernel.services) == {WEB, foreign}


def test_what_is_left_behind_goes_with_the_next_run_that_prunes(host):
    host.run(entry(web(), dns()))
    host.keepalived.kill()
    assert words(host.run(entry(web(server(1))), prune=False)) == START[1:]
    assert host.servers(DNS)
    # A service goes only with its last real server.
    host.kernel.services[DNS] = host.kernel.services[DNS].with_real_server(
        THREE, RealServerAttributes()
    )
    host.run(entry(web(server(1))))
    assert host.servers() == {"10.0.0.1:80": 1}
    assert host.servers(DNS) == {"10.0.0.3:80": 1}
    assert not host.run(entry(web(server(1)))).changed


def test_an_emptied_description_is_refused(host):
    host.run(entry(web(), dns(), max_removals="50%"))
    with pytest.raises(InvalidInput, match=r"max_removals='25%': is less .* which is 3 of the 5"):
        host.run(entry(web(server(1)), max_removals="25%"))
    with pytest.raises(InvalidInput, match="max_removals"):
        host.run(entry(web(server(1)), max_removals="25%"), prune=False)
    host.run(entry(web(server(1)), max_removals="75%"))
    # What is replaced is not lost.
    host.run(entry(web(server(2)), max_removals="0"))


@pytest.mark.parametrize("first", [False, True])
def test_where_it_does_not_start_the_old_configuration_comes_back(host, first):
    before = None
    if not first:
        host.run(entry())
        before = host.keepalived.file
        host.keepalived.stop()
    host.keepalived.dies = True
    host.keepalived.done.clear()
    with pytest.raises(Refused, match="Could not start keepalived: it is dead"):
        host.run(entry(more="changed"))
    # Otherwise systemd would go on trying.
    assert host.keepalived.done.index("start") < host.keepalived.done.index("stop")
    assert host.keepalived.file == before
    assert not host.keepalived.pending
    assert host.keepalived.enabled != first
    assert (host.made is None) == first
    host.keepalived.dies = False
    assert words(host.run(entry(more="changed"))) == START[1:]


def test_where_it_dies_of_a_reload_the_old_configuration_comes_back_and_runs(host):
    host.run(entry())
    before = host.keepalived.file
    dying = iter([True])
    reload = host.keepalived.reload

    def once():
        host.keepalived.dies = next(dying, False)
        try:
            reload()
        finally:
            host.keepalived.dies = False

    host.keepalived.reload = once
    with pytest.raises(Refused, match="Could not reload keepalived"):
        host.run(entry(more="changed"))
    assert host.keepalived.file == before
    assert host.keepalived.running
    assert host.servers() == {"10.0.0.1:80": 1, "10.0.0.2:80": 1}


def test_it_must_still_run_when_the_table_is_settled(host):
    def start():
        host.keepalived.done.append("start")

    host.keepalived.start = start
    with pytest.raises(Refused, match="Could not keep keepalived running"):
        host.run(entry(settle_seconds=0))
    assert host.keepalived.file is None


def test_an_edit_that_the_kernel_refuses_is_told(host):
    host.run(entry())
    service = host.kernel.services[WEB]
    host.kernel.services[WEB] = service.with_attributes(scheduled("lc"))
    host.kernel.refuse = lambda _operation: errno.EINVAL
    with pytest.raises(Refused, match=f"Could not edit service tcp {VIP}:80"):
        host.run(entry())
    assert host.made


def test_a_real_server_that_goes_while_it_is_edited_is_no_error(host):
    host.run(entry())
    host.kernel.services[WEB] = host.kernel.services[WEB].with_real_server(
        ONE, RealServerAttributes(weight=9)
    )

    def gone(operation):
        host.kernel.services[WEB] = host.kernel.services[WEB].with_real_server(ONE, None)
        return errno.ENOENT

    host.kernel.refuse = gone
    done = host.run(entry())
    assert len(details(done)["failing"]) == 1


def test_the_password_is_seen_nowhere(host):
    body = entry(more="$PASSWORD")
    done = host.run(body, password="s3cret")
    assert "$PASSWORD=s3cret\n" in host.keepalived.file
    other = host.run(body, password="0ther")
    assert words(other) == RELOAD
    for outcome in (done, other):
        seen = repr((outcome.diff, outcome.warnings, words(outcome), details(outcome)))
        assert "s3cret" not in seen
        assert "0ther" not in seen
        assert "********" in seen
    assert "s3cret" not in host.store().load().to_json()
    host.keepalived.stop()
    gone = host.run()
    assert "0ther" not in repr(gone.diff)
    with pytest.raises(InvalidInput, match="the password of VRRP: is missing"):
        host.run(body)


# Drained real servers


def drained(host, *servers, now=0):
    for each in servers:
        found = {"weight": 1, "since": 100, **({"now": now} if now else {})}
        host.claim("drained", "drain", real_server_name(WEB, each), found)


def test_a_drained_real_server_has_weight_0_in_the_file_and_in_the_kernel(host):
    host.run(entry())
    drained(host, TWO)
    done = host.run(entry())
    assert host.servers() == {"10.0.0.1:80": 1, "10.0.0.2:80": 0}
    assert host.keepalived.file.count("weight 0") == 1
    # keepalived complains of weights that leave no quorum, and so those of the description are tested.
    assert "weight 0" not in host.keepalived.tested[-1]
    assert [each["real_server"]["address"] for each in details(done)["drains"]] == ["10.0.0.2"]
    assert details(done)["failing"] == []
    again = host.run(entry())
    assert (again.changed, again.warnings) == (False, [])
    assert host.store().load().claim("described_weight", real_server_name(WEB, TWO))


def test_where_all_are_drained_the_file_keeps_the_weights(host):
    host.run(entry())
    drained(host, ONE, TWO)
    host.run(entry())
    assert host.servers() == {"10.0.0.1:80": 0, "10.0.0.2:80": 0}
    assert "weight 0" not in host.keepalived.file
    assert "reload" not in host.keepalived.done
    assert not host.run(entry()).changed


def test_a_real_server_that_is_drained_comes_with_weight_0(host):
    drained(host, TWO)
    host.run(entry())
    assert host.servers() == {"10.0.0.1:80": 1, "10.0.0.2:80": 0}


# Where it is no longer desired


def test_absent_stops_it_and_leaves_no_trace(host):
    host.run(entry())
    host.ip.all.append(ON_WIRE)
    checked = host.run(check=True)
    gone = host.run()
    assert words(gone) == [
        *("stop keepalived", "disable keepalived", f"delete {conf.PATH}", f"delete {DROP_IN}")
    ]
    assert (gone.diff, words(gone)) == (checked.diff, words(checked))
    assert (host.keepalived.file, host.keepalived.running) == (None, None)
    assert not host.keepalived.enabled
    assert host.kernel.services == {}
    assert ON_WIRE not in host.ip.all
    assert host.store().load() == Manifest(OWNER)
    assert not host.run().changed


def test_a_run_that_only_grows_leaves_it_running(host):
    host.run(entry())
    kept = host.run(prune=False)
    assert not kept.changed
    assert kept.plans["keepalived"].remaining == ("keepalived",)
    assert host.made
    host.run()
    assert host.made is None


def test_absent_removes_what_a_dead_keepalived_has_left_behind(host):
    host.run(entry(sync={"syncid": 7}))
    host.keepalived.kill()
    host.ip.all.append(ON_WIRE)
    host.kernel.running["master"] = Daemon("master", "eth1", 7)
    foreign = ServiceKey.at("tcp", "10.83.0.200", 80)
    host.kernel.services[foreign] = Service(foreign, scheduled("rr"))
    gone = host.run()
    assert words(gone)[:2] == ["stop keepalived", "stop the sync daemon master"]
    assert set(host.kernel.services) == {foreign}
    assert host.ip.all[1:] == [OWN]
    assert host.kernel.running == {}


def test_what_is_claimed_as_another_kind_stays(host):
    """The host may be a real server too, with the virtual address on its loopback."""
    host.run(entry())
    host.keepalived.kill()
    loopback = Address(VIP, 32, "lo", "host")
    host.ip.all += [ON_WIRE, loopback]
    store = host.store()
    store.save(store.load().with_claim("address", str(loopback), Claim()))
    host.run()
    assert host.ip.all[1:] == [OWN, loopback]


def test_a_configuration_that_somebody_has_replaced_is_theirs(host):
    host.run(entry())
    host.keepalived.file = "global_defs {\n}\n"
    gone = host.run()
    assert not gone.changed
    assert host.keepalived.running
    assert host.keepalived.enabled
    assert host.made is None


HOLDING = {"addresses": [VIP], "interface": ""}


def test_the_table_and_the_addresses_are_taken_over_from_it(host):
    host.run(entry(web(), dns(), sync={"syncid": 7}))
    host.ip.all.append(ON_WIRE)
    host.kernel.running = {
        "master": Daemon("master", "eth1", 7),
        "backup": Daemon("backup", "eth1", 9),
    }
    before = copy.deepcopy(host.kernel.services)
    taken = host.run(table=[web(), dns()], addresses=HOLDING)
    assert words(taken) == [
        "end keepalived",
        "stop the sync daemon master",
        "disable keepalived",
        f"delete {conf.PATH}",
        f"delete {DROP_IN}",
    ]
    assert not taken.plans["table"]
    assert not taken.plans["addresses"]
    assert host.kernel.services == before
    assert ON_WIRE in host.ip.all
    # A daemon that is not keepalived's stays.
    assert list(host.kernel.running) == ["backup"]
    assert (host.keepalived.file, host.keepalived.running) == (None, None)
    # It is ours as if we had made it.
    claims = host.store().load().claims
    assert set(claims) == {"ipvs_service", "ipvs_real_server", "address"}
    assert all(claim.found is None for kind in claims.values() for claim in kind.values())
    assert not host.run(table=[web(), dns()], addresses=HOLDING).changed


def test_what_is_taken_over_and_not_desired_is_removed(host):
    key = {"protocol": "tcp", "address": VIP, "port": 80}
    host.run(
        entry(
            web(),
            dns(),
            sorry=[{"service": key, "real_server": {"address": "10.0.0.9", "port": 80}}],
        )
    )
    host.kernel.services[WEB] = host.kernel.services[WEB].with_real_server(
        SORRY, RealServerAttributes()
    )
    taken = host.run(table=[web(server(1))])
    assert words(taken, "table") == [
        f"delete real server 10.0.0.2:80 of service tcp {VIP}:80",
        f"delete real server 10.0.0.9:80 of service tcp {VIP}:80",
        f"delete service udp {VIP}:53",
    ]
    assert host.servers() == {"10.0.0.1:80": 1}


def test_from_ours_to_keepalived_and_back_the_table_is_never_without_a_real_server(host):
    seen = []

    def watch(services):
        if WEB in services:
            seen.append(set(services[WEB].real_servers))
        else:
            seen.append(set())

    host.run(table=[web()])
    host.kernel.meddle = watch
    there = host.run(entry(), table="release")
    assert words(there) == START
    assert not there.plans["table"]
    assert set(host.store().load().claims) == {"keepalived", "keepalived_made"}
    host.run(table=[web()])
    assert all(seen)
    host.kernel.meddle = lambda _services: None
    host.run(table=[])
    assert host.kernel.services == {}


def test_what_goes_in_the_same_run_as_the_table_is_released_is_removed(host):
    host.run(table=[web(), dns()])
    outcome = host.run(entry(web(server(1))), table="release")
    assert words(outcome)[3:] == [
        f"delete real server 10.0.0.2:80 of service tcp {VIP}:80",
        f"delete service udp {VIP}:53",
    ]
    assert host.servers() == {"10.0.0.1:80": 1}
    assert DNS not in host.kernel.services


def test_what_we_had_found_stays_where_the_table_is_released(host):
    found = Service(DNS, scheduled("rr"), {})
    host.kernel.services[DNS] = found
    host.run(table=[web(), {**dns(), "real_servers": []}])
    host.run(entry(), table="release")
    assert host.kernel.services[DNS] == found


@pytest.mark.parametrize("loses_table", [False, True])
def test_keepalived_may_go_on_with_vrrp_alone(host, loses_table):
    """The table becomes ours, and stays as it is."""
    host.run(entry(web(), dns()))
    host.keepalived.loses_table = loses_table
    before = copy.deepcopy(host.kernel.services)
    outcome = host.run(entry(table=False), table=[web(), dns()])
    assert words(outcome) == RELOAD
    assert not outcome.plans["table"]
    assert host.kernel.services == before
    assert ("give up table" in host.keepalived.done) != loses_table
    assert not host.run(entry(table=False), table=[web(), dns()]).changed
    # And back.
    host.run(entry(web(), dns()), table="release")
    assert host.kernel.services == before
    assert host.run(entry(table=False), table=[web()]).changed
    assert set(host.kernel.services) == {WEB}


@pytest.mark.parametrize("number", range(12))
@pytest.mark.parametrize("way", ["start", "reload", "taken over", "absent", "table ours"])
def test_a_run_killed_at_any_step_is_completed_by_the_next(tmp_path, way, number):
    host = Host(tmp_path)
    host.kernel.services[WEB] = Service(WEB, scheduled("rr"), {ONE: RealServerAttributes()})
    changed = entry(web(server(1, weight=3)), dns())
    changes = {
        "start": lambda: host.run(changed, table="release"),
        "reload": lambda: host.run(changed),
        "taken over": lambda: host.run(table=[web(), dns()]),
        "absent": host.run,
        "table ours": lambda: host.run(entry(table=False), table=[web(), dns()]),
    }
    if way != "start":
        host.run(entry(web(), dns()))
    host.keepalived.done.clear()
    host.keepalived.killed_at = number
    try:
        changes[way]()
        finished = True
    except Killed:
        finished = False
    host.keepalived.killed_at = None
    second = changes[way]()
    assert not (finished and second.changed)
    assert not changes[way]().changed
    assert host.keepalived.pending is False
    keepalived = host.keepalived
    if way in ("taken over", "absent"):
        assert (keepalived.running, keepalived.file, keepalived.enabled) == (None, None, False)
    else:
        assert keepalived.enabled
        assert set(keepalived.running) == ({WEB, DNS} if way != "table ours" else set())
    if way == "absent":
        assert host.kernel.services == {}
    else:
        weight = 3 if way in ("start", "reload") else 1
        assert host.servers()["10.0.0.1:80"] == weight
        assert DNS in host.kernel.services


def test_a_sync_daemon_of_ours_is_stopped_before_keepalived_starts_its_own(host):
    host.kernel.running["backup"] = Daemon("backup", "eth1", 3)
    ours = SyncDaemons([], kernel=host.kernel.kernel, yields=True)
    host.claim(OWNER, "ipvs_sync_daemon", "backup")
    engine = Engine(host.store(), Commands(nothing), sleep=lambda _seconds: None)
    plan = engine.run([ours]).plans["sync_daemons"]
    assert [str(each) for each in plan.grow] == ["stop the sync daemon backup"]
    assert plan.shrink == ()
    assert host.kernel.running == {}


def test_a_daemon_that_the_configuration_asks_for_is_not_stopped(host):
    host.run(entry(sync={"syncid": 7}))
    host.kernel.running = {"master": Daemon("master", "eth1", 7)}
    taken = host.run(table=[web()], daemons=["master"])
    assert "stop the sync daemon master" not in words(taken)
    assert host.kernel.running


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"text": None}, "keepalived.text: is missing"),
        ({"colour": "red"}, "keepalived.colour: unknown option"),
        ({"settle_seconds": "soon"}, "keepalived.settle_seconds: is not a number of seconds"),
        ({"settle_seconds": True}, "settle_seconds"),
        ({"services": [{"address": VIP}]}, "port=None: is missing"),
        ({"max_removals": "many"}, "max_removals='many'"),
        ({"sync": {}}, "keepalived.sync.syncid: is missing"),
        ({"floating": ["vip"]}, "floating='vip'|keepalived.floating: is not an IP address"),
    ],
)
def test_an_entry_that_can_not_be_is_refused(change, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        Keepalived.of({**entry(), **change}, OWNER, FakeIp(), Commands(nothing))


def test_keepalived_runs_the_sync_daemon_alone():
    with pytest.raises(
        InvalidInput, match=r"keepalived\.sync: cannot be combined with sync_daemons"
    ):
        Keepalived.of(
            entry(sync={"syncid": 1}),
            OWNER,
            FakeIp(),
            Commands(nothing),
            daemons=[{"role": "master", "interface": "eth1"}],
        )
