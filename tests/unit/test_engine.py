# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of a run, on fakes of all kinds that record what is done to them and when."""

from __future__ import annotations

import itertools
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lvs.cluster.plugins.module_utils import engine, kinds
from ansible_collections.lvs.cluster.plugins.module_utils.engine import Diff
from ansible_collections.lvs.cluster.plugins.module_utils.errors import (
    Interference,
    InvalidInput,
    KernelRefusal,
    MissingPackage,
    Refused,
)
from ansible_collections.lvs.cluster.plugins.module_utils.host import boot
from ansible_collections.lvs.cluster.plugins.module_utils.host.commands import Commands
from ansible_collections.lvs.cluster.plugins.module_utils.host.files import File
from ansible_collections.lvs.cluster.plugins.module_utils.host.manifest import Claim, Manifest
from ansible_collections.lvs.cluster.plugins.module_utils.host.store import Store

ATTRACTING = ("marks", "addresses", "keepalived")
NAMES = [name for name in kinds.KINDS if name != "requirements"]


class Killed(BaseException):
    """As SIGKILL: nothing of ours runs after it."""


class Host:
    """What there is: kind, object, value. Whatever is done is recorded, and some of it fails.

    :param kill: the number of the operation before which the run is killed.
    :param refuse: (verb, kind, object) that the kernel refuses.
    """

    def __init__(self, found=None):
        self.objects = {name: dict((found or {}).get(name, {})) for name in NAMES}
        self.done = []
        self.kill = None
        self.refuse = set()

    def change(self, verb, kind, name, value):
        if self.kill is not None and len(self.done) >= self.kill:
            raise Killed
        if (verb, kind, name) in self.refuse:
            raise KernelRefusal(f"Could not {verb} {name}", 1, "the kernel says no", "ask again")
        self.done.append((verb, kind, name))
        if value is None:
            del self.objects[kind][name]
        else:
            self.objects[kind][name] = value


class Fake(engine.Base):
    """A kind whose objects have a value each."""

    def __init__(self, name, host, desired, packages=()):
        self.name = name
        self.claim_kinds = (name,)
        self.attracts = name in ATTRACTING
        self.rereads = name == "table"
        self._host = host
        self._desired = desired
        self._packages = packages

    def read(self, _held, _check_mode):
        return dict(self._host.objects[self.name])

    def plan(self, current, held, prune, _check_mode):
        own = held.claims(self.name)
        grow, shrink, claims = [], [], {}
        for name, value in sorted(self._desired.items()):
            shared = held.shared(self.name, name)
            if current.get(name) != value:
                verb = "edit" if name in current else "add"
                grow.append(engine.Operation(verb, name, value))
            if name in own:
                claims[name] = own[name]
            elif shared:
                claims[name] = next(iter(shared.values()))
            elif current.get(name) != value:
                found = {"value": current[name]} if name in current else None
                claims[name] = Claim(found)
        for name, claim in sorted(own.items()):
            if name in self._desired:
                continue
            if not prune:
                claims[name] = claim
            elif name in current and not held.shared(self.name, name):
                value = (claim.found or {}).get("value")
                if current[name] != value:
                    shrink.append(engine.Operation("remove", name, value))
        return engine.Plan(tuple(grow), tuple(shrink), {self.name: claims}, packages=self._packages)

    def do(self, operation):
        self._host.change(operation.verb, self.name, operation.object, operation.work)


@pytest.fixture(autouse=True)
def _no_services(monkeypatch):
    monkeypatch.setattr(boot, "present", list)
    monkeypatch.setattr(boot, "wanted_changes", lambda *_arguments: [])


def run(host, folder, configuration, owner="web", slept=None, **options):
    store = Store(owner, directory=f"{folder}/state", lock=f"{folder}/lock")
    packages = options.pop("packages", ())
    ran = engine.Engine(
        store,
        Commands(lambda *_words, **_more: (0, "", "")),
        sleep=(slept if slept is not None else []).append,
        **options,
    )
    return ran.run([Fake(name, host, configuration.get(name, {}), packages) for name in NAMES])


OBJECTS = st.dictionaries(st.sampled_from("abc"), st.sampled_from([1, 2]), max_size=3)
CONFIGURATIONS = st.dictionaries(st.sampled_from(NAMES), OBJECTS)


@given(found=CONFIGURATIONS, first=CONFIGURATIONS, second=CONFIGURATIONS)
def test_the_order_of_any_change(found, first, second):
    """Nothing shrinks before everything has grown; what attracts is added last and removed first; afterwards
    everything is as desired, and after ``absent`` as found."""
    host = Host(found)
    with tempfile.TemporaryDirectory() as folder:
        for configuration in (first, second, {}):
            host.done.clear()
            run(host, folder, configuration)
            growing = [each for each in host.done if each[0] != "remove"]
            shrinking = [each for each in host.done if each[0] == "remove"]
            assert host.done == growing + shrinking
            order = [NAMES.index(kind) for _verb, kind, _name in growing]
            assert order == sorted(order)
            order = [NAMES.index(kind) for _verb, kind, _name in shrinking]
            assert order == sorted(order, reverse=True)
            for kind, objects in configuration.items():
                assert objects.items() <= host.objects[kind].items()
            host.done.clear()
            assert not run(host, folder, configuration).changed
            assert host.done == []
    assert host.objects == Host(found).objects


@given(
    found=CONFIGURATIONS,
    first=CONFIGURATIONS,
    second=CONFIGURATIONS,
    kill=st.integers(0, 30),
)
def test_a_run_killed_at_any_operation_is_completed_by_the_next(found, first, second, kill):
    host = Host(found)
    with tempfile.TemporaryDirectory() as folder:
        run(host, folder, first)
        host.done.clear()
        host.kill = kill
        try:
            run(host, folder, second)
        except Killed:
            assert len(host.done) == kill
        host.kill = None
        run(host, folder, second)
        for kind, objects in second.items():
            assert objects.items() <= host.objects[kind].items()
        run(host, folder, {})
    assert host.objects == Host(found).objects


@given(first=CONFIGURATIONS, second=CONFIGURATIONS)
def test_a_host_that_only_grows_loses_nothing(first, second):
    host = Host()
    with tempfile.TemporaryDirectory() as folder:
        run(host, folder, first)
        before = {(kind, name) for kind in NAMES for name in host.objects[kind]}
        run(host, folder, second, prune=False)
        assert before <= {(kind, name) for kind in NAMES for name in host.objects[kind]}
        run(host, folder, second)
        assert host.objects == Host(second).objects


def test_where_something_is_refused_nothing_shrinks(tmp_path):
    host = Host()
    run(host, tmp_path, {"table": {"a": 1}, "addresses": {"a": 1}})
    host.done.clear()
    host.refuse = {("add", "table", "b")}
    with pytest.raises(Refused, match="the kernel says no") as caught:
        run(host, tmp_path, {"settings": {"x": 1}, "table": {"b": 1}, "addresses": {"b": 1}})
    assert (caught.value.done, caught.value.skipped) == (1, 2)
    assert host.done == [("add", "settings", "x")]
    claims = Store("web", directory=f"{tmp_path}/state").load().claims
    assert set(claims["settings"]) == {"x"}
    assert set(claims["addresses"]) == {"a"}, "the new one was not reached"
    host.refuse = set()
    run(host, tmp_path, {"settings": {"x": 1}, "table": {"b": 1}, "addresses": {"b": 1}})
    assert (
        host.objects
        == Host({"settings": {"x": 1}, "table": {"b": 1}, "addresses": {"b": 1}}).objects
    )


def test_check_mode_shows_the_same_and_changes_nothing(tmp_path):
    host = Host({"settings": {"a": 1}})
    wanted = {"settings": {"a": 2}, "table": {"b": 1}}
    checked = run(host, tmp_path, wanted, check_mode=True)
    assert (host.done, list(tmp_path.iterdir())) == ([], [])
    assert run(host, tmp_path, wanted).plans == checked.plans


def test_it_waits_only_before_what_packets_under_way_may_need(tmp_path):
    host, slept = Host(), []
    run(host, tmp_path, {"settings": {"a": 1}, "addresses": {"a": 1}}, slept=slept, pause=2.0)
    run(host, tmp_path, {"settings": {"a": 1}}, slept=slept, pause=2.0)
    assert slept == []
    run(host, tmp_path, {}, slept=slept, pause=2.0)
    assert slept == [2.0]


def test_with_a_package_missing_nothing_is_changed(tmp_path):
    host = Host()
    outcome = run(host, tmp_path, {"table": {"a": 1}}, packages=("ipvsadm",))
    assert (host.done, outcome.missing) == ([], ("ipvsadm",))
    with pytest.raises(MissingPackage, match="lacks the package ipvsadm"):
        engine.require_packages(outcome)


@pytest.mark.parametrize(
    ("wanted", "packages", "waits"),
    [(2, (), "active"), (2, ("ipvsadm",), "active"), (1, ("ipvsadm",), "active"), (1, (), "")],
)
def test_a_host_that_lets_others_go_first_changes_nothing(tmp_path, wanted, packages, waits):
    """It is asked only where there is something to change, or a package to install."""
    host, asked = Host({"table": {"a": 1}}), []
    outcome = run(
        host,
        tmp_path,
        {"table": {"a": wanted}},
        packages=packages,
        waits=lambda: asked.append("asked") or "active",
    )
    assert (host.done, outcome.waits, asked) == ([], waits, ["asked"] if waits else [])


def test_a_host_whose_turn_has_come_is_changed(tmp_path):
    host = Host()
    outcome = run(host, tmp_path, {"table": {"a": 1}}, waits=lambda: "")
    assert (host.done, outcome.waits) == ([("add", "table", "a")], "")


def test_a_state_that_does_not_hold_still_is_not_acted_on(tmp_path):
    host = Host()
    numbers = itertools.count()
    reader = Fake.read

    class Moving(Fake):
        def read(self, held, check_mode):
            return {**reader(self, held, check_mode), f"other{next(numbers)}": 1}

    store = Store("web", directory=str(tmp_path / "state"), lock=str(tmp_path / "lock"))
    ran = engine.Engine(store, Commands(lambda *_words, **_more: (0, "", "")))
    with pytest.raises(Interference, match="keeps changing"):
        ran.run([Moving("table", host, {"a": 1})])
    assert host.done == []


def test_what_another_program_undoes_at_once_is_told(tmp_path):
    class Undone(Host):
        def change(self, *words):
            super().change(*words)
            self.objects["routes"].clear()

    with pytest.raises(Interference, match="undone a change on the host"):
        run(Undone(), tmp_path, {"routes": {"a": 1}})


def test_two_owners_share_an_object_and_the_last_removes_it(tmp_path):
    host = Host()
    for owner in ("one", "two"):
        run(host, tmp_path, {"addresses": {"a": 1}}, owner)
    run(host, tmp_path, {}, "one")
    assert host.objects["addresses"] == {"a": 1}
    run(host, tmp_path, {}, "two")
    assert host.objects["addresses"] == {}


def test_the_list_of_kinds():
    order = list(kinds.KINDS)
    assert order[0] == "requirements"
    assert order[-3:] == list(ATTRACTING)
    assert order.index("settings") < order.index("addresses")
    assert order.index("firewall") < order.index("table") < order.index("marks")
    assert order.index("next_hops") < order.index("table")
    assert order.index("tunnel_filter") < order.index("tunnels") < order.index("routes")


def test_a_host_runs_only_the_kinds_that_it_uses_or_has_used():
    none = Manifest("web")
    assert kinds.used({}, none, lambda _pattern: False) == []
    assert kinds.used({"table": {"services": []}}, none, lambda _pattern: False) == ["table"]
    owned = Manifest("web", {"address": {"x": Claim()}})
    assert kinds.used({"settings": {"values": {}}}, owned, lambda _pattern: False) == [
        "settings",
        "addresses",
    ]
    # The settings and modules were found right, so that nothing is claimed; their files stay to be removed.
    files = {
        "/etc/sysctl.d/90-lvs.cluster-web.conf",
        "/etc/modules-load.d/lvs.cluster-web-*.conf",
        "/etc/lvs.cluster/boot.d/20-firewall-web-mark",
    }
    assert kinds.used({}, none, files.__contains__) == ["modules", "settings", "marks"]
    with pytest.raises(InvalidInput, match="is not a kind of resource"):
        kinds.used({"setings": {}}, none)


class WithFiles(Fake):
    """A kind with a configuration file before and one after, that looks at both while it grows."""

    def __init__(self, host, desired, folder):
        super().__init__("settings", host, desired)
        self._folder = folder
        self.seen = []

    def plan(self, current, held, prune, check_mode):
        plan = super().plan(current, held, prune, check_mode)
        text = "here\n" if self._desired else None
        early, late = File(f"{self._folder}/early", text), File(f"{self._folder}/late", text)
        diffs = {"settings": Diff((), ("a",)), "nothing": Diff()}
        return plan._replace(early_files=(early,), files=(late,), diffs=diffs)

    def do(self, operation):
        self.seen = sorted(path.name for path in self._folder.iterdir())
        super().do(operation)


def with_files(kind, tmp_path, persistent=True, **options):
    store = Store(
        "web", directory=f"{tmp_path}/state", lock=f"{tmp_path}/lock", persistent=persistent
    )
    ran = engine.Engine(store, Commands(lambda *_words, **_more: (0, "", "")), **options)
    return ran.run([kind])


def test_files_that_growing_reads_are_written_before_and_others_after(tmp_path):
    folder = tmp_path / "etc"
    folder.mkdir()
    kind = WithFiles(Host(), {"a": 1}, folder)
    outcome = with_files(kind, tmp_path)
    assert kind.seen == ["early"]
    assert sorted(path.name for path in folder.iterdir()) == ["early", "late"]
    assert [part["after"] for part in outcome.diff] == ["a\n", "here\n", "here\n"]
    assert not with_files(kind, tmp_path).written
    # A file alone is a change, too.
    (folder / "late").unlink()
    outcome = with_files(kind, tmp_path)
    assert (outcome.changed, bool(outcome.plans["settings"])) == (True, False)


def test_nothing_is_written_for_a_namespace(tmp_path):
    folder = tmp_path / "etc"
    folder.mkdir()
    outcome = with_files(WithFiles(Host(), {"a": 1}, folder), tmp_path, persistent=False)
    assert outcome.written == ()
    assert list(folder.iterdir()) == []
    assert not (tmp_path / "state").exists()


def test_after_a_failure_the_files_for_boot_hold_what_is_on_the_host(tmp_path):
    folder = tmp_path / "etc"
    folder.mkdir()
    host = Host()
    host.refuse = {("add", "settings", "b")}
    with pytest.raises(Refused):
        with_files(WithFiles(host, {"a": 1, "b": 1}, folder), tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == ["early", "late"]


def test_a_kind_may_know_which_claims_are_true_after_a_refusal(tmp_path):
    class Exact(Fake):
        def kept_claims(self, plan, held, failures):
            refused = {operation.object for operation, _refusal in failures}
            claims = plan.claims[self.name].items()
            return {self.name: {name: claim for name, claim in claims if name not in refused}}

    host = Host()
    host.refuse = {("add", "table", "b")}
    store = Store("web", directory=str(tmp_path / "state"), lock=str(tmp_path / "lock"))
    ran = engine.Engine(store, Commands(lambda *_words, **_more: (0, "", "")))
    others = Fake("settings", host, {"x": 1})
    with pytest.raises(Refused):
        ran.run([others, Exact("table", host, {"a": 1, "b": 1})])
    assert {kind: set(claims) for kind, claims in store.load().claims.items()} == {
        "settings": {"x"},
        "table": {"a"},
    }


def test_a_state_is_read_twice_only_where_that_is_needed(tmp_path):
    class Counting(Fake):
        reads = 0

        def read(self, held, check_mode):
            self.reads += 1
            return super().read(held, check_mode)

    for name, desired, reads in (
        ("table", {"a": 1}, 2),
        ("table", {}, 1),
        ("settings", {"a": 1}, 1),
    ):
        kind = Counting(name, Host(), desired)
        with_files(kind, tmp_path / f"{name}{len(desired)}", check_mode=True)
        assert kind.reads == reads


def test_an_operation_as_results_have_it():
    assert engine.Operation("add", "x").data == {"verb": "add", "object": "x"}
    assert engine.Operation("add", "x", shown={"verb": "set"}).data == {"verb": "set"}


@given(first=CONFIGURATIONS, second=CONFIGURATIONS, keep=st.sets(st.sampled_from(NAMES)))
def test_kinds_that_are_kept_only_grow(first, second, keep):
    host = Host()
    with tempfile.TemporaryDirectory() as folder:
        run(host, folder, first)
        before = {name: dict(objects) for name, objects in host.objects.items()}
        run(host, folder, second, keep=keep)
    for name in NAMES:
        wanted = second.get(name, {})
        assert host.objects[name] == ({**before[name], **wanted} if name in keep else wanted)


class Telling(Fake):
    """A kind that has more to say once all is done."""

    def outcome(self, plan):
        found = dict(self._host.objects[self.name])
        return plan._replace(details={"found": found}, warnings=("done",))


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_kind_may_tell_what_came_of_it(tmp_path, check_mode):
    outcome = with_files(Telling("tunnels", Host(), {"a": 1}), tmp_path, check_mode=check_mode)
    assert outcome.plans["tunnels"].details == ({} if check_mode else {"found": {"a": 1}})
    assert outcome.warnings == ([] if check_mode else ["done"])
    missing = Telling("tunnels", Host(), {"a": 1}, packages=["x"])
    assert with_files(missing, tmp_path).warnings == []


class FromItsFile(Fake):
    """A kind that replaces its only object, and also takes for its own what its file for the next boot names."""

    def __init__(self, host, name, file):
        super().__init__("tunnels", host, {name: 1})
        self._file = file

    def plan(self, current, held, prune, check_mode):
        named = self._file.read_text().split() if self._file.exists() else []
        old = [each for each in named if each not in self._desired]
        plan = super().plan(current, held, prune, check_mode)
        grow = (*(engine.Operation("delete", each, None) for each in old), *plan.grow)
        text = "".join(f"{each}\n" for each in self._desired)
        return plan._replace(grow=grow, shrink=(), files=(File(str(self._file), text),))


def test_what_boot_needs_is_written_before_the_host_is_read_again(tmp_path):
    """A file that still named the replaced object would have it deleted once more."""
    host, file = Host(), tmp_path / "script"
    for name in ("a", "b"):
        with_files(FromItsFile(host, name, file), tmp_path)
    assert host.objects["tunnels"] == {"b": 1}
    assert file.read_text() == "b\n"
