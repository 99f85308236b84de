# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import random

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import rules
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.table import desired_table
from tests.kernel.children import apart
from tests.kernel.harness import (
    VIP,
    ModuleFailed,
    claims,
    four_steps,
    raw_table,
    run_module,
    saved,
    sh,
    table,
    without_scheduler,
)

SCHEDULERS = ["dh", "fo", "lblc", "lblcr", "lc", "mh", "nq", "ovf", "rr", "sed", "sh", "wlc", "wrr"]
FLAGS = [[], ["flag-1"], ["flag-2"], ["flag-1", "flag-2"], ["flag-3"]]
TABLES = 64


def ipvs_table(check=False, **params):
    return run_module("ipvs_table", check, **params)


def realistic_service(dice, number):
    """A service with all that its kind can have, chosen by dice; its key is told by its number."""
    family = dice.choice(["ipv4", "ipv6"])
    protocol = dice.choice(["tcp", "udp", "sctp", "fwmark"])
    service = {"scheduler": dice.choice(SCHEDULERS)}
    if protocol == "fwmark":
        service.update(fwmark=dice.choice([number + 1, 2**31 + number]), family=family)
    else:
        address = f"198.51.100.{number + 1}" if family == "ipv4" else f"2001:db8:1::{number + 1:x}"
        service.update(address=address, port=dice.choice([80, 443, 5060]), protocol=protocol)
    if service["scheduler"] in ("sh", "mh"):
        service["scheduler_flags"] = dice.choice(FLAGS)
    if dice.random() < 0.5:
        service["persistence_timeout"] = dice.choice([1, 300, 2678400])
        masks = {"ipv4": ["255.255.255.0", "16", None], "ipv6": ["64", "1", None]}
        service["persistence_netmask"] = dice.choice(masks[family])
        if protocol in ("udp", "fwmark"):
            service["persistence_engine"] = dice.choice(["", "sip"])
    if protocol in ("udp", "fwmark"):
        service["one_packet"] = dice.choice([True, False])
    service["real_servers"] = [
        realistic_real_server(dice, family, n, protocol == "fwmark")
        for n in range(dice.randrange(5))
    ]
    return service


def realistic_real_server(dice, family, number, marked):
    server = {"forwarding": dice.choice(["nat", "dr", "tun"]), "weight": dice.choice([0, 1, 65535])}
    if server["forwarding"] == "tun":
        family = dice.choice([family, family, "ipv4", "ipv6"])
        tunnel = dice.choice(["ipip", "gue", "gre"])
        checksums = {"ipip": ["none"], "gre": ["none", "csum"], "gue": ["none", "csum", "remcsum"]}
        server.update(tunnel_type=tunnel, tunnel_checksum=dice.choice(checksums[tunnel]))
        if tunnel == "gue":
            server["tunnel_port"] = dice.choice([1, 6080, 65535])
    elif server["forwarding"] == "nat" and not marked:
        server["port"] = dice.choice([1, 8080, 65535])
    base = "10.97.0." if family == "ipv4" else "2001:db8:2::"
    server["address"] = f"{base}{number + 1}"
    if dice.random() < 0.5:
        server["upper_threshold"] = dice.choice([1, 1000, 2**31 - 1])
        server["lower_threshold"] = dice.choice([0, 1])
    return server


def realistic_table(seed):
    dice = random.Random(seed)
    return [realistic_service(dice, number) for number in range(dice.randrange(1, 5))]


def test_the_realistic_tables_hold_everything():
    """All that there is, less the scheduler twos, which Debian 12's kernel does not have."""
    services = [service for seed in range(TABLES) for service in realistic_table(seed)]
    servers = [server for service in services for server in service["real_servers"]]

    def values(objects, name):
        return {repr(each[name]) for each in objects if name in each}

    assert values(services, "scheduler") == set(map(repr, SCHEDULERS))
    assert values(services, "scheduler_flags") == set(map(repr, FLAGS))
    assert values(services, "protocol") == {"'tcp'", "'udp'", "'sctp'"}
    assert values(services, "family") == {"'ipv4'", "'ipv6'"}
    assert values(services, "one_packet") == {"True", "False"}
    assert values(services, "persistence_engine") == {"''", "'sip'"}
    assert len(values(services, "persistence_netmask")) == 5
    assert len(values(services, "persistence_timeout")) == 3
    assert any(service.get("fwmark", 0) >= 2**31 for service in services)
    assert values(servers, "forwarding") == {"'nat'", "'dr'", "'tun'"}
    assert values(servers, "tunnel_type") == {"'ipip'", "'gue'", "'gre'"}
    assert values(servers, "tunnel_checksum") == {"'none'", "'csum'", "'remcsum'"}
    assert len(values(servers, "tunnel_port")) == 3
    assert values(servers, "weight") == {"0", "1", "65535"}
    assert len(values(servers, "upper_threshold")) == 3
    assert values(servers, "lower_threshold") == {"0", "1"}
    families = {
        (":" in service.get("address", "."), ":" in server["address"])
        for service in services
        if "address" in service
        for server in service["real_servers"]
    }
    assert len(families) == 4, "both families, and each in the other"


@pytest.fixture(scope="module")
def two_namespaces():
    for name in ("theirs", "ours"):
        sh("ip", "netns", "add", name)
        # Without it, the namespace takes no real server for unicast.
        sh("ip", "-n", name, "link", "set", "lo", "up")
    yield
    for name in ("theirs", "ours"):
        sh("ip", "netns", "del", name)


@pytest.mark.parametrize("seed", range(TABLES))
def test_it_loads_what_ipvsadm_loads(two_namespaces, seed):
    """The same table by ``ipvsadm --restore`` and by us, in a namespace each, read by others."""
    services = realistic_table(seed)
    desired = desired_table(services)
    text = "\n".join(line for key in desired for line in rules.service_lines(desired[key]))

    def load_theirs():
        sh("ipvsadm", "--clear")
        sh("ipvsadm", "--restore", stdin=text + "\n")
        seen = ipvs_table(check=True, services=services, purge="all")
        return seen["changed"], sorted(saved()), raw_table()

    def load_ours():
        sh("ipvsadm", "--clear")
        ipvs_table(services=services)
        told = run_module("ipvs_info")["services"]
        again = [
            ipvs_table(rules=text, purge="all")["changed"],
            ipvs_table(services=told, purge="all")["changed"],
        ]
        return any(again), sorted(saved()), raw_table()

    theirs, ours = apart(load_theirs, "theirs"), apart(load_ours, "ours")
    assert not theirs[0], "we do not see what ipvsadm has loaded as what was wanted"
    assert ours == theirs


CLASSIC = [
    {
        "address": VIP,
        "port": 80,
        "scheduler": "wrr",
        "real_servers": [{"address": "10.97.0.1", "weight": 2}, {"address": "10.97.0.2"}],
    },
    {"address": VIP, "port": 53, "protocol": "udp", "real_servers": [{"address": "10.97.0.1"}]},
]


def test_a_table_appears_changes_and_goes():
    done = four_steps("ipvs_table", services=CLASSIC)
    assert done["diff"][0]["after"].splitlines() == [
        f"-A -t {VIP}:80 -s wrr",
        f"-a -t {VIP}:80 -r 10.97.0.1:80 -m -w 2",
        f"-a -t {VIP}:80 -r 10.97.0.2:80 -m -w 1",
        f"-A -u {VIP}:53 -s wlc",
        f"-a -u {VIP}:53 -r 10.97.0.1:53 -m -w 1",
    ]
    assert table() == sorted(done["diff"][0]["after"].splitlines())
    web = {**CLASSIC[0], "real_servers": [{"address": "10.97.0.1"}, {"address": "10.97.0.3"}]}
    done = four_steps("ipvs_table", services=[web])
    assert [operation["verb"] for operation in done["operations"]] == [
        "edit",
        "add",
        "delete",
        "delete",
    ]
    assert table() == [
        f"-A -t {VIP}:80 -s wrr",
        f"-a -t {VIP}:80 -r 10.97.0.1:80 -m -w 1",
        f"-a -t {VIP}:80 -r 10.97.0.3:80 -m -w 1",
    ]
    four_steps("ipvs_table", services=[])
    assert table() == []
    assert claims() == {}


def test_a_foreign_service_survives():
    sh("ipvsadm", "-A", "-t", f"{VIP}:443", "-s", "sed", "-p", "77")
    sh("ipvsadm", "-a", "-t", f"{VIP}:443", "-r", "10.97.0.9:443", "-m", "-w", "0", "-x", "9")
    foreign = saved()
    four_steps("ipvs_table", services=CLASSIC)
    four_steps("ipvs_table", services=CLASSIC[:1])
    four_steps("ipvs_table", services=[])
    assert saved() == foreign


def test_what_was_found_is_given_back():
    sh("ipvsadm", "-A", "-t", f"{VIP}:80", "-s", "sed", "-p", "77")
    sh("ipvsadm", "-a", "-t", f"{VIP}:80", "-r", "10.97.0.1:80", "-m", "-w", "9", "-x", "8")
    found = saved()
    four_steps("ipvs_table", services=CLASSIC)
    four_steps("ipvs_table", services=[])
    assert saved() == found
    assert claims() == {}


@pytest.mark.parametrize(
    ("purge", "left"),
    [
        ({"purge": "none"}, 3),
        ({"purge": "owned"}, 3),
        ({"purge": "scope", "scope": {"addresses": ["10.99.0.0/24"]}}, 2),
        ({"purge": "scope", "scope": {"fwmarks": [5]}}, 2),
        ({"purge": "scope", "scope": {"addresses": ["0.0.0.0/0"], "fwmarks": [5]}}, 1),
        ({"purge": "all"}, 1),
    ],
)
def test_purging(purge, left):
    sh("ipvsadm", "-A", "-t", f"{VIP}:443", "-s", "sed")
    sh("ipvsadm", "-A", "-f", "5", "-s", "sed")
    ipvs_table(services=[{"fwmark": 6, "scheduler": "rr"}], **purge)
    assert len(table()) == left
    assert "-A -f 6 -s rr" in table()


def test_what_is_refused_does_not_stop_the_rest():
    good = {"address": VIP, "port": 80, "real_servers": [{"address": "10.97.0.1"}]}
    ipvs_table(services=[good])
    wanted = [
        {**good, "real_servers": [{"address": "10.99.0.255"}]},
        {
            "address": VIP,
            "port": 81,
            "scheduler": "twos",
            "real_servers": [{"address": "10.97.0.1"}],
        },
        {"address": VIP, "port": 82, "scheduler": "rr"},
    ]
    with without_scheduler("twos"), pytest.raises(ModuleFailed) as failure:
        ipvs_table(services=wanted)
    errors = failure.value.result["errors"]
    assert len(errors) == 3
    assert "no unicast route to 10.99.0.255" in errors[0]
    assert "ip_vs_twos" in errors[1]
    assert "the service does not exist" in errors[2]
    assert failure.value.result["changed"]
    assert table() == [
        f"-A -t {VIP}:80 -s wlc",
        f"-A -t {VIP}:82 -s rr",
        f"-a -t {VIP}:80 -r 10.97.0.1:80 -m -w 1",
    ]
    four_steps("ipvs_table", services=[good, wanted[2], {**wanted[1], "scheduler": "rr"}])
    ipvs_table(services=[])
    assert table() == []


def test_a_limit_of_removals():
    ipvs_table(services=CLASSIC)
    before = table()
    for check in (True, False):
        with pytest.raises(ModuleFailed, match=r"max_removals='50%'.*5 of the 5"):
            ipvs_table(check, services=[], max_removals="50%")
    assert table() == before
    ipvs_table(services=CLASSIC[:1], max_removals="50%")
    assert len(table()) == 3


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "one of the following is required"),
        ({"services": [], "rules": ""}, "mutually exclusive"),
        ({"services": [], "purge": "scope"}, "missing.*scope"),
        ({"services": [], "purge": "scope", "scope": {"addresses": ["www"]}}, "addresses='www'"),
        ({"services": [], "max_removals": "half"}, "max_removals='half'.*25%"),
        ({"services": [CLASSIC[0], CLASSIC[0]]}, "twice"),
        ({"rules": f"-A -t {VIP}:80 -s rr\n-D -t {VIP}:80"}, "rules, line 2"),
    ],
)
def test_nonsense_is_refused_before_anything_changes(params, words):
    with pytest.raises(ModuleFailed, match=words):
        ipvs_table(**params)
    assert table() == []


def test_a_thousand_real_servers():
    """More than a batch of messages, and more than a dump's first page."""
    services = [
        {
            "address": VIP,
            "port": port,
            "scheduler": "rr",
            "real_servers": [{"address": f"10.97.{n // 250}.{n % 250 + 1}"} for n in range(500)],
        }
        for port in (80, 81)
    ]
    assert len(ipvs_table(services=services)["operations"]) == 1002
    assert len(table()) == 1002
    assert not ipvs_table(services=services)["changed"]
    ipvs_table(services=[])
    assert table() == []
