# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

# Set by the role host once it has configured a host.
CONFIGURED = "host_configured"
# Registered by that role, whatever has become of it.
IN_RUN = "host_applied"
# Why lvs_host has left a host as it is: another director has to know of it first.
JOINING = "joining"


def unconfigured(hosts, hostvars, in_run=False, joining=True):
    found = []
    for name in hosts:
        its = hostvars[name]
        # A host that was not reached has no result of the module.
        waits = its.get(IN_RUN, {}).get("deferred") == JOINING
        if CONFIGURED not in its and (IN_RUN in its or not in_run) and (joining or not waits):
            found.append(str(name))
    return found


class FilterModule:
    def filters(self):
        return {"unconfigured": unconfigured}
