"""What the store returns: plain, frozen data. Values in it are the caller's own copies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from crdtkv.store.receipt import Receipt

__all__ = [
    "Blame",
    "Change",
    "Conflict",
    "Entry",
    "Migration",
    "Page",
    "Revision",
    "Source",
    "SyncReport",
    "told",
]

Source = tuple[Any, ...]
"""Of what an entry's other fields are told: what its row says (`Said`); or who tells them and what he needs, asked by
`source[0](key, field, *source[1:])`.

What is told is the caller's own, and the same whatever is written meanwhile. (A tuple,
and no object, and a row as it is: each entry of a scan has one.)
"""


class _Told:
    """An object whose fields are asked for when they are first read: most readers want few of them."""

    __slots__ = ("_source",)
    key: str
    _source: Source

    def __getattr__(self, name: str) -> Any:
        if name not in _FIELDS:
            raise AttributeError(f"an entry has no {name!r}; it has {', '.join(_FIELDS)}")
        tell, *known = self._source
        found = tell(self.key, name, *known) if callable(tell) else _of_row(self._source, name)
        object.__setattr__(self, name, found)
        return found


def _of_row(said: Source, name: str) -> Any:
    from crdtkv.store.telling import tell_of_row  # which makes entries of what is here

    return tell_of_row(said, name)


@dataclass(frozen=True, slots=True)
class Entry(_Told):
    """A key as it reads: `siblings` are all the concurrent values (mv), `conflicts` what stands but is not shown.

    In a document `siblings` names each path where mv shows several: `{"path": "/room", "values": ["ann", "bob"]}`.

    `stamp`: milliseconds since 1970 of the latest write; `expires`: when it will no longer be shown, or None.

    >>> import crdtkv
    >>> lhr, sin = crdtkv.open(colo="lhr"), crdtkv.open(colo="sin")
    >>> _ = lhr.sync(sin)
    >>> for kv, name in ((lhr, "ann"), (sin, "bob")): _ = kv.put("room", name, strategy="mv")
    >>> _ = lhr.sync(sin)
    >>> entry = sin.get("room")
    >>> entry.value, entry.siblings, entry.strategy, entry.conflicts, entry.expires
    ('bob', ('ann', 'bob'), 'mv', (), None)
    """

    key: str
    value: Any
    version: str
    strategy: str
    siblings: tuple[Any, ...] = ()
    conflicts: tuple[Any, ...] = ()
    stamp: int = 0
    expires: int | None = None


_FIELDS = tuple(f.name for f in fields(Entry))
_new = object.__new__
# A frozen class is filled through its slots: a third of the time of its own __init__.
_set_key, _set_value, _set_source = (
    getattr(cls, name).__set__ for cls, name in ((Entry, "key"), (Entry, "value"), (_Told, "_source"))
)


def told(key: str, value: Any, source: Source) -> Entry:
    """The entry of `key` with that value; `source` tells the rest."""
    entry = _new(Entry)
    _set_key(entry, key)
    _set_value(entry, value)
    _set_source(entry, source)
    return entry


class Page(list[Entry]):
    """Entries in key order; `cursor` continues where it ends, None if that was all.

    >>> import crdtkv
    >>> kv = crdtkv.open(colo="lhr")
    >>> for key in "abc": _ = kv.put(key, 1)
    >>> page = kv.scan(limit=2)
    >>> [entry.key for entry in page], [entry.key for entry in kv.scan(cursor=page.cursor)]
    (['a', 'b'], ['c'])
    """

    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """One transaction's effect on a key. Where history was trimmed or squashed `known` is False and `value` None.

    >>> import crdtkv
    >>> kv = crdtkv.open(colo="lhr")
    >>> for value in (1, 2): _ = kv.put("a", value)
    >>> [(revision.value, revision.known, revision.replica == kv.id) for revision in kv.history("a")]
    [(1, True, True), (2, True, True)]
    """

    version: str
    stamp: int
    replica: str
    value: Any
    known: bool = True


@dataclass(frozen=True, slots=True)
class Blame:
    """Who wrote what stands at a path last: a JSON pointer, empty for the whole value; `stamp` in ms since 1970.

    >>> import crdtkv
    >>> kv = crdtkv.open(colo="lhr")
    >>> _ = kv.put("doc", {"a": 1})
    >>> [(part.path, part.value, part.replica == kv.id) for part in kv.blame("doc")]
    [('/a', 1, True)]
    """

    path: str
    value: Any
    replica: str
    stamp: int


@dataclass(frozen=True, slots=True)
class Change:
    """A key changed. `entry`: how it reads now, None if it is absent. `reset`: changes before were compacted away.

    `cursor`: go on from here, also at another colo.

    >>> import crdtkv
    >>> kv = crdtkv.open(colo="lhr")
    >>> feed = kv.watch(timeout=0)
    >>> _ = kv.put("a", 1)
    >>> [(change.key, change.entry.value, change.reset) for change in feed]
    [('a', 1, False)]
    """

    key: str
    entry: Entry | None
    cursor: str
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Conflict:
    """A lost write in the inbox of the colo that made it: `value`, and what beat it, `winner`; None for a delete.

    `path`: a JSON pointer in a document, empty for the whole key. `stamp`: when it was written, in ms since 1970.

    >>> import crdtkv
    >>> lhr, sin = crdtkv.open(colo="lhr"), crdtkv.open(colo="sin")
    >>> _ = lhr.sync(sin)
    >>> for kv in (lhr, sin): _ = kv.put("owner", kv.colo)
    >>> _ = lhr.sync(sin)
    >>> [conflict] = lhr.conflicts()
    >>> conflict.key, conflict.value, conflict.winner
    ('owner', 'lhr', 'sin')
    >>> conflict.restore().value, lhr.conflicts()
    ('lhr', [])
    >>> conflict.dismiss()
    """

    id: str
    key: str
    path: str
    reason: str
    value: Any
    winner: Any
    replica: str
    stamp: int
    _restore: Callable[[str], Receipt] = field(repr=False, compare=False)
    _dismiss: Callable[[str], None] = field(repr=False, compare=False)

    def restore(self) -> Receipt:
        """Write the lost value again, as a new write that has seen what beat it, and take it out of the inbox.

        O(cells of the key). Raises BadRequest if it is not in the inbox any more, and as any write.
        """
        return self._restore(self.id)

    def dismiss(self) -> None:
        """Take it out of the inbox, if it is still there. Cost: a transaction."""
        self._dismiss(self.id)


@dataclass(frozen=True, slots=True)
class Migration:
    """What a changed rule does, or would do, to a key. `problem`: why it was left alone, None if it was not.

    >>> import crdtkv
    >>> kv = crdtkv.open(colo="lhr")
    >>> _ = kv.put("tags", ["b", "a"])
    >>> _ = kv.rules.set("tags", "set")
    >>> [(m.old, m.new, m.before, m.after, m.problem) for m in kv.rules.migrate("tags")]
    [('json', 'set', ['b', 'a'], ['a', 'b'], None)]
    """

    key: str
    old: str
    new: str
    before: Any
    after: Any
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What an exchange moved: `cells` in catch-ups, `records` whole transactions, `bytes` encoded, both ways together.

    `equal`: both have absorbed the same, and hold the same. `refused`: who is not a member where, in words.
    `quarantined`: whose records are not taken any more, where and why, in words: an operator has to look.
    `repairs`: how often the two differed although they had absorbed and forgotten the same (damage, or a bug), and what
    differed was looked for and mended.

    >>> import crdtkv
    >>> lhr, sin = crdtkv.open(colo="lhr"), crdtkv.open(colo="sin")
    >>> _ = lhr.sync(sin)
    >>> _ = lhr.put("a", 1)
    >>> report = lhr.sync(sin)
    >>> report.records, report.equal, report.refused, report.quarantined
    (1, True, (), ())
    """

    records: int
    cells: int
    bytes: int
    rounds: int
    equal: bool
    refused: tuple[str, ...] = ()
    quarantined: tuple[str, ...] = ()
    repairs: int = 0
