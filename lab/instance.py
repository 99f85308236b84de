# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab by its name: brought up, used, set back, taken down."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import machine, process, qmp, switch
from lab.accel import Accelerator, choose
from lab.cache import cache_folder, discard, locked, sweep, write_atomically
from lab.capture import Capture, set_aside
from lab.clock import set_clock
from lab.errors import LabError
from lab.host import environment, last_lines, run
from lab.image import DEFAULT_KERNEL, RELEASES, Image, ensure_image
from lab.inventory import inventory, to_yaml
from lab.progress import Progress
from lab.snapshot import Booter, Snapshot
from lab.ssh import KeyStore, Shell
from lab.topology import NodeSpec, Topology, load_topology, parse_topology, valid_name

_RESTORE_SECONDS = 120.0


@dataclass(frozen=True)
class Node:
    """A machine of a running lab."""

    spec: NodeSpec
    port: int

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(str(address) for address in self.spec.addresses)


class Lab:
    """A running lab. ``Lab.open`` finds one, ``Lab.up`` brings one up."""

    def __init__(self, folder: Path, state: Mapping[str, Any]) -> None:
        self._folder = folder
        self._state = state
        self._run = Path(state["run"])
        self._shell = Shell(self._run)
        self.name = folder.name
        self.topology = parse_topology(
            state["topology_text"], state["topology"], f"{state['topology']}.yml"
        )
        self.nodes: Mapping[str, Node] = {
            name: Node(spec, state["ports"][name]) for name, spec in self.topology.nodes.items()
        }

    # Finding and making labs

    @classmethod
    def open(cls, name: str = "quickstart") -> Lab:
        """The running lab of that name."""
        lab = cls.find(name)
        if lab is None or not lab._state.get("ready"):
            raise LabError(f"the lab {name} is not running; start it with: {_up_command(name)}")
        dead = [node for node, state in lab.states().items() if state == "dead"]
        if dead:
            raise LabError(
                f"in the lab {name}, {', '.join(dead)} is no longer running; bring it back with: "
                f"python -m lab --name {name} reset"
            )
        return lab

    @classmethod
    def find(cls, name: str) -> Lab | None:
        """The lab of that name, be it healthy or not; None where there is none."""
        try:
            return cls.at(_folder(name))
        except (OSError, ValueError, KeyError):
            return None

    @classmethod
    def at(cls, folder: Path) -> Lab:
        """The lab whose files are in a folder.

        :raises OSError: there is none.
        """
        return cls(folder, json.loads((folder / "state.json").read_text()))

    @classmethod
    def up(
        cls,
        topology: str = "quickstart",
        *,
        name: str | None = None,
        release: str = "bookworm",
        kernel: str = DEFAULT_KERNEL,
        accel: str = "auto",
        progress: Progress | None = None,
    ) -> Lab:
        """A running lab of that topology: one that runs already, or one brought up now."""
        progress = progress or Progress(quiet=True)
        declared = load_topology(topology)
        name = name or declared.name
        if release not in RELEASES:
            raise LabError(f"there is no release {release!r}; use one of: {', '.join(RELEASES)}")
        folder = _folder(name)
        with _lock(name, progress):
            running = cls.find(name)
            if running is not None and running._alive():
                running._must_be(declared, release, kernel, accel)
                progress(f"the lab {name} is running already")
                return running
            _clean(folder)
            try:
                return _Start(folder, declared, release, kernel, accel, progress).run()
            except BaseException:
                progress("cleaning up")
                _clean(folder)
                raise

    def _alive(self) -> bool:
        return bool(self._state.get("ready")) and "dead" not in self.states().values()

    def _must_be(self, topology: Topology, release: str, kernel: str, accel: str) -> None:
        wanted = {"release": release, "kernel": kernel, "topology_text": topology.text}
        if accel != "auto":
            wanted["accel"] = accel
        other = [key for key, value in wanted.items() if self._state[key] != value]
        if other:
            names = ", ".join(key.replace("_text", "") for key in other)
            raise LabError(
                f"the lab {self.name} is already running with another {names}; take it down "
                f"first (python -m lab --name {self.name} down), or give this one a --name"
            )

    # Using a lab

    def ssh(
        self,
        node: str,
        command: Sequence[str] | str,
        *,
        check: bool = True,
        input: str | None = None,
        timeout: float | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a machine: a list of words, or a string for the machine's shell."""
        line = command if isinstance(command, str) else shlex.join(command)
        done = self._remote(node, line, None if input is None else input.encode(), timeout)
        result = subprocess.CompletedProcess(
            command,
            done.returncode,
            done.stdout.decode("utf-8", "replace"),
            done.stderr.decode("utf-8", "replace"),
        )
        if check and result.returncode != 0:
            output = (result.stderr or result.stdout).strip()
            raise LabError(f"{node}: {line}: exit code {result.returncode}: {output}")
        return result

    def push(self, node: str, source: Path | str | bytes, target: str) -> None:
        """Unpack a local folder, or a tar archive given as bytes, into a folder of a machine."""
        data = source if isinstance(source, bytes) else _tar(Path(source))
        folder = shlex.quote(target)
        line = f"mkdir -p {folder} && tar -C {folder} --no-same-owner -xf -"
        done = self._remote(node, line, data, None)
        if done.returncode != 0:
            message = done.stderr.decode("utf-8", "replace").strip()
            raise LabError(f"{node}: cannot unpack into {target}: {message}")

    def capture(self, node: str, interface: str = "eth1", *, since_start: bool = False) -> Capture:
        """What a card of a machine sees from now on, or has seen since the lab came up.

        A recording continues when the machine boots.
        """
        cards = [f"eth{number}" for number, _nic in enumerate(self._node(node).spec.nics, 1)]
        if interface not in cards:
            raise LabError(f"{node} has no card {interface}; its cards: {', '.join(cards)}")
        path = self._folder / f"{node}-{interface}.pcap"
        return Capture(path, 0 if since_start else None)

    def reset(self, progress: Progress | None = None) -> None:
        """All machines back to the moment after boot, at once; returns when all answer."""
        progress = progress or Progress(quiet=True)
        with _lock(self.name, progress):
            self._shell.forget(self.nodes)
            # A keeper that was about to boot its machine would end it right after the restore.
            process.stop(self._folder, only=_is_keeper)
            states = self.states()

            def restore(node: Node, cancelled: threading.Event) -> None:
                if states[node.name] in ("running", "paused"):
                    socket = self._socket(node.name)
                    qmp.monitor(socket, f"loadvm {machine.SNAPSHOT}")
                    qmp.execute(socket, ("cont", {}))
                else:
                    self.end(node.name)
                    self._start(node, restore=True)
                self._keep(node.name)
                self._greet(node, cancelled)

            for role in {f"{switch.ROLE}:{segment}" for segment in self.topology.segments}:
                if role not in {found.role for found in process.marked(self._folder)}:
                    raise LabError(
                        f"the {role} of the lab {self.name} has died; take the lab down and up: "
                        f"python -m lab --name {self.name} down"
                    )
            in_parallel(self.nodes.values(), restore)
            progress(f"the lab {self.name} is as after boot")

    def freeze(self, node: str) -> None:
        """Stop a machine in the middle of what it does: it answers nothing, as if it were dead.

        The open connections to it are closed, because a command on one would wait forever.
        """
        self._shell.forget([self._node(node).name])
        self._control(node, "stop")

    def thaw(self, node: str) -> None:
        """Let a frozen machine go on where it was, and tell it the time."""
        self._control(node, "cont")
        self._greet(self._node(node), threading.Event())

    def crash(self, node: str) -> None:
        """Take a machine's power away and give it back at once, frozen or not: it boots anew."""
        self._shell.forget([self._node(node).name])
        self._stop(_keeper(node))
        self.end(node)
        self.boot(node)
        self._keep(node)

    def down(self, progress: Progress | None = None) -> None:
        """Take the lab down; what it had is gone, the cache remains."""
        take_down(self.name, progress)

    def states(self) -> dict[str, str]:
        """Of each node: running, paused, ..., booting or dead."""
        living = {found.role for found in process.marked(self._folder)}
        states = {}
        for name in self.nodes:
            states[name] = "booting" if _keeper(name) in living else "dead"
            if name in living:
                try:
                    states[name] = qmp.status(self._socket(name))
                except LabError:
                    states[name] = "silent"
        return states

    def setting(self, key: str) -> str:
        """What the lab was brought up with: release, kernel, kernel_version, accel."""
        return str(self._state[key])

    def inventory(self) -> str:
        """The Ansible inventory, as YAML."""
        return to_yaml(
            inventory(
                self.topology,
                {name: node.port for name, node in self.nodes.items()},
                key=str(self._shell.key),
                sharing=self._shell.sharing_options(),
                options=self._shell.identity_options,
            )
        )

    def ssh_command(self, node: str) -> list[str]:
        """The command line that logs in to a machine."""
        return self._shell.command(node, self._node(node).port)

    # For the keepers of its machines

    def events(self, node: str) -> Path:
        """Where a machine's QEMU reports to its keeper that the machine reboots or powers off."""
        return self._run / f"{node}.events"

    def end(self, node: str) -> None:
        """End a machine's QEMU, if it runs, and wait for that."""
        self._stop(node)

    def boot(self, node: str) -> None:
        """Start a machine whose QEMU has ended; from its disk, as it is."""
        self._start(self._node(node), restore=False)

    # Inside

    def _node(self, name: str) -> Node:
        if name not in self.nodes:
            known = ", ".join(self.nodes)
            raise LabError(f"the lab {self.name} has no node {name}; its nodes: {known}")
        return self.nodes[name]

    def _control(self, node: str, *commands: str) -> None:
        qmp.execute(self._socket(self._node(node).name), *((command, {}) for command in commands))

    def _socket(self, node: str) -> Path:
        return self._run / f"{node}.qmp"

    def _clock(self, node: str) -> Path:
        return self._run / f"{node}.clock"

    def _remote(
        self, node: str, line: str, data: bytes | None, timeout: float | None
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*self.ssh_command(node), line],
            env=environment(),
            input=data or b"",
            capture_output=True,
            timeout=timeout,
            check=False,
        )

    def _places(self, node: Node) -> machine.Places:
        snapshot = Snapshot(Path(self._state["snapshots"][node.name]))
        nics = node.spec.nics
        return machine.Places(
            disk=self._folder / f"{node.name}.qcow2",
            kernel=Path(self._state["vmlinuz"]),
            initrd=snapshot.initrd,
            socket=self._socket(node.name),
            clock=self._clock(node.name),
            console=self._folder / f"{node.name}.console",
            log=self._folder / f"{node.name}.log",
            captures=tuple(
                self._folder / f"{node.name}-eth{number}.pcap"
                for number, _nic in enumerate(nics, 1)
            ),
            hubs=tuple(switch.socket_folder(self._run, nic.segment) for nic in nics),
            events=self.events(node.name),
        )

    def _start(self, node: Node, *, restore: bool) -> None:
        """Start a machine: out of the snapshot in its own disk, or by booting it."""
        places = self._places(node)
        for path in places.captures:
            set_aside(path)
        accelerator = Accelerator(self._state["accel"])
        line = machine.command(node.spec, accelerator, places, node.port, restore=restore)
        machine.start(line, places, owner=self._folder, role=node.name)

    def _stop(self, role: str) -> None:
        """End the lab's process of a role, if it runs, and wait for that."""
        process.stop(self._folder, only=lambda each: each == role)

    def _keep(self, node: str) -> None:
        """Start the keeper of a machine."""
        process.start(
            [sys.executable, "-m", "lab.keeper", str(self._folder.absolute()), node],
            owner=self._folder,
            role=_keeper(node),
            log=self._folder / f"{node}.keeper",
            folder=Path(__file__).parents[1],
        )

    def _greet(self, node: Node, cancelled: threading.Event) -> None:
        """Wait for a restored machine, and tell it the time, which stood still for it."""

        def check() -> None:
            if cancelled.is_set():
                raise LabError(f"{node.name}: given up")

        try:
            set_clock(self._clock(node.name), seconds=_RESTORE_SECONDS, check=check)
        except LabError as error:
            log = last_lines(self._folder / f"{node.name}.log")
            console = last_lines(self._folder / f"{node.name}.console")
            raise LabError(
                f"{node.name}: {error}\nQEMU's log:\n{log}\nThe console:\n{console}"
            ) from None


class _Start:
    """Bringing a lab up, step by step."""

    def __init__(
        self,
        folder: Path,
        topology: Topology,
        release: str,
        kernel: str,
        accel: str,
        progress: Progress,
    ) -> None:
        self._folder = folder
        self._topology = topology
        self._release = release
        self._kernel = kernel
        self._accel = accel
        self._progress = progress
        self._cache = cache_folder()
        self._run = _run_folder(folder)

    def run(self) -> Lab:
        self._folder.mkdir(parents=True, exist_ok=True)
        _make_private(self._run)
        image = ensure_image(self._cache, self._release, self._kernel, self._progress)
        accelerator = choose(self._cache, self._accel, image, self._progress)
        nodes = self._topology.nodes
        Shell(self._run).prepare(KeyStore(self._cache), nodes)
        ports = dict(zip(nodes, _free_ports(len(nodes)), strict=True))
        snapshots = self._snapshots(image, accelerator, ports)
        lab = self._write_state(image, accelerator, ports, snapshots, ready=False)
        for segment in self._topology.segments:
            cards = sum(nic.segment == segment for node in nodes.values() for nic in node.nics)
            switch.start_hub(self._run, segment, cards, owner=self._folder)
        self._progress(f"restoring {len(nodes)} machines")

        def restore(node: Node, cancelled: threading.Event) -> None:
            # The lab's own copy: what its machines write must not reach the cache.
            copy = str(self._folder / f"{node.name}.qcow2")
            source = str(snapshots[node.name].disk)
            run(["cp", "--reflink=auto", "--sparse=auto", source, copy])
            lab._start(node, restore=True)
            lab._keep(node.name)
            lab._greet(node, cancelled)

        in_parallel(lab.nodes.values(), restore)
        lab = self._write_state(image, accelerator, ports, snapshots, ready=True)
        self._progress(f"the lab {lab.name} is up")
        return lab

    def _snapshots(
        self, image: Image, accelerator: Accelerator, ports: Mapping[str, int]
    ) -> dict[str, Snapshot]:
        booter = Booter(
            cache=self._cache,
            run=self._run,
            topology=self._topology,
            image=image,
            accelerator=accelerator,
            progress=self._progress,
        )
        found: dict[str, Snapshot] = {}

        def ensure(node: NodeSpec, cancelled: threading.Event) -> None:
            found[node.name] = booter.ensure(node, ports[node.name], cancelled)
            os.utime(found[node.name].folder)

        in_parallel(self._topology.nodes.values(), ensure)
        os.utime(image.folder)
        return found

    def _write_state(
        self,
        image: Image,
        accelerator: Accelerator,
        ports: Mapping[str, int],
        snapshots: Mapping[str, Snapshot],
        *,
        ready: bool,
    ) -> Lab:
        state = {
            "ready": ready,
            "topology": self._topology.name,
            "topology_text": self._topology.text,
            "release": self._release,
            "kernel": self._kernel,
            "kernel_version": image.kernel_version,
            "accel": accelerator.name,
            "run": str(self._run),
            "image": str(image.folder),
            "vmlinuz": str(image.vmlinuz),
            "ports": dict(ports),
            "snapshots": {name: str(item.folder) for name, item in snapshots.items()},
        }
        text = json.dumps(state, indent=2) + "\n"
        write_atomically(self._folder / "state.json", text.encode())
        return Lab(self._folder, state)


def take_down(name: str, progress: Progress | None = None) -> None:
    """Take a lab down, in whatever state it is, also where there is none."""
    progress = progress or Progress(quiet=True)
    with _lock(name, progress):
        _clean(_folder(name))
    sweep(cache_folder())
    progress(f"the lab {name} is down")


def lab_names() -> list[str]:
    """All labs of which anything is there."""
    try:
        entries = sorted((cache_folder() / "labs").iterdir())
    except OSError:
        return []
    return [entry.name for entry in entries if entry.is_dir() and valid_name(entry.name)]


def in_parallel(items: Iterable[Any], work: Callable[[Any, threading.Event], None]) -> None:
    """Do the work for all items at once; the first failure tells the others to give up."""
    cancelled = threading.Event()
    items = list(items)
    with ThreadPoolExecutor(max(1, len(items))) as pool:
        try:
            for done in as_completed([pool.submit(work, item, cancelled) for item in items]):
                done.result()
        except BaseException:
            cancelled.set()
            raise


def _keeper(node: str) -> str:
    """The role of the process that boots a machine again."""
    return f"keeper:{node}"


def _is_keeper(role: str) -> bool:
    return role.startswith(_keeper(""))


def _up_command(name: str) -> str:
    return f"python -m lab --name {name} up" if name != "quickstart" else "python -m lab up"


def _folder(name: str) -> Path:
    if not valid_name(name):
        raise LabError(
            f"{name!r} cannot name a lab; use at most 20 lower-case letters, digits and hyphens, "
            "beginning with a letter"
        )
    return cache_folder() / "labs" / name


def _lock(name: str, progress: Progress) -> Any:
    path = cache_folder() / "labs" / ".locks" / name
    return locked(path, lambda: progress(f"another command works on the lab {name}; waiting"))


def _run_folder(folder: Path) -> Path:
    """Sockets lie here, for their paths must be short. Labs of other caches have other folders."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    base = Path(runtime) / "lvs-lab" if runtime else Path(f"/tmp/lvs-lab-{os.getuid()}")
    tag = hashlib.sha256(os.fsencode(folder)).hexdigest()[:6]
    run = base / f"{folder.name}-{tag}"
    if len(os.fsencode(run)) > 60:
        raise LabError(f"{run} is too long for sockets; set XDG_RUNTIME_DIR to a shorter folder")
    return run


def _make_private(run: Path) -> None:
    for folder in (run.parent, run):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
        if status.st_uid != os.getuid() or folder.is_symlink():
            raise LabError(f"{folder} is not yours; remove it, or set XDG_RUNTIME_DIR")
        folder.chmod(0o700)


def _clean(folder: Path) -> None:
    """End what belongs to a lab, and remove its files; nothing of it may be missed."""
    runs = {_run_folder(folder)}
    lab = Lab.find(folder.name)
    if lab is not None:
        runs.add(lab._run)
    for run_folder in runs:
        if run_folder.is_dir():
            Shell(run_folder).forget(
                path.name.removeprefix("ssh-") for path in run_folder.glob("ssh-*")
            )
    # No keeper may start a machine while the machines end.
    process.stop(folder, only=_is_keeper)
    discard(folder)
    for run_folder in runs:
        shutil.rmtree(run_folder, ignore_errors=True)


def _free_ports(count: int) -> list[int]:
    """Ports nobody listens on; all are held until all are found, so that they differ."""
    holders = [socket.socket() for _port in range(count)]
    try:
        for holder in holders:
            holder.bind(("127.0.0.1", 0))
        return [holder.getsockname()[1] for holder in holders]
    finally:
        for holder in holders:
            holder.close()


def _tar(folder: Path) -> bytes:
    if not folder.is_dir():
        raise LabError(f"{folder} is not a folder; give a folder, or a tar archive as bytes")

    def wanted(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if Path(member.name).name == "__pycache__" else member

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(folder, arcname=".", filter=wanted)
    return buffer.getvalue()
