"""A process is sampled by perf while it works; the samples are counted by owner."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

__all__ = ["counted", "missing", "owner", "sampled"]

_HERTZ = 499
_STACK_BYTES = 16_384
_BEGUN_S = 0.7
"""By then perf has found the process."""

_ENGINE = re.compile(r"CPyDef_crdtkv___(\w+?)___(\w+?)___")
_OTHERS = [
    (re.compile(pattern), owner)
    for pattern, owner in (
        (r"^_?(pysqlite|sqlite3)", "SQLite"), (r"cmsgpack|^unpack_", "MessagePack"), (r"^XXH|xxh", "xxhash"),
        (r"^gc_collect", "Python's collector"), (r"^(c_make_encoder|encoder_|scanner_|_parse_)", "json"),
        (r"uvloop|^uv__?", "uvloop"), (r"llhttp|httptools|http_parser", "httptools"),
        (r"hiredis|processItem", "hiredis"), (r"^_PyEval_EvalFrame", "interpreted Python"),
        (r"^(entry_SYSCALL|do_syscall)", "the system"),
    )
]  # fmt: skip


def missing() -> str:
    """Why nothing can be sampled here; empty: it can."""
    return "" if shutil.which("perf") else "there is no perf here; on Debian: apt-get install linux-perf"


def owner(frames: Iterable[str]) -> tuple[str, str]:
    """Whose time a sample is, by its stack, the innermost frame first: (room or library, module)."""
    for frame in frames:
        engine = _ENGINE.match(frame)
        if engine:
            return engine[1], f"{engine[1]}/{engine[2]}"
        for pattern, name in _OTHERS:
            if pattern.search(frame):
                return name, ""
    return "other", ""


def counted(script: Iterable[str]) -> tuple[Counter[str], Counter[str]]:
    """Samples by room or library, and by module of the engine, of what `perf script -F ip,sym` prints."""
    rooms, modules = Counter[str](), Counter[str]()
    for frames in _stacks(script):
        room, module = owner(frames)
        rooms[room] += 1
        if module:
            modules[module] += 1
    return rooms, modules


def _stacks(script: Iterable[str]) -> Iterator[list[str]]:
    frames: list[str] = []
    for line in script:
        words = line.split()
        if words:
            frames.append(words[1].partition("+")[0] if len(words) > 1 else "")
        elif frames:
            yield frames
            frames = []
    if frames:
        yield frames


def sampled(pid: int, work: Callable[[], object]) -> tuple[Counter[str], Counter[str]]:
    """`counted` of that process while `work()` runs."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "perf.data"
        perf = subprocess.Popen(
            ["perf", "record", "-q", "-F", str(_HERTZ), "--call-graph", f"dwarf,{_STACK_BYTES}",
             "-o", str(data), "-p", str(pid)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            time.sleep(_BEGUN_S)
            work()
        finally:
            perf.send_signal(signal.SIGINT)
            perf.wait()
        told = subprocess.run(
            ["perf", "script", "-i", str(data), "-F", "ip,sym"], capture_output=True, text=True, check=True
        )
        return counted(told.stdout.splitlines())
