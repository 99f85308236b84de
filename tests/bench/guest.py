# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside a lab machine: load tables and look at them, by ipvsadm and by ipvs_table.

Prints a line of JSON when a measurement begins, and one with its processor time when it ends; who reads
them takes the time. Where the machine's clock counts instructions, its processor time is their number.
"""

from __future__ import annotations

import json
import pathlib
import resource
import subprocess
import sys

ROOT = pathlib.Path("/opt/lvs")
SIZES = ((100, 10), (1000, 10))
ROUNDS = 3
OURS = [sys.executable, "-m", "tests.bench.one_module", "ipvs_table"]


def say(**what):
    print(json.dumps(what), flush=True)


def measured(what, size, command, stdin=None):
    say(event="begin", what=what, size=size)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with open(stdin or "/dev/null", encoding="utf-8") as given:
        done = subprocess.run(command, stdin=given, stdout=subprocess.PIPE, cwd=ROOT, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    say(event="end", what=what, size=size, processor_seconds=used)
    return done.stdout


def table(services, servers):
    return [
        {
            "address": f"10.{64 + number // 250}.{number % 250}.1",
            "port": 80,
            "scheduler": "wrr",
            "real_servers": [
                {"address": f"10.128.{number % 250}.{server + 1}", "weight": server + 1}
                for server in range(servers)
            ],
        }
        for number in range(services)
    ]


def lines(services):
    for service in services:
        name = f"-t {service['address']}:80"
        yield f"-A {name} -s wrr"
        for server in service["real_servers"]:
            yield f"-a {name} -r {server['address']}:80 -m -w {server['weight']}"


def main():
    arguments, rules = pathlib.Path("/tmp/bench.json"), pathlib.Path("/tmp/bench.rules")
    subprocess.run(["modprobe", "-a", "ip_vs", "ip_vs_wrr"], check=True)
    for size in SIZES:
        services = table(*size)
        rules.write_text("\n".join(lines(services)) + "\n")
        ours = [*OURS, str(arguments)]
        for _round in range(ROUNDS):
            arguments.write_text(json.dumps({"services": []}))
            subprocess.run(["ipvsadm", "--clear"], check=True)
            measured("start", size, ours)
            measured("ipvsadm -R", size, ["ipvsadm", "--restore"], rules)
            saved = sorted(measured("ipvsadm -Sn", size, ["ipvsadm", "-Sn"]).splitlines())
            subprocess.run(["ipvsadm", "--clear"], check=True)
            arguments.write_text(json.dumps({"services": services}))
            assert json.loads(measured("ipvs_table, load", size, ours))["changed"]
            assert sorted(subprocess.check_output(["ipvsadm", "-Sn"]).splitlines()) == saved
            assert not json.loads(measured("ipvs_table, no change", size, ours))["changed"]
            arguments.write_text(json.dumps({"services": []}))
            subprocess.run(ours, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
