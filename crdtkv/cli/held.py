"""`python -m crdtkv.cli.held COMMAND`: that command of `crdtkv`, for as long as there is somebody who holds its input.

Law of this room: however whoever began it ends, `kill -9` too, the system closes the pipe that it
held, and the command is asked to end. It reads nothing from there.
"""

from __future__ import annotations

import os
import signal
import threading

__all__ = ["hold"]


def hold(input: int = 0) -> None:
    """From now on this process is asked to end where its input does."""
    threading.Thread(target=_end_with, args=(input,), daemon=True, name="crdtkv-held").start()


def _end_with(input: int) -> None:
    while os.read(input, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    from crdtkv.cli.main import main

    hold()
    main()
