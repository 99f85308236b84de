# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small network of namespaces around the machine: a client, two real servers, and conversations.

The machine itself is the director. The client's side is 10.98.0.0/24, the real servers' 10.97.0.0/24;
their way back leads through the director, as NAT needs it.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import textwrap

VIP = "10.99.0.100"
REAL_SERVERS = {"rs1": "10.97.0.1", "rs2": "10.97.0.2"}

SERVER = textwrap.dedent(
    """
    import socketserver, sys

    class Answer(socketserver.StreamRequestHandler):
        def handle(self):
            for line in self.rfile:
                self.wfile.write(sys.argv[1].encode() + b" " + line)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    server = Server(("0.0.0.0", 8080), Answer)
    print("ready", flush=True)
    server.serve_forever()
    """
)

CLIENT = textwrap.dedent(
    """
    import socket, sys

    try:
        with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5) as peer:
            stream = peer.makefile("rw")
            for line in iter(sys.stdin.readline, ""):
                stream.write(line)
                stream.flush()
                print(stream.readline(), end="", flush=True)
    except OSError as error:
        print("failed", error, flush=True)
    """
)


def run(*words):
    subprocess.run(words, check=True, capture_output=True)


class Conversation:
    """A TCP connection of the client that stays open."""

    def __init__(self, address=VIP, port=80):
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", "client", sys.executable, "-c", CLIENT, address, str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(10)

    def say(self, word):
        """Send a line; the name of the real server that answers, and its answer."""
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().split()


class Network(contextlib.ExitStack):
    def __enter__(self):
        super().__enter__()
        self._namespace("client", "10.98.0.1", "10.98.0.254")
        for name, address in REAL_SERVERS.items():
            self._namespace(name, address, "10.97.0.254")
            self._server(name)
        self._device("ip", "link", "add", "inside", "type", "bridge")
        run("ip", "address", "add", "10.97.0.254/24", "dev", "inside")
        run("ip", "link", "set", "inside", "up")
        for name in REAL_SERVERS:
            run("ip", "link", "set", f"to-{name}", "master", "inside")
        run("ip", "address", "add", "10.98.0.254/24", "dev", "to-client")
        run("ip", "address", "add", f"{VIP}/32", "dev", "lo")
        self.callback(run, "ip", "address", "del", f"{VIP}/32", "dev", "lo")
        run("sysctl", "-q", "net.ipv4.ip_forward=1")
        return self

    def _device(self, *words):
        run(*words)
        self.callback(run, "ip", "link", "del", words[3])

    def _namespace(self, name, address, router):
        inside = ("ip", "-n", name)
        run("ip", "netns", "add", name)
        self.callback(run, "ip", "netns", "del", name)
        run("ip", "link", "add", f"to-{name}", "type", "veth", "peer", "eth0", "netns", name)
        run("ip", "link", "set", f"to-{name}", "up")
        run(*inside, "link", "set", "lo", "up")
        run(*inside, "address", "add", f"{address}/24", "dev", "eth0")
        run(*inside, "link", "set", "eth0", "up")
        run(*inside, "route", "add", "default", "via", router)

    def _server(self, name):
        process = subprocess.Popen(
            ["ip", "netns", "exec", name, sys.executable, "-c", SERVER, name],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.callback(process.wait)
        self.callback(process.kill)
        assert process.stdout.readline() == "ready\n"
