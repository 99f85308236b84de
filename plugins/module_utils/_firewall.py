# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules that keep firewall rules share: chains made as they are wished, now and at every boot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from . import _runtime, boot
from .commands import Commands
from .netfilter import iptables, others, plan
from .netfilter.model import Chain

FAMILIES = ("ipv4", "ipv6")


def converge(
    module: AnsibleModule,
    chains: Mapping[str, Sequence[Chain]],
    possible: Sequence[Chain],
    part: str,
    title: str,
) -> dict[str, Any]:
    """Have these chains, and of those that are possible no others.

    :param chains: by family.
    :param part: tells the scripts for the next boot of several modules and one owner apart.
    :returns: the module's result.
    """
    params = module.params
    store = _runtime.enter(module)
    firewall = iptables.Iptables(Commands(module.run_command))
    with store.locked(read_only=module.check_mode):
        plans = [
            plan.plan(family, firewall.read(family, module.check_mode), chains[family], possible)
            for family in FAMILIES
            if chains[family] or firewall.is_there(family)
        ]
        if not module.check_mode:
            for each in plans:
                if each:
                    firewall.apply(each.family, each.text)
        body = plan.script_body(chains) if params["at_boot"] else None
        written = _runtime.keep_at_boot(module, boot.FIREWALL, title, body, part)
    if any(chains.values()) and firewall.is_there("ipv4"):
        for warning in others.warnings(
            firewall.backend(),
            iptables.legacy_tables(),
            firewall.foreign_chains(),
            firewall.firewalld_runs(),
        ):
            module.warn(warning)
    return _runtime.result(
        [{"verb": "restore", "family": each.family, "text": each.text} for each in plans if each],
        [each.diff for each in plans if each],
        written,
        rules={family: plan.shown(chains[family]) for family in FAMILIES},
    )
