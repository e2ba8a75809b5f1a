"""Each checker catches a bug of the kind that it is there for: a rule of the engine is broken, and the run is invalid.

The same run without the bug is valid: each scenario is played both ways.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any, NamedTuple

import pytest

from crdtkv.gossip.probing import Probing
from crdtkv.replica import exchange, life, purge
from crdtkv.replica.core import Replica
from crdtkv.replica.memos import Memos
from crdtkv.sim import world
from crdtkv.sim.checkers import causal
from crdtkv.sim.disk import Disk
from crdtkv.sim.evidence import Fate
from crdtkv.sim.outcome import Outcome
from crdtkv.sim.running import run
from crdtkv.sim.scenario import parse
from crdtkv.sim.workloads.base import Op
from crdtkv.store import maintenance
from crdtkv.store.handles import ListHandle
from crdtkv.strategies import counter_cells
from tests.compiled import interpreted
from tests.guards.mutation import Line, Mutation, Setting
from tests.sim.small import outcome

PARTITION = '[[fault]]\nkind = "partition"\nat = "2s"\nfor = "5s"\ngroups = [["LHR"], ["SIN", "GRU"]]'
LISTS = {"kind": '"list-append"', "keys": '"todo/{uniform(3)}"', "rate": "30"}
CRASH = f'{PARTITION.replace("2s", "5s")}\n[[fault]]\nkind = "crash"\nat = "6s"\nfor = "1s"\ncolos = ["LHR"]'
LAZY = {**LISTS, "rate": "60", "clock": '{ skew_ms = 0 }\ndisk = { fsync_ms = 5, durability = "normal" }'}
LOSSY = {**LISTS, "loss": "0.2"}
SETS = {"kind": '"set"', "keys": '"todo/{uniform(3)}"', "rate": "30", "strategy": '"set"'}
COUNTERS = {"kind": '"counter"', "keys": '"todo/{uniform(3)}"', "rate": "30", "strategy": '"counter"'}
GROUPS = {"kind": '"transactions"', "keys": '"todo/{uniform(3)}"', "rate": "30", "strategy": '"lww"'}
REGISTERS = {
    "kind": '"register"', "keys": '"todo/{uniform(3)}"', "rate": "30", "strategy": '"lww"',
    "clock": '{ skew_ms = "uniform(-3000, 3000)" }',
}  # fmt: skip
CHURN = {"kind": '"churn"', "keys": '"todo/{uniform(30)}"', "rate": "30", "strategy": '"lww"', "settle": '"70s"'}


def _some_are_forgotten(write: Callable[..., None]) -> Callable[..., None]:
    def forgetful(replica: Replica, record: Any) -> None:
        if record.dot[1] % 5 or record.dot[1] < 6:
            write(replica, record)

    return forgetful


def _only_the_first(write: Callable[..., None]) -> Callable[..., None]:
    return lambda replica, record: write(replica, record._replace(writes=record.writes[:1]))


def _into_another_key(write: Callable[..., None]) -> Callable[..., None]:
    def misled(replica: Replica, given: Any, *rest: Any) -> None:
        write(replica, given._replace(key="todo/0") if given.key.startswith("todo/") else given, *rest)

    return misled


def _twice(self: ListHandle, *new: Any) -> Any:
    self._do("append", *new)
    return self._do("append", *new)


class Bug(NamedTuple):
    checker: str
    words: str
    mutations: tuple[Mutation, ...]
    scenario: dict[str, str]
    fault: str = PARTITION


BUGS = [
    Bug("converged", "who takes a write in keeps what it should drop", (
        Line(exchange._write_one, "make_cell([*cell, *left]) if left else cell", "make_cell([*cell, *old])"),
        Line(Probing._compare, "self._repairing.begin(peer)", "pass"),
    ), REGISTERS),
    Bug("nothing-lost", "a delta lost: a vector says that it is here", (
        Setting(exchange, "_write", _some_are_forgotten(exchange._write)),
        Line(Probing._compare, "self._repairing.begin(peer)", "pass"),
    ), LISTS),
    Bug("nothing-returns", "a write that leaves what it replaced", (
        Line(exchange._write_one, "left = [s for s in old if s.dot not in gone]", "left = list(old)"),
    ), SETS),
    Bug("nothing-unasked", "a write that lands in another key", (
        Setting(exchange, "_write_one", _into_another_key(exchange._write_one)),
    ), LISTS),
    Bug("no-duplicates", "an append that is tried again after it was done", (
        Setting(ListHandle, "append", _twice),
    ), LISTS),
    Bug("transactions-whole", "a record of which only the first write is taken in", (
        Setting(exchange, "_write", _only_the_first(exchange._write)),
    ), GROUPS),
    Bug("causal", "a record taken in before what its writer had seen", (
        Line(exchange._ready, "m <= vector.get(r, 0)", "True"),
    ), LOSSY),
    Bug("sessions", "a reader is told again what is not true any more", (
        Line(Memos.changed, "self.touched(key)", "pass"),
        Setting(Memos, "touched", lambda self, key: None),
        Setting(Memos, "met", lambda self, key: True),
    ), LISTS),
    Bug("counters", "a share that begins anew with each add", (
        Line(counter_cells.share, "map(max,", "map(min,"),
        Line(counter_cells.plus, "up + n", "n"),
    ), COUNTERS),
    Bug("registers", "a stamp that decides causality", (
        Line(exchange._write_one, "left = [s for s in old if s.dot not in gone]", "left = list(old)"),
        Line(Replica.observe, "max(self.state.clock, min(stamp, bound))", "self.state.clock"),
    ), REGISTERS),
    Bug("metadata-bounded", "nothing is ever forgotten", (
        Setting(maintenance, "purge", lambda replica, step_ms: 0),
    ), CHURN),
    Bug("converged", "of two concurrent writes the one that comes last stands", (
        Line(exchange._write_one, "left = [s for s in old if s.dot not in gone]", "left = []"),
        Line(Probing._compare, "self._repairing.begin(peer)", "pass"),
    ), REGISTERS),
    Bug("nothing-lost", "a dot minted twice: who lost its last commits goes on under its name", (
        Setting(Disk, "uncertain", lambda self: False),
        Setting(life, "is_old_copy", lambda replica, peer: False),
    ), LAZY, CRASH),
    Bug("converged", "a purge too early", (
        Setting(purge, "stable", lambda replica, step_ms: replica.now()),
        Setting(world, "FORGET_US", 500_000),
        Line(Probing._compare, "self._repairing.begin(peer)", "pass"),
    ), {**CHURN, "keys": '"todo/{uniform(20)}"'}, PARTITION.replace('"5s"', '"7800ms"')),
    Bug("quiet", "each probe is followed by a pull", (
        Line(Probing.on_probe, "self._compare(peer, theirs.digest)", "self._pulling.pull(peer, head=True)"),
    ), LISTS),
]  # fmt: skip


@interpreted
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.checker)
def test_a_seeded_bug_is_caught(bug: Bug) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for mutation in bug.mutations:
            mutation.broken(patch)
        found = _run(bug)
    assert found.checks[bug.checker] == "invalid", f"{bug.words}: {found.checks}"


SCENARIOS = [LISTS, LAZY, LOSSY, SETS, COUNTERS, GROUPS, REGISTERS, CHURN]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s["kind"] + s.get("loss", "") + s["rate"])
def test_without_it_the_same_run_is_valid(scenario: dict[str, str]) -> None:
    found = outcome(PARTITION, 3, **scenario)
    assert found.verdict == "valid", found.findings


def test_every_checker_has_a_bug() -> None:
    from crdtkv.sim.checkers import CHECKERS

    assert {bug.checker for bug in BUGS} | {"conditions"} == set(CHECKERS)


def _op(dice: Random) -> Op:
    dot = (dice.choice("ab"), dice.randint(1, 2)) if dice.random() < 0.8 else None
    return Op(0, 0, "lhr", "add", "k", None, True, 0, status="ok", dot=dot)


def _run(bug: Bug) -> Outcome:
    return outcome(bug.fault, 3, **bug.scenario)




def test_a_read_that_is_passed_without_a_look_is_right() -> None:
    """Of entries, and vectors, drawn at random."""
    passed = 0
    for seed in range(3_000):
        dice = Random(seed)
        story = causal._Story()
        entries = range(dice.randrange(4))
        for entry in entries:
            adds = [_op(dice) for _ in range(dice.randint(1, 2))]
            story.add(entry, Fate(adds, [_op(dice) for _ in range(dice.choice([0, 0, 1, 2]))]))
        read = replace(_op(dice), saw={"a": dice.randrange(3), "b": dice.randrange(3)})
        shown = {entry for entry in entries if dice.random() < 0.5}
        if shown == story.usual(read.saw):
            passed += 1
            for renewed in (False, True):
                assert not list(causal._read(read, shown, story.fates, renewed)), seed
    assert passed > 300


def test_where_nobody_does_anything_nothing_is_shown() -> None:
    """It was valid, with 0 writes: as if a partition had been withstood."""
    made = run(parse('[scenario]\nduration = "1s"\nsettle = "1s"\n[colos]\nset = ["LHR", "SIN"]'))
    assert made.verdict == "unknown" and "[[workload]]" in made.findings[0].words
