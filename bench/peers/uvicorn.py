"""uvicorn with an application that answers a colo's bytes and does nothing: nobody who speaks HTTP by it is quicker."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack

from bench.limits.server import bare_server
from bench.peers import serving

__all__ = ["http_door"]

_OPEN = ExitStack()


def http_door() -> tuple[subprocess.Popen[str], int]:
    """The process and its port. It ends with the worker."""
    process, port = _OPEN.enter_context(bare_server())
    serving.answers(port)
    return process, port
