"""What can be done to keys: the same methods on a store and in a transaction.

A store runs each in a transaction of its own; a transaction runs them all in one.
Cost is given per call, n = cells of the key.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from crdtkv.core.blob import Blob
from crdtkv.core.cells import Context
from crdtkv.core.clocks import make_stamp
from crdtkv.core.fate import Fate
from crdtkv.core.keys import check_key
from crdtkv.core.rules import Rule
from crdtkv.core.show import show
from crdtkv.core.versions import format_version, parse_version
from crdtkv.errors import BaseRequired, PreconditionFailed, UnknownStrategy, ValueInvalid
from crdtkv.replica.core import Replica
from crdtkv.replica.draft import Draft
from crdtkv.store import idempotency, plain
from crdtkv.store.handles import Handles
from crdtkv.store.mapping import Keys, PlainMapping
from crdtkv.store.patches import patched
from crdtkv.store.receipt import UNREAD, Receipt
from crdtkv.store.results import Entry, Page
from crdtkv.store.selection import Selection
from crdtkv.strategies.base import ABSENT, Operation

__all__ = ["MAX_TTL", "Operations"]

MAX_TTL = 100 * 366 * 24 * 3600
_UNSET: Any = object()


class Operations(Handles, PlainMapping):
    """Keys and values, with versions, bases and handles. As a mapping it holds plain values."""

    _replica: Replica

    @abstractmethod
    def _rule_of(self, key: str) -> Rule: ...

    # writing

    def put(
        self, key: str, value: Any, *, base: str | None = None, strategy: str | None = None, ttl: float | None = None,
        if_version: str | None = _UNSET, idempotency_key: str | None = None,
    ) -> Receipt:  # fmt: skip
        """`key` shows `value`, merged with what others did since `base` (a version; default: what is here now).

        `strategy` on creation, `ttl` in seconds (none: it stays), `if_version`: only if this is
        the version here (None: only if there is no such key). O(n) for json, list and set, else O(1).

        Raises BadRequest, PreconditionFailed, BaseTooOld, BaseNotHere: nothing written.

        >>> import crdtkv
        >>> kv = crdtkv.open(":memory:", colo="lhr")
        >>> r = kv.put("todo", [1, 2, 3], strategy="json")
        >>> kv.put("todo", [1, 3], base=r.version).value
        [1, 3]
        """
        if base is None and ttl is None and if_version is _UNSET and idempotency_key is None:
            key = check_key(key)
            if strategy is None or type(strategy) is str:
                return self._run(partial(plain.put, self, key, value, strategy))
        return self._run(self._writing(
            key, _put(value), base, strategy, None, if_version, ttl=ttl, whole=True, idempotency_key=idempotency_key
        ))  # fmt: skip

    def delete(self, key: str, *, base: str | None = None, if_version: str | None = _UNSET) -> Receipt:
        """What `base` showed of `key` is gone; what was written concurrently stands. Nothing if there is no such key.

        O(n) at most. Raises KeyInvalid, VersionInvalid, PreconditionFailed,
        BaseTooOld, BaseNotHere: nothing written.

        >>> import crdtkv
        >>> kv = crdtkv.open(":memory:", colo="lhr")
        >>> _ = kv.put("a", 1); _ = kv.delete("a"); print(kv.get("a"))
        None
        """
        return self._run(self._writing(key, Operation("delete"), base, None, None, if_version, whole=True))

    def patch(self, key: str, patch: Sequence[Any] | Mapping[str, Any], *, base: str | None = None) -> Receipt:
        """Apply a JSON patch (RFC 6902, a list) or a merge patch (RFC 7396, a dict) to what `base` showed. O(n).

        Raises PatchInvalid, or PatchTestFailed, with the operation that failed: nothing written.

        >>> import crdtkv
        >>> kv = crdtkv.open(":memory:", colo="lhr")
        >>> _ = kv.put("doc", {"a": 1, "b": 2}, strategy="json")
        >>> kv.patch("doc", {"a": None, "c": 3}).value
        {'b': 2, 'c': 3}
        """
        key = check_key(key)

        def act(draft: Draft) -> Receipt:
            changed = patched(key, self._inside().value_at(key, self._context(key, base)), patch)
            put = Operation("put", (changed,))
            self._check_base_given(key, put, base)
            return self._operate(draft, key, put, base, None, None)

        return self._run(act)

    def expire(self, key: str, ttl: float | None) -> Receipt:
        """`key` is not shown from `ttl` seconds from now on (None: it stays). Nothing if there is no such key. O(1).

        Raises ValueInvalid for what is no time: nothing written.

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> kv["a"] = 1
        >>> _ = kv.expire("a", 60); kv.get("a").expires is None
        False
        >>> _ = kv.expire("a", None); kv.get("a").expires is None
        True
        """
        key = check_key(key)

        def act(draft: Draft) -> Receipt:
            draft.expire(key, None if ttl is None else draft.stamp + make_stamp(_check_ttl(ttl)))
            return self._receipt(draft, key)

        return self._run(act)

    def operate(
        self, key: str, family: str | None, name: str, *args: Any, base: str | None = None, strategy: str | None = None,
    ) -> Receipt:  # fmt: skip
        """An operation of a strategy by its name; what the handles call. O(n) at most.

        `family`: the strategy that the operation belongs to, None for whichever the key has. Raises
        WrongOperation, WrongType, and what the operation raises: nothing written.

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> kv.operate("hits", "counter", "add", 3).value
        3
        """
        if base is None and strategy is None:
            key = check_key(key)
            return self._run(partial(plain.operate, self, key, name, args, family))
        return self._run(self._writing(key, Operation(name, args), base, strategy, family))

    def _writing(
        self, key: str, operation: Operation, base: str | None, strategy: str | None, family: str | None,
        if_version: str | None = _UNSET, ttl: float | None = None, whole: bool = False,
        idempotency_key: str | None = None,
    ) -> Callable[[Draft], Receipt]:  # fmt: skip
        """What a call does in its transaction; what it was given is checked here, before that begins."""
        key = check_key(key)
        if strategy is not None and not isinstance(strategy, str):
            raise UnknownStrategy(f"a strategy is named by text; not {show(strategy)}")
        date = None if ttl is None else make_stamp(_check_ttl(ttl))

        def act(draft: Draft) -> Receipt:
            self._check_version(key, if_version)
            self._check_base_given(key, operation, base)
            draft.operate(key, operation, self._context(key, base), strategy, family)
            if not whole:
                return self._receipt(draft, key)
            value = self._replica.read(key)
            draft.expire(key, None if date is None else draft.stamp + date, self._context(key, base))
            return self._receipt(draft, key, None if value is ABSENT else value)

        if idempotency_key is None:
            return act
        conditions = (base, strategy, ttl, *(() if if_version is _UNSET else (if_version,)))
        return lambda draft: self._once(draft, key, idempotency_key, operation, conditions, act)

    def _once(
        self, draft: Draft, key: str, idempotency_key: str, operation: Operation, conditions: tuple[Any, ...],
        act: Callable[[Draft], Receipt],
    ) -> Receipt:  # fmt: skip
        asked = idempotency.fingerprint(operation, *conditions)
        done = idempotency.find(self._replica, idempotency_key, key, asked)
        if done is not None:
            here = draft.dot in parse_version(key, done.version).items()
            return self._made(key, parse_version(key, done.version), done.strategy, draft.fate if here else Fate())
        receipt = act(draft)
        idempotency.keep(self._replica, idempotency_key, key, receipt.version, asked, receipt.strategy)
        return receipt

    def _check_base_given(self, key: str, operation: Operation, base: str | None) -> None:
        if base is None and _puts_whole(operation) and self._rule_of(key).require_base and self._inside().present(key):
            raise BaseRequired(f"the rule of {key!r} requires a base; read it and send its version as the base")

    def _operate(
        self, draft: Draft, key: str, operation: Operation, base: str | None, strategy: str | None, family: str | None
    ) -> Receipt:
        draft.operate(key, operation, self._context(key, base), strategy, family)
        return self._receipt(draft, key)

    def _receipt(self, draft: Draft, key: str, value: Any = UNREAD) -> Receipt:
        """What has just been done to `key`; unless it is given the value is read when it is asked for. O(1)."""
        shown = self._replica.shown(key)
        context = self._replica.storage.context(key)
        if shown is None:
            return self._made(key, context, "", draft.fate, None)
        return self._made(key, context, shown[0].spec, draft.fate, value)

    def _made(self, key: str, context: Context, strategy: str, fate: Fate, value: Any = UNREAD) -> Receipt:
        return Receipt(key, context, strategy, fate, partial(self._value_then, key, context), value)

    def _value_then(self, key: str, context: Context) -> Any:
        found = self._inside().value_at(key, context)
        return None if found is ABSENT else found

    def _context(self, key: str, version: str | None) -> Context | None:
        return None if version is None else parse_version(key, version)

    def _version(self, key: str) -> str | None:
        """The version of `key`, None if it is absent; its value is not read. O(1) for most. In a transaction."""
        return format_version(key, self._replica.storage.context(key)) if self._inside().present(key) else None

    def _check_version(self, key: str, wanted: str | None) -> None:
        if wanted is _UNSET:
            return
        found = self._version(key)
        if found != wanted:
            if wanted is None:
                words = f"there is a {key!r} already, at version {found!r}; read it again"
            elif found is None:
                words = f"there is no {key!r}; version {show(wanted)} of it was wanted"
            else:
                words = f"{key!r} is at version {found!r}, not {show(wanted)}; read it again"
            raise PreconditionFailed(words, version=found or "")

    # as a mapping: the rest is in PlainMapping

    def __setitem__(self, key: str, value: Any) -> None:
        self.put(key, value)

    def update(self, other: Any = (), /, **more: Any) -> None:
        """Put every key of a mapping, or of pairs, and those given by name, in one transaction. O(n).

        Raises as `put`: nothing written.

        >>> import crdtkv
        >>> kv = crdtkv.open(":memory:", colo="lhr")
        >>> kv.update({"cart/7": 1, "todo": [2]}, note="three")
        >>> dict(kv)
        {'cart/7': 1, 'note': 'three', 'todo': [2]}
        """
        pairs = [(check_key(key), value) for key, value in {**dict(other), **more}.items()]
        self._run(partial(plain.put_all, self, pairs))

    def _put_new(self, key: str, value: Any) -> Any:
        return self.put(key, value, if_version=None).value

    # reading

    def get(self, key: str, *, at: str | None = None) -> Entry | None:  # type: ignore[override]
        """How `key` reads now, or read at the version `at`; None if absent. O(n).

        Raises BaseTooOld if that version can no longer be rebuilt here.

        >>> import crdtkv
        >>> kv = crdtkv.open(":memory:", colo="lhr")
        >>> r = kv.put("a", 1); _ = kv.put("a", 2)
        >>> kv.get("a").value, kv.get("a", at=r.version).value
        (2, 1)
        """
        reading = self._reading()
        key = check_key(key)
        return reading.entry(key) if at is None else reading.entry_at(key, parse_version(key, at))

    def get_many(self, keys: Iterable[str]) -> dict[str, Entry | None]:
        """`get` of several keys, read at one instant. O(n) each. Raises KeyInvalid, ValueInvalid.

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> kv["a"] = 1
        >>> {key: entry and entry.value for key, entry in kv.get_many(["a", "b"]).items()}
        {'a': 1, 'b': None}
        """
        if isinstance(keys, str) or not isinstance(keys, Iterable):
            raise ValueInvalid(f"keys is {show(keys)}; several keys are wanted, as in ['a', 'b']")
        return self._reading().entries([check_key(key) for key in keys])

    def scan(
        self, prefix: str = "", *, glob: str | None = None, regex: str | None = None, start: str | None = None,
        end: str | None = None, limit: int | None = None, reverse: bool = False, cursor: str | None = None,
    ) -> Page:  # fmt: skip
        """The entries in key order: those with `prefix`, matching, `start` <= key < `end`. O(keys passed + answer).

        With `limit`, the page's `cursor` continues behind it, over deletes and inserts.
        Raises ValueInvalid, PatternInvalid, CursorInvalid.

        >>> import crdtkv
        >>> kv = crdtkv.open(":memory:", colo="lhr")
        >>> for key in "abc": _ = kv.put(key, ord(key))
        >>> page = kv.scan(limit=2)
        >>> [e.key for e in page], [e.key for e in kv.scan(cursor=page.cursor)]
        (['a', 'b'], ['c'])
        """
        selection = Selection(prefix, glob, regex, start, end, reverse)
        return self._reading().scan(selection, limit, cursor)

    def keys(
        self, prefix: str = "", *, glob: str | None = None, regex: str | None = None, start: str | None = None,
        end: str | None = None, reverse: bool = False,
    ) -> Keys:  # fmt: skip
        """A view of the keys that `scan` would give, in order; read anew each time. O(keys passed).

        Raises ValueInvalid, PatternInvalid.

        >>> import crdtkv
        >>> kv = crdtkv.open(":memory:", colo="lhr")
        >>> kv.update({"cart/7": 1, "cart/9": 2, "todo": 3})
        >>> list(kv.keys("cart/")), kv.keys() & {"todo", "nothing"}
        (['cart/7', 'cart/9'], {'todo'})
        """
        return Keys(self, Selection(prefix, glob, regex, start, end, reverse).checked())


def _check_ttl(ttl: float) -> int:
    """`ttl` seconds in milliseconds, at least 1. Raises ValueInvalid."""
    if isinstance(ttl, bool) or not isinstance(ttl, int | float) or not 0 < ttl <= MAX_TTL:
        raise ValueInvalid(
            f"ttl is {show(ttl)}; more than 0 and at most {MAX_TTL} seconds are allowed",
            next_step="give a number of seconds",
        )
    return max(1, int(ttl * 1000))


def _put(value: Any) -> Operation:
    """Bytes are kept as a blob."""
    return Operation("put", (Blob(value) if isinstance(value, bytes) else value,))


def _puts_whole(operation: Operation) -> bool:
    """Whether it says what all of a key is to be: a put, also one at the root of a document."""
    match operation:
        case Operation("at", (tuple(path), _, Operation(name))):
            return not path and name == "put"
        case Operation(name):
            return name == "put"
