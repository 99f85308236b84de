# SPDX-License-Identifier: GPL-3.0-or-later
"""The base image: a Debian root disk, its kernel, and nothing of any one machine."""

from __future__ import annotations

import json
import os
import pwd
import shlex
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from lab import process
from lab.cache import digest, make_key, publish
from lab.errors import LabError
from lab.host import find, last_lines, run, tool
from lab.progress import Progress

RELEASES = ("bookworm", "trixie", "forky")
DEFAULT_KERNEL = "linux-image-cloud-amd64"

# Everything a machine may need: once it runs, it reaches no package repository.
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "udev",
    "dbus",
    "openssh-server",
    "python3",
    "python3-apt",
    "python3-pyroute2",
    "python3-pytest",
    "python3-hypothesis",
    "iproute2",
    "kmod",
    "iptables",
    "nftables",
    "iptables-persistent",
    "firewalld",
    "network-manager",
    "ipvsadm",
    "keepalived",
    "ethtool",
    "tcpdump",
    "iputils-ping",
    "iputils-arping",
    "curl",
    "nginx",
    "vsftpd",
    "dnsmasq",
    "bind9-dnsutils",
    "netbase",
    "procps",
)

# What would wake up at its own time and disturb a measurement, or has nothing to do here.
MASKED_UNITS = (
    "systemd-timesyncd.service",
    "systemd-networkd-wait-online.service",
    "systemd-tmpfiles-clean.timer",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "logrotate.timer",
    "man-db.timer",
    "getty@tty1.service",
    "serial-getty@ttyS0.service",
    # Emulated, every one of these costs a good part of a second of booting.
    "modprobe@configfs.service",
    "modprobe@dm_mod.service",
    "modprobe@drm.service",
    "modprobe@efi_pstore.service",
    "modprobe@fuse.service",
    "modprobe@loop.service",
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "proc-sys-fs-binfmt_misc.automount",
    "systemd-binfmt.service",
    "systemd-network-generator.service",
    "systemd-pstore.service",
    "systemd-update-utmp.service",
)

_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
_APT_OPTIONS = (
    "Acquire::Check-Date",
    "Acquire::Check-Valid-Until",
    "Acquire::http::Proxy",
    "Acquire::https::Proxy",
)
# Or else it would save the rules of the machine that builds the image.
_ANSWERS = "".join(
    f"iptables-persistent iptables-persistent/autosave_{family} boolean false\n"
    for family in ("v4", "v6")
)
_DISK_SIZE = "3G"
_GUEST = Path(__file__).parent / "guest"
_GUEST_FILES = (
    "customize.sh",
    "journald.conf",
    "lab-clock",
    "lab-clock.service",
    "modprobe.conf",
    "sshd.conf",
    "vsftpd.conf",
    "zipimport_cache.py",
)

# Reads the root's tar from standard input, writes the disk to standard output: the only way in
# and out of a user namespace in which the folders of the caller may be out of reach. The device
# files cannot be made there; the machine's kernel makes its own.
_MAKE_DISK = f"""
set -eu
work=$(mktemp -d "${{TMPDIR:-/tmp}}/lvs-lab.XXXXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 143' TERM INT HUP
mkdir "$work/root"
tar -C "$work/root" --numeric-owner --xattrs --xattrs-include='*' --exclude='./dev/*' -xpf -
truncate -s {_DISK_SIZE} "$work/disk"
mkfs.ext4 -q -L lab -d "$work/root" "$work/disk"
dd if="$work/disk" bs=64K conv=sparse status=none
"""


@dataclass(frozen=True)
class Image:
    """A built image."""

    folder: Path
    release: str
    kernel_package: str
    kernel_version: str
    identity: str

    @property
    def disk(self) -> Path:
        return self.folder / "disk.raw"

    @property
    def vmlinuz(self) -> Path:
        return self.folder / "boot" / "vmlinuz"

    @property
    def boot(self) -> Path:
        return self.folder / "boot"


def image_key(release: str, kernel: str) -> str:
    return make_key(
        release=release,
        kernel=kernel,
        packages=sorted(PACKAGES),
        masked=sorted(MASKED_UNITS),
        left_out=_LEFT_OUT,
        answers=_ANSWERS,
        disk=_MAKE_DISK,
        guest={name: digest((_GUEST / name).read_bytes()) for name in _GUEST_FILES},
    )


def ensure_image(cache: Path, release: str, kernel: str, progress: Progress) -> Image:
    """The image, out of the cache or built now."""
    entry = cache / "images" / f"{release}-{image_key(release, kernel)}"
    publish(entry, lambda folder: _build(folder, release, kernel, progress))
    meta = json.loads((entry / "image.json").read_text())
    return Image(entry, release, kernel, meta["kernel_version"], meta["identity"])


def _build(folder: Path, release: str, kernel: str, progress: Progress) -> None:
    _check_privileges()
    progress(f"building the image of {release} with {kernel} (some minutes, once)")
    guest = folder / "guest"
    guest.mkdir()
    for name in _GUEST_FILES:
        shutil.copy(_GUEST / name, guest / name)
    (folder / "boot").mkdir()
    log = folder / "build.log"
    customize = shlex.join(["sh", "/guest/customize.sh", kernel, *MASKED_UNITS])
    _step(
        [
            "mmdebstrap",
            "--mode=root" if os.geteuid() == 0 else "--mode=unshare",
            "--variant=minbase",
            f"--include={','.join(PACKAGES)}",
            *(f"--dpkgopt=path-exclude={path}" for path in _LEFT_OUT),
            *(f"--aptopt={option}" for option in _apt_options()),
            f'--essential-hook=printf %s {shlex.quote(_ANSWERS)} | chroot "$1" debconf-set-selections',
            f"--customize-hook=copy-in {shlex.quote(str(guest))} /",
            f'--customize-hook=chroot "$1" {customize}',
            f"--customize-hook=copy-out /guest/out {shlex.quote(str(folder / 'boot'))}",
            '--customize-hook=rm -rf "$1/guest"',
            release,
            str(folder / "root.tar"),
        ],
        folder,
        log,
    )
    for path in (folder / "boot" / "out").iterdir():
        path.rename(folder / "boot" / path.name)
    (folder / "boot" / "out").rmdir()
    progress("turning it into a disk")
    tool("mkfs.ext4")
    _step(
        ["mmdebstrap", "--unshare-helper", "sh", "-c", _MAKE_DISK],
        folder,
        log,
        stdin=folder / "root.tar",
        stdout=folder / "disk.raw",
    )
    (folder / "root.tar").unlink()
    shutil.rmtree(guest)
    version = (folder / "boot" / "version").read_text().strip()
    meta = {
        "release": release,
        "kernel": kernel,
        "kernel_version": version,
        "identity": make_key(entry=folder.name, built=time.time_ns()),
    }
    (folder / "image.json").write_text(json.dumps(meta, indent=2) + "\n")
    progress(f"the image of {release} with kernel {version} is ready")


def _apt_options() -> list[str]:
    """How this host's apt reaches its mirrors, which holds for the image's as well."""
    if find("apt-config") is None:
        return []
    options = []
    for line in run(["apt-config", "dump"]).splitlines():
        name, _space, value = line.partition(" ")
        if name in _APT_OPTIONS and value not in ('"";', ""):
            options.append(line.rstrip(";"))
    return options


def _step(
    command: list[str],
    folder: Path,
    log: Path,
    stdin: Path | None = None,
    stdout: Path | None = None,
) -> None:
    child = process.start(command, owner=folder, role="build", log=log, stdin=stdin, stdout=stdout)
    try:
        code = child.wait()
    except BaseException:
        child.terminate()
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
        raise
    if code != 0:
        raise LabError(f"{command[0]} failed; the end of its log:\n{last_lines(log)}")


def _check_privileges() -> None:
    """User namespaces with a range of subordinate ids are what mmdebstrap needs without root."""
    if os.geteuid() == 0:
        return
    tool("newuidmap")
    user = pwd.getpwuid(os.geteuid()).pw_name
    for path in (Path("/etc/subuid"), Path("/etc/subgid")):
        lines = path.read_text().splitlines() if path.exists() else []
        if not any(line.split(":")[0] in (user, str(os.geteuid())) for line in lines):
            raise LabError(
                f"{user} has no range in {path}, which building an image without root needs; "
                f"give one with: sudo usermod --add-subuids 100000-165535 "
                f"--add-subgids 100000-165535 {user}"
            )
    unshare = tool("unshare")
    trial = subprocess.run([unshare, "-U", "true"], capture_output=True, check=False)
    if trial.returncode != 0:
        raise LabError(
            "this kernel refuses user namespaces to unprivileged users, which building an image "
            "needs; allow them (sysctl kernel.unprivileged_userns_clone=1, or on Ubuntu "
            "kernel.apparmor_restrict_unprivileged_userns=0)"
        )
