"""What a strategy is: two pure functions over cells, and the words about them.

A strategy says how a client's operation becomes cells (`edit`) and how cells
read as a value (`read`). It never joins: there is one join, in `core.cells`, so a
strategy can be wrong about a value but cannot make two colos disagree.

Rule of this room: no state, no clock, no randomness. The same cells read the same
everywhere; the same operation on the same cells gives the same writes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final, NamedTuple

from mypy_extensions import mypyc_attr

from crdtkv.core import values
from crdtkv.core.cells import Cell, Context, Sibling, is_live, is_value, latest
from crdtkv.core.clocks import Dot, Stamp
from crdtkv.core.tree import Tree
from crdtkv.errors import CrdtkvError

__all__ = ["ABSENT", "Env", "Loser", "Operation", "Strategy", "Write", "learn", "learnt"]

_learnt: Final = [0]


def learn() -> None:
    """A strategy or a merge function has come: what was read without it is to be read anew."""
    _learnt[0] += 1


def learnt() -> int:
    """Another number whenever there is code that there was not."""
    return _learnt[0]


class _Absent:
    """The reading of what is not there; falsy, and only itself."""

    def __repr__(self) -> str:
        return "ABSENT"

    def __bool__(self) -> bool:
        return False


ABSENT: Final = _Absent()


class Operation(NamedTuple):
    """A wish: `("add", (3,))`. `put` and `delete` are known to every strategy."""

    name: str
    args: tuple[Any, ...] = ()


class Write(NamedTuple):
    """One cell to be written.

    It replaces whatever stands at `path` (`all`), or only what the base covers.
    `path` is relative to the tree the strategy was given. `beats`: what it replaces
    without its base having seen it is a lost write, for the inbox of who wrote that.
    """

    path: bytes
    payload: bytes | None
    all: bool = False
    beats: bool = False


class Loser(NamedTuple):
    """A sibling that stands but is not what a reader sees. `value` may be ABSENT: a delete that lost."""

    path: bytes
    sibling: Sibling
    value: Any


class Env(NamedTuple):
    """What an edit may know besides the cells.

    `covers(dot)`: the client's base had absorbed this dot. `seen`: that base as a key
    context, what a hider or sweep takes away. `base`: the cells as they stood at that
    base (the tree itself if the base is current). `strategy_for(path)`: the strategy
    spec that the rules name for a JSON path such as `/tags`, None if they are silent.
    """

    replica: str
    n: int
    stamp: Stamp
    seen: Context
    covers: Callable[[Dot], bool]
    base: Tree
    share_floor: int = 0
    """The highest total of a counter's share that this replica ever dropped: a new share begins there."""
    strategy_for: Callable[[tuple[str, ...]], str | None] = lambda path: None

    @property
    def dot(self) -> Dot:
        return (self.replica, self.n)

    def with_base(self, base: Tree) -> Env:
        """The same for a part of the key: the nested strategy sees its own cells as the base had them."""
        return self._replace(base=base)


@mypyc_attr(allow_interpreted_subclasses=True)
class Strategy(ABC):
    """One way to merge. Instances hold only their options; equal spec, equal strategy.

    `spec` is what stands in the first component of a path: the name, and the options
    that change how cells read, so that a reading never depends on a rule.

    `read`, `edit` and `norm` are what a new one writes (docs/adding-a-strategy.md); the rest has a
    sound default. Each costs what it reads of its cells.

    >>> from crdtkv.core.cells import Sibling
    >>> from crdtkv.core.tree import Tree
    >>> from crdtkv.core.values import pack
    >>> from crdtkv.strategies.lww import Lww
    >>> cells = {b"slww\\0": (Sibling(("lhr~k3f7", 2), 5, pack("here")), Sibling(("sin~a2c5", 9), 7, pack("there")))}
    >>> tree, lww = Tree(cells, b"slww\\0"), Lww()
    >>> lww.read(tree), lww.present(tree), [loser.value for loser in lww.losers(tree)]
    ('there', True, ['here'])
    >>> lww.norm((1, 2)), lww.spec
    ([1, 2], 'lww')
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    wins: ClassVar[str]
    anomaly: ClassVar[str]
    cost: ClassVar[str]
    operations: ClassVar[Mapping[str, str]]
    options: ClassVar[Mapping[str, str]] = {}
    short: ClassVar[frozenset[str]] = frozenset()
    """Operations that write live payloads only, where nothing but values of their kind stands (no sweeps), and
    leave present what is present: for the short way (replica/leaf.py)."""
    baseless: ClassVar[frozenset[str]] = frozenset()
    """Operations to which it does not matter what the client had read."""
    also: ClassVar[tuple[str, ...]] = ()
    """Families of strategies whose operations it takes for its whole value, as it does at a path."""
    whole: ClassVar[bool] = False
    """Whether expiry hides all of a value or none of it (json), not cell by cell."""

    def __init__(self, **options: str) -> None:
        self.chosen = options
        given = "&".join(f"{k}={v}" for k, v in sorted(options.items()))
        self.spec = f"{self.name}?{given}" if given else self.name
        """`set`, or `set?wins=remove`: the name and the options that are not the default."""

    def check_known(self) -> None:  # noqa: B027
        """Raises CrdtkvError if this process cannot make what the spec names: for who is about to set a rule."""

    @abstractmethod
    def read(self, tree: Tree) -> Any:
        """The value that the cells show, a fresh object, or ABSENT."""

    @abstractmethod
    def edit(self, tree: Tree, operation: Operation, env: Env) -> list[Write]:
        """The writes that carry `operation` out; none if it changes nothing.

        Raises BadRequest if the operation or its value does not fit, in which case
        nothing is written.
        """

    @abstractmethod
    def norm(self, value: Any) -> Any:
        """The normal form: what a read returns right after a put of `value`. Raises BadRequest."""

    def leaf(self, old: bytes | None, value: Any) -> bytes | None:
        """What a put of `value` leaves at the root, where all there is of the key is one sibling, of the payload `old`.

        `old` is None where there is no key. The put has seen all that. Returns b"" for what changes nothing,
        None where `edit` has to be asked: what it writes may be more than that cell. Raises BadRequest.
        """
        return None

    def since(self, then: Tree, value: Any) -> Any:
        """Of a value that is put where nothing is shown any more: what is new to who had read `then`.

        All of it, but where a concurrent delete takes what it had seen and leaves the rest (list, set).
        """
        return value

    def present(self, tree: Tree) -> bool:
        """Whether there is a value to read. Override where this is cheaper than reading it."""
        return self.read(tree) is not ABSENT

    def gone(self, cell: Cell) -> bool:
        """Whether the cell at a leaf reads as absent."""
        return not any(is_live(s.payload) for s in cell)

    def standing(self, tree: Tree) -> Iterator[Sibling]:
        """The live siblings of what is shown. They say how late a value is; a purge takes none of them.

        Not all that is live: what reads as absent may be gone elsewhere.
        """
        for _, cell in [(b"", tree.cell()), *tree.below()]:
            if not self.gone(cell):
                yield from (s for s in cell if is_live(s.payload))

    def dead(self, tree: Tree, candidates: Iterable[bytes], floor: Stamp) -> Iterable[bytes]:
        """The paths that a purge to `floor` drops because of the cells at `candidates`.

        Dropping them must not change any reading, now or after any later join. For
        independent cells: the cell itself, if it reads as absent and all of it is old.
        """
        return [p for p in candidates if self._droppable(tree.cell(p), floor)]

    def _droppable(self, cell: Cell, floor: Stamp) -> bool:
        return bool(cell) and self.gone(cell) and all(s.stamp <= floor for s in cell)

    def restore(self, tree: Tree, path: bytes, payload: bytes | None) -> list[Write]:
        """The writes that make what once stood at `path` stand there again, where a reader sees it."""
        return [Write(path, payload, all=True)]

    def told(self, tree: Tree, path: bytes, sibling: Sibling) -> Any:
        """What a sibling at `path` says, shown or not; ABSENT for a delete."""
        return self.says(path, sibling) if is_value(sibling.payload) else ABSENT

    def mark(self, tree: Tree) -> bytes | None:
        """The mark of the container that is shown at the root (whole containers only)."""
        return None

    def reaches(self, tree: Tree, path: bytes) -> bool:
        """Whether what stands at `path` is part of what a reader sees (whole containers only)."""
        return True

    def orphans(self, tree: Tree) -> Iterable[Mapping[bytes, Cell]]:
        """What is live in containers whose own cell is gone, and so is not shown, with all that lies beside it."""
        return ()

    def misplaced(self, tree: Tree, strategy_for: Callable[[tuple[str, ...]], str | None]) -> bool:
        """Whether a part of the value is under another strategy than these rules would make it (documents only)."""
        return False

    def nested_at(self, tree: Tree, path: tuple[str, ...]) -> tuple[Strategy, Tree] | None:
        """The strategy of its own at a JSON path, and its tree (documents only)."""
        return None

    def counted(self, tree: Tree) -> Iterable[bytes]:
        """Where counters stand that are shown, and that maintenance may rewrite without a reader's noticing."""
        return ()

    def siblings(self, tree: Tree) -> list[Any]:
        """All concurrent values, where the strategy shows more than one."""
        return []

    def leaves(self, tree: Tree) -> Iterable[tuple[str, Sibling, Any]]:
        """The writes that make up what is shown: where (in words), the sibling, its value."""
        for path, cell in [(b"", tree.cell()), *tree.below()]:
            live = [s for s in cell if is_value(s.payload)]
            if live and not self.gone(cell):
                yield self.where(tree, path), latest(live), self.says(path, latest(live))

    def says(self, path: bytes, sibling: Sibling) -> Any:
        """What one write at `path` adds to what is shown."""
        return _readable(sibling.payload)

    def where(self, tree: Tree, path: bytes) -> str:
        """A path in the words of a user: a JSON pointer; empty for the whole value."""
        return ""

    def losers(self, tree: Tree) -> Iterable[Loser]:
        """The siblings that stand unshown; none where siblings do not compete."""
        return ()


def _readable(payload: bytes | None) -> Any:
    try:
        return values.unpack(payload or b"")
    except CrdtkvError:
        return None
