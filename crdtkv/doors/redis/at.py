"""Where a command runs: a store at one instant, with its lock; a draft, where it may write.

Law of this room: what is written goes through the methods here, and who refuses a command (`Refusal`) has written
nothing by then. Nothing here waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from crdtkv.core.cells import Context
from crdtkv.core.clocks import Stamp, make_stamp, stamp_ms
from crdtkv.core.keys import MAX_KEY
from crdtkv.core.rules import DEFAULT
from crdtkv.doors.redis.kinds import value_of
from crdtkv.doors.redis.refusals import WRONG_TYPE, Refusal
from crdtkv.doors.redis.replies import encode
from crdtkv.errors import BaseRequired
from crdtkv.replica import leaf
from crdtkv.replica.draft import Draft
from crdtkv.store import door
from crdtkv.store.selection import Selection
from crdtkv.strategies.base import Operation
from crdtkv.strategies.roots import TTL_PATH, Root

if TYPE_CHECKING:
    from crdtkv.doors.redis.client import Client
    from crdtkv.store.store import Store

__all__ = ["Alone", "At", "Gathered", "Wait", "date_of", "key_of"]


class Alone(Exception):
    """What was begun has to be done in a transaction of its own."""


class Wait:
    """A blocking command found nothing: it is asked again when something has changed, and told `nil` in the end."""

    __slots__ = ("nil", "seconds")

    def __init__(self, seconds: float, nil: Any = None) -> None:
        self.seconds = seconds
        """0: for ever."""
        self.nil = nil


_keys: dict[bytes, str] = {}
"""Of names that came lately."""
_KEPT = 8192
_SHORT = 64


def key_of(name: bytes) -> str:
    """A key, of the bytes that it is named by. Raises Refusal."""
    known = _keys.get(name)
    if known is not None:
        return known
    key = _checked(name)
    if len(name) <= _SHORT:
        if len(_keys) >= _KEPT:
            _keys.clear()
        _keys[name] = key
    return key


def _checked(name: bytes) -> str:
    try:
        key = name.decode()
    except UnicodeDecodeError:
        raise Refusal(f"ERR key {name!r:.80} is no UTF-8, which a key is") from None
    if not 0 < len(name) <= MAX_KEY or "\0" in key:
        what = "is empty" if not name else "has a NUL" if len(name) <= MAX_KEY else f"is {len(name)} bytes"
        raise Refusal(f"ERR key {name!r:.80} {what}; a key is 1 to {MAX_KEY} bytes of UTF-8 without NUL")
    return key


class Gathered:
    """Elements that several commands in a row add to one collection, which is there: they are added at once."""

    __slots__ = ("key", "words")

    def __init__(self, key: str) -> None:
        self.key = key
        self.words: list[Any] = []

    def write(self, at: At) -> None:
        """They are added."""
        raise NotImplementedError


class At:
    """One for all commands that run at one instant."""

    __slots__ = (
        "_draft", "adds", "after", "alone", "client", "combines", "gathered", "noted", "puts", "replica", "store",
        "tells", "waits",
    )  # fmt: skip

    def __init__(self, store: Store, client: Client, draft: Draft | None = None) -> None:
        self.store = store
        self.replica = door.replica(store)
        self.client = client
        """Whose command it is."""
        self._draft = draft
        self.waits = True
        """Whether a blocking command may wait: not in a transaction."""
        self.after: list[Callable[[], object]] = []
        """Done in the event loop once all is durable."""
        self.tells = bool(client.door.events.flags)
        """Whether somebody is told what is noted."""
        self.noted: list[tuple[str, str, int]] = []
        """Events of keys and the number of their namespace, for who has subscribed to them."""
        self.combines = ""
        """The kind of commands that are combined just now."""
        self.puts: dict[bytes, bytes | None] = {}
        """Of keys that SET has put, by name, what it has said of them since; None: nothing."""
        self.adds: dict[bytes, list[int]] = {}
        """Of counters, by name: what they show, and what was added to them in a row and is not written yet."""
        self.gathered: dict[bytes, Any] = {}
        """By name, what commands of this kind have said in a row of a collection: `Gathered`."""
        self.alone = False
        """Whether the transaction is of this command alone."""

    # reading

    def shown(self, key: str) -> Root | None:
        """The strategy that the key is read by, and its tree; None: it is absent. O(1) for most."""
        return self.replica.shown(key)

    def there(self, key: str) -> bool:
        """Whether there is such a key. O(1) for most."""
        return self.replica.shown(key) is not None

    def expires(self, key: str) -> int | None:
        """When a key that is there ends, in ms since 1970; None: it stays."""
        from crdtkv.core.cells import expiry_of

        cells = self.replica.storage.cells(key)
        date = expiry_of(cells[TTL_PATH]) if TTL_PATH in cells else None
        return None if date is None else stamp_ms(date)

    def keys_from(self, prefix: str = "", start: str | None = None, limit: int | None = None) -> list[str]:
        """The keys in order: those with that prefix, from `start` on, the first `limit`. O(keys passed)."""
        return door.inside(self.store).keys(Selection(prefix, start=start), limit)

    def context(self, key: str) -> Context:
        """What the key's version names: the base of a later put. O(1)."""
        return dict(self.replica.storage.context(key))

    def remember(self, name: bytes, key: str, found: bytes) -> None:
        """GET of the name was answered with that: it may be so again."""
        if self._draft is None and self.replica.memos.met(key) and door.entry(self.store, key) is not None:
            self.client.place.keep(name, key, encode(found, 2))

    @property
    def now_ms(self) -> int:
        """The time at this colo, by which keys expire."""
        return stamp_ms(self.replica.now() if self._draft is None else self._draft.stamp)

    # writing

    @property
    def draft(self) -> Draft:
        """The transaction."""
        assert self._draft is not None, "a command that writes has the flag 'write'"
        return self._draft

    def put(self, key: str, value: Any, spec: str | None = None, base: Context | None = None) -> None:
        """`key` shows `value` (what `base` had not seen stands); if it is made by that, as `spec`. A date stays."""
        draft = self.draft
        if base is None:
            if leaf.put(draft, key, value, spec) is not None:
                return
            if draft.rule_of(key).require_base and self.there(key):
                raise BaseRequired(f"the rule of {key!r} requires a base: GET it on this connection first")
        draft.operate(key, Operation("put", (value,)), base, spec)

    def operate(self, key: str, family: str, name: str, *args: Any) -> None:
        """An operation of the strategy `family`, which also makes the key if it is absent."""
        operation = Operation(name, args)
        if leaf.operate(self.draft, key, operation, family) is None:
            self.draft.operate(key, operation, family=family)

    def delete(self, key: str) -> bool:
        """All that is seen here of the key is gone; whether there was something."""
        if not self.there(key):
            return False
        self.draft.operate(key, Operation("delete"))
        return True

    def expire(self, key: str, ms: int | None) -> None:
        """The key ends at `ms` since 1970; None: it stays. Of concurrent dates holds what the rule says (the later)."""
        if ms is None and TTL_PATH not in self.replica.storage.cells(key):
            return
        self.draft.expire(key, None if ms is None else date_of(ms))

    def note(self, event: str, key: str) -> None:
        """Who has subscribed to events of keys is told, once it is durable."""
        if self.tells:
            self.noted.append((event, key, self.client.database))

    def check_alone(self, key: str) -> None:
        """Raises Alone if others have written the key in this transaction: a base could not tell them apart."""
        if not self.alone and self._draft is not None and key in self.replica.changed:
            raise Alone

    # writes of one kind in a row: what stands between them nobody sees

    def combine(self, kind: str) -> None:
        """Commands of that kind begin; what those before have said is written."""
        if self.puts or self.adds or self.gathered:
            self.settle()
        self.combines = kind

    def settle(self) -> None:
        """What was said is written."""
        puts, self.puts = self.puts, {}
        for name, data in puts.items():
            if data is not None:
                self.put(key_of(name), value_of(data, "lww"), "lww")
        adds, self.adds = self.adds, {}
        for name, (_, by) in adds.items():
            if by:
                self.operate(key_of(name), "counter", "add", by)
        gathered, self.gathered = self.gathered, {}
        for each in gathered.values():
            each.write(self)

    def put_plain(self, key: str, data: bytes) -> bool:
        """The key, which is an lww of one value without a date, shows that string; False: it is none."""
        if not self._is_plain(key):
            return False
        return leaf.put(self.draft, key, value_of(data, "lww"), "lww") is not None

    def put_until(self, key: str, data: bytes, ms: int | None) -> bool:
        """Likewise; it may have a date, and ends at `ms` since 1970 then, None: it stays."""
        date = None if ms is None else date_of(ms)
        return self._is_plain(key) and leaf.put_until(self.draft, key, value_of(data, "lww"), "lww", date)

    def _is_plain(self, key: str) -> bool:
        rule = self.draft.rule_of(key)
        return rule is DEFAULT or rule.strategy == "lww"

    # refusing

    def refuse_unless(self, root: Root | None, *families: str) -> None:
        """Raises WRONGTYPE if the key is there and of another strategy."""
        if root is not None and root[0].name not in families:
            raise Refusal(WRONG_TYPE)


def date_of(ms: int) -> Stamp:
    """The stamp of a time in ms since 1970, at least the first."""
    return make_stamp(max(1, ms))
