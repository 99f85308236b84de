# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What restores a host at boot, and whenever another program drops what is ours.

The kernel forgets its IPVS table, its routes and its firewall at every boot. Each kind of resource is restored
by a script in ``/etc/lvs.cluster/boot.d``, in the order of their names, without Python and without this
collection. A script says what is wrong and exits non-zero; the others run all the same, and the service counts
as failed. Scripts can be run again at any time: what exists stays as it is.

Other programs drop foreign state at run time too. Firewall services flush all chains when they start, stop or
reload, and network managers remove addresses, rules and routes that they do not know: so those units get a
drop-in that runs the scripts again. Much happens without any unit being involved: a link goes down, a profile is
activated, firewalld reloads over D-Bus. So where there is something of ours to lose, a small watcher listens to
rtnetlink (``ip monitor``) and to nf_tables (``nft monitor``).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Optional

from .commands import Commands
from .files import Change, File, changes

FOLDER = "/etc/lvs.cluster/boot.d"
RUNNER = "/etc/lvs.cluster/restore"
WATCHER = "/etc/lvs.cluster/watch"
# The lock of the runner. That of the collection's runs is another one: they start the service while they hold it.
RUNNING = "/run/lvs.cluster.restore.lock"
# The scripts of rollback, to which the owner is added.
UNCONFIRMED = "/var/lib/lvs.cluster/rollback"
# Not in /run/lvs.cluster, which is removed along with its last file.
EVENT = "/run/lvs.cluster.event"
SERVICE = "lvs.cluster.service"
WATCH_SERVICE = "lvs.cluster-watch.service"
_SYSTEMD = "/etc/systemd/system"
_UNIT = f"{_SYSTEMD}/{SERVICE}"
_WATCH_UNIT = f"{_SYSTEMD}/{WATCH_SERVICE}"
_WANTED = f"{_SYSTEMD}/multi-user.target.wants"
# Services that drop foreign state when they start, stop or reload.
DROPPING = (
    "NetworkManager.service",
    "firewalld.service",
    "ip6tables.service",
    "iptables.service",
    "netfilter-persistent.service",
    "nftables.service",
    "systemd-networkd.service",
)

# (kind, part, title, body) of a script.
Script = tuple[str, str, str, Optional[str]]

# The order at boot: what lets packets through comes before what attracts them.
FIREWALL, TUNNELS, TIMEOUTS, NEXT_HOPS, TABLE, SYNC, ROUTES, ADDRESSES = (
    "20-firewall",
    "25-tunnels",
    "30-timeouts",
    "35-next-hops",
    "40-table",
    "50-sync-daemon",
    "60-routes",
    "70-addresses",
)
# Lines of "ip monitor" and "nft monitor" after which something of ours may be missing, or can be restored at last.
NETWORK_EVENTS = "Deleted|LOWER_UP| inet6? "
FIREWALL_EVENTS = "^delete (table|chain|rule) ip6? "
# What the watcher restores.
WATCHED = (FIREWALL, TUNNELS, NEXT_HOPS, ROUTES, ADDRESSES)

_UNIT_TEXT = f"""\
# Of lvs.cluster; removed with the last script in {FOLDER}.
[Unit]
Description=lvs.cluster: restore virtual services, firewall rules, routes and addresses
ConditionDirectoryNotEmpty={FOLDER}
# Other services that load a firewall may flush it, so ours comes after.
After=systemd-modules-load.service systemd-sysctl.service network.target ipvsadm.service
After={" ".join(DROPPING)}
Before=keepalived.service
# A firewall may be loaded over and over; ours has to be restored after the last time.
StartLimitIntervalSec=0

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={RUNNER}
TimeoutStartSec=180

[Install]
WantedBy=multi-user.target
"""

_WATCH_UNIT_TEXT = f"""\
# Of lvs.cluster; removed with the last script that it runs.
[Unit]
Description=lvs.cluster: restore firewall rules, routes and addresses that other programs remove
After={SERVICE}
StartLimitIntervalSec=0

[Service]
ExecStart={WATCHER}
Restart=on-failure
RestartSec=2

[Install]
WantedBy=multi-user.target
"""

_DROP_IN_TEXT = f"""\
# Of lvs.cluster: this service drops state that it does not know, so that is restored after it.
[Service]
ExecStartPost=-+/bin/systemctl --no-block restart {SERVICE}
ExecReload=-+/bin/systemctl --no-block restart {SERVICE}
ExecStopPost=-+/bin/systemctl --no-block restart {SERVICE}
"""

_RUNNER_TEXT = f"""\
#!/bin/sh
# Of lvs.cluster: run every script in {FOLDER}, or those whose names begin with an argument; say which have failed.
# One after the other: the service and the watcher would add the same rule twice. The watcher tries again later.
exec 9> {RUNNING}
flock ${{LVS_PATIENCE:+--timeout "$LVS_PATIENCE"}} 9 || exit 75
# As long as systemd-networkd configures a link, it may drop what it does not know.
if systemctl --quiet is-active systemd-networkd.service 2> /dev/null; then
  for try in $(seq 20); do
    networkctl --no-legend list 2> /dev/null | grep -qE 'pending|initialized|configuring' || break
    sleep 0.5
  done
fi
# A change of routes that was not confirmed before the host was booted: its timer is gone.
for script in {UNCONFIRMED}-*; do
  [ -f "$script" ] && ! grep -qF "$(cat /proc/sys/kernel/random/boot_id)" "$script" && /bin/sh "$script"
done
failed=
for script in {FOLDER}/*; do
  [ -f "$script" ] || continue
  chosen=${{1+no}}
  for start; do
    case ${{script##*/}} in "$start"*) chosen=yes ;; esac
  done
  [ "$chosen" = no ] && continue
  echo "lvs.cluster: $script"
  /bin/sh "$script" || failed="$failed $script"
done
[ -z "$failed" ] || {{ echo "lvs.cluster: failed:$failed" >&2; exit 1; }}
"""

# Runs of the collection hold the lock until the scripts say what they have changed, and wait for it for 20 seconds: so
# a link that stays down is not waited for as long as at boot. A change of routes that waits for its confirmation is
# not interfered with. A program that keeps removing what is ours is answered ever later. The scripts cause none of
# these events where nothing is missing. nft prints all events, because nft 1.1 takes "destroy" for the name of a
# command and refuses it here. What has happened before the watcher listens counts as an event.
_WATCHER_TEXT = f"""\
#!/bin/sh
# Of lvs.cluster: run the scripts again after events that may have removed what they restore.
event={EVENT}
pause=1
quiet=0
listen() {{
  grep --line-buffered -E "$1" | while read -r line; do : > "$event"; done
}}
ip -oneline monitor link address route rule | listen '{NETWORK_EVENTS}' &
network=$!
firewall=$network
if nft list tables > /dev/null 2>&1; then
  nft monitor | listen '{FIREWALL_EVENTS}' &
  firewall=$!
fi
: > "$event"
while kill -0 "$network" 2> /dev/null && kill -0 "$firewall" 2> /dev/null; do
  sleep "$pause"
  if [ ! -e "$event" ]; then
    quiet=$((quiet + pause))
    [ "$quiet" -ge 10 ] && pause=1
    continue
  fi
  rm -f "$event"
  flock /run/lvs.cluster.lock sh -c '
    for pending in {UNCONFIRMED}-*; do [ -e "$pending" ] && exit 75; done
    LVS_PATIENCE=3 exec {RUNNER} {" ".join(kind.partition("-")[0] for kind in WATCHED)}'
  if [ $? = 75 ]; then : > "$event"; continue; fi
  pause=$((pause * 2))
  [ "$pause" -gt 16 ] && pause=16
  quiet=0
done
exit 1
"""

_SEARCHED = "/usr/sbin:/usr/bin:/sbin:/bin"

_HEADER = """\
# Of lvs.cluster, for owner {owner}: {title}.
# Written by Ansible, run at boot by {service}; what is changed here is lost at the next run.
set -u
PATH={searched}
export PATH LC_ALL=C
"""


def path(kind: str, owner: str, part: str = "") -> str:
    """Where the script of one kind and owner is."""
    return os.path.join(FOLDER, f"{kind}-{owner}-{part}" if part else f"{kind}-{owner}")


def text(owner: str, title: str, body: str) -> str:
    """A script's whole text.

    :param title: what it restores, in a few words.
    :param body: commands of POSIX sh, each line ended.
    """
    return _HEADER.format(owner=owner, title=title, service=SERVICE, searched=_SEARCHED) + body


def files(owner: str, scripts: Sequence[Script], present: Iterable[str]) -> list[File]:
    """The files by which these scripts run at boot.

    :param scripts: (kind, part, title, body); a script without a body is removed.
    :param present: the names of the scripts that are there now; the service goes with the last.
    """
    own = [
        File(path(kind, owner, part), None if body is None else text(owner, title, body))
        for kind, part, title, body in scripts
    ]
    others = set(present) - {os.path.basename(file.path) for file in own}
    names = [*others, *(os.path.basename(each.path) for each in own if each.content is not None)]
    watched = any(name.startswith(WATCHED) for name in names)
    return [
        *_unit_files(_UNIT, _UNIT_TEXT, RUNNER, _RUNNER_TEXT, bool(names)),
        *_unit_files(_WATCH_UNIT, _WATCH_UNIT_TEXT, WATCHER, _WATCHER_TEXT, watched),
        *(
            File(f"{_SYSTEMD}/{unit}.d/lvs.cluster.conf", _DROP_IN_TEXT if names else None)
            for unit in DROPPING
        ),
        *own,
    ]


def _unit_files(unit: str, text: str, program: str, program_text: str, wanted: bool) -> list[File]:
    """A service, the program that it runs, and the link that has it started at boot."""
    name = os.path.basename(unit)
    return [
        File(program, program_text if wanted else None, 0o755),
        File(unit, text if wanted else None),
        File(f"{_WANTED}/{name}", f"../{name}" if wanted else None, link=True),
    ]


def present() -> list[str]:
    """The names of the scripts that are there."""
    try:
        return sorted(os.listdir(FOLDER))
    except FileNotFoundError:
        return []


def wanted_changes(owner: str, scripts: Sequence[Script]) -> list[Change]:
    """The changes to this host that install scripts to run at boot, or remove those without a body."""
    return changes(files(owner, scripts, present())) if scripts else []


def activate(written: Iterable[Change], commands: Commands) -> None:
    """Have systemd know of services that have come, changed or gone."""
    units = {change.wanted.path: change for change in written if _is_unit(change.wanted.path)}
    systemctl = commands.find("systemctl")
    if not units or systemctl is None:
        return
    commands.run([systemctl, "daemon-reload"])
    for path, service in ((_UNIT, SERVICE), (_WATCH_UNIT, WATCH_SERVICE)):
        if path in units:
            present = units[path].wanted.content is not None
            commands.run([systemctl, "start" if present else "stop", service])


def _is_unit(path: str) -> bool:
    return path.startswith(f"{_SYSTEMD}/") and not path.startswith(f"{_WANTED}/")


def shown(todo: Iterable[Change]) -> list[Change]:
    """What of these changes a diff shows: a script, or else the service that it brings or takes along.

    Several modules of one play bring the same service. Only the first does so when it is carried out, but
    each would in check mode, and the two diffs are to be the same.
    """
    listed = list(todo)
    if any(change.wanted.path.startswith(f"{FOLDER}/") for change in listed):
        return [change for change in listed if not _is_service(change.wanted.path)]
    return [change for change in listed if not _is_drop_in(change.wanted.path)]


def _is_service(path: str) -> bool:
    return path in (RUNNER, WATCHER) or path.startswith(f"{_SYSTEMD}/")


def _is_drop_in(path: str) -> bool:
    return path.endswith(".d/lvs.cluster.conf")
