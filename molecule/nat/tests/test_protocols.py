# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""FTP, DNS and persistence by NAT, with real servers and clients of each."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, TCP

from tests.wire.pcap import frames

VIP, CLIENT = "170.210.122.104", "170.210.122.101"


@pytest.mark.parametrize(
    ("option", "mode"), [("--disable-epsv", "passive"), ("--ftp-port -", "active")]
)
def test_ftp(client, lab, option, mode):
    """The data connection is the client's to the virtual address, or back from it, whatever vsftpd has said."""
    capture = lab.capture("client")
    command = (
        f"curl --silent --show-error --max-time 20 --disable-eprt {option} ftp://{VIP}/index.html"
    )
    answers = {client.check_output(command) for _time in range(2)}
    assert answers == {"rs1", "rs2"}
    # Of what the client's own card has sent or taken: the hub lets it see the inside too.
    mac = lab.ssh("client", "cat /sys/class/net/eth1/address").stdout.strip()
    seen = [
        frame for frame in frames(capture.read()) if TCP in frame and mac in (frame.src, frame.dst)
    ]
    assert {address for frame in seen for address in (frame[IP].src, frame[IP].dst)} == {
        VIP,
        CLIENT,
    }
    opened = [
        (frame[IP].src, frame[TCP].sport, frame[TCP].dport)
        for frame in seen
        if frame[TCP].flags == "S" and 21 not in (frame[TCP].sport, frame[TCP].dport)
    ]
    assert len(set(opened)) == 2
    assert {source for source, _from, _to in opened} == {CLIENT if mode == "passive" else VIP}


def test_dns(client):
    """Every question is a datagram of its own, and goes to the next in turn."""
    command = f"dig +short +tries=1 +time=5 TXT who.lab @{VIP}"
    answers = [client.check_output(command).strip('"') for _time in range(4)]
    assert answers in (["rs1", "rs2"] * 2, ["rs2", "rs1"] * 2)


def test_a_client_keeps_its_real_server(client, director):
    command = f"curl --silent --fail --max-time 10 http://{VIP}:8082/"
    answers = {client.check_output(command) for _time in range(6)}
    assert len(answers) == 1
    (name,) = answers
    own = {"rs1": "192.168.0.107", "rs2": "192.168.0.108"}[name]
    templates = [
        line.split()
        for line in director.check_output("ipvsadm --list --connection --numeric").splitlines()
        if f"{VIP}:8082" in line and f"{CLIENT}:0" in line
    ]
    assert [words[-1] for words in templates] == [f"{own}:80"]
