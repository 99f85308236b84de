# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import pathlib
import stat

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.errors import KernelRefusal, Unavailable
from ansible_collections.lvs.cluster.plugins.module_utils.host.commands import Commands
from ansible_collections.lvs.cluster.plugins.module_utils.keepalived import conf, service
from ansible_collections.lvs.cluster.plugins.module_utils.keepalived.service import Service, Unit
from ansible_collections.lvs.cluster.plugins.module_utils.network.address import Address

TEXT = conf.whole("a", {}, "auth_pass $PASSWORD", "s3cret")


class Host:
    """Answers commands, and records them.

    :ivar states: what systemctl show tells, one after the other; the last one from then on.
    :ivar codes: of commands, by a word of theirs.
    """

    def __init__(self, folder):
        self.folder = folder
        self.file = folder / "etc" / "keepalived.conf"
        self.file.parent.mkdir()
        self.pending = folder / "run" / "lvs.cluster" / "keepalived-a"
        self.states = ["active"]
        self.codes = {}
        self.errors = ""
        self.journal = ""
        self.said = []
        self.tested = []
        self.clock = 0.0
        self.main = 1

    def run_command(self, words, **_more):
        self.said.append([os.path.basename(words[0]), *words[1:]])
        if words[1] == "show":
            state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            lines = f"LoadState=loaded\nActiveState={state}\nUnitFileState=enabled\nMainPID={self.main}\n"
            return 0, lines, ""
        if words[0].endswith("journalctl"):
            return 0, self.journal, ""
        if "-t" in words:
            path = pathlib.Path(words[-1])
            self.tested.append((path, path.read_text(), stat.S_IMODE(path.stat().st_mode)))
        code = next((self.codes[word] for word in words if word in self.codes), 0)
        return code, "", self.errors if code else ""

    def sleep(self, seconds):
        self.clock += seconds

    @property
    def service(self):
        return Service(
            Commands(self.run_command),
            "a",
            str(self.file),
            str(self.pending),
            self.sleep,
            lambda: self.clock,
        )

    @property
    def told(self):
        """What was done, without what was asked."""
        return [words for words in self.said if words[1] != "show"]


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(Commands, "find", staticmethod(lambda name: f"/sbin/{name}"))
    return Host(tmp_path)


@pytest.mark.parametrize(
    ("output", "unit"),
    [
        (
            "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\nMainPID=7\n",
            Unit("active", True, False, 7),
        ),
        ("ActiveState=reloading\nMainPID=7\nUnitFileState=disabled\n", Unit("reloading", main=7)),
        ("LoadState=masked\nActiveState=inactive\nUnitFileState=masked\n", Unit(is_masked=True)),
        ("LoadState=not-found\nActiveState=inactive\nUnitFileState=\nMainPID=0\n", Unit()),
        ("UnitFileState=enabled-runtime\nActiveState=failed\n", Unit("failed", True)),
        ("UnitFileState=static\nActiveState=active\n", Unit("active", True)),
    ],
)
def test_what_systemd_says(host, monkeypatch, output, unit):
    monkeypatch.setattr(host, "run_command", lambda *_words, **_more: (0, output, ""))
    assert host.service.unit() == unit
    assert unit.is_active == (unit.state in ("active", "reloading"))


def test_a_host_without_systemd_is_told(host, monkeypatch):
    monkeypatch.setattr(host, "run_command", lambda *_words, **_more: (1, "", "no bus"))
    with pytest.raises(Unavailable, match=r"systemd does not respond.*no bus"):
        host.service.unit()
    monkeypatch.setattr(Commands, "find", staticmethod(lambda _name: None))
    with pytest.raises(Unavailable, match="this host has no systemctl"):
        host.service.unit()
    assert not host.service.is_installed()


def test_a_configuration_is_tested_beside_its_place_and_nothing_is_left(host):
    assert host.service.complaint(TEXT) == ""
    ((path, text, mode),) = host.tested
    assert (path.parent, text, mode) == (host.file.parent, TEXT, 0o600)
    assert host.said == [["keepalived", "-t", "-f", str(path)]]
    assert list(host.file.parent.iterdir()) == []


@pytest.mark.parametrize("code", [1, 4, 5, 6])
def test_what_keepalived_complains_of_is_told(host, code):
    host.codes = {"-t": code}
    host.errors = "FILE: Line 3 auth_pass s3cret\n\n  second  \n"
    run_command = host.run_command

    def naming(words, **more):
        host.errors = host.errors.replace("FILE", words[-1])
        return run_command(words, **more)

    host.run_command = naming
    found = host.service.complaint(TEXT)
    assert found == f"{host.file}: Line 3 auth_pass ********; second"
    assert list(host.file.parent.iterdir()) == []
    host.errors = ""
    assert host.service.complaint(TEXT) == f"exit code {code}"


def test_nothing_is_left_of_a_test_that_breaks_off(host):
    def break_off(*_words, **_more):
        raise KeyboardInterrupt

    host.run_command = break_off
    with pytest.raises(KeyboardInterrupt):
        host.service.complaint(TEXT)
    assert list(host.file.parent.iterdir()) == []


def test_without_keepalived_nothing_is_tested(host, monkeypatch):
    monkeypatch.setattr(Commands, "find", staticmethod(lambda _name: None))
    assert host.service.complaint(TEXT) == ""
    assert host.said == []


def test_the_file_is_for_root_alone(host):
    assert host.service.text() == (None, True)
    host.service.put(TEXT)
    assert host.service.text() == (TEXT, True)
    assert stat.S_IMODE(host.file.stat().st_mode) == 0o600
    host.file.chmod(0o644)
    assert host.service.text() == (TEXT, False)
    host.service.put(None)
    assert not host.file.exists()


def test_what_a_killed_run_has_left_is_removed(host):
    (host.file.parent / ".lvs.cluster.test.abc").write_text("$PASSWORD=s3cret\n")
    host.service.put(TEXT)
    assert [path.name for path in host.file.parent.iterdir()] == ["keepalived.conf"]


def test_what_keepalived_has_yet_to_read_is_remembered(host):
    assert not host.service.is_pending()
    host.service.set_pending(True)
    assert host.service.is_pending()
    host.service.set_pending(False)
    assert not host.service.is_pending()
    assert not host.pending.parent.exists()
    host.service.set_pending(False)


def test_a_start_that_systemd_refuses_is_told_with_the_journal(host):
    host.service.put(TEXT)
    host.codes, host.errors = {"start": 1}, "Job for keepalived.service failed"
    host.journal = "Starting\n\n  auth_pass s3cret is odd\n"
    host.states = ["failed"]
    with pytest.raises(KernelRefusal) as refusal:
        host.service.start()
    assert str(refusal.value) == (
        "Could not start keepalived: Job for keepalived.service failed; its journal ends with: "
        "Starting | auth_pass ******** is odd; see 'journalctl -u keepalived', correct the cause, and run again."
    )
    assert host.said[-1][0] == "journalctl"
    assert "--unit=keepalived.service" in host.said[-1]


def test_a_start_that_is_skipped_is_told(host):
    host.states = ["inactive"]
    with pytest.raises(
        KernelRefusal, match=r"^Could not start keepalived: the service is inactive;"
    ):
        host.service.start()


def test_a_start_that_succeeds(host):
    host.service.start()
    assert host.told == [["systemctl", "start", "keepalived.service"]]


def test_a_reload_is_waited_for(host):
    host.states = ["reloading", "reloading", "active"]
    host.service.reload()
    assert host.told == [["systemctl", "reload", "keepalived.service"]]
    assert 0.5 < host.clock < 1
    host.codes = {"reload": 1}
    with pytest.raises(KernelRefusal, match="Could not reload keepalived"):
        host.service.reload()


def test_a_reload_is_not_waited_for_for_ever(host):
    host.states = ["reloading"]
    host.service.reload()
    assert host.clock < 15


def test_all_processes_are_stopped_before_any_is_killed(host):
    """Without that, the death of the main one would have the others clean up."""
    host.states = ["active", "active", "failed"]
    host.service.kill()
    assert host.told == [
        ["systemctl", "kill", "--signal=SIGSTOP", "keepalived.service"],
        ["systemctl", "kill", "--signal=SIGKILL", "keepalived.service"],
        ["systemctl", "stop", "keepalived.service"],
        ["systemctl", "reset-failed", "keepalived.service"],
    ]
    host.states = ["active"]
    with pytest.raises(KernelRefusal, match="Could not end keepalived: it still runs"):
        host.service.kill()


def test_the_rest(host):
    for verb in ("enable", "disable", "stop"):
        getattr(host.service, verb)()
        assert ["systemctl", verb, "keepalived.service"] in host.told
    host.service.remove_address(Address("10.0.0.1", 32, "eth1"))
    assert host.told[-1] == [
        "ip",
        "-4",
        "address",
        "del",
        "10.0.0.1/32",
        "dev",
        "eth1",
        "scope",
        "global",
    ]


def test_the_table_is_given_up_by_the_process_that_makes_it(host, monkeypatch, tmp_path):
    pid_file = tmp_path / "checkers.pid"
    monkeypatch.setattr(service, "CHECKERS", (str(tmp_path / "none"), str(pid_file)))
    # A process whose parent is keepalived's: this one.
    pid_file.write_text(f"{os.getpid()}\n")
    host.main = os.getppid()
    host.service.give_up_table()
    ((shell, option, script),) = host.told
    assert (shell, option) == ("sh", "-c")
    assert script.splitlines() == [
        f"kill -STOP {os.getpid()}",
        "/sbin/systemctl reload keepalived.service",
        "sleep 1",
        f"kill -KILL {os.getpid()}",
    ]


@pytest.mark.parametrize("pid", ["", "x", "999999999", str(os.getpid())])
def test_another_process_is_not_killed_for_it(host, monkeypatch, tmp_path, pid):
    pid_file = tmp_path / "checkers.pid"
    pid_file.write_text(pid)
    monkeypatch.setattr(service, "CHECKERS", (str(pid_file),))
    host.main = 999999998
    host.service.give_up_table()
    assert host.told == [["systemctl", "reload", "keepalived.service"]]
