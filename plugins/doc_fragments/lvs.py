# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all modules of the collection say of themselves in the same words."""

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
      - In whose name the object is kept.
      - Each owner has a manifest on the host, C(/var/lib/lvs.cluster/<owner>.json), that says which
        objects it made, and what stood there before. Several owners can work on one host side by side.
      - M(lvs.cluster.ipvs_table) removes what its owner made and its description no longer holds. So let single tasks
        beside it have another owner.
    type: str
    default: default
notes:
  - Runs of this collection on one host take turns, by a lock on C(/run/lvs.cluster.lock).
"""

    NETNS = r"""
options:
  netns:
    description:
      - The network namespace to work in, by the name that C(ip netns) gives it. Each has an IPVS table of its own.
      - Left out, it is the one that the module runs in.
      - Nothing is persisted for a namespace, and what is done in it is in no manifest.
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
