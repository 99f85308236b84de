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
        assert changes == vars(service.attributes)
    for its_result in result["real_servers"]:
        its_key = options.real_server_key(key, its_result)
        changes = options.real_server_changes(its_result, RealServerAttributes())
        assert changes == vars(service.real_servers[its_key])
