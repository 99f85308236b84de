# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ipvsadm's text as services: what ``ipvsadm --save`` writes and ``ipvsadm --restore`` reads.

The reverse of ``rules``. Every option of ipvsadm(8) that describes a service or a real server is
understood, short and long; what would change something else, or needs a name looked up, is refused with
its line. The result is what the modules' options are, so that there is one way to a table. Pure.
"""

from __future__ import annotations

import re
import shlex
from typing import Any

from ..errors import InvalidInput
from ..net import IPV6, split_endpoint
from .options import number

DEFAULT_PERSISTENCE_TIMEOUT = 300  # ipvsadm's, for a bare -p

_COMMANDS = {"-A": "-A", "--add-service": "-A", "-a": "-a", "--add-server": "-a"}
_PROTOCOLS = {
    "-t": "tcp",
    "--tcp-service": "tcp",
    "-u": "udp",
    "--udp-service": "udp",
    "--sctp-service": "sctp",
}
_FWMARK = ("-f", "--fwmark-service")
_IPV6 = ("-6", "--ipv6")
_PERSISTENT = ("-p", "--persistent")
_REAL_SERVER = ("-r", "--real-server")

# The option that a word with a value gives, for a service and for a real server.
_SERVICE_WORDS = {
    "-s": "scheduler",
    "--scheduler": "scheduler",
    "-M": "persistence_netmask",
    "--netmask": "persistence_netmask",
    "--pe": "persistence_engine",
    "-b": "scheduler_flags",
    "--sched-flags": "scheduler_flags",
}
_REAL_SERVER_WORDS = {
    "-w": "weight",
    "--weight": "weight",
    "-x": "upper_threshold",
    "--u-threshold": "upper_threshold",
    "-y": "lower_threshold",
    "--l-threshold": "lower_threshold",
    "--tun-type": "tunnel_type",
    "--tun-port": "tunnel_port",
}
# Words that stand for a value themselves.
_SERVICE_SWITCHES = {"-o": ("one_packet", True), "--ops": ("one_packet", True)}
_REAL_SERVER_SWITCHES = {
    "-m": ("forwarding", "nat"),
    "--masquerading": ("forwarding", "nat"),
    "-g": ("forwarding", "dr"),
    "--gatewaying": ("forwarding", "dr"),
    "-i": ("forwarding", "tun"),
    "--ipip": ("forwarding", "tun"),
    "--tun-nocsum": ("tunnel_checksum", "none"),
    "--tun-csum": ("tunnel_checksum", "csum"),
    "--tun-remcsum": ("tunnel_checksum", "remcsum"),
}
# A real server without a port.
_PORTLESS = re.compile(r"\[[^\[\]]*\]|[^\[\]:]*")
_NUMBERS = ("weight", "upper_threshold", "lower_threshold", "tunnel_port")

Selector = tuple[tuple[str, Any], ...]


def parse_rules(text: str) -> list[dict[str, Any]]:
    """The services that a text describes, each with its ``real_servers``.

    Empty lines and lines that begin with ``#`` are ignored.

    :raises InvalidInput: with the number of the first line that is wrong.
    """
    services: dict[Selector, dict[str, Any]] = {}
    for position, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            _Line(position, line).add_to(services)
    return list(services.values())


class _Line:
    """One line, word by word."""

    def __init__(self, position: int, line: str) -> None:
        self._position = position
        self._line = line.strip()
        try:
            self._words = shlex.split(line)
        except ValueError as error:
            raise self._wrong(f"has quotes that do not match ({error})") from None

    def add_to(self, services: dict[Selector, dict[str, Any]]) -> None:
        command = _COMMANDS.get(self._words.pop(0))
        if command is None:
            raise self._wrong("describes neither a service nor a real server")
        selector: dict[str, Any] = {}
        server: dict[str, Any] = {}
        found: dict[str, Any] = {}
        while self._words:
            self._read_word(command, selector, server, found)
        if not selector.keys() & {"address", "fwmark"}:
            raise self._wrong("names no service")
        key = tuple(sorted(selector.items()))
        if command == "-A":
            if key in services:
                raise self._wrong("adds a service that an earlier line has added")
            services[key] = {**selector, **found, "real_servers": []}
            return
        if key not in services:
            raise self._wrong("adds a real server to a service that no earlier line has added")
        if not server:
            raise self._wrong("names no real server")
        # ipvsadm's own default, unlike the modules'.
        services[key]["real_servers"].append({"forwarding": "dr", **server, **found})

    def _read_word(
        self, command: str, selector: dict[str, Any], server: dict[str, Any], found: dict[str, Any]
    ) -> None:
        is_service = command == "-A"
        words = _SERVICE_WORDS if is_service else _REAL_SERVER_WORDS
        switches = _SERVICE_SWITCHES if is_service else _REAL_SERVER_SWITCHES
        word = self._words.pop(0)
        if word in _PROTOCOLS:
            address, port = self._endpoint(word)
            selector.update(protocol=_PROTOCOLS[word], address=address, port=port)
        elif word in _FWMARK:
            selector["fwmark"] = self._fwmark(word)
        elif word in _IPV6:
            selector["family"] = IPV6
        elif is_service and word in _PERSISTENT:
            bare = not self._words or self._words[0].startswith("-")
            found["persistence_timeout"] = (
                DEFAULT_PERSISTENCE_TIMEOUT if bare else self._int(word, self._words.pop(0))
            )
        elif not is_service and word in _REAL_SERVER:
            server["address"], port = self._endpoint(word, port_needed=False)
            if port is not None:
                server["port"] = port
        elif word in switches:
            option, value = switches[word]
            found[option] = value
        elif word in words:
            option, text = words[word], self._value(word)
            if option in _NUMBERS:
                found[option] = self._int(word, text)
            else:
                found[option] = text.split(",") if option == "scheduler_flags" else text
        else:
            raise self._wrong(f"has {word!r}, which is not an option of {command}")

    def _value(self, word: str) -> str:
        if not self._words:
            raise self._wrong(f"ends where {word} needs a value")
        return self._words.pop(0)

    def _fwmark(self, word: str) -> int:
        """A mark. ipvsadm prints those of 2^31 and more as negative numbers."""
        mark = self._int(word, self._value(word))
        return mark + 2**32 if -(2**31) <= mark < 0 else mark

    def _int(self, word: str, text: str) -> int:
        try:
            return number(text)
        except ValueError:
            raise self._wrong(f"gives {word} {text[:80]!r}, which is not a number") from None

    def _endpoint(self, word: str, port_needed: bool = True) -> tuple[str, int | None]:
        text = self._value(word)
        try:
            return split_endpoint(text)
        except ValueError:
            if port_needed or not _PORTLESS.fullmatch(text):
                raise self._wrong(
                    f"has {text[:80]!r}, which is not ADDRESS:PORT in numbers"
                ) from None
            return text.strip("[]"), None

    def _wrong(self, problem: str) -> InvalidInput:
        return InvalidInput(
            f"rules, line {self._position}",
            None,
            self._line[:80],
            f"{self._line[:80]!r} {problem}",
            "give lines of -A and -a as 'ipvsadm --save --numeric' writes them",
        )
