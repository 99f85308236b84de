# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""lvs_route, and the confirmation of its change over a new connection."""

from __future__ import annotations

from ansible_collections.lvs.cluster.plugins.plugin_utils.confirm import ConfirmingAction


class ActionModule(ConfirmingAction):
    """What every module that changes routes does."""
