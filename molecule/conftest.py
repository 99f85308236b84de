# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of a running cluster share: its machines, and the records of the runs so far."""

from __future__ import annotations

import functools
import json
import os
import pathlib
import time

import pytest
import testinfra

from lab import Lab
from shared.tests.heard import unasked
from shared.tests.playbooks import SHARED, described, run_playbook
from tests.wire.pcap import frames

# Which tests there is time for: some, or all.
LONG = os.environ.get("LVS_CHANGES", "all")
DUMPS = pathlib.Path(os.environ.get("LVS_DUMPS", "."))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """Results go where the caller of the scenario wants them: one file each time of verifying."""
    config.addinivalue_line("markers", "long: takes long, so it is part of a full run only")
    folder = os.environ.get("LVS_JUNIT_DIR")
    if folder:
        number = len(list(pathlib.Path(folder).iterdir())) + 1
        config.option.xmlpath = f"{folder}/verify-{number}.xml"


def pytest_collection_modifyitems(items):
    """Some tests are for a full run only; LVS_TESTS has the names of those that alone are to run."""
    wanted = os.environ.get("LVS_TESTS", "").split()
    for item in items:
        name = item.originalname.removeprefix("test_")
        if wanted and name not in wanted:
            item.add_marker(pytest.mark.skip(reason="LVS_TESTS names others"))
        elif not wanted and item.get_closest_marker("long") and LONG == "some":
            item.add_marker(pytest.mark.skip(reason="part of a full run only"))


@pytest.fixture(scope="session")
def lab():
    return Lab.open(os.environ["LVS_LAB_NAME"])


@pytest.fixture(scope="session")
def machine():
    """A machine of the cluster by its name, as testinfra sees it."""
    inventory = os.environ["LVS_INVENTORY"]
    return lambda name: testinfra.get_host(f"ansible://{name}", ansible_inventory=inventory)


@pytest.fixture(scope="session")
def director(machine):
    return machine("director")


@pytest.fixture(scope="session")
def client(machine):
    return machine("client")


@pytest.fixture(scope="session")
def records():
    """What every run of a playbook of ours on the machines has changed, in order."""
    files = sorted(pathlib.Path(os.environ["LVS_RECORDS"]).iterdir())
    found = [json.loads(file.read_text()) for file in files]
    ours = ("converge.yml", "remove.yml")
    return [record for record in found if record["playbook"] in ours]


@pytest.fixture(scope="session")
def hosts():
    """The directors and real servers, by their names."""
    return sorted(path.name[len("before-") :] for path in DUMPS.glob("before-*"))


@pytest.fixture(scope="session")
def dumped():
    """What molecule/shared/dump.sh has said of a host at a moment (before, converged): its lines."""
    return lambda moment, host: (DUMPS / f"{moment}-{host}").read_text().splitlines()


@pytest.fixture(scope="session")
def dump(lab):
    """What it says of a host now."""
    script = (SHARED / "dump.sh").read_text()
    return lambda host: lab.ssh(host, ["sh"], input=script).stdout.splitlines()


@pytest.fixture(scope="session")
def services():
    """The services of the description, as it has them."""
    return described()["lvs_virtual_services"]


@pytest.fixture
def playbook(tmp_path):
    """Run a playbook of the collection on the machines: see shared/tests/playbooks.py."""
    return functools.partial(run_playbook, tmp_path)


@pytest.fixture
def site(playbook):
    """Run site.yml with these services instead of the description's."""

    def run(services, dead=(), *words):
        return playbook("site.yml", *words, variables={"lvs_virtual_services": services}, dead=dead)

    return run


@pytest.fixture(scope="session")
def vips(services):
    """All virtual addresses."""
    named = [each["address"] for each in services if "address" in each]
    return named + [match["address"] for each in services for match in each.get("match", [])]


@pytest.fixture(scope="session")
def macs(lab):
    """The machines' MACs on their first segment: name to MAC."""
    return {
        name: lab.ssh(name, "cat /sys/class/net/eth1/address").stdout.strip() for name in lab.nodes
    }


@pytest.fixture(scope="session")
def fetch(client):
    """What the client gets from a web server."""

    def get(address, port=80, path=""):
        host = f"[{address}]" if ":" in address else address
        return client.check_output(
            f"curl --globoff --silent --fail --max-time 10 http://{host}:{port}/{path}"
        )

    return get


@pytest.fixture
def seen(lab, fetch):
    """What one new request to an address shows on a machine's segment: (answer, frames).

    All neighbours are forgotten before, so that everybody has to ask for everybody.
    """

    def look(address, node="client", interface="eth1"):
        with unasked(lab):
            for name in lab.nodes:
                lab.ssh(name, "ip neighbour flush dev eth1")
            capture = lab.capture(node, interface)
            answer = fetch(address)
            # The last segments are still under way.
            time.sleep(0.5)
            return answer, frames(capture.read())

    return look


@pytest.fixture
def upload(lab, client):
    """Send 100 kB to port 80 of an address, with a receiver there instead of the web server: what it has got.

    The client hears no ICMP, so that nothing but the announced segment size tells it what fits.
    """

    def send(address, receiver):
        lab.ssh(receiver, "systemctl stop nginx")
        lab.ssh(receiver, ["systemd-run", "--quiet", "--unit=upload", "python3", "-c", RECEIVER])
        for command, protocol, kind in (
            ("iptables", "icmp", "fragmentation-needed"),
            ("ip6tables", "icmpv6", "packet-too-big"),
        ):
            flag = "--icmp-type" if protocol == "icmp" else "--icmpv6-type"
            client.check_output(f"{command} -A INPUT -p {protocol} {flag} {kind} -j DROP")
        try:
            return client.run(f"python3 -c '{SENDER}' {address}").stdout.strip()
        finally:
            client.check_output("iptables -F INPUT; ip6tables -F INPUT")
            lab.ssh(receiver, "systemctl stop upload; systemctl start nginx")

    return send


RECEIVER = """
import socket
with socket.create_server(("::", 80), family=socket.AF_INET6, dualstack_ipv6=True) as server:
    while True:
        peer, _address = server.accept()
        with peer:
            size = 0
            while data := peer.recv(65536):
                size += len(data)
            peer.sendall(str(size).encode())
"""
SENDER = """
import socket, sys, time
for attempt in range(20):
    try:
        peer = socket.create_connection((sys.argv[1], 80), timeout=10)
        break
    except ConnectionRefusedError:
        time.sleep(0.5)
with peer:
    peer.sendall(bytes(100000))
    peer.shutdown(socket.SHUT_WR)
    print(peer.recv(100).decode())
"""
