# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One request through the director, frame by frame, as the hub carried it."""

from __future__ import annotations

import time

import pytest

from shared.tests.heard import unasked
from tests.wire.nat_walk import Cluster, follow
from tests.wire.pcap import frames

VIP = "170.210.122.104"


@pytest.fixture(scope="module")
def cluster(machine):
    def mac(name):
        return machine(name).check_output("cat /sys/class/net/eth1/address")

    return Cluster(
        client=("170.210.122.101", mac("client")),
        director=("192.168.0.104", mac("director")),
        real_servers={"192.168.0.107": mac("rs1"), "192.168.0.108": mac("rs2")},
        service=(VIP, 80),
        real_port=80,
    )


@pytest.fixture
def request_walk(lab, cluster):
    """The walk of one new request, with all neighbours forgotten before."""

    def walk():
        with unasked(lab):
            for name in lab.nodes:
                lab.ssh(name, "ip neighbour flush dev eth1")
            capture = lab.capture("client")
            answer = lab.ssh(
                "client", f"curl --silent --fail --http1.0 -H 'Connection: close' http://{VIP}/"
            )
            # The last segments are still under way.
            time.sleep(0.5)
            return answer.stdout.strip(), follow(frames(capture.read()), cluster)

    return walk


def test_two_requests_walk_to_two_real_servers(request_walk):
    names = {"192.168.0.107": "rs1", "192.168.0.108": "rs2"}
    walks = [request_walk() for _time in range(2)]
    for answer, walk in walks:
        print(walk)
        assert names[walk.real_server] == answer
    assert {answer for answer, _walk in walks} == {"rs1", "rs2"}
