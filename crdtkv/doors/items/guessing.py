"""Which version a value was made from, that somebody puts whole and says no more of.

Of these the first that is known: the one that came last over the same connection, read or written; all that the
client's session has seen, where it sends one; among those that this token has read here and that are kept, the one
with the fewest edits to the new value, the newest of equals; what is here now. A connection through a proxy is
nobody's, and a token may be many clients: so the third is a guess, and is told as one. Who never reads a key means to
replace it, and does.

Law of this room: a read is noted in memory alone, which is bounded; where something may have been forgotten (the
process began anew, or there was too much), every version of before that is kept counts as read. What equals the new
value is no version that it was made from, but the one that is here: to put that again changes nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from crdtkv.core import values
from crdtkv.core.cells import Context
from crdtkv.core.clocks import Dot, Stamp, covers, make_stamp, merge
from crdtkv.core.diff import match
from crdtkv.core.versions import format_version, parse_version
from crdtkv.errors import CrdtkvError
from crdtkv.store import door
from crdtkv.store.opening import open_store
from crdtkv.strategies.base import ABSENT
from crdtkv.strategies.registry import strategy

if TYPE_CHECKING:
    from crdtkv.server.asking import Header
    from crdtkv.server.warm import Noted
    from crdtkv.store.results import Entry
    from crdtkv.store.store import Store
    from crdtkv.store.transaction import Transaction

__all__ = ["Readers", "Seen", "Writer", "edits", "merges", "who_asks"]

Seen = dict[tuple[str, str], "Context | bytes"]
"""(namespace id, key) -> version; or, packed, the value that was put, where no version says what its writer knows."""

_OF_A_CONNECTION, _OF_ALL = 64, 20_000
_CANDIDATES = 8
_FEW = 2
_KEPT = 16_384
"""Bytes of a packed value that is remembered of a connection, the last one only."""
_LARGE = 2_000
"""Elements and members; of larger values only few versions are compared."""
_WITH_BASE = frozenset(("counter", "json", "list", "merge", "mv", "set", "words"))
_GUESSED = _WITH_BASE - {"mv"}
_BEHIND = frozenset((b"forwarded", b"via", b"x-forwarded-for"))


def merges(entry: Entry) -> bool:
    """Whether it matters which version of that key a put was made from."""
    if type(entry.value) in (dict, list):
        return True
    name, _, options = entry.strategy.partition("?")
    return name in _WITH_BASE if name != "json" else "strings=" in options


def who_asks(headers: Iterable[Header]) -> tuple[str, bool]:
    """The token that was sent, "" for none, and whether the connection is the client's own."""
    token, own = "", True
    for name, value in headers:
        if name == b"authorization":
            token = value.decode("latin-1")
        elif name in _BEHIND:
            own = False
    return token, own


class Readers:
    """Who has read what here. In one event loop. `wall_ms`: the time, in milliseconds since 1970."""

    def __init__(self, wall_ms: Callable[[], int]) -> None:
        self._wall_ms = wall_ms
        self._read: OrderedDict[tuple[str, str, str], list[Context]] = OrderedDict()
        self.since = wall_ms()
        """Of what was read earlier some may be forgotten."""

    def note(self, token: str, seen: Seen | None, namespace: str, key: str, version: Context) -> None:
        """A reply told of that version, {} for absent. `seen`: of its connection, None if that says nothing. O(1)."""
        if seen is not None:
            _keep(seen, (namespace, key), version)
        if version:
            self._note(token, namespace, key, version)

    def told(self, token: str, seen: Seen | None, namespace: str, entry: Entry) -> None:
        """As `note`, of what a reply told. Of what takes no base only the connection is to know."""
        version = parse_version(entry.key, entry.version)
        if merges(entry):
            self.note(token, seen, namespace, entry.key, version)
        elif seen is not None:
            _keep(seen, (namespace, entry.key), version)

    def noting(self, store: Store, entry: Entry) -> Noted:
        """What notes that `entry` was told again."""
        key, version, wanted = entry.key, parse_version(entry.key, entry.version), merges(entry)
        namespace, what = store.namespace, (store.namespace, key)

        def noted(headers: Iterable[Header], seen: Seen | None) -> None:
            if wanted:
                token, own = who_asks(headers)
                self.note(token, seen if own else None, namespace, key, version)
            elif seen is not None:
                _keep(seen, what, version)

        return noted

    def _note(self, token: str, namespace: str, key: str, version: Context) -> None:
        who = (token, namespace, key)
        known = self._read.get(who)
        if known is None:
            if len(self._read) >= _OF_ALL:
                self._read.popitem(last=False)
                self.since = self._wall_ms()
            self._read[who] = [version]
        elif known[-1] != version:
            if version in known:
                known.remove(version)
            known.append(version)
            del known[:-_CANDIDATES]

    def read_by(self, token: str, namespace: str, key: str) -> list[Context]:
        """The versions that were told to a token, the latest last."""
        return list(self._read.get((token, namespace, key), ()))

    def writer(self, store: Store, token: str, seen: Seen | None, session: Context | None = None) -> Writer:
        """Of one request. `session`: what its client has seen of the namespace, by its session token."""
        return Writer(self, store, token, seen, session)


def _keep(seen: Seen, what: tuple[str, str], version: Context | bytes | None) -> None:
    """The last to be seen are kept."""
    if seen.pop(what, None) is version and version is not None:
        seen[what] = version
        return
    if version is not None:
        if isinstance(version, bytes):
            for other in [each for each, known in seen.items() if isinstance(known, bytes)]:
                del seen[other]
        if len(seen) >= _OF_A_CONNECTION:
            del seen[next(iter(seen))]
        seen[what] = version


class Writer:
    """Whoever puts in one request. `guessed`: the keys of which a base was guessed."""

    def __init__(
        self, readers: Readers, store: Store, token: str, seen: Seen | None, session: Context | None
    ) -> None:  # fmt: skip
        self._readers, self._namespace, self._token, self._seen = readers, store.namespace, token, seen
        self._session = session
        self._here: Context = {}
        self._base: Context | None = None
        self._wrote: list[tuple[str, Context | bytes | None]] = []
        self.guessed: list[str] = []

    def meant(self, t: Transaction, key: str, spec: str, value: Any) -> tuple[Any, str | None]:
        """What is to be put of `value`, and the version it was made from; None: what is here. O(n).

        In the transaction that puts it. It is another value only where no version says what it was made from.
        """
        self._base, self._here = None, door.context(t, key)
        if not _matters(spec, value) or not door.there(t, key):
            return value, None
        known = None if self._seen is None else self._seen.get((self._namespace, key))
        if not isinstance(known, bytes):
            return value, self._version(t, key, spec, value, known)
        base = format_version(key, self._here) if door.rule(t, key).require_base else None
        return _together(spec, values.unpack(known), value, door.inside(t).value_at(key, None)), base

    def _version(self, t: Transaction, key: str, spec: str, value: Any, known: Context | None) -> str | None:
        wanted = door.rule(t, key).require_base
        if known is None and self._session is not None:
            known = _versions(t, key, lambda stamp, dot: covers(self._session or {}, dot))[-1]
        if known is None and not wanted and spec.partition("?")[0] in _GUESSED:
            known = self._guess(t, key, spec, value)
        if known is None or (known == self._here and not wanted) or not _is_kept(t, key, known):
            return None
        self._base = known
        return format_version(key, known)

    def _guess(self, t: Transaction, key: str, spec: str, value: Any) -> Context | None:
        new = strategy(spec).norm(value)
        reading = door.inside(t)
        now = reading.value_at(key, None)
        if now is ABSENT or values.equal(now, new) or not _matters(spec, now):
            return None
        found = self._candidates(t, key, _FEW if _size(new) > _LARGE else _CANDIDATES)
        best: tuple[int, Context] | None = None
        for version in found:  # the latest first
            try:
                old = now if version == self._here else reading.value_at(key, version)
            except CrdtkvError:
                continue  # not kept
            count = edits(old, new)
            if count and (best is None or count < best[0]):
                best = (count, version)
            if count == 1:
                break  # no other has fewer, and this is later than those to come
        if best is None or best[1] == self._here:
            return None
        self.guessed.append(key)
        return best[1]

    def _candidates(self, t: Transaction, key: str, most: int) -> list[Context]:
        """What this token may have read, the latest first; nothing if it has read nothing."""
        found = self._readers.read_by(self._token, self._namespace, key)[::-1][:most]
        before = make_stamp(self._readers.since)
        for version in _versions(t, key, lambda stamp, dot: stamp < before)[::-1][: most - len(found)]:
            if version and version not in found:
                found.append(version)
        return found

    def wrote(self, t: Transaction, key: str, spec: str, value: Any) -> None:
        """It was put: what the client knows from now on is what it put, where a version says that."""
        context = door.context(t, key)
        if not _matters(spec, value):
            if self._seen is not None:
                self._wrote.append((key, context))
            return
        shown = door.replica(t).read(key)
        if shown is ABSENT:
            return
        if values.equal(shown, strategy(spec).norm(value)):
            self._wrote.append((key, context))
            return
        id = door.replica(t).state.id
        base = self._base
        if base is not None and self._here.get(id) == base.get(id):
            # What it does not know was written elsewhere: its own write beside its base is a version.
            self._wrote.append((key, merge([base, {id: context.get(id, 0)}])))
        elif self._seen is not None:
            put = values.pack(strategy(spec).norm(value))
            self._wrote.append((key, put if len(put) <= _KEPT else None))

    def deleted(self, key: str) -> None:
        """It was deleted: nothing is known of it any more."""
        self._wrote.append((key, None))

    def done(self) -> None:
        """It is committed. In the event loop."""
        for key, version in self._wrote:
            if self._seen is not None:
                _keep(self._seen, (self._namespace, key), version)
            if version is None or isinstance(version, bytes):
                continue
            if self._readers.read_by(self._token, self._namespace, key):
                self._readers.note(self._token, None, self._namespace, key, version)


def _matters(spec: str, value: Any) -> bool:
    name, _, options = spec.partition("?")
    if name == "json":
        return type(value) in (dict, list) or "strings=" in options
    return name in _WITH_BASE


def _together(spec: str, old: Any, new: Any, now: Any) -> Any:
    """`now`, with what was changed from `old` to `new`: as the strategy merges, in a store of its own. O(n)."""
    with open_store(colo="scratch") as kv:
        base = kv.put("it", old, strategy=spec).version
        kv.put("it", now)
        return kv.put("it", new, base=base).value


def _is_kept(t: Transaction, key: str, version: Context) -> bool:
    """Whether what was changed since can be told."""
    try:
        door.replica(t).check_absorbed(key, {r: n for r, n in version.items() if (r, n) != door.draft(t).dot})
        door.replica(t).check_kept(key, version)
    except CrdtkvError:
        return False
    return True


def _versions(t: Transaction, key: str, wanted: Callable[[Stamp, Dot], bool]) -> list[Context]:
    """Of those transactions that touched a key, as far as they are known here: the version after each, {} first."""
    lives = {life.dot for life in door.replica(t).storage.horizon(key).lives}
    found: list[Context] = [{}]
    for stamp, dot in door.touches(t, key):
        if wanted(stamp, dot):
            found.append(dict([dot]) if dot in lives else {**found[-1], dot[0]: dot[1]})
    return found


def edits(old: Any, new: Any) -> int:
    """How many members, elements and values must be put in or taken out to make `new` of `old`. O(n), as `diff.match`.

    >>> edits([1, 2, 3], [1, 3, 4]), edits({"a": 1, "b": [1]}, {"a": 2, "b": [1]}), edits([1], {"a": 1})
    (2, 1, 1)
    """
    if isinstance(old, dict) and isinstance(new, dict):
        both = old.keys() & new.keys()
        return len(old.keys() ^ new.keys()) + sum(edits(old[name], new[name]) for name in both)
    if isinstance(old, list) and isinstance(new, list):
        blocks = match(values.pack_each(old), values.pack_each(new))
        return len(old) + len(new) - 2 * sum(length for *_, length in blocks)
    return 0 if values.equal(old, new) else 1


def _size(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return sum(map(_size, value), len(value)) if isinstance(value, list) else 1
