"""python -m tests.power.child PATH DURABILITY SEED FIRST: writes, and a byte to its output at each acknowledgement.

One byte before it opens the store, one after each call; it ends when it is killed.
"""

from __future__ import annotations

import os
import sys
from random import Random

import crdtkv
from crdtkv.storage import checkpoint
from tests.power.wishes import draw

__all__ = ["main"]


def main(path: str, durability: str, seed: str, first: str) -> None:
    """Calls without end, drawn by `seed`, numbered from `first`."""
    dice, n = Random(seed), int(first)
    checkpoint.JOURNAL_BYTES, checkpoint.STEP_ROWS = 6_000, 20
    os.write(1, b".")
    kv = crdtkv.open(path, colo="lhr", durability=durability)
    while True:
        draw(dice, n).act(kv)
        os.write(1, b".")
        n += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
