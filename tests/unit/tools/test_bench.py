# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from tools.bench import Measurement, collect, markdown, rows


def said(what, used, began, ended):
    size = [100, 10]
    return [
        (began, {"event": "begin", "what": what, "size": size}),
        (ended, {"event": "end", "what": what, "size": size, "processor_seconds": used}),
    ]


def test_the_best_of_each_counts():
    events = said("ipvsadm -R", 2.0, 10.0, 13.0) + said("ipvsadm -R", 3.0, 20.0, 21.0)
    assert collect(events) == {(100, "ipvsadm -R"): Measurement(1.0, 2.0)}


def test_ours_against_theirs():
    found = {
        (100, "start"): Measurement(1.0, 0.5),
        (100, "ipvs_table, load"): Measurement(3.0, 1.5),
        (100, "ipvsadm -R"): Measurement(4.0, 1.0),
        (100, "ipvs_table, no change"): Measurement(2.0, 1.0),
        (100, "ipvsadm -Sn"): Measurement(0.5, 0.25),
    }
    table = rows(found)
    assert table[1] == ["100 x 10", "load, s", "3.00", "4.00", "0.75", "2.00", "0.50"]
    assert table[2][1:5] == ["load, 10^9 instructions", "1.50", "1.00", "1.50"]
    assert [row[1] for row in table[3:]] == ["no change, s", "no change, 10^9 instructions"]
    assert markdown(table).splitlines()[1] == "|" + " --- |" * 7
