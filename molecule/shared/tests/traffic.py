# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One client that makes requests to all services of a cluster while a test does something to it."""

from __future__ import annotations

import contextlib
import json
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

from shared.tests.playbooks import SHARED

# Requests a second, of all services together.
RATE = 50
# Far more than a test takes: the load ends by itself, whatever becomes of the test.
MOST_SECONDS = 10_800
LOG = "/run/load.log"
Request = dict[str, Any]


def places(description: dict[str, Any]) -> dict[str, tuple[str, int]]:
    """Where each service is reached: its address and port."""
    found = {}
    for service in description["lvs_virtual_services"]:
        match = service.get("match", [{}])[0]
        port = service["port"] if "port" in service else match["ports"][0]
        found[service["name"]] = (service.get("address") or match["address"], port)
    return found


@dataclass
class Traffic:
    """What was asked and answered, complete once the load has ended: molecule/shared/load.py has the keys.

    :ivar requests: in the order of their ends.
    :ivar rate: how many are begun each second.
    """

    requests: list[Request] = field(default_factory=list)
    rate: int = RATE

    @property
    def failed(self) -> list[Request]:
        return [each for each in self.requests if "failure" in each]

    @property
    def times(self) -> list[float]:
        """When they were begun, in seconds since the epoch by the client's clock."""
        return sorted(each["at"] for each in self.requests)

    @property
    def seconds(self) -> float:
        """From the first to the last."""
        return self.times[-1] - self.times[0]

    @property
    def longest_outage(self) -> float:
        """Seconds of the longest time in which all requests failed: from the first to the next that succeeded."""
        longest, since = 0.0, None
        for each in sorted(self.requests, key=lambda each: each["at"]):
            if "failure" in each:
                since = each["at"] if since is None else since
            elif since is not None:
                longest, since = max(longest, each["at"] - since), None
        return longest

    def last_failure(self, began: float) -> float:
        """Seconds from a moment of the client's clock to the beginning of the last request that failed; 0 for none."""
        return max((each["at"] for each in self.failed), default=began) - began

    def answers(self, service: str) -> set[str]:
        """Who has answered for a service."""
        return {
            each["answer"]
            for each in self.requests
            if each["service"] == service and "answer" in each
        }

    def by_reason(self) -> dict[str, int]:
        """How many have failed for each reason."""
        reasons = [each["failure"] for each in self.failed]
        return {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)}

    def failures(self) -> list[str]:
        """A line each, with the time since the first request."""
        began = self.times[0]
        return [
            f"{each['at'] - began:.3f} s: {each['service']}: {each['failure']} after {each['seconds']} s"
            for each in sorted(self.failed, key=lambda each: each["at"])
        ]

    def figures(self) -> str:
        """What docs keep of it, in one line."""
        took = sorted(each["seconds"] for each in self.requests)
        tail = took[min(len(took) - 1, int(len(took) * 0.99))]
        reasons = ", ".join(f"{count} {reason}" for reason, count in self.by_reason().items())
        return (
            f"{len(self.requests)} requests in {self.seconds:.0f} s, {len(self.failed)} failed"
            f"{f' ({reasons}), longest outage {self.longest_outage:.1f} s' if reasons else ''}, median "
            f"{statistics.median(took) * 1000:.0f} ms, 99 % within {tail * 1000:.0f} ms, slowest {took[-1]:.2f} s"
        )

    def check_complete(self) -> None:
        """None has failed."""
        assert not self.failed, "\n".join(self.failures())

    def check_steady(self) -> None:
        """Requests were made all the time; on a busy machine the client falls behind."""
        assert len(self.requests) > self.rate / 2 * self.seconds


@contextlib.contextmanager
def under_load(lab, description, rate=RATE):
    """Make requests to all services meanwhile, from two seconds before to two seconds after.

    :param rate: how many each second.
    """
    targets = [f"{name}={address}:{port}" for name, (address, port) in places(description).items()]
    lab.ssh("client", "cat > /usr/local/sbin/load", input=(SHARED / "load.py").read_text())
    unit = ["systemd-run", "--quiet", "--collect", "--unit=load", "--property=TimeoutStopSec=30"]
    command = ["python3", "/usr/local/sbin/load", LOG, str(rate), str(MOST_SECONDS), *targets]
    lab.ssh("client", [*unit, *command])
    traffic = Traffic(rate=rate)
    try:
        time.sleep(2)
        yield traffic
        time.sleep(2)
    finally:
        lab.ssh("client", "systemctl stop load", check=False)
    lines = lab.ssh("client", ["cat", LOG]).stdout.splitlines()
    traffic.requests += [json.loads(line) for line in lines]
