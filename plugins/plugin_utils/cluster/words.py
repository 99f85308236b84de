# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may be written in a description, option by option: types, choices, and what is wrong with a value. Pure.

The options of services and real servers are those of the modules (``ipvs.options``), plus those that only a
description has.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import options
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.options import Options
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.words import PROTOCOLS

from .findings import Findings

# A type of these has one value or a list of them.
ONE_OR_MORE = "one or more"
# How keepalived can find out whether a real server works; NO_CHECK: not at all.
NO_CHECK = "none"
CHECK_TYPES = (
    *("tcp", "http", "https", "dns", "smtp", "udp", "ping", "command"),
    NO_CHECK,
)
# What it can ask a name server for (check_dns.c).
DNS_RECORDS = ("a", "aaaa", "cname", "dnskey", "mx", "ns", "rrsig", "soa", "txt")
HEALTH_CHECK_SPEC: Options = {
    "type": {"type": "str", "choices": list(CHECK_TYPES)},
    "port": {"type": "int"},
    "interval": {"type": "float"},
    "timeout": {"type": "float"},
    "retries": {"type": "int"},
    "retry_delay": {"type": "float"},
    "path": {"type": "str"},
    "host": {"type": "str"},
    "status": {"type": ONE_OR_MORE, "elements": "str"},
    "digest": {"type": "str"},
    "name": {"type": "str"},
    "record": {"type": "str", "choices": list(DNS_RECORDS)},
    "helo": {"type": "str"},
    "payload": {"type": "str"},
    "require_reply": {"type": "bool"},
    "command": {"type": ONE_OR_MORE, "elements": "str"},
}
SORRY_SERVER_SPEC: Options = {
    "host": {"type": "str"},
    "address": {"type": "str"},
    "port": {"type": "int"},
    "forwarding": options.REAL_SERVER_ATTRIBUTES_SPEC["forwarding"],
}
# What only has an effect where something checks the real servers.
AVAILABILITY_SPEC: Options = {
    "health_check": {"type": "dict", "options": HEALTH_CHECK_SPEC},
    "quorum": {"type": "int"},
    "hysteresis": {"type": "int"},
    "on_failure": {"type": "str", "choices": ["remove", "inhibit"]},
    "sorry_server": {"type": "dict", "options": SORRY_SERVER_SPEC},
}
SERVICE_SPEC: Options = {
    "name": {"type": "str"},
    **options.SERVICE_KEY_SPEC,
    "protocol": {"type": ONE_OR_MORE, "elements": "str", "choices": list(PROTOCOLS)},
    "ports": {"type": ONE_OR_MORE, "elements": "str"},
    **options.SERVICE_ATTRIBUTES_SPEC,
    "forwarding": options.REAL_SERVER_ATTRIBUTES_SPEC["forwarding"],
    "match": {"type": "list", "elements": "raw"},
    **AVAILABILITY_SPEC,
    "real_servers": {"type": "list", "elements": "raw"},
}
MATCH_SPEC: Options = {
    "address": {"type": "str"},
    "protocol": {"type": "str", "choices": list(PROTOCOLS)},
    "ports": {"type": ONE_OR_MORE, "elements": "str"},
}
REAL_SERVER_SPEC: Options = {
    "host": {"type": "str"},
    "group": {"type": "str"},
    "address": {"type": "str"},
    "port": {"type": "int"},
    **options.REAL_SERVER_ATTRIBUTES_SPEC,
    "health_check": AVAILABILITY_SPEC["health_check"],
}

_TYPES: Mapping[str, str] = {
    "str": "text",
    "int": "a number",
    "bool": "true or false",
    "float": "a number",
    "list": "a list",
    ONE_OR_MORE: "one value or a list of them",
    "dict": "a dictionary",
}
_TRUTHS: Mapping[str, bool] = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


class _NotSo(Exception):
    """A value is not of its type."""


def read(path: str, given: Any, spec: Options, findings: Findings) -> dict[str, Any] | None:
    """The options that were given, each value of the type that its option has.

    What is wrong is collected, and left out of the result.

    :param path: the YAML path of the object.
    :returns: None where it is not a dictionary.
    """
    if not isinstance(given, Mapping):
        findings.error(
            path, None, given, "must be a dictionary", "write its options as name: value"
        )
        return None
    result: dict[str, Any] = {}
    for name, value in given.items():
        if name not in spec:
            remedy = closest(str(name), spec) or f"use one of {', '.join(sorted(spec))}"
            findings.error(path, str(name), value, "unknown option", remedy)
        elif value is not None:
            found = value_of(path, name, value, spec[name], findings)
            if found is not None:
                result[name] = found
    return result


def closest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """A guess at what was meant, as a remedy; empty where nothing is close.

    :param cutoff: how close, up to 1.
    """
    close = difflib.get_close_matches(word, list(known), 1, cutoff)
    return f"did you mean {close[0]}?" if close else ""


def value_of(path: str, name: str, value: Any, spec: Options, findings: Findings) -> Any:
    """A value of the type that its option has; None where it can't be one, which is collected."""
    kind = spec["type"]
    if kind == "raw":
        return value
    try:
        if kind in ("list", ONE_OR_MORE):
            return _list_of(path, name, value, spec, findings)
        if kind == "dict":
            if not isinstance(value, Mapping):
                raise _NotSo
            if "options" in spec:
                return read(f"{path}.{name}" if path else name, value, spec["options"], findings)
            return dict(value)
        typed = _typed(value, kind)
    except _NotSo:
        shown = None if spec.get("no_log") else value
        findings.error(path, name, shown, f"must be {_TYPES[kind]}", _remedy(kind))
        return None
    return _chosen(path, name, typed, spec, findings)


def _list_of(path: str, name: str, value: Any, spec: Options, findings: Findings) -> Any:
    if not isinstance(value, (list, tuple)):
        if spec["type"] == "list" or isinstance(value, Mapping):
            raise _NotSo
        value = [value]
    if spec["elements"] == "raw":
        return list(value)
    element = {**spec, "type": spec["elements"]}
    found = [
        value_of(path, f"{name}[{number}]" if len(value) > 1 else name, each, element, findings)
        for number, each in enumerate(value)
    ]
    return None if None in found else found


def _chosen(path: str, name: str, typed: Any, spec: Options, findings: Findings) -> Any:
    choices = spec.get("choices")
    if not choices or typed in choices:
        return typed
    if isinstance(typed, str) and typed.lower() in choices:
        return typed.lower()
    remedy = "use one of " + ", ".join(word or repr(word) for word in choices)
    guess = closest(str(typed).lower(), choices)
    findings.error(path, name, typed, "unknown value", f"{guess} Or {remedy}" if guess else remedy)
    return None


def _typed(value: Any, kind: str) -> Any:
    """:raises _NotSo: it can't be of that type."""
    if isinstance(value, (Mapping, list, tuple)):
        raise _NotSo
    text = str(value).strip()
    if kind == "bool":
        if text.lower() not in _TRUTHS:
            raise _NotSo
        return _TRUTHS[text.lower()]
    if isinstance(value, bool):
        raise _NotSo
    if kind in ("int", "float"):
        try:
            return options.number(text) if kind == "int" else float(text)
        except ValueError:
            raise _NotSo from None
    if not text.isprintable():
        raise _NotSo
    return str(value)


def _remedy(kind: str) -> str:
    return {
        "str": "write printable characters, without a list or dictionary",
        "int": "use digits only, such as 5",
        "float": "use digits only, such as 5",
        "bool": "choose one of them",
        "list": "write a list, [] for an empty one",
        ONE_OR_MORE: "write one value or a list of them",
        "dict": "write name: value, {} for an empty one",
    }[kind]
