# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables that describe a cluster: the one table of them, and reading a host's values. Pure.

The argument specs of the roles and the tables in ``docs/description.md`` are checked against this table.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import timeouts
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.options import Options

from .findings import Findings
from .words import ONE_OR_MORE, closest, value_of

EXTERNAL, KEEPALIVED, NO_HIGH_AVAILABILITY = "external", "keepalived", "none"
# Who has the IPVS table where keepalived moves the virtual addresses.
OURS = "ours"
PRESENT, ABSENT = "present", "absent"
# The prefix of the variables that belong to no role.
SHARED = "lvs_"
PREFIXES = (SHARED, "director_", "keepalived_", "nat_", "real_server_", "tun_")
# How close a name is to one of ours that is probably meant to be it.
ALMOST = 0.85
_STRINGS: Options = {"type": ONE_OR_MORE, "elements": "str"}


@dataclass(frozen=True)
class Variable:
    """A variable of the inventory.

    :ivar spec: as options have it; with its default.
    :ivar alike: whether all hosts of a cluster must have the same value; of a variable of a role, all directors.
    """

    name: str
    spec: Options
    default: Any = None
    alike: bool = False

    @property
    def role(self) -> str:
        """The role that its name begins with; empty where it belongs to none."""
        if self.name.startswith(SHARED):
            return ""
        return "real_server" if self.name.startswith("real_server_") else self.name.split("_")[0]


def _role(name: str, kind: str, default: Any, alike: bool = False, **spec: Any) -> Variable:
    return Variable(name, {"type": kind, **spec}, default, alike)


VARIABLES: Mapping[str, Variable] = {
    each.name: each
    for each in (
        Variable("lvs_cluster", {"type": "str"}, "default"),
        Variable("lvs_virtual_services", {"type": "raw"}, None, alike=True),
        Variable("lvs_address", _STRINGS),
        Variable("lvs_weight", {"type": "int"}),
        Variable("lvs_inside_networks", _STRINGS, [], alike=True),
        Variable("lvs_inside_gateway", _STRINGS, []),
        Variable("lvs_management_networks", _STRINGS, []),
        Variable(
            "lvs_high_availability",
            {"type": "str", "choices": [NO_HIGH_AVAILABILITY, KEEPALIVED, EXTERNAL]},
            NO_HIGH_AVAILABILITY,
            alike=True,
        ),
        Variable("lvs_state", {"type": "str", "choices": [PRESENT, ABSENT]}, PRESENT),
        _role("director_conn_tab_bits", "int", 0),
        _role("director_interfaces", ONE_OR_MORE, [], elements="str"),
        _role("director_max_removals", "str", "75%"),
        _role("director_settle_seconds", "float", 2.0),
        _role("director_sysctls", "dict", {}),
        _role("director_timeouts", "dict", {}, options=timeouts.OPTIONS),
        _role("director_vip_interface", "str", ""),
        _role("keepalived_address", ONE_OR_MORE, [], elements="str"),
        _role("keepalived_advert_interval", "float", 1.0, alike=True),
        _role("keepalived_garp_refresh", "int", 60, alike=True),
        _role("keepalived_multicast", "bool", False, alike=True),
        _role("keepalived_password", "str", "", alike=True, no_log=True),
        _role("keepalived_preempt", "bool", False, alike=True),
        _role("keepalived_preempt_delay", "int", 0),
        _role("keepalived_priority", "int", 0),
        _role("keepalived_router_ids", ONE_OR_MORE, [], alike=True, elements="int"),
        _role("keepalived_startup_delay", "int", 10),
        _role("keepalived_sync", "bool", True, alike=True),
        _role("keepalived_table", "str", KEEPALIVED, alike=True, choices=[KEEPALIVED, OURS]),
        _role("nat_out_interface", "str", ""),
        _role("nat_rollback_seconds", "int", 60),
        _role("nat_routing", "str", "policy", choices=["policy", "default"]),
        _role("nat_snat_services", ONE_OR_MORE, [], elements="str"),
        _role("nat_through", ONE_OR_MORE, [], elements="str"),
        _role("real_server_interfaces", ONE_OR_MORE, [], elements="str"),
        _role("real_server_vip_interface", "str", "lo"),
        _role("tun_directors", ONE_OR_MORE, [], elements="str"),
        _role("tun_mtu", "int", 0),
    )
}
# What roles and playbooks go by: nothing is derived from it.
OTHERS = frozenset(
    {
        "lvs_derived",
        "director_defer",
        "director_unprepared_hosts",
        "director_vantage",
        "real_server_prune",
        "real_server_waiting_for",
    }
)
Values = Mapping[str, Any]


def path_of(host: str, name: str, given: Mapping[str, Values]) -> str:
    """Where an operator finds a host's variable: its name alone, where all hosts have the same value.

    :param given: by host, its variables.
    """
    values = [each.get(name) for each in given.values()]
    variable = VARIABLES[name]
    if variable.alike and variable.role:
        values = [value for value in values if value is not None]
    return name if values[1:] == values[:-1] else f"hostvars[{host}].{name}"


def read_values(host: str, given: Mapping[str, Values], findings: Findings) -> dict[str, Any]:
    """A host's variables with their types and defaults.

    :param given: by host, the variables as they are set.
    """
    values: dict[str, Any] = {}
    for name, variable in VARIABLES.items():
        value = given[host].get(name)
        if value is not None and value != "":
            value = value_of("", path_of(host, name, given), value, variable.spec, findings)
        values[name] = variable.default if value is None or value == "" else value
    return values


def check_names(given: Mapping[str, Values], findings: Findings) -> None:
    """Warn of a variable whose name is almost one of ours: it would be ignored in silence."""
    names = dict.fromkeys(name for values in given.values() for name in values)
    for name in names:
        if name not in VARIABLES and name not in OTHERS:
            guess = closest(name, VARIABLES, ALMOST)
            if guess:
                findings.warn("", name, None, "unknown variable, so it is ignored", guess)


def check_alike(
    cluster: str, given: Mapping[str, Values], directors: Collection[str], findings: Findings
) -> None:
    """Hosts that disagree would tear half of the cluster down.

    :param given: by host of the cluster, its variables.
    :param directors: those of the hosts that are directors.
    """
    groups = {
        "hosts": (given, "a group that holds directors and real servers"),
        "directors": (
            {host: values for host, values in given.items() if host in directors},
            "lvs_directors",
        ),
    }
    for name in (name for name, variable in VARIABLES.items() if variable.alike):
        who = "directors" if VARIABLES[name].role else "hosts"
        its, group = groups[who]
        for host, other in _differing(name, its):
            findings.error(
                "",
                name,
                None,
                f"differs between {host} and {other}, which are both {who} of the cluster {cluster}",
                f"set it once for all {who} of the cluster, in group_vars of {group}, and look for host_vars that "
                "override it",
            )


def _differing(name: str, given: Mapping[str, Values]) -> Iterable[tuple[str, str]]:
    hosts = list(given)
    for host in hosts[1:]:
        if given[host].get(name) != given[hosts[0]].get(name):
            yield hosts[0], host
            return
