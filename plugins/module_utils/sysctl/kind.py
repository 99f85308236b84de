# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kernel settings (sysctls) as a kind of resource: in force now and at every boot."""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from ..engine import Base, Diff, Held, Operation, Plan, Progress
from ..errors import InvalidInput, KernelRefusal, Unavailable
from ..host import proc
from ..host.commands import Commands
from ..host.files import File, read
from ..host.options import filled
from ..ipvs.words import FORWARDING_CHOICES, canonical_forwarding
from ..kernel_module import modprobe
from ..net import FAMILIES, canonical_address
from . import conf
from .plan import KIND, Write, plan
from .profiles import AFFECTED, PROFILES, Host, Setting, explicit, of_profiles

SUBJECT = "the settings"
OPTIONS: Mapping[str, Any] = {
    "profiles": {"type": "list", "elements": "str", "choices": list(PROFILES), "default": []},
    "forwarding": {
        "type": "list",
        "elements": "str",
        "choices": list(FORWARDING_CHOICES),
        "default": [],
    },
    "families": {
        "type": "list",
        "elements": "str",
        "choices": list(FAMILIES),
        "default": ["ipv4"],
    },
    "interfaces": {"type": "list", "elements": "str", "default": []},
    "decapsulating": {"type": "list", "elements": "str", "default": ["tunl0"]},
    "ingress": {"type": "list", "elements": "str", "default": []},
    "values": {"type": "dict", "default": {}},
}
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


class Current(NamedTuple):
    """What there is.

    :ivar desired: the settings that are asked for, which profiles derive from what they find.
    :ivar values: every setting that is asked for or may be reset along with one, with its value.
    :ivar files: path to content of every file of sysctl.d(5) but ours.
    """

    desired: tuple[Setting, ...]
    values: Mapping[str, str]
    files: Mapping[str, str]


class Settings(Base):
    """The settings of one owner.

    :param options: those of the module lvs_sysctl, or an empty dictionary for none.
    :param coming: devices that the same run creates before it writes their settings.
    """

    name = "settings"
    claim_kinds = (KIND,)

    def __init__(
        self,
        options: Mapping[str, Any],
        owner: str,
        commands: Commands,
        coming: Collection[str] = (),
    ) -> None:
        self._options = options
        self._owner = owner
        self._commands = commands
        self._coming = coming

    @classmethod
    def of(
        cls,
        entry: Mapping[str, Any] | None,
        owner: str,
        commands: Commands,
        coming: Collection[str] = (),
    ) -> Settings:
        """The settings of an entry of a host's configuration; None for none."""
        return cls(filled(entry, OPTIONS) if entry else {}, owner, commands, coming)

    def read(self, held: Held, check_mode: bool) -> Current:
        desired = tuple(self._desired())
        own = conf.path(self._owner)
        names = [each.name for each in desired]
        coming = None if check_mode else self._coming
        values = _values(names, list(held.claims(KIND)), coming)
        return Current(desired, values, _files(own))

    def plan(self, current: Current, held: Held, prune: bool, _check_mode: bool) -> Plan:
        claims = held.claims(KIND)
        _check_others(current.desired, self._owner, held)
        todo = plan(current.desired, current.values, claims, prune, held.others.get(KIND, {}))
        kept = [*current.desired, *todo.surplus]
        values = {**{each.name: each.value for each in todo.surplus}, **todo.values}
        own = conf.path(self._owner)
        return Plan(
            grow=tuple(_operation(write) for write in todo.writes if not write.restores),
            shrink=tuple(_operation(write) for write in todo.writes if write.restores),
            claims={KIND: todo.claims},
            diffs={"settings": Diff(*todo.lines)},
            files=(
                File(conf.modules_path(self._owner), conf.modules_text(self._owner, kept)),
                File(own, conf.text(self._owner, kept, values)),
            ),
            remaining=tuple(each.name for each in todo.surplus),
            warnings=tuple(conf.overrides(current.desired, own, current.files)),
            details={
                "settings": dict(todo.values),
                "surplus": [each.name for each in todo.surplus],
            },
        )

    def carry_out(self, operations: Sequence[Operation]) -> Progress:
        """Write all of them, also where some are refused: they do not depend on each other."""
        failures = []
        missing = self._missing_ipvs(operations)
        for operation in operations:
            write = operation.work
            if missing and write.name.startswith(proc.IPVS):
                failures.append((operation, missing))
                continue
            try:
                proc.write(write.name, write.after)
            except OSError as error:
                failures.append((operation, _explain(write, error)))
        return Progress(len(operations) - len(failures), tuple(failures))

    def _missing_ipvs(self, operations: Sequence[Operation]) -> KernelRefusal | None:
        """Load IPVS if settings of it are to be written; the refusal if that fails."""
        if proc.ipvs_is_loaded() or not any(
            operation.work.name.startswith(proc.IPVS) for operation in operations
        ):
            return None
        try:
            modprobe.load("ip_vs", "the settings net.ipv4.vs need", self._commands)
        except Unavailable as error:
            problem = str(error).rstrip(".")
            return KernelRefusal("Could not change settings", 0, problem, "then run again")
        return None

    def _desired(self) -> list[Setting]:
        options = self._options
        if not options:
            return []
        host = _host()
        profiles = of_profiles(
            options["profiles"],
            [canonical_forwarding(word) for word in options["forwarding"]],
            options["families"],
            options["interfaces"],
            options["decapsulating"],
            host,
            _ingress(options["ingress"], host, self._commands),
        )
        # Of several for one setting, the last counts.
        return list(
            {each.name: each for each in [*profiles, *explicit(options["values"])]}.values()
        )


def _operation(write: Write) -> Operation:
    shown = {"verb": "set", "name": write.name, "before": write.before, "after": write.after}
    return Operation("set", f"{write.name} from {write.before} to {write.after}", write, shown)


def _check_others(desired: Sequence[Setting], owner: str, held: Held) -> None:
    """:raises InvalidInput: another owner keeps one of them at a value that will not do."""
    for setting in desired:
        for other, claim in held.shared(KIND, setting.name).items():
            value = str((claim.found or {}).get("set"))
            if not setting.is_met(value):
                raise InvalidInput(
                    SUBJECT,
                    setting.name,
                    setting.value,
                    f"is the value of the owner {owner}, and contradicts the value {value} that the owner {other} "
                    "has set on this host",
                    f"use the same value for both, or remove it from {other} first",
                )


def _host() -> Host:
    """What the profiles have to know of this host."""

    def by_interface(setting: str) -> dict[str, str]:
        return {name.split(".")[3]: value for name, value in proc.matching(setting).items()}

    rp_filter = by_interface("net.ipv4.conf.*.rp_filter")
    names = tuple(name for name in rp_filter if name not in ("all", "default"))
    return Host(names, by_interface("net.ipv6.conf.*.accept_ra"), rp_filter)


def _ingress(given: Sequence[str], host: Host, commands: Commands) -> list[str]:
    """The interfaces that have these addresses; without asking for them where none filters by reverse path."""
    if not given or not any(value != "0" for value in host.rp_filter.values()):
        return []
    from ..network.iproute import IpRoute  # noqa: PLC0415  (only where it is needed)

    wanted = {canonical_address(each, SUBJECT, "ingress")[1] for each in given}
    return [each.interface for each in IpRoute(commands).addresses() if each.address in wanted]


def _values(
    desired: Sequence[str], claimed: Sequence[str], coming: Collection[str] | None
) -> dict[str, str]:
    """:param coming: devices that are created before their settings are written; None where any may be."""
    found: dict[str, str] = {}
    for name in [*desired, *claimed]:
        value = proc.read(name)
        if value is None and name.startswith(proc.IPVS) and not proc.ipvs_is_loaded():
            # It is loaded before the first of them is written.
            value = _IPVS_DEFAULTS.get(name[len(proc.IPVS) :], "0") if name in desired else None
        if value is None:
            value = _of_a_device_to_come(name, coming)
        if value is not None:
            found[name] = value
        elif name in desired:
            raise InvalidInput(
                SUBJECT,
                name,
                None,
                f"is not in this kernel, {os.uname().release}",
                "check that it is spelled as in 'sysctl -a' and that its module is loaded, or omit it",
            )
        for pattern in AFFECTED.get(name, ()):
            found.update(proc.matching(pattern))
    return found


def _of_a_device_to_come(name: str, coming: Collection[str] | None) -> str | None:
    """What a setting of a device begins with. In check mode an earlier task may be about to create any."""
    words = name.split(".")
    if len(words) != 5 or words[2] != "conf" or proc.read(f"net.ipv4.conf.{words[3]}.forwarding"):
        return None
    if coming is not None and words[3].replace("/", ".") not in coming:
        return None
    return proc.read(".".join([*words[:3], "default", words[4]]))


def _explain(write: Write, error: OSError) -> KernelRefusal:
    return KernelRefusal(
        f"Could not set {write.name} to {write.after}",
        error.errno or 0,
        f"the kernel answered: {error.strerror}",
        "check which values the kernel documentation allows, and whether this is a container, in which some "
        "settings are read-only",
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
