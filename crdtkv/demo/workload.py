"""The same random workload under each strategy, side by side.

A plan is drawn once from the seed: which client reads at which colo, what it means
to do, how much later it PUTs its whole document, and which links between colos are
up. The same plan is then played under every strategy, by the same calls: `get`, then
`put(key, document, base=the version read)`. No client knows the strategy or merges. The
stores lie in files of a temporary folder: what takes long is the disk, at each commit.

How it is counted (`judge`):
- writes: PUTs acknowledged. A client that meant to remove what it does not see writes
  nothing, so a strategy that loses entries also sees fewer writes.
- lost, resurrected, doubled: entries that are missing, back or there twice at the end,
  judged by what clients saw, not by what the strategy kept.
- mv shows all siblings to a reader; this client, like most, edits the first of them
  and PUTs it on what it read, which settles the others. At the end an entry is lost if
  no sibling has it, and resurrected if all have it.
- conflicts: what a store told of: entries in the conflict inboxes at the end, and reads
  that gave more than one sibling.
- bytes: what the syncs of all colos sent, the first documents included.
A strategy that has no such values (a cart is no set) is shown as `-`.
"""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from rich.progress import Progress, TaskID
from rich.table import Table

from crdtkv.demo.colos import NAMES, Colos, three
from crdtkv.demo.judge import Act, Counts, judge
from crdtkv.demo.screen import console, print_plain
from crdtkv.demo.shapes import SHAPES, Intent, Shape

__all__ = ["Plan", "Reading", "Result", "Visit", "make_plan", "play", "show"]

_STRATEGIES = ("lww", "mv", "set", "list", "json")
_KEYS = 3
_LINKS = (("lhr", "sin"), ("sin", "gru"), ("gru", "lhr"))
_PER_ROUND = 6  # writes between two chances to sync
_LONGEST_HOLD = 4  # writes that may happen between a client's read and its PUT


class Visit(NamedTuple):
    """One client: it reads `key` at `colo` when `reads` PUTs were made, and PUTs as its turn comes."""

    reads: int
    colo: str
    key: str
    intent: Intent


class Plan(NamedTuple):
    """Visits in the order of their PUTs; `up[i]`: the links that sync after the i-th round."""

    visits: tuple[Visit, ...]
    up: tuple[tuple[tuple[str, str], ...], ...]


class Result(NamedTuple):
    """What one strategy made of the plan."""

    shape: str
    strategy: str
    writes: int
    counts: Counts
    conflicts: int
    converged: bool
    exchanged: int


class Reading(NamedTuple):
    """What a client took home: the document, its version, and the acts its colo knew of."""

    document: Any
    version: Any
    saw: int
    siblings: int


def make_plan(shape: Shape, seed: int, writes: int) -> Plan:
    """The plan of this shape; nothing in it depends on a strategy."""
    rng = random.Random(f"{seed}/{shape.name}")
    keys = [f"{shape.name}/{i}" for i in range(1, _KEYS + 1)]
    known = {key: list(shape.entries(shape.start())) for key in keys}
    visits = []
    for n in range(writes):
        key = rng.choice(keys)
        intent = shape.intend(rng, n + 100, known[key])
        if intent.kind == "add":
            known[key].append(intent.entry)
        visits.append(Visit(max(0, n - rng.randint(0, _LONGEST_HOLD)), rng.choice(NAMES), key, intent))
    states = dict.fromkeys(_LINKS, True)
    up = []
    for _ in range(writes // _PER_ROUND + 1):
        for link in _LINKS:
            if rng.random() < 0.25:  # a link stays as it is for four rounds, on average
                states[link] = not states[link]
        up.append(tuple(link for link in _LINKS if states[link]))
    return Plan(tuple(visits), tuple(up))


class _Play:
    """One plan under one strategy. `knows` is the truth about who has heard of what, kept apart from the store."""

    def __init__(self, shape: Shape, colos: Colos) -> None:
        self.shape, self.colos = shape, colos
        self.acts: list[Act] = []
        self.knows = dict.fromkeys(NAMES, 0)
        self.writes = self.shown = 0

    def create(self, keys: list[str]) -> None:
        for key in keys:
            start = self.shape.start()
            self.colos[NAMES[0]].put(key, start)
            for entry in self.shape.entries(start):
                self.did(NAMES[0], "add", f"{key} {entry}", 0)
        for a, b in _LINKS * 2:
            self.link(a, b)

    def did(self, colo: str, kind: str, place: str, saw: int) -> None:
        self.acts.append(Act(len(self.acts), kind, place, saw))
        self.knows[colo] |= 1 << self.acts[-1].n

    def link(self, a: str, b: str) -> None:
        self.colos.link(a, b)
        self.knows[a] = self.knows[b] = self.knows[a] | self.knows[b]

    def read(self, colo: str, key: str) -> Reading:
        entry = self.colos[colo].get(key)
        assert entry is not None, "no client deletes a key"
        several = len(entry.siblings) > 1
        self.shown += several
        return Reading(entry.siblings[0] if several else entry.value, entry.version, self.knows[colo], several)

    def put(self, visit: Visit, reading: Reading) -> None:
        done = self.shape.carry_out(reading.document, visit.intent)
        if done is None:
            return
        document, kind = done
        self.colos.wall.wait(0.7)
        self.colos[visit.colo].put(visit.key, document, base=reading.version)
        self.writes += 1
        if kind in ("add", "edit", "remove"):
            self.did(visit.colo, kind, f"{visit.key} {visit.intent.entry}", reading.saw)

    def judged(self, keys: list[str]) -> Counts:
        """What stands at the end, in any sibling and in all, against what clients did."""
        found: Counter[str] = Counter()
        surely: set[str] = set()
        for key in keys:
            entry = self.colos[NAMES[0]].get(key)
            assert entry is not None, "no client deletes a key"
            values = entry.siblings if len(entry.siblings) > 1 else [entry.value]
            held = [{f"{key} {e}": times for e, times in self.shape.entries(v).items()} for v in values]
            for one in held:
                found |= Counter(one)
            surely |= set.intersection(*map(set, held))
        return judge(self.acts, found, surely)


def play(shape: Shape, strategy: str, seed: int, writes: int, tick: Callable[[], None]) -> Result:
    """Plays the plan of this seed under `strategy`, on three stores; `tick` is called once a visit."""
    plan = make_plan(shape, seed, writes)
    keys = sorted({v.key for v in plan.visits})
    with three({f"{shape.name}/*": strategy}, seed) as colos:
        run = _Play(shape, colos)
        run.create(keys)
        waiting: dict[int, list[int]] = {}
        for i, visit in enumerate(plan.visits):
            waiting.setdefault(visit.reads, []).append(i)
        readings: dict[int, Reading] = {}
        for i, visit in enumerate(plan.visits):
            for j in waiting.get(i, ()):
                readings[j] = run.read(plan.visits[j].colo, plan.visits[j].key)
            run.put(visit, readings.pop(i))
            if i % _PER_ROUND == _PER_ROUND - 1:
                for a, b in plan.up[i // _PER_ROUND]:
                    run.link(a, b)
            tick()
        for a, b in _LINKS * 2:
            run.link(a, b)
        inbox = sum(len(list(colos[name].conflicts())) for name in NAMES)
        return Result(
            shape.name, strategy, run.writes, run.judged(keys),
            run.shown + inbox, colos.agree(keys), colos.exchanged,
        )  # fmt: skip


def show(seed: int, writes: int) -> None:
    """Plays everything, with a progress bar on a terminal, and prints the table."""
    out = console()
    out.print(f"\n[bold]The same {writes} random edits under each strategy[/bold] (seed {seed})")
    print_plain(
        out,
        f"Three colos with files, {_KEYS} keys of each shape. Links go down and come back at random. "
        "Every client reads, edits, and PUTs its whole document with the version it had read.\n",
    )
    runs = [(shape, strategy) for shape in SHAPES for strategy in _STRATEGIES]
    results: list[tuple[str, str, Result | None]] = []
    with Progress(console=out, transient=True, disable=not out.is_terminal) as progress:
        task = progress.add_task("", total=writes * sum(len(s.strategies) for s in SHAPES))
        for shape, strategy in runs:
            progress.update(task, description=f"{shape.name} under {strategy}")
            fits = strategy in shape.strategies
            tick = _ticker(progress, task)
            results.append((shape.name, strategy, play(shape, strategy, seed, writes, tick) if fits else None))
    print_plain(out, _table(results))
    print_plain(
        out,
        "\nlost: added, removed by nobody who had seen it, and missing. resurrected: removed, put back by nobody, "
        "and there. doubled: there twice. conflicts: what the store told of, in its inbox or as siblings. "
        "-: has no such values.",
    )


def _ticker(progress: Progress, task: TaskID) -> Callable[[], None]:
    return lambda: progress.advance(task)


def _table(results: list[tuple[str, str, Result | None]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("")
    for name in ("writes", "lost", "resurrected", "doubled", "conflicts", "converged", "bytes"):
        table.add_column(name, justify="right")
    last = ""
    for shape, strategy, result in results:
        if shape != last:
            table.add_row(f"[bold]{shape}[/bold]")
            last = shape
        if result is None:
            table.add_row(f"  {strategy}", *["-"] * 7, style="dim")
            continue
        table.add_row(
            f"  {strategy}", str(result.writes), *map(_bad, result.counts), str(result.conflicts),
            "yes" if result.converged else "[red]no[/red]", f"{result.exchanged:,}",
        )  # fmt: skip
    return table


def _bad(count: int) -> str:
    return f"[red]{count}[/red]" if count else "[green]0[/green]"
