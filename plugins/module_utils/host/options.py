# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options with the defaults of their argument spec, for configurations that cross as one structure. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def filled(given: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a spec: as given, or else their default, or None. Nothing is checked.

    :param spec: as AnsibleModule takes an argument spec.
    """
    result: dict[str, Any] = {}
    for name, option in spec.items():
        value = given.get(name)
        if value is None:
            value = option.get("default")
        options = option.get("options")
        if options and isinstance(value, Mapping):
            value = filled(value, options)
        elif options and isinstance(value, (list, tuple)):
            value = [filled(each, options) for each in value]
        result[name] = value
    return result
