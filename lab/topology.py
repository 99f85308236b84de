# SPDX-License-Identifier: GPL-3.0-or-later
"""Topologies: what a data file says, checked, as immutable values. Pure, but for reading a file."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.errors import LabError

_LAB = Path(__file__).parent
# A scenario of molecule keeps its topology in its own folder, in a file of this name.
_SCENARIOS = _LAB.parent / "molecule"
_SCENARIO_FILE = "topology.yml"
DEFAULT_MEMORY = 384
MANAGEMENT = ipaddress.ip_network("10.0.2.0/24")

# Names become host names, file names and parts of socket paths, and those are short.
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?")
_GROUP = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNIT = re.compile(r"[A-Za-z0-9@._-]+")

Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Nic:
    """A network card: its segment, its addresses, the way out of its networks, other ways from there."""

    segment: str
    addresses: tuple[Interface, ...]
    gateways: tuple[Address, ...] = ()
    routes: tuple[tuple[Network, Address], ...] = ()


@dataclass(frozen=True)
class NodeSpec:
    """One machine, as declared. ``number`` is its place in the file, from 1; a router forwards."""

    name: str
    number: int
    nics: tuple[Nic, ...]
    groups: tuple[str, ...]
    services: tuple[str, ...]
    variables: Mapping[str, Any]
    memory: int
    cpus: int
    router: bool = False

    @property
    def addresses(self) -> tuple[Interface, ...]:
        return tuple(address for nic in self.nics for address in nic.addresses)

    @property
    def main_address(self) -> str | None:
        """The address that the other nodes know it by."""
        declared = self.variables.get("lvs_address")
        if isinstance(declared, list):
            declared = declared[0] if declared else None
        if declared is not None:
            return str(declared).partition("/")[0]
        return str(self.addresses[0].ip) if self.addresses else None


@dataclass(frozen=True)
class Topology:
    """A whole laboratory, as declared."""

    name: str
    segments: tuple[str, ...]
    nodes: Mapping[str, NodeSpec]
    text: str


def topology_files() -> dict[str, Path]:
    """The topologies that can be given by name: the lab's own, and those of molecule's scenarios."""
    files = [*_LAB.glob("topologies/*.yml"), *_SCENARIOS.glob(f"*/{_SCENARIO_FILE}")]
    return {_name_of(file): file for file in sorted(files, key=_name_of)}


def _name_of(file: Path) -> str:
    return file.absolute().parent.name if file.name == _SCENARIO_FILE else file.stem


def topology_file(given: str) -> Path:
    """The file of a topology given by its name or by a path."""
    is_path = "/" in given or given.endswith((".yml", ".yaml"))
    path = Path(given) if is_path else topology_files().get(given)
    if path is None or not path.is_file():
        known = ", ".join(topology_files())
        raise LabError(f"there is no topology {given}; give a path to a file, or one of: {known}")
    return path


def load_topology(given: str) -> Topology:
    path = topology_file(given)
    name = _name_of(path)
    source = path.name if name == path.stem else f"{name}/{path.name}"
    return parse_topology(path.read_text(), name, source)


def valid_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def parse_topology(text: str, name: str, source: str) -> Topology:
    """Check a topology; every complaint names the file, the node, the value and the remedy."""
    try:
        data = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise LabError(f"{source}: not valid YAML: {' '.join(str(error).split())}") from None
    top = _Reader(source, data)
    top.only("segments", "nodes", "memory")
    if not valid_name(name):
        raise top.error(f"{name!r} cannot name a topology; {_NAME_RULE}")
    segments = top.words("segments", _NAME, _NAME_RULE)
    memory = top.number("memory", DEFAULT_MEMORY, 128, 65536)
    declared = top.mapping("nodes")
    if not declared:
        raise top.error("it declares no nodes; name at least one under 'nodes'")
    nodes = {}
    owners: dict[str, str] = {}
    for number, (node, value) in enumerate(declared.items(), 1):
        if not isinstance(node, str) or not valid_name(node):
            raise top.error(f"{node!r} cannot name a node; {_NAME_RULE}")
        reader = _Reader(f"{source}: node {node}", value)
        nodes[node] = _node(reader, node, number, segments, memory)
        for address in nodes[node].addresses:
            owner = owners.setdefault(str(address.ip), node)
            if owner != node or [a.ip for a in nodes[node].addresses].count(address.ip) > 1:
                raise reader.error(
                    f"the address {address.ip} is already that of {owner}; give each its own"
                )
    return Topology(name, segments, nodes, text)


_NAME_RULE = "use at most 20 lower-case letters, digits and hyphens, beginning with a letter"


def _node(
    reader: _Reader, name: str, number: int, segments: tuple[str, ...], memory: int
) -> NodeSpec:
    reader.only("nics", "groups", "services", "vars", "memory", "cpus", "router")
    variables = reader.mapping("vars")
    for variable in variables:
        if not isinstance(variable, str) or not _GROUP.fullmatch(variable):
            raise reader.error(f"{variable!r} cannot name a variable; use a Python identifier")
    return NodeSpec(
        name=name,
        number=number,
        nics=tuple(_nic(nic, segments) for nic in reader.items("nics")),
        groups=reader.words("groups", _GROUP, "use letters, digits and underscores"),
        services=reader.words("services", _UNIT, "give a systemd unit such as nginx"),
        variables=variables,
        memory=reader.number("memory", memory, 128, 65536),
        cpus=reader.number("cpus", 1, 1, 64),
        router=reader.truth("router"),
    )


def _nic(reader: _Reader, segments: tuple[str, ...]) -> Nic:
    reader.only("segment", "addresses", "gateway", "routes")
    segment = reader.get("segment")
    if segment not in segments:
        known = ", ".join(segments) or "none"
        raise reader.error(
            f"there is no segment {segment!r}; list it under 'segments' (there: {known})"
        )
    addresses = tuple(_interface(reader, value) for value in reader.sequence("addresses"))
    value = reader.get("gateway")
    gateways = value if isinstance(value, list) else [] if value is None else [value]
    return Nic(
        segment,
        addresses,
        tuple(_gateway(reader, g, addresses) for g in gateways),
        tuple(_route(reader, to, via, addresses) for to, via in reader.mapping("routes").items()),
    )


def _route(
    reader: _Reader, to: object, via: object, addresses: tuple[Interface, ...]
) -> tuple[Network, Address]:
    try:
        network = ipaddress.ip_network(str(to))
    except ValueError:
        raise reader.error(
            f"the route to {to!r} is to no network; write one such as 192.168.1.0/24"
        ) from None
    return network, _gateway(reader, via, addresses)


def _interface(reader: _Reader, value: object) -> Interface:
    wrong = f"{value!r} is not an address in CIDR form; write one such as 192.168.0.107/25"
    if not isinstance(value, str) or "/" not in value:
        raise reader.error(wrong)
    try:
        interface = ipaddress.ip_interface(value)
    except ValueError:
        raise reader.error(wrong) from None
    if interface.network.overlaps(MANAGEMENT):
        raise reader.error(
            f"{value} overlaps the management network {MANAGEMENT}; take another network"
        )
    return interface


def _gateway(reader: _Reader, value: object, addresses: tuple[Interface, ...]) -> Address:
    try:
        gateway = ipaddress.ip_address(str(value))
    except ValueError:
        raise reader.error(
            f"the gateway {value!r} is not an address; write one such as 192.168.0.104"
        ) from None
    if not any(gateway in address.network for address in addresses):
        networks = ", ".join(str(address.network) for address in addresses) or "none"
        raise reader.error(
            f"the gateway {gateway} is on none of the card's networks ({networks}); "
            "take one that is, or add an address of its network"
        )
    return gateway


class _Reader:
    """A mapping of the file, together with the words that say where it is."""

    def __init__(self, where: str, data: object) -> None:
        self._where = where
        if data is None:
            data = {}
        if not isinstance(data, dict):
            raise self.error("here must be a mapping of keys to values")
        self._data: dict[Any, Any] = data

    def error(self, message: str) -> LabError:
        return LabError(f"{self._where}: {message}")

    def only(self, *keys: str) -> None:
        for key in self._data:
            if key not in keys:
                raise self.error(f"the key {key!r} is unknown; use one of: {', '.join(keys)}")

    def get(self, key: str) -> object:
        return self._data.get(key)

    def mapping(self, key: str) -> dict[Any, Any]:
        return _Reader(f"{self._where}: {key}", self.get(key))._data

    def sequence(self, key: str) -> list[Any]:
        value = self.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.error(f"{key!r} is {value!r}; write a list, such as [{value}]")
        return value

    def items(self, key: str) -> list[_Reader]:
        return [
            _Reader(f"{self._where}: {key}[{index}]", value)
            for index, value in enumerate(self.sequence(key))
        ]

    def words(self, key: str, pattern: re.Pattern[str], remedy: str) -> tuple[str, ...]:
        words = self.sequence(key)
        for word in words:
            if not isinstance(word, str) or not pattern.fullmatch(word):
                raise self.error(f"{word!r} does not do in {key!r}; {remedy}")
            if words.count(word) > 1:
                raise self.error(f"{word!r} stands twice in {key!r}; remove one")
        return tuple(words)

    def truth(self, key: str) -> bool:
        value = self._data.get(key, False)
        if not isinstance(value, bool):
            raise self.error(f"{key!r} is {value!r}; write true or false")
        return value

    def number(self, key: str, default: int, least: int, most: int) -> int:
        value = self._data.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.error(f"{key!r} is {value!r}; write a whole number from {least} to {most}")
        return value


class _Loader(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error, not a silent loss."""


def _mapping_without_doubles(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen = set()
    for key_node, _value in node.value:
        key = loader.construct_object(key_node)
        if key in seen:
            line = key_node.start_mark.line + 1
            raise yaml.YAMLError(f"{key!r} stands twice (line {line}); rename or remove one")
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping_without_doubles)
