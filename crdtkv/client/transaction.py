"""A transaction of a client: writes are kept until its end, and sent as one request.

The colo does not hold its breath meanwhile. So that it is as if nobody else had written, what was read
in the transaction goes with it as a condition: if one of these keys has changed, nothing is written. What it
has written itself it reads by having the colo try it: all its writes are done, read in, and undone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from crdtkv.client.asking import value_of, write_for
from crdtkv.client.caring import Caring
from crdtkv.client.shown import Shown
from crdtkv.client.steps import Steps
from crdtkv.core.fate import Fate
from crdtkv.core.keys import check_key
from crdtkv.errors import BadRequest, KeyInvalid, PreconditionFailed
from crdtkv.http.bodies import UNSET, Write
from crdtkv.store.handles import Handles
from crdtkv.store.owner import Readings
from crdtkv.store.receipt import Receipt
from crdtkv.store.results import Entry
from crdtkv.store.selection import Selection
from crdtkv.strategies.document_parts import pointer

if TYPE_CHECKING:
    from crdtkv.client.blocking import Client

__all__ = ["Collected", "RemoteTransaction"]


class _Later(Receipt):
    """The receipt of a write that is not sent yet."""

    __slots__ = ("_sent",)

    def __init__(self, key: str, fate: Fate) -> None:
        super().__init__(key, "", "", fate, lambda: None)
        self._sent: Receipt | None = None

    def settle(self, receipt: Receipt) -> None:
        """It was sent, and this came back."""
        self._said, self._strategy, self._read, self._sent = receipt.version, receipt.strategy, receipt._read, receipt

    def _check(self) -> None:
        super()._check()
        if self._sent is None:
            raise BadRequest(f"this write of {self.key!r} is sent at the end of its transaction; it has no version yet")


class Collected(Handles):
    """The writes of a transaction that is open. Nothing here waits for anything."""

    def __init__(self, calls: Caring) -> None:
        self._calls = calls
        self._writes: list[Write] = []
        self._receipts: list[_Later] = []
        self._conditions: dict[str, str | None] = {}
        self._fate = Fate()
        self._open = True

    def put(
        self, key: str, value: Any, *, base: str | None = None, strategy: str | None = None, ttl: float | None = None,
        if_version: str | None = UNSET, idempotency_key: str | None = None,
    ) -> Receipt:  # fmt: skip
        """As Store.put, at the end of the transaction."""
        value = value_of(value)
        return self._add(Write(
            check_key(key), "put", value=value, base=base, strategy=strategy, ttl=UNSET if ttl is None else ttl,
            if_version=if_version, idempotency_key=idempotency_key,
        ))  # fmt: skip

    def delete(self, key: str, *, base: str | None = None, if_version: str | None = UNSET) -> Receipt:
        """As Store.delete, at the end of the transaction."""
        return self._add(Write(check_key(key), "delete", base=base, if_version=if_version))

    def patch(self, key: str, patch: Sequence[Any] | Mapping[str, Any], *, base: str | None = None) -> Receipt:
        """As Store.patch, at the end of the transaction."""
        return self._add(Write(check_key(key), "patch", value=value_of(patch), base=base))

    def expire(self, key: str, ttl: float | None) -> Receipt:
        """As Store.expire, at the end of the transaction."""
        return self._add(Write(check_key(key), "expire", ttl=ttl))

    def revert(self, key: str, version: str) -> Receipt:
        """As Store.revert, at the end of the transaction."""
        return self._add(Write(check_key(key), "revert", version=version))

    def operate(
        self, key: str, family: str | None, name: str, *args: Any, base: str | None = None, strategy: str | None = None,
    ) -> Receipt:  # fmt: skip
        """As Store.operate, at the end of the transaction."""
        return self._add(write_for(key, family, name, args, base, strategy))

    def __setitem__(self, key: str, value: Any) -> None:
        self.put(key, value)

    def update(self, other: Any = (), /, **more: Any) -> None:
        """Put every key of a mapping, or of pairs, and those given by name."""
        for key, value in {**dict(other), **more}.items():
            self.put(key, value)

    def _reading(self) -> Readings:
        raise BadRequest("a transaction of this client sends writes; read before it begins, or by await t.get(key)")

    def _add(self, write: Write) -> Receipt:
        self._check()
        later = _Later(write.key, self._fate)
        self._writes.append(write)
        self._receipts.append(later)
        return later

    def _check(self) -> None:
        if not self._open:
            raise BadRequest("this transaction has ended; begin another")

    def getting(self, key: str) -> Steps[Entry | None]:
        """How a key reads in the transaction; it must be at the end as it was there before what was written here."""
        self._check()
        if self._wrote(key):
            return (yield from self._trying(key))  # type: ignore[no-any-return]
        entry = yield from self._calls.get(key)
        self._read(key, entry.version if entry else None)
        return entry

    def parting(self, key: str, path: tuple[str, ...] | None, family: str, **more: Any) -> Steps[Any]:
        """As `getting`, of what a handle shows."""
        if not self._wrote(key):
            yield from self.getting(key)
            return (yield from self._calls.part(key, path, family, **more))
        place = {} if path is None else {"path": pointer(path)}
        return (yield from self._trying(key, family=family, **place, **more))

    def _wrote(self, key: str) -> bool:
        return any(write.key == check_key(key) for write in self._writes)

    def _trying(self, key: str, **part: Any) -> Steps[Any]:
        found, before = yield from self._calls.tried(self._writes, self._conditions, key, **part)
        self._read(key, before)
        return found

    def _read(self, key: str, version: str | None) -> None:
        """`key` was read; it must be so at the end, too."""
        if self._conditions.setdefault(key, version) != version:
            raise PreconditionFailed(
                f"{key!r} has changed since this transaction read it first; nothing was written", version=version or ""
            )

    def give_up(self) -> None:
        """Nothing is sent; its receipts are void."""
        self._open, self._fate.undone = False, True

    def sending(self) -> Steps[None]:
        """Send all of it. Raises what the colo says: then nothing was written."""
        self._check()
        self._open = False
        if not self._writes:
            return
        try:
            sent = yield from self._calls.transact(self._writes, self._conditions)
        except BaseException:
            self._fate.undone = True
            raise
        for later, receipt in zip(self._receipts, sent, strict=True):
            later.settle(receipt)


class RemoteTransaction(Collected):
    """A transaction that is open in a thread; valid inside its `with` block."""

    def __init__(self, client: Client) -> None:
        super().__init__(client._calls)
        self._client = client

    def send(self) -> None:
        """At the end of the block."""
        self._client._drive(self.sending())

    def get(self, key: str, *, at: str | None = None) -> Entry | None:
        """As Store.get. What it reads now must still be so at the end of the transaction."""
        if at is not None:
            return self._client.get(key, at=at)
        return self._client._drive(self.getting(key))

    def get_many(self, keys: Iterable[str]) -> dict[str, Entry | None]:
        """As Store.get_many. What it reads must still be so at the end of the transaction."""
        self._check()
        asked = list(keys)
        found = self._client.get_many([key for key in asked if not self._wrote(key)])
        for key, entry in found.items():
            self._read(key, entry.version if entry else None)
        return {key: found[key] if key in found else self.get(key) for key in asked}

    def __getitem__(self, key: str) -> Any:
        entry = self.get(key)
        if entry is None:
            raise KeyError(key)
        return entry.value

    def __delitem__(self, key: str) -> None:
        if self.get(key) is None:
            raise KeyError(key)
        self.delete(key)

    def __contains__(self, key: object) -> bool:
        try:
            return self.get(check_key(key)) is not None
        except KeyInvalid:
            return False

    def __iter__(self) -> Iterator[str]:
        raise BadRequest("a transaction of a client reads keys by name; list them before it begins")

    def _reading(self) -> Readings:
        return Shown(cast(Caring, _Within(self)), self._client._drive)


class _Within:
    """What handles read in a transaction: the whole key is a condition then."""

    def __init__(self, t: RemoteTransaction) -> None:
        self.get, self.part = t.getting, t.parting

    def keys_of(self, selection: Selection) -> Steps[list[str]]:
        raise BadRequest("a transaction of a client reads keys by name; list them before it begins")
