"""Files of earlier formats: what release 0.1 left in `format1.store`, and what it read there, is read today."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import crdtkv

HERE = Path(__file__).parent
NOW = 1_767_262_000.0


def reading(kv: crdtkv.Store) -> dict[str, Any]:
    """As `format1.json` has it."""
    return {
        "values": {key: repr(value) for key, value in kv.items()},
        "history": {
            key: [[r.version, repr(r.value)] for r in kv.history(key)]
            for key in ("text", "doc", "lost", "gone", "mv", "long")
        },
        "conflicts": [[lost.id, lost.key, repr(lost.value)] for lost in kv.conflicts()],
        "versions": {entry.key: entry.version for entry in kv.scan()},
        "digest": kv.digest(),
        "vector": kv.vector,
        "floor": kv.floor,
    }


def test_a_file_of_format_1(tmp_path: Path) -> None:
    """Values, versions, history, inbox, also what was in its journal alone; and after it was closed once more."""
    path = tmp_path / "lhr.db"
    shutil.copy(HERE / "format1.store", path)
    expected = json.loads((HERE / "format1.json").read_text(encoding="utf-8"))
    for _ in range(2):
        with crdtkv.open(path, colo="lhr", clock=lambda: NOW) as kv:
            assert reading(kv) == expected
            assert kv.check() == []
