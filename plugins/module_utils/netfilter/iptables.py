# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands of iptables: the only code that reads or changes the firewall."""

from __future__ import annotations

import functools
import glob
import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import KernelRefusal, Unavailable
from ..host.commands import Commands
from ..net import FAMILY_NAMES
from . import others
from .model import Firewall

_COMMANDS: Mapping[str, str] = {"ipv4": "iptables", "ipv6": "ip6tables"}
_WAIT_SECONDS = 60
_REMEDY = (
    "make sure that the kernel has the modules for it ('iptables -t nat -L' works), and that no other program holds "
    "the firewall lock"
)


class Iptables(NamedTuple):
    """The firewall of this host."""

    commands: Commands

    def is_there(self, family: str) -> bool:
        """Whether the host has the commands of a family."""
        return self.commands.find(f"{_COMMANDS[family]}-restore") is not None

    def read(self, family: str, check_mode: bool) -> Firewall:
        """The current firewall; that of a host without iptables is empty.

        In check mode nf_tables is not loaded: where it is not, the firewall is empty.
        """
        if not self.is_there(family):
            return Firewall({})
        if check_mode and self.backend() == "nf_tables" and not _has_nf_tables():
            return Firewall({})
        return Firewall.parse(self._run([f"{_COMMANDS[family]}-save"]))

    def apply(self, family: str, text: str) -> None:
        """Carry a transaction out; each table's part is all or nothing.

        :raises KernelRefusal: it was refused, and nothing has been changed.
        """
        name = f"{_COMMANDS[family]}-restore"
        done = self.commands.run(
            [self._command(name), "--noflush", "--wait", str(_WAIT_SECONDS)], text
        )
        if done.complaint:
            raise KernelRefusal(
                f"Could not change the {FAMILY_NAMES[family]} firewall",
                0,
                f"{name} refused: {done.complaint}",
                _REMEDY,
            )

    def backend(self) -> str:
        """``nf_tables`` or ``legacy``."""
        return "nf_tables" if "nf_tables" in self._run(["iptables", "--version"]) else "legacy"

    def foreign_chains(self) -> list[dict[str, Any]]:
        """The base chains that nftables has: dictionaries with family, table, name, hook and policy."""
        command = self.commands.find("nft")
        if command is None or not _has_nf_tables():
            return []
        done = self.commands.run([command, "--json", "list", "chains"])
        try:
            found = json.loads(done.output)["nftables"]
        except (ValueError, KeyError):
            return []
        return [each["chain"] for each in found if "hook" in each.get("chain", {})]

    def firewalld_runs(self) -> bool:
        """Whether firewalld is running."""
        command = self.commands.find("systemctl")
        if command is None or self.commands.find("firewalld") is None:
            return False
        return self.commands.run([command, "is-active", "--quiet", "firewalld"]).code == 0

    def _run(self, words: list[str]) -> str:
        done = self.commands.run([self._command(words[0]), *words[1:]])
        if done.complaint:
            raise Unavailable(f"{words[0]} refused: {done.complaint}; {_REMEDY}.")
        return done.output

    def _command(self, name: str) -> str:
        command = self.commands.find(name)
        if command is None:
            raise Unavailable(
                f"The command {name} is not on this host; install the package iptables."
            )
        return command


@functools.lru_cache(maxsize=1)
def warnings(iptables: Iptables) -> tuple[str, ...]:
    """What else filters on this host, as sentences; asked once, however many kinds and reads there are."""
    return tuple(
        others.warnings(
            iptables.backend(),
            legacy_tables(),
            iptables.foreign_chains(),
            iptables.firewalld_runs(),
        )
    )


def legacy_tables() -> list[str]:
    """The tables that iptables-legacy has in the kernel."""
    names: set[str] = set()
    for path in glob.glob("/proc/net/ip*_tables_names"):
        with open(path, encoding="ascii") as file:
            names.update(file.read().split())
    return sorted(names)


def _has_nf_tables() -> bool:
    if os.path.exists("/sys/module/nf_tables"):
        return True
    builtin = f"/lib/modules/{os.uname().release}/modules.builtin"
    try:
        with open(builtin, encoding="utf-8") as file:
            return any("/nf_tables.ko" in line for line in file)
    except FileNotFoundError:
        return False
