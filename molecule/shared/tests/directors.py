# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two directors of the scenario ha: which of them has the addresses, and what is in their tables."""

from __future__ import annotations

import time

from lab import LabError
from shared.tests.foreign import SERVICE

DIRECTORS = ("director", "backup")
VIPS = ("10.84.0.100", "10.84.0.101")
GATEWAY = "192.168.84.1"
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
