# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was seen of a cluster, judged: sentences about each host and each service. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Found = Mapping[str, Any]


def report(
    hosts: Mapping[str, Found | None],
    directors: Sequence[str],
    services: Sequence[Mapping[str, Any]],
    requests: Found | None,
) -> dict[str, Any]:
    """What is wrong with whom.

    :param hosts: what was seen on each host, None of one that did not answer: ``checks``, by name what a
        module has said in check mode; ``neighbours``, what lvs_neighbour_info has said.
    :param services: name and virtual ``addresses`` of each.
    :param requests: what lvs_request_info has said; None where nobody was asked to.
    :returns: ``hosts`` and ``services``, by name the sentences about each; ``problems``, all of them;
        ``lines``, for people.
    """
    of_hosts: dict[str, list[str]] = {name: _of_host(found) for name, found in hosts.items()}
    of_services: dict[str, list[str]] = {str(each["name"]): [] for each in services}
    owners = _owners(hosts)
    for each in services:
        for address in each["addresses"]:
            active = _active(address, hosts, directors)
            wrong = _of_activity(address, active, hosts, directors)
            if wrong:
                of_services[str(each["name"])].append(wrong)
            for name, sentence in _false_answers(address, active, hosts, owners):
                where = of_hosts.get(name)
                (of_services[str(each["name"])] if where is None else where).append(sentence)
    for result in (requests or {}).get("requests", ()):
        if not result["ok"]:
            of_services.setdefault(result["name"], []).append(
                f"a request to {result['to']} has failed: {result['problem']}"
            )
    if requests is not None and requests.get("failed"):
        problem = f"no request could be made: {requests.get('msg', 'the vantage host is down')}"
        for sentences in of_services.values():
            sentences.append(problem)
    of_hosts = {name: list(dict.fromkeys(of_hosts[name])) for name in of_hosts}
    return {
        "hosts": of_hosts,
        "services": of_services,
        "problems": [
            f"{kind} {name}: {sentence}"
            for kind, found in (("host", of_hosts), ("service", of_services))
            for name, sentences in found.items()
            for sentence in sentences
        ],
        "lines": _lines("host", of_hosts)
        + _lines("service", of_services)
        + ([] if requests is not None else ["no requests were made: set verify_vantage to a host"]),
    }


def _lines(kind: str, found: Mapping[str, Sequence[str]]) -> list[str]:
    lines = []
    for name, sentences in found.items():
        lines.append(f"{kind} {name}: {'WRONG' if sentences else 'ok'}")
        lines += [f"  {sentence}" for sentence in sentences]
    return lines


def _of_host(found: Found | None) -> list[str]:
    if found is None:
        return ["did not answer, so nothing is known of it"]
    sentences = []
    for what, result in found.get("checks", {}).items():
        if not result:
            continue
        if result.get("failed"):
            sentences.append(f"{what}: {result.get('msg', 'could not be looked at')}")
        elif result.get("changed"):
            sentences.append(f"{what}: not as the description has it: {_changes(result)}")
    if (found.get("neighbours") or {}).get("failed"):
        sentences.append(f"neighbours: {found['neighbours'].get('msg', 'could not be asked')}")
    return sentences


def _changes(result: Found) -> str:
    """What a run would do, in few words."""
    shown = []
    for operation in result.get("operations") or ():
        what = operation.get("object") or operation.get("name") or operation.get("service") or ""
        more = (
            f" from {operation['before']} to {operation['after']}" if "before" in operation else ""
        )
        plain = what if isinstance(what, str) else ""
        shown.append(f"{operation.get('verb', 'change')} {plain}{more}".strip())
    text = ", ".join(shown[:5]) or "files for the next boot"
    return text + (f" and {len(shown) - 5} more" if len(shown) > 5 else "")


def _neighbours(found: Found | None) -> Found:
    return (found or {}).get("neighbours") or {}


def _owners(hosts: Mapping[str, Found | None]) -> dict[str, str]:
    """MAC to the host that has it."""
    return {
        mac: name
        for name, found in hosts.items()
        for mac in _neighbours(found).get("interfaces", {}).values()
    }


def _active(address: str, hosts: Mapping[str, Found | None], directors: Sequence[str]) -> list[str]:
    """The directors that have a virtual address."""
    return [name for name in directors if _neighbours(hosts.get(name)).get("held", {}).get(address)]


def _of_activity(
    address: str,
    active: Sequence[str],
    hosts: Mapping[str, Found | None],
    directors: Sequence[str],
) -> str | None:
    if len(active) > 1:
        return f"{' and '.join(active)} both have {address}"
    if not active and all(hosts.get(name) is not None for name in directors):
        return f"no director has {address}"
    return None


def _false_answers(
    address: str,
    active: Sequence[str],
    hosts: Mapping[str, Found | None],
    owners: Mapping[str, str],
) -> list[tuple[str, str]]:
    """(who answers, a sentence) for everybody but the active director that says it had the address."""
    heard: dict[str, list[str]] = {}
    for name, found in hosts.items():
        for answer in _neighbours(found).get("answers", ()):
            if answer["address"] == address:
                heard.setdefault(answer["mac"], []).append(f"{name} on {answer['interface']}")
    told = []
    for mac, listeners in sorted(heard.items()):
        owner = owners.get(mac)
        if owner in active:
            continue
        whose = owner or f"a machine outside of the inventory ({mac})"
        told.append(
            (
                owner or "",
                f"{whose} answers for {address}, as {', '.join(listeners)} has heard, and is not the active "
                "director",
            )
        )
    return told
