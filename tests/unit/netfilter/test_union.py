# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What happens to packets while rules are replaced, and a firewall that carries plans out."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lvs.cluster.plugins.module_utils.netfilter.model import (
    Chain,
    Firewall,
    chain_name,
    comment,
)
from ansible_collections.lvs.cluster.plugins.module_utils.netfilter.plan import (
    Step,
    plan,
    shown,
    transaction,
    union,
)

PACKETS = [f"192.0.2.{number}" for number in range(4)]
SOURCES = st.sampled_from(PACKETS)
TARGETS = [
    ("ACCEPT",),
    ("RETURN",),
    ("TCPMSS", "--set-mss", "1400"),
    ("MARK", "--set-xmark", "0x1/0xffffffff"),
    ("MARK", "--set-xmark", "0x2/0xffffffff"),
]
LAST = [("DROP",), ("MASQUERADE",)]


def rule(source, target):
    return ("-s", f"{source}/32", *comment("web"), "-j", *target)


def of(*targets):
    return st.lists(st.builds(rule, SOURCES, st.sampled_from(targets)), max_size=6, unique=True)


# As all desired chains are: what is dropped or masqueraded comes last.
DESIRED = st.tuples(of(*TARGETS), of(*LAST)).map(lambda both: (*both[0], *both[1]))
# Somebody may have changed it by hand.
FOUND = st.one_of(DESIRED, of(*TARGETS, *LAST, ("SOMETHING",)).map(tuple))


def passed(rules, source):
    """(whether the packet is neither dropped nor masqueraded, its mark)"""
    marked = None
    for words in rules:
        if words[1] != f"{source}/32":
            continue
        target = words[words.index("-j") + 1]
        if target in ("ACCEPT", "RETURN"):
            return True, marked
        if target == "MARK":
            marked = words[-1]
        if target in ("DROP", "MASQUERADE"):
            return False, marked
    return None, marked


@given(DESIRED, DESIRED)
def test_a_union_lets_through_what_either_lets_through(old, new):
    both = union(old, new)
    for packet in PACKETS:
        if passed(old, packet)[0] or passed(new, packet)[0]:
            assert passed(both, packet)[0]
        if passed(old, packet)[0] is None and passed(new, packet)[0] is None:
            assert passed(both, packet)[0] is None


@given(of(*TARGETS[2:]), of(*TARGETS[2:]))
def test_the_new_mark_wins_and_an_old_one_stays(old, new):
    for packet in PACKETS:
        wanted = passed(new, packet)[1] or passed(old, packet)[1]
        assert passed(union(old, new), packet)[1] == wanted


@given(FOUND, DESIRED)
def test_a_union_has_every_rule_and_is_stable(old, new):
    both = union(old, new)
    assert set(both) == {*old, *new}
    assert union(both, new) == both
    assert union((), new) == union(new, new) == new


def executed(firewall, family_text):
    """The firewall after ``iptables-restore --noflush``."""
    tables = {
        table: {name: list(r) for name, r in its.items()} for table, its in firewall.tables.items()
    }
    for line in family_text.splitlines():
        words = shlex.split(line)
        if line.startswith("*"):
            chains = tables.setdefault(line[1:], {})
        elif line.startswith(":"):
            chains[words[0][1:]] = []
        elif words[0] == "-A":
            chains[words[1]].append(tuple(words[2:]))
        elif words[0] == "-I":
            chains.setdefault(words[1], []).insert(int(words[2]) - 1, tuple(words[3:]))
        elif words[0] == "-D":
            chains[words[1]].remove(tuple(words[2:]))
        elif words[0] == "-X":
            assert chains.pop(words[1]) == []
            assert not any(words[1] in each for rules in chains.values() for each in rules)
        else:
            assert line == "COMMIT"
    return Firewall({table: {n: tuple(r) for n, r in its.items()} for table, its in tables.items()})


def chain(rules):
    return Chain("filter", chain_name("IN", "web"), "INPUT", tuple(rules), "web")


def taken(firewall, step: Step):
    return executed(firewall, transaction([step])) if step else firewall


FOREIGN = ("-s", "203.0.113.0/24", "-j", "DROP")
JUMPS = st.lists(
    st.sampled_from([chain(()).jump, ("-s", "10.0.0.0/8", "-j", "LVS-IN-web"), FOREIGN]), max_size=4
)


@given(st.one_of(st.none(), FOUND), JUMPS, DESIRED, st.booleans())
def test_a_plan_leads_to_what_it_says(found, jumps, desired, prune):
    """From whatever is found, in one run; without pruning only in the first half of it."""
    jumps = jumps if found is not None else [FOREIGN]
    chains = {"INPUT": tuple(jumps), "OUTPUT": (FOREIGN,)}
    if found is not None:
        chains[chain(()).name] = found
    before = Firewall({"filter": chains})
    todo = plan("ipv4", before, chain(desired), prune)
    grown = taken(before, todo.grow)
    has = grown.rules("filter", chain(()).name)
    if desired:
        assert set(has) == {*(found or ()), *desired}
        assert grown.jumps(chain(())) == [chain(()).jump]
    after = taken(grown, todo.shrink)
    has = after.rules("filter", chain(()).name)
    if not prune:
        assert after == grown
        assert bool(todo.remaining) == (
            not set(has or ()) <= set(desired) or (not desired and found is not None)
        )
    elif desired:
        assert has == desired
    else:
        assert has is None
        assert after.jumps(chain(())) == []
    foreign = [each for each in after.rules("filter", "INPUT") if each == FOREIGN]
    assert len(foreign) == jumps.count(FOREIGN)
    assert after.rules("filter", "OUTPUT") == (FOREIGN,)
    assert (todo.kept.rules if todo.kept else None) == has
    if todo.grow or todo.shrink:
        assert list(todo.after) == (shown([todo.kept]) if todo.kept else [])
    again = plan("ipv4", after, chain(desired), prune)
    assert not again.grow
    assert not again.shrink
    # Killed in between, the next run completes it.
    rest = plan("ipv4", grown, chain(desired), prune)
    assert not rest.grow
    assert taken(grown, rest.shrink) == after


@pytest.mark.parametrize("prune", [True, False])
def test_a_replaced_rule_goes_only_at_the_end(prune):
    old, new = rule(PACKETS[0], ("ACCEPT",)), rule(PACKETS[1], ("ACCEPT",))
    before = Firewall({"filter": {"INPUT": (chain(()).jump,), "LVS-IN-web": (old,)}})
    todo = plan("ipv4", before, chain([new]), prune)
    assert [line.split()[3] for line in todo.grow.lines] == [f"{PACKETS[0]}/32", f"{PACKETS[1]}/32"]
    assert [line.split()[3] for line in todo.shrink.lines] == (
        [f"{PACKETS[1]}/32"] if prune else []
    )
    assert (len(todo.before), len(todo.after)) == (2, 2 if prune else 3)
    assert [text.split()[:6] for text in todo.remaining] == (
        [] if prune else [["ipv4", "-t", "filter", "-A", "LVS-IN-web", "-s"]]
    )
