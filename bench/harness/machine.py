"""What a table was measured on."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["machine"]

_QUIET = 0.4
"""Load, for each core, below which a machine has nothing else to do."""


def machine() -> dict[str, str]:
    """Processor, memory, system, Python, when, and what else was running."""
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory()}",
        "system": f"{_release()}, Linux {platform.release()}" if os.path.exists("/proc") else platform.platform(),
        "Python": platform.python_version(),
        "temporary files": f"{_filesystem()}",
        "load before": _load(),
        "begun": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _load() -> str:
    """Of the last minute: what else was running."""
    load = os.getloadavg()[0]
    busy = load > _QUIET * (os.cpu_count() or 1)
    return f"{load:.2f}" + (": other work ran beside, so that figures by the clock are worth little" if busy else "")


def _processor() -> str:
    return _field("/proc/cpuinfo", "model name") or platform.machine()


def _field(path: str, name: str) -> str:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def _memory() -> str:
    kb = _field("/proc/meminfo", "MemTotal").split()
    return f"{int(kb[0]) / (1 << 20):.1f} GiB" if kb else "memory unknown"


def _release() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def _filesystem() -> str:
    """On which the stores' files lie: a sync on tmpfs costs nothing, and says nothing."""
    import tempfile

    folder = Path(tempfile.gettempdir()).resolve()
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return str(folder)
    on = [(len(m[1]), m[2]) for m in mounts if folder == Path(m[1]) or Path(m[1]) in folder.parents]
    return max(on)[1] if on else "?"
