# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.lvs.cluster.plugins.plugin_utils.cluster import handover


def unready(results, own, seconds):
    found = {each.get("item", ""): handover.problems(each, own, seconds) for each in results}
    return {name: problems for name, problems in found.items() if problems}


class FilterModule:
    def filters(self):
        return {"unready": unready}
