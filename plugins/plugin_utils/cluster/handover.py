# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a director could take over the addresses, which is checked before another one gives them up. Pure."""

from __future__ import annotations

from .verification import Found, real_server_words, service_words


def problems(asked: Found, own: Found, seconds: float) -> list[str]:
    """Why a director could not take over the addresses, in sentences; empty if it could.

    :param asked: the result of lvs_host in check mode on that director.
    :param own: the same result of the director that gives them up. A real server that is out of service on both is no
        reason.
    :param seconds: how long keepalived must have run to take part in VRRP and to know all connections.
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
    missing = {service_words(each["service"]) for each in its.get("missing", ())}
    out = _failing(its) - _failing(_keepalived(own))
    found += [f"{name} is not in its table" for name in sorted(missing)]
    found += [f"{name} is out of service there" for name in sorted(out)]
    return found


def _failing(its: Found) -> set[str]:
    return {real_server_words(each) for each in its.get("failing", ())}


def _keepalived(result: Found) -> Found:
    return (result.get("details") or {}).get("keepalived") or {}
