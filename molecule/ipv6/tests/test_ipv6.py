# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""IPv6 only: direct routing, and tunnels in IPv6."""

from __future__ import annotations

import pytest

from shared.tests.foreign import saved_table
from tests.wire.forwarding import DIRECT, GRE_TUNNEL, GUE, IPIP, Walk, check

CLIENT, DIRECTOR = "fd80::5", "fd80::1"
SERVERS = {"rs1": "fd80::11", "rs2": "fd80::12"}


def test_the_table_is_the_description(director):
    assert saved_table(director) == [
        "-A -t [fd80::100]:80 -s rr",
        "-A -t [fd80::101]:80 -s rr",
        "-A -t [fd80::102]:80 -s rr",
        "-a -t [fd80::100]:80 -r [fd80::11]:80 -g -w 1",
        "-a -t [fd80::100]:80 -r [fd80::12]:80 -i -w 1 --tun-type ipip",
        "-a -t [fd80::101]:80 -r [fd80::12]:80 -i -w 1 --tun-type gre --tun-nocsum",
        "-a -t [fd80::102]:80 -r [fd80::12]:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum",
    ]


@pytest.mark.parametrize(
    ("vip", "server", "kind", "largest"),
    [
        ("fd80::100", "rs1", DIRECT, 1500 - 40 - 20),
        # What the real server announces is for the worst of its tunnels, which is GUE.
        ("fd80::100", "rs2", IPIP, 1500 - 40 - 12 - 40 - 20),
        ("fd80::101", "rs2", GRE_TUNNEL, 1500 - 40 - 12 - 40 - 20),
        ("fd80::102", "rs2", GUE, 1500 - 40 - 12 - 40 - 20),
    ],
)
def test_the_walk(seen, macs, vip, server, kind, largest):
    for _time in range(2):
        answer, frames = seen(vip)
        if answer == server:
            break
    assert answer == server
    walk = Walk(
        kind,
        (CLIENT, macs["client"]),
        (DIRECTOR, macs["director"]),
        (SERVERS[server], macs[server]),
        vip,
        gue_port=6080,
    )
    assert check(frames, walk).mss == largest


def test_an_upload_fits_without_any_icmp(upload):
    assert upload("fd80::102", "rs2") == "100000"
