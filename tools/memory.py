# SPDX-License-Identifier: GPL-3.0-or-later
"""Which layers of tests have passed with just the files that they read, so that a long run can be begun again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.checkout import files
from tools.env import ROOT
from tools.results import Counts, LayerResult


def state_of_files(apart_from: Sequence[str] = ()) -> str:
    """A name for the state that the project's files are in.

    :param apart_from: folders and files, relative to the checkout, that do not count.
    """
    digest = hashlib.sha256()
    for name in files():
        if any(name == Path(each) or Path(each) in name.parents for each in apart_from):
            continue
        path = ROOT / name
        content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Memory:
    """One file for each state of the files that a layer reads."""

    folder: Path

    def recall(self, layer: str, state: str) -> LayerResult | None:
        """What a layer has found when it passed; None where it has not."""
        try:
            found = json.loads(self._path(layer, state).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return LayerResult(layer, Counts(**found["counts"]), found["seconds"], found["notes"])

    def keep(self, result: LayerResult, state: str) -> None:
        kept = {
            "counts": asdict(result.counts),
            "seconds": result.seconds,
            "notes": list(result.notes),
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        self._path(result.name, state).write_text(json.dumps(kept, indent=1), encoding="utf-8")

    def forget(self, layer: str, state: str) -> None:
        self._path(layer, state).unlink(missing_ok=True)

    def _path(self, layer: str, state: str) -> Path:
        return self.folder / f"{layer}-{state}.json"
