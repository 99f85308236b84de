# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace

from ansible_collections.lvs.cluster.plugins.plugin_utils.cluster.verification import (
    choose_requests,
    clusters_of,
    report,
)
from ansible_collections.lvs.cluster.plugins.plugin_utils.plain import plain


def _clusters(derived, hosts):
    # Of every host's entry only what is used, because they are large.
    used = ("cluster", "roles", "state")
    brief = {
        str(name): {key: plain(host[key]) for key in used} | {"services": host["services"]}
        for name, host in derived["hosts"].items()
    }
    found = clusters_of({"hosts": brief}, hosts)
    return [replace(each, services=plain(each.services)) for each in found]


def verification_requests(derived, hosts, commands, vantage, known):
    """What verify asks: see the documentation beside this file."""
    clusters = _clusters(derived, plain(hosts))
    return choose_requests(clusters, plain(commands), str(vantage or ""), plain(known))


def verification(derived, hosts, hostvars, chosen, answered=None, drain_hours=24):
    """What is wrong: see the documentation beside this file."""
    names = plain(hosts)
    seen = {}
    for name in names:
        variables = hostvars[name]
        seen[name] = {
            "checked": plain(variables.get("verify_checked")),
            "neighbours": plain(variables.get("verify_neighbours")),
        }
    clusters = _clusters(derived, names)
    return report(clusters, seen, plain(chosen), plain(answered), float(drain_hours) * 3600)


class FilterModule:
    def filters(self):
        return {
            "verification": verification,
            "verification_requests": verification_requests,
        }
