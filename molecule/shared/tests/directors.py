# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two directors of the scenario ha: which of them has the addresses, and what is in their tables."""

from __future__ import annotations

import functools
import time

from lab import LabError
from shared.tests.foreign import SERVICE

DIRECTORS = ("director", "backup")
VIPS = ("10.84.0.100", "10.84.0.101")
GATEWAY = "192.168.84.1"
REAL_SERVERS = {"11", "12"}
# Of the description: interval, timeout, retries and retry_delay of the checks.
_INTERVAL, _TIMEOUT, _RETRIES, _RETRY_DELAY = 2.0, 2.0, 1, 1.0
# docs/high-availability.md has the formula. Two more seconds for a laboratory that emulates its processors.
DETECTION = _INTERVAL + (_RETRIES + 1) * _TIMEOUT + _RETRIES * _RETRY_DELAY + 2.0
# Three adverts that do not come, less than one more for the priority, and the same two seconds.
TAKEOVER = 3.0 + 1.0 + 2.0
FLOATING = (*VIPS, GATEWAY)


def held(lab, name):
    """The floating addresses that a director has."""
    words = lab.ssh(name, "ip -brief address").stdout.replace("/", " ").split()
    return set(FLOATING) & set(words)


def active(lab):
    """The director that has the floating addresses: all of them, and alone."""
    holders = [name for name in DIRECTORS if held(lab, name)]
    assert len(holders) == 1, f"{holders} have floating addresses"
    assert held(lab, holders[0]) == set(FLOATING)
    return holders[0]


def standby(lab):
    """The other one."""
    return next(name for name in DIRECTORS if name != active(lab))


def table(lab, name):
    """A director's IPVS table as ipvsadm saves it, sorted, without the entries of other programs."""
    lines = lab.ssh(name, "ipvsadm --save --numeric").stdout.splitlines()
    return sorted(line for line in lines if line not in SERVICE)


def serving(lab, name, address="10.84.0.100"):
    """The real servers of a service that get new connections from a director: the last part of their addresses."""
    found = set()
    for line in table(lab, name):
        words = line.split()
        if words[:3] == ["-a", "-t", f"{address}:80"] and words[-1] != "0":
            found.add(words[4].partition(":")[0].rpartition(".")[2])
    return found


def wait_until(condition, seconds, what):
    """Seconds until a condition was met.

    :param what: what was waited for, in words.
    """
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not within {seconds} s: {what}"
        time.sleep(0.2)
    return time.monotonic() - began


def booted(lab, name, seconds=300):
    """Wait until a machine that was crashed or rebooted has finished booting."""

    def is_up():
        try:
            done = lab.ssh(name, "systemctl is-system-running --wait", check=False, timeout=120)
        except (LabError, OSError):
            return False
        return done.stdout.strip() in ("running", "degraded")

    return wait_until(is_up, seconds, f"{name} is up")


def at_work(lab):
    """Wait until one director has the addresses, and both send to all real servers."""
    wait_until(
        lambda: sorted(len(held(lab, name)) for name in DIRECTORS) == [0, len(FLOATING)],
        90,
        "one director has all floating addresses",
    )
    for name in DIRECTORS:
        for address in VIPS:
            whole = functools.partial(_serves, lab, name, address)
            wait_until(whole, 60, f"{name} has both real servers of {address} at work")


def _serves(lab, name, address):
    return serving(lab, name, address) == REAL_SERVERS


def make_active(lab, name):
    """Hand the addresses over to a director: the other one rests for a moment."""
    if active(lab) == name:
        return
    other = active(lab)
    lab.ssh(other, "systemctl stop keepalived")
    wait_until(lambda: held(lab, name) == set(FLOATING), TAKEOVER + 5, f"{name} takes over")
    lab.ssh(other, "systemctl start keepalived")


def active_fails(lab):
    """Freeze the active director, and wait until the other one has taken over: the names of both."""
    name, other = active(lab), standby(lab)
    fails(lab, name, other)
    return name, other


def fails(lab, name, other):
    """Freeze the active director, and wait until the other one has taken over."""
    lab.freeze(name)
    wait_until(lambda: held(lab, other) == set(FLOATING), TAKEOVER + 5, f"{other} takes over")


def client_clock(lab):
    """Seconds since the epoch by the clock of the client, which times the requests."""
    return float(lab.ssh("client", "date +%s.%N").stdout)
