# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verification of clusters: which requests to make, and what all results say about hosts and services. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.lvs.cluster.plugins.module_utils.net import endpoint, family_of

Found = Mapping[str, Any]

# So many requests are made to one service at most, and so many operations are listed of one kind.
MAX_REQUESTS = 20
MAX_OPERATIONS = 5

KIND_NAMES: Mapping[str, str] = {
    "modules": "kernel modules",
    "tunnel_filter": "tunnel filter",
    "sync_daemons": "sync daemons",
    "marks": "firewall marks",
    "addresses": "virtual addresses",
}
# A drain that is a day old was probably forgotten.
FORGOTTEN_SECONDS = 86400.0
NO_VANTAGE = "no requests were made: set verify_vantage to a host"
NO_PORT = "the description does not say which ports clients use"
SILENT = "an empty datagram was neither answered nor refused"

# A service as operations and messages name it.
_SERVICE = re.compile(
    r"service ((?:tcp|udp|sctp) (?:\[[^\]\s]+\]|[^\s:\[]+):\d+|fwmark \d+ ipv[46])"
)


@dataclass(frozen=True)
class Cluster:
    """What verification needs to know of one cluster.

    :ivar hosts: all of its hosts.
    :ivar directors: those of them that are directors and remain so.
    :ivar services: of each its ``name``, its virtual ``addresses``, the ``places`` (address, port,
        protocol) where clients reach it, in ``askable`` True or why there are none or not all, and
        in ``keys`` how the IPVS table names it, such as ``fwmark 1 ipv4``.
    """

    name: str
    hosts: tuple[str, ...]
    directors: tuple[str, ...]
    services: Sequence[Found]

    @property
    def service_names(self) -> dict[str, str]:
        """What the IPVS table calls a service, to its name in the description."""
        found = {}
        for service in self.services:
            keys = service.get("keys") or [
                f"{place['protocol']} "
                + endpoint(family_of(place["address"]), place["address"], place["port"])
                for place in service.get("places", ())
            ]
            found.update(dict.fromkeys(keys, str(service["name"])))
        return found


def clusters_of(derived: Found, looked_at: Collection[str]) -> list[Cluster]:
    """The clusters that at least one of these hosts belongs to.

    :param derived: as the action lvs_description returns it.
    """
    hosts: dict[str, list[str]] = {}
    for name, host in derived["hosts"].items():
        hosts.setdefault(str(host["cluster"]), []).append(str(name))
    found = []
    for cluster, names in hosts.items():
        if not any(name in looked_at for name in names):
            continue
        present = [name for name in names if derived["hosts"][name]["state"] != "absent"]
        directors = [name for name in present if "director" in derived["hosts"][name]["roles"]]
        # Every host of a cluster has the same list.
        services = derived["hosts"][(present or names)[0]]["services"]
        found.append(Cluster(cluster, tuple(names), tuple(directors), services))
    return found


def _label(cluster: Cluster, service: Found, clusters: Sequence[Cluster]) -> str:
    """What the report calls a service: its name, after that of its cluster where there are several."""
    name = str(service["name"])
    return name if len(clusters) == 1 else f"{cluster.name}/{name}"


def choose_requests(
    clusters: Sequence[Cluster],
    commands: Mapping[str, str],
    vantage: str,
    known: Collection[str],
) -> dict[str, Any]:
    """Which requests the vantage host makes.

    :param commands: by a service's name, the command that makes the request.
    :param vantage: the host that makes the requests; empty for none.
    :param known: all hosts of the inventory.
    :returns: ``requests`` as lvs_request_info takes them; ``unasked``, by service what is not asked and why;
        ``problems``, what is wrong with the variables; ``vantage``.
    """
    labels: dict[str, str] = {}
    named: dict[str, list[str]] = {}
    for cluster in clusters:
        for service in cluster.services:
            label = _label(cluster, service, clusters)
            labels[label] = label
            named.setdefault(str(service["name"]), []).append(label)
    problems = []
    chosen: dict[str, str] = {}
    for name, command in commands.items():
        meant = [labels[name]] if name in labels else named.get(name, [])
        if len(meant) == 1:
            chosen[meant[0]] = str(command)
        else:
            problems.append(_bad_name(name, meant, list(labels)))
    asking = bool(vantage)
    wrong = _bad_vantage(vantage, clusters, known) if vantage else ""
    if wrong:
        problems.append(wrong)
        asking = False
    requests: list[dict[str, Any]] = []
    unasked: dict[str, list[str]] = {}
    for cluster in clusters:
        for service in cluster.services:
            label = _label(cluster, service, clusters)
            if not asking:
                unasked[label] = [wrong or NO_VANTAGE]
            elif label in chosen:
                requests.append({"name": label, "command": chosen[label]})
            else:
                places, reasons = _places(service)
                requests += [{"name": label, **place} for place in places]
                if reasons:
                    unasked[label] = reasons
    return {
        "requests": requests,
        "unasked": unasked,
        "problems": problems,
        "vantage": vantage if asking else "",
    }


def _places(service: Found) -> tuple[list[dict[str, Any]], list[str]]:
    """Where a service is asked, and why not elsewhere."""
    places = [
        {name: place[name] for name in ("address", "port", "protocol")}
        for place in service.get("places", ())
    ]
    askable = service.get("askable", True)
    reasons = [askable] if isinstance(askable, str) and askable else []
    if not places and not reasons:
        reasons = [NO_PORT]
    if len(places) > MAX_REQUESTS:
        more = len(places) - MAX_REQUESTS
        reasons.append(f"{more} more ports; at most {MAX_REQUESTS} of a service are tested")
    return places[:MAX_REQUESTS], reasons


def _bad_name(name: str, meant: Sequence[str], labels: Sequence[str]) -> str:
    if meant:
        return (
            f"verify_commands[{name}]: several clusters have a service of this name. Use one of "
            f"{', '.join(meant)}."
        )
    close = difflib.get_close_matches(name, labels, 1)
    remedy = f"Did you mean {close[0]}?" if close else "Use the name of a service."
    return f"verify_commands[{name}]: no service has this name. {remedy}"


def _bad_vantage(vantage: str, clusters: Sequence[Cluster], known: Collection[str]) -> str:
    if vantage not in known and vantage != "localhost":
        return f'verify_vantage: is not a host of the inventory, got "{vantage}". Name one that is.'
    if any(vantage in cluster.directors for cluster in clusters):
        return (
            f'verify_vantage: is a director, which may hold the virtual addresses itself, got "{vantage}". '
            "Name another host."
        )
    return ""


@dataclass
class _Judgement:
    """What was found so far, in sentences.

    :ivar asked: the services that have answered a request.
    """

    hosts: dict[str, list[str]] = field(default_factory=dict)
    services: dict[str, list[str]] = field(default_factory=dict)
    unasked: dict[str, list[str]] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)


def report(
    clusters: Sequence[Cluster],
    seen: Mapping[str, Found | None],
    chosen: Found,
    answered: Found | None,
    forgotten_seconds: float = FORGOTTEN_SECONDS,
) -> dict[str, Any]:
    """What is wrong with which host and which service.

    :param seen: by host ``checked``, what lvs_host has returned in check mode, and ``neighbours``, what
        lvs_neighbour_info has returned; None or empty for a host that did not answer. Hosts outside of the run
        are left out.
    :param chosen: as ``choose_requests`` returns it.
    :param answered: what lvs_request_info has returned, None where it was not run.
    :param forgotten_seconds: how old a drain is that somebody has probably forgotten.
    :returns: ``hosts`` and ``services``, by name the sentences about each; ``problems``, all of them;
        ``unasked``, by service what was not asked and why; ``not_looked_at``, the hosts outside of the run;
        ``lines``, for people.
    """
    judged = _Judgement(unasked={name: list(why) for name, why in chosen["unasked"].items()})
    for cluster in clusters:
        names = cluster.service_names
        for host in cluster.hosts:
            if host in seen:
                judged.hosts[host] = _of_host(host, seen[host], names, forgotten_seconds)
        _judge_floating(cluster, seen, judged)
        _judge_drains(cluster, seen, judged)
    owners = _owners(seen)
    for cluster in clusters:
        for service in cluster.services:
            label = _label(cluster, service, clusters)
            sentences = judged.services.setdefault(label, [])
            for address in service["addresses"]:
                _judge_address(address, cluster, seen, owners, sentences, judged)
    if chosen["requests"]:
        _judge_requests(chosen, answered or {}, judged)
    return _result(clusters, seen, chosen, judged)


def _result(
    clusters: Sequence[Cluster],
    seen: Mapping[str, Found | None],
    chosen: Found,
    judged: _Judgement,
) -> dict[str, Any]:
    hosts = {name: list(dict.fromkeys(its)) for name, its in judged.hosts.items()}
    services = {name: list(dict.fromkeys(its)) for name, its in judged.services.items()}
    unseen = [name for cluster in clusters for name in cluster.hosts if name not in seen]
    lines = []
    for name, sentences in hosts.items():
        lines += _lines(f"host {name}", "WRONG" if sentences else "ok", sentences)
    lines += [f"host {name}: not checked" for name in unseen]
    for name, sentences in services.items():
        reasons = judged.unasked.get(name, []) if chosen["vantage"] else []
        status = "not tested" if name in judged.unasked else "ok"
        if sentences:
            status = "WRONG"
        elif name in judged.unasked and name in judged.asked:
            status = "ok, partly tested"
        told = [*sentences, *(f"not tested: {reason}" for reason in reasons)]
        lines += _lines(f"service {name}", status, told)
    lines += [f"WRONG: {problem}" for problem in chosen["problems"]]
    if chosen["vantage"] and judged.unasked:
        lines.append("set a command in verify_commands for each service that was not tested")
    elif not chosen["vantage"] and not chosen["problems"]:
        lines.append(NO_VANTAGE)
    return {
        "hosts": hosts,
        "services": services,
        "problems": [
            *chosen["problems"],
            *(f"host {name}: {each}" for name, its in hosts.items() for each in its),
            *(f"service {name}: {each}" for name, its in services.items() for each in its),
        ],
        "unasked": judged.unasked,
        "not_looked_at": unseen,
        "lines": lines,
    }


def _lines(what: str, status: str, sentences: Iterable[str]) -> list[str]:
    return [f"{what}: {status}", *(f"  {sentence}" for sentence in sentences)]


def _unreachable(found: Found | None) -> bool:
    checked = (found or {}).get("checked")
    return not checked or bool(checked.get("unreachable"))


def _of_host(
    host: str, found: Found | None, names: Mapping[str, str], forgotten_seconds: float
) -> list[str]:
    """:param names: what the IPVS table calls services, to their names."""
    if found is None or _unreachable(found):
        return ["did not respond, so its state is unknown"]
    sentences = []
    checked = found["checked"]
    if "operations" in checked:
        sentences += _differences(checked)
        sentences += _failing(checked)
        sentences += old_drains(checked, forgotten_seconds)
    else:
        sentences.append(_message(host, checked, "could not be checked"))
    neighbours = found.get("neighbours") or {}
    if "answers" not in neighbours:
        complaint = _message(host, neighbours, "could not be probed")
        sentences.append(f"neighbours: {complaint}")
    return [_SERVICE.sub(lambda match: _named(match, names), each) for each in sentences]


def _named(match: re.Match[str], names: Mapping[str, str]) -> str:
    """A service, with its name if the description has it."""
    key = match.group(1)
    return f"service {names[key]} ({key})" if key in names else match.group()


def _message(host: str, result: Found, otherwise: str) -> str:
    """Why a module has failed, on one line. Modules begin with the name of their host."""
    text = " ".join(str(result.get("msg") or otherwise).split())
    return text[len(host) + 2 :] if text.startswith(f"{host}: ") else text


def _differences(checked: Found) -> list[str]:
    """What a run would do on a host."""
    sentences = []
    if checked.get("missing_packages"):
        sentences.append(f"missing packages: {', '.join(checked['missing_packages'])}")
    for kind, operations in checked["operations"].items():
        if operations:
            shown = [f"{each['verb']} {each['object']}" for each in operations]
            what = KIND_NAMES.get(kind, kind)
            sentences.append(f"{what}: not as described; a run would {_some(shown)}")
    files = [each.get("after_header") or each.get("before_header") for each in _diffs(checked)]
    if files and not sentences:
        sentences.append(f"files for the next boot: not as described: {_some(map(str, files))}")
    return sentences


def _failing(checked: Found) -> list[str]:
    """What keepalived has taken out of service, and what it should serve and does not."""
    found = (checked.get("details") or {}).get("keepalived") or {}
    return [
        *(
            f"{real_server_words(each)} is out of service: its health check fails, or another program has removed it"
            for each in found.get("failing", ())
        ),
        *(
            f"service {_service_key(each)} is not in the IPVS table, although keepalived should have added it"
            for each in found.get("missing", ())
        ),
    ]


def _judge_floating(cluster: Cluster, seen: Mapping[str, Found | None], judged: _Judgement) -> None:
    """The addresses that keepalived moves are all on one director."""
    holds: dict[str, list[str]] = {}
    for name in cluster.directors:
        checked = (seen.get(name) or {}).get("checked") or {}
        its = ((checked.get("details") or {}).get("keepalived") or {}).get("holds")
        if its:
            holds[name] = list(its)
    if len(holds) > 1:
        shown = "; ".join(f"{name} has {', '.join(its)}" for name, its in holds.items())
        for name in holds:
            judged.hosts.setdefault(name, []).append(
                f"the addresses that keepalived moves are not on one director: {shown}"
            )


def _judge_drains(cluster: Cluster, seen: Mapping[str, Found | None], judged: _Judgement) -> None:
    """A real server must be drained on every director or on none, because any of them can become the active one."""
    names = cluster.service_names
    drained: dict[str, dict[str, None]] = {}
    for director in cluster.directors:
        checked = (seen.get(director) or {}).get("checked") or {}
        if "operations" in checked:
            drained[director] = {real_server_words(each): None for each in _drains(checked)}
    for director, its in drained.items():
        others = {what: other for other, each in drained.items() for what in each}
        for what, other in others.items():
            if what not in its:
                sentence = (
                    f"{what} is drained on {other} and not here. Drain it on all directors with lvs.cluster.drain, or "
                    "restore it with lvs.cluster.restore"
                )
                judged.hosts.setdefault(director, []).append(
                    _SERVICE.sub(lambda match: _named(match, names), sentence)
                )


def _drains(checked: Found) -> list[Found]:
    """The drained real servers of a host."""
    details = checked.get("details") or {}
    return [
        each
        for kind in ("table", "keepalived")
        for each in (details.get(kind) or {}).get("drains", ())
    ]


def old_drains(checked: Found, limit: float) -> list[str]:
    """The drains of a host that somebody may have forgotten, in sentences.

    :param checked: what lvs_host has returned.
    :param limit: from how many seconds on.
    """
    return [
        f"{real_server_words(each)} has been drained for {_duration(each['age'])}. "
        "Restore it with lvs.cluster.restore, if it is ready"
        for each in _drains(checked)
        if each["age"] >= limit
    ]


def real_server_words(each: Found) -> str:
    """A real server of a result, in words: it has ``service`` and ``real_server``."""
    return f"real server {_endpoint(each['real_server'])} of {service_words(each['service'])}"


def service_words(key: Found) -> str:
    """A service of a result, in words."""
    return f"service {_service_key(key)}"


def _endpoint(key: Found) -> str:
    return endpoint(family_of(key["address"]), key["address"], key["port"])


def _service_key(key: Found) -> str:
    """A service as the IPVS table calls it."""
    if "fwmark" in key:
        return f"fwmark {key['fwmark']} {key['family']}"
    return f"{key['protocol']} {_endpoint(key)}"


def _duration(seconds: int) -> str:
    """A time, roughly."""
    for name, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {name}"
    return f"{seconds} seconds"


def _diffs(checked: Found) -> list[Found]:
    diff = checked.get("diff") or []
    return [
        each
        for each in ([diff] if isinstance(diff, Mapping) else diff)
        if each.get("before") != each.get("after")
    ]


def _some(shown: Iterable[str]) -> str:
    every = list(shown)
    more = len(every) - MAX_OPERATIONS
    return ", ".join(every[:MAX_OPERATIONS]) + (f" and {more} more" if more > 0 else "")


def _neighbours(found: Found | None) -> Found:
    return (found or {}).get("neighbours") or {}


def _owners(seen: Mapping[str, Found | None]) -> dict[str, list[str]]:
    """MAC to the hosts that have it. Directors may share the one of VRRP."""
    owners: dict[str, list[str]] = {}
    for name, found in seen.items():
        for mac in _neighbours(found).get("interfaces", {}).values():
            owners.setdefault(mac, []).append(name)
    return owners


def _judge_address(
    address: str,
    cluster: Cluster,
    seen: Mapping[str, Found | None],
    owners: Mapping[str, Sequence[str]],
    sentences: list[str],
    judged: _Judgement,
) -> None:
    """Who holds a virtual address, and who answers for it.

    :param sentences: about the service.
    """
    active = [
        name
        for name in cluster.directors
        if _neighbours(seen.get(name)).get("held", {}).get(address)
    ]
    all_known = all("held" in _neighbours(seen.get(name)) for name in cluster.directors)
    if len(active) > 1:
        every = "both" if len(active) == 2 else "all"
        sentences.append(f"{' and '.join(active)} {every} have {address}")
    elif not active and all_known:
        sentences.append(f"no director has {address}")
    for mac, listeners in sorted(_heard(address, seen).items()):
        whose = owners.get(mac, ())
        if any(name in active for name in whose):
            continue
        # It may be a director that was not looked at, and then rightly so.
        if not whose and not active and not all_known:
            continue
        who = whose[0] if whose else f"a machine outside the inventory ({mac})"
        if not whose and any(name not in seen for name in cluster.hosts):
            who = f"a machine that was not checked ({mac})"
        where = judged.hosts.get(who, sentences)
        where.append(
            f"{who} answers for {address}, as seen by {', '.join(listeners)}, and is not the active director"
        )


def _heard(address: str, seen: Mapping[str, Found | None]) -> dict[str, list[str]]:
    """MAC that answers for an address, to who has heard that and where."""
    heard: dict[str, list[str]] = {}
    for name, found in seen.items():
        for answer in _neighbours(found).get("answers", ()):
            if answer["address"] == address:
                heard.setdefault(answer["mac"], []).append(f"{name} on {answer['interface']}")
    return heard


def _judge_requests(chosen: Found, answered: Found, judged: _Judgement) -> None:
    results = answered.get("requests")
    if results is None:
        why = answered.get("msg") or "it did not answer"
        sentence = (
            f"no request could be made from {chosen['vantage']}: {' '.join(str(why).split())}"
        )
        for request in chosen["requests"]:
            judged.services[request["name"]].append(sentence)
        return
    missing = {request["name"] for request in chosen["requests"]}
    for result in results:
        name = result["name"]
        missing.discard(name)
        if not result["ok"]:
            judged.services.setdefault(name, []).append(
                f"a request to {result['to']} has failed: {result['problem']}"
            )
        elif result.get("answered", True):
            judged.asked.add(name)
        else:
            judged.unasked.setdefault(name, []).append(f"{result['to']}: {SILENT}")
    for name in sorted(missing):
        judged.services[name].append("no request was made")
