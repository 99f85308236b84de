# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks 10 times a second who has these addresses, by ARP and neighbour solicitation: prober.py INTERFACE ADDRESS..."""

import ipaddress
import socket
import struct
import sys
import time

PER_SECOND = 10
interface, *texts = sys.argv[1:]
with open(f"/sys/class/net/{interface}/address") as file:
    mac = bytes.fromhex(file.read().strip().replace(":", ""))
# No sender's address, so that nobody learns anything of the client. IPv6 is answered to its link-local one.
with open("/proc/net/if_inet6") as file:
    own6 = next(
        bytes.fromhex(line.split()[0])
        for line in file
        if line.split()[5] == interface and line.startswith("fe80")
    )


def arp(target):
    body = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, mac, bytes(4), bytes(6), target)
    return b"\xff" * 6 + mac + b"\x08\x06" + body + bytes(18)


def solicitation(target):
    group = b"\xff\x02" + bytes(9) + b"\x01\xff" + target[13:]
    message = struct.pack("!BBHI16sBB6s", 135, 0, 0, 0, target, 1, 1, mac)
    total = sum(
        struct.unpack("!36H", own6 + group + struct.pack("!II", len(message), 58) + message)
    )
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    message = message[:2] + struct.pack("!H", ~total & 0xFFFF) + message[4:]
    header = struct.pack("!IHBB", 6 << 28, len(message), 58, 255) + own6 + group
    return b"\x33\x33" + group[12:] + mac + b"\x86\xdd" + header + message


addresses = [ipaddress.ip_address(text) for text in texts]
frames = [(arp if each.version == 4 else solicitation)(each.packed) for each in addresses]
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
    sender.bind((interface, 0))
    due = time.monotonic()
    while True:
        for frame in frames:
            sender.send(frame)
        due = max(due + 1 / PER_SECOND, time.monotonic() - 1)
        time.sleep(max(0.0, due - time.monotonic()))
