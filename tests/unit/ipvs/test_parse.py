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
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.table import desired_table

from ..strategies import tables


@given(tables)
def test_what_is_written_is_what_is_read(table):
    lines = [line for service in table.values() for line in rules.service_lines(service)]
    found = {}
    for parsed in parse_rules("\n".join(lines)):
        key = options.service_key(parsed)
        default = ServiceAttributes.default(key.family)
        found[key] = (
            default._replace(**options.service_changes(key, parsed, default)),
            {
                options.real_server_key(key, its): RealServerAttributes()._replace(
                    **options.real_server_changes(its, RealServerAttributes())
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
        ("-C", "describes neither a service nor a real server"),
        ("-D -t 192.0.2.1:80", "describes neither a service nor a real server"),
        ("-A", "names no service"),
        ("-A -t", "ends where -t needs a value"),
        ("-A -t www:http", "not ADDRESS:PORT in numbers"),
        ("-A -t 192.0.2.1", "not ADDRESS:PORT in numbers"),
        ("-A -f ten", "not a number"),
        ("-A -t 192.0.2.1:80 -w 1", "'-w', which is not an option of -A"),
        ("-A -t 192.0.2.1:80 -p soon", "not a number"),
        ("-A -t 192.0.2.9:80", "that an earlier line has added"),
        ("-a -t 192.0.2.9:80", "names no real server"),
        ("-a -t 192.0.2.8:80 -r 10.0.0.1", "that no earlier line has added"),
        ("-a -t 192.0.2.9:80 -r 10.0.0.1:http", "not ADDRESS:PORT in numbers"),
        ("-a -t 192.0.2.9:80 -r 10.0.0.1 -s rr", "'-s', which is not an option of -a"),
        ("-A -t '192.0.2.1:80", "quotes"),
    ],
)
def test_refused_lines(line, words):
    with pytest.raises(InvalidInput, match=words) as refusal:
        parse_rules(f"# a table\n-A -t 192.0.2.9:80\n{line}")
    assert "rules, line 3" in str(refusal.value)
    assert "ipvsadm --save --numeric" in str(refusal.value)


# Python's int() takes the first, isdigit() the second; the last is too long for the one and too large for the kernel.
NO_NUMBERS = ["\u0668", "8\u00b2", "--5", "5" * 5000]


@pytest.mark.parametrize("text", NO_NUMBERS, ids=["other digits", "exponent", "signs", "long"])
@pytest.mark.parametrize(
    "line",
    [
        "-A -f {}",
        "-A -t 192.0.2.1:{}",
        "-A -t [2001:db8::1]:{}",
        "-A -t 192.0.2.1:80 -p {}",
        "-a -t 192.0.2.9:80 -r 10.0.0.1:{}",
        "-a -t 192.0.2.9:80 -r [2001:db8::1]:{}",
        "-a -t 192.0.2.9:80 -r 10.0.0.1 -w {}",
        "-a -t 192.0.2.9:80 -r 10.0.0.1 -x {}",
        "-a -t 192.0.2.9:80 -r 10.0.0.1 -i --tun-type gue --tun-port {}",
    ],
)
def test_what_is_no_number(line, text):
    with pytest.raises(InvalidInput) as refusal:
        parse_rules(f"-A -t 192.0.2.9:80\n{line.format(text)}")
    message = str(refusal.value)
    assert message.startswith("rules, line 2: ")
    assert "not a number" in message or "in numbers" in message or "not an option" in message
    assert len(message) < 400


@pytest.mark.parametrize("text", NO_NUMBERS, ids=["other digits", "exponent", "signs", "long"])
@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_what_is_no_netmask(address, text):
    family = "[2001:db8::1]" if ":" in address else address
    (parsed,) = parse_rules(f"-A -t {family}:80 -p 300 -M {text}")
    with pytest.raises(InvalidInput, match="persistence_netmask=") as refusal:
        desired_table([parsed])
    assert len(str(refusal.value)) < 400


@pytest.mark.parametrize("mark", [0, 2**32, -(2**31) - 1])
def test_a_mark_of_more_than_32_bits(mark):
    (parsed,) = parse_rules(f"-A -f {mark}")
    with pytest.raises(InvalidInput, match=f"fwmark={mark}: is not a firewall mark"):
        desired_table([parsed])
