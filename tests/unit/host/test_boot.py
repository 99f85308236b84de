# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.host import boot
from ansible_collections.lvs.cluster.plugins.module_utils.host.files import Change, File

UNITS = "/etc/systemd/system"


def wanted(body, present, kind=boot.TABLE):
    script = (kind, "", "a test", body)
    return {file.path: file.content for file in boot.files("web", [script], present)}


def test_a_script_brings_the_service():
    found = wanted("true\n", [])
    assert found["/etc/lvs.cluster/boot.d/40-table-web"].endswith("LC_ALL=C\ntrue\n")
    assert found[f"{UNITS}/multi-user.target.wants/lvs.cluster.service"] == "../lvs.cluster.service"
    assert "ExecStart=/etc/lvs.cluster/restore" in found[f"{UNITS}/lvs.cluster.service"]


def test_services_that_drop_foreign_state_have_it_restored():
    found = wanted("true\n", [])
    for unit in boot.DROPPING:
        text = found[f"{UNITS}/{unit}.d/lvs.cluster.conf"]
        assert text.count("--no-block restart lvs.cluster.service") == 3
        assert unit in found[f"{UNITS}/lvs.cluster.service"]


def test_services_are_started_however_often_others_drop_what_is_ours():
    found = wanted("true\n", [], boot.ROUTES)
    for name in ("lvs.cluster.service", "lvs.cluster-watch.service"):
        unit, _service = found[f"{UNITS}/{name}"].split("[Service]")
        assert "StartLimitIntervalSec=0" in unit


def test_what_network_events_undo_is_watched_for():
    watch = f"{UNITS}/lvs.cluster-watch.service"
    assert wanted("true\n", [])[watch] is None
    for kind in (boot.FIREWALL, boot.TUNNELS, boot.ROUTES, boot.ADDRESSES):
        assert "ExecStart=/etc/lvs.cluster/watch" in wanted("true\n", [], kind)[watch]
        assert wanted(None, [f"{kind}-other"])[watch]


def test_the_last_script_takes_all_of_it_along():
    assert set(wanted(None, ["40-table-web"]).values()) == {None}


def test_what_has_no_scripts_changes_no_file():
    assert boot.wanted_changes("web", []) == []
    found = boot.wanted_changes("web", [(boot.TABLE, "", "a test", "true\n")])
    assert "/etc/lvs.cluster/boot.d/40-table-web" in {change.wanted.path for change in found}


def test_another_script_keeps_the_service():
    found = wanted(None, ["20-firewall-web", "40-table-web"])
    assert found["/etc/lvs.cluster/boot.d/40-table-web"] is None
    assert found[f"{UNITS}/lvs.cluster.service"]


def test_the_scripts_of_several_kinds_come_and_go_together():
    scripts = [(boot.TABLE, "", "one", None), (boot.FIREWALL, "mark", "two", "true\n")]
    found = {file.path: file.content for file in boot.files("web", scripts, ["40-table-web"])}
    assert found["/etc/lvs.cluster/boot.d/40-table-web"] is None
    assert found["/etc/lvs.cluster/boot.d/20-firewall-web-mark"]
    assert found[boot.RUNNER]


def runner(tmp_path, monkeypatch):
    folder = tmp_path / "boot.d"
    folder.mkdir()
    for name, body in (("20-one", "echo one"), ("60-two", "echo two; exit 3"), ("70-x", "echo x")):
        (folder / name).write_text(boot.text("web", "a test", body + "\n"))
    text = wanted("", [])[boot.RUNNER].replace(boot.FOLDER, str(folder))
    text = text.replace(boot.RUNNING, f"{tmp_path}/lock")

    def run(*words):
        done = subprocess.run(
            ["sh", "-c", text, "restore", *words], capture_output=True, text=True, check=False
        )
        said = [line for line in done.stdout.splitlines() if not line.startswith("lvs.cluster:")]
        return said, done.returncode, done.stderr.replace(str(folder), "")

    return run


def test_every_script_runs_and_a_failure_shows(tmp_path, monkeypatch):
    said, code, errors = runner(tmp_path, monkeypatch)()
    assert (said, code, errors) == (["one", "two", "x"], 1, "lvs.cluster: failed: /60-two\n")


def test_some_scripts_run_by_the_beginning_of_their_names(tmp_path, monkeypatch):
    run = runner(tmp_path, monkeypatch)
    assert run("70", "20")[:2] == (["one", "x"], 0)
    assert run("30")[:2] == ([], 0)


def test_the_watcher_is_a_shell_script():
    text = wanted("", [], boot.ROUTES)[boot.WATCHER]
    done = subprocess.run(["sh", "-n"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("pattern", "line", "counts"),
    [
        (boot.NETWORK_EVENTS, "Deleted default via 10.96.0.104 dev eth1 table 1704", True),
        (boot.NETWORK_EVENTS, "Deleted 999:\tfrom 10.96.0.250 lookup 999", True),
        (
            boot.NETWORK_EVENTS,
            "7: probe: <BROADCAST,NOARP,UP,LOWER_UP> mtu 1500 state UNKNOWN",
            True,
        ),
        (boot.NETWORK_EVENTS, "7: probe    inet 10.96.0.7/24 brd 10.96.0.255 scope global", True),
        (boot.NETWORK_EVENTS, "7: probe    inet6 fd96::7/64 scope global tentative", True),
        (boot.NETWORK_EVENTS, "7: probe: <BROADCAST,NOARP> mtu 1500 state DOWN", False),
        (boot.NETWORK_EVENTS, "default via 10.96.0.104 dev eth1 table 1704", False),
        (boot.FIREWALL_EVENTS, "delete rule ip filter INPUT handle 4", True),
        (boot.FIREWALL_EVENTS, "delete chain ip6 filter LVS-IN-web", True),
        (boot.FIREWALL_EVENTS, "delete table ip nat", True),
        (boot.FIREWALL_EVENTS, "delete element ip filter banned { 192.0.2.1 }", False),
        (boot.FIREWALL_EVENTS, "delete chain inet firewalld filter_INPUT", False),
    ],
)
def test_the_events_after_which_something_may_be_missing(pattern, line, counts):
    found = subprocess.run(["grep", "-qE", pattern], input=line, text=True, check=False)
    assert found.returncode == (0 if counts else 1)


def test_one_runner_waits_for_the_other(tmp_path, monkeypatch):
    """What is added only where it is missing would be added twice."""
    run = runner(tmp_path, monkeypatch)
    for path in (tmp_path / "boot.d").iterdir():
        path.unlink()
    target = tmp_path / "rules"
    body = f"[ -e {target} ] || {{ touch {tmp_path}/begun; sleep 0.5; echo rule >> {target}; }}\n"
    (tmp_path / "boot.d" / "20-one").write_text(body)
    with ThreadPoolExecutor(3) as pool:
        assert {code for _said, code, _errors in pool.map(lambda _n: run(), range(3))} == {0}
        assert target.read_text() == "rule\n"
        target.unlink()
        (tmp_path / "begun").unlink()
        first = pool.submit(run)
        while not (tmp_path / "begun").exists():
            time.sleep(0.02)
        monkeypatch.setenv("LVS_PATIENCE", "0.1")
        assert run()[1] == 75
        assert first.result()[1] == 0


class Watcher:
    """The watcher with monitors that say what a test has them say; its seconds are short."""

    def __init__(self, folder, monitors=("ip", "nft")):
        self._folder = folder
        self._pending = folder / "rollback-web"
        self.runs = folder / "runs"
        programs = {
            "sleep": "exec /bin/sleep 0.02",
            "nft": "exit 1",
            "restore": f"echo $LVS_PATIENCE $* >> {self.runs}",
        }
        for name in monitors:
            os.mkfifo(folder / f"{name}.fifo")
            programs[name] = f'[ "$1" = list ] || exec cat {folder}/{name}.fifo'
        for name, body in programs.items():
            (folder / name).write_text(f"#!/bin/sh\n{body}\n")
            (folder / name).chmod(0o755)
        text = wanted("", [], boot.ROUTES)[boot.WATCHER]
        for before, after in (
            (boot.RUNNER, f"{folder}/restore"),
            (boot.UNCONFIRMED, f"{folder}/rollback"),
            ("/run/lvs.cluster", f"{folder}/run"),
        ):
            text = text.replace(before, after)
        environ = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
        self.process = subprocess.Popen(["sh", "-c", text], env=environ)
        self.monitors = {name: open(folder / f"{name}.fifo", "w") for name in monitors}  # noqa: SIM115

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        for each in self.monitors.values():
            each.close()
        self.process.wait(10)

    def says(self, monitor, line):
        print(line, file=self.monitors[monitor], flush=True)

    def count(self):
        return len(self.runs.read_text().splitlines()) if self.runs.exists() else 0

    def has_run(self, times):
        """Whether the scripts have been run so often, and no more often."""
        deadline = time.monotonic() + 10
        while self.count() < times and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.5)
        return self.count() == times

    @contextlib.contextmanager
    def unconfirmed(self):
        self._pending.touch()
        yield
        self._pending.unlink()


GONE = "Deleted default via 10.96.0.104 dev eth1 table 1704"


def test_the_watcher_answers_what_has_happened_before_it_began_and_then_events(tmp_path):
    with Watcher(tmp_path) as watcher:
        assert watcher.has_run(1)
        watcher.says("ip", GONE)
        assert watcher.has_run(2)
        watcher.says("nft", "delete table ip filter")
        assert watcher.has_run(3)
        watcher.says("ip", "default via 10.96.0.104 dev eth1 table 1704")
        assert watcher.has_run(3)
        assert set(watcher.runs.read_text().splitlines()) == {"3 20 25 35 60 70"}


def test_the_watcher_waits_for_a_change_to_be_confirmed(tmp_path):
    with Watcher(tmp_path) as watcher:
        assert watcher.has_run(1)
        with watcher.unconfirmed():
            watcher.says("ip", GONE)
            assert watcher.has_run(1)
        assert watcher.has_run(2)


@pytest.mark.parametrize("name", ["ip", "nft"])
def test_a_watcher_that_does_not_hear_any_more_ends_to_be_started_again(tmp_path, name):
    with Watcher(tmp_path) as watcher:
        assert watcher.has_run(1)
        watcher.monitors[name].close()
        assert watcher.process.wait(10) == 1


def test_a_watcher_without_nft_hears_the_network(tmp_path):
    with Watcher(tmp_path, ("ip",)) as watcher:
        assert watcher.has_run(1)
        watcher.says("ip", GONE)
        assert watcher.has_run(2)


def test_a_diff_shows_a_script_or_else_the_service():
    script = Change(None, File(boot.path(boot.TABLE, "web"), "x"))
    unit = Change(None, File(f"{UNITS}/lvs.cluster.service", "x"))
    drop_in = Change(None, File(f"{UNITS}/nftables.service.d/lvs.cluster.conf", "x"))
    other = Change(None, File("/etc/sysctl.d/90-lvs.cluster-web.conf", "x"))
    assert boot.shown([unit, drop_in, script, other]) == [script, other]
    assert boot.shown([unit, drop_in, other]) == [unit, other]


class Host:
    """A host's commands; each that was run is in ``ran``."""

    def __init__(self, systemctl="/bin/systemctl"):
        self.systemctl, self.ran = systemctl, []

    def find(self, name):
        assert name == "systemctl"
        return self.systemctl

    def run(self, words):
        self.ran.append(words)


def activated(*files, host=None):
    host = host or Host()
    boot.activate([Change(None, file) for file in files], host)
    return [" ".join(words) for words in host.ran]


SERVICE, WATCH = f"{UNITS}/lvs.cluster.service", f"{UNITS}/lvs.cluster-watch.service"
DROP_IN = f"{UNITS}/nftables.service.d/lvs.cluster.conf"


def test_systemd_is_told_of_services_that_come_and_go():
    reload = "/bin/systemctl daemon-reload"
    assert activated(File(SERVICE, "text")) == [reload, "/bin/systemctl start lvs.cluster.service"]
    assert activated(File(WATCH, None), File(SERVICE, "text")) == [
        reload,
        "/bin/systemctl start lvs.cluster.service",
        "/bin/systemctl stop lvs.cluster-watch.service",
    ]
    assert activated(File(DROP_IN, "text")) == [reload]


def test_systemd_is_not_asked_where_no_unit_changes_or_there_is_none():
    wants = File(f"{UNITS}/multi-user.target.wants/lvs.cluster.service", "x", link=True)
    assert activated(wants, File("/etc/lvs.cluster/boot.d/40-table-web", "text")) == []
    assert activated(File(SERVICE, "text"), host=Host(None)) == []
