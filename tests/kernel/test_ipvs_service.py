# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from tests.kernel.harness import (
    VIP,
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
    without_scheduler,
)

# twos (a choice of two) is not in the kernel of Debian 12.
SCHEDULERS = ["dh", "fo", "lblc", "lblcr", "lc", "mh", "nq", "ovf", "rr", "sed", "sh", "wlc", "wrr"]


def test_a_service_appears_changes_and_goes():
    done = four_steps("ipvs_service", address=VIP, port=80, scheduler="rr")
    assert table() == [f"-A -t {VIP}:80 -s rr"]
    assert done["diff"][0]["after"] == f"-A -t {VIP}:80 -s rr\n"
    assert done["service"] == {
        "protocol": "tcp",
        "address": VIP,
        "port": 80,
        "scheduler": "rr",
        "scheduler_flags": [],
        "persistence_timeout": 0,
        "persistence_netmask": "255.255.255.255",
        "persistence_engine": "",
        "one_packet": False,
        "real_servers": [],
    }

    done = four_steps("ipvs_service", address=VIP, port=80, scheduler="wrr")
    assert table() == [f"-A -t {VIP}:80 -s wrr"]
    assert [operation["verb"] for operation in done["operations"]] == ["edit"]

    done = four_steps("ipvs_service", address=VIP, port=80, state="absent")
    assert table() == []
    assert done["service"] is None


def test_a_new_service_gets_the_documented_defaults():
    service()
    assert table() == [f"-A -t {VIP}:80 -s wlc"]


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_scheduler(scheduler):
    service(scheduler=scheduler)
    assert table() == [f"-A -t {VIP}:80 -s {scheduler}"]
    assert raw_dump()[0][0]["SCHED_NAME"] == scheduler


def test_a_scheduler_whose_module_is_missing_is_named():
    with without_scheduler("twos"):
        with pytest.raises(
            ModuleFailed, match=r"service tcp 10\.99\.0\.100:80: .*'twos'.*modprobe ip_vs_twos"
        ):
            service(scheduler="twos")
        service(scheduler="rr")
        with pytest.raises(ModuleFailed, match="ip_vs_twos"):
            service(scheduler="twos")
    assert table() == [f"-A -t {VIP}:80 -s rr"]


def test_udp_and_tcp_are_two_services():
    service(port=53, protocol="udp", scheduler="rr")
    service(port=53, scheduler="rr")
    four_steps("ipvs_service", address=VIP, port=53, protocol="udp", state="absent")
    assert table() == [f"-A -t {VIP}:53 -s rr"]


def test_ipv6_addresses_compare_canonically():
    four_steps("ipvs_service", address="2001:DB8::0001", port=80, scheduler="rr")
    assert table() == ["-A -t [2001:db8::1]:80 -s rr"]
    assert not service(address="2001:db8:0:0::1", scheduler="rr")["changed"]


def test_persistence_and_its_masks():
    four_steps("ipvs_service", address=VIP, port=80, scheduler="rr", persistence_timeout=300)
    assert table() == [f"-A -t {VIP}:80 -s rr -p 300"]
    four_steps("ipvs_service", address=VIP, port=80, persistence_netmask="24")
    assert table() == [f"-A -t {VIP}:80 -s rr -p 300 -M 255.255.255.0"]
    assert not service(persistence_netmask="255.255.255.0")["changed"]
    four_steps("ipvs_service", address=VIP, port=80, persistence_timeout=0)
    assert table() == [f"-A -t {VIP}:80 -s rr"]
    flags = raw_dump()[0][0]["FLAGS"]
    assert flags["flags"] & 1 == 0


def test_an_ipv6_mask_is_a_prefix_length():
    service(address="2001:db8::1", persistence_timeout=60, persistence_netmask="64")
    assert table() == ["-A -t [2001:db8::1]:80 -s wlc -p 60 -M 64"]
    assert not service(address="2001:db8::1", persistence_netmask="64")["changed"]


def test_all_ports_as_one_service():
    with pytest.raises(ModuleFailed, match="set persistence_timeout"):
        service(port=0)
    assert table() == []
    service(port=0, persistence_timeout=60)
    assert table() == [f"-A -t {VIP}:0 -s wlc -p 60"]


@pytest.mark.parametrize(
    ("scheduler", "flags", "saved_flags"),
    [
        ("sh", ["sh-port"], "sh-port"),
        ("sh", ["flag-2", "flag-1"], "sh-fallback,sh-port"),
        ("mh", ["mh-fallback", "mh-port"], "mh-fallback,mh-port"),
        ("rr", ["flag-3"], "flag-3"),
    ],
)
def test_scheduler_flags(scheduler, flags, saved_flags):
    four_steps("ipvs_service", address=VIP, port=80, scheduler=scheduler, scheduler_flags=flags)
    assert table() == [f"-A -t {VIP}:80 -s {scheduler} -b {saved_flags}"]
    assert not service(scheduler_flags=flags[::-1])["changed"]
    four_steps("ipvs_service", address=VIP, port=80, scheduler_flags=[])
    assert table() == [f"-A -t {VIP}:80 -s {scheduler}"]


def test_udp_with_everything():
    four_steps(
        "ipvs_service",
        address=VIP,
        port=5060,
        protocol="udp",
        scheduler="rr",
        persistence_timeout=60,
        persistence_engine="sip",
        one_packet=True,
    )
    raw = raw_dump()[0][0]
    assert raw["PE_NAME"] == "sip"
    assert raw["FLAGS"]["flags"] & 0x5 == 0x5
    four_steps(
        "ipvs_service",
        address=VIP,
        port=5060,
        protocol="udp",
        persistence_engine="",
        one_packet=False,
    )
    assert table() == [f"-A -u {VIP}:5060 -s rr -p 60"]


def test_sctp():
    four_steps("ipvs_service", address=VIP, port=80, protocol="sctp", scheduler="rr")
    assert table() == [f"-A --sctp-service {VIP}:80 -s rr"]


def test_marks_have_a_family_and_32_bits():
    four_steps("ipvs_service", fwmark=10, scheduler="rr")
    four_steps("ipvs_service", fwmark=10, family="ipv6", scheduler="wrr")
    done = four_steps("ipvs_service", fwmark=2**32 - 1, scheduler="lc")
    assert done["service"]["fwmark"] == 2**32 - 1
    assert table() == ["-A -f -1 -s lc", "-A -f 10 -6 -s wrr", "-A -f 10 -s rr"]
    four_steps("ipvs_service", fwmark=10, state="absent")
    four_steps("ipvs_service", fwmark=2**32 - 1, state="absent")
    assert table() == ["-A -f 10 -6 -s wrr"]


def test_a_service_with_its_real_servers():
    one, two = {"address": "10.97.0.1", "weight": 2}, {"address": "10.97.0.2", "weight": 0}
    web = {"address": VIP, "port": 80, "scheduler": "wrr"}
    done = four_steps("ipvs_service", **web, real_servers=[one, two])
    assert table() == [
        f"-A -t {VIP}:80 -s wrr",
        f"-a -t {VIP}:80 -r 10.97.0.1:80 -m -w 2",
        f"-a -t {VIP}:80 -r 10.97.0.2:80 -m -w 0",
    ]
    assert not service(**done["service"])["changed"], "what it returns are its options"
    sh("ipvsadm", "-a", "-t", f"{VIP}:80", "-r", "10.97.0.3:80", "-m", "-w", "1")
    assert not service(real_servers=[one])["changed"]
    four_steps("ipvs_service", **web, real_servers=[one], real_servers_exact=True)
    assert table() == [f"-A -t {VIP}:80 -s wrr", f"-a -t {VIP}:80 -r 10.97.0.1:80 -m -w 2"]
    assert list(claims()["ipvs_real_server"]) == [f"tcp {VIP}:80 > 10.97.0.1:80"]


def test_what_is_new_stands_before_what_is_old_goes():
    """A real server that can't be added keeps the one that it was to replace."""
    service(real_servers=[{"address": "10.97.0.1"}])
    with pytest.raises(ModuleFailed, match=r"no unicast route to 10\.99\.0\.255"):
        service(real_servers=[{"address": "10.99.0.255"}], real_servers_exact=True)
    assert table() == [f"-A -t {VIP}:80 -s wlc", f"-a -t {VIP}:80 -r 10.97.0.1:80 -m -w 1"]
    assert list(claims()["ipvs_real_server"]) == [f"tcp {VIP}:80 > 10.97.0.1:80"]


def test_what_is_left_out_stays():
    """SET replaces the whole object; what the task does not name must be sent again."""
    sh(
        "ipvsadm",
        "-A",
        "-u",
        f"{VIP}:5060",
        "-s",
        "sh",
        "-b",
        "sh-port,sh-fallback",
        "-p",
        "90",
        "-M",
        "255.255.0.0",
        "--pe",
        "sip",
        "-o",
    )
    before = raw_dump(port=5060, protocol=17)[0][0]
    service(port=5060, protocol="udp", persistence_timeout=91)
    after = raw_dump(port=5060, protocol=17)[0][0]
    assert after == {**before, "TIMEOUT": 91}
    assert before["PE_NAME"] == "sip"


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"address": "0.0.0.0"}, "address='0.0.0.0'.*unicast"),
        ({"address": "www"}, "address='www'.*IPv4 or IPv6"),
        ({"port": 65536}, "port=65536"),
        ({"persistence_timeout": 2**32 - 1}, "persistence_timeout=4294967295.*2678400"),
        ({"persistence_netmask": "24"}, "persistence_netmask=.*set persistence_timeout"),
        ({"persistence_timeout": 9, "persistence_netmask": "255.0.255.0"}, "255.0.255.0.*such as"),
        ({"owner": "../../etc/passwd"}, "owner="),
        ({"fwmark": 0, "address": None, "port": None}, "fwmark=0"),
        ({"fwmark": 7}, "cannot be combined with fwmark.*either"),
        ({"real_servers_exact": True}, "missing: real_servers"),
        ({"one_packet": True}, "one_packet=True.*UDP or a firewall mark"),
        ({"persistence_engine": "sip", "persistence_timeout": 9}, "persistence_engine='sip'"),
        ({"scheduler_flags": ["sh-port"]}, "choose scheduler sh"),
        ({"real_servers": [{"address": "10.0.0.1", "weight": 1 << 16}]}, "weight=65536"),
    ],
)
def test_nonsense_is_refused_before_anything_changes(params, words):
    with pytest.raises(ModuleFailed, match=words):
        service(**params)
    assert table() == []
    assert claims() == {}


def test_a_foreign_service_survives_everything():
    sh("ipvsadm", "-A", "-t", f"{VIP}:443", "-s", "sed", "-p", "77")
    sh(
        "ipvsadm",
        "-a",
        "-t",
        f"{VIP}:443",
        "-r",
        "10.97.0.9:443",
        "-m",
        "-w",
        "0",
        "-x",
        "9",
        "-y",
        "5",
    )
    foreign = saved()
    service(scheduler="rr")
    real_server("10.97.0.1")
    real_server("10.97.0.1", weight=3)
    service(scheduler="wrr")
    real_server("10.97.0.1", state="absent")
    service(state="absent")
    assert saved() == foreign
    assert claims() == {}


def test_what_we_made_and_what_we_found_are_told_apart():
    sh("ipvsadm", "-A", "-t", f"{VIP}:443", "-s", "sed")
    sh("ipvsadm", "-A", "-t", f"{VIP}:8443", "-s", "sed")
    service(scheduler="rr")
    service(port=443, scheduler="lc", owner="web.team")
    service(port=8443, scheduler="sed")
    assert claims()["ipvs_service"] == {f"tcp {VIP}:80": {"found": None}}
    found = claims("web.team")["ipvs_service"][f"tcp {VIP}:443"]["found"]
    assert found["scheduler"] == "sed"


def test_a_service_goes_with_its_real_servers():
    service(scheduler="rr")
    real_server("10.97.0.1")
    done = four_steps("ipvs_service", address=VIP, port=80, state="absent")
    assert done["diff"][0]["before"] == (
        f"-A -t {VIP}:80 -s rr\n-a -t {VIP}:80 -r 10.97.0.1:80 -m -w 1\n"
    )
    assert table() == []
    assert claims() == {}


def test_an_unknown_option_is_refused():
    with pytest.raises(ModuleFailed, match="Unsupported parameters"):
        run_module("ipvs_service", address=VIP, port=80, weight=1)
