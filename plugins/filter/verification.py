# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.lvs.cluster.plugins.module_utils.cluster.verification import report
from ansible_collections.lvs.cluster.plugins.plugin_utils.plain import plain


def verification(hosts, directors, services, requests=None):
    # Of a host that has not answered there is nothing.
    seen = {name: found or None for name, found in plain(hosts).items()}
    return report(seen, plain(directors), plain(services), plain(requests))


class FilterModule:
    def filters(self):
        return {"verification": verification}
