# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

# Set by the role host once it has configured a host.
CONFIGURED = "host_configured"
# Registered by that role, whatever has become of it.
IN_RUN = "host_applied"


def unconfigured(hosts, hostvars, in_run=False):
    return [
        str(name)
        for name in hosts
        if CONFIGURED not in hostvars[name] and (IN_RUN in hostvars[name] or not in_run)
    ]


class FilterModule:
    def filters(self):
        return {"unconfigured": unconfigured}
