"""Many seeds of one scenario: on this machine's cores, or on a cluster.

Rule: a seed is judged by itself, and what comes back is the same wherever it ran; they come back as they end.
"""

import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from itertools import islice
from multiprocessing import get_context
from typing import Any, NamedTuple

from crdtkv.core.show import show
from crdtkv.errors import BadRequest, Unavailable
from crdtkv.sim.outcome import Outcome, Verdict
from crdtkv.sim.running import run
from crdtkv.sim.scenario import Scenario

__all__ = ["MOST_SEEDS", "Judged", "judged", "seeds_of", "summary", "sweep"]

MOST_SEEDS = 10_000_000
_AHEAD = 4
"""Seeds that wait, for each that runs."""

_Judge = Callable[[Scenario, int], "Judged"]


class Judged(NamedTuple):
    """What is kept of a run in a sweep. `found`: the checkers that found something, and the first words of each."""

    seed: int
    verdict: Verdict
    acknowledged: int
    lost: int
    resurrected: int
    found: dict[str, str]
    faults: dict[str, int]
    """How many of each kind."""
    trace_hash: str


def judged(scenario: Scenario, seed: int) -> Judged:
    """Run it under that seed."""
    return summary(run(scenario, seed))


def summary(outcome: Outcome) -> Judged:
    """What a sweep keeps of an outcome."""
    found: dict[str, str] = {}
    for finding in outcome.findings:
        found.setdefault(finding.checker, finding.words)
    faults: dict[str, int] = {}
    for span in outcome.faults:
        faults[span.kind] = faults.get(span.kind, 0) + 1
    return Judged(
        outcome.seed, outcome.verdict, outcome.acknowledged, outcome.lost, outcome.resurrected, found, faults,
        outcome.trace_hash,
    )  # fmt: skip


def seeds_of(words: str) -> range:
    """The seeds that a person names. Raises BadRequest.

    >>> seeds_of("1..1000"), seeds_of("7")
    (range(1, 1001), range(7, 8))
    """
    first, dots, last = words.partition("..")
    try:
        low = int(first)
        high = int(last) if dots else low
    except ValueError:
        raise BadRequest(f"seeds are {show(words)}; as in '1..1000', or '7', is allowed") from None
    if not 0 <= low <= high < low + MOST_SEEDS:
        raise BadRequest(f"seeds are {show(words)}; from 0 up, at most {MOST_SEEDS:,} of them, are allowed")
    return range(low, high + 1)


def sweep(
    scenario: Scenario, seeds: Iterable[int], jobs: int = 1, executor: str | None = None, judge: _Judge = judged
) -> Iterator[Judged]:
    """Each seed's verdict, in the order in which they end.

    `jobs`: processes on this machine; `executor`: instead, a cluster, as "dask://HOST:8786". Raises BadRequest, and
    Unavailable where the cluster is not there.
    """
    if executor is None and jobs == 1:
        yield from (judge(scenario, seed) for seed in seeds)
        return
    with _pool(jobs, executor) as (submit, done, width):
        coming = iter(seeds)
        waiting = {submit(judge, scenario, seed) for seed in islice(coming, width * _AHEAD)}
        while waiting:
            for each in done(waiting):
                waiting.remove(each)
                waiting.update(submit(judge, scenario, seed) for seed in islice(coming, 1))
                yield each.result()


_Pool = tuple[Callable[..., Any], Callable[[set[Any]], Iterable[Any]], int]


@contextmanager
def _pool(jobs: int, executor: str | None) -> Iterator[_Pool]:
    """How a call is handed out, how one waits for the first that end, and how many run at a time."""
    with ExitStack() as stack:
        yield _processes(stack, jobs) if executor is None else _cluster(stack, executor)


def _processes(stack: ExitStack, jobs: int) -> _Pool:
    # Ctrl-C goes to all processes of a terminal: it is this one's to say that the others stop.
    quiet = (signal.SIGINT, signal.SIG_IGN)
    pool = stack.enter_context(ProcessPoolExecutor(jobs, get_context("spawn"), signal.signal, quiet))
    stack.callback(pool.shutdown, cancel_futures=True)

    def done(waiting: set[Future[Judged]]) -> Iterable[Future[Judged]]:
        return wait(waiting, return_when=FIRST_COMPLETED).done

    return pool.submit, done, jobs


def _cluster(stack: ExitStack, executor: str) -> _Pool:
    kind, _, address = executor.partition("://")
    if kind != "dask" or not address:
        raise BadRequest(f"no executor {show(executor)}; as in 'dask://127.0.0.1:8786' is allowed")
    try:
        import distributed
    except ImportError:
        raise BadRequest(
            "a sweep on a cluster needs the package 'distributed'", next_step="pip install distributed"
        ) from None
    try:
        client = stack.enter_context(distributed.Client(f"tcp://{address}", timeout=10))
    except (OSError, TimeoutError):
        raise Unavailable(f"no dask scheduler answers at {show(address)}", happened="no") from None
    width = max(1, sum(client.nthreads().values()))

    def submit(*call: Any) -> Any:
        return client.submit(*call, pure=False)

    def done(waiting: set[Any]) -> Iterable[Any]:
        return list(distributed.wait(list(waiting), return_when="FIRST_COMPLETED").done)

    return submit, done, width
