# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading health checks: defaults, merging, and what is refused."""

from __future__ import annotations

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.ipvs.model import (
    RealServerKey,
    ServiceKey,
)
from ansible_collections.lvs.cluster.plugins.module_utils.netfilter.mark import match
from ansible_collections.lvs.cluster.plugins.plugin_utils.cluster.findings import Findings
from ansible_collections.lvs.cluster.plugins.plugin_utils.cluster.health import (
    Availability,
    Check,
    availability,
    read_check,
    read_options,
)
from ansible_collections.lvs.cluster.plugins.plugin_utils.cluster.words import (
    CHECK_TYPES,
    HEALTH_CHECK_SPEC,
    value_of,
)

WEB = ServiceKey.at("tcp", "198.51.100.10", 80)
UDP = ServiceKey.at("udp", "198.51.100.10", 53)
MARK = ServiceKey.marked(7)
SERVER = RealServerKey.at("192.168.0.7", 8080)
NO_PORT = RealServerKey.at("192.168.0.7", 0)
TCP_MATCH = match("", {"address": "198.51.100.10", "ports": ["443", "8000-8080"]})
UDP_MATCH = match("", {"address": "198.51.100.10", "protocol": "udp", "ports": ["53"]})
PATH, OF_SERVER = "lvs_virtual_services[web]", "lvs_virtual_services[web].real_servers[0]"


def typed(options):
    """As a description holds them."""
    spec = {"type": "dict", "options": HEALTH_CHECK_SPEC}
    return value_of(PATH, "health_check", options, spec, Findings())


def check(options=None, own=None, service=WEB, server=SERVER, matches=()):
    """The check of a real server, of the service's options and its own: (check, errors)."""
    findings = Findings()
    inherited = read_options(PATH, typed(options or {}), {}, findings)
    found = read_options(OF_SERVER, typed(own or {}), inherited, findings)
    path = PATH if own is None else OF_SERVER
    return read_check(path, found, service, server, matches, findings), findings.errors


def good(*args, **more):
    found, errors = check(*args, **more)
    assert errors == []
    return found


@pytest.mark.parametrize(
    ("service", "server", "matches", "expected"),
    [
        (WEB, SERVER, (), Check("tcp", 8080)),
        (UDP, SERVER, (), None),
        (ServiceKey.at("sctp", "198.51.100.10", 80), SERVER, (), None),
        (ServiceKey.at("tcp", "198.51.100.10", 0), NO_PORT, (), None),
        (ServiceKey.at("tcp", "198.51.100.10", 0), SERVER, (), Check("tcp", 8080)),
        (MARK, NO_PORT, (), None),
        (MARK, NO_PORT, (UDP_MATCH, TCP_MATCH), Check("tcp", 443)),
        (MARK, NO_PORT, (UDP_MATCH,), None),
        (MARK, NO_PORT, (match("", {"address": "198.51.100.10"}),), None),
        # By NAT, all ports go to that of the real server.
        (MARK, SERVER, (), Check("tcp", 8080)),
        (MARK, SERVER, (UDP_MATCH, TCP_MATCH), Check("tcp", 8080)),
        (MARK, SERVER, (UDP_MATCH,), None),
    ],
)
def test_without_a_word_about_it(service, server, matches, expected):
    assert good(service=service, server=server, matches=matches) == expected


def test_numbers_without_a_type_do_not_make_a_check():
    assert good({"interval": 2}, service=UDP) is None
    assert good({"interval": 2}) == Check("tcp", 8080, interval=2.0)


@pytest.mark.parametrize("kind", CHECK_TYPES)
def test_defaults_of_every_type(kind):
    needed = {"dns": {"name": "example.org"}, "command": {"command": "/bin/true"}}
    found = good({"type": kind, **needed.get(kind, {})})
    if kind == "none":
        assert found is None
        return
    assert found.port == (0 if kind in ("ping", "command") else 8080)
    assert (found.interval, found.retries, found.retry_delay) == (5.0, 1, 1.0)
    assert found.timeout == (5.0 if kind == "udp" else 3.0)


def test_values_become_canonical():
    found = good({"type": "HTTP", "status": 204, "digest": "9B3A0C85A887A256D6939DA88AABD8CD"})
    assert found.status == ("204",)
    assert found.digest == "9b3a0c85a887a256d6939da88aabd8cd"
    assert good({"type": "dns", "name": "example.org", "record": "AAAA"}).record == "AAAA"
    found = good({"type": "command", "command": "/bin/check -H 'a b' ''"})
    assert found.command == ("/bin/check", "-H", "a b", "")
    words = ["/bin/check", "a b"]
    assert good({"type": "command", "command": words}).command == tuple(words)
    assert good({"type": "udp", "payload": "1B00", "require_reply": "yes"}).payload == "1b00"


def test_a_real_server_changes_what_the_service_says():
    service = {"type": "http", "path": "/health", "interval": 2, "port": 81}
    found = good(service, {"path": "/ready", "timeout": 1})
    assert found == Check("http", 81, interval=2.0, timeout=1.0, path="/ready")
    # What only another type has is not inherited.
    assert good(service, {"type": "tcp"}) == Check("tcp", 81, interval=2.0)
    assert good(service, {"type": "ping"}) == Check("ping", 0, interval=2.0)
    assert good(service, {"type": "https"}) == Check("https", 81, interval=2.0, path="/health")
    assert good(service, {"type": "none"}) is None


def test_the_port_of_a_mark_is_that_of_the_protocol_that_is_asked():
    matches = (UDP_MATCH, TCP_MATCH)
    options = {"type": "dns", "name": "example.org"}
    assert good(options, service=MARK, server=NO_PORT, matches=matches).port == 53
    assert good({"type": "http"}, service=MARK, server=NO_PORT, matches=matches).port == 443


def test_how_long_a_failure_takes_to_be_noticed():
    found = good({"interval": 2, "timeout": 1.5, "retries": 3, "retry_delay": 0.5})
    assert found.detection_seconds == 2 + 4 * 1.5 + 3 * 0.5


H = f"{PATH}.health_check"
WRONG = [
    ({"interval": 0}, f"{H}.interval: must be from 0.01 to 3600 seconds, got 0"),
    ({"interval": "nan"}, f"{H}.interval: must be from"),
    ({"timeout": -1}, f"{H}.timeout: must be from"),
    ({"timeout": 4000}, f"{H}.timeout: must be from"),
    ({"retry_delay": 0}, f"{H}.retry_delay: must be from"),
    ({"retries": -1}, f"{H}.retries: must be from 0 to 1000"),
    ({"port": 0}, f"{H}.port: must be a number from 1 to 65535"),
    ({"port": 70000}, f"{H}.port: must be a number from 1 to 65535"),
    ({"type": "ping", "port": 80}, f"{H}.port: is not used by a check of the type ping"),
    ({"path": "/"}, f"{H}.path: is an option of the type http and https, and no type is set"),
    (
        {"type": "tcp", "helo": "a"},
        f"{H}.helo: is an option of the type smtp, and the type is tcp",
    ),
    ({"type": "http", "path": "health"}, f"{H}.path: must begin with /"),
    ({"type": "http", "path": '/"}'}, f"{H}.path: must begin with /"),
    ({"type": "http", "path": "/a b"}, "Encode other characters"),
    ({"type": "http", "path": "/$_PWD"}, "$ as %24"),
    ({"type": "http", "path": "/é"}, f"{H}.path: must begin with /"),
    ({"type": "http", "host": "a b"}, f"{H}.host: is not a host name"),
    ({"type": "http", "host": "a{"}, f"{H}.host: is not a host name"),
    ({"type": "http", "status": 99}, f"{H}.status: is not an HTTP status code"),
    (
        {"type": "http", "status": ["200", "600"]},
        f'{H}.status: is not an HTTP status code, got "600"',
    ),
    ({"type": "http", "status": "299-200"}, f"{H}.status: is not an HTTP status code"),
    ({"type": "http", "status": "200:299"}, f"{H}.status: is not an HTTP status code"),
    ({"type": "http", "status": []}, f"{H}.status: must have from 1 to 50 codes"),
    ({"type": "http", "digest": "abc"}, f"{H}.digest: is not an MD5 digest"),
    ({"type": "dns"}, f"{H}.name: is missing, and the type dns needs it"),
    ({"type": "dns", "name": "a..b"}, f"{H}.name: is not a domain name"),
    ({"type": "dns", "name": "a;b"}, f"{H}.name: is not a domain name"),
    ({"type": "smtp", "helo": "a!"}, f"{H}.helo: is not a host name"),
    ({"type": "udp", "payload": "abc"}, f"{H}.payload: must be an even number"),
    ({"type": "udp", "payload": "00ff"}, "not end with ff"),
    ({"type": "udp", "timeout": 3}, f"{H}.timeout: must be at least 4 seconds"),
    ({"type": "command"}, f"{H}.command: is missing, and the type command needs it"),
    ({"type": "command", "command": "check"}, f"{H}.command: must begin with an absolute path"),
    ({"type": "command", "command": ""}, f"{H}.command: must begin with an absolute path"),
    ({"type": "command", "command": []}, f"{H}.command: must begin with an absolute path"),
    ({"type": "command", "command": "/bin/a 'b"}, f"{H}.command: has an unmatched quote"),
    ({"type": "command", "command": ["/bin/a", "$x"]}, f"{H}.command: has a quote, a backslash"),
    ({"type": "command", "command": ["/bin/a", 'b"c']}, f"{H}.command: has a quote, a backslash"),
    ({"type": "command", "command": ["/bin/a", "b\\c"]}, f"{H}.command: has a quote, a backslash"),
    ({"type": "command", "command": ["/bin/a", "it's"]}, f"{H}.command: has a quote, a backslash"),
    ({"type": "command", "command": ["/bin/a", "b" * 900]}, f"{H}.command: is longer than 800"),
]


@pytest.mark.parametrize(("options", "words"), WRONG)
def test_what_is_refused(options, words):
    _found, errors = check(options)
    assert len(errors) == 1
    assert words in errors[0]
    assert errors[0].endswith((".", "?"))


def test_a_port_that_nobody_knows_is_asked_for():
    _found, (error,) = check({"type": "http"}, service=MARK, server=NO_PORT)
    assert error.startswith(f"{H}.port: is missing, and the service has none")
    assert good({"type": "http", "port": 80}, service=MARK, server=NO_PORT).port == 80


def test_a_mistake_is_found_where_it_is_written():
    _found, errors = check({"type": "http"}, {"path": "no", "command": "/bin/true"})
    assert [error.split(": ")[0] for error in errors] == [
        f"{OF_SERVER}.health_check.path",
        f"{OF_SERVER}.health_check.command",
    ]


def test_an_answer_of_udp_may_be_asked_for_quickly():
    assert good({"type": "udp", "timeout": 1, "require_reply": True}).timeout == 1.0


@pytest.mark.parametrize(
    ("given", "expected", "words"),
    [
        ({}, Availability(), []),
        (
            {"quorum": 3, "hysteresis": 2, "on_failure": "inhibit"},
            Availability(3, 2, True),
            [],
        ),
        ({"on_failure": "remove"}, Availability(), []),
        ({"quorum": 0}, None, [f"{PATH}.quorum: must be at least 1, got 0"]),
        ({"hysteresis": 1}, None, [f"{PATH}.hysteresis: must be at least 0 and less than"]),
        ({"hysteresis": -1}, None, [f"{PATH}.hysteresis: must be at least 0"]),
    ],
)
def test_availability(given, expected, words):
    findings = Findings()
    found = availability(PATH, given, findings)
    assert expected is None or found == expected
    assert len(findings.errors) == len(words)
    assert all(word in error for word, error in zip(words, findings.errors))
