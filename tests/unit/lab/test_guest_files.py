# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine is given: archives and overlays."""

from __future__ import annotations

import shutil
import stat
import subprocess

import pytest

from lab.cpio import File, Link, archive
from lab.overlay import Keys, overlay
from lab.topology import load_topology

KEYS = Keys("ssh-ed25519 AAAA me\n", "PRIVATE\n", "ssh-ed25519 BBBB host\n")


def files(node: str, topology: str = "quickstart"):
    declared = load_topology(topology)
    return overlay(declared, declared.nodes[node], KEYS)


def text(node: str, path: str) -> str:
    entry = files(node)[f"overlay/{path}"]
    assert isinstance(entry, File)
    return entry.content.decode()


def test_an_archive_is_what_cpio_reads(tmp_path):
    if shutil.which("cpio") is None:
        pytest.skip("cpio is not installed")
    data = archive(
        {
            "a/b/odd": File(b"12345"),
            "/a/run": File(b"#!", 0o755),
            "a/link": Link("/etc/nowhere"),
            "root/.ssh/authorized_keys": File(b"key", 0o600),
        }
    )
    subprocess.run(["cpio", "-id", "--quiet"], input=data, cwd=tmp_path, check=True)
    assert (tmp_path / "a/b/odd").read_bytes() == b"12345"
    assert stat.S_IMODE((tmp_path / "a/run").stat().st_mode) == 0o755
    assert (tmp_path / "a/link").readlink().as_posix() == "/etc/nowhere"
    assert stat.S_IMODE((tmp_path / "root/.ssh").stat().st_mode) == 0o700


def test_archives_can_follow_each_other():
    for length in range(5):
        assert len(archive({"x": File(b"." * length)})) % 4 == 0


def test_an_archive_does_not_depend_on_the_order_of_its_entries():
    one, two = File(b"1"), File(b"2")
    assert archive({"a": one, "b": two}) == archive({"b": two, "a": one})


def test_the_names_of_all_nodes_are_known_by_their_address_in_the_cluster():
    assert text("rs1", "etc/hosts").splitlines()[2:] == [
        "170.210.122.101 client",
        "192.168.0.104 director",
        "192.168.0.107 rs1",
        "192.168.0.108 rs2",
    ]


def test_a_nodes_identity():
    assert text("rs1", "etc/hostname") == "rs1\n"
    assert text("rs1", "var/www/html/index.html") == "rs1\n"
    assert text("rs1", "etc/machine-id") != text("rs2", "etc/machine-id")
    assert len(text("rs1", "etc/machine-id").strip()) == 32


def test_private_things_are_private():
    for path in ("etc/ssh/ssh_host_ed25519_key", "root/.ssh/authorized_keys"):
        entry = files("rs1")[f"overlay/{path}"]
        assert isinstance(entry, File)
        assert entry.mode == 0o600


def test_the_network_has_every_address_and_the_gateway():
    director = text("director", "etc/systemd/network/20-eth1.network").splitlines()
    assert director[:2] == ["[Match]", "Name=eth1"]
    assert [line for line in director if "Address=" in line] == [
        "Address=170.210.122.104/25",
        "Address=192.168.0.104/25",
    ]
    assert not [line for line in director if line.startswith("Gateway=")]
    assert "Gateway=192.168.0.104" in text("rs1", "etc/systemd/network/20-eth1.network")


def test_a_router_forwards_and_the_others_know_their_ways():
    topology = load_topology("nat")

    def content(node, path):
        entry = overlay(topology, topology.nodes[node], KEYS).get(f"overlay/{path}")
        return entry.content.decode() if isinstance(entry, File) else None

    assert "net.ipv4.ip_forward = 1" in content("router", "etc/sysctl.d/10-router.conf")
    assert content("director", "etc/sysctl.d/10-router.conf") is None
    network = content("director", "etc/systemd/network/20-eth1.network")
    assert "[Route]\nDestination=192.168.1.0/24\nGateway=192.168.0.110\n" in network


def test_the_management_network_offers_no_way_out():
    assert "Gateway" not in text("rs1", "etc/systemd/network/10-eth0.network")


def test_services_are_enabled_where_declared_only():
    wanted = "overlay/etc/systemd/system/multi-user.target.wants/nginx.service"
    assert files("rs1")[wanted] == Link("/lib/systemd/system/nginx.service")
    assert wanted not in files("director")
