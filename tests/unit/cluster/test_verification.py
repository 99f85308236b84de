# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was seen of a cluster, judged."""

from __future__ import annotations

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.cluster.verification import report

VIP = "198.51.100.10"
SERVICES = [{"name": "web", "addresses": [VIP]}]
MACS = {"director": "02:00:00:00:00:01", "rs1": "02:00:00:00:00:02", "rs2": "02:00:00:00:00:03"}
GOOD = {"requests": [{"name": "web", "to": f"tcp {VIP} port 80", "ok": True, "problem": ""}]}


def seen(name, answers=("director",), held=None, **checks):
    """A host that hears these hosts (or MACs) answer."""
    return {
        "checks": checks,
        "neighbours": {
            "interfaces": {"eth1": MACS[name]},
            "held": {VIP: held} if held else {},
            "answers": [
                {"address": VIP, "mac": MACS.get(each, each), "interface": "eth1"}
                for each in answers
            ],
        },
    }


def cluster(**changes):
    hosts = {"director": seen("director", (), ["eth1"]), "rs1": seen("rs1"), "rs2": seen("rs2")}
    return {**hosts, **changes}


def test_all_is_well():
    found = report(cluster(), ["director"], SERVICES, GOOD)
    assert found["problems"] == []
    assert found["lines"] == [
        "host director: ok",
        "host rs1: ok",
        "host rs2: ok",
        "service web: ok",
    ]


def test_silence_is_right_for_a_routed_address():
    hosts = cluster(director=seen("director", (), ["lo"]), rs1=seen("rs1", ()), rs2=seen("rs2", ()))
    assert report(hosts, ["director"], SERVICES, GOOD)["problems"] == []


CHANGED = {
    "changed": True,
    "operations": [
        {"verb": "set", "name": "net.ipv4.conf.all.arp_ignore", "before": "0", "after": "1"},
        *({"verb": "add", "object": f"-4 address 192.0.2.{each}/32"} for each in range(9)),
    ],
}


@pytest.mark.parametrize(
    ("hosts", "requests", "problems"),
    [
        (
            cluster(rs1=seen("rs1", ("director", "rs2"))),
            GOOD,
            [
                f"host rs2: rs2 answers for {VIP}, as rs1 on eth1 has heard, and is not the active director"
            ],
        ),
        (
            cluster(rs1=seen("rs1", ("director", "02:00:00:00:00:99"))),
            GOOD,
            [
                "service web: a machine outside of the inventory (02:00:00:00:00:99) answers for "
                f"{VIP}, as rs1 on eth1 has heard, and is not the active director"
            ],
        ),
        (
            cluster(director=seen("director", ())),
            GOOD,
            [
                f"host director: director answers for {VIP}, as rs1 on eth1, rs2 on eth1 has heard, and is not "
                "the active director",
                f"service web: no director has {VIP}",
            ],
        ),
        (cluster(rs2=None), GOOD, ["host rs2: did not answer, so nothing is known of it"]),
        (
            cluster(rs1=seen("rs1", settings=CHANGED)),
            GOOD,
            [
                "host rs1: settings: not as the description has it: set net.ipv4.conf.all.arp_ignore from 0 to 1, "
                "add -4 address 192.0.2.0/32, add -4 address 192.0.2.1/32, add -4 address 192.0.2.2/32, "
                "add -4 address 192.0.2.3/32 and 5 more"
            ],
        ),
        (
            cluster(rs1=seen("rs1", tunnels={"changed": True, "operations": []})),
            GOOD,
            ["host rs1: tunnels: not as the description has it: files for the next boot"],
        ),
        (
            cluster(rs1=seen("rs1", table={"failed": True, "msg": "rs1: no"})),
            GOOD,
            ["host rs1: table: rs1: no"],
        ),
        (
            cluster(rs1={"checks": {}, "neighbours": {"failed": True, "msg": "no library"}}),
            GOOD,
            ["host rs1: neighbours: no library"],
        ),
        (
            cluster(),
            {
                "requests": [
                    {"name": "web", "to": "tcp x port 80", "ok": False, "problem": "refused"}
                ]
            },
            ["service web: a request to tcp x port 80 has failed: refused"],
        ),
        (
            cluster(),
            {"failed": True, "msg": "unreachable"},
            ["service web: no request could be made: unreachable"],
        ),
    ],
)
def test_what_is_wrong(hosts, requests, problems):
    found = report(hosts, ["director"], SERVICES, requests)
    assert found["problems"] == problems
    assert any(line.endswith("WRONG") for line in found["lines"])


def test_one_of_two_directors_is_active():
    macs = {"second": "02:00:00:00:00:04"}
    MACS.update(macs)
    both = cluster(second=seen("second", ("director",)))
    directors = ["director", "second"]
    assert report(both, directors, SERVICES, GOOD)["problems"] == []
    torn = cluster(second=seen("second", ("director",), ["eth1"]))
    assert report(torn, directors, SERVICES, GOOD)["problems"] == [
        f"service web: director and second both have {VIP}"
    ]


def test_without_a_vantage_it_says_so():
    found = report(cluster(), ["director"], SERVICES, None)
    assert found["problems"] == []
    assert found["lines"][-1] == "no requests were made: set verify_vantage to a host"
