# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""IPVS objects as plain data: the dictionaries that modules return and the manifest keeps.

The names are those of the modules' options, so that what a module returns can be given to one. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .model import RealServerAttributes, RealServerKey, Service, ServiceAttributes, ServiceKey
from .plan import Operation, RealServerOperation


def service_key_data(key: ServiceKey) -> dict[str, Any]:
    """What names a service."""
    if key.fwmark:
        return {"fwmark": key.fwmark, "family": key.family}
    return {"protocol": key.protocol, "address": key.address, "port": key.port}


def service_attributes_data(attributes: ServiceAttributes) -> dict[str, Any]:
    """What a service is like."""
    return {
        "scheduler": attributes.scheduler,
        "scheduler_flags": sorted(attributes.scheduler_flags),
        "persistence_timeout": attributes.persistence_timeout,
        "persistence_netmask": attributes.persistence_netmask,
        "persistence_engine": attributes.persistence_engine,
        "one_packet": attributes.one_packet,
    }


def service_attributes_of(found: Mapping[str, Any]) -> ServiceAttributes:
    """The reverse of ``service_attributes_data``."""
    return ServiceAttributes(**{**found, "scheduler_flags": frozenset(found["scheduler_flags"])})


def real_server_key_data(key: RealServerKey) -> dict[str, Any]:
    """What names a real server within its service."""
    return {"address": key.address, "port": key.port}


def real_server_attributes_data(attributes: RealServerAttributes) -> dict[str, Any]:
    """What a real server is like."""
    return {
        "forwarding": attributes.forwarding,
        "weight": attributes.weight,
        "upper_threshold": attributes.upper_threshold,
        "lower_threshold": attributes.lower_threshold,
        "tunnel_type": attributes.tunnel_type,
        "tunnel_port": attributes.tunnel_port,
        "tunnel_checksum": attributes.tunnel_checksum,
    }


def real_server_data(key: RealServerKey, attributes: RealServerAttributes) -> dict[str, Any]:
    """A real server within its service."""
    return {**real_server_key_data(key), **real_server_attributes_data(attributes)}


def service_data(service: Service) -> dict[str, Any]:
    """A service with its real servers, sorted by address."""
    keys = sorted(service.real_servers, key=lambda key: key.sort_key)
    return {
        **service_key_data(service.key),
        **service_attributes_data(service.attributes),
        "real_servers": [real_server_data(key, service.real_servers[key]) for key in keys],
    }


def real_server_attributes_of(found: Mapping[str, Any]) -> RealServerAttributes:
    """The reverse of ``real_server_attributes_data``."""
    return RealServerAttributes(**found)


def operation_data(operation: Operation) -> dict[str, Any]:
    """What is done to what."""
    data: dict[str, Any] = {"verb": operation.verb, "service": service_key_data(operation.service)}
    if isinstance(operation, RealServerOperation):
        data["real_server"] = real_server_key_data(operation.real_server)
    return data
