"""python -m tests.power CUTS [--durability full|normal] [--seed N]"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from pathlib import Path

from tests.power.world import Figures, run

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Cut the power so often, in worlds of at most 20 cuts, and say what was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.power", description="Power cuts, and what they cost.")
    parser.add_argument("cuts", nargs="?", type=int, default=1000)
    parser.add_argument("--durability", choices=["full", "normal"], default="full")
    parser.add_argument("--seed", type=int, default=0, help="of the first world")
    given = parser.parse_args(argv)
    logging.getLogger("crdtkv").setLevel(logging.ERROR)  # of copies there are many
    figures, seed = Figures(), given.seed
    while figures["cuts"] < given.cuts:
        with tempfile.TemporaryDirectory(prefix="crdtkv-power-") as folder:
            try:
                figures += run(seed, min(20, given.cuts - figures["cuts"]), given.durability, Path(folder))
            except BaseException:
                print(f"failed: python -m tests.power 20 --durability {given.durability} --seed {seed}")
                raise
        seed += 1
    print(f"{given.durability}: {figures['cuts']} cuts, {figures['acknowledged']} acknowledged, {figures['lost']} lost")
    for words, n in sorted(figures.items()):
        print(f"  {n:6} {words}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
