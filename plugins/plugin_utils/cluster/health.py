# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading health checks: what keepalived asks each real server, and how many of them a service needs. Pure.

A value stands in keepalived.conf as it is, so only characters pass that mean nothing there. Within double quotes
keepalived still replaces ``$NAME`` and, in commands, takes a backslash for an escape (``replace_param`` and
``alloc_strvec_quoted_escaped`` in lib/parser.c); a line has at most 1024 bytes.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import (
    RealServerKey,
    ServiceKey,
)
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.options import Options
from ansible_collections.lvs.cluster.plugins.module_utils.netfilter.mark import Match

from .findings import Findings
from .words import NO_CHECK

OPTION = "health_check"
# The options that only some types have; all others belong to every type.
TYPES_OF: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("path", "host", "status", "digest"), ("http", "https")),
    **dict.fromkeys(("name", "record"), ("dns",)),
    **dict.fromkeys(("payload", "require_reply"), ("udp",)),
    "command": ("command",),
    "helo": ("smtp",),
}
# What a type can't do without.
REQUIRED: Mapping[str, tuple[str, str]] = {
    "dns": ("name", "set it to a name that the real servers resolve"),
    "command": ("command", "set it to the absolute path of a program on the directors"),
}
_NEEDED = [name for name, _remedy in REQUIRED.values()]
# These know of no port.
PORTLESS = ("ping", "command", NO_CHECK)
# They ask by UDP; the others by TCP.
BY_UDP = ("dns", "udp")
# A host that is down is noticed by ARP, which takes the kernel three seconds.
UDP_TIMEOUT, UDP_TIMEOUT_MIN = 5.0, 4.0
SHORTEST, LONGEST = 0.01, 3600.0
MAX_RETRIES = 1000
MAX_QUORUM = 2**31 - 1
# In bytes.
MAX_COMMAND = 800
MAX_STATUS = 50

_PATH = re.compile(r"/[A-Za-z0-9._~!&'()*+,;=:@/?%-]{0,500}")
_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")
_NAME = re.compile(r"\.|(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?")
_DIGEST = re.compile(r"[0-9A-Fa-f]{32}")
# keepalived 2.2.7 takes a last byte of ff for an error of its own (read_hex_str in lib/parser.c).
_PAYLOAD = re.compile(r"(?!.*[Ff]{2}$)(?:[0-9A-Fa-f]{2}){1,256}")
_STATUS = re.compile(r"([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?")
# option: (what it must look like, what is wrong, what to do)
_TEXTS: Mapping[str, tuple[re.Pattern[str], str, str]] = {
    "path": (
        _PATH,
        "must begin with / and contain only characters that are valid in a URL",
        "encode other characters, for example a space as %20 and $ as %24",
    ),
    "host": (
        _HOST,
        "is not a host name",
        "use the name that clients use, such as www.example.org",
    ),
    "digest": (
        _DIGEST,
        "is not an MD5 digest of 32 hexadecimal digits",
        "write what keepalived --genhash prints, in quotes",
    ),
    "name": (_NAME, "is not a domain name", "use for example www.example.org"),
    "helo": (
        _HOST,
        "is not a host name",
        "use the name that the directors send in HELO",
    ),
    "payload": (
        _PAYLOAD,
        "must be an even number of hexadecimal digits, at most 512, and not end with ff",
        "write the data to send, such as 1b00, in quotes",
    ),
}
_FORBIDDEN = "\"'\\$"


@dataclass(frozen=True)
class Check:
    """What keepalived asks a real server.

    :ivar port: 0 where the type knows of none.
    :ivar interval: seconds between two checks.
    :ivar timeout: seconds within which the answer must come, or each part of it.
    :ivar retries: so many further failures make it down.
    :ivar retry_delay: seconds from a failure to the next try.
    :ivar status: codes of HTTP, and ranges of them as first-last.
    :ivar name: what is looked up.
    :ivar command: its words.
    """

    type: str
    port: int = 0
    interval: float = 5.0
    timeout: float = 3.0
    retries: int = 1
    retry_delay: float = 1.0
    path: str = "/"
    host: str = ""
    status: tuple[str, ...] = ("200-299",)
    digest: str = ""
    name: str = ""
    record: str = "A"
    helo: str = ""
    payload: str = ""
    require_reply: bool = False
    command: tuple[str, ...] = ()

    @property
    def detection_seconds(self) -> float:
        """How long a failure takes to be noticed, at most."""
        return self.interval + (self.retries + 1) * self.timeout + self.retries * self.retry_delay


@dataclass(frozen=True)
class Availability:
    """How many real servers a service needs, and what becomes of one that has failed.

    :ivar quorum: the sum of the weights of those that work.
    :ivar inhibit: whether one that has failed stays in the table, with the weight 0.
    """

    quorum: int = 1
    hysteresis: int = 0
    inhibit: bool = False


def availability(path: str, given: Options, findings: Findings) -> Availability:
    """What a service says of it.

    :param given: its options.
    """
    quorum, hysteresis = given.get("quorum", 1), given.get("hysteresis", 0)
    if not 1 <= quorum <= MAX_QUORUM:
        remedy = "write the sum of weights that is enough to serve, at least 1"
        findings.error(path, "quorum", quorum, "must be at least 1", remedy)
    elif not 0 <= hysteresis < quorum:
        findings.error(
            path,
            "hysteresis",
            hysteresis,
            f"must be at least 0 and less than the quorum, which is {quorum}",
            "reduce it, or raise quorum",
        )
    return Availability(quorum, hysteresis, given.get("on_failure") == "inhibit")


def read_options(path: str, given: Options, inherited: Options, findings: Findings) -> Options:
    """The options of a health check, with those that it inherits; what is wrong is left out.

    :param path: of the object that has the check.
    :param given: as they are written there, of the right types.
    :param inherited: those of the service, for a real server.
    """
    where = f"{path}.{OPTION}"
    kind = given.get("type") or inherited.get("type")
    found: dict[str, Any] = {}
    for name, value in given.items():
        types = TYPES_OF.get(name)
        if types and kind not in types:
            problem = f"is an option of the type {' and '.join(types)}"
            problem += f", and the type is {kind}" if kind else ", and no type is set"
            findings.error(where, name, value, problem, f"set type to {types[0]}, or omit it")
            continue
        if name == "port" and kind in PORTLESS:
            problem = f"is not used by a check of the type {kind}"
            findings.error(where, name, value, problem, "omit it, or choose another type")
            continue
        checked = _value(where, name, value, findings)
        if checked is not None:
            found[name] = checked
        elif name in _NEEDED:
            # It is wrong, and not missing too.
            found[name] = value
    kept = {
        name: value
        for name, value in inherited.items()
        if kind in TYPES_OF.get(name, (kind,)) and not (name == "port" and kind in PORTLESS)
    }
    return {**kept, **found}


def read_check(
    path: str,
    given: Options,
    service: ServiceKey,
    server: RealServerKey,
    matches: Iterable[Match],
    findings: Findings,
) -> Check | None:
    """How a real server is checked; None where it is not.

    :param path: of the object whose options count.
    :param given: as ``read_options`` returns them.
    :param matches: the packets that get the firewall mark of the service.
    """
    where = f"{path}.{OPTION}"
    tcp, udp = _port(service, server, matches, "tcp"), _port(service, server, matches, "udp")
    kind = given.get("type") or ("tcp" if tcp else NO_CHECK)
    if kind == NO_CHECK:
        return None
    port = 0
    if kind not in PORTLESS:
        port = given.get("port") or (udp if kind in BY_UDP else tcp) or server.port
        if not port:
            remedy = "set it to the port that the real servers listen on"
            problem = (
                f"is missing, and the service has none that a check of the type {kind} could use"
            )
            findings.error(where, "port", None, problem, remedy)
    option, remedy = REQUIRED.get(kind, ("", ""))
    if option and option not in given:
        problem = f"is missing, and the type {kind} needs it"
        findings.error(where, option, None, problem, remedy)
    timeout = given.get("timeout", UDP_TIMEOUT if kind == "udp" else Check.timeout)
    if kind == "udp" and not given.get("require_reply") and timeout < UDP_TIMEOUT_MIN:
        findings.error(
            where,
            "timeout",
            timeout,
            f"must be at least {UDP_TIMEOUT_MIN:g} seconds: without require_reply only an error shows that a real "
            "server is down, which takes that long",
            "raise it, or set require_reply where the service answers every packet",
        )
    return Check(**{**given, "type": kind, "port": port, "timeout": timeout})


def _port(
    service: ServiceKey, server: RealServerKey, matches: Iterable[Match], protocol: str
) -> int:
    """The port of a real server that has this protocol; 0 where there is none or it is unknown."""
    if not service.fwmark:
        return server.port if service.protocol == protocol else 0
    listed = list(matches)
    of_protocol = [match for match in listed if match.protocol == protocol]
    if server.port and (of_protocol or not listed):
        # By NAT, packets of all ports go to this one.
        return server.port
    return next((match.ports[0][0] for match in of_protocol if match.ports), 0)


def _value(where: str, name: str, value: Any, findings: Findings) -> Any:
    """The value of an option, canonical; None where it is wrong, which is collected."""
    problem, remedy = "", ""
    if name in ("interval", "timeout", "retry_delay") and not SHORTEST <= value <= LONGEST:
        problem = f"must be from {SHORTEST:g} to {LONGEST:g} seconds"
        remedy = "write a number of seconds, such as 5"
    elif name == "retries" and not 0 <= value <= MAX_RETRIES:
        problem = f"must be from 0 to {MAX_RETRIES}"
        remedy = "write how many more times a failed check is tried"
    elif name == "port" and not 1 <= value <= 65535:
        problem = "must be a number from 1 to 65535"
        remedy = "use the port that the real servers listen on"
    elif name in _TEXTS and not _TEXTS[name][0].fullmatch(value):
        problem, remedy = _TEXTS[name][1:]
    elif name == "status":
        return _status(where, value, findings)
    elif name == "command":
        return _command(where, value, findings)
    if problem:
        findings.error(where, name, value, problem, remedy)
        return None
    if name == "record":
        return value.upper()
    return value.lower() if name in ("digest", "payload") else value


def _status(where: str, given: list[str], findings: Findings) -> tuple[str, ...] | None:
    for text in given:
        found = _STATUS.fullmatch(text.strip())
        if not found or int(found[1]) > int(found[2] or found[1]):
            remedy = "write a code from 100 to 599, a range such as 200-299, or a list of them"
            findings.error(where, "status", text, "is not an HTTP status code", remedy)
            return None
    if not 1 <= len(given) <= MAX_STATUS:
        problem = f"must have from 1 to {MAX_STATUS} codes"
        findings.error(where, "status", None, problem, "use ranges, such as 200-299")
        return None
    return tuple(text.strip() for text in given)


def _command(where: str, given: list[str], findings: Findings) -> tuple[str, ...] | None:
    """The words of a command that is a text or a list of words."""
    problem, remedy = "", ""
    words = given
    if len(given) == 1:
        try:
            words = shlex.split(given[0])
        except ValueError:
            problem, remedy = "has an unmatched quote", "close it, or write a list of words"
    if problem:
        pass
    elif not words or not words[0].startswith("/"):
        problem = "must begin with an absolute path"
        remedy = "use for example /usr/local/bin/check"
    elif any(sign in word for word in words for sign in _FORBIDDEN):
        problem = "has a quote, a backslash or a dollar sign, which has a special meaning in keepalived.conf"
        remedy = "put it into a script, and use that as the command"
    elif len(" ".join(words).encode()) + 2 * len(words) > MAX_COMMAND:
        problem = f"is longer than {MAX_COMMAND} bytes"
        remedy = "put it into a script, and use that as the command"
    if problem:
        shown = given[0] if len(given) == 1 else given
        findings.error(where, "command", shown, problem, remedy)
        return None
    return tuple(words)
