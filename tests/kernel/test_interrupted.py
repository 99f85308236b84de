# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs that are killed, and runs that meet: the next one completes the table, and clients notice nothing."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from ansible_collections.lvs.cluster.plugins.module_utils.host import store
from ansible_collections.lvs.cluster.plugins.module_utils.ipvs import netlink
from tests.kernel.children import Child
from tests.kernel.harness import VIP, ModuleFailed, claims, run_module, saved, sh

# Through all of it this one stays as it is.
WEB = {
    "address": VIP,
    "port": 80,
    "scheduler": "rr",
    "real_servers": [
        {"address": "10.97.0.1", "port": 8080},
        {"address": "10.97.0.2", "port": 8080},
    ],
}
# What is added and edited; what gets the weight 0 before it is removed; all of it.
GROWING, DRAINING, OPERATIONS = 35, 10, 50


def services(first, last, weight, servers):
    return [
        {
            "address": "10.99.1.1",
            "port": 1000 + number,
            "scheduler": "rr" if weight == 1 else "wrr",
            "real_servers": [
                {"address": f"10.97.0.{server}", "weight": weight} for server in servers
            ],
        }
        for number in range(first, last)
    ]


# Edits of 5 services and 10 real servers, 5 services with 10 real servers to add, 5 real servers more;
# 5 services and 10 real servers of others to delete.
BEFORE = [WEB, *services(0, 5, 1, (11, 12, 13, 14)), *services(20, 25, 1, (11,))]
AFTER = [WEB, *services(0, 5, 2, (11, 12, 15)), *services(10, 15, 1, (11, 12))]

FETCHING = textwrap.dedent(
    """
    import socket, sys, threading, time

    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    good = 0
    print("fetching", flush=True)
    while not stop.is_set():
        try:
            # What is lost comes again after 1, 3 and 7 seconds: late is slow, never is a failure.
            with socket.create_connection((sys.argv[1], 80), timeout=12) as peer:
                peer.sendall(b"hello\\n")
                assert peer.recv(100).split()[1:] == [b"hello"]
            good += 1
        except (OSError, AssertionError) as error:
            print("failed", repr(error), flush=True)
        time.sleep(0.02)
    print("good", good, flush=True)
    """
)


@contextlib.contextmanager
def fetching():
    """A client that makes one connection after another; at the end, none has failed."""
    command = ["ip", "netns", "exec", "client", sys.executable, "-c", FETCHING, VIP]
    client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert client.stdout.readline() == "fetching\n"
    yield
    said = client.communicate()[0].splitlines()
    assert [line for line in said if line.startswith("failed")] == []
    assert int(said[-1].split()[1]) > 100, "too few to say anything"


def killed_at(moment, wanted):
    """A run that kills itself right before its operation of this number, or at this saving."""

    def work():
        netlink.BATCH = 1
        carry_out, save = netlink.Client._execute_batch, store.Store.save
        counted = {"operation": 0, "saving": 0}

        def dying(what, original):
            def call(*arguments):
                if (what, counted[what]) == moment:
                    os.kill(os.getpid(), signal.SIGKILL)
                counted[what] += 1
                return original(*arguments)

            return call

        netlink.Client._execute_batch = dying("operation", carry_out)
        store.Store.save = dying("saving", save)
        run_module("ipvs_table", services=wanted)
        return dict(counted)

    return Child(work)


def left_after(what, number):
    """How many operations a run killed at this moment leaves to the next."""
    if what == "saving":
        return (OPERATIONS, 0)[number]
    drained = min(max(number - GROWING, 0), DRAINING)
    return OPERATIONS - (number - drained)


def table(wanted):
    return run_module("ipvs_table", services=wanted)


@pytest.fixture
def somebody():
    """What somebody else has, which ends as it begins."""
    sh("ipvsadm", "-A", "-t", "198.51.100.1:443", "-s", "sed", "-p", "77")
    sh("ipvsadm", "-a", "-t", "198.51.100.1:443", "-r", "10.97.0.99:443", "-m", "-w", "0")
    theirs = saved()
    yield theirs
    table([])
    assert saved() == theirs
    assert claims() == {}


@pytest.mark.long
def test_killed_anywhere_the_next_run_completes_it(network, somebody):
    assert len(table(AFTER)["operations"]) > 0
    expected = saved()
    table(BEFORE)
    began = saved()
    assert len(run_module("ipvs_table", check=True, services=AFTER)["operations"]) == OPERATIONS
    counted = killed_at(None, AFTER).answer()
    assert counted == {"operation": OPERATIONS + DRAINING, "saving": 2}
    moments = [("operation", number) for number in range(OPERATIONS + DRAINING)] + [
        ("saving", 0),
        ("saving", 1),
    ]
    with fetching():
        for moment in moments:
            table(BEFORE)
            assert saved() == began
            assert killed_at(moment, AFTER).was_killed(), moment
            done = table(AFTER)
            assert saved() == expected, moment
            assert len(done["operations"]) == left_after(*moment), moment
            assert not table(AFTER)["changed"]


def test_two_runs_at_once_end_in_one_of_the_two(network, somebody):
    tables = (AFTER, BEFORE)
    outcomes = []
    for wanted in tables:
        table(wanted)
        outcomes.append(saved())
    dice = random.Random(7)
    with fetching():
        for _round in range(12):
            children = []
            for wanted in dice.sample(tables, 2):
                children.append(Child(lambda wanted=wanted: table(wanted)["changed"]))
                time.sleep(dice.random() / 10)
            for child in children:
                child.answer()
            assert saved() in outcomes


def test_two_owners_at_once_both_have_their_own(network, somebody):
    one, two = services(0, 8, 1, (11, 12)), services(20, 28, 1, (13,))
    for _round in range(5):
        children = [
            Child(lambda: run_module("ipvs_table", services=one, owner="one")["changed"]),
            Child(lambda: run_module("ipvs_table", services=two, owner="two")["changed"]),
        ]
        assert [child.answer() for child in children] == [True, True]
        assert len([line for line in saved() if line.startswith("-A -t 10.99.1.1")]) == 16
        for owner in ("one", "two"):
            run_module("ipvs_table", services=[], owner=owner)


def test_a_run_that_waits_too_long_says_for_what(network):
    child = Child(lambda: hold_the_lock(3))
    time.sleep(0.5)
    short = Child(lambda: impatient(table, [WEB]))
    with pytest.raises(ModuleFailed, match=r"has held /run/lvs\.cluster\.lock for 0\.5 seconds"):
        short.answer()
    child.answer()


def hold_the_lock(seconds):
    with store.Store("other").locked():
        time.sleep(seconds)


def impatient(work, *arguments):
    defaults = store.Store.__init__.__kwdefaults__
    store.Store.__init__.__kwdefaults__ = {**defaults, "lock_seconds": 0.5}
    return work(*arguments)
