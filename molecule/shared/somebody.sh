#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Somebody else's virtual service and firewall rules: tests/foreign.py knows them too.
set -e
ipvsadm -A -t 198.51.100.1:443 -s sed -p 77
ipvsadm -a -t 198.51.100.1:443 -r 192.168.0.99:443 -m -w 0 -x 9 -y 5
iptables -A FORWARD -s 203.0.113.0/24 -m comment --comment somebody -j ACCEPT
iptables -t nat -A POSTROUTING -s 203.0.113.0/24 -m comment --comment somebody -j MASQUERADE
