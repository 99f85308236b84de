# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The first three runs of every scenario: check mode, the change, and the change again."""

from __future__ import annotations

import pathlib
import re


def diffs(record):
    """By host, in order; hosts of one play take turns as it happens."""
    found = {}
    for result in record["results"]:
        if result["diff"]:
            found.setdefault(result["host"], []).append((result["task"], result["diff"]))
    return found


def test_the_runs_are_those_meant(records):
    runs = [(record["playbook"], record["check"]) for record in records[:3]]
    assert runs == [("converge.yml", True), ("converge.yml", False), ("converge.yml", False)]


def test_check_mode_shows_the_diff_of_the_change(records):
    checked, changed = diffs(records[0]), diffs(records[1])
    assert changed, "the change shows no diff at all"
    assert checked == changed


def test_the_second_run_changes_nothing(records):
    assert any(found["changed"] for found in records[1]["results"])
    assert [found for found in records[2]["results"] if found["changed"]] == []


# What Ansible does by itself, without the host.
LOCAL = re.compile(
    r"(.*\.)?(set_fact|assert|debug|meta|validate_argument_spec|include_\w+|import_\w+)$"
)


def test_a_run_without_changes_is_as_short_as_the_readme_says(records, capsys):
    """How many tasks each host had to run: a real server by the methods that reach it."""
    counts, methods, actions = {}, {}, {}
    for found in records[2]["results"]:
        if not LOCAL.match(found["action"]):
            host, action = found["host"], found["action"].rpartition(".")[2]
            counts[host] = counts.get(host, 0) + 1
            methods.setdefault(host, set()).add(METHODS.get(action, ""))
            actions.setdefault(host, []).append(action)
    with capsys.disabled():
        print(f"tasks of a run without changes: {counts}")
    readme = (pathlib.Path(__file__).parents[3] / "README.md").read_text()
    told = re.search(
        r"takes (\d+) tasks on a director, and on a real server (\d+) by NAT, (\d+) by direct\s+routing\s+and\s+"
        r"(\d+) by tunnel",
        readme,
    )
    for host, count in counts.items():
        its = methods[host] - {""}
        number = (
            1 if host.startswith("director") else 2 if "nat" in its else 4 if "tun" in its else 3
        )
        # One more for firewall marks, and one for a module of the kernel besides ip_vs.
        more = actions[host].count("iptables_mark")
        more += max(0, actions[host].count("lvs_kernel_module") - 1)
        assert count == int(told[number]) + more, host


METHODS = {"lvs_route": "nat", "lvs_tunnel": "tun"}
