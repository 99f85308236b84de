# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configuration of keepalived, where it is ours and owns the table: weights and quorums of services.

A comment before each virtual server and each real server says which one it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import KernelRefusal
from ..host.commands import Commands
from ..ipvs.model import RealServerKey, ServiceKey
from ..ipvs.ownership import keys_of, real_server_name
from ..keepalived import conf
from .request import Configured

_SERVICE, _REAL_SERVER = "# service ", "# real server "


class Keepalived:
    """What reads and replaces the configuration of this host.

    :param pending: the file that tells that keepalived has yet to read it; None for the one of its owner.
    """

    def __init__(
        self, commands: Commands, path: str = conf.PATH, pending: str | None = None
    ) -> None:
        self.path = path
        self._commands = commands
        self._pending = pending

    def _service(self, owner: str) -> Any:
        # Hosts without keepalived do without it.
        from ..keepalived.service import Service  # noqa: PLC0415

        return Service(self._commands, owner, self.path, self._pending)

    def read(self) -> tuple[str | None, bool]:
        """The text, and whether keepalived has yet to read it.

        None where there is none, it is not ours, or it leaves the table to us.
        """
        text, _right = self._service("").text()
        owner = conf.owner_of(text)
        if owner is None or not conf.objects(text):
            return None, False
        return text, self._service(owner).is_pending()

    def check(self, text: str) -> None:
        """:raises KernelRefusal: keepalived would not take it."""
        complaint = self._service(conf.owner_of(text) or "").complaint(text)
        if complaint:
            raise KernelRefusal(
                f"Could not change the weights in {self.path}",
                0,
                f"keepalived refuses the configuration: {complaint}",
                "correct the configuration with a run of site.yml, and run again",
            )

    def put(self, text: str) -> None:
        """Replace the file and have keepalived read it.

        :raises KernelRefusal: it does not run any more.
        """
        service = self._service(conf.owner_of(text) or "")
        service.set_pending(True)
        service.put(text)
        # Where it does not run, it reads it when it is started.
        if service.unit().is_active:
            service.reload()
        service.set_pending(False)


def with_weights(text: str, weights: Mapping[str, int]) -> str:
    """The text, with other weights for some real servers, by name."""
    places = {keys_of(name): weight for name, weight in weights.items()}
    return conf.with_weights(
        text, {(str(key), str(server)): weight for (key, server), weight in places.items()}
    )


def services_of(text: str) -> dict[ServiceKey, Configured]:
    """The services that it holds, each with the weights of its real servers.

    :raises ValueError: a comment names nothing (InvalidInput where its parts can't be).
    """
    found: dict[ServiceKey, Configured] = {}
    key: ServiceKey | None = None
    server = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith(_SERVICE):
            key, server = ServiceKey.parse(line[len(_SERVICE) :]), ""
            found[key] = Configured({})
        elif key and line.startswith(_REAL_SERVER):
            server = real_server_name(key, RealServerKey.parse(line[len(_REAL_SERVER) :]))
        elif key:
            found[key] = _with(found[key], line.split(), server)
    return found


def _with(known: Configured, words: list[str], server: str) -> Configured:
    """What a line adds to what is known of a service.

    :param server: the name of the real server that was named last.
    """
    if words == ["inhibit_on_failure"]:
        return known._replace(inhibits=True)
    if len(words) != 2 or not words[1].isdecimal():
        return known
    number = int(words[1])
    if words[0] == "weight" and server and server not in known.weights:
        return known._replace(weights={**known.weights, server: number})
    if words[0] == "quorum":
        return known._replace(quorum=number)
    if words[0] == "hysteresis":
        return known._replace(hysteresis=number)
    return known
