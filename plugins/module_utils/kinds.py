# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All kinds of resources, in the order in which a host grows: the one list of them.

The order is the rule "make before break": what lets packets through comes before what sends them, and what
attracts packets comes last. The engine removes in the reverse order. One exception: keepalived, which owns what other
kinds take over from it, leaves before they grow.

Imports are inside the builders, so that a run imports only the kinds that the host uses.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Mapping
from typing import Any, Callable, NamedTuple

from .engine import Kind
from .errors import InvalidInput
from .host import boot
from .host.commands import Commands
from .host.manifest import KEEPALIVED, Manifest


class Context:
    """What kinds are built from, besides their entry of the configuration.

    :ivar owner: whose objects they are.
    :ivar configuration: the whole of it.
    :ivar rollback: seconds after which a change of routes is undone, where the entry does not say.
    :ivar keepalived_password: of VRRP; no part of the configuration, which is shown.
    :ivar only_grows: whether nothing is removed, and a change that other hosts are not ready for waits.
    """

    def __init__(
        self,
        owner: str,
        commands: Commands,
        configuration: Mapping[str, Any],
        rollback: int = 60,
        keepalived_password: str = "",
        only_grows: bool = False,
    ) -> None:
        self.owner = owner
        self.commands = commands
        self.configuration = configuration
        self.rollback = rollback
        self.keepalived_password = keepalived_password
        self.only_grows = only_grows
        self._ip: Any = None

    def ip(self) -> Any:
        """What reads the network, once for all kinds."""
        from .network.iproute import IpRoute  # noqa: PLC0415

        self._ip = self._ip or IpRoute(self.commands)
        return self._ip

    def entry(self, name: str) -> Any:
        return self.configuration.get(name)

    @property
    def takes_over(self) -> bool:
        """Whether the table and the addresses become those of other kinds, where keepalived has made them."""
        table = self.entry("table")
        return bool(table) and not table.get("release") and not self.entry("keepalived")


def _requirements(context: Context) -> Kind:
    from .network.requirements import Requirements  # noqa: PLC0415

    return Requirements.of(context.entry("requirements"), context.ip())


def _modules(context: Context) -> Kind:
    from .kernel_module.kind import KernelModules  # noqa: PLC0415

    return KernelModules.of(context.entry("modules"), context.owner, context.commands)


def _settings(context: Context) -> Kind:
    from .sysctl.kind import Settings  # noqa: PLC0415

    tunnels = (context.entry("tunnels") or {}).get("tunnels") or ()
    coming = [each["device"] for each in tunnels if each.get("device")]
    return Settings.of(context.entry("settings"), context.owner, context.commands, coming)


def _firewall(context: Context) -> Kind:
    from .netfilter.kind import firewall  # noqa: PLC0415

    # The settings of the same run see to it, where they are asked to.
    values = (context.entry("settings") or {}).get("values") or {}
    conntrack = str(values.get("net.ipv4.vs.conntrack")) == "1"
    entry = context.entry("firewall")
    return firewall(entry, context.owner, context.commands, conntrack=conntrack)


def _tunnel_filter(context: Context) -> Kind:
    from .netfilter.kind import tunnel_filter  # noqa: PLC0415

    return tunnel_filter(context.entry("tunnel_filter"), context.owner, context.commands)


def _tunnels(context: Context) -> Kind:
    from .network.kinds import Tunnels  # noqa: PLC0415

    ip = context.ip()
    return Tunnels.of(context.entry("tunnels"), context.owner, ip, context.commands)


def _routes(context: Context) -> Kind:
    from .network.kinds import Routes  # noqa: PLC0415

    ip = context.ip()
    entry = context.entry("routes")
    return Routes.of(
        entry,
        context.owner,
        ip,
        context.commands,
        rollback_seconds=context.rollback,
        patient=context.only_grows,
    )


def _next_hops(context: Context) -> Kind:
    from .network.kinds import NextHops  # noqa: PLC0415

    ip = context.ip()
    return NextHops.of(context.entry("next_hops"), context.owner, ip, context.commands)


def _timeouts(context: Context) -> Kind:
    from .ipvs.kind import Timeouts  # noqa: PLC0415

    return Timeouts.of(context.entry("timeouts"), context.owner, context.commands)


def _table(context: Context) -> Kind:
    from .ipvs.kind import Table  # noqa: PLC0415

    entry = context.entry("table")
    if (context.entry("keepalived") or {}).get("table"):
        if entry and not entry.get("release"):
            raise InvalidInput(
                "table",
                None,
                None,
                "cannot be combined with keepalived.table, because only one of them can own the table",
                "release it here, or set keepalived.table to false",
            )
        entry = {"release": True}
    return Table.of(entry, context.owner, context.commands)


def _sync_daemons(context: Context) -> Kind:
    from .ipvs.kind import SyncDaemons  # noqa: PLC0415

    return SyncDaemons.of(
        context.entry("sync_daemons"),
        context.owner,
        context.commands,
        # keepalived can't start its own while another runs.
        yields=bool((context.entry("keepalived") or {}).get("sync")),
        adopts=context.takes_over,
    )


def _marks(context: Context) -> Kind:
    from .netfilter.kind import marks  # noqa: PLC0415

    return marks(context.entry("marks"), context.owner, context.commands)


def _addresses(context: Context) -> Kind:
    from .network.kinds import Addresses  # noqa: PLC0415

    ip = context.ip()
    entry = context.entry("addresses")
    if not entry and context.entry("keepalived"):
        entry = {"release": context.entry("keepalived").get("floating") or []}
    return Addresses.of(entry, context.owner, ip, context.commands, adopts=context.takes_over)


def _keepalived(context: Context) -> Kind:
    from .keepalived.kind import Keepalived  # noqa: PLC0415

    return Keepalived.of(
        context.entry("keepalived"),
        context.owner,
        context.ip(),
        context.commands,
        context.keepalived_password,
        context.takes_over,
        context.entry("sync_daemons") or (),
        context.entry("addresses"),
    )


class Entry(NamedTuple):
    """One kind in the list.

    :ivar build: makes the kind.
    :ivar claims: the claims by which a manifest shows that an owner has objects of the kind.
    :ivar script: where in the order at boot its script is, and the part of its name; empty for none.
    :ivar files: patterns of its other files for the next boot.
    :ivar leaves_before: the kind before which it comes where it is no longer desired; empty for its own place. It
        then leaves as it grows.
    """

    build: Callable[[Context], Kind]
    claims: tuple[str, ...] = ()
    script: tuple[str, str] = ("", "")
    files: tuple[str, ...] = ()
    leaves_before: str = ""

    def has_left(self, manifest: Manifest, present: Callable[[str], bool]) -> bool:
        """Whether an owner has objects of the kind, or files for the next boot.

        :param present: whether a file matches a pattern of glob(7).
        """
        kind, part = self.script
        name = f"{kind}-{manifest.owner}-{part}" if part else f"{kind}-{manifest.owner}"
        patterns = [pattern.format(owner=manifest.owner) for pattern in self.files]
        if kind:
            patterns.append(f"{boot.FOLDER}/{name}")
        return any(kind in manifest.claims for kind in self.claims) or any(map(present, patterns))


KINDS: Mapping[str, Entry] = {
    "requirements": Entry(_requirements),
    "modules": Entry(
        _modules,
        ("kernel_module",),
        files=(
            "/etc/modprobe.d/lvs.cluster-{owner}-*.conf",
            "/etc/modules-load.d/lvs.cluster-{owner}-*.conf",
        ),
    ),
    "firewall": Entry(_firewall, ("chains_firewall",), (boot.FIREWALL, "")),
    "tunnel_filter": Entry(_tunnel_filter, ("chains_tunnel_filter",), (boot.FIREWALL, "decap")),
    "tunnels": Entry(_tunnels, ("tunnel",), (boot.TUNNELS, "")),
    # Some are of tunnel devices; those about ARP still come before the addresses.
    "settings": Entry(_settings, ("sysctl",), files=("/etc/sysctl.d/90-lvs.cluster-{owner}.conf",)),
    "routes": Entry(_routes, ("route",), (boot.ROUTES, "")),
    "next_hops": Entry(_next_hops, ("next_hop",), (boot.NEXT_HOPS, "")),
    "timeouts": Entry(_timeouts, ("ipvs_timeout",), (boot.TIMEOUTS, "")),
    "table": Entry(_table, ("ipvs_service", "ipvs_real_server"), (boot.TABLE, "")),
    "sync_daemons": Entry(_sync_daemons, ("ipvs_sync_daemon",)),
    "marks": Entry(_marks, ("chains_marks",), (boot.FIREWALL, "mark")),
    "addresses": Entry(_addresses, ("address",), (boot.ADDRESSES, "")),
    # It takes over the table and the addresses, and they from it.
    "keepalived": Entry(_keepalived, (KEEPALIVED,), leaves_before="timeouts"),
}


def used(
    configuration: Mapping[str, Any],
    manifest: Manifest,
    present: Callable[[str], bool] = lambda pattern: bool(glob.glob(pattern)),
) -> list[str]:
    """The names of the kinds that a host uses, or has used, in order.

    :param present: whether a file matches a pattern of glob(7).
    :raises InvalidInput: a kind that does not exist.
    """
    unknown = [name for name in configuration if name not in KINDS]
    if unknown:
        raise InvalidInput(
            "the configuration",
            unknown[0],
            None,
            "is not a kind of resource",
            "use one of " + ", ".join(KINDS),
        )
    found = [
        name
        for name, entry in KINDS.items()
        if configuration.get(name) or entry.has_left(manifest, present)
    ]
    return sorted(found, key=lambda name: _place(name, bool(configuration.get(name))))


def _place(name: str, is_desired: bool) -> tuple[int, bool]:
    """Where a kind is in the order."""
    order = list(KINDS)
    before = KINDS[name].leaves_before
    if before and not is_desired:
        return order.index(before), False
    return order.index(name), True


def build(names: Iterable[str], context: Context) -> list[Kind]:
    """The kinds of these names, in order.

    :raises InvalidInput: an entry can't be.
    """
    return [KINDS[name].build(context) for name in names]
