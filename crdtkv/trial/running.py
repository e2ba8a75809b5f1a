"""The laws over worlds drawn at random: for a strategy that nobody here knows.

What operations it takes, and of what values, is found by trying: what it refuses with an
error of the tree does not fit, and is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import Any

from crdtkv.core import values
from crdtkv.core.show import show
from crdtkv.errors import BadRequest, CrdtkvError, ValueInvalid
from crdtkv.strategies.base import Operation, Strategy
from crdtkv.strategies.registry import strategy
from crdtkv.trial import laws
from crdtkv.trial.colos import Replica, World

__all__ = ["SAMPLES", "Verdict", "run", "wishes"]

SAMPLES: tuple[Any, ...] = (
    None, 0, 1, 2, -3, True, 1.5, "x", "y", "x y z", [], ["x"], ["y", "x", 1], {}, {"a": 1},
    {"a": {"b": [1, 2]}, "c": "x"},
)  # fmt: skip
_FOREIGN = tuple(map(values.pack, SAMPLES))
"""What another strategy, or a later release of this one, might have written. (Bytes that are none come from nobody.)"""
_LONGEST = 10


@dataclass
class Verdict:
    """Of one law: how often it was tried, whether it held each time, and what broke it first."""

    law: str
    tried: int = 0
    kept: bool = True
    words: str = ""


def run(
    spec: str, *, worlds: int = 200, seed: int = 1, samples: Iterable[Any] = (), tick: Callable[[], Any] = lambda: None
) -> list[Verdict]:
    """Try every law on the strategy in so many worlds; the same seed tries the same.

    `samples`: values that its keys hold, where the usual ones do not fit. Raises UnknownStrategy,
    RuleInvalid, MergeFunctionInvalid, and ValueInvalid if no value fits.

    >>> all(verdict.kept for verdict in run("lww", worlds=5))
    True
    """
    chosen = strategy(spec)
    chosen.check_known()
    trial = _Trial(chosen, list(samples))
    for number in range(worlds):
        trial.world(Random(f"{seed}/{number}"))
        tick()
    return list(trial.verdicts.values())


def wishes(chosen: Strategy, samples: Sequence[Any]) -> list[Operation]:
    """What it takes: each of its operations, with none, one or two of the samples, where it does not refuse them."""
    found: dict[str, Operation] = {}
    grounds = list(_grounds(chosen, samples))
    given: list[tuple[Any, ...]] = [(), *((s,) for s in samples), *product(samples, repeat=2)]
    for name in chosen.operations:
        for args in given if name != "put" else given[1 : len(samples) + 1]:
            wish = Operation(name, args)
            if any(_takes(ground, wish) for ground in grounds):
                found[repr(wish)] = wish
    return list(found.values())


def _grounds(chosen: Strategy, samples: Sequence[Any]) -> Iterator[Replica]:
    """A key that is not there yet, and one for each value that it can be made with."""
    yield Replica("a", chosen)
    for value in samples:
        replica = Replica("a", chosen)
        if _takes(replica, Operation("put", (value,))):
            replica.edit(Operation("put", (value,)))
            yield replica


def _takes(replica: Replica, wish: Operation) -> bool:
    try:
        replica.strategy.edit(replica.tree, wish, replica.env())
    except Exception:  # a guess that does not fit may end in any error: json's `at` takes three, not what we have
        return False
    return True


class _Trial:
    def __init__(self, chosen: Strategy, samples: list[Any]) -> None:
        words = [word for value in chosen.chosen.values() for word in value.split(",")]
        samples = samples or [*SAMPLES, *words]
        self.chosen = chosen
        self.wishes = wishes(chosen, samples)
        self.puts = [wish.args[0] for wish in self.wishes if wish.name == "put"]
        if not self.puts:
            raise ValueInvalid(
                f"{chosen.spec} takes none of {show(samples)}", next_step="name a value that it takes by --value"
            )
        self.by_name: dict[str, list[Operation]] = {}
        for wish in self.wishes:
            self.by_name.setdefault(wish.name, []).append(wish)
        self.verdicts: dict[str, Verdict] = {}

    def world(self, rng: Random) -> None:
        """One history, and every law at its end; each on a history of its own, since it goes on with it."""
        drawn = rng.random()
        put, wish = rng.choice(self.puts), self.wish(rng)

        def again() -> World:
            return self.history(Random(drawn))

        self.hold("any order of arrival gives the same", lambda: laws.check_order(again()))
        self.hold("what was put is what is read", lambda: laws.check_put(again().replicas[0], put))
        self.hold("norm is the normal form", lambda: laws.check_norm(self.chosen, put))
        again_put = Operation("put", (put,))
        self.hold("said twice weighs as said once", lambda: laws.check_weight(again().replicas[0], again_put))
        self.hold("a purge changes no reading", lambda: laws.check_purge(again(), wish))
        self.hold("what is deleted leaves nothing", lambda: laws.check_nothing_left(again()))
        self.hold("on nothing", lambda: laws.check_nothing(self.chosen))
        payload = rng.choice(_FOREIGN)
        self.hold("foreign payloads break nothing", lambda: self.survives(again().replicas[0], payload, Random(drawn)))
        self.hold("a reading is a fresh object", lambda: laws.check_fresh(self.chosen, put))
        self.hold("it says what it is", lambda: laws.check_words(self.chosen))

    def survives(self, replica: Replica, payload: bytes, rng: Random) -> None:
        """A foreign payload in some of the cells."""
        laws.check_survives(replica, payload, [path for path in [b"", *replica.cells] if rng.random() < 0.5])

    def hold(self, law: str, check: Callable[[], None]) -> None:
        """Try it; a value or an operation that does not fit just then is no case."""
        verdict = self.verdicts.setdefault(law, Verdict(law))
        if not verdict.kept:
            return
        try:
            check()
        except BadRequest:
            return
        except laws.Broken as broken:
            verdict.kept, verdict.words = False, str(broken)
        except Exception as error:  # the user's own code
            verdict.kept, verdict.words = False, f"raised {type(error).__name__}: {error}"
        verdict.tried += 1

    def history(self, rng: Random) -> World:
        """Three colos that write and absorb each other at random; stamps collide, and bases are old now and then."""
        world = World(self.chosen)
        for _ in range(rng.randint(0, _LONGEST)):
            at = rng.randrange(3)
            if rng.random() < 1 / 3:
                world.sync(at, rng.randrange(3))
                continue
            try:
                world.edit(at, self.wish(rng), ms=rng.randint(0, 6), back=rng.choice([0, 0, 0, 1, 2]))
            except CrdtkvError:
                continue  # it does not fit what stands there now
        return world

    def wish(self, rng: Random) -> Operation:
        """Of each operation as often as of another, puts twice as often."""
        return rng.choice(self.by_name[rng.choice(["put", *self.by_name])])
