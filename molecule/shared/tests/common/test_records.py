# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The first three runs of every scenario: check mode, the change, and the change again."""

from __future__ import annotations

import re

import yaml

from shared.tests.playbooks import ROOT, scenario


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


CLAIM = re.compile(
    r"one module run on each host and (\d+) task headers, with (\d+) more for each further director"
)
MOST_HEADERS = 20


def test_a_run_without_changes_is_as_short_as_the_readme_says(records, hosts):
    """The only module that runs on a host is lvs_host, and it runs once, on either kind of host."""
    again = records[2]
    assert again["module_runs"] == {host: {"lvs.cluster.lvs_host": 1} for host in hosts}
    claimed = CLAIM.search(" ".join((ROOT / "README.md").read_text().split()))
    assert claimed, f"README.md must say: {CLAIM.pattern}"
    assert int(claimed[1]) <= MOST_HEADERS
    groups = yaml.safe_load((scenario() / "inventory" / "hosts.yml").read_text())
    further = len(groups["lvs_directors"]["hosts"]) - 1
    wanted = int(claimed[1]) + int(claimed[2]) * further
    assert len(again["headers"]) == wanted, again["headers"]
