# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The words that operators use for protocols and forwarding methods. Pure, and imports nothing."""

from __future__ import annotations

from collections.abc import Mapping

PROTOCOLS = ("tcp", "udp", "sctp")

NAT, DR, TUN = FORWARDING_METHODS = ("nat", "dr", "tun")
# ipvsadm(8) prints these words, and operators type them.
FORWARDING_ALIASES: Mapping[str, str] = {
    "masq": "nat",
    "masquerading": "nat",
    "gate": "dr",
    "gatewaying": "dr",
    "ipip": "tun",
    "tunneling": "tun",
}
FORWARDING_CHOICES = (*FORWARDING_METHODS, *FORWARDING_ALIASES)


def canonical_forwarding(word: str) -> str:
    """``nat`` for ``masq``, and so on; an unknown word comes back as it is."""
    return FORWARDING_ALIASES.get(word, word)
