# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is put back at boot: one systemd service that runs small shell scripts, one a thing and owner.

The kernel forgets its IPVS table, its routes and its firewall at every boot. What a module has set up
is put back by a script in ``/etc/lvs.cluster/boot.d``, in the order of their names, without Python and
without this collection. A script says what is wrong and exits non-zero; the others run all the same,
and the service counts as failed. Scripts can be run again at any time: what stands already stays.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable

from .errors import Unavailable
from .files import Change, File, changes

FOLDER = "/etc/lvs.cluster/boot.d"
RUNNER = "/etc/lvs.cluster/restore"
SERVICE = "lvs.cluster.service"
_UNIT = f"/etc/systemd/system/{SERVICE}"
_WANTED = f"/etc/systemd/system/multi-user.target.wants/{SERVICE}"

# The order at boot: what lets packets through comes before what attracts them.
FIREWALL, TUNNELS, TIMEOUTS, TABLE, SYNC, ROUTES, ADDRESSES = (
    "20-firewall",
    "25-tunnels",
    "30-timeouts",
    "40-table",
    "50-sync-daemon",
    "60-routes",
    "70-addresses",
)

_UNIT_TEXT = f"""\
# Of lvs.cluster; removed with the last script in {FOLDER}.
[Unit]
Description=What lvs.cluster has set up: virtual services, firewall rules, routes
ConditionDirectoryNotEmpty={FOLDER}
# Whoever else loads a firewall may flush it, so ours comes after.
After=systemd-modules-load.service systemd-sysctl.service network.target
After=nftables.service netfilter-persistent.service iptables.service ip6tables.service
After=firewalld.service ipvsadm.service
Before=keepalived.service
# Started anew, it drops addresses, routes and rules that it does not know: then we start anew, too.
After=systemd-networkd.service
PartOf=systemd-networkd.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={RUNNER}
TimeoutStartSec=180

[Install]
WantedBy=multi-user.target
"""

_RUNNER_TEXT = f"""\
#!/bin/sh
# Of lvs.cluster: run every script in {FOLDER}, and say which have failed.
# As long as systemd-networkd configures a link, it may drop what it does not know.
if systemctl --quiet is-active systemd-networkd.service 2> /dev/null; then
  for try in $(seq 20); do
    networkctl --no-legend list 2> /dev/null | grep -qE 'pending|initialized|configuring' || break
    sleep 0.5
  done
fi
failed=
for script in {FOLDER}/*; do
  [ -f "$script" ] || continue
  echo "lvs.cluster: $script"
  /bin/sh "$script" || failed="$failed $script"
done
[ -z "$failed" ] || {{ echo "lvs.cluster: failed:$failed" >&2; exit 1; }}
"""

_SEARCHED = "/usr/sbin:/usr/bin:/sbin:/bin"

_HEADER = """\
# Of lvs.cluster, for owner {owner}: {title}.
# Written by Ansible, run at boot by {service}; what is changed here is lost at the next run.
set -u
PATH={searched}
export PATH LC_ALL=C
"""


def require(command: str) -> None:
    """See that a command that a script needs is on the host. Not for check mode: an earlier task of the
    same play may be about to install it.

    :raises Unavailable: it is not.
    """
    if not shutil.which(command, path=_SEARCHED):
        raise Unavailable(
            f"at_boot=true needs the command {command} at the next boot, and it is not on this host; "
            f"install the package {command}, or set at_boot to false."
        )


def path(kind: str, owner: str) -> str:
    """Where the script of one kind and owner is."""
    return os.path.join(FOLDER, f"{kind}-{owner}")


def script(owner: str, title: str, body: str) -> str:
    """A script's whole text.

    :param title: what it puts back, in a few words.
    :param body: commands of POSIX sh, each line ended.
    """
    return _HEADER.format(owner=owner, title=title, service=SERVICE, searched=_SEARCHED) + body


def files(kind: str, owner: str, text: str | None, present: Iterable[str]) -> list[File]:
    """What shall be on the host for one script to run at boot, or (None) to run no more.

    :param kind: one of FIREWALL, TIMEOUTS and so on.
    :param present: the names of the scripts that are there now; the service goes with the last.
    """
    own = path(kind, owner)
    others = set(present) - {os.path.basename(own)}
    service = text is not None or bool(others)
    return [
        File(RUNNER, _RUNNER_TEXT if service else None, 0o755),
        File(_UNIT, _UNIT_TEXT if service else None),
        File(_WANTED, f"../{SERVICE}" if service else None, link=True),
        File(own, text),
    ]


def present() -> list[str]:
    """The names of the scripts that are there."""
    try:
        return sorted(os.listdir(FOLDER))
    except FileNotFoundError:
        return []


def wanted_changes(kind: str, owner: str, text: str | None) -> list[Change]:
    """What is to be changed to have a script run at boot, or (None) no more."""
    return changes(files(kind, owner, text, present()))


def shown(todo: Iterable[Change]) -> list[Change]:
    """What of these changes a diff shows: a script, or else the service that it brings or takes along.

    Several modules of one play bring the same service. Only the first does so when it is carried out, but
    each would in check mode, and the two diffs are to be the same.
    """
    listed = list(todo)
    own = (RUNNER, _UNIT, _WANTED)
    if any(change.wanted.path.startswith(f"{FOLDER}/") for change in listed):
        return [change for change in listed if change.wanted.path not in own]
    return listed
