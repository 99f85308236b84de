# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What molecule/shared/prepare.yml has put on the directors: somebody else's, and never to be touched."""

from __future__ import annotations

SERVICE = [
    "-A -t 198.51.100.1:443 -s sed -p 77",
    "-a -t 198.51.100.1:443 -r 192.168.0.99:443 -m -w 0",
]
FIREWALL = [
    "-A FORWARD -s 203.0.113.0/24 -m comment --comment somebody -j ACCEPT",
    "-A POSTROUTING -s 203.0.113.0/24 -m comment --comment somebody -j MASQUERADE",
]


def saved_table(director):
    """The director's IPVS table as ipvsadm saves it, sorted, and without what is somebody else's.

    Fails where that is not as it was.
    """
    lines = sorted(director.check_output("ipvsadm --save --numeric").splitlines())
    assert [line for line in lines if "198.51.100.1" in line] == SERVICE
    thresholds = director.check_output("ipvsadm -Ln --thresholds").splitlines()
    assert any(line.split()[1:4] == ["192.168.0.99:443", "9", "5"] for line in thresholds)
    return [line for line in lines if line not in SERVICE]


def saved_firewall(director):
    """The rules and policies of the director's firewall, without what is somebody else's.

    Fails where that is not as it was.
    """
    lines = director.check_output("iptables-save").splitlines()
    assert [line for line in lines if "203.0.113." in line] == FIREWALL
    return [line for line in lines if line.startswith("-A") and line not in FIREWALL]
