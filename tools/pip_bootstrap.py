# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for the get-pip.py that ansible-test would download: runs the pip wheel beside it."""

import pathlib
import runpy
import sys

WHEEL = next(pathlib.Path(__file__).parent.glob("pip-@VERSION@-*.whl"))
NOT_PIPS = ("--no-setuptools", "--no-wheel")  # get-pip.py's own options

sys.path.insert(0, str(WHEEL))
sys.argv[1:] = ["install", *(word for word in sys.argv[1:] if word not in NOT_PIPS)]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
