# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import codec
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.daemon import Daemon
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import (
    RealServerAttributes,
    RealServerKey,
    ServiceAttributes,
    ServiceKey,
)
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.plan import (
    ADD,
    DELETE,
    EDIT,
    RealServerOperation,
    ServiceOperation,
)

from ..strategies import services

WEB = ServiceKey.at("tcp", "170.210.122.104", 80)


@given(services())
def test_what_is_written_is_what_is_read(service):
    add = ServiceOperation(ADD, service.key, None, service.attributes)
    command, body = codec.pack_operation(add)
    assert command == codec.NEW_SERVICE
    assert codec.unpack_service(body) == (service.key, service.attributes)
    for key, attributes in service.real_servers.items():
        edit = RealServerOperation(EDIT, service.key, key, None, attributes)
        command, body = codec.pack_operation(edit)
        assert command == codec.SET_DEST
        assert codec.unpack_real_server(body, service.key) == (key, attributes)


def nests(operation):
    outer = codec.attributes_of(codec.pack_operation(operation)[1])
    return {number: codec.attributes_of(value) for number, value in outer.items()}


def test_the_bytes_of_a_service():
    attributes = ServiceAttributes("rr", "255.255.255.0", persistence_timeout=300)
    service = nests(ServiceOperation(ADD, WEB, None, attributes))[1]
    assert service == {
        1: b"\x02\x00",
        2: b"\x06\x00",
        3: bytes([170, 210, 122, 104]) + bytes(12),
        4: b"\x00\x50",
        6: b"rr\x00",
        7: b"\x01\x00\x00\x00" + b"\x3d\x00\x00\x00",
        8: b"\x2c\x01\x00\x00",
        9: bytes([255, 255, 255, 0]),
    }


def test_an_ipv6_mask_is_a_prefix_length():
    key = ServiceKey.at("udp", "2001:db8::1", 53)
    attributes = ServiceAttributes("rr", "64", persistence_timeout=1)
    assert nests(ServiceOperation(ADD, key, None, attributes))[1][9] == b"\x40\x00\x00\x00"


def test_a_set_sends_every_attribute():
    """What is left out, the kernel resets."""
    key = RealServerKey.at("192.168.0.107", 80)
    sent = nests(RealServerOperation(EDIT, WEB, key, None, RealServerAttributes(weight=0)))[2]
    assert sent.keys() == {1, 2, 3, 4, 5, 6, 11, 13, 14, 15}
    assert sent[4] == b"\x00\x00\x00\x00"


@pytest.mark.parametrize("mark", [1, 2**31, 2**32 - 1])
def test_a_mark_is_unsigned_and_has_a_family(mark):
    key = ServiceKey.marked(mark, "ipv6")
    sent = nests(ServiceOperation(DELETE, key, None, None))[1]
    assert sent == {1: b"\x0a\x00", 5: mark.to_bytes(4, "little")}


def test_what_the_kernel_invents_later_survives_an_edit():
    key = RealServerKey.at("192.168.0.107", 80)
    odd = RealServerAttributes(forwarding="unknown-7", tunnel_type="unknown-9")
    body = codec.pack_operation(RealServerOperation(EDIT, WEB, key, None, odd))[1]
    assert codec.unpack_real_server(body, WEB) == (key, odd)


def test_a_message_without_a_service():
    assert codec.unpack_service(b"") is None
    assert codec.unpack_real_server(b"", WEB) is None


def test_the_kernels_own_flag_is_no_difference():
    attributes = ServiceAttributes("rr", "255.255.255.255")
    body = codec.pack_operation(ServiceOperation(ADD, WEB, None, attributes))[1]
    hashed = body.replace(b"\x00\x00\x00\x00\x3d", b"\x02\x00\x00\x00\x3d")
    assert hashed != body
    assert codec.unpack_service(hashed) == (WEB, attributes)


DAEMONS = st.builds(
    Daemon,
    st.sampled_from(["master", "backup"]),
    st.sampled_from(["eth0", "a.very.long.one"]),
    st.integers(0, 255),
    st.sampled_from([0, 1400, 65535]),
    st.sampled_from(["224.0.0.81", "239.1.2.3", "ff05::81"]),
    st.integers(1, 65535),
    st.integers(1, 255),
)


@given(DAEMONS)
def test_a_daemon_that_is_written_is_the_daemon_that_is_read(daemon):
    assert codec.unpack_daemon(codec.pack_daemon(daemon)) == daemon
    words = str(daemon).split()
    told = dict(zip(words[::2], words[1::2]))
    assert told == {
        "--start-daemon": daemon.role,
        "--mcast-interface": daemon.interface,
        "--syncid": str(daemon.syncid),
        **({"--sync-maxlen": str(daemon.maxlen)} if daemon.maxlen else {}),
        "--mcast-group": daemon.group,
        "--mcast-port": str(daemon.port),
        "--mcast-ttl": str(daemon.ttl),
    }


def test_no_daemon_runs():
    assert codec.unpack_daemon(b"") is None
