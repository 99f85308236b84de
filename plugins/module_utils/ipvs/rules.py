# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""IPVS objects as the text that ``ipvsadm --save -n`` writes and operators read.

One line an object. What ipvsadm forgets to save (the thresholds) is written too, in ipvsadm's own
options, so that two texts are equal only where the objects are. What ipvsadm has no word for, because
another program set it past all checks, is in parentheses. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..net import endpoint
from .model import (
    FULL_NETMASK,
    RealServerAttributes,
    RealServerKey,
    Service,
    ServiceAttributes,
    ServiceKey,
)

_PROTOCOL_OPTION: Mapping[str, str] = {"tcp": "-t", "udp": "-u", "sctp": "--sctp-service"}
_FORWARDING_OPTION: Mapping[str, str] = {"nat": "-m", "dr": "-g", "tun": "-i"}
_CHECKSUM_OPTION: Mapping[str, str] = {
    "none": "--tun-nocsum",
    "csum": "--tun-csum",
    "remcsum": "--tun-remcsum",
}


def service_selector(key: ServiceKey) -> str:
    """How ipvsadm's command line names a service: ``-t 192.0.2.1:80``, ``-f 10 -6``."""
    if key.fwmark:
        return f"-f {key.fwmark}" + (" -6" if key.family == "ipv6" else "")
    option = _PROTOCOL_OPTION.get(key.protocol, f"({key.protocol})")
    return f"{option} {endpoint(key.family, key.address, key.port)}"


def service_line(key: ServiceKey, attributes: ServiceAttributes) -> str:
    """One service, as the line that adds it."""
    words = ["-A", service_selector(key), "-s", attributes.scheduler]
    if attributes.persistence_timeout:
        words += ["-p", str(attributes.persistence_timeout)]
        if attributes.persistence_netmask != FULL_NETMASK[key.family]:
            words += ["-M", attributes.persistence_netmask]
    if attributes.persistence_engine:
        words += ["--pe", attributes.persistence_engine]
    if attributes.one_packet:
        words.append("-o")
    if attributes.scheduler_flags:
        words += ["-b", ",".join(sorted(attributes.scheduler_flags))]
    return " ".join(words)


def real_server_line(
    service: ServiceKey, key: RealServerKey, attributes: RealServerAttributes
) -> str:
    """One real server, as the line that adds it."""
    forwarding = attributes.forwarding
    words = [
        "-a",
        service_selector(service),
        "-r",
        str(key),
        _FORWARDING_OPTION.get(forwarding, f"({forwarding})"),
        "-w",
        str(attributes.weight),
    ]
    if attributes.upper_threshold:
        words += ["-x", str(attributes.upper_threshold)]
    if attributes.lower_threshold:
        words += ["-y", str(attributes.lower_threshold)]
    tunnel = (attributes.tunnel_type, attributes.tunnel_port, attributes.tunnel_checksum)
    if tunnel != ("ipip", 0, "none"):
        kind, port, checksum = tunnel
        words += ["--tun-type", kind]
        if port:
            words += ["--tun-port", str(port)]
        words.append(_CHECKSUM_OPTION.get(checksum, f"({checksum})"))
    return " ".join(words)


def service_lines(service: Service) -> list[str]:
    """A service and its real servers, sorted by address."""
    lines = [service_line(service.key, service.attributes)]
    keys = sorted(service.real_servers, key=lambda real_server: real_server.sort_key)
    lines += [real_server_line(service.key, key, service.real_servers[key]) for key in keys]
    return lines
