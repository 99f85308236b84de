# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the firewall that is to our chains as they shall be: one transaction a table. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .model import Chain, Firewall, Rule, line, same


@dataclass(frozen=True)
class FirewallPlan:
    """What is done in one family.

    :ivar text: the input of ``iptables-restore --noflush``; empty where nothing is to be done.
    :ivar before: our rules as they are, ``-t`` and all, if they change.
    :ivar after: as they shall be.
    """

    family: str
    text: str
    before: tuple[str, ...]
    after: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.text)

    @property
    def diff(self) -> dict[str, str]:
        command = "iptables" if self.family == "ipv4" else "ip6tables"
        return {
            "before_header": f"{command} before",
            "after_header": f"{command} after",
            "before": "".join(f"{rule}\n" for rule in self.before),
            "after": "".join(f"{rule}\n" for rule in self.after),
        }


def plan(
    family: str, firewall: Firewall, wanted: Sequence[Chain], possible: Sequence[Chain]
) -> FirewallPlan:
    """Compute the transaction.

    A chain of ours that is right is left alone, and so is the place of a jump that is there once: others
    may have put theirs before it.

    :param possible: every chain that this owner could have; those that are not wanted go.
    """
    names = {(chain.table, chain.name) for chain in wanted}
    unwanted = [chain for chain in possible if (chain.table, chain.name) not in names]
    before: list[str] = []
    after: list[str] = []
    tables: dict[str, tuple[list[str], list[str]]] = {}
    for chain in [*unwanted, *wanted]:
        gone = (chain.table, chain.name) not in names
        heads, lines = tables.setdefault(chain.table, ([], []))
        current, jumps = firewall.rules(chain.table, chain.name), firewall.jumps(chain)
        wrong_jump = len(jumps) != (0 if gone else 1)
        wrong_rules = current is not None if gone else not same(chain.rules, current or ())
        if not gone and current is None:
            wrong_rules = True
        if wrong_jump:
            lines += [_deleting(chain.hook, jump) for jump in jumps]
        if wrong_rules:
            heads.append(f":{chain.name} - [0:0]")
            if gone:
                lines.append(f"-X {chain.name}")
            else:
                lines += [line(chain.name, rule) for rule in chain.rules]
        if wrong_jump and not gone:
            lines.append(_inserting(chain.hook, chain.jump))
        if wrong_jump or wrong_rules:
            before += [_shown(chain.table, chain.hook, jump) for jump in jumps]
            before += [_shown(chain.table, chain.name, rule) for rule in current or ()]
            if not gone:
                after += _all_shown(chain)
    return FirewallPlan(family, _text(tables), tuple(before), tuple(after))


def _text(tables: dict[str, tuple[list[str], list[str]]]) -> str:
    parts = [
        "\n".join([f"*{table}", *heads, *lines, "COMMIT", ""])
        for table, (heads, lines) in tables.items()
        if heads or lines
    ]
    return "".join(parts)


def _inserting(hook: str, jump: Rule) -> str:
    return line(hook, jump).replace(f"-A {hook}", f"-I {hook} 1", 1)


def _deleting(hook: str, jump: Rule) -> str:
    return line(hook, jump).replace("-A", "-D", 1)


def _shown(table: str, chain: str, rule: Rule) -> str:
    return f"-t {table} {line(chain, rule)}"


def _all_shown(chain: Chain) -> list[str]:
    return [
        _shown(chain.table, chain.hook, chain.jump),
        *(_shown(chain.table, chain.name, rule) for rule in chain.rules),
    ]


def shown(chains: Sequence[Chain]) -> list[str]:
    """Every rule of these chains, with the jumps to them."""
    return [text for chain in chains for text in _all_shown(chain)]


def script_body(chains: Mapping[str, Sequence[Chain]]) -> str | None:
    """The commands that put the chains back at boot; None where there are none.

    :param chains: by family.
    """
    parts = []
    for family, command in (("ipv4", "iptables"), ("ipv6", "ip6tables")):
        own = chains.get(family, ())
        if not own:
            continue
        tables: dict[str, tuple[list[str], list[str]]] = {}
        for chain in own:
            heads, lines = tables.setdefault(chain.table, ([], []))
            heads.append(f":{chain.name} - [0:0]")
            lines += [line(chain.name, rule) for rule in chain.rules]
        parts.append(f"{command}-restore --noflush --wait <<'END' || exit 1\n{_text(tables)}END\n")
        for chain in own:
            jump = shlex.join(chain.jump)
            at = f"{command} --wait --table {chain.table}"
            parts.append(
                f"{at} --check {chain.hook} {jump} 2> /dev/null ||\n"
                f"  {at} --insert {chain.hook} 1 {jump} || exit 1\n"
            )
    return "".join(parts) or None
