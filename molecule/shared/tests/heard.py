# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who has answered for an address on the client's segment, since the machines were booted.

molecule/shared/prober.py asks 10 times a second; here is what the card of the client has seen.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import pathlib
import struct

from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS
from scapy.layers.l2 import ARP, Ether

_RECORD = struct.Struct("=IIII")
_ARP, _IPV6, _ICMPV6 = b"\x08\x06", b"\x86\xdd", 58

# Where in the capture a test had somebody else answer on purpose: [begin, end] of each.
_ASIDE = pathlib.Path(os.environ.get("LVS_DUMPS", ".")) / "aside.json"


@contextlib.contextmanager
def aside(lab):
    """What is heard meanwhile does not count."""
    begin = len(lab.capture("client", since_start=True).read())
    try:
        yield
    finally:
        end = len(lab.capture("client", since_start=True).read())
        known = json.loads(_ASIDE.read_text()) if _ASIDE.exists() else []
        _ASIDE.write_text(json.dumps([*known, [begin, end]]))


@contextlib.contextmanager
def unasked(lab):
    """The prober rests meanwhile: an answer to it would revive a neighbour that the client has just forgotten."""
    lab.ssh("client", "systemctl kill --signal=STOP prober")
    try:
        yield
    finally:
        lab.ssh("client", "systemctl kill --signal=CONT prober")


def heard(lab):
    """The frames of ARP and neighbour discovery on the client's segment, and how often each came; first heard first.

    The prober says the same thousands of times, so that what is dissected is each different frame once.
    """
    data = lab.capture("client", since_start=True).read()
    left_out = json.loads(_ASIDE.read_text()) if _ASIDE.exists() else []
    counts = collections.Counter()
    at = 24
    while at < len(data):
        begin, length = at, _RECORD.unpack_from(data, at)[2]
        at += 16 + length
        kind = data[begin + 28 : begin + 30]
        if kind != _ARP and (kind != _IPV6 or data[begin + 36] != _ICMPV6):
            continue
        if not any(first <= begin < last for first, last in left_out):
            counts[data[begin + 16 : at]] += 1
    return [(Ether(frame), count) for frame, count in counts.items()]


def answers(frames, addresses):
    """Of each address the MACs that have told they had it, in the order of being heard first."""
    found = {}
    for frame, _count in frames:
        if ARP in frame and (frame[ARP].op == 2 or frame[ARP].psrc == frame[ARP].pdst):
            address, mac = frame[ARP].psrc, frame[ARP].hwsrc
        elif ICMPv6ND_NA in frame:
            address, mac = frame[ICMPv6ND_NA].tgt, frame.src
        else:
            continue
        if address in addresses and mac not in found.setdefault(address, []):
            found[address].append(mac)
    return found


def asked(frames):
    """How often each address was asked for."""
    counts = collections.Counter()
    for frame, count in frames:
        if ARP in frame and frame[ARP].op == 1:
            counts[frame[ARP].pdst] += count
        elif ICMPv6ND_NS in frame:
            counts[frame[ICMPv6ND_NS].tgt] += count
    return counts
