# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A table as the shell script that puts it back at boot, by ``ipvsadm`` and without Python. Pure.

``ipvsadm --restore`` reports the failure of its last line only. So the script gives it what is missing
and then looks whether all of it stands. It compares what names an object, with scheduler, forwarding
method and weight: the kernel takes an object whole or not at all, and of the rest ``ipvsadm --save``
forgets some (thresholds, flag-3, an IPv6 mask) and renames some. A firewall mark of 2^31 or more it writes
as a negative number.
"""

from __future__ import annotations

from collections.abc import Iterable

from . import rules
from .model import Service

_SCRIPT = """\
wanted() {{
  cat <<'END'
{lines}
END
}}
# The wanted lines that do not stand yet.
missing() {{
  {{ ipvsadm --save --numeric; echo '# wanted'; wanted; }} | awk '
    function core(line) {{ sub(/ (-[pMobxy]|--pe|--tun-).*/, "", line); return line }}
    $0 == "# wanted" {{ wanted = 1; next }}
    !wanted {{ stands[core($0)] = 1; next }}
    {{
      line = core($0)
      if ($2 == "-f" && $3 >= 2147483648)
        sub(/-f [0-9]+/, sprintf("-f %.0f", $3 - 4294967296), line)
      if (!(line in stands)) print
    }}'
}}
command -v ipvsadm > /dev/null || {{ echo "ipvsadm is not installed" >&2; exit 1; }}
todo=$(missing)
[ -z "$todo" ] && exit 0
printf '%s\\n' "$todo" | ipvsadm --restore
todo=$(missing)
[ -z "$todo" ] && exit 0
printf 'not restored: %s\\n' "$todo" >&2
exit 1
"""


def script_body(services: Iterable[Service]) -> str | None:
    """The commands; None for an empty table."""
    ordered = sorted(services, key=lambda service: service.key.sort_key)
    lines = [line for service in ordered for line in rules.service_lines(service)]
    return _SCRIPT.format(lines="\n".join(lines)) if lines else None
