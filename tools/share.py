# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of a download passes the director, by each forwarding method: ``python -m tools.share``."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from lab import Lab
from lab.progress import Progress
from tests.wire.share import Share, share
from tools.bench import markdown
from tools.env import ROOT
from tools.process import run, say

NAME = "share"
TOPOLOGY = "mixed"
VIP, CLIENT, PORT = "10.82.0.100", "10.82.0.5", 80
METHODS = {"nat": "rs1", "dr": "rs2", "tun": "rs3"}
SIZE = 10_000_000
# Bytes through the director for each byte delivered: what makes direct routing and tunnels worth having.
AT_LEAST, AT_MOST = 1.9, 0.15


def good(method: str, found: Share, size: int) -> bool:
    """Whether a method does what is said of it."""
    ratio = found.through / size
    if method == "nat":
        return ratio > AT_LEAST and found.payload_through > 0
    return ratio < AT_MOST and found.payload_through == 0


def rows(found: dict[str, Share], size: int) -> list[list[str]]:
    """The table."""
    table = [
        [
            "method",
            "bytes through the director for each byte delivered",
            "frames of the answer through it",
        ]
    ]
    for method, its in found.items():
        table.append([method, f"{its.through / size:.3f}", str(its.payload_through)])
    return table


def main(_arguments: Sequence[str] = ()) -> int:
    progress = Progress()
    left_over = Lab.find(NAME)
    if left_over:
        left_over.down(progress)
    lab = Lab.up(TOPOLOGY, name=NAME, progress=progress)
    try:
        found = {method: measure(lab, method) for method in METHODS}
    finally:
        lab.down(progress)
    say("\n" + markdown(rows(found, SIZE)))
    wrong = [method for method, its in found.items() if not good(method, its, SIZE)]
    if wrong:
        say(f"share: not what is said of {', '.join(wrong)}")
    return 1 if wrong else 0


def measure(lab: Lab, method: str) -> Share:
    """Converge to one real server by that method, download, and count what the hub has carried."""
    server = METHODS[method]
    with tempfile.TemporaryDirectory() as folder:
        inventory = Path(folder) / "machines.yml"
        inventory.write_text(lab.inventory())
        variables = Path(folder) / "variables.yml"
        real_servers = [{"host": server, "forwarding": method}]
        web = {"name": "web", "address": VIP, "port": PORT, "real_servers": real_servers}
        variables.write_text(yaml.safe_dump({"lvs_virtual_services": [web]}))
        command = ["ansible-playbook", "-i", str(ROOT / "examples" / TOPOLOGY / "inventory")]
        command += [
            "-i",
            str(inventory),
            "-e",
            f"@{variables}",
            str(ROOT / "playbooks" / "site.yml"),
        ]
        lines: list[str] = []
        code = run(
            [*command, "-e", "director_max_removals=100%"], each_line=lines.append, show=False
        )
        if code:
            say("\n".join(lines))
            raise SystemExit(code)
    lab.ssh(server, f"head -c {SIZE} /dev/zero > /var/www/html/large")
    capture = lab.capture("client")
    url = f"http://{VIP}:{PORT}/large"
    done = lab.ssh(
        "client", f"curl --silent --fail --output /dev/null --write-out '%{{size_download}}' {url}"
    )
    assert done.stdout == str(SIZE), done.stdout
    director = lab.ssh("director", "cat /sys/class/net/eth1/address").stdout.strip()
    return share(capture.read(), director, CLIENT, PORT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
