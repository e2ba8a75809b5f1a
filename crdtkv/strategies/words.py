"""A text merged word by word: what each of two writers changed stands; where they changed the same, one does.

One cell. A put says which words of what its client had read are kept (see
`core.words`): each word has the id of the write that put it in, and the text the
writes it builds on, so that texts which did not know each other are one when read,
as three-way merge would make them, whatever was written before. A put replaces what
stands here by what it makes of it, so siblings are only ever puts of different colos.

Two words put in at one place stand side by side, the earlier write's first; the same
ones once. Of two passages put in the place of one, that stands which took out more
of the words the other kept, of equals the later; the other writer finds its text
among the conflicts. So a text of one word is last write wins. What is no text is
kept as by `lww`.

The anomaly that survives: words that belong together may come from two writers ("2024
09:00" from two who moved the year and the hour), and nobody has read the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, ClassVar, NamedTuple

from mypy_extensions import mypyc_attr

from crdtkv.core import values
from crdtkv.core.cells import Cell, Sibling, is_live, rank
from crdtkv.core.clocks import Dot
from crdtkv.core.tree import Tree
from crdtkv.core.words import Id, Text, Word, created, edited, merged, split, unaware, union
from crdtkv.strategies.base import ABSENT, Env, Loser, Operation, Strategy, Write
from crdtkv.strategies.cell_reading import choose, misfit, take_away, unreadable, value_of

__all__ = ["Words"]


@mypyc_attr(allow_interpreted_subclasses=True)
class Words(Strategy):
    """One text; concurrent edits of different words all stand."""

    name = "words"
    summary = "a text merged by words"
    wins = "each word by itself; of two passages in the place of one that which took out more, of equals the later"
    anomaly = "words that belong together may come from two writers: a text that nobody has read as a whole"
    cost = "one cell; some 25 bytes for each passage that was edited and each replica that edited; a put is O(text)"
    operations: ClassVar[Mapping[str, str]] = {"put": "put(text): what changed since the base", "delete": "delete()"}
    options: ClassVar[Mapping[str, str]] = {"wins": "edit (default) or delete"}

    def __init__(self, **options: str) -> None:
        super().__init__(**choose(self.name, options, wins=("edit", "delete")))

    def read(self, tree: Tree) -> Any:
        puts = self._shown(tree.cell())
        if len(puts) == 1:
            return puts[0].value
        found = _folded(puts)
        return ABSENT if found is None else found.value

    def present(self, tree: Tree) -> bool:
        return bool(self._shown(tree.cell()))

    def edit(self, tree: Tree, operation: Operation, env: Env) -> list[Write]:
        match operation:
            case Operation("put", (value,)):
                values.pack(value)
                return self._put(tree.cell(), env.base.cell(), value, env.dot)
            case Operation("delete", ()):
                return [] if self.gone(tree.cell()) else take_away(tree, env)
        raise misfit(self, operation)

    def norm(self, value: Any) -> Any:
        return values.unpack(values.pack(value))

    def gone(self, cell: Cell) -> bool:
        live = [is_live(s.payload) for s in cell]
        return not any(live) or ("wins" in self.chosen and not all(live))

    def says(self, path: bytes, sibling: Sibling) -> Any:
        said = value_of(sibling.payload)
        return said[0] if isinstance(said, list) and said else ABSENT

    def leaves(self, tree: Tree) -> Iterable[tuple[str, Sibling, Any]]:
        """All that make up the text, each with what it said."""
        return [("", p.sibling, p.value) for p in self._shown(tree.cell())]

    def losers(self, tree: Tree) -> Iterable[Loser]:
        """Whose words gave way; under wins=delete also who wrote while another deleted."""
        cell = tree.cell()
        puts = _puts(cell)
        lost = {p.sibling.dot for p in puts} if self.gone(cell) else _gave_way(puts)
        return [
            *(Loser(b"", s, ABSENT) for s in unreadable(cell)),
            *(Loser(b"", p.sibling, p.value) for p in puts if p.sibling.dot in lost),
        ]

    def _shown(self, cell: Cell) -> list[_Put]:
        return [] if self.gone(cell) else _puts(cell)

    def _put(self, cell: Cell, before: Cell, value: Any, dot: Dot) -> list[Write]:
        shown = _folded(self._shown(cell))
        if shown is None:
            return [Write(b"", _encode(value, dot), all=True)]
        base = shown if before == cell else _folded(self._shown(before))
        if not isinstance(value, str) or shown.text is None:
            unchanged = base is not None and values.equal(value, base.value)
            return [] if unchanged else [Write(b"", _encode(value, dot), all=True, beats=True)]
        past = base.text if base is not None else None
        mine = edited(past, value, dot) if past is not None else created(value, dot)
        both, lost = (mine, set[Id]()) if base is shown else merged(unaware(shown.text, dot), mine)
        if both.words == shown.text.words:
            return []
        return [Write(b"", _encode(both, dot), all=True, beats=bool(lost))]


class _Put(NamedTuple):
    """A sibling that can be read, and what its payload says."""

    sibling: Sibling
    said: list[Any]

    @property
    def value(self) -> Any:
        return self.said[0]

    @property
    def text(self) -> Text | None:
        """Its words; None if it is no text. Made anew at each call."""
        return _text(self.said, self.sibling.dot) if isinstance(self.value, str) else None


class _Folded(NamedTuple):
    """What siblings show together, and the dots of those that had to give way somewhere."""

    value: Any
    text: Text | None
    lost: frozenset[Dot] = frozenset()


def _puts(cell: Cell) -> list[_Put]:
    """The siblings that can be read, the latest last."""
    found = [(s, value_of(s.payload)) for s in sorted(cell, key=rank)]
    return [_Put(s, said) for s, said in found if said is not ABSENT and _is_put(said)]


def _folded(puts: list[_Put]) -> _Folded | None:
    """Their texts as one, from the earliest; None if there is none."""
    if not puts:
        return None
    value, text = puts[0].value, puts[0].text
    gave_way: set[Id] = set()
    lost: set[Dot] = set()
    for at, put in enumerate(puts[1:], 1):
        other = put.text
        if text is not None and other is not None:
            both, ids = merged(text, other)
            text, ids = (both, ids) if _fits(both) else (other, {w.id for w in text.words})
            gave_way |= ids
            value = str(text)
        else:
            lost |= {p.sibling.dot for p in puts[:at] if not values.equal(p.value, put.value)}
            value, text = put.value, other
    lost |= {p.sibling.dot for p in puts if gave_way and p.text and any(w.id in gave_way for w in p.text.words)}
    return _Folded(value, text, frozenset(lost))


def _fits(text: Text) -> bool:
    """Whether two texts that each fit are together not more than a value may be: a read must not fail."""
    return sum(len(w.text) for w in text.words) * 4 < values.MAX_PACKED or len(str(text).encode()) < values.MAX_PACKED


def _gave_way(puts: list[_Put]) -> frozenset[Dot]:
    found = _folded(puts) if len(puts) > 1 else None
    return frozenset() if found is None else found.lost


# The payload: [value], or [text, known, runs] where words have come from elsewhere than this put. known: name,
# first, last of each replica. A run: index of the replica in known, n, first k, how many, and (index, first, last)
# of each range of writes whose words they stand instead of. Never change this: it is on disk and on the wire.


def _encode(said: Any, dot: Dot) -> bytes:
    if not isinstance(said, Text):
        return values.pack([said])
    text, known = str(said), union(said.known, {dot[0]: (dot[1], dot[1])})
    if len(known) == 1 and said._replace(known=known) == created(text, dot):
        return values.pack([text])
    names = sorted(known)
    flat = [part for name in names for part in (name, *known[name])]
    return values.pack([text, flat, list(_runs(said.words, {name: i for i, name in enumerate(names)}))])


def _runs(words: Iterable[Word], index: Mapping[str, int]) -> Iterator[list[int]]:
    """The words' ids, those that follow each other together."""

    def alike(numbered: tuple[int, Word]) -> tuple[Any, ...]:
        at, (_, (replica, n, k), instead) = numbered
        return index[replica], n, k - at, instead

    for (i, n, ahead, instead), run in groupby(enumerate(words), alike):
        at = [at for at, _ in run]
        yield [i, n, ahead + at[0], len(at), *(part for name, *ns in instead for part in (index[name], *ns))]


def _is_put(said: Any) -> bool:
    """Whether a payload is of the form of ours."""
    match said:
        case [_]:
            return True
        case [str(), list() as known, list() as runs]:
            names, numbers = known[::3], [*known[1::3], *known[2::3]]
            return (
                len(known) % 3 == 0
                and all(isinstance(name, str) for name in names)
                and all(isinstance(run, list) and len(run) >= 4 and len(run) % 3 == 1 for run in runs)
                and all(type(n) is int and n >= 0 for n in (*numbers, *(n for run in runs for n in run)))
                and all(i < len(names) for run in runs for i in (run[0], *run[4::3]))
            )
    return False


def _text(said: list[Any], dot: Dot) -> Text:
    """The words of a put; all its own if the runs are not of as many."""
    if len(said) == 1:
        return created(said[0], dot)
    text, known, runs = said
    words = split(text)
    if sum(run[3] for run in runs) != len(words):
        return created(text, dot)
    names = known[::3]
    out: list[Word] = []
    for i, n, k, count, *over in runs:
        instead = tuple((names[over[at]], over[at + 1], over[at + 2]) for at in range(0, len(over), 3))
        start = len(out)
        out += [Word(words[start + at], (names[i], n, k + at), instead) for at in range(count)]
    return Text(tuple(out), {name: (known[3 * i + 1], known[3 * i + 2]) for i, name in enumerate(names)})
