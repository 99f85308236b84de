# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules in children of this process: in namespaces that one does not come back from, or to be killed."""

from __future__ import annotations

import contextlib
import os
import pickle
import re
import signal
import subprocess
import time

from ansible_collections.lvs.cluster.plugins.module_utils.host import boot, netns
from tests.kernel.harness import ModuleFailed


class Child:
    """Work in a child, which begins at once.

    :param namespace: the network namespace that it works in.
    """

    def __init__(self, work, namespace=None):
        self._reading, writing = os.pipe()
        self._process = os.fork()
        if not self._process:
            try:
                if namespace:
                    netns.enter(namespace)
                answer = (True, work())
            except BaseException as error:
                failed = isinstance(error, ModuleFailed)
                answer = (False, error.result if failed else repr(error))
            with os.fdopen(writing, "wb") as file:
                pickle.dump(answer, file)
            os._exit(0)
        os.close(writing)

    def answer(self):
        """What the work returns, or raises."""
        with os.fdopen(self._reading, "rb") as file:
            good, answer = pickle.load(file)
        os.waitpid(self._process, 0)
        if good:
            return answer
        if isinstance(answer, dict):
            raise ModuleFailed(answer)
        raise AssertionError(answer)

    def was_killed(self):
        """Whether SIGKILL has ended it; waits for its end."""
        os.close(self._reading)
        _process, status = os.waitpid(self._process, 0)
        return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def apart(work, namespace=None):
    """Do it in a child; what it returns, or raises."""
    return Child(work, namespace).answer()


@contextlib.contextmanager
def events(*inside):
    """What the watcher would answer meanwhile: lines of its monitors.

    :param inside: words before the commands, such as those that enter a namespace.
    """
    network = [*inside, "ip", "-oneline", "monitor", "link", "address", "route", "rule"]
    firewall = [*inside, "nft", "monitor", "destroy"]
    found = []
    with _lines(network, boot.NETWORK_EVENTS, found), _lines(firewall, boot.FIREWALL_EVENTS, found):
        # They say nothing when they begin to listen.
        time.sleep(0.5)
        yield found
        time.sleep(0.5)


@contextlib.contextmanager
def _lines(command, pattern, found):
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield
        process.terminate()
        found += [line for line in process.stdout if re.search(pattern, line)]
