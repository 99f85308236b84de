# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.lvs.cluster.plugins.filter.unready import unready
from ansible_collections.lvs.cluster.plugins.plugin_utils.cluster.handover import problems

WEB = {"protocol": "tcp", "address": "192.0.2.1", "port": 80}
MARK = {"fwmark": 7, "family": "ipv6"}
ONE, TWO = ({"address": f"10.0.0.{number}", "port": 80} for number in (1, 2))


def looked(state="active", uptime=60.0, missing=(), failing=(), **more):
    """What lvs_host returns in check mode."""
    its = {
        "state": state,
        "uptime": uptime,
        "missing": [{"service": each} for each in missing],
        "failing": [{"service": service, "real_server": server} for service, server in failing],
    }
    return {"operations": {}, "details": {"keepalived": its}, **more}


@pytest.mark.parametrize(
    ("found", "own", "reasons"),
    [
        pytest.param(looked(), looked(), [], id="ready"),
        pytest.param(
            looked(uptime=23.9),
            looked(),
            ["keepalived was started 24 seconds ago, and needs 24 until it can take over"],
            id="just started",
        ),
        pytest.param(looked(uptime=24.0), looked(), [], id="long enough"),
        pytest.param(looked("failed"), looked(), ["keepalived is failed"], id="dead"),
        pytest.param({"operations": {}}, looked(), ["keepalived is not there"], id="none"),
        pytest.param(
            looked(missing=[MARK, WEB]),
            looked(),
            [
                "service fwmark 7 ipv6 is not in its table",
                "service tcp 192.0.2.1:80 is not in its table",
            ],
            id="without services",
        ),
        pytest.param(
            looked(failing=[(WEB, ONE), (WEB, TWO)]),
            looked(failing=[(WEB, ONE)]),
            ["real server 10.0.0.2:80 of service tcp 192.0.2.1:80 is out of service there"],
            id="a real server works here and not there",
        ),
        pytest.param(
            looked(failing=[(WEB, ONE)]), looked(failing=[(WEB, ONE)]), [], id="it is dead"
        ),
        pytest.param(
            {"unreachable": True, "msg": "Connection\nrefused"},
            looked(),
            ["it could not be asked: Connection refused"],
            id="unreachable",
        ),
        pytest.param({"failed": True}, looked(), ["it could not be asked: no answer"], id="mute"),
    ],
)
def test_why_a_director_could_not_take_over(found, own, reasons):
    assert problems(found, own, 24.0) == reasons


def test_those_that_could_not_are_named():
    results = [looked(item="b"), looked("inactive", item="c")]
    assert unready(results, looked(), 24) == {"c": ["keepalived is inactive"]}
    # The result of one try, which has no name yet.
    assert list(unready([looked("inactive")], looked(), 24)) == [""]
