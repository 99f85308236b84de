# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests inside a lab machine share: modules called in process, and independent readers.

Without pytest, whose import takes longer there than most tests.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import pathlib
import subprocess

from ansible.module_utils.testing import patch_module_args

STATE = pathlib.Path("/var/lib/lvs.cluster")
VIP = "10.99.0.100"
WEB = {"address": VIP, "port": 80, "protocol": "tcp"}


class ModuleFailed(Exception):
    """A module ended by fail_json."""

    def __init__(self, result):
        self.result = result
        super().__init__(result["msg"])


def sh(*words, check=True, stdin=None):
    """A command's output."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, input=stdin)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(words)}: {done.returncode}: {done.stderr}")
    return done.stdout


def run_module(module_name, check=False, **params):
    """Call a module's main() as Ansible would, and return what it printed."""
    main = importlib.import_module(
        f"ansible_collections.lvs.cluster.plugins.modules.{module_name}"
    ).main
    output = io.StringIO()
    arguments = {**params, "_ansible_check_mode": check, "_ansible_diff": True}
    quietly = contextlib.suppress(SystemExit)
    with patch_module_args(arguments), contextlib.redirect_stdout(output), quietly:
        main()
    result = json.loads(output.getvalue())
    if result.get("failed"):
        raise ModuleFailed(result)
    return result


def four_steps(module_name, look=None, **params):
    """Check mode reports it and changes nothing; applying does it; applying again changes nothing;
    and check mode's diff is the real one. Returns what applying returned.

    :param look: reads what the module is about, independently of it; the IPVS table where it is None.
    """
    look = look or saved
    before = look(), our_files()
    checked = run_module(module_name, check=True, **params)
    assert (look(), our_files()) == before, "check mode changed something"
    done = run_module(module_name, **params)
    assert checked["changed"]
    assert done["changed"]
    assert done["diff"] == checked["diff"]
    assert done["operations"] == checked["operations"]
    after = look(), our_files()
    again = run_module(module_name, **params)
    assert not again["changed"]
    assert not again["operations"]
    shown = again["diff"] if isinstance(again["diff"], list) else [again["diff"]]
    assert not any(part["before"] or part["after"] for part in shown)
    assert (look(), our_files()) == after
    return done


def loaded_modules():
    """The kernel modules of IPVS that are loaded, those that use others first."""
    names = [line.split()[0] for line in pathlib.Path("/proc/modules").read_text().splitlines()]
    users = [name for name in names if name.startswith("ip_vs_") or name == "xt_ipvs"]
    return [*users, "ip_vs"]


@contextlib.contextmanager
def without_scheduler(name):
    """A kernel in which the module of a scheduler can't be loaded."""
    block = pathlib.Path(f"/etc/modprobe.d/no-{name}.conf")
    block.write_text(f"install ip_vs_{name} /bin/false\n")
    sh("modprobe", "--remove", f"ip_vs_{name}", check=False)
    try:
        yield
    finally:
        block.unlink()


def our_files():
    """Every file that bears our name, and what is in it: path to content, or to a link's target."""
    found = {}
    words = ["-path", "*lvs.cluster*", "(", "-type", "f", "-o", "-type", "l", ")"]
    for text in sh("find", "/etc", STATE, *words, check=False).splitlines():
        path = pathlib.Path(text)
        found[text] = f"-> {path.readlink()}" if path.is_symlink() else path.read_text()
    return found


def service(check=False, **params):
    return run_module("ipvs_service", check, **{"address": VIP, "port": 80, **params})


def real_server(address, check=False, **params):
    return run_module("ipvs_real_server", check, **{"service": WEB, "address": address, **params})


def saved():
    """The table as ipvsadm saves it, sorted, and its thresholds, which it does not save."""
    thresholds = [line.split() for line in sh("ipvsadm", "-Ln", "--thresholds").splitlines()[3:]]
    return table() + sorted(
        # The last two columns of a real server count its connections.
        " ".join(words[:4] if words[0] == "->" else words)
        for words in thresholds
    )


def table():
    """The table as ipvsadm saves it, sorted."""
    return sorted(sh("ipvsadm", "--save", "--numeric").splitlines())


def raw_dump(address=VIP, port=80, protocol=6):
    """A service and its real servers, as pyroute2 takes them off the wire: raw attributes."""
    from pyroute2 import IPVS, IPVSService  # noqa: PLC0415  (dear to import; few tests need it)

    def plain(message, nest, prefix):
        attributes = message.get_attr(nest)["attrs"]
        return {name[len(prefix) :]: value for name, value in attributes if "STATS" not in name}

    with IPVS() as ipvs:
        services = [
            plain(message, "IPVS_CMD_ATTR_SERVICE", "IPVS_SVC_ATTR_")
            for message in ipvs.service("dump")
        ]
        wanted = IPVSService(addr=address, port=port, protocol=protocol)
        real_servers = [
            plain(message, "IPVS_CMD_ATTR_DEST", "IPVS_DEST_ATTR_")
            for message in ipvs.dest("dump", service=wanted)
        ]
    return services, real_servers


class _Named:
    """A service as pyroute2 asks for its real servers, named by what it has read of it."""

    def __init__(self, attributes):
        names = ("AF", "FWMARK") if "FWMARK" in attributes else ("AF", "PROTOCOL", "ADDR", "PORT")
        self._attributes = [[f"IPVS_SVC_ATTR_{name}", attributes[name]] for name in names]

    def dump_key(self):
        return {"attrs": self._attributes}


def raw_table():
    """The whole table as pyroute2 takes it off the wire: raw attributes, without what is counted."""
    from pyroute2 import IPVS  # noqa: PLC0415  (dear to import; few tests need it)

    def plain(message, nest, prefix):
        attributes = message.get_attr(nest)["attrs"]
        return {name[len(prefix) :]: value for name, value in attributes if "STATS" not in name}

    found = []
    with IPVS() as ipvs:
        for message in list(ipvs.service("dump")):
            service = plain(message, "IPVS_CMD_ATTR_SERVICE", "IPVS_SVC_ATTR_")
            servers = [
                plain(server, "IPVS_CMD_ATTR_DEST", "IPVS_DEST_ATTR_")
                for server in ipvs.dest("dump", service=_Named(service))
            ]
            found.append(repr((service, sorted(map(repr, servers)))))
    return sorted(found)


def claims(owner="default"):
    path = STATE / f"{owner}.json"
    return json.loads(path.read_text())["claims"] if path.exists() else {}
