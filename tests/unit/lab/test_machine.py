# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine's command line."""

from __future__ import annotations

from pathlib import Path

from lab import tsc
from lab.accel import Accelerator
from lab.kernel import COMMAND_LINE
from lab.machine import Places, command, hardware
from lab.topology import load_topology

NODES = load_topology("quickstart").nodes
TCG = Accelerator("tcg")


def line(
    *, restore: bool = True, folder: str = "/x", hubs: bool = True, kept: bool = False
) -> list[str]:
    base = Path(folder)
    places = Places(
        disk=base / "disk.qcow2",
        kernel=base / "vmlinuz",
        initrd=base / "initrd",
        socket=base / "qmp",
        clock=base / "clock",
        console=base / "console",
        log=base / "log",
        captures=(base / "c.pcap",) if hubs else (),
        hubs=(base / "hub",) if hubs else (),
        events=base / "events" if kept else None,
    )
    return command(NODES["rs1"], TCG, places, 2222, restore=restore)


def after(option: str, words: list[str]) -> list[str]:
    return [value for name, value in zip(words, words[1:], strict=False) if name == option]


def test_the_management_network_reaches_nothing_and_is_reached_from_loopback_only():
    management = after("-netdev", line())[0]
    assert "restrict=on" in management
    assert management.endswith("hostfwd=tcp:127.0.0.1:2222-:22")


def test_each_card_is_recorded():
    assert after("-netdev", line())[1] == "vde,id=eth1,sock=/x/hub"
    assert after("-object", line()) == ["filter-dump,id=dump1,netdev=eth1,file=/x/c.pcap"]


def test_while_a_snapshot_is_made_cards_are_plugged_into_nothing():
    assert after("-netdev", line(hubs=False))[1].startswith("hubport,")
    assert after("-object", line(hubs=False)) == []


def test_a_machine_may_reboot_and_its_keeper_starts_it_again():
    assert "-no-reboot" not in line()
    assert after("-action", line()) == []
    assert after("-action", line(kept=True)) == ["reboot=shutdown,shutdown=pause"]
    assert "unix:/x/events,server=on,wait=off" in after("-qmp", line(kept=True))


def test_an_emulated_machine_is_told_how_fast_its_counter_counts(monkeypatch):
    monkeypatch.setattr(tsc, "host_khz", lambda: 2596138)
    assert after("-append", line())[-1] == f"{COMMAND_LINE} tsc_early_khz=2596138"
    # A snapshot does not depend on it.
    assert "2596138" not in " ".join(hardware(NODES["rs1"], TCG))
    monkeypatch.setattr(tsc, "host_khz", lambda: None)
    assert after("-append", line())[-1] == COMMAND_LINE


def test_the_speed_of_the_counter_is_measured_alike_every_time():
    first = tsc.host_khz()
    tsc.host_khz.cache_clear()
    second = tsc.host_khz()
    assert (first is None) == (second is None)
    assert first is None or abs(first - second) < first / 100


def test_only_a_restore_loads_the_snapshot():
    assert after("-loadvm", line()) == ["booted"]
    assert "-loadvm" not in line(restore=False)


def test_a_comma_in_a_path_is_doubled():
    assert "sock=/a,,b/hub" in after("-netdev", line(folder="/a,b"))[1]


def test_cards_of_different_nodes_have_different_addresses():
    macs = [
        word.split("mac=")[1].split(",")[0]
        for node in NODES.values()
        for word in hardware(node, TCG)
        if "mac=" in word
    ]
    assert len(macs) == 8
    assert len(set(macs)) == 8


def test_hardware_names_no_place():
    assert not [word for word in hardware(NODES["rs1"], TCG) if word.startswith("/")]
