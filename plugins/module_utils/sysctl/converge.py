# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings made as they are wished, now and at every boot: lock, read, plan, claim, write."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Callable

from ..commands import Commands
from ..errors import InvalidInput, KernelRefusal, Refused
from ..files import Change, File, apply, changes, read
from ..manifest import Manifest
from ..store import Store
from . import conf, proc
from .plan import KIND, SettingsPlan, Write, plan
from .profiles import AFFECTED, Host, Wish

# With IPVS not loaded, check mode takes its settings for what the kernel begins with (ip_vs_ctl.c).
_IPVS_DEFAULTS: Mapping[str, str] = {
    "am_droprate": "10",
    "amemthresh": "1024",
    "conn_reuse_mode": "1",
    "lblc_expiration": "86400",
    "lblcr_expiration": "86400",
    "pmtu_disc": "1",
    "run_estimation": "1",
    "snat_reroute": "1",
    "sync_ports": "1",
    "sync_threshold": "3 50",
    "sync_version": "1",
}


@dataclass(frozen=True)
class Outcome:
    """:ivar written: the files that have changed.
    :ivar warnings: sentences for the operator.
    """

    plan: SettingsPlan
    written: tuple[Change, ...]
    warnings: tuple[str, ...]


def host() -> Host:
    """What the profiles have to know of this host."""

    def by_interface(setting: str) -> dict[str, str]:
        return {name.split(".")[3]: value for name, value in proc.matching(setting).items()}

    rp_filter = by_interface("net.ipv4.conf.*.rp_filter")
    names = tuple(name for name in rp_filter if name not in ("all", "default"))
    return Host(names, by_interface("net.ipv6.conf.*.accept_ra"), rp_filter)


def converge(
    wish: Callable[[], Sequence[Wish]],
    store: Store,
    owner: str,
    commands: Commands,
    check_mode: bool,
    exclusive: bool = True,
) -> Outcome:
    """Have these settings.

    :param wish: what is wished; asked for once the lock is held.
    :param exclusive: whether what the owner has set besides is given back.
    :raises InvalidInput: the kernel has no such setting; nothing is changed.
    :raises Refused: the kernel refused some values; the others are in force.
    """
    with store.locked(read_only=check_mode):
        manifest = store.load()
        wishes = wish()
        claims = manifest.claims.get(KIND, {})
        of_ipvs = any(each.name.startswith(proc.IPVS) for each in wishes)
        if of_ipvs and not check_mode and not proc.ipvs_is_loaded():
            proc.load_ipvs(commands)
        current = _current([each.name for each in wishes], list(claims), check_mode)
        todo = plan(wishes, current, claims, exclusive)
        kept = [*wishes, *todo.surplus]
        values = {**{each.name: each.value for each in todo.surplus}, **todo.values}
        own = conf.path(owner)
        written = changes(
            [
                File(conf.modules_path(owner), conf.modules_text(owner, kept)),
                File(own, conf.text(owner, kept, values)),
            ]
        )
        if not check_mode:
            _carry_out(todo, written, manifest, store)
        return Outcome(todo, tuple(written), tuple(conf.overrides(wishes, own, _files(own))))


def _current(wished: Sequence[str], claimed: Sequence[str], check_mode: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in [*wished, *claimed]:
        value = proc.read(name)
        if (
            value is None
            and check_mode
            and name.startswith(proc.IPVS)
            and not proc.ipvs_is_loaded()
        ):
            value = _IPVS_DEFAULTS.get(name[len(proc.IPVS) :], "0")
        if value is None and check_mode:
            value = _of_a_device_to_come(name)
        if value is not None:
            found[name] = value
        elif name in wished:
            raise InvalidInput(
                "the settings",
                name,
                None,
                f"is not in this kernel, {os.uname().release}",
                "see whether it is spelt as 'sysctl -a' shows it and its module is loaded, or leave it out",
            )
        for pattern in AFFECTED.get(name, ()):
            found.update(proc.matching(pattern))
    return found


def _of_a_device_to_come(name: str) -> str | None:
    """An earlier task of the same play may be about to make it."""
    words = name.split(".")
    if len(words) != 5 or words[2] != "conf" or proc.read(f"net.ipv4.conf.{words[3]}.forwarding"):
        return None
    return proc.read(".".join([*words[:3], "default", words[4]]))


def _carry_out(
    todo: SettingsPlan, written: Sequence[Change], manifest: Manifest, store: Store
) -> None:
    with store.claiming(manifest, KIND, todo.claims):
        apply(written)
        refused = []
        for write in todo.writes:
            try:
                proc.write(write.name, write.after)
            except OSError as error:  # noqa: PERF203  (the others are to be written all the same)
                refused.append(_explain(write, error))
        if refused:
            raise Refused(refused, len(todo.writes) - len(refused), 0)


def _explain(write: Write, error: OSError) -> KernelRefusal:
    return KernelRefusal(
        f"Could not set {write.name} to {write.after}",
        error.errno or 0,
        f"the kernel answered: {error.strerror}",
        "see which values the kernel's documentation allows, and whether this is a container, where some "
        "settings can only be read",
    )


def _files(own: str) -> dict[str, str]:
    found = {}
    for folder in conf.FOLDERS:
        for file in glob.glob(f"{folder}/*.conf"):
            if file != own:
                found[file] = _content(file)
    return found


def _content(file: str) -> str:
    try:
        return read(os.path.realpath(file)) or ""
    except OSError:
        return ""
