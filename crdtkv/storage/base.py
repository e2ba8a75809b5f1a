"""What a store asks of the place that keeps its cells.

Law of this room: between `begin` and `commit` everything written is read back at
once; `commit` makes all of it durable or none; `rollback` leaves no trace. There is
one writer, who holds the store's lock. A storage never looks into a payload: what
it keeps is a function of what it was given.

Six tables: cells, contexts, past (superseded siblings), horizons (how far back the
past reaches), inbox (lost writes), meta (vectors, clock, names).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Set
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from mypy_extensions import mypyc_attr

from crdtkv.core.cells import Cell, Context
from crdtkv.core.clocks import Dot, Stamp, Vector
from crdtkv.core.tree import Cells
from crdtkv.storage.pasts import Past
from crdtkv.storage.pile import Pile

__all__ = ["NO_HORIZON", "Floor", "Horizon", "Life", "Over", "Plain", "Said", "Storage", "Whole"]


class Life(NamedTuple):
    """The key was absent; the write `dot` made it anew and replaced a context.

    `held`: the entries of it that were remembered here; what lies in a life that was
    forgotten cannot be told.
    """

    dot: Dot
    replaced: dict[str, int]
    held: dict[str, int]


class Floor(NamedTuple):
    """The writer of `dot` had purged to `floor` before it; `before`: what was absorbed here when it came."""

    dot: Dot
    before: dict[str, int]
    floor: Stamp


class Horizon(NamedTuple):
    """How far back a key's past can be rebuilt: versions that cover `base` and do not fall into a gap.

    `deleted`: from which floor on the last of what was deleted here may have been dropped elsewhere.
    `floors`: whose writers, of this key, may have dropped some of it.
    """

    base: dict[str, int]
    gaps: tuple[tuple[dict[str, int], dict[str, int]], ...] = ()
    lives: tuple[Life, ...] = ()
    deleted: Stamp = 0
    floors: tuple[Floor, ...] = ()


NO_HORIZON: Final = Horizon({})


class Over(NamedTuple):
    """What a write leaves that replaces one sibling by one: most do."""

    cell: Cell
    packed: bytes
    """What MessagePack makes of the sibling in it."""
    context: Context
    past: Past
    """Of the cell, with the row that came."""
    row: bytes


_T = TypeVar("_T")

Said = tuple[Any, ...]
"""Of a key that is one text or whole number: key, replica, n and stamp of its one write, strategy, value, and more.

(A tuple, and no object: a scan has one of each key.)
"""

Plain = Callable[[Said], _T | None]

Whole = Callable[[str, Cells, Context], _T | None]


@mypyc_attr(allow_interpreted_subclasses=True)
class Storage:
    """Keys are text in code point order (the order of their UTF-8). Nothing returned may be mutated.

    What is asked of what is not as it was written raises ChecksumFailed; of the rest it is answered.
    """

    committed: bool
    """Whether what was written since the last `begin` is committed."""

    pile: Pile
    """What came of a catch-up that is under way."""

    @abstractmethod
    def cells(self, key: str) -> Cells:
        """The cells of `key`, empty if it has none. Valid until the next write."""

    @abstractmethod
    def standing(self, key: str) -> tuple[Cells, Context]:
        """The cells of `key` and its context, in one go: what a reader asks for. The context is never changed later."""

    @abstractmethod
    def put_cell(self, key: str, path: bytes, cell: Cell) -> None:
        """`cell` stands at (key, path); `()` removes it."""

    @abstractmethod
    def put_cells(self, key: str, cells: Mapping[bytes, Cell]) -> None:
        """As `put_cell` of each, where nothing stands yet."""

    @abstractmethod
    def unknown(self, keys: Collection[str]) -> set[str]:
        """Those of `keys` that have no cells, no context, no past and no horizon. O(keys), in one go."""

    @abstractmethod
    def put_key(self, key: str, cells: dict[bytes, Cell], context: Context, horizon: Horizon) -> None:
        """All of a key that was `unknown`. What is given is the storage's own from now on."""

    @abstractmethod
    def keys(self, low: str, high: str | None, reverse: bool = False) -> Iterator[str]:
        """The keys with cells, low <= key < high, in order."""

    @abstractmethod
    def said(self, key: str) -> Said | None:
        """What a row of a key says that is kept as one text or whole number, and has not changed since; else None.

        O(1), and of what is not at hand a read.
        """

    @abstractmethod
    def passing(
        self, low: str, high: str | None, reverse: bool, plain: Plain[_T] | None, whole: Whole[_T],
        wanted: Callable[[str], bool] | None = None,
    ) -> Iterator[_T]:  # fmt: skip
        """What is made of the keys that are `wanted`, low <= key < high, in order.

        By `plain` of those that are kept as one text or whole number, by `whole` of the others, and of what `plain`
        leaves to it (None). None of `whole`: the key is passed over. Nothing is written meanwhile, nor kept in memory.
        """

    @abstractmethod
    def compound(self, low: str) -> Iterator[str]:
        """The keys from `low` on that have more than one value at their root, and maybe others, in order."""

    @abstractmethod
    def beyond(self, vector: Vector) -> Set[tuple[str, bytes]]:
        """Where a sibling stands whose dot `vector` does not cover. O(answer)."""

    @abstractmethod
    def stands(self, key: str, dot: Dot) -> bool:
        """Whether a sibling with that dot stands in a cell of `key`."""

    @abstractmethod
    def due(self, floor: Stamp) -> list[tuple[str, bytes]]:
        """The cells that `core.cells.due` puts at or below `floor`."""

    @abstractmethod
    def context(self, key: str) -> Context:
        """The key's context, empty if it has none."""

    @abstractmethod
    def put_context(self, key: str, context: Context) -> None:
        """An empty context removes it."""

    @abstractmethod
    def supersede(self, key: str, path: bytes, old: Cell, over: Over) -> None:
        """Cell, past and context are as that says, where `old` stood, of which there was a past."""

    @abstractmethod
    def has_past(self, key: str) -> bool:
        """Whether anything stood in `key` before, or its past was ever cut short."""

    @abstractmethod
    def past(self, key: str) -> dict[bytes, Past]:
        """path -> what stood there before, oldest first."""

    @abstractmethod
    def put_past(self, key: str, path: bytes, rows: Past) -> None:
        """`()` removes it."""

    @abstractmethod
    def past_keys(self) -> list[str]:
        """The keys that have a past, or a horizon that may go; may leave out keys that stand, known from one dot on."""

    @abstractmethod
    def horizon(self, key: str) -> Horizon:
        """NO_HORIZON if nothing was ever lost."""

    @abstractmethod
    def put_horizon(self, key: str, horizon: Horizon) -> None:
        """NO_HORIZON removes it."""

    @abstractmethod
    def inbox(self) -> dict[str, Any]:
        """id -> a lost write as plain data, oldest first."""

    @abstractmethod
    def put_inbox(self, id: str, lost: Any) -> None:
        """None removes it."""

    @abstractmethod
    def meta(self, name: str) -> Any:
        """Plain data under a name; None if there is none."""

    @abstractmethod
    def put_meta(self, name: str, value: Any) -> None:
        """Kept with the transaction."""

    @abstractmethod
    def drop_meta(self, prefix: str, old: Callable[[Any], bool]) -> None:
        """Remove the plain data under names with `prefix` that `old` says may go."""

    @abstractmethod
    def begin(self) -> None:
        """Begin a transaction. They do not nest."""

    @abstractmethod
    def commit(self) -> None:
        """All that was written since `begin` is durable. StorageFailed if not: then nothing of it is shown."""

    @property
    @abstractmethod
    def owing(self) -> bool:
        """Whether a commit has left something to be done, for which nobody has to wait. O(1)."""

    @abstractmethod
    def keep_up(self) -> None:
        """That is done, as much of it as there was for such a commit. Who tells others of a commit calls it after that;
        what is left is done by the next commit."""

    @abstractmethod
    def mark(self) -> int:
        """Where the transaction has got to."""

    @abstractmethod
    def rollback(self, mark: int = 0) -> None:
        """All is as it was at that mark; at 0 it was begun."""

    @abstractmethod
    def sync(self) -> None:
        """What is committed survives a power cut, whatever durability was asked for. StorageFailed."""

    @abstractmethod
    def settle(self) -> None:
        """What was committed is where it is kept for good, and nowhere else. O(what is not). StorageFailed."""

    @abstractmethod
    def size(self) -> int:
        """Bytes that what is kept takes: with its past and its indexes, without what is free. 0 in memory. O(1)."""

    @abstractmethod
    def journal_size(self) -> int:
        """How much of `size` is what the tables do not have yet: none once it is settled, and they are larger. O(1)."""

    @abstractmethod
    def backup(self, path: Path) -> None:
        """All that is committed now is in a new file at `path`; what is written meanwhile is not. BadRequest."""

    @abstractmethod
    def home(self) -> str:
        """Where this lies, so that a restored copy can be told from the original; empty in memory."""

    @abstractmethod
    def uncertain(self) -> bool:
        """Whether commits of before it was opened may be lost: they were not synced, and it was not closed."""

    @abstractmethod
    def note(self, words: str) -> None:
        """Remember outside of what can be put back what was committed last."""

    @abstractmethod
    def noted(self) -> str | None:
        """The last note; None where none are kept, or where it may be of what is `uncertain`.

        Not one of this storage's if it was put back from elsewhere.
        """

    @abstractmethod
    def faults(self) -> Iterator[str]:
        """What is not kept as it was written, in words. O(all)."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and locks. Idempotent."""
