"""Many seeds: on this process, on several, on a cluster: the same comes back for each."""

import importlib.util

import pytest

from crdtkv.errors import BadRequest, CrdtkvError
from crdtkv.sim.outcome import Finding, Outcome, Span
from crdtkv.sim.sweep import Judged, seeds_of, summary, sweep
from tests.sim.small import made

SEEDS = [3, 1, 2]
SHORT = {"duration": '"2s"', "settle": '"10s"'}


def here() -> list[Judged]:
    return list(sweep(made(**SHORT), SEEDS))


def test_seeds_come_in_their_order_in_one_process() -> None:
    found = here()
    assert [each.seed for each in found] == SEEDS
    assert {each.verdict for each in found} == {"valid"}
    assert len({each.trace_hash for each in found}) == 3


def test_two_processes_find_the_same() -> None:
    """What a seed comes to hangs on no process: each has its own hash seed."""
    assert sorted(sweep(made(**SHORT), SEEDS, jobs=2)) == sorted(here())


@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="no 'distributed' here: crdtkv[dask]")
@pytest.mark.filterwarnings("ignore::Warning")
def test_a_cluster_finds_the_same() -> None:
    import distributed

    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", host="127.0.0.1", dashboard_address=None
    ) as cluster:
        address = cluster.scheduler_address.partition("://")[2]
        assert sorted(sweep(made(**SHORT), SEEDS, executor=f"dask://{address}")) == sorted(here())


@pytest.mark.parametrize("executor", ["slurm://a:1", "dask", "dask://", "127.0.0.1:8786"])
def test_an_executor_that_is_none_is_refused(executor: str) -> None:
    with pytest.raises(BadRequest, match="no executor"):
        list(sweep(made(), [1], executor=executor))


@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="no 'distributed' here: crdtkv[dask]")
@pytest.mark.filterwarnings("ignore::Warning")
def test_a_cluster_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import distributed

    def nobody(*args: object, **given: object) -> None:
        raise OSError("timed out")

    monkeypatch.setattr(distributed, "Client", nobody)
    with pytest.raises(CrdtkvError, match=r"no dask scheduler answers at '127.0.0.1:1'"):
        list(sweep(made(), [1], executor="dask://127.0.0.1:1"))


def test_seeds_are_a_range_or_one() -> None:
    assert list(seeds_of("3..5")) == [3, 4, 5]
    assert list(seeds_of("0")) == [0]
    for words in ("", "..", "1..", "5..3", "-1..2", "a..b", "1...3", "0..99999999"):
        with pytest.raises(BadRequest, match="seeds are"):
            seeds_of(words)


def test_a_summary_keeps_the_first_words_of_each_checker() -> None:
    outcome = Outcome("x", 7, [], {}, 1.0, verdict="invalid", lost=2)
    outcome.findings = [Finding("a", "one"), Finding("a", "two"), Finding("b", "three")]
    outcome.faults = [Span("crash", 0, 1, (), ""), Span("crash", 2, 3, (), ""), Span("ring", 2, 3, (), "")]
    assert summary(outcome) == Judged(7, "invalid", 0, 2, 0, {"a": "one", "b": "three"}, {"crash": 2, "ring": 1}, "")
