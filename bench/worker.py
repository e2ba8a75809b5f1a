"""The process in which one peer does one order: `{workload, peer, folder, ...}` on stdin, a line of JSON on stdout.

Runs under the Python of the peer's environment: the standard library alone is imported here.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
from pathlib import Path

from bench.peers import CannotDo, file_name

__all__ = ["main", "peak_mb"]


def main() -> int:
    """0 with a result, also if the peer cannot do the work; what it raises otherwise ends the process."""
    order = json.load(sys.stdin)
    os.environ["CRDTKV_BENCH_FOLDER"] = order["folder"]
    peer = importlib.import_module(f"bench.peers.{file_name(order['peer'])}")
    workload = importlib.import_module(f"bench.workloads.{order['workload']}")
    try:
        result = workload.measure(peer, order)
    except CannotDo as error:
        result = {"cannot": str(error)}
    else:
        result["figures"].setdefault("peak_mb", peak_mb())
    print(json.dumps(result), flush=True)
    return 0


def peak_mb(pid: int | str = "self") -> float:
    """The greatest resident set so far. `ru_maxrss` counts what had forked us as well: the kernel's VmHWM does not."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << (20 if sys.platform == "darwin" else 10))
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    sys.exit(main())
