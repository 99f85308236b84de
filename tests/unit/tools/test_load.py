# SPDX-License-Identifier: GPL-3.0-or-later
"""The load generator of the molecule scenarios: it makes requests at its rate, and notices each that fails."""

from __future__ import annotations

import json
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.env import ROOT

LOAD = ROOT / "molecule" / "shared" / "load.py"
ANSWER = b"HTTP/1.1 200 OK\r\nServer: a test\r\n\r\nrs1\n"


class Answering(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.recv(1000)
        self.request.sendall(self.server.answer)  # type: ignore[attr-defined]


@pytest.fixture
def serve() -> Iterator[object]:
    """Start a server that answers everything by the same bytes; its port."""
    servers = []

    def start(answer: bytes) -> int:
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answering)
        server.answer = answer  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        servers.append(server)
        return int(server.server_address[1])

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def load(path: Path, seconds: float, ports: dict[str, int], per_second: int = 50) -> list[str]:
    places = [f"{name}=127.0.0.1:{port}" for name, port in ports.items()]
    return [sys.executable, str(LOAD), str(path), str(per_second), str(seconds), *places]


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_services_take_turns_at_an_even_rate(tmp_path, serve):
    log = tmp_path / "log"
    subprocess.run(load(log, 1, {"a": serve(ANSWER), "b": serve(ANSWER)}), check=True)
    found = read(log)
    assert 40 <= len(found) <= 52
    counts = Counter(each["service"] for each in found)
    assert abs(counts["a"] - counts["b"]) <= 1
    assert {each["answer"] for each in found} == {"rs1"}
    assert abs(found[0]["at"] - time.time()) < 60


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "closed without an answer"),
        (ANSWER[:20], "the answer is cut off"),
        (ANSWER.replace(b"200 OK", b"502 Bad Gateway"), "HTTP/1.1 502 Bad Gateway"),
    ],
)
def test_an_answer_that_is_none_is_a_failure(tmp_path, serve, answer, reason):
    log = tmp_path / "log"
    subprocess.run(load(log, 0.1, {"a": serve(answer), "b": serve(ANSWER)}), check=True)
    by_service = {name: [e for e in read(log) if e["service"] == name] for name in ("a", "b")}
    assert {each["failure"] for each in by_service["a"]} == {reason}
    assert {each["answer"] for each in by_service["b"]} == {"rs1"}


def test_a_refused_connection_is_a_failure(tmp_path):
    with socketserver.TCPServer(("127.0.0.1", 0), Answering) as server:
        port = int(server.server_address[1])
    log = tmp_path / "log"
    subprocess.run(load(log, 0.1, {"a": port}), check=True)
    found = read(log)
    assert found
    assert all("refused" in str(each["failure"]).lower() for each in found)


def test_it_ends_when_told_to_and_waits_for_what_is_under_way(tmp_path, serve):
    log = tmp_path / "log"
    process = subprocess.Popen(load(log, 60, {"a": serve(ANSWER)}))
    while not log.exists() or not log.read_text():
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert all("failure" not in each for each in read(log))
