# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of a running cluster share: its machines, and the records of the runs so far."""

from __future__ import annotations

import json
import os
import pathlib

import pytest
import testinfra

from lab import Lab

DUMPS = pathlib.Path(os.environ.get("LVS_DUMPS", "."))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """Results go where the caller of the scenario wants them: one file each time of verifying."""
    folder = os.environ.get("LVS_JUNIT_DIR")
    if folder:
        number = len(list(pathlib.Path(folder).iterdir())) + 1
        config.option.xmlpath = f"{folder}/verify-{number}.xml"


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
    script = (pathlib.Path(__file__).parents[2] / "molecule" / "shared" / "dump.sh").read_text()
    return lambda host: lab.ssh(host, ["sh"], input=script).stdout.splitlines()
