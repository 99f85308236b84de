# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A table as the shell script that puts it back at boot, by ``ipvsadm`` and without Python. Pure.

``ipvsadm --restore`` reports the failure of its last line only. So the script gives it what is missing
and then checks that nothing is missing. It compares what names an object, with scheduler, forwarding
method and weight: the kernel takes an object whole or not at all, and of the rest ``ipvsadm --save``
forgets some (thresholds, flag-3, an IPv6 mask) and renames some. A firewall mark of 2^31 or more it writes
as a negative number.

What the script has made it records in a file below /run, so that a later run knows that it is not an object that it
has found.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

from . import rules
from .model import RealServerKey, Service, ServiceKey, Table
from .ownership import keys_of, real_server_name

_SCRIPT = """\
wanted() {{
  cat <<'END'
{lines}
END
}}
# The wanted lines that are not in the table yet.
missing() {{
  {{ ipvsadm --save --numeric; echo '# wanted'; wanted; }} | awk '
    function core(line) {{ sub(/ (-[pMobxy]|--pe|--tun-).*/, "", line); return line }}
    $0 == "# wanted" {{ wanted = 1; next }}
    !wanted {{ present[core($0)] = 1; next }}
    {{
      line = core($0)
      if ($2 == "-f" && $3 >= 2147483648)
        sub(/-f [0-9]+/, sprintf("-f %.0f", $3 - 4294967296), line)
      if (!(line in present)) print
    }}'
}}
command -v ipvsadm > /dev/null || {{ echo "ipvsadm is not installed" >&2; exit 1; }}
todo=$(missing)
[ -z "$todo" ] && exit 0
printf '%s\\n' "$todo" | ipvsadm --restore
left=$(missing)
mkdir -p {folder}
printf '%s\\n' "$todo" | grep -vxFe "$left" >> {record}
[ -z "$left" ] && exit 0
printf 'not restored: %s\\n' "$left" >&2
exit 1
"""


def record_path(owner: str) -> str:
    """The file in which an owner's script records the lines that it has added since the host was started."""
    return f"/run/lvs.cluster/table-{owner}"


def script_body(services: Iterable[Service], record: str) -> str | None:
    """The commands; None for an empty table.

    :param record: the file in which the script records what it has added.
    """
    ordered = sorted(services, key=lambda service: service.key.sort_key)
    lines = [line for service in ordered for line in rules.service_lines(service)]
    if not lines:
        return None
    return _SCRIPT.format(lines="\n".join(lines), folder=os.path.dirname(record), record=record)


def with_weights(script: str, weights: Mapping[str, int]) -> str:
    """A script that gives some real servers other weights; what it does not restore is left out.

    :param weights: by the real server's name, as the manifest has it.
    """
    begins = {_real_server_part(*keys_of(name)): weight for name, weight in weights.items()}
    lines = []
    for line in script.splitlines(keepends=True):
        weight = begins.get(_object_part(line))
        lines.append(line if weight is None else re.sub(r" -w \d+", f" -w {weight}", line, count=1))
    return "".join(lines)


def made(table: Table, record: str) -> frozenset[str]:
    """The names of those objects of a table that the script has added, as the manifest has them.

    :param record: what the script has recorded.
    """
    begins = {_object_part(line) for line in record.splitlines()}
    found = {
        str(key) for key in table if _object_part(f"-A {rules.service_selector(key)}") in begins
    }
    found.update(
        real_server_name(key, server)
        for key, service in table.items()
        for server in service.real_servers
        if _real_server_part(key, server) in begins
    )
    return frozenset(found)


def _real_server_part(service: ServiceKey, real_server: RealServerKey) -> str:
    return f"-a {rules.service_selector(service)} -r {real_server}"


def _object_part(line: str) -> str:
    """The beginning of a line, as far as it names the object."""
    for ending in (" -s ", " -m ", " -g ", " -i "):
        line = line.partition(ending)[0]
    return line
