# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A machine that was installed just now has no package lists yet."""

from __future__ import annotations

import pathlib

import pytest

from shared.tests.playbooks import succeed

# A package, and a repository of it that is all that APT knows. The lists are empty.
SET_UP = """
set -eu
mkdir -p /srv/repository/package/DEBIAN /root/apt
cd /srv/repository
printf '%s\\n' 'Package: lvs-probe' 'Version: 1' 'Architecture: all' 'Maintainer: nobody <nobody@example.com>' \\
  'Description: nothing' > package/DEBIAN/control
dpkg-deb --build package probe.deb
cat package/DEBIAN/control - > Packages <<END
Filename: ./probe.deb
Size: $(stat -c %s probe.deb)
SHA256: $(sha256sum probe.deb | cut -d ' ' -f 1)
END
for each in /etc/apt/sources.list /etc/apt/sources.list.d; do [ ! -e "$each" ] || mv "$each" /root/apt; done
echo 'deb [trusted=yes] file:/srv/repository ./' > /etc/apt/sources.list
rm -rf /var/lib/apt/lists/*
"""
TEAR_DOWN = """
dpkg --purge lvs-probe
rm -rf /srv/repository /etc/apt/sources.list /var/lib/apt/lists/*
mv /root/apt/* /etc/apt/
rmdir /root/apt
"""


@pytest.fixture
def _repository(lab):
    lab.ssh("rs2", SET_UP)
    yield
    lab.ssh("rs2", TEAR_DOWN)


@pytest.mark.usefixtures("_repository")
@pytest.mark.long
def test_a_missing_package_is_installed_without_package_lists(playbook, machine):
    assert machine("rs2").run("apt-get install --yes lvs-probe").failed
    printed = succeed(playbook(pathlib.Path(__file__).with_name("install.yml")))
    assert "Update the package lists" in printed
    assert machine("rs2").package("lvs-probe").is_installed
    # What is installed needs no lists.
    assert "Update the package lists" not in succeed(
        playbook(pathlib.Path(__file__).with_name("install.yml"))
    )
