# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lvs.cluster.plugins.module_utils.errors import InvalidInput
from ansible_collections.lvs.cluster.plugins.module_utils.net import (
    canonical_address,
    endpoint,
    family_of,
    is_whole,
    listed,
    named_endpoint,
    network,
    network_of,
    one_of_each_family,
    packed,
    split_endpoint,
)


@given(st.ip_addresses())
def test_addresses_in_canonical_form(address):
    for text in (str(address), address.exploded, f" {address} "):
        family, canonical = canonical_address(text, "x", "y")
        assert ipaddress.ip_address(canonical) == address
        assert family == family_of(canonical) == f"ipv{address.version}"
        assert packed(family, canonical) == address.packed


def test_a_mapped_address_is_written_as_the_kernel_does():
    assert canonical_address("::FFFF:C000:0201", "x", "y") == ("ipv6", "::ffff:192.0.2.1")


@pytest.mark.parametrize(
    "text", ["", "web", "192.0.2.256", "192.0.2.1/24", "fe80::1%eth0", "1.2.3"]
)
def test_what_is_no_address(text):
    with pytest.raises(InvalidInput, match=r"the subject: option=.*: is not an IP address"):
        canonical_address(text, "the subject", "option")


@given(st.ip_addresses(), st.integers(0, 65535))
def test_endpoints(address, port):
    text = endpoint(f"ipv{address.version}", str(address), port)
    assert split_endpoint(text) == (str(address), port)
    assert named_endpoint(str(address), port) == text
    assert text.startswith("[") == (address.version == 6)


def test_endpoints_in_messages_may_be_of_no_address():
    assert named_endpoint(None, "x") == "None:x"
    assert named_endpoint("[fd00::1]", 80) == "[fd00::1]:80"


@pytest.mark.parametrize("text", ["192.0.2.1", "192.0.2.1:", "192.0.2.1:x", "a:123456", "a:²"])
def test_what_is_no_endpoint(text):
    with pytest.raises(ValueError, match="is not ADDRESS:PORT"):
        split_endpoint(text)


@pytest.mark.parametrize("text", ["fd00::1]:80", "[fd00::1:80"])
def test_brackets_come_in_pairs(text):
    """One alone stays, so that the address is refused as it was written."""
    assert split_endpoint(text) == (text[: -len(":80")], 80)


def test_whole_numbers():
    assert all(map(is_whole, ("0", "007", "1234567890")))
    assert not any(map(is_whole, ("", "-1", "+1", "1 ", "1\n", "²", "٨", "12345678901")))
    assert is_whole("123", 3)
    assert not is_whole("1234", 3)


def test_networks():
    assert network("x", "y", "192.0.2.0/24") == ipaddress.ip_network("192.0.2.0/24")
    with pytest.raises(InvalidInput, match=r"has bits set beyond its prefix.*rite 192\.0\.2\.0/24"):
        network("x", "y", "192.0.2.1/24")
    with pytest.raises(InvalidInput, match=r"is not a network.*se for example"):
        network("x", "y", "inside")
    among = [ipaddress.ip_network(each) for each in ("10.0.0.0/8", "10.1.0.0/16", "fd00::/64")]
    assert network_of("10.1.2.3", among) == among[1]
    assert network_of("10.2.2.3", among) == among[0]
    assert network_of("192.0.2.1", among) is None


def test_one_address_of_each_family():
    assert one_of_each_family("x", "y", None) == one_of_each_family("x", "y", "") == {}
    assert one_of_each_family("x", "y", "192.0.2.1") == {"ipv4": "192.0.2.1"}
    both = one_of_each_family("x", "y", ["FD00::1", "192.0.2.1"])
    assert both == {"ipv6": "fd00::1", "ipv4": "192.0.2.1"}
    with pytest.raises(InvalidInput, match="holds two IPv4 addresses"):
        one_of_each_family("x", "y", ["192.0.2.1", "192.0.2.2"])
    with pytest.raises(InvalidInput, match="is not an IP address"):
        one_of_each_family("x", "y", [5])


@pytest.mark.parametrize(
    ("given_", "found"), [(None, []), ("", []), (0, [0]), ("a", ["a"]), (("a",), ["a"]), ([], [])]
)
def test_lists(given_, found):
    assert listed(given_) == found
