# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the collection promises to a playbook, tried with ansible-playbook on this machine."""

from __future__ import annotations

import subprocess

PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  module_defaults:
    group/lvs.cluster.lvs:
      owner: from/the/group
  tasks:
    - lvs.cluster.ipvs_service: {address: 192.0.2.1, port: 80}
      check_mode: true
      ignore_errors: true
    - lvs.cluster.ipvs_real_server:
        service: {address: 192.0.2.1, port: 80}
        address: 192.0.2.2
      check_mode: true
      ignore_errors: true
"""


def test_every_module_is_in_the_action_group(tmp_path):
    """Defaults of the group reach each of them; this one is refused, and so is seen."""
    playbook = tmp_path / "playbook.yml"
    playbook.write_text(PLAYBOOK)
    done = subprocess.run(
        ["ansible-playbook", "-i", "localhost,", str(playbook)],
        capture_output=True,
        text=True,
        check=False,
    )
    refused = [line for line in done.stdout.splitlines() if line.startswith("fatal:")]
    assert len(refused) == 2, done.stdout + done.stderr
    assert all("owner='from/the/group'" in line for line in refused)
