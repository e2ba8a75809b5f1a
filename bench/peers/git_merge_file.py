"""git merge-file: the document as JSON, an entry a line."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from bench.peers import CONFLICT, from_lines, to_lines

__all__ = ["merge"]


def merge(base: Any, ours: Any, theirs: Any) -> Any:
    """The merged value, CONFLICT, or that what came out is no JSON."""
    folder = Path(os.environ["CRDTKV_BENCH_FOLDER"])
    for name, value in (("base", base), ("ours", ours), ("theirs", theirs)):
        (folder / name).write_text("".join(to_lines(value)))
    done = subprocess.run(
        ["git", "merge-file", "-p", "ours", "base", "theirs"], cwd=folder, capture_output=True, text=True
    )
    return CONFLICT if done.returncode else from_lines(done.stdout)
