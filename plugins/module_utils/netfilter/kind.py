# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Firewall chains as kinds of resources: the firewall of NAT, firewall marks, and the tunnel filter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable, NamedTuple

from ..engine import Base, Diff, Held, Operation, Plan, Progress, Script
from ..errors import InvalidInput, KernelRefusal
from ..host import boot
from ..host.commands import Commands
from ..host.manifest import Claim
from ..host.options import filled
from ..net import FAMILIES, IPV4, IPV6
from . import decap, mark, nat, plan
from .iptables import Iptables, warnings
from .model import Chain, Firewall

# From a family to all chains that an owner can have in it; a chain without rules is removed.
ChainsOf = Callable[[str], Sequence[Chain]]

_TITLES: Mapping[str, str] = {IPV4: "iptables", IPV6: "ip6tables"}
_PACKAGE = "iptables"


class Desired(NamedTuple):
    """The desired state.

    :ivar chains: by family, every chain that the owner can have; a chain without rules is removed.
    :ivar warnings: sentences for the operator.
    """

    chains: Mapping[str, tuple[Chain, ...]]
    warnings: tuple[str, ...] = ()

    def is_wanted(self, family: str) -> bool:
        return any(chain.rules for chain in self.chains[family])


class Current(NamedTuple):
    """What there is.

    :ivar desired: the desired state, which may depend on the host.
    :ivar firewalls: by family.
    :ivar without: the families for which the host has no commands.
    :ivar warnings: what else filters packets.
    """

    desired: Desired
    firewalls: Mapping[str, Firewall]
    without: frozenset[str]
    warnings: tuple[str, ...] = ()


class Chains(Base):
    """One set of chains of one owner.

    :param desired: returns the desired state; called with whether this is check mode.
    :param title: what the chains are, in a few words, for the script at boot.
    :param part: tells the scripts of several sets and one owner apart.
    :param check: refuses a chain that conflicts with the current firewall.
    """

    def __init__(
        self,
        name: str,
        desired: Callable[[bool], Desired],
        commands: Commands,
        title: str,
        part: str,
        at_boot: bool,
        check: Callable[[Chain, Firewall], None] | None = None,
    ) -> None:
        self.name = name
        self.attracts = name == "marks"
        self._claim_kind = f"chains_{name}"
        self.claim_kinds = (self._claim_kind,)
        self._desired = desired
        self._iptables = Iptables(commands)
        self._title = title
        self._part = part
        self._check = check
        self._at_boot = at_boot

    def read(self, _held: Held, check_mode: bool) -> Current:
        desired = self._desired(check_mode)
        without = frozenset(family for family in FAMILIES if not self._iptables.is_there(family))
        used = any(desired.is_wanted(family) for family in FAMILIES) and not without
        return Current(
            desired,
            {family: self._iptables.read(family, check_mode) for family in FAMILIES},
            without,
            warnings(self._iptables) if used else (),
        )

    def plan(self, current: Current, held: Held, prune: bool, _check_mode: bool) -> Plan:
        desired = current.desired
        grow: list[Operation] = []
        shrink: list[Operation] = []
        remaining: list[str] = []
        diffs: dict[str, Diff] = {}
        kept: dict[str, list[Chain]] = {family: [] for family in FAMILIES}
        for family in FAMILIES:
            before: list[str] = []
            after: list[str] = []
            for chain in desired.chains[family]:
                if self._check:
                    self._check(chain, current.firewalls[family])
                todo = plan.plan(family, current.firewalls[family], chain, prune)
                if todo.grow:
                    grow.append(_operation(todo.verb, chain, todo.grow))
                if todo.shrink:
                    verb = "edit" if chain.rules else "delete"
                    shrink.append(_operation(verb, chain, todo.shrink))
                if todo.kept:
                    kept[family].append(todo.kept)
                remaining += todo.remaining
                before += todo.before
                after += todo.after
            diffs[_TITLES[family]] = Diff(tuple(before), tuple(after))
        claims = {_object(family, chain): Claim() for family in FAMILIES for chain in kept[family]}
        body = plan.script_body(kept) if self._at_boot else None
        return Plan(
            grow=tuple(grow),
            shrink=tuple(shrink),
            claims={self._claim_kind: claims},
            diffs=diffs,
            scripts=(Script(boot.FIREWALL, self._title, body, self._part),),
            remaining=tuple(remaining),
            packages=(_PACKAGE,) if self._lacks(current, held) else (),
            warnings=(*desired.warnings, *current.warnings),
            details={"rules": {family: plan.shown(kept[family]) for family in FAMILIES}},
        )

    def carry_out(self, operations: Sequence[Operation]) -> Progress:
        """Change one table after the other, each in one transaction."""
        tables: dict[tuple[str, str], list[Operation]] = {}
        for operation in operations:
            step = operation.work
            tables.setdefault((step.family, step.table), []).append(operation)
        done = 0
        for (family, _table), of_table in tables.items():
            try:
                self._iptables.apply(family, plan.transaction(each.work for each in of_table))
            except KernelRefusal as refusal:
                return Progress(done, ((of_table[0], refusal),))
            done += len(of_table)
        return Progress(done)

    def _lacks(self, current: Current, held: Held) -> bool:
        """Whether there is something to do for which the host has no commands."""
        return any(
            current.desired.is_wanted(family)
            or any(name.startswith(f"{family} ") for name in held.claims(self._claim_kind))
            for family in current.without
        )


def _object(family: str, chain: Chain) -> str:
    return f"{family} {chain.table} {chain.name}"


def _operation(verb: str, chain: Chain, step: plan.Step) -> Operation:
    shown = {
        "verb": verb,
        "family": step.family,
        "table": chain.table,
        "chain": chain.name,
        "text": plan.transaction([step]),
    }
    return Operation(verb, _object(step.family, chain), step, shown)


def firewall(
    entry: Mapping[str, Any] | None,
    owner: str,
    commands: Commands,
    at_boot: bool = True,
    conntrack: bool = False,
) -> Chains:
    """What a director needs that forwards by NAT.

    :param entry: options of the module iptables_masq; None for no rules.
    :param conntrack: whether the same run sets net.ipv4.vs.conntrack to 1.
    :raises InvalidInput: an option that can't be.
    """
    wanted = nat.of_options(filled(entry, nat.OPTIONS)) if entry else nat.Nat()

    def desired(check_mode: bool) -> Desired:
        found = _check_conntrack(wanted, check_mode) if not conntrack else ()
        return _desired(lambda family: nat.chains(wanted, family, owner), found)

    title = "firewall rules for NAT"
    return Chains("firewall", desired, commands, title, "", at_boot)


def _check_conntrack(wanted: nat.Nat, check_mode: bool) -> tuple[str, ...]:
    """Rules that match packets of IPVS need connection tracking of IPVS.

    :returns: a warning in check mode, because an earlier task of the same play may be about to set it.
    :raises InvalidInput: it is off.
    """
    from ..host import proc  # noqa: PLC0415  (only where it is needed)

    option = "snat" if wanted.snat else "ipvs"
    if not (wanted.snat or wanted.ipvs) or proc.read("net.ipv4.vs.conntrack") == "1":
        return ()
    error = InvalidInput(
        "the masquerading",
        option,
        True if option == "ipvs" else [str(key) for key in wanted.snat],
        "sees no packet while net.ipv4.vs.conntrack is not 1",
        "set that with lvs.cluster.lvs_sysctl first, or omit the option",
    )
    if not check_mode:
        raise error
    return (str(error),)


def marks(
    entry: Mapping[str, Any] | None, owner: str, commands: Commands, at_boot: bool = True
) -> Chains:
    """The firewall marks by which several ports or addresses are one virtual service.

    :param entry: options of the module iptables_mark; None for no marks.
    :raises InvalidInput: an option that can't be.
    """
    wanted = mark.of_options(filled(entry, mark.OPTIONS)) if entry else []

    def desired(_check_mode: bool) -> Desired:
        return _desired(lambda family: mark.chains(wanted, family, owner))

    return Chains("marks", desired, commands, "firewall marks", "mark", at_boot)


def tunnel_filter(
    entry: Mapping[str, Any] | None,
    owner: str,
    commands: Commands,
    at_boot: bool = True,
    mtu_of: Callable[[Commands, Sequence[str]], int] | None = None,
) -> Chains:
    """What a real server needs that a director reaches by tunnels.

    :param entry: options of the module iptables_decap; None for no rules.
    :param mtu_of: the smallest MTU of the interfaces that have one of these addresses; 0 where none has.
    :raises InvalidInput: an option that can't be.
    """
    wanted = decap.of_options(filled(entry, decap.OPTIONS)) if entry else decap.TunnelFilter()

    def desired(_check_mode: bool) -> Desired:
        complete = wanted
        if wanted.needs_mtu:
            complete = wanted.with_mtu((mtu_of or _mtu_of)(commands, wanted.own_addresses))
        return _desired(lambda family: decap.chains(complete, family, owner))

    title, check = "tunnel source filter", decap.check_others
    return Chains("tunnel_filter", desired, commands, title, "decap", at_boot, check)


def _mtu_of(commands: Commands, addresses: Sequence[str]) -> int:
    from ..network.iproute import IpRoute  # noqa: PLC0415  (only where it is needed)

    return IpRoute(commands).mtu_of(addresses) or 0


def _desired(chains: ChainsOf, found: tuple[str, ...] = ()) -> Desired:
    return Desired({family: tuple(chains(family)) for family in FAMILIES}, found)
