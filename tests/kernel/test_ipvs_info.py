# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pathlib
import time

import pytest

from tests.kernel.harness import VIP, ModuleFailed, loaded_modules, run_module, sh
from tests.kernel.network import Conversation

SERVICES = [
    {
        "address": VIP,
        "port": 80,
        "scheduler": "rr",
        "real_servers": [
            {"address": "10.97.0.1", "port": 8080},
            {"address": "10.97.0.2", "port": 8080, "weight": 0},
        ],
    },
    {
        "address": "2001:db8::1",
        "port": 53,
        "protocol": "udp",
        "scheduler": "sh",
        "scheduler_flags": ["sh-port"],
        "real_servers": [{"address": "2001:db8:2::1", "forwarding": "dr"}],
    },
    {"fwmark": 7, "scheduler": "wlc", "persistence_timeout": 60},
]


def info(check=False, **params):
    return run_module("ipvs_info", check, **params)


def names(found):
    return [service.get("address") or service["fwmark"] for service in found["services"]]


@pytest.fixture
def table():
    run_module("ipvs_table", services=SERVICES)


def test_its_services_make_the_same_table(table):
    found = info()
    assert not found["changed"]
    assert not run_module("ipvs_table", services=found["services"], purge="all")["changed"]
    sh("ipvsadm", "--clear")
    run_module("ipvs_table", services=found["services"])
    assert found["services"] == info(check=True)["services"]


def test_what_ipvs_is(table):
    found = info()
    assert found["loaded"]
    assert found["version"] in sh("ipvsadm", "-v")
    size = int(sh("ipvsadm", "-Ln").splitlines()[0].split("size=")[1].strip(")"))
    assert found["connection_table_size"] == size
    told = [int(word) for word in sh("ipvsadm", "-L", "--timeout").split()[-3:]]
    assert list(found["timeouts"].values()) == told
    assert found["sync_daemons"] == []


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"addresses": [VIP]}, [VIP]),
        ({"addresses": ["10.99.0.0/24", "2001:db8::/32"]}, [VIP, "2001:db8::1"]),
        ({"fwmarks": [7]}, [7]),
        ({"fwmarks": [8]}, []),
        ({"addresses": [VIP], "fwmarks": [7]}, [VIP, 7]),
        ({"protocols": ["udp"]}, ["2001:db8::1"]),
        ({"real_servers": ["10.97.0.2"]}, [VIP]),
        ({"real_servers": ["10.97.0.2"], "protocols": ["udp"]}, []),
    ],
)
def test_filters(table, chosen, expected):
    found = info(filter=chosen)
    assert sorted(map(str, names(found))) == sorted(map(str, expected))
    assert len(found["statistics"]) == len(expected)


def test_a_filter_that_is_none(table):
    with pytest.raises(ModuleFailed, match="addresses='everything': is not a network"):
        info(filter={"addresses": ["everything"]})


def test_it_counts_what_ipvsadm_counts(network, table):
    with Conversation() as conversation:
        assert conversation.say("hello") == ["rs1", "hello"]
        time.sleep(3)  # the kernel adds its counters up every two seconds
        (web,) = info(filter={"addresses": [VIP]})["statistics"]
        stats = sh("ipvsadm", "-Ln", "--stats", "--exact").splitlines()
        now = sh("ipvsadm", "-Ln").splitlines()
    counters = [
        "connections",
        "incoming_packets",
        "outgoing_packets",
        "incoming_bytes",
        "outgoing_bytes",
    ]
    told = {
        line.split()[1]: list(map(int, line.split()[2:]))
        for line in stats
        if VIP in line or ("->" in line and "10.97" in line)
    }
    assert [web[name] for name in counters] == told[f"{VIP}:80"]
    assert web["connections"] == 1
    assert web["incoming_packets"] > 2
    one, two = web["real_servers"]
    assert (one["address"], one["port"]) == ("10.97.0.1", 8080)
    assert [one[name] for name in counters] == told["10.97.0.1:8080"]
    assert [two[name] for name in counters] == [0, 0, 0, 0, 0]
    active = next(line.split()[-2:] for line in now if "10.97.0.1:8080" in line)
    assert [str(one["active_connections"]), str(one["inactive_connections"])] == active
    assert one["active_connections"] == 1
    assert one["persistent_connections"] == 0


def test_without_statistics(table):
    assert "statistics" not in info(statistics=False)


def test_a_kernel_without_ipvs_stays_so():
    sh("modprobe", "--remove", *loaded_modules())
    found = info()
    assert (found["loaded"], found["services"], found["statistics"]) == (False, [], [])
    assert not pathlib.Path("/proc/net/ip_vs").exists()


def test_services_have_the_names_of_the_description(table):
    described = [{"name": "web", "keys": [f"tcp {VIP}:80"], "places": []}]
    names = {each["name"] for each in info(described=described)["statistics"]}
    assert names == {"web", ""}
