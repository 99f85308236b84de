# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How services and real servers are written down: options of modules to the model.

The modules for single objects and those for whole tables take the same options with the same names, so their
argument specs and meanings are defined here, once. An option that is None was left out. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import InvalidInput
from ..net import IPV4, IPV6, named_endpoint
from .model import (
    FULL_NETMASK,
    PERSISTENCE_ENGINES,
    SCHEDULER_FLAG_ALIASES,
    SCHEDULER_FLAGS,
    SCHEDULERS,
    TUNNEL_CHECKSUMS,
    TUNNEL_TYPES,
    RealServerAttributes,
    RealServerKey,
    ServiceAttributes,
    ServiceKey,
    canonical_netmask,
)
from .words import FORWARDING_CHOICES, PROTOCOLS, canonical_forwarding

Options = Mapping[str, Any]

SERVICE_KEY_SPEC: Options = {
    "address": {"type": "str"},
    "port": {"type": "int"},
    "protocol": {"type": "str", "choices": list(PROTOCOLS)},
    "fwmark": {"type": "int"},
    "family": {"type": "str", "choices": [IPV4, IPV6]},
}
SERVICE_ATTRIBUTES_SPEC: Options = {
    "scheduler": {"type": "str", "choices": list(SCHEDULERS)},
    "scheduler_flags": {
        "type": "list",
        "elements": "str",
        "choices": [*SCHEDULER_FLAGS, *SCHEDULER_FLAG_ALIASES],
    },
    "persistence_timeout": {"type": "int"},
    "persistence_netmask": {"type": "str"},
    "persistence_engine": {"type": "str", "choices": ["", *PERSISTENCE_ENGINES]},
    "one_packet": {"type": "bool"},
}
REAL_SERVER_KEY_SPEC: Options = {
    "address": {"type": "str", "required": True},
    "port": {"type": "int"},
}
REAL_SERVER_ATTRIBUTES_SPEC: Options = {
    "forwarding": {"type": "str", "choices": list(FORWARDING_CHOICES)},
    "weight": {"type": "int"},
    "upper_threshold": {"type": "int"},
    "lower_threshold": {"type": "int"},
    "tunnel_type": {"type": "str", "choices": list(TUNNEL_TYPES)},
    "tunnel_port": {"type": "int"},
    "tunnel_checksum": {"type": "str", "choices": list(TUNNEL_CHECKSUMS)},
}
REAL_SERVERS_SPEC: Options = {
    "type": "list",
    "elements": "dict",
    "options": {**REAL_SERVER_KEY_SPEC, **REAL_SERVER_ATTRIBUTES_SPEC},
}
PURGES = ("none", "owned", "scope", "all")
TABLE_OPTIONS: Options = {
    "services": {
        "type": "list",
        "elements": "dict",
        "options": {
            **SERVICE_KEY_SPEC,
            **SERVICE_ATTRIBUTES_SPEC,
            "real_servers": REAL_SERVERS_SPEC,
        },
    },
    "rules": {"type": "str"},
    "purge": {"type": "str", "choices": list(PURGES), "default": "owned"},
    "scope": {
        "type": "dict",
        "options": {
            "addresses": {"type": "list", "elements": "str", "default": []},
            "fwmarks": {"type": "list", "elements": "int", "default": []},
        },
    },
    "max_removals": {"type": "str"},
    "unprepared": {"type": "list", "elements": "str", "default": []},
}
# Of a table that another program takes over; nothing can be combined with it.
RELEASE_OPTIONS: Options = {"release": {"type": "bool", "default": False}}
# More digits than any number has that IPVS takes.
_NUMBER = re.compile(r"-?[0-9]{1,15}")


def number(text: str) -> int:
    """A number in ASCII digits.

    :raises ValueError: it is not one, or longer than any that IPVS takes.
    """
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text[:80]!r} is not a number")
    return int(text)


def checked(given: Any, spec: Options, path: str) -> dict[str, Any]:
    """Options of a configuration that crosses as one structure, as AnsibleModule would pass them on.

    :param spec: as AnsibleModule takes an argument spec.
    :param path: where the options are, for messages.
    :raises InvalidInput: an option is unknown, missing, or has a value that can't be.
    """
    if not isinstance(given, Mapping):
        raise InvalidInput(path, None, given, "must be a dictionary", "write option: value")
    for name in given:
        if name not in spec:
            raise InvalidInput(
                path, str(name), None, "unknown option", "use one of " + ", ".join(spec)
            )
    return {name: _checked(given.get(name), option, path, name) for name, option in spec.items()}


def _checked(value: Any, option: Options, path: str, name: str) -> Any:
    if value is None:
        if option.get("required"):
            raise InvalidInput(path, name, None, "is missing", "set it")
        return option.get("default")
    kind = option["type"]
    if kind == "dict":
        return checked(value, option["options"], f"{path}.{name}")
    if kind == "list":
        if not isinstance(value, (list, tuple)):
            raise InvalidInput(
                path, name, value, "must be a list", "put it in brackets, as [value]"
            )
        element = {**option, "type": option["elements"]}
        if element["type"] == "dict":
            return [
                checked(each, option["options"], f"{path}.{name}[{position}]")
                for position, each in enumerate(value)
            ]
        return [_scalar(each, element, path, name) for each in value]
    return _scalar(value, option, path, name)


def _scalar(value: Any, option: Options, path: str, name: str) -> Any:
    kind = option["type"]
    if kind == "bool":
        if not isinstance(value, bool):
            raise InvalidInput(path, name, value, "must be true or false", "choose one of them")
        return value
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        words = "a number" if kind == "int" else "text"
        raise InvalidInput(path, name, value, f"must be {words}", "write it without brackets")
    if kind == "int":
        try:
            value = number(str(value))
        except ValueError:
            raise InvalidInput(
                path, name, value, "must be a number", "use digits only, such as 5"
            ) from None
    else:
        value = str(value)
    if "choices" in option and value not in option["choices"]:
        allowed = ", ".join(each or "''" for each in option["choices"])
        raise InvalidInput(path, name, value, f"must be one of {allowed}", "choose one of them")
    return value


def service_key(options: Options) -> ServiceKey:
    """Which service the options name: an address with its port, or a firewall mark.

    :raises InvalidInput: both, neither, half of one, or one that can't be.
    """
    address, port, fwmark = (options.get(name) for name in ("address", "port", "fwmark"))
    if fwmark is not None:
        subject = f"service fwmark {fwmark}"
    else:
        subject = "service" if address is None else f"service {named_endpoint(address, port)}"
    remedy = "name a service either by address and port, or by fwmark"
    if fwmark is not None:
        for name in ("address", "port", "protocol"):
            if options.get(name) is not None:
                raise InvalidInput(
                    subject, name, options[name], "cannot be combined with fwmark", remedy
                )
        return ServiceKey.marked(fwmark, options.get("family") or IPV4)
    for name in ("address", "port"):
        if options.get(name) is None:
            raise InvalidInput(subject, name, None, "is missing", remedy)
    key = ServiceKey.at(options.get("protocol") or "tcp", options["address"], options["port"])
    if options.get("family") not in (None, key.family):
        raise InvalidInput(
            subject,
            "family",
            options["family"],
            f"contradicts the address, which is {key.family}",
            "omit it; only a firewall mark needs it",
        )
    return key


def real_server_key(service: ServiceKey, options: Options) -> RealServerKey:
    """Which real server the options name; its port is the service's by default.

    :raises InvalidInput: it names no valid real server.
    """
    port = options.get("port")
    return RealServerKey.at(options["address"], service.port if port is None else port)


def service_changes(service: ServiceKey, options: Options, current: ServiceAttributes) -> Options:
    """What the options change about a service, as fields of ServiceAttributes.

    What only makes sense with persistence ends with it.

    :raises InvalidInput: a value that can't be.
    """
    changes = _given(options, SERVICE_ATTRIBUTES_SPEC)
    subject = f"service {service}"
    if "persistence_netmask" in changes:
        changes["persistence_netmask"] = canonical_netmask(
            service.family, changes["persistence_netmask"], subject
        )
    if changes.get("persistence_timeout") == 0:
        changes.setdefault("persistence_netmask", FULL_NETMASK[service.family])
        changes.setdefault("persistence_engine", "")
    if "scheduler_flags" in changes:
        scheduler = changes.get("scheduler", current.scheduler)
        for flag in changes["scheduler_flags"]:
            if flag in SCHEDULER_FLAG_ALIASES and not flag.startswith(f"{scheduler}-"):
                raise InvalidInput(
                    subject,
                    "scheduler_flags",
                    flag,
                    f"is a flag of another scheduler than {scheduler}",
                    f"choose scheduler {flag.partition('-')[0]}, or omit the flag",
                )
        changes["scheduler_flags"] = frozenset(
            SCHEDULER_FLAG_ALIASES.get(flag, flag) for flag in changes["scheduler_flags"]
        )
    return changes


def real_server_changes(options: Options, current: RealServerAttributes) -> Options:
    """What the options change about a real server, as fields of RealServerAttributes.

    What only makes sense with a tunnel, or with a tunnel of this type, ends with it.
    """
    changes = _given(options, REAL_SERVER_ATTRIBUTES_SPEC)
    if "forwarding" in changes:
        changes["forwarding"] = canonical_forwarding(changes["forwarding"])
    ended = changes.get("forwarding", current.forwarding) != "tun"
    if ended:
        changes.setdefault("tunnel_type", "ipip")
    if changes.get("tunnel_type", current.tunnel_type) != current.tunnel_type:
        changes.setdefault("tunnel_port", 0)
        changes.setdefault("tunnel_checksum", "none")
    return changes


def _given(options: Options, spec: Options) -> dict[str, Any]:
    return {name: options[name] for name in spec if options.get(name) is not None}
