# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""lvs_host, and the confirmation of its change of routes over a new connection."""

from __future__ import annotations

from ansible_collections.lvs.cluster.plugins.plugin_utils.confirm import ConfirmingAction


class ActionModule(ConfirmingAction):
    owner = "cluster-default"

    def seconds(self, args):
        configuration = args.get("configuration")
        routes = configuration.get("routes") if isinstance(configuration, dict) else None
        return (routes or {}).get("rollback", super().seconds(args))
