# SPDX-License-Identifier: GPL-3.0-or-later
"""One module with arguments from a file, in a process of its own: ``one_module.py NAME FILE``."""

from __future__ import annotations

import importlib
import json
import pathlib
import sys

from ansible.module_utils.testing import patch_module_args

name, path = sys.argv[1:]
module = importlib.import_module(f"ansible_collections.lvs.cluster.plugins.modules.{name}")
with patch_module_args(json.loads(pathlib.Path(path).read_text())):
    module.main()
