"""A server as a child of the worker: a free port on loopback, a folder for its data, ended by its process."""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = ["answers", "folder", "port", "started"]

_PATIENCE = 10.0


def port() -> int:
    """One that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def folder(name: str) -> Path:
    """A new folder in the worker's."""
    found = Path(os.environ["CRDTKV_BENCH_FOLDER"]) / name
    found.mkdir(parents=True)
    return found


def started(command: Sequence[str], answers: Callable[[], object]) -> subprocess.Popen[bytes]:
    """The server, once `answers` no longer raises."""
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    atexit.register(_end, server)
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            answers()
            return server
        except Exception:
            if server.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.02)


def _end(server: subprocess.Popen[bytes]) -> None:
    server.kill()
    server.wait()


def answers(port: int) -> None:
    """Returns when somebody listens there."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
