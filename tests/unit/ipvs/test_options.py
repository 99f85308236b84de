# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given

from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import data, options
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import (
    RealServerAttributes,
    ServiceAttributes,
    ServiceKey,
)
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.table import Limit

from ..strategies import services


def with_nones(**given_):
    return {**dict.fromkeys(options.SERVICE_KEY_SPEC), **given_}


@pytest.mark.parametrize(
    ("given_", "name"),
    [
        ({"address": "192.0.2.1", "port": 80}, "tcp 192.0.2.1:80"),
        ({"address": "192.0.2.1", "port": 80, "protocol": "sctp"}, "sctp 192.0.2.1:80"),
        ({"address": "192.0.2.1", "port": 80, "family": "ipv4"}, "tcp 192.0.2.1:80"),
        ({"fwmark": 2**32 - 1}, "fwmark 4294967295 ipv4"),
        ({"fwmark": 1, "family": "ipv6"}, "fwmark 1 ipv6"),
    ],
)
def test_service_keys(given_, name):
    assert str(options.service_key(with_nones(**given_))) == name


@pytest.mark.parametrize(
    ("given_", "option"),
    [
        ({}, "address"),
        ({"port": 80}, "address"),
        ({"address": "192.0.2.1"}, "port"),
        ({"fwmark": 0}, "fwmark"),
        ({"fwmark": 1, "address": "192.0.2.1", "port": 80}, "address"),
        ({"fwmark": 1, "port": 0}, "port"),
        ({"fwmark": 1, "protocol": "tcp"}, "protocol"),
        ({"address": "192.0.2.1", "port": 80, "family": "ipv6"}, "family"),
    ],
)
def test_refused_service_keys(given_, option):
    with pytest.raises(InvalidInput) as refusal:
        options.service_key(with_nones(**given_))
    assert refusal.value.option == option


@pytest.mark.parametrize(
    ("given_", "subject"),
    [
        ({"fwmark": 7, "port": 0}, "service fwmark 7"),
        ({"address": "192.0.2.1"}, "service 192.0.2.1:None"),
        ({"port": 80}, "service.address: "),
    ],
)
def test_a_refusal_names_the_service_as_it_was_given(given_, subject):
    with pytest.raises(InvalidInput) as refusal:
        options.service_key(with_nones(**given_))
    assert str(refusal.value).startswith(subject)


def test_a_real_server_has_the_services_port():
    web = ServiceKey.at("tcp", "192.0.2.1", 80)
    assert str(options.real_server_key(web, {"address": "10.0.0.1", "port": None})) == "10.0.0.1:80"
    assert str(options.real_server_key(web, {"address": "10.0.0.1", "port": 0})) == "10.0.0.1:0"
    mark = ServiceKey.marked(1)
    assert str(options.real_server_key(mark, {"address": "10.0.0.1"})) == "10.0.0.1:0"


@given(services())
def test_what_modules_return_are_their_options(service):
    result = data.service_data(service)
    key = options.service_key(result)
    assert key == service.key
    default = ServiceAttributes.default(key.family)
    changes = options.service_changes(key, result, default)
    if service.attributes.persistence_timeout:
        assert changes == service.attributes._asdict()
    for its_result in result["real_servers"]:
        its_key = options.real_server_key(key, its_result)
        changes = options.real_server_changes(its_result, RealServerAttributes())
        assert changes == service.real_servers[its_key]._asdict()


@pytest.mark.parametrize(
    "text", ["\u0668", "8\u00b2", "--5", "5" * 5000, "", " 5", "5\n", "0x5", "1_0"]
)
def test_what_is_no_number(text):
    entries = [
        ({"services": [{"address": "192.0.2.1", "port": text}]}, "table.services[0].port"),
        ({"services": [{"fwmark": text}]}, "table.services[0].fwmark"),
        (
            {
                "services": [
                    {"fwmark": 1},
                    {"fwmark": 2, "real_servers": [{"address": "x", "weight": text}]},
                ]
            },
            "table.services[1].real_servers[0].weight",
        ),
        ({"scope": {"fwmarks": [text]}}, "table.scope.fwmarks"),
    ]
    for entry, path in entries:
        with pytest.raises(InvalidInput) as refusal:
            options.checked(entry, options.TABLE_OPTIONS, "table")
        message = str(refusal.value)
        assert message.startswith(f"{path}: must be a number, got ")
        assert len(message) < 200


def test_limits_that_are_no_numbers():
    for text in ("8\u00b2", "--5", "5" * 5000):
        with pytest.raises(InvalidInput, match="max_removals=") as refusal:
            Limit.of(text)
        assert len(str(refusal.value)) < 300


def test_options_of_a_configuration_are_as_a_module_takes_them():
    given_ = {
        "services": [{"address": "192.0.2.1", "port": "80", "one_packet": True}],
        "max_removals": 5,
    }
    found = options.checked(given_, options.TABLE_OPTIONS, "table")
    assert (found["purge"], found["unprepared"], found["max_removals"]) == ("owned", [], "5")
    (service,) = found["services"]
    assert (service["port"], service["one_packet"], service["scheduler"]) == (80, True, None)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ([], "table: must be a dictionary, got []. Write option: value."),
        ({"servces": []}, "table.servces: unknown option. Use one of services, "),
        (
            {"services": {}},
            "table.services: must be a list, got {}. Put it in brackets, as [value].",
        ),
        (
            {"services": [{"protocol": "icmp"}]},
            'table.services[0].protocol: must be one of tcp, udp, sctp, got "icmp".',
        ),
        (
            {"services": [{"scheduler": "best"}]},
            "table.services[0].scheduler: must be one of dh, fo, ",
        ),
        (
            {"services": [{"one_packet": "yes"}]},
            'table.services[0].one_packet: must be true or false, got "yes".',
        ),
        (
            {"services": [{"real_servers": [{}]}]},
            "table.services[0].real_servers[0].address: is missing. Set it.",
        ),
        ({"services": [{"port": True}]}, "table.services[0].port: must be a number, got true."),
        ({"services": [{"port": [80]}]}, "table.services[0].port: must be a number, got [80]."),
        ({"unprepared": [["x"]]}, 'table.unprepared: must be text, got ["x"].'),
    ],
)
def test_refused_configurations(entry, message):
    with pytest.raises(InvalidInput) as refusal:
        options.checked(entry, options.TABLE_OPTIONS, "table")
    assert str(refusal.value).startswith(message)
