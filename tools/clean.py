# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove the cache folder. Runs, as env.py does, on any Python 3.9 with nothing else."""

from __future__ import annotations

import os
import shutil
import sys

from tools import env


def main() -> int:
    folder = env.cache_folder(os.environ)
    known = {"venv", "collections", "pycache", "images", "lab"}
    if not folder.is_dir():
        env.say(f"{folder} is not there")
        return 0
    if not known & set(os.listdir(folder)):
        env.say(f"{folder} does not look like this project's cache, and stays")
        return 1
    env.say(f"removing {folder}")
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
