# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from tests.kernel.harness import (
    VIP,
    WEB,
    ModuleFailed,
    claims,
    four_steps,
    raw_dump,
    real_server,
    run_module,
    saved,
    service,
    sh,
    table,
)

RIP = "10.97.0.1"


@pytest.fixture
def _web():
    service(scheduler="wrr")


def lines():
    return [line for line in table() if line.startswith("-a")]


@pytest.mark.usefixtures("_web")
def test_a_real_server_appears_changes_and_goes():
    done = four_steps("ipvs_real_server", service=WEB, address=RIP, port=8080, weight=2)
    assert lines() == [f"-a -t {VIP}:80 -r {RIP}:8080 -m -w 2"]
    assert done["diff"][0]["after"] == f"-a -t {VIP}:80 -r {RIP}:8080 -m -w 2\n"
    assert done["real_server"] == {
        "address": RIP,
        "port": 8080,
        "forwarding": "nat",
        "weight": 2,
        "upper_threshold": 0,
        "lower_threshold": 0,
        "tunnel_type": "ipip",
        "tunnel_port": 0,
        "tunnel_checksum": "none",
    }

    done = four_steps("ipvs_real_server", service=WEB, address=RIP, port=8080, weight=5)
    assert lines() == [f"-a -t {VIP}:80 -r {RIP}:8080 -m -w 5"]
    assert [operation["verb"] for operation in done["operations"]] == ["edit"]

    done = four_steps("ipvs_real_server", service=WEB, address=RIP, port=8080, state="absent")
    assert lines() == []
    assert done["real_server"] is None
    assert "ipvs_real_server" not in claims()


@pytest.mark.usefixtures("_web")
def test_a_new_real_server_gets_the_documented_defaults():
    real_server(RIP)
    assert lines() == [f"-a -t {VIP}:80 -r {RIP}:80 -m -w 1"]


@pytest.mark.usefixtures("_web")
def test_weight_zero_is_a_value():
    """It is neither "unset" when given, nor overwritten when not."""
    four_steps("ipvs_real_server", service=WEB, address=RIP, weight=0)
    assert lines() == [f"-a -t {VIP}:80 -r {RIP}:80 -m -w 0"]
    assert not real_server(RIP)["changed"]
    assert not real_server(RIP, forwarding="nat")["changed"]
    four_steps("ipvs_real_server", service=WEB, address=RIP, weight=3)
    four_steps("ipvs_real_server", service=WEB, address=RIP, weight=0)
    assert raw_dump()[1][0]["WEIGHT"] == 0


@pytest.mark.usefixtures("_web")
@pytest.mark.parametrize("weight", [1, 65535])
def test_weights(weight):
    real_server(RIP, weight=weight)
    assert lines() == [f"-a -t {VIP}:80 -r {RIP}:80 -m -w {weight}"]


@pytest.mark.usefixtures("_web")
def test_an_edit_keeps_what_it_does_not_name():
    """SET replaces the whole object: thresholds and method that others set must be sent again."""
    sh(
        "ipvsadm",
        "-a",
        "-t",
        f"{VIP}:80",
        "-r",
        f"{RIP}:80",
        "-m",
        "-w",
        "7",
        "-x",
        "90",
        "-y",
        "80",
    )
    before = raw_dump()[1][0]
    real_server(RIP, weight=8)
    assert raw_dump()[1][0] == {**before, "WEIGHT": 8}
    assert before["U_THRESH"] == 90


@pytest.mark.usefixtures("_web")
def test_a_tunnel_of_somebody_else_survives_an_edit_of_its_weight():
    sh(
        "ipvsadm",
        "-a",
        "-t",
        f"{VIP}:80",
        "-r",
        f"{RIP}:80",
        "-i",
        "--tun-type",
        "gue",
        "--tun-port",
        "6080",
        "--tun-csum",
        "-w",
        "1",
    )
    before = raw_dump()[1][0]
    real_server(RIP, weight=8)
    assert raw_dump()[1][0] == {**before, "WEIGHT": 8}
    assert before["TUN_TYPE"] == 1


@pytest.mark.usefixtures("_web")
def test_the_forwarding_method_changes_in_place():
    sh("ipvsadm", "-a", "-t", f"{VIP}:80", "-r", f"{RIP}:80", "-g", "-w", "4")
    done = four_steps("ipvs_real_server", service=WEB, address=RIP, forwarding="masq")
    assert lines() == [f"-a -t {VIP}:80 -r {RIP}:80 -m -w 4"]
    assert [operation["verb"] for operation in done["operations"]] == ["edit"]
    found = claims()["ipvs_real_server"][f"tcp {VIP}:80 > {RIP}:80"]["found"]
    assert found["forwarding"] == "dr"


@pytest.mark.usefixtures("_web")
def test_one_address_on_two_ports_is_two_real_servers():
    real_server(RIP, port=8080)
    real_server(RIP, port=8081, weight=9)
    real_server(RIP, port=8080, state="absent")
    assert lines() == [f"-a -t {VIP}:80 -r {RIP}:8081 -m -w 9"]


@pytest.mark.usefixtures("_web")
def test_a_foreign_real_server_survives():
    sh("ipvsadm", "-a", "-t", f"{VIP}:80", "-r", "10.97.0.9:80", "-m", "-w", "0", "-x", "9")
    foreign = saved()
    four_steps("ipvs_real_server", service=WEB, address=RIP)
    real_server(RIP, weight=2)
    service(scheduler="rr")
    service(scheduler="wrr")
    real_server(RIP, state="absent")
    assert saved() == foreign


@pytest.mark.usefixtures("_web")
def test_the_directors_own_address_reads_back_as_asked():
    """The kernel delivers it locally whatever its method is, and keeps the method."""
    four_steps("ipvs_real_server", service=WEB, address="10.99.0.1")
    assert lines() == [f"-a -t {VIP}:80 -r 10.99.0.1:80 -m -w 1"]


@pytest.mark.usefixtures("_web")
@pytest.mark.parametrize(
    ("params", "words", "raw"),
    [
        ({"forwarding": "dr"}, "-g -w 1", {"FWD_METHOD": 3}),
        ({"forwarding": "gate"}, "-g -w 1", {"FWD_METHOD": 3}),
        ({"forwarding": "tun"}, "-i -w 1 --tun-type ipip", {"FWD_METHOD": 2, "TUN_TYPE": 0}),
        (
            {"forwarding": "ipip", "tunnel_type": "gue", "tunnel_port": 6080},
            "-i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum",
            {"TUN_TYPE": 1, "TUN_FLAGS": 0},
        ),
        (
            {
                "forwarding": "tun",
                "tunnel_type": "gue",
                "tunnel_port": 6080,
                "tunnel_checksum": "remcsum",
            },
            "-i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum",
            {"TUN_TYPE": 1, "TUN_FLAGS": 2},
        ),
        (
            {"forwarding": "tun", "tunnel_type": "gre", "tunnel_checksum": "csum"},
            "-i -w 1 --tun-type gre --tun-csum",
            {"TUN_TYPE": 2, "TUN_FLAGS": 1},
        ),
        ({"upper_threshold": 9, "lower_threshold": 5}, "-m -w 1", {"U_THRESH": 9, "L_THRESH": 5}),
    ],
)
def test_every_way_to_a_real_server(params, words, raw):
    four_steps("ipvs_real_server", service=WEB, address=RIP, **params)
    assert lines() == [f"-a -t {VIP}:80 -r {RIP}:80 {words}"]
    found = raw_dump()[1][0]
    assert {name: found[name] for name in raw} == raw
    four_steps("ipvs_real_server", service=WEB, address=RIP, weight=0)
    assert {name: raw_dump()[1][0][name] for name in raw} == raw


@pytest.mark.usefixtures("_web")
@pytest.mark.parametrize("method", ["dr", "tun"])
def test_only_nat_translates_ports(method):
    """The kernel would take the port and then not translate to it."""
    with pytest.raises(ModuleFailed, match=f"port=8080.*{method} can't translate.*listen on 80"):
        real_server(RIP, port=8080, forwarding=method)
    assert lines() == []


def test_a_mark_has_no_port():
    mark = {"fwmark": 10}
    service(address=None, port=None, fwmark=10)
    four_steps("ipvs_real_server", service=mark, address=RIP, forwarding="dr")
    assert lines() == [f"-a -f 10 -r {RIP}:0 -g -w 1"]
    with pytest.raises(ModuleFailed, match="omit the port"):
        real_server(RIP, service=mark, port=80, forwarding="dr")


@pytest.mark.usefixtures("_web")
def test_families_differ_in_a_tunnel():
    sh("ip", "address", "replace", "2001:db8::1/64", "dev", "eth1", "nodad")
    four_steps("ipvs_real_server", service=WEB, address="2001:db8::7", forwarding="tun")
    assert lines() == [f"-a -t {VIP}:80 -r [2001:db8::7]:80 -i -w 1 --tun-type ipip"]
    four_steps("ipvs_real_server", service=WEB, address="2001:db8::7", weight=5)
    four_steps("ipvs_real_server", service=WEB, address="2001:db8::7", state="absent")


def test_ipv6():
    web = {"address": "2001:db8::100", "port": 80}
    sh("ip", "address", "replace", "2001:db8::1/64", "dev", "eth1", "nodad")
    service(address="2001:db8::100", scheduler="rr")
    four_steps("ipvs_real_server", service=web, address="2001:DB8::0:7", port=8080)
    assert lines() == ["-a -t [2001:db8::100]:80 -r [2001:db8::7]:8080 -m -w 1"]


def test_the_service_must_stand():
    with pytest.raises(ModuleFailed, match=rf"real server {RIP}:80 of .*{VIP}:80.*ipvs_service"):
        real_server(RIP)
    assert not real_server(RIP, state="absent")["changed"]


def test_check_mode_trusts_the_task_that_adds_the_service():
    checked = run_module("ipvs_real_server", check=True, service=WEB, address=RIP)
    assert table() == []
    assert any("earlier task" in str(warning) for warning in checked["warnings"])
    service()
    assert real_server(RIP)["diff"] == checked["diff"]


@pytest.mark.usefixtures("_web")
@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"weight": -1}, "weight=-1.*65535"),
        ({"weight": 65536}, "weight=65536.*65535"),
        ({"address": "224.0.0.1"}, "address='224.0.0.1'.*unicast"),
        ({"address": "2001:db8::7"}, "another address family.*service's family"),
        ({"port": 0}, "port=0.*such as 80"),
        ({"lower_threshold": 5}, "lower_threshold=5.*upper_threshold at least"),
        ({"forwarding": "tun", "tunnel_type": "gue"}, "tunnel_port=0.*such as 6080"),
        ({"tunnel_type": "gre"}, "tunnel_type='gre'.*forward by tun"),
    ],
)
def test_nonsense_is_refused_before_anything_changes(params, words):
    with pytest.raises(ModuleFailed, match=words):
        real_server(**{"address": RIP, **params})
    assert lines() == []
    assert "ipvs_real_server" not in claims()


@pytest.mark.usefixtures("_web")
def test_a_broadcast_address_is_explained():
    with pytest.raises(ModuleFailed, match=r"no unicast route to 10\.99\.0\.255.*ip route get"):
        real_server("10.99.0.255")
    assert "ipvs_real_server" not in claims()
