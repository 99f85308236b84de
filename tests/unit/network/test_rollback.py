# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A change of routes whose timer runs out: never may a run persist what has been undone.

The scripts are run by a real shell, in which ``ip`` records what it is asked for.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils import engine
from ansible_collections.lvs.cluster.plugins.module_utils.errors import Interference, Unavailable
from ansible_collections.lvs.cluster.plugins.module_utils.host import (
    boot,
    files,
    rollback,
    session,
)
from ansible_collections.lvs.cluster.plugins.module_utils.host.commands import Commands
from ansible_collections.lvs.cluster.plugins.module_utils.host.store import Store
from ansible_collections.lvs.cluster.plugins.module_utils.network import kinds, rtnl
from ansible_collections.lvs.cluster.plugins.module_utils.network.address import Address
from ansible_collections.lvs.cluster.plugins.module_utils.network.model import (
    NextHop,
    Route,
    Routing,
    Rule,
    parse,
)

OWN, ONE, TWO = "192.168.0.7", "192.168.0.104", "192.168.0.105"
FOUND = {Route("ipv4", "192.168.0.1", "eth1", protocol=3), Rule("ipv4", 32766, 254)}
NONE, OFFICE, OTHER = (
    {},
    {"gateway": [ONE], "source": [OWN], "keep": ["10.0.0.0/8"]},
    {"gateway": [TWO], "source": [OWN]},
)


class Host:
    """A host with routes and rules, a timer that runs out on demand, and all that a run of the engine needs."""

    def __init__(self, folder, monkeypatch):
        self.objects = set(FOUND)
        self.folder = folder
        self.moment = None
        self.timer = None
        self._readings = itertools.count()
        (folder / "ip").write_text(f'#!/bin/sh\necho "$*" >> {folder}/asked\n')
        (folder / "ip").chmod(0o755)
        for module, name, value in (
            (rollback, "FOLDER", f"{folder}/lvs.cluster"),
            (rollback, "RUN", f"{folder}/run"),
            (boot, "FOLDER", f"{folder}/boot.d"),
            (boot, "wanted_changes", self._wanted_changes),
            (boot, "activate", lambda *_arguments: None),
            (engine, "apply", self._apply),
            (rtnl, "connect", lambda: contextlib.nullcontext(self)),
            (rtnl, "is_there", lambda: True),
            (session, "connection", lambda: None),
            (Commands, "find", staticmethod(lambda name: name)),
        ):
            monkeypatch.setattr(module, name, value)

    @staticmethod
    def _wanted_changes(owner, scripts):
        return files.changes(
            files.File(boot.path(kind, owner, part), body and boot.text(owner, title, body))
            for kind, part, title, body in scripts
        )

    def _apply(self, todo):
        self.at("before the files")
        files.apply(todo)
        self.at("after the files")

    def at(self, moment):
        """Let the timer run out now, if this is the moment for it."""
        if moment == self.moment and self.timer:
            self.moment = None
            self.run_out()

    def run_out(self):
        words, self.timer = self.timer, None
        self.shell(words)

    def shell(self, words):
        """Run a script, and do what it asks of ip."""
        environ = {"PATH": f"{self.folder}:{os.environ['PATH']}"}
        done = subprocess.run(words, env=environ, capture_output=True, text=True, check=False)
        asked = self.folder / "asked"
        for line in asked.read_text().splitlines() if asked.exists() else ():
            flag, kind, verb, rest = line.split(" ", 3)
            each = parse(f"{flag} {kind} {rest}")
            if verb == "del":
                self.objects.discard(each)
            else:
                self.add(each)
        asked.unlink(missing_ok=True)
        return done.returncode, done.stdout, done.stderr

    def run_command(self, words, **_options):
        if words[0] == "/bin/sh":
            return self.shell(words)
        if words[0] == "systemd-run":
            self.timer = words[-2:]
        if words[:2] == ["systemctl", "stop"]:
            self.timer = None
        return 0, "", ""

    # As rtnl and IpRoute.

    def add(self, each):
        if isinstance(each, Route):
            self.objects = {o for o in self.objects if getattr(o, "place", None) != each.place}
        self.objects.add(each)

    def delete(self, each):
        self.at("deletion")
        self.objects.discard(each)

    def routing(self, _families):
        if next(self._readings) % 2:
            self.at("compare")
        routes = tuple(each for each in self.objects if isinstance(each, Route))
        rules = tuple(each for each in self.objects if isinstance(each, Rule))
        return Routing(routes, rules)

    def addresses(self):
        return [Address(OWN, 24, "eth1")]

    def next_hop(self, *_words):
        return NextHop("", "eth1")

    def forget(self):
        pass

    # What a test does.

    def run(self, entry, seconds=60):
        commands = Commands(self.run_command)
        kind = kinds.Routes.of(entry and {**entry, "rollback": seconds}, "web", self, commands)
        store = Store("web", directory=f"{self.folder}/state", lock=f"{self.folder}/lock")
        self._readings = itertools.count()
        ran = engine.Engine(store, commands, pause=1, sleep=lambda _seconds: self.at("pause"))
        return ran.run([kind])

    def confirm(self):
        rollback.confirm("web", Commands(self.run_command))

    @property
    def state(self):
        return set(self.objects), files.read(boot.path(boot.ROUTES, "web"))


@pytest.fixture
def host(tmp_path, monkeypatch):
    return Host(tmp_path, monkeypatch)


def settled(host, entry):
    """What there is once the host has this return route, and it was confirmed."""
    host.run(entry)
    host.confirm()
    return host.state


@pytest.mark.parametrize(
    ("first", "second", "moment"),
    [
        *(
            (first, second, moment)
            for first, second in ((NONE, OFFICE), (OFFICE, OTHER), (OFFICE, NONE))
            for moment in ("compare", "before the files", "after the files")
        ),
        (OFFICE, OTHER, "pause"),
        (OFFICE, OTHER, "deletion"),
        (OFFICE, NONE, "deletion"),
    ],
)
def test_a_run_that_outlasts_its_timer_fails_and_persists_nothing(host, first, second, moment):
    before = settled(host, first)
    host.moment = moment
    with pytest.raises(
        Interference, match=r"has been undone, because it was not confirmed within 60"
    ):
        host.run(second)
    assert host.moment is None
    assert host.state == before
    # It can still be told, once; and the next run does all of it.
    with pytest.raises(Interference, match="not confirmed in time and has been undone"):
        host.confirm()
    host.confirm()
    after = settled(host, second)
    assert settled(host, second) == after
    assert settled(host, NONE) == (FOUND, None)
    assert (after == before) == (first == second)


def test_a_change_that_nobody_confirms_is_undone_and_can_be_made_again(host):
    before = settled(host, OFFICE)
    host.run(OTHER)
    after = host.state
    host.run_out()
    assert host.state == before
    assert settled(host, OTHER) == after
    assert settled(host, NONE) == (FOUND, None)


def test_either_the_timer_or_the_confirmation_comes_first(host):
    before = settled(host, NONE)
    host.run(OFFICE)
    words, after = host.timer, host.state
    host.confirm()
    # The timer had run out already, but its script comes too late.
    host.shell(words)
    assert host.state == after
    host.run(NONE)
    host.confirm()
    assert host.state == before


def test_a_script_that_a_crash_has_broken_off_is_run_again_at_boot(host):
    before = settled(host, NONE)
    host.run(OFFICE)
    script = f"{host.folder}/lvs.cluster/rollback-web"
    os.rename(script, f"{script}.undoing")
    with pytest.raises(Interference, match="has been undone"):
        host.confirm()
    host.shell(["/bin/sh", f"{script}.undoing"])
    assert host.state == before
    assert not os.path.exists(f"{script}.undoing")


def test_an_earlier_change_that_is_undone_while_a_run_begins(host, monkeypatch):
    """What was planned stands on routes that are no more."""
    before = settled(host, OFFICE)
    host.run(OTHER)
    grow = kinds.Routes.grow

    def late(kind, plan):
        host.run_out()
        return grow(kind, plan)

    monkeypatch.setattr(kinds.Routes, "grow", late)
    with pytest.raises(Interference, match=r"An earlier change .* was undone just now; run again"):
        host.run({**OTHER, "gateway": ["192.168.0.106"]})
    assert host.state == before


def test_a_timer_that_can_not_be_started_changes_nothing(host, monkeypatch):
    before = settled(host, OFFICE)
    monkeypatch.setattr(Commands, "find", staticmethod({"systemctl": "systemctl"}.get))
    with pytest.raises(
        Unavailable, match="systemd-run if it is not confirmed, and this host has none"
    ):
        host.run(OTHER)
    assert host.state == before


def test_without_a_timer_nothing_is_undone(host):
    host.run(OFFICE, 0)
    assert host.timer is None
    host.confirm()
    assert host.run(OFFICE, 0).changed is False
