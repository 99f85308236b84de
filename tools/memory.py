# SPDX-License-Identifier: GPL-3.0-or-later
"""Which layers of tests have passed with just these files, so that a long run can be begun again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tools.checkout import cache, files
from tools.env import ROOT
from tools.results import Counts, LayerResult


def state_of_files() -> str:
    """A name for the state that the project's files are in."""
    digest = hashlib.sha256()
    for name in files():
        path = ROOT / name
        content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Memory:
    """One file for one state of the project's files."""

    path: Path

    @classmethod
    def of_these_files(cls) -> Memory:
        return cls(cache() / "passed" / f"{state_of_files()}.json")

    def recall(self, layer: str) -> LayerResult | None:
        """What a layer has found when it passed; None where it has not."""
        found = self._read().get(layer)
        if found is None:
            return None
        return LayerResult(layer, Counts(**found["counts"]), found["seconds"], found["notes"])

    def keep(self, result: LayerResult) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kept = {
            **self._read(),
            result.name: {
                "counts": asdict(result.counts),
                "seconds": result.seconds,
                "notes": list(result.notes),
            },
        }
        self.path.write_text(json.dumps(kept, indent=1), encoding="utf-8")

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return found
