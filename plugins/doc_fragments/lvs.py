# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation that all modules of the collection share."""

from __future__ import annotations


class ModuleDocFragment:
    """The options that all modules have, and how modules behave."""

    DOCUMENTATION = r"""
options:
  state:
    description:
      - Whether the object exists.
      - V(absent) removes it, even if it was not created by this collection.
    type: str
    choices: [present, absent]
    default: present
"""

    OWNER = r"""
options:
  owner:
    description:
      - The name under which the object is recorded.
      - Each owner has a manifest on the host, C(/var/lib/lvs.cluster/<owner>.json). It lists the objects that the owner
        has created, and what was there before. Several owners can work on one host side by side.
      - M(lvs.cluster.ipvs_table) removes what its owner has created and its description no longer contains. So use
        another owner for single tasks on the same host.
    type: str
    default: default
notes:
  - Runs of this collection on one host take turns, by a lock on C(/run/lvs.cluster.lock).
"""

    NETNS = r"""
options:
  netns:
    description:
      - The network namespace to work in, as C(ip netns) names it. Each has an IPVS table of its own.
      - If omitted, it is the one that the module runs in.
      - Nothing is restored at boot for a namespace, and what is done in it is recorded in no manifest.
    type: str
"""

    # ansible-test reads fragments without running them, so each is one literal.
    ALIKE = r"""
attributes:
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
  platform:
    description: Target OS/families that can be operated against.
    platforms: linux
    support: full
"""

    ATTRIBUTES = r"""
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
    details:
      - Check mode loads no kernel module and writes no file.
  diff_mode:
    description:
      - Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: full
    details:
      - The diff in check mode is the diff of the change.
  action_group:
    description:
      - Use C(group/lvs.cluster.lvs) in C(module_defaults) to set O(owner) for all modules of this collection that have
        it.
    membership:
      - lvs.cluster.lvs
    support: full
"""

    READING = r"""
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description:
      - Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    support: N/A
"""
