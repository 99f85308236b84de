# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What else filters packets on this host, as sentences for the operator. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# What iptables keeps in nf_tables.
_IPTABLES = {
    (family, table)
    for family in ("ip", "ip6")
    for table in ("filter", "nat", "mangle", "raw", "security")
}


def warnings(
    backend: str,
    legacy_tables: Sequence[str],
    chains: Iterable[Mapping[str, Any]],
    firewalld: bool,
) -> list[str]:
    """What may drop packets that our rules accept."""
    found = []
    if firewalld:
        found.append(
            "firewalld runs on this host. Packets have to pass its rules too, and with its iptables backend it "
            "removes the rules of this collection when it reloads. Allow the services in firewalld, or disable it."
        )
    if backend == "nf_tables" and legacy_tables:
        found.append(
            f"iptables-legacy has tables in the kernel too ({', '.join(legacy_tables)}), and packets have to pass "
            "those as well. See 'iptables-legacy-save'."
        )
    for chain in chains:
        family, table = str(chain.get("family")), str(chain.get("table"))
        ours = (family, table) in _IPTABLES and backend == "nf_tables"
        if (
            ours
            or chain.get("hook") not in ("input", "forward")
            or family not in ("ip", "ip6", "inet")
        ):
            continue
        found.append(
            f"nftables has the table {family} {table} with a chain at the hook {chain['hook']} (policy "
            f"{chain.get('policy', 'accept')}). Packets have to pass it too. See 'nft list table {family} {table}'."
        )
    return found
