# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parameters of a kernel module: the line of modprobe.d, and whether what is in force is something else. Pure.

A parameter such as ip_vs's conn_tab_bits is read when the module is loaded, and never again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..errors import InvalidInput
from ..net import is_whole

KIND = "kernel_module"
FOLDER = "/etc/modprobe.d"
FOLDERS = (
    FOLDER,
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
)
PARAMETERS = "/sys/module/{name}/parameters/{parameter}"
# The kernel takes 8 to 20, on 64 bits from 6.8 on up to 27 (net/netfilter/ipvs/Kconfig).
CONN_TAB_BITS = (8, 27)
_NAME = re.compile(r"[A-Za-z0-9_]+")


def check(name: str, params: Mapping[str, str]) -> None:
    """:raises InvalidInput: a name or value that would break the file, or that the kernel would correct."""
    for option, text in (("name", name), *(("params", parameter) for parameter in params)):
        if not _NAME.fullmatch(text):
            raise InvalidInput(
                f"module {name}",
                option,
                text,
                "is not a name",
                "use letters, digits and '_', as modinfo shows it",
            )
    for parameter, value in params.items():
        if not value or any(sign.isspace() or sign == "#" for sign in value):
            raise InvalidInput(
                f"module {name}", parameter, value, "is not a value", "write it without spaces"
            )
    bits = params.get("conn_tab_bits")
    if name == "ip_vs" and bits is not None:
        least, most = CONN_TAB_BITS
        if not is_whole(bits) or not least <= int(bits) <= most:
            raise InvalidInput(
                "module ip_vs",
                "conn_tab_bits",
                bits,
                "is not a size of the connection table",
                f"give the logarithm of the number of buckets, from {least} to {most} (12 is 4096)",
            )


def path(owner: str, name: str) -> str:
    """Where the file is."""
    return f"{FOLDER}/lvs.cluster-{owner}-{name}.conf"


def load_path(owner: str, name: str) -> str:
    """Where the file is that has it loaded at boot."""
    return f"/etc/modules-load.d/lvs.cluster-{owner}-{name}.conf"


def diff(name: str, verb: str) -> dict[str, str]:
    """Of loading it, or taking it out."""
    return {
        "before_header": "modules before",
        "after_header": "modules after",
        "before": f"{name}\n" if verb == "unload" else "",
        "after": f"{name}\n" if verb == "load" else "",
    }


def text(owner: str, name: str, params: Mapping[str, str]) -> str | None:
    """The file; None where there is nothing to say."""
    if not params:
        return None
    words = " ".join(f"{parameter}={params[parameter]}" for parameter in sorted(params))
    return f"# Of lvs.cluster, for owner {owner}; read when the module is loaded.\noptions {name} {words}\n"


def pending(params: Mapping[str, str], in_force: Mapping[str, str | None]) -> dict[str, str]:
    """What waits for the module to be loaded anew: parameter to the value in force.

    :param in_force: None for a parameter that can't be read, as of a module that is not loaded.
    """
    return {
        parameter: found
        for parameter, found in in_force.items()
        if found is not None and found.strip() != params.get(parameter)
    }


def contradictions(name: str, params: Mapping[str, str], others: Mapping[str, str]) -> list[str]:
    """Sentences about other files that set the same parameters otherwise.

    :param others: path to text.
    """
    found = []
    for file in sorted(others):
        for line in others[file].splitlines():
            words = line.split()
            if words[:2] != ["options", name]:
                continue
            for word in words[2:]:
                parameter, _equals, value = word.partition("=")
                if parameter in params and value != params[parameter]:
                    found.append(
                        f"{file} also sets {parameter}={value} for {name}, and only one of the two takes effect; "
                        "remove it there."
                    )
    return found
