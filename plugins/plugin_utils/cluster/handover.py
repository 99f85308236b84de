# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether another director can take the addresses over, before one gives them up. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.lvs.cluster.plugins.module_utils.net import endpoint, family_of

Found = Mapping[str, Any]


def problems(asked: Found, own: Found | None, seconds: float) -> list[str]:
    """Why a director could not take the addresses over, in sentences; empty where it could.

    :param asked: what lvs_host has returned in check mode on that director.
    :param own: the same of the one that is to give them up. A real server that is out of service there as well is no
        reason. None for one that has nothing to give up.
    :param seconds: for how long keepalived has to run until it takes part in VRRP, and knows of all connections.
    """
    if "operations" not in asked:
        message = " ".join(str(asked.get("msg") or "no answer").split())
        return [f"it could not be asked: {message}"]
    its = _keepalived(asked)
    if its.get("state") != "active":
        return [f"keepalived is {its.get('state', 'not there')}"]
    found = []
    if its["uptime"] < seconds:
        found.append(
            f"keepalived was started {its['uptime']:.0f} seconds ago, and needs {seconds:.0f} until it can take over"
        )
    found += [f"{name} is not in its table" for name in sorted(_services(its.get("missing", ())))]
    out = _servers(its.get("failing", ())) - _servers(_keepalived(own or {}).get("failing", ()))
    found += [f"{name} is out of service there" for name in sorted(out)]
    return found


def _keepalived(result: Found) -> Found:
    return (result.get("details") or {}).get("keepalived") or {}


def _services(entries: Iterable[Found]) -> set[str]:
    return {_service(each["service"]) for each in entries}


def _servers(entries: Iterable[Found]) -> set[str]:
    return {
        f"real server {_endpoint(each['real_server'])} of {_service(each['service'])}"
        for each in entries
    }


def _service(key: Found) -> str:
    if "fwmark" in key:
        return f"service fwmark {key['fwmark']} {key['family']}"
    return f"service {key['protocol']} {_endpoint(key)}"


def _endpoint(key: Found) -> str:
    return endpoint(family_of(key["address"]), key["address"], key["port"])
