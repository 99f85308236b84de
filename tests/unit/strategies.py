# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything that an IPVS table can hold, for hypothesis to draw from."""

from __future__ import annotations

import socket

from hypothesis import strategies as st

from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import (
    FULL_NETMASK,
    MAX_FWMARK,
    MAX_PERSISTENCE_TIMEOUT,
    MAX_WEIGHT,
    SCHEDULER_FLAGS,
    SCHEDULERS,
    TUNNEL_CHECKSUMS,
    TUNNEL_TYPES,
    RealServerAttributes,
    RealServerKey,
    Service,
    ServiceAttributes,
    ServiceKey,
)
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.words import (
    FORWARDING_METHODS,
    PROTOCOLS,
)

families = st.sampled_from(["ipv4", "ipv6"])
ports = st.integers(1, 65535)


def addresses(family):
    """Unicast addresses, canonical; few of them, so that keys meet."""
    if family == "ipv4":
        return st.integers(1, 12).map(lambda n: f"198.51.100.{n}")
    return st.integers(1, 2**64).map(
        lambda n: socket.inet_ntop(
            socket.AF_INET6, bytes.fromhex("20010db800000000") + (n % 2**64).to_bytes(8, "big")
        )
    )


@st.composite
def service_keys(draw):
    family = draw(families)
    if draw(st.booleans()):
        return ServiceKey.marked(draw(st.integers(1, MAX_FWMARK)), family)
    return ServiceKey.at(
        draw(st.sampled_from(PROTOCOLS)), draw(addresses(family)), draw(st.sampled_from([80, 443]))
    )


@st.composite
def service_attributes(draw, family):
    timeout = draw(st.sampled_from([0, 1, 300, MAX_PERSISTENCE_TIMEOUT]))
    netmask = FULL_NETMASK[family]
    if timeout and draw(st.booleans()):
        netmask = {"ipv4": "255.255.255.0", "ipv6": "64"}[family]
    return ServiceAttributes(
        scheduler=draw(st.sampled_from(SCHEDULERS)),
        persistence_timeout=timeout,
        persistence_netmask=netmask,
        persistence_engine=draw(st.sampled_from(["", "sip"])),
        one_packet=draw(st.booleans()),
        scheduler_flags=draw(st.frozensets(st.sampled_from(SCHEDULER_FLAGS))),
    )


@st.composite
def real_server_keys(draw, family):
    return RealServerKey.at(draw(addresses(family)), draw(st.sampled_from([80, 8080])))


real_server_attributes = st.builds(
    RealServerAttributes,
    forwarding=st.sampled_from(FORWARDING_METHODS),
    weight=st.integers(0, MAX_WEIGHT),
    upper_threshold=st.integers(0, 2**32 - 1),
    lower_threshold=st.integers(0, 2**32 - 1),
    tunnel_type=st.sampled_from(TUNNEL_TYPES),
    tunnel_port=st.integers(0, 65535),
    tunnel_checksum=st.sampled_from(TUNNEL_CHECKSUMS),
)


@st.composite
def services(draw):
    key = draw(service_keys())
    return Service(
        key,
        draw(service_attributes(key.family)),
        draw(st.dictionaries(real_server_keys(key.family), real_server_attributes, max_size=4)),
    )


tables = st.lists(services(), max_size=5).map(lambda found: {s.key: s for s in found})
