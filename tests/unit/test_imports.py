# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The house of CONTRIBUTING.md: imports go downwards only, and those inside functions count too."""

from __future__ import annotations

import ast
import pathlib

import pytest

PLUGINS = pathlib.Path(__file__).parents[2] / "plugins"
COLLECTION = "ansible_collections.lvs.cluster.plugins"
UTILS, CONTROLLER = "module_utils", "plugin_utils"

# From the ground up. What shares a floor does not know of each other.
FLOORS = (
    ("module_utils.errors", "module_utils.values"),
    ("module_utils.net",),
    ("module_utils.host",),
    ("module_utils.engine",),
    ("module_utils.ipvs", "module_utils.kernel_module"),
    ("module_utils.network",),
    ("module_utils.keepalived", "module_utils.netfilter", "module_utils.sysctl"),
    ("module_utils.draining",),
    ("module_utils.kinds", "module_utils._runtime"),
    ("plugin_utils",),
    ("doc_fragments", "modules"),
    ("action", "filter"),
)
# Each file is a room of its own there: none imports another.
APART = ("modules", "action", "filter")
# Each kind of I/O is in one file.
IO = {
    f"module_utils.{name}"
    for name in (
        "host.commands",
        "host.files",
        "host.netns",
        "host.proc",
        "host.rollback",
        "host.session",
        "host.store",
        "ipvs.netlink",
        "keepalived.service",
        "kernel_module.modprobe",
        "netfilter.iptables",
        "network.devices",
        "network.iproute",
        "network.request",
        "network.rtnl",
        "network.wire",
    )
}
# What a program does with these is I/O.
IO_LIBRARIES = {"ctypes", "fcntl", "pyroute2", "select", "signal", "subprocess", "tempfile"}
# The I/O of another folder, and what for.
BORROWED = {
    ("draining.configuration", "keepalived.service"): "its file, where it owns the IPVS table",
    ("draining.kind", "ipvs.kind"): "the kernel's IPVS",
    ("keepalived.kind", "ipvs.kind"): "the IPVS table that keepalived makes",
    ("keepalived.kind", "network.iproute"): "the interfaces that have addresses, and who has them",
    ("keepalived.kind", "network.wire"): "whether another director has the addresses",
    ("network.devices", "kernel_module.modprobe"): "a tunnel needs the kernel module of its type",
    ("network.iproute", "kernel_module.modprobe"): "whether a tunnel's kernel module is available",
    ("netfilter.kind", "network.iproute"): "the addresses and interfaces that rules are about",
    ("sysctl.kind", "kernel_module.modprobe"): "some settings exist only once ip_vs is loaded",
    ("sysctl.kind", "network.iproute"): "the interface that has lvs_address",
}


def name_of(path):
    """A file's name as a module, without that of the collection; a package is called like its folder."""
    parts = path.relative_to(PLUGINS).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in sorted(PLUGINS.rglob("*.py"))}


def imported(path):
    """What a file imports: names of ours, and the first words of others'; those at its top, and all."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = path.parent.relative_to(PLUGINS).parts
    top, everything = set(), set()
    for node in ast.walk(tree):
        found = set()
        if isinstance(node, ast.Import):
            found = {_ours(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = package[: len(package) - node.level + 1] if node.level else ()
            module = _ours(".".join([*origin, *(node.module or "").split(".")]).strip("."))
            inside = {f"{module}.{alias.name}" for alias in node.names}
            found = (inside & set(FILES)) or {module}
        everything |= found
        if node in tree.body:
            top |= found
    return top, everything


def _ours(name):
    if name.startswith(f"{COLLECTION}."):
        return name[len(COLLECTION) + 1 :]
    return name if name.split(".")[0] in FOLDERS else name.split(".")[0]


FOLDERS = {name.split(".")[0] for name in FILES}
IMPORTS = {name: imported(path)[1] for name, path in FILES.items()}


def is_ours(name):
    return name.split(".")[0] in FOLDERS


def room_of(name):
    """(floor, room): where a file is in the house."""
    for floor, rooms in enumerate(FLOORS):
        for room in rooms:
            if name == room or name.startswith(f"{room}."):
                return floor, room
    raise AssertionError(f"{name} is on no floor")


def does_io(name, seen=frozenset()):
    """Whether a file does I/O, by itself or by what it imports."""
    return name in IO or any(
        does_io(other, seen | {name}) for other in IMPORTS.get(name, ()) if other not in seen
    )


def folder_of(name):
    return ".".join(name.split(".")[:2])


@pytest.mark.parametrize("name", FILES)
def test_imports_go_downwards_only(name):
    floor, room = room_of(name)
    for other in filter(is_ours, IMPORTS[name]):
        its_floor, its_room = room_of(other)
        same_room = room == its_room and room not in APART
        assert its_floor < floor or same_room, other


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith(UTILS)])
def test_what_runs_on_a_host_needs_nothing_of_the_control_node(name):
    others = {other.split(".")[0] for other in IMPORTS[name]}
    assert not others & {CONTROLLER, "action", "filter", "modules"}
    assert "ansible" not in others or name == f"{UTILS}._runtime"


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("modules.")])
def test_a_module_needs_nothing_of_the_control_node(name):
    assert not [other for other in IMPORTS[name] if other.startswith(CONTROLLER)]


@pytest.mark.parametrize(
    "name", [name for name in FILES if name.split(".")[0] in (CONTROLLER, "action", "filter")]
)
def test_the_control_node_takes_only_what_is_pure_from_what_runs_on_a_host(name):
    borrowed = {other for other in IMPORTS[name] if other.startswith(UTILS)}
    assert {other for other in borrowed if does_io(other)} == set()


def test_a_module_that_does_not_need_ipvs_does_not_load_it():
    reached, new = set(), {f"{UTILS}._runtime"}
    while new:
        reached |= new
        new = {other for name in new for other in IMPORTS[name] if other in FILES} - reached
    assert [name for name in reached if name.startswith(f"{UTILS}.ipvs")] == []


def test_each_kind_of_io_is_in_one_file():
    assert set(FILES) >= IO
    assert {name for name in FILES if IMPORTS[name] & IO_LIBRARIES} <= IO


def test_pyroute2_is_imported_where_and_when_it_is_used():
    users = {name for name in FILES if "pyroute2" in IMPORTS[name]}
    assert users == {"module_utils.network.devices", "module_utils.network.rtnl"}
    assert [name for name in users if "pyroute2" in imported(FILES[name])[0]] == []


def test_the_io_of_another_folder_is_borrowed_for_a_reason():
    shared = (f"{UTILS}.host", f"{UTILS}.engine", f"{UTILS}.kinds")
    found = {
        (name[len(UTILS) + 1 :], other[len(UTILS) + 1 :])
        for name in FILES
        if name.startswith(f"{UTILS}.") and not name.startswith(shared)
        for other in IMPORTS[name] & (IO | {name for name in FILES if name.endswith(".kind")})
        if folder_of(other) not in (folder_of(name), f"{UTILS}.host")
    }
    assert found == set(BORROWED)
