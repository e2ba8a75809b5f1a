"""One run: an order as JSON into a fresh process, a result as JSON out of it, and an end to it if it takes too long.

A worker leads a process group of its own: what it has started goes when it goes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.harness.shapes import Outcome

__all__ = ["ROOT", "run"]

ROOT = Path(__file__).parent.parent.parent
_WORDS = 160


def run(command: Sequence[str], order: Mapping[str, Any], seconds: float, environment: Mapping[str, str]) -> Outcome:
    """Never raises for what a worker does: that is the outcome."""
    with tempfile.TemporaryDirectory(prefix="crdtkv-bench-", ignore_cleanup_errors=True) as folder:
        given, told, said = (Path(folder) / name for name in ("order", "result", "errors"))
        work = Path(folder) / "work"
        work.mkdir()
        given.write_text(json.dumps({**order, "folder": str(work)}))
        began = time.monotonic()
        with given.open() as stdin, told.open("wb") as stdout, said.open("wb") as stderr:
            worker = subprocess.Popen(
                command, cwd=ROOT, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True,
                env={"PYTHONPATH": str(ROOT), **os.environ, "PYTHONHASHSEED": "0", **environment},
            )  # fmt: skip
            try:
                code: int | None = worker.wait(seconds)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                _end(worker)
        took = time.monotonic() - began
        if code is None:
            return Outcome(failure=f"over {seconds:.0f} s", slow=True, seconds=took)
        return _read(code, told.read_text(errors="replace"), said.read_text(errors="replace"))._replace(seconds=took)


def _end(worker: subprocess.Popen[bytes]) -> None:
    """The worker, and what is left of its group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


def _read(code: int, told: str, said: str) -> Outcome:
    lines = [line for line in told.splitlines() if line.startswith("{")]
    try:
        result = json.loads(lines[-1])
    except (IndexError, ValueError):
        last = (said.strip().splitlines() or ["it said nothing"])[-1]
        how = f"ended by signal {-code}" if code < 0 else f"exit {code}"
        return Outcome(failure=f"{how}: {last[:_WORDS]}")
    if "cannot" in result:
        return Outcome(failure=result["cannot"])
    return Outcome(result["figures"], result.get("verdict", ""), note=result.get("note", ""), found=result.get("found"))
