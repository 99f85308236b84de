# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read from a configuration of keepalived, and what is changed in it."""

from __future__ import annotations

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.draining.configuration import (
    Keepalived,
    services_of,
    with_weights,
)
from ansible_collections.lvs.cluster.plugins.module_utils.draining.request import Configured
from ansible_collections.lvs.cluster.plugins.module_utils.errors import KernelRefusal
from ansible_collections.lvs.cluster.plugins.module_utils.host.commands import Commands
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import ServiceKey
from ansible_collections.lvs.cluster.plugins.module_utils.keepalived import conf

WEB, MARK = ServiceKey.at("tcp", "192.0.2.1", 80), ServiceKey.marked(7)
ONE, TWO = (f"{WEB} > 10.0.0.{n}:8080" for n in (1, 2))
MARKED = f"{MARK} > 10.0.0.1:0"
BODY = """\
global_defs {
  router_id one
}
vrrp_instance VI {
  priority 200
}
# service tcp 192.0.2.1:80
virtual_server 192.0.2.1 80 {
  quorum 3
  hysteresis 1
  inhibit_on_failure
  # real server 10.0.0.1:8080
  real_server 10.0.0.1 8080 {
    weight 2
    HTTP_GET {
      connect_timeout 3
    }
  }
  # real server 10.0.0.2:8080
  real_server 10.0.0.2 8080 {
    weight 4
  }
}
# service fwmark 7 ipv4
virtual_server fwmark 7 {
  # real server 10.0.0.1:0
  real_server 10.0.0.1 {
    weight 1
  }
}
"""
TEXT = conf.whole("cluster-x", {}, BODY)


def test_services_weights_and_quorums_are_read():
    assert services_of(TEXT) == {
        WEB: Configured({ONE: 2, TWO: 4}, 3, 1, inhibits=True),
        MARK: Configured({MARKED: 1}),
    }


@pytest.mark.parametrize("text", ["", "vrrp_instance VI {\n  priority 200\n}\n"])
def test_without_services_there_is_nothing(text):
    assert services_of(text) == {}


def test_weights_change_and_nothing_else():
    changed = with_weights(TEXT, {ONE: 0, MARKED: 9})
    assert services_of(changed) == {
        WEB: Configured({ONE: 0, TWO: 4}, 3, 1, inhibits=True),
        MARK: Configured({MARKED: 9}),
    }
    assert with_weights(changed, {ONE: 2, MARKED: 1}) == TEXT
    assert with_weights(TEXT, {f"{WEB} > 10.0.0.9:8080": 0}) == TEXT


def test_the_first_weight_is_that_of_the_real_server():
    """As the other function has it, which changes the first."""
    text = TEXT.replace("HTTP_GET {", "HTTP_GET {\n      weight 9")
    assert services_of(text)[WEB].weights[ONE] == 2
    assert services_of(with_weights(text, {ONE: 7}))[WEB].weights[ONE] == 7


class Host:
    """A host whose keepalived takes a configuration or not, and runs or not."""

    def __init__(self, complaint="", state="active"):
        self.complaint = complaint
        self.state = state
        self.ran = []

    def run_command(self, words, **_more):
        program = words[0].rpartition("/")[2]
        self.ran.append(" ".join([program, *words[1:2]]))
        if program == "keepalived":
            return (5, "", self.complaint) if self.complaint else (0, "", "")
        if words[1] == "show":
            return 0, f"ActiveState={self.state}\nMainPID=7\n", ""
        return 0, "", ""


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(Commands, "find", staticmethod(lambda name: f"/usr/sbin/{name}"))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    path = tmp_path / "keepalived.conf"
    path.write_text(TEXT)
    found = Host()
    found.path = path
    found.keepalived = Keepalived(Commands(found.run_command), str(path), str(tmp_path / "pending"))
    return found


def test_one_of_ours_that_owns_the_table_is_read(host):
    assert host.keepalived.read() == (TEXT, False)


@pytest.mark.parametrize(
    "text",
    [
        # Somebody else's.
        BODY,
        # One that leaves the table to us.
        conf.whole("cluster-x", {}, "vrrp_instance VI {\n}\n"),
        "",
    ],
)
def test_others_are_left_alone(host, text):
    host.path.write_text(text)
    assert host.keepalived.read() == (None, False)


def test_none_at_all(host):
    host.path.unlink()
    assert host.keepalived.read() == (None, False)


def test_it_is_checked(host):
    host.keepalived.check(TEXT)
    assert host.ran == ["keepalived -t"]
    host.complaint = "Unknown keyword 'colour'"
    with pytest.raises(
        KernelRefusal, match=r"Could not change .*Unknown keyword 'colour'; correct"
    ):
        host.keepalived.check(TEXT)
    assert host.path.read_text() == TEXT


def test_it_is_replaced_and_read_again(host):
    changed = with_weights(TEXT, {ONE: 0})
    host.keepalived.put(changed)
    assert host.path.read_text() == changed
    assert host.path.stat().st_mode & 0o777 == 0o600
    assert "systemctl reload" in host.ran
    assert "systemctl restart" not in host.ran
    assert host.keepalived.read() == (changed, False)


def test_where_keepalived_does_not_run_it_is_not_started(host):
    host.state = "inactive"
    host.keepalived.put(TEXT)
    assert {word.split()[1] for word in host.ran} == {"show"}


def test_a_run_that_was_killed_before_the_reload_is_noticed(host, monkeypatch):
    def killed(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(f"{conf.__package__}.service.Service.reload", killed)
    with pytest.raises(KeyboardInterrupt):
        host.keepalived.put(TEXT)
    assert host.keepalived.read() == (TEXT, True)
