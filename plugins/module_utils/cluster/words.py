# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may be written down in a description, word by word, and what is wrong with a word that may not.

The options of services and real servers are those of the modules (``ipvs.options``), plus the few that
only a description has. Pure.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from ..errors import InvalidInput
from ..ipvs import options
from ..ipvs.options import Options
from ..netfilter.mark import PROTOCOLS

SERVICE_SPEC: Options = {
    "name": {"type": "str"},
    **options.SERVICE_KEY_SPEC,
    **options.SERVICE_ATTRIBUTES_SPEC,
    "forwarding": options.REAL_SERVER_ATTRIBUTES_SPEC["forwarding"],
    "match": {"type": "list"},
    "real_servers": {"type": "list"},
}
MATCH_SPEC: Options = {
    "address": {"type": "str"},
    "protocol": {"type": "str", "choices": list(PROTOCOLS)},
    "ports": {"type": "list"},
}
REAL_SERVER_SPEC: Options = {
    "host": {"type": "str"},
    "address": {"type": "str"},
    "port": {"type": "int"},
    **options.REAL_SERVER_ATTRIBUTES_SPEC,
}

_TYPES: Mapping[str, str] = {
    "str": "a word",
    "int": "a whole number",
    "bool": "true or false",
    "list": "a list",
}
_TRUTHS: Mapping[str, bool] = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


def checked(subject: str, given: Any, spec: Options) -> dict[str, Any]:
    """What was given, each value of the type that its option has.

    :param subject: the object, for the error's sentence.
    :raises InvalidInput: no dictionary, an unknown option, or a value that the option can't have.
    """
    if not isinstance(given, Mapping):
        raise InvalidInput(
            subject, None, None, f"{given!r} is no dictionary", "write its options as name: value"
        )
    result: dict[str, Any] = {}
    for name, value in given.items():
        if name not in spec:
            close = difflib.get_close_matches(str(name), list(spec), 1)
            known = ", ".join(sorted(spec))
            remedy = f"did you mean {close[0]}" if close else f"there are {known}"
            raise InvalidInput(subject, str(name), value, "is no option of it", remedy)
        if value is not None:
            result[name] = _value(subject, name, value, spec[name])
    return result


def _value(subject: str, name: str, value: Any, spec: Options) -> Any:
    choices = spec.get("choices")
    kind = spec["type"]
    typed = _typed(value, kind)
    if typed is None:
        raise InvalidInput(
            subject, name, value, f"is not {_TYPES[kind]}", f"write {_TYPES[kind]} there"
        )
    for each in typed if kind == "list" else [typed]:
        if choices and each not in choices:
            close = difflib.get_close_matches(str(each), choices, 1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise InvalidInput(
                subject,
                name,
                each,
                "is none of the values that it can have",
                "choose one of " + ", ".join(word or repr(word) for word in choices) + hint,
            )
    return typed


def _typed(value: Any, kind: str) -> Any:
    """The value as that type; None where it can't be one."""
    if kind == "list":
        return list(value) if isinstance(value, (list, tuple)) else None
    if isinstance(value, (Mapping, list, tuple)):
        return None
    if kind == "bool":
        return _TRUTHS.get(str(value).strip().lower())
    if kind == "int":
        text = str(value).strip()
        return int(text) if text.lstrip("-").isdigit() and not isinstance(value, bool) else None
    return str(value)
