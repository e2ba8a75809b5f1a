"""What clients do: operations on stores, one after the other, and what they were told of each.

Law of this room: a client knows what it was told, and nothing else. What it does next hangs on
that, on its own chance, and on no strategy.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from crdtkv.sim.chance import key_of
from crdtkv.sim.reading import Parser
from crdtkv.sim.workloads.conditions import Conditions
from crdtkv.store.store import Store

if TYPE_CHECKING:
    from crdtkv.sim.scenario import WorkloadSpec

__all__ = ["PER_WORKLOAD", "Ask", "Done", "Op", "Step", "Steps", "Wait", "Workload", "entries_of"]


PER_WORKLOAD = 100_000
"""The clients of the n-th workload have numbers from n times that on."""


class Ask(NamedTuple):
    """An operation that is asked of a store. `kind`: what it means to do; `what`: the entry, or number, that it is
    about; `base`: of a put, what its client had read, as `Done`."""

    kind: str
    key: str
    act: Callable[[Store], Any]
    what: Any = None
    writes: bool = True
    base: Done | None = None


class Wait(NamedTuple):
    """The client thinks."""

    seconds: float


@dataclass(slots=True)
class Op:
    """An operation, as the world remembers it. Times are microseconds of virtual time.

    `status`: "ok"; "no": it did not happen; "unknown": nobody knows. `saw`: the vector that its client went by;
    `here`: that of the colo, when it was carried out.
    """

    n: int
    client: int
    colo: str
    kind: str
    key: str
    what: Any
    writes: bool
    began_us: int
    ended_us: int = 0
    status: Literal["ok", "no", "unknown"] = "unknown"
    value: Any = None
    dot: tuple[str, int] | None = None
    saw: Mapping[str, int] = field(default_factory=dict)
    here: Mapping[str, int] = field(default_factory=dict)
    error: str = ""


class Done(NamedTuple):
    """What a client was told of an operation. `value`: what `act` gave, None if it failed."""

    ok: bool
    value: Any
    op: Op


Step = Ask | Wait
Steps = Generator[Step, Done, None]


class Workload:
    """One kind of client. Made once for a run; `steps` is what a client does in one go, again and again."""

    KEYS: ClassVar[str] = "key/{uniform(10)}"
    MIX: ClassVar[Mapping[str, float]] = {}
    """What it does, and how often."""
    OPTIONS: ClassVar[Mapping[str, tuple[Parser, Any]]] = {}
    CHECKS: ClassVar[tuple[str, ...]] = ()
    """The checkers of what it has written; those that go for any world are not named."""

    def __init__(self, spec: WorkloadSpec, family_of: Callable[[str], str]) -> None:
        self.spec = spec
        self.key_of = key_of(spec.keys)
        self.family_of = family_of
        """key -> the family of the strategy that it is made under."""
        self._kinds, self._weights = zip(*spec.mix.items(), strict=True)
        self._made = 0
        self.conditions = Conditions()

    def setup(self, store: Store) -> None:
        """What is there before the run, at all colos."""

    def steps(self, client: int, dice: Random) -> Steps:
        """What a client does next."""
        raise NotImplementedError

    def check(self, values: Mapping[str, Any]) -> Iterator[str]:
        """What is wrong with what is read in the end, in words: of a user's own workload."""
        yield from ()

    def entries(self, value: Any) -> list[Any]:
        """The entries in a value as it is read in the end."""
        return entries_of(value)

    def shown(self, op: Op) -> list[Any]:
        """The entries that a client was shown by a read."""
        return entries_of(op.value)

    def kind(self, dice: Random) -> str:
        """What is done next, drawn from the mix."""
        return str(dice.choices(self._kinds, self._weights)[0])

    def new(self) -> int:
        """A number that nobody else has."""
        self._made += 1
        return self._made


def entries_of(value: Any) -> list[Any]:
    """The entries of a list or a set as it was read; none of what is absent, or is something else."""
    return list(value) if isinstance(value, list | tuple | set | frozenset) else []
