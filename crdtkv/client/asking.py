"""The calls on keys: what is asked of a colo, and what its answer means.

Each has the name, the arguments and the results of the Store's method; here it gives steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from crdtkv.client.steps import Steps
from crdtkv.client.talk import Talk
from crdtkv.core import values
from crdtkv.core.blob import Blob
from crdtkv.core.keys import check_key
from crdtkv.errors import BadRequest, CrdtkvError, ValueInvalid
from crdtkv.http import bodies
from crdtkv.http.bodies import UNSET, Write
from crdtkv.store.receipt import Receipt
from crdtkv.store.results import Entry, Page
from crdtkv.store.selection import Selection, check_limit
from crdtkv.strategies.base import Operation
from crdtkv.strategies.document_parts import pointer

__all__ = ["PAGE", "Asking", "value_of", "write_for"]

PAGE = 1000
"""Entries that are asked for at once."""

_INDEXED = ("insert", "set", "move")
"""Operations of lists whose indices are those of what was read; and `remove` of one."""

_SAME = ("put", "delete", "expire", "revert", "enable", "disable", "clear")
"""Operations that, said twice, do no more than said once; unless they are conditional, or a put is merged."""


class Asking:
    """The calls on keys. `drive` runs the steps of a receipt's value, where it can be waited for (None: it can't)."""

    def __init__(self, talk: Talk, drive: Callable[[Steps[Any]], Any] | None) -> None:
        self.talk = talk
        self._drive = drive

    # reading

    def get(self, key: str, *, at: str | None = None) -> Steps[Entry | None]:
        """How `key` reads now at that colo, or read at the version `at`; None if absent. One request.

        What it reads now is the base of your next put, delete or patch of it. Raises BaseTooOld.
        """
        key = check_key(key)
        try:
            reply = yield from self.talk.ask("GET", "keys", key, query={"at": at})
        except CrdtkvError as error:
            if error.code != "key-absent":
                raise
            if at is None:
                self.talk.seen.read(key, None)
            return None
        entry = bodies.entry_of(self.talk.body(reply))
        if at is None:
            self.talk.seen.read(key, entry.version)
        return entry

    def get_many(self, keys: Iterable[str]) -> Steps[dict[str, Entry | None]]:
        """`get` of several keys, each thousand read at one instant, by one request. Raises KeyInvalid, ValueInvalid."""
        if isinstance(keys, str) or not isinstance(keys, Iterable):
            raise ValueInvalid(f"keys is {keys!r:.80}; several keys are wanted, as in ['a', 'b']")
        wanted = [check_key(key) for key in keys]
        entries: dict[str, Entry | None] = {}
        for i in range(0, len(wanted), PAGE):
            asked = wanted[i : i + PAGE]
            reply = yield from self.talk.ask("POST", "get", body={"keys": asked})
            found = self.talk.body(reply)["entries"]
            entries |= {key: bodies.entry_of(found[key]) if found.get(key) else None for key in asked}
        for key, entry in entries.items():
            self.talk.seen.read(key, entry.version if entry else None)
        return entries

    def scan(
        self, prefix: str = "", *, glob: str | None = None, regex: str | None = None, start: str | None = None,
        end: str | None = None, limit: int | None = None, reverse: bool = False, cursor: str | None = None,
    ) -> Steps[Page]:  # fmt: skip
        """The entries in key order: those with `prefix`, matching, `start` <= key < `end`. A request for each 1,000.

        With `limit`, the page's `cursor` continues behind it. Each thousand is of one instant.
        Raises ValueInvalid, PatternInvalid, CursorInvalid.
        """
        selection = Selection(prefix, glob, regex, start, end, reverse).checked()
        check_limit(limit)
        page = Page()
        while True:
            left = PAGE if limit is None else min(PAGE, limit - len(page))
            body = yield from self._page(selection, left, cursor, values=True)
            page += map(bodies.entry_of, body["entries"])
            page.cursor = cursor = body["cursor"]
            if cursor is None or (limit is not None and len(page) >= limit):
                break
        for entry in page:
            self.talk.seen.read(entry.key, entry.version)
        return page

    def keys_of(self, selection: Selection) -> Steps[list[str]]:
        """The keys that match, in order. A request for each 1,000."""
        found: list[str] = []
        cursor = None
        while True:
            body = yield from self._page(selection, PAGE, cursor, values=False)
            found += body["keys"]
            cursor = body["cursor"]
            if cursor is None:
                return found

    def count(self) -> Steps[int]:
        """How many keys there are. One request."""
        reply = yield from self.talk.ask("GET", "keys", query={"count": True})
        return int(self.talk.body(reply)["count"])

    def _page(self, selection: Selection, limit: int, cursor: str | None, values: bool) -> Steps[Any]:
        given = {name: value for name, value in selection._asdict().items() if value not in ("", False)}
        query = {**given, "limit": limit, "cursor": cursor, "values": values}
        reply = yield from self.talk.ask("GET", "keys", query=query)
        return self.talk.body(reply)

    def part(self, key: str, path: tuple[str, ...] | None, family: str, **more: Any) -> Steps[Any]:
        """What a handle shows: of the key, or at a path of its document; None if nothing. One request.

        `element`: whether a set has it; `since`, `until`: entries of a log, with their stamps.
        """
        body = {"family": family} | ({} if path is None else {"path": pointer(path)}) | more
        reply = yield from self.talk.ask("POST", "keys", check_key(key), "part", body=body)
        return self.talk.body(reply)["value"]

    # writing

    def put(
        self, key: str, value: Any, *, base: str | None = None, strategy: str | None = None, ttl: float | None = None,
        if_version: str | None = UNSET, idempotency_key: str | None = None,
    ) -> Steps[Receipt]:  # fmt: skip
        """`key` shows `value`, merged with what others did since `base`: a version; by default what you read last here.

        As Store.put. A key that was not read through this client is put as a whole, and so is one under an
        idempotency key of yours and no base. Raises BaseRequired where others' writes were merged into your
        last put, and you have not read them: nothing written.
        """
        write = Write(check_key(key), "put", value=value_of(value), base=base, if_version=if_version)
        headers = self._prefer(False) | _conditions(if_version)
        if idempotency_key is None:  # (tried again by the caller it must say the same, whatever was read meanwhile)
            write = self._based(write)
            headers |= self._retry([write])
        else:
            headers["idempotency-key"] = _header("idempotency_key", idempotency_key)
        reply = yield from self.talk.ask(
            "PUT", "keys", key, query={"base": write.base, "strategy": strategy, "ttl": _seconds(ttl)},
            body={"value": write.value}, headers=headers,
        )  # fmt: skip
        return self._made(self.talk.body(reply), write, now=idempotency_key is None)

    def delete(self, key: str, *, base: str | None = None, if_version: str | None = UNSET) -> Steps[Receipt]:
        """What `base` showed of `key` is gone (by default: what you read last here); as Store.delete."""
        return (yield from self._write(Write(check_key(key), "delete", base=base, if_version=if_version)))

    def patch(self, key: str, patch: Sequence[Any] | Mapping[str, Any], *, base: str | None = None) -> Steps[Receipt]:
        """A JSON patch (a list) or a merge patch (a dict) is applied to what `base` showed; as Store.patch."""
        return (yield from self._write(Write(check_key(key), "patch", value=value_of(patch), base=base)))

    def expire(self, key: str, ttl: float | None) -> Steps[Receipt]:
        """`key` is not shown from `ttl` seconds from now on (None: it stays); as Store.expire."""
        return (yield from self._write(Write(check_key(key), "expire", ttl=_seconds(ttl))))

    def revert(self, key: str, version: str) -> Steps[Receipt]:
        """A new write that makes `key` show what it showed at `version`; as Store.revert."""
        return (yield from self._write(Write(check_key(key), "revert", version=version)))

    def operate(
        self, key: str, family: str | None, name: str, *args: Any, base: str | None = None, strategy: str | None = None,
    ) -> Steps[Receipt]:  # fmt: skip
        """An operation of a strategy by its name; what the handles call. As Store.operate."""
        return (yield from self._write(write_for(key, family, name, args, base, strategy)))

    def _write(self, write: Write) -> Steps[Receipt]:
        """One write of one key."""
        write = self._based(write)
        plain = bodies.plain_write(write)
        del plain["key"]
        reply = yield from self.talk.ask(
            "POST", "keys", write.key, "operations", body=plain,
            headers=self._prefer(write.family in _SMALL) | self._retry([write]),
        )  # fmt: skip
        return self._made(self.talk.body(reply), write)

    def transact(self, writes: list[Write], conditions: Mapping[str, str | None]) -> Steps[list[Receipt]]:
        """Several writes, all or nothing, if each key of `conditions` is at its version. One request."""
        based = self._all_based(writes)
        body = _transaction(based, conditions)
        headers = self._prefer(False) | self._retry(based, bool(conditions))
        reply = yield from self.talk.ask("POST", "transactions", body=body, headers=headers)
        told = self.talk.body(reply)["receipts"]
        return [self._made(plain, write) for plain, write in zip(told, based, strict=True)]

    def tried(
        self, writes: list[Write], conditions: Mapping[str, str | None], key: str, **part: Any
    ) -> Steps[tuple[Any, str | None]]:
        """What `key` would show after these writes, and the version that it has before: nothing is written.

        One request. Its entry, None if it is absent; or the part of it that is asked for.
        """
        body = _transaction(self._all_based(writes), conditions) | {"read": [{"key": key, **part}]}
        reply = yield from self.talk.ask("POST", "transactions", query={"dry_run": True}, body=body, again=True)
        [found] = self.talk.body(reply)["read"]
        entry = found.get("entry")
        return (bodies.entry_of(entry) if entry else found.get("value")), found["before"]

    # what goes with a write, and what is kept of its reply

    def _all_based(self, writes: list[Write]) -> list[Write]:
        seen: set[str] = set()
        based: list[Write] = []
        for write in writes:  # (the base that the client read is that of the first write of a key)
            based.append(write if write.key in seen else self._based(write))
            seen.add(write.key)
        return based

    def _based(self, write: Write) -> Write:
        """The write, with the version that was read last for its base if it names none and is of what was read."""
        if write.base is not None or write.if_version is not UNSET:
            return write
        if write.op in ("put", "delete", "patch"):
            return write._replace(base=self.talk.seen.base(write.key))
        return write._replace(base=self.talk.seen.known(write.key)) if _indexed(write) else write

    def _prefer(self, wanted: bool) -> dict[str, str]:
        """A value is sent with its receipt where it is small, or where nobody could wait for it later."""
        return {"prefer": "return=representation"} if wanted or self._drive is None else {}

    def _retry(self, writes: list[Write], conditions: bool = False) -> dict[str, str]:
        """A new key for the request, if saying it all twice could do more than saying it once.

        It holds at the colo that is asked, and costs nothing after a day; an idempotency key of the user's holds at
        all, for which an add to a counter is a cell.
        """
        return {"crdtkv-retry": self.talk.once()} if conditions or any(map(_doubles, writes)) else {}

    def _made(self, plain: Any, write: Write, now: bool = True) -> Receipt:
        """The receipt. What it shows counts as read when it is looked at; unless it may be of long ago (not `now`)."""
        seen, key, version = self.talk.seen, write.key, plain["version"]
        if not now:
            seen.forget(key)
        elif write.op in ("put", "patch", "delete") or _indexed(write):
            seen.wrote(key, version, bool(plain.get("merged")))
        else:
            seen.forget(key)
        told = plain.pop("value", UNSET)

        def read() -> Any:
            if told is UNSET and self._drive is None:
                raise BadRequest(
                    f"the value of this write of {key!r} was not sent with its receipt",
                    next_step="read it: await kv.get(key, at=receipt.version)",
                )
            value = self._drive(self._then(key, version)) if told is UNSET and self._drive is not None else told
            if now and seen.known(key) in (None, version):
                seen.read(key, version)
            return value

        return bodies.receipt_of(plain, read)

    def _then(self, key: str, version: str) -> Steps[Any]:
        entry = yield from self.get(key, at=version)
        return None if entry is None else entry.value


_SMALL = ("counter", "flag")
"""Families whose values are sent with every receipt: they are no longer than it."""


def _transaction(writes: list[Write], conditions: Mapping[str, str | None]) -> dict[str, Any]:
    body: dict[str, Any] = {"writes": [bodies.plain_write(write) for write in writes]}
    if conditions:
        body["if"] = [{"key": key, "version": version} for key, version in conditions.items()]
    return body


def write_for(
    key: str, family: str | None, name: str, args: tuple[Any, ...], base: str | None, strategy: str | None
) -> Write:
    """What `operate` is asked for, as it is sent: a place in a document is a `path`.

    >>> write_for("doc", "json", "at", (("a", "b"), "set", Operation("add", ("x",))), None, None)[1:6]
    ('add', ('x',), <object object at ...>, 'set', '/a/b')
    """
    path = None
    if name == "at" and len(args) == 3 and isinstance(args[2], Operation):
        tokens, family, inner = args
        path, name, args = pointer(tokens), inner.name, inner.args
    args = tuple(map(_blob, args))
    values.pack_list(args)
    if path is None and name == "put" and len(args) == 1:
        return Write(check_key(key), "put", value=args[0], family=family, base=base, strategy=strategy)
    return Write(check_key(key), name, args, family=family, path=path, base=base, strategy=strategy)


def _indexed(write: Write) -> bool:
    return write.family == "list" and (write.op in _INDEXED or (write.op == "remove" and write.path is None))


def _doubles(write: Write) -> bool:
    """Whether it may do more when it is said twice."""
    if write.if_version is not UNSET or write.idempotency_key is not None:
        return write.idempotency_key is None
    if write.op in _SAME and write.path is None:
        return write.op == "put" and write.base is not None
    return not (write.family == "set" and write.op in ("add", "remove"))


def _conditions(if_version: str | None) -> dict[str, str]:
    if if_version is UNSET:
        return {}
    return {"if-none-match": "*"} if if_version is None else {"if-match": f'"{_header("if_version", if_version)}"'}


def _header(name: str, words: Any) -> str:
    if not isinstance(words, str) or not words.isascii() or not words.isprintable():
        raise ValueInvalid(f"{name} is {words!r:.80}; printable ASCII is wanted")
    return words


def _seconds(ttl: Any) -> Any:
    if ttl is not None and (isinstance(ttl, bool) or not isinstance(ttl, int | float) or ttl != ttl):
        raise ValueInvalid(f"ttl is {ttl!r:.80}; a number of seconds is wanted")
    return ttl


def value_of(value: Any) -> Any:
    """A value as it is sent. Raises ValueInvalid, TooLarge where a store would: JSON takes a 1 for the name "1"."""
    value = _blob(value)
    values.pack(value)
    return value


def _blob(value: Any) -> Any:
    """Bytes are kept as a blob."""
    return Blob(value) if isinstance(value, bytes) else value
