"""The Redis door beside redis-server, as redis-benchmark asks: on one machine, in one run, in turns.

Each server has a core, the client another. redis-server writes its log as it does by default (`everysec`: a power cut
takes the last second) and as crdtkv does (`always`: what was answered is on the disk). Where other work disturbs the
run the clock says little: so the processor time that each server took for a request stands beside it.
"""

from __future__ import annotations

import csv
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.harness.processes import ROOT
from bench.limits.server import cpu_of

__all__ = ["free_port", "report"]

TESTS = ("SET", "GET", "INCR", "RPUSH", "SADD", "HSET")
WANTED = {1: 0.9, 16: 0.5}
REQUESTS = {1: 15_000, 16: 60_000}
TURNS = 3
_CLIENTS = 50


class Server(NamedTuple):
    """One that answers, and how it is called in the table."""

    name: str
    port: int
    pid: int


class Measured(NamedTuple):
    """Requests a second, and microseconds of the server's processor for each."""

    rate: float
    cpu: float


def report() -> bool:
    """Prints the figures; whether the limits are kept (True where no redis-server is installed)."""
    if shutil.which("redis-benchmark") is None or shutil.which("redis-server") is None:
        print("no redis-server and redis-benchmark here: apt install redis")
        return True
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = [stack.enter_context(_crdtkv(folder))]
        servers += [stack.enter_context(_redis(folder, how)) for how in ("everysec", "always")]
        found = {(test, pipeline): _measure(servers, test, pipeline) for pipeline in WANTED for test in TESTS}
    _table(found)
    return all(_kept(pipeline, turns) for (_, pipeline), turns in found.items())


def _measure(servers: list[Server], test: str, pipeline: int) -> list[list[Measured]]:
    """By turn, what each server did; the first turn warms up."""
    turns = [[_ask(server, test, pipeline) for server in servers] for _ in range(TURNS + 1)]
    return turns[1:]


def _ask(server: Server, test: str, pipeline: int) -> Measured:
    requests, before = REQUESTS[pipeline], cpu_of(server.pid)
    words = ["redis-benchmark", "-p", str(server.port), "-t", test.lower(), "-n", str(requests), "-c", str(_CLIENTS)]
    done = subprocess.run(
        [*_pinned(1), *words, "-P", str(pipeline), "--csv"], capture_output=True, text=True, timeout=120
    )
    if done.returncode:
        raise RuntimeError(f"redis-benchmark -t {test} -P {pipeline} of {server.name}: {done.stderr or done.stdout}")
    row = next(row for row in csv.DictReader(done.stdout.splitlines()) if row["test"].startswith(test))
    return Measured(float(row["rps"]), (cpu_of(server.pid) - before) / requests * 1e6)


def _ratio(turns: list[list[Measured]], other: int, cpu: bool = False) -> float:
    """How ours compares with that server, the median of the turns."""
    if cpu:
        return median(turn[other].cpu / max(turn[0].cpu, 0.01) for turn in turns)
    return median(turn[0].rate / turn[other].rate for turn in turns)


def _kept(pipeline: int, turns: list[list[Measured]]) -> bool:
    return max(_ratio(turns, 1), _ratio(turns, 1, cpu=True)) >= WANTED[pipeline] and _ratio(turns, 2) >= 1


def _table(found: dict[tuple[str, int], list[list[Measured]]]) -> None:
    print(f"redis-benchmark, {_CLIENTS} connections, durability full; redis-server syncs each second, or always")
    print(f"{'':14}{'here':>10}{'everysec':>10}{'always':>10}{'ratio':>9}{'cpu':>7}{'to always':>11}")
    for (test, pipeline), turns in found.items():
        rates = [median(turn[i].rate for turn in turns) for i in range(3)]
        print(
            f"{test:8}-P {pipeline:<3}" + "".join(f"{rate:10,.0f}" for rate in rates)
            + f"{_ratio(turns, 1):9.2f}{_ratio(turns, 1, cpu=True):7.2f}{_ratio(turns, 2):11.2f}"
        )  # fmt: skip
    print(
        f"  (wanted: a ratio to everysec of {WANTED[1]} with -P 1 and {WANTED[16]} with -P 16, by the clock or by the "
        "processor time of a request; and to be faster than always)"
    )


# servers


def _pinned(core: int) -> list[str]:
    cores = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(cores[core % len(cores)])] if shutil.which("taskset") else []


def free_port() -> int:
    """A port of loopback that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextmanager
def _running(name: str, words: list[str], port: int, ready: Callable[[], bool]) -> Iterator[Server]:
    process = subprocess.Popen(
        [*_pinned(0), *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT
    )  # (taskset becomes what it runs)
    try:
        for _ in range(600):
            if ready():
                break
            time.sleep(0.05)
        yield Server(name, port, process.pid)
    finally:
        process.terminate()
        process.wait(30)


def _answers(port: int) -> Callable[[], bool]:
    def ask() -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as peer:
                peer.sendall(b"PING\r\n")
                return peer.recv(7) == b"+PONG\r\n"
        except OSError:
            return False

    return ask


@contextmanager
def _redis(folder: Path, how: str) -> Iterator[Server]:
    port, own = free_port(), folder / how
    own.mkdir()
    words = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(own), "--save", ""]
    with _running(how, [*words, "--appendonly", "yes", "--appendfsync", how], port, _answers(port)) as server:
        yield server


@contextmanager
def _crdtkv(folder: Path) -> Iterator[Server]:
    port, http = free_port(), free_port()
    words = [sys.executable, "-m", "crdtkv.cli", "serve", "--colo", "lhr", "--data", str(folder / "lhr")]
    words += ["--listen", f"127.0.0.1:{http}", "--redis", f"127.0.0.1:{port}"]
    with _running("here", words, port, _answers(port)) as server:
        yield server
