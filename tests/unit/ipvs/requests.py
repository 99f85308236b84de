# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests by keyword, as a task of a playbook gives its options, and tables run by the engine."""

from __future__ import annotations

import os

from ansible_collections.lvs.cluster.plugins.module_utils.engine import Engine
from ansible_collections.lvs.cluster.plugins.module_utils.host.commands import Commands
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.kind import Table
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.request import (
    RealServerRequest,
    ServiceRequest,
)


def service_request(key, present=True, real_servers=None, exact=False, **options):
    return ServiceRequest(key, present, options, real_servers, exact)


def real_server_request(service, key, present=True, **options):
    return RealServerRequest(service, key, present, options)


def run_kind(kind, store, check_mode=False, prune=True):
    """One run of the engine on one kind; its plan."""
    commands = Commands(lambda *_words, **_more: (0, "", ""))
    return Engine(store, commands, check_mode, prune).run([kind]).plans[kind.name]


def run_table(desired, kernel, store, check_mode=False, prune=True, at_boot=None):
    """One run on a table; its plan. The script at boot records what it adds beside the manifest."""
    record = f"{os.path.dirname(store.path)}.record"
    kind = Table(desired, store.owner, at_boot, kernel.kernel, record, store.path)
    return run_kind(kind, store, check_mode, prune)
