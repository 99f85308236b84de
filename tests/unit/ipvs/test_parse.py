# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import given

from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import options, rules
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import (
    RealServerAttributes,
    ServiceAttributes,
)
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.parse import parse_rules

from ..strategies import tables


@given(tables)
def test_what_is_written_is_what_is_read(table):
    lines = [line for service in table.values() for line in rules.service_lines(service)]
    found = {}
    for parsed in parse_rules("\n".join(lines)):
        key = options.service_key(parsed)
        default = ServiceAttributes.default(key.family)
        found[key] = (
            ServiceAttributes(**{**vars(default), **options.service_changes(key, parsed, default)}),
            {
                options.real_server_key(key, its): RealServerAttributes(
                    **{
                        **vars(RealServerAttributes()),
                        **options.real_server_changes(its, RealServerAttributes()),
                    }
                )
                for its in parsed["real_servers"]
            },
        )
    assert found == {
        key: (service.attributes, dict(service.real_servers)) for key, service in table.items()
    }


def test_long_options_defaults_and_comments():
    text = """
    # the web
    --add-service --tcp-service 192.0.2.1:80 --scheduler sh --persistent --sched-flags sh-port,sh-fallback
    --add-server --tcp-service 192.0.2.1:80 --real-server 10.0.0.1 --gatewaying --weight 0
    -a -t 192.0.2.1:80 -r 10.0.0.2:80
    -A -f -1 -6
    -a -f -1 -6 -r [2001:db8::1] -i --tun-type gue --tun-port 6080 --tun-csum --u-threshold 9
    """
    assert parse_rules(text) == [
        {
            "protocol": "tcp",
            "address": "192.0.2.1",
            "port": 80,
            "scheduler": "sh",
            "persistence_timeout": 300,
            "scheduler_flags": ["sh-port", "sh-fallback"],
            "real_servers": [
                {"address": "10.0.0.1", "forwarding": "dr", "weight": 0},
                {"address": "10.0.0.2", "port": 80, "forwarding": "dr"},
            ],
        },
        {
            "fwmark": 2**32 - 1,
            "family": "ipv6",
            "real_servers": [
                {
                    "address": "2001:db8::1",
                    "forwarding": "tun",
                    "tunnel_type": "gue",
                    "tunnel_port": 6080,
                    "tunnel_checksum": "csum",
                    "upper_threshold": 9,
                }
            ],
        },
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("-C", "describes no service"),
        ("-D -t 192.0.2.1:80", "describes no service"),
        ("-A", "names no service"),
        ("-A -t", "ends where -t needs a value"),
        ("-A -t www:http", "not ADDRESS:PORT in numbers"),
        ("-A -t 192.0.2.1", "not ADDRESS:PORT in numbers"),
        ("-A -f ten", "not a number"),
        ("-A -t 192.0.2.1:80 -w 1", "'-w', which does not go with -A"),
        ("-A -t 192.0.2.1:80 -p soon", "not a number"),
        ("-A -t 192.0.2.9:80", "that an earlier line has added"),
        ("-a -t 192.0.2.9:80", "names no real server"),
        ("-a -t 192.0.2.8:80 -r 10.0.0.1", "that no earlier line has added"),
        ("-a -t 192.0.2.9:80 -r 10.0.0.1:http", "not ADDRESS:PORT in numbers"),
        ("-a -t 192.0.2.9:80 -r 10.0.0.1 -s rr", "'-s', which does not go with -a"),
        ("-A -t '192.0.2.1:80", "quotes"),
    ],
)
def test_refused_lines(line, words):
    with pytest.raises(InvalidInput, match=words) as refusal:
        parse_rules(f"# a table\n-A -t 192.0.2.9:80\n{line}")
    assert "rules, line 3" in str(refusal.value)
    assert "ipvsadm --save --numeric" in str(refusal.value)
