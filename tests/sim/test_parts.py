"""The parts of the simulated world, each by itself: chance, clocks, disks, links, traces."""

from __future__ import annotations

import json
from random import Random
from statistics import median

import pytest

from crdtkv.core.cells import Sibling
from crdtkv.errors import BadRequest, StorageFailed
from crdtkv.sim import run
from crdtkv.sim.chance import distribution, key_of, stream
from crdtkv.sim.clock import EPOCH_MS, SECOND, Clock
from crdtkv.sim.disk import Disk, weight_of
from crdtkv.sim.network import Network, Trouble
from tests.sim.small import made

LINK = ("lhr", "sin")
SOUND = Trouble()


def _fates(network: Network, count: int, size: int = 100, now_us: int = 0) -> list[list[tuple[int, bytes]]]:
    return [network.fates(network.link(*LINK), bytes(size), now_us) for _ in range(count)]


def _network(usual: Trouble = SOUND, bytes_per_s: float | None = None, jitter: str | None = None) -> Network:
    drawn = None if jitter is None else distribution(jitter)
    return Network(1, lambda a, b: 100.0, drawn, usual, bytes_per_s)


def test_distributions_have_the_middle_that_they_say() -> None:
    said = {"normal(5, 2)": 5, "lognormal(0, 0.5)": 1, "uniform(2, 4)": 3, "exponential(10)": 6.93}
    for words, middle in said.items():
        draw, dice = distribution(words), stream(1, words)
        assert median(draw(dice) for _ in range(4_000)) == pytest.approx(middle, rel=0.1)
    for wrong in ("normal(1)", "zipf(1, 2)", "normal(a, b)", "", True):
        with pytest.raises(BadRequest, match="is no distribution"):
            distribution(wrong)


def test_a_zipf_of_keys_has_few_that_are_hot() -> None:
    draw, dice = key_of("a/{zipf(1000, 0.99)}/b"), stream(1)
    keys = [draw(dice) for _ in range(4_000)]
    assert keys.count("a/0/b") > 10 * keys.count("a/50/b") and len(set(keys)) > 400


def test_a_clock_is_off_by_its_skew_and_gains_by_its_drift() -> None:
    clock = Clock(skew_ms=20, drift_ppm=100)
    assert clock.wall_ms(0) - EPOCH_MS == 20
    assert clock.wall_ms(1_000 * SECOND) - EPOCH_MS == 1_000_000 + 20 + 100
    clock.jump(-5_000)
    assert clock.wall_ms(0) - EPOCH_MS == -4_980


def test_a_message_takes_half_a_round_trip() -> None:
    assert _fates(_network(), 2) == [[(50_000, bytes(100))]] * 2
    drawn = [at for ((at, _),) in _fates(_network(jitter="lognormal(0, 0.1)"), 500)]
    assert len(set(drawn)) > 400 and median(drawn) == pytest.approx(50_000, rel=0.05)


def test_bandwidth_is_one_message_after_the_other() -> None:
    network = _network(bytes_per_s=1_000)
    assert [at for ((at, _),) in _fates(network, 3)] == [150_000, 250_000, 350_000]


def test_links_lose_double_reorder_and_spoil() -> None:
    lossy = _fates(_network(Trouble(loss=0.3)), 1_000)
    assert 200 < sum(not fate for fate in lossy) < 400
    assert 200 < sum(len(fate) == 2 for fate in _fates(_network(Trouble(duplicate=0.3)), 1_000)) < 400
    assert 200 < sum(at > 50_000 for ((at, _),) in _fates(_network(Trouble(reorder=0.3)), 1_000)) < 400
    assert 200 < sum(data != bytes(100) for ((_, data),) in _fates(_network(Trouble(corrupt=0.3)), 1_000)) < 400


def test_a_cut_link_carries_nothing_and_a_clog_holds_all() -> None:
    network = _network()
    link, back = network.link(*LINK), network.link("sin", "lhr")
    link.cuts += 1
    assert network.fates(link, b"x", 0) == [] and network.fates(back, b"x", 0) == [(50_000, b"x")]
    link.cuts -= 1
    link.troubles.append(Trouble(held_us=900_000))
    assert network.fates(link, b"x", 0) == [(900_000, b"x")]


def test_a_crash_undoes_whole_commits_from_the_last_one_on() -> None:
    left = set()
    for seed in range(20):
        disk = Disk("lhr/1", {}, "normal")
        for n in range(4):
            disk.begin()
            disk.put_meta("n", n)
            disk.put_meta(f"m{n}", n)
            disk.commit()
            if n == 1:
                disk.sync()
                disk.synced()
        lost = disk.lose(Random(seed))
        n = disk.meta("n")
        assert n == 3 - lost and n >= 1
        assert [disk.meta(f"m{i}") is not None for i in range(4)] == [i <= n for i in range(4)]
        assert disk.uncertain()
        left.add(n)
    assert left == {1, 2, 3}


def test_a_full_disk_keeps_what_it_has() -> None:
    disk = Disk("lhr/1", {})
    disk.full = True
    disk.begin()
    disk.put_meta("n", 1)
    with pytest.raises(StorageFailed, match="full"):
        disk.commit()
    assert disk.meta("n") is None


def test_a_disk_weighs_what_it_holds_whatever_became_of_it() -> None:
    """It looks at what was written since the last time."""
    dice = Random(1)
    disk = Disk("lhr/1", {}, "normal")
    for n in range(200):
        disk.begin()
        key = f"k{dice.randrange(4)}"
        for path in dice.sample([b"", b"a", b"b", b"c"], dice.randrange(3)):
            disk.put_cell(key, path, dice.choice([(), (Sibling(("lhr~a", n), n, b"x" * dice.randrange(9)),)]))
        if dice.random() < 0.5:
            disk.put_context(key, dict.fromkeys("ab"[: dice.randint(1, 2)], n) if disk.cells(key) else {})
        if dice.random() < 0.1:
            disk.rollback()
        disk.commit()
        if dice.random() < 0.1:
            disk.lose(dice)
        if dice.random() < 0.1:
            disk.sync()
            disk.synced()
        if dice.random() < 0.3:
            assert disk.weight() == weight_of(disk)
            assert disk.copy("lhr/2").weight() == weight_of(disk)


def test_a_watched_key_is_traced_from_its_write_to_every_colo() -> None:
    found = run(made(), 1, watch=("todo/1",))
    writes = [event for event in found.trace if event.kind == "write"]
    assert writes and {event.key for event in found.trace} == {"todo/1"}
    dot = writes[0].dot
    way = [(event.kind, event.colo, event.peer) for event in found.trace if event.dot == dot]
    origin = writes[0].colo
    others = {"LHR", "SIN", "GRU"} - {origin}
    assert way[0] == ("write", origin, "")
    assert {(colo, peer) for kind, colo, peer in way if kind == "send"} == {(origin, other) for other in others}
    assert {colo for kind, colo, _ in way if kind in ("absorb", "catch-up")} == others
    times = [event.at for event in found.trace]
    assert times == sorted(times)


def test_an_outcome_is_plain_data() -> None:
    found = run(made(), 2, watch=("todo/*",))
    plain = json.loads(json.dumps(found.to_plain()))
    assert plain["acknowledged"] == found.acknowledged and plain["links"][0].keys() == {
        "from", "to", "messages", "bytes", "lost",
    }  # fmt: skip
    assert sum(found.bytes_by_kind.values()) == sum(link.bytes for link in found.links.values())
    assert found.memory[-1].values < found.memory[-1].bytes and found.counts["record absorbed"] > 50
