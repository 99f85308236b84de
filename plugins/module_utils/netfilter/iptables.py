# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands of iptables: the only code that reads or changes the firewall."""

from __future__ import annotations

import glob
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from ..errors import Unavailable
from .model import Firewall

_SEARCHED = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
_COMMANDS: Mapping[str, str] = {"ipv4": "iptables", "ipv6": "ip6tables"}
_WAIT_SECONDS = 60


def is_there(family: str) -> bool:
    """Whether the host has the commands of a family."""
    return shutil.which(f"{_COMMANDS[family]}-restore", path=_SEARCHED) is not None


def read(family: str, check_mode: bool) -> Firewall:
    """The firewall as it is.

    In check mode, nf_tables that is not loaded stays so: its firewall is empty.
    """
    if check_mode and _would_load(family):
        return Firewall({})
    return Firewall.parse(_run([f"{_COMMANDS[family]}-save"]))


def apply(family: str, text: str) -> None:
    """Carry a transaction out; each table's part is all or nothing.

    :raises Unavailable: it was refused.
    """
    _run([f"{_COMMANDS[family]}-restore", "--noflush", "--wait", str(_WAIT_SECONDS)], text)


def _run(words: list[str], text: str | None = None) -> str:
    command = shutil.which(words[0], path=_SEARCHED)
    if command is None:
        raise Unavailable(
            f"The command {words[0]} is not on this host; install the package iptables."
        )
    done = subprocess.run(
        [command, *words[1:]],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * _WAIT_SECONDS,
        env={**os.environ, "LC_ALL": "C"},
    )
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise Unavailable(
            f"{words[0]} refused: {said}; see that the kernel has the modules for it ('iptables -t nat -L' "
            "works), and that no other program keeps the firewall locked."
        )
    return done.stdout


def backend() -> str:
    """``nf_tables`` or ``legacy``."""
    return "nf_tables" if "nf_tables" in _run(["iptables", "--version"]) else "legacy"


def _would_load(family: str) -> bool:
    command = shutil.which(f"{_COMMANDS[family]}-save", path=_SEARCHED)
    return command is not None and backend() == "nf_tables" and not _has_nf_tables()


def _has_nf_tables() -> bool:
    if os.path.exists("/sys/module/nf_tables"):
        return True
    builtin = f"/lib/modules/{os.uname().release}/modules.builtin"
    try:
        with open(builtin, encoding="utf-8") as file:
            return any("/nf_tables.ko" in line for line in file)
    except FileNotFoundError:
        return False


def legacy_tables() -> list[str]:
    """The tables that iptables-legacy has in the kernel."""
    names: set[str] = set()
    for path in glob.glob("/proc/net/ip*_tables_names"):
        with open(path, encoding="ascii") as file:
            names.update(file.read().split())
    return sorted(names)


def foreign_chains() -> list[dict[str, Any]]:
    """The base chains that nftables has: dictionaries with family, table, name, hook and policy."""
    command = shutil.which("nft", path=_SEARCHED)
    if command is None or not _has_nf_tables():
        return []
    done = subprocess.run(
        [command, "--json", "list", "chains"], capture_output=True, text=True, check=False
    )
    try:
        found = json.loads(done.stdout)["nftables"]
    except (ValueError, KeyError):
        return []
    return [each["chain"] for each in found if "hook" in each.get("chain", {})]


def firewalld_runs() -> bool:
    """Whether firewalld is at work."""
    command = shutil.which("systemctl", path=_SEARCHED)
    if command is None or not os.path.exists("/usr/sbin/firewalld"):
        return False
    done = subprocess.run([command, "is-active", "--quiet", "firewalld"], check=False)
    return done.returncode == 0
