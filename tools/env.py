# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command in the project's environment, and first make what is missing of it.

``python3 tools/env.py CMD...`` needs nothing but Python 3.9 and its standard library. It installs
Debian packages that are not there yet, builds a virtual environment (once for each content of
requirements/main.txt) and becomes the command. Everything it makes is in the cache folder
($LVS_CACHE, else $XDG_CACHE_HOME/lvs.cluster, else ~/.cache/lvs.cluster); the checkout stays clean.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pwd
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements" / "main.txt"

# The newest comes first. 3.14 is the last resort, for a distribution that has nothing older.
VERSIONS = ("3.13", "3.12", "3.11", "3.14")

PACKAGES = (
    "busybox-static",  # the initramfs of the lab's machines
    "ca-certificates",  # downloads
    "cpio",  # the initramfs
    "debian-archive-keyring",  # the signatures of the lab's Debian images, also on Ubuntu
    "e2fsprogs",  # the disks of the lab's machines
    "git",  # which files are the project's
    "kmod",  # the order in which the lab's kernel modules are loaded
    "make",
    "mmdebstrap",  # the lab's Debian images
    "openssh-client",  # into the lab's machines
    "qemu-system-x86",  # the lab's machines
    "qemu-utils",  # their disks
    "uidmap",  # images without root
    "vde2",  # the lab's network
)

_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_KEPT_DAYS = 30  # a virtual environment that was not used for so long is removed


class EnvironmentProblem(Exception):
    """Something that only the user can help."""


def say(text: str) -> None:
    print(f"env: {text}", file=sys.stderr, flush=True)


# --- where things are


def home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir)


def cache_folder(environ: Mapping[str, str]) -> Path:
    given = environ.get("LVS_CACHE")
    if given:
        return Path(given).absolute()
    base = environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else home(environ) / ".cache").absolute() / "lvs.cluster"


def search_path(environ: Mapping[str, str]) -> list[str]:
    """The folders of PATH and the usual ones, without those of pyenv's stand-ins."""
    given = [folder for folder in environ.get("PATH", "").split(os.pathsep) if folder]
    every = list(dict.fromkeys([*given, *_FOLDERS]))
    return [folder for folder in every if Path(folder).name != "shims"]


# --- interpreters


def version_of(name: str) -> tuple[int, ...] | None:
    """The version in the name of one of pyenv's folders; None for anything but a release."""
    found = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", name)
    return tuple(map(int, found.groups())) if found else None


def candidates(version: str, environ: Mapping[str, str]) -> Iterator[Path]:
    """Where an interpreter of this version (3.N) may be, best first."""
    pyenv = Path(environ.get("PYENV_ROOT") or home(environ) / ".pyenv") / "versions"
    releases = {folder: version_of(folder.name) for folder in pyenv.glob(f"{version}.*")}
    known = [(release, folder) for folder, release in releases.items() if release]
    for _release, folder in sorted(known, reverse=True):
        yield folder / "bin" / f"python{version}"
    for name in search_path(environ):
        yield Path(name) / f"python{version}"


def find_interpreter(version: str, environ: Mapping[str, str]) -> Path | None:
    """An interpreter of this version that exists and can be run; a virtual environment is none."""
    for path in candidates(version, environ):
        if os.access(path, os.X_OK) and not (path.parent.parent / "pyvenv.cfg").exists():
            return path
    return None


def interpreter_version(python: Path) -> str:
    """3.N, asked from the interpreter; the name tells it faster."""
    found = re.fullmatch(r"python(3\.\d+)", python.name)
    if found:
        return found.group(1)
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-c", code], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise EnvironmentProblem(f"{python} is no Python that works.")
    return done.stdout.strip()


def choose_interpreter(environ: Mapping[str, str]) -> Path | None:
    """What PYTHON says, else the best that the machine has; None if it has none new enough."""
    given = environ.get("PYTHON")
    if given:
        path = shutil.which(given, path=os.pathsep.join(search_path(environ)))
        if path is None:
            raise EnvironmentProblem(f"PYTHON={given}: there is no such interpreter.")
        if interpreter_version(Path(path)) not in VERSIONS:
            wanted = ", ".join(sorted(VERSIONS))
            raise EnvironmentProblem(f"PYTHON={given}: needs to be one of Python {wanted}.")
        return Path(path)
    for version in VERSIONS:
        found = find_interpreter(version, environ)
        if found:
            return found
    return None


def is_debians(python: Path) -> bool:
    return python.parent in (Path("/usr/bin"), Path("/bin"))


# --- packages


def run_quietly(words: Sequence[str]) -> str:
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False
    )
    return done.stdout


def missing_packages(wanted: Iterable[str]) -> list[str]:
    """Which of these are not installed. Nothing is, where dpkg is not the package manager."""
    names = list(wanted)
    if shutil.which("dpkg-query") is None:
        return []
    form = "${Package} ${db:Status-Status}\n"
    lines = run_quietly(["dpkg-query", "-W", "-f", form, *names]).splitlines()
    return [name for name in names if f"{name} installed" not in lines]


def available_packages(wanted: Sequence[str]) -> list[str]:
    """Which of these apt could install, as far as it knows now."""
    text = run_quietly(["apt-cache", "policy", *wanted])
    found = re.findall(r"^(\S+):\n  Installed: .*\n  Candidate: (\S+)", text, re.MULTILINE)
    return [name for name, version in found if version != "(none)"]


def as_root(words: Sequence[str]) -> list[str]:
    if os.geteuid() == 0:
        return list(words)
    if shutil.which("sudo") is None:
        raise EnvironmentProblem(
            f"this needs root. Run as root: {shlex.join(words)}\nThen run the same command again."
        )
    quiet = [] if sys.stdin.isatty() else ["-n"]
    return ["sudo", *quiet, *words]


def apt(*words: str) -> bool:
    options = ["-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0"]
    line = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *options, *words]
    return subprocess.run(as_root(line), stdout=sys.stderr, check=False).returncode == 0


def update_index() -> None:
    say("updating apt's package lists")
    if not apt("update"):
        say("some of apt's sources could not be updated; trying with what is there")


def install_packages(names: Sequence[str]) -> None:
    """Install with as few downloads as possible; package lists are updated only if need be."""
    install = ("install", "-y", "--no-install-recommends", *names)
    say(f"installing {' '.join(names)}")
    as_root(["apt-get", *install])
    known = available_packages(names)
    if len(known) == len(names) and apt(*install):
        return
    update_index()
    if not apt(*install):
        raise EnvironmentProblem(
            "the packages could not be installed; apt's messages above say why. By hand, as root:\n"
            f"apt-get update; apt-get install {' '.join(names)}"
        )


def install_interpreter(environ: Mapping[str, str]) -> Path:
    """Have apt install the best Python that the distribution has."""
    say(f"there is no Python {VERSIONS[-2]} or newer yet")
    names = [f"python{version}" for version in VERSIONS]
    known = available_packages(names)
    if not known:
        update_index()
        known = available_packages(names)
    for version in VERSIONS:
        if f"python{version}" in known:
            install_packages([f"python{version}", f"python{version}-venv"])
            found = find_interpreter(version, environ)
            if found:
                return found
    raise EnvironmentProblem(
        f"this needs Python {VERSIONS[-2]} or newer, which the distribution does not have. "
        "Install one and say where it is: PYTHON=/path/to/python3.12 make ..."
    )


def prepare_machine(environ: Mapping[str, str]) -> Path:
    """See to the packages and the interpreter."""
    python = choose_interpreter(environ)
    wanted = list(PACKAGES)
    if python and is_debians(python):
        wanted.append(f"python{interpreter_version(python)}-venv")
    missing = missing_packages(wanted)
    if missing:
        install_packages(missing)
    return python or install_interpreter(environ)


# --- the virtual environment


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock, which ends with this process whatever happens to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another run, which is building the same")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def venv_name(python: Path, requirements: bytes) -> str:
    key = hashlib.sha256(b"%s\0%s" % (os.fsencode(python.resolve()), requirements))
    return f"{interpreter_version(python)}-{key.hexdigest()[:12]}"


def build_venv(folder: Path, python: Path, requirements: Path) -> None:
    """Build it where it will be used; the stamp, written last, says that it is complete."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    pip += ["--disable-pip-version-check", "--no-input", "--requirement", str(requirements)]
    environ = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_USER", "PYTHONPYCACHEPREFIX"):
        environ.pop(name, None)
    for words in ([str(python), "-m", "venv", str(folder)], pip):
        done = subprocess.run(
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environ,
            check=False,
        )
        if done.returncode != 0:
            shutil.rmtree(folder, ignore_errors=True)
            raise EnvironmentProblem(f"this failed: {shlex.join(words)}\n{done.stdout}")
    (folder / ".complete").touch()


def venv(cache: Path, python: Path, requirements: Path) -> Path:
    """The virtual environment with these requirements; built if it is not there."""
    name = venv_name(python, requirements.read_bytes())
    folder = cache / "venv" / name
    stamp = folder / ".complete"
    if not stamp.exists():
        with locked(cache / "venv" / ".locks" / name):
            if not stamp.exists():
                where = requirements.relative_to(ROOT)
                say(f"building a virtual environment from {where} with {python}, a minute or two")
                began = time.monotonic()
                build_venv(folder, python, requirements)
                say(f"built in {time.monotonic() - began:.0f} s: {folder}")
                remove_old_venvs(folder.parent)
    os.utime(stamp)
    return folder


def remove_old_venvs(folder: Path) -> None:
    for stamp in folder.glob("*/.complete"):
        if time.time() - stamp.stat().st_mtime > _KEPT_DAYS * 86400:
            say(f"removing {stamp.parent}, which was not used for {_KEPT_DAYS} days")
            shutil.rmtree(stamp.parent, ignore_errors=True)


# --- the environment of the command


def collections_folder(cache: Path) -> Path:
    """A folder with ansible_collections/lvs/cluster in it, which is a link to this checkout."""
    key = hashlib.sha256(os.fsencode(ROOT)).hexdigest()[:12]
    folder = cache / "collections" / key
    link = folder / "ansible_collections" / "lvs" / "cluster"
    if not (link.is_symlink() and os.readlink(link) == str(ROOT)):
        link.parent.mkdir(parents=True, exist_ok=True)
        temporary = link.with_name(f".cluster.{os.getpid()}")
        temporary.symlink_to(ROOT)
        temporary.replace(link)
    return folder


def ansible_config(cache: Path) -> Path:
    """The project's own configuration, if it has one, else an empty one: never the user's."""
    own = ROOT / "ansible.cfg"
    if own.exists():
        return own
    empty = cache / "ansible" / "empty.cfg"
    empty.parent.mkdir(parents=True, exist_ok=True)
    empty.touch()
    return empty


def command_environment(
    environ: Mapping[str, str], cache: Path, virtual: Path, collections: Path
) -> dict[str, str]:
    """What the command gets: the environment given, completed, and shielded from the user's own."""
    dropped = ("PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    result = {name: value for name, value in environ.items() if name not in dropped}
    for name in [name for name in result if name.startswith(("ANSIBLE_", "MOLECULE_"))]:
        del result[name]
    result.update(
        HOME=str(home(environ)),
        PATH=os.pathsep.join([str(virtual / "bin"), *search_path(environ)]),
        VIRTUAL_ENV=str(virtual),
        LC_ALL="C.UTF-8",  # Ansible runs in a UTF-8 locale only, and messages are compared
        LVS_CACHE=str(cache),
        PYTHONPATH=os.pathsep.join([str(ROOT), str(collections)]),
        ANSIBLE_COLLECTIONS_PATH=str(collections),
        ANSIBLE_HOME=str(cache / "ansible"),
        ANSIBLE_CONFIG=str(ansible_config(cache)),
        # Every tool's cache: out of the checkout.
        PYTHONPYCACHEPREFIX=str(cache / "pycache"),
        HYPOTHESIS_STORAGE_DIRECTORY=str(cache / "hypothesis"),
        MYPY_CACHE_DIR=str(cache / "mypy"),
        RUFF_CACHE_DIR=str(cache / "ruff"),
        PYTEST_ADDOPTS=f"-o cache_dir={shlex.quote(str(cache / 'pytest'))}",
    )
    return result


def prepare(environ: Mapping[str, str]) -> dict[str, str]:
    cache = cache_folder(environ)
    python = prepare_machine(environ)
    virtual = venv(cache, python, REQUIREMENTS)
    return command_environment(environ, cache, virtual, collections_folder(cache))


def main(words: Sequence[str]) -> NoReturn:
    if not words:
        sys.exit(__doc__)
    os.environ["PATH"] = os.pathsep.join(search_path(os.environ))
    os.environ["HOME"] = str(home(os.environ))
    try:
        environ = prepare(os.environ)
    except EnvironmentProblem as problem:
        say(str(problem))
        sys.exit(1)
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(130)
    program = shutil.which(words[0], path=environ["PATH"])
    if program is None:
        say(f"there is no command {words[0]}")
        sys.exit(127)
    os.execve(program, list(words), environ)


if __name__ == "__main__":
    main(sys.argv[1:])
