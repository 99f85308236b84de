# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who has answered for an address on the client's segment, since the machines were booted.

molecule/shared/prober.py asks 50 times a second; here is what the card of the client has seen.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import struct

from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS
from scapy.layers.l2 import ARP, Ether

_RECORD = struct.Struct("=IIII")
_ARP, _IPV6 = b"\x08\x06", b"\x86\xdd"

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


def _asking_or_telling(lab):
    """The frames of ARP and neighbour discovery; the others, of which there are many, are passed over."""
    data = lab.capture("client", since_start=True).read()
    at = 24
    left_out = json.loads(_ASIDE.read_text()) if _ASIDE.exists() else []
    while at < len(data):
        length = _RECORD.unpack_from(data, at)[2]
        frame = data[at + 16 : at + 16 + length]
        if any(begin <= at < end for begin, end in left_out):
            frame = b""
        at += 16 + length
        if frame[12:14] == _ARP or (frame[12:14] == _IPV6 and frame[20:21] == b"\x3a"):
            yield Ether(frame)


def answers(lab, addresses):
    """Of each address the MACs that have told they had it, in the order of being heard first."""
    heard = {}
    for frame in _asking_or_telling(lab):
        if (ARP in frame and frame[ARP].op == 2) or (
            ARP in frame and frame[ARP].psrc == frame[ARP].pdst
        ):
            address, mac = frame[ARP].psrc, frame[ARP].hwsrc
        elif ICMPv6ND_NA in frame:
            address, mac = frame[ICMPv6ND_NA].tgt, frame.src
        else:
            continue
        if address in addresses and mac not in heard.setdefault(address, []):
            heard[address].append(mac)
    return heard


def asked(lab):
    """How often each address was asked for by the prober."""
    counts = {}
    for frame in _asking_or_telling(lab):
        if ARP in frame and frame[ARP].op == 1:
            address = frame[ARP].pdst
        elif ICMPv6ND_NS in frame:
            address = frame[ICMPv6ND_NS].tgt
        else:
            continue
        counts[address] = counts.get(address, 0) + 1
    return counts
