# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Wishes by keyword, as a task of a playbook gives its options."""

from __future__ import annotations

from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.wish import (
    RealServerWish,
    ServiceWish,
)


def service_wish(key, present=True, real_servers=None, exact=False, **options):
    return ServiceWish(key, present, options, real_servers, exact)


def real_server_wish(service, key, present=True, **options):
    return RealServerWish(service, key, present, options)
