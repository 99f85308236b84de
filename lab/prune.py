# SPDX-License-Identifier: GPL-3.0-or-later
"""Making room in the cache."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.cache import cache_folder, locked
from lab.image import image_key
from lab.progress import Progress


def prune(days: float, progress: Progress) -> int:
    """Remove entries of no use; returns an exit code."""
    cache = cache_folder()
    used = _in_use(cache)
    oldest = time.time() - days * 86400
    for entry, meta in _entries(cache / "images", "image.json"):
        key = f"{meta['release']}-{image_key(meta['release'], meta['kernel'])}"
        if entry not in used and (entry.name != key or entry.stat().st_mtime < oldest):
            _remove(entry, progress)
    for entry, meta in _entries(cache / "snapshots", "snapshot.json"):
        orphan = not (cache / "images" / str(meta["image"])).is_dir()
        if entry not in used and (orphan or entry.stat().st_mtime < oldest):
            _remove(entry, progress)
    return 0


def _in_use(cache: Path) -> set[Path]:
    used = set()
    for path in (cache / "labs").glob("*/state.json"):
        state = json.loads(path.read_text())
        used.add(Path(state["image"]))
        used.update(Path(entry) for entry in state["snapshots"].values())
    return used


def _entries(folder: Path, meta: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(folder.glob(f"*/{meta}")):
        if not path.parent.name.endswith(".building"):
            yield path.parent, json.loads(path.read_text())


def _remove(entry: Path, progress: Progress) -> None:
    with locked(entry.parent / ".locks" / entry.name):
        progress(f"removing {entry.parent.name}/{entry.name}")
        shutil.rmtree(entry, ignore_errors=True)
