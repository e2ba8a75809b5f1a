"""The client for threads: each call waits for its answer. What is asked and what it means stands elsewhere."""

from __future__ import annotations

import builtins
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx

from crdtkv.client.calls import Calls
from crdtkv.client.caring import Caring
from crdtkv.client.carrying import lost, reply_of, request_of
from crdtkv.client.following import POLL, Following
from crdtkv.client.rulebook import RemoteRules
from crdtkv.client.shown import Shown
from crdtkv.client.steps import Ask, Lost, Pause, Steps
from crdtkv.client.talk import Talk
from crdtkv.client.transaction import RemoteTransaction
from crdtkv.core.keys import check_key
from crdtkv.errors import CrdtkvError, PreconditionFailed, StoreClosed
from crdtkv.store.handles import Handles
from crdtkv.store.mapping import Keys, ReadMapping
from crdtkv.store.results import Change, Entry
from crdtkv.store.selection import Selection

__all__ = ["Client", "RemoteFeed"]

_T = TypeVar("_T")
_UNSET: Any = object()
_GONE: Any = object()


class Client(Calls, Handles, ReadMapping):
    """A namespace at a colo, used as the Store it is there. Thread-safe. A context manager that closes.

    As a mapping it holds plain values. Made by `crdtkv.connect`.
    """

    def __init__(self, talk: Talk, http: httpx.Client, timeout: float) -> None:
        self._calls = Caring(talk, self._drive)
        self._talk, self._http, self._timeout = talk, http, timeout
        self.rules = RemoteRules(self)

    def _drive(self, steps: Steps[_T]) -> _T:
        """Run the steps of a call to their end."""
        steps = self._talk.understood(steps)
        try:
            wish = next(steps)
            while True:
                try:
                    reply = self._do(wish)
                except Lost as error:
                    wish = steps.throw(error)
                else:
                    wish = steps.send(reply)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    def _do(self, wish: Ask | Pause) -> Any:
        if isinstance(wish, Pause):
            time.sleep(wish.seconds)
            return None
        if self._http.is_closed:
            raise StoreClosed(f"the client of {self._talk.url} is closed; connect again", next_step="connect again")
        try:
            return reply_of(self._http.send(request_of(self._http, wish, self._timeout)))
        except httpx.HTTPError as error:
            raise lost(error) from error

    # keys; the rest is in Calls

    def get(self, key: str, *, at: str | None = None) -> Entry | None:  # type: ignore[override]
        """How `key` reads now at that colo, or read at the version `at`; None if absent. One request.

        What it reads now is the base of your next put, delete or patch of it. Raises BaseTooOld.
        """
        return self._drive(self._calls.get(key, at=at))

    def keys(
        self, prefix: str = "", *, glob: str | None = None, regex: str | None = None, start: str | None = None,
        end: str | None = None, reverse: bool = False,
    ) -> Keys:  # fmt: skip
        """A view of the keys that `scan` would give, in order; asked for anew each time. Raises ValueInvalid."""
        return Keys(self, Selection(prefix, glob, regex, start, end, reverse).checked())

    @contextmanager
    def transaction(self) -> Iterator[RemoteTransaction]:
        """All that is written in the block is sent at its end, as one transaction; nothing if it raises.

        What is read in it is read at once, and must still be so at the end: else PreconditionFailed, and nothing
        is written. What the block itself has written is read as it will be, without a version yet; receipts have
        versions once it is sent.
        """
        t = RemoteTransaction(self)
        try:
            yield t
        except BaseException:
            t.give_up()
            raise
        t.send()

    def watch(self, prefix: str = "", since: str | None = None, timeout: float | None = None) -> RemoteFeed:
        """The changes of keys with `prefix`, from now on, or from an earlier cursor on; waits for more.

        As Store.watch; the colo is asked again every 20 seconds.
        """
        return RemoteFeed(self, prefix, since, timeout)

    @property
    def colo(self) -> str:
        """The colo's name. One request, as the six that follow."""
        return str(self.standing()["colo"])

    @property
    def id(self) -> str:
        """The replica's id."""
        return str(self.standing()["replica"])

    @property
    def vector(self) -> dict[str, int]:
        """replica -> how many of its transactions are absorbed there."""
        return dict(self.standing()["vector"])

    @property
    def members(self) -> builtins.list[str]:
        """The replica ids that belong to the namespace, as known there."""
        return [*self.standing()["members"]]

    @property
    def forks(self) -> builtins.list[tuple[str, ...]]:
        """The membership conflicts that stand, as the links that clash."""
        return [tuple(fork) for fork in self.standing()["forks"]]

    @property
    def floor(self) -> int:
        """The stamp up to which deleted cells have been dropped there."""
        return int(self.standing()["floor"])

    @property
    def size(self) -> int:
        """Bytes of the file that are in use."""
        return int(self.standing()["bytes"])

    def digest(self) -> str:
        """32 hex digits over all cells; equal at two colos whose vectors and purge floors are. One request."""
        return str(self.standing()["digest"])

    def close(self) -> None:
        """Let go of the connections. Idempotent; later calls raise StoreClosed."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # as a mapping

    def _reading(self) -> Shown:
        """What handles and views read."""
        return Shown(self._calls, self._drive)

    def __getitem__(self, key: str) -> Any:
        entry = self.get(key)
        if entry is None:
            raise KeyError(key)
        return entry.value

    def __setitem__(self, key: str, value: Any) -> None:
        self.put(key, value)

    def __delitem__(self, key: str) -> None:
        if check_key(key) not in self:
            raise KeyError(key)
        self.delete(key)

    def __len__(self) -> int:
        return self._drive(self._calls.count())

    def pop(self, key: str, default: Any = _UNSET) -> Any:
        """The value of `key`, which is deleted; `default` if there is none, KeyError if that is not given."""
        while True:
            entry = self.get(key)
            if entry is None:
                break
            try:
                self.delete(key, if_version=entry.version)
                return entry.value
            except PreconditionFailed:
                continue  # it was written meanwhile: that is to be returned
        if default is _UNSET:
            raise KeyError(key)
        return default

    def popitem(self) -> tuple[str, Any]:
        """The first key and its value; the key is deleted. KeyError if there is none."""
        while True:
            page = self.scan(limit=1)
            if not page:
                raise KeyError("there is no key")
            found = self.pop(page[0].key, _GONE)
            if found is not _GONE:  # else another took it meanwhile: then the next
                return page[0].key, found

    def clear(self) -> None:
        """Delete every key that is shown there, in one transaction; what is written concurrently stands.

        Raises TooLarge for more than a transaction over HTTP may hold, 10,000: nothing deleted.
        """
        with self.transaction() as t:
            for key in self.keys():
                t.delete(key)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value of `key`, which is put to `default` if there is none."""
        while True:
            entry = self.get(key)
            if entry is not None:
                return entry.value
            try:
                return self.put(key, default, if_version=None).value
            except PreconditionFailed:
                continue  # another made it meanwhile

    def update(self, other: Any = (), /, **more: Any) -> None:
        """Put every key of a mapping, or of pairs, and those given by name, in one transaction of at most 10,000."""
        with self.transaction() as t:
            for key, value in {**dict(other), **more}.items():
                t.put(key, value)


class RemoteFeed(Iterator[Change]):
    """The changes that come, in order. Ends as a Feed does; `cursor` is where it has got to."""

    def __init__(self, client: Client, prefix: str, since: str | None, timeout: float | None) -> None:
        self._client = client
        self._following = Following(client._calls, prefix, since, timeout)
        client._drive(self._following.begin())

    @property
    def cursor(self) -> str:
        """Where a feed goes on that is to miss nothing, here or at another colo."""
        return self._following.cursor

    def __next__(self) -> Change:
        """The next change, waited for."""
        timeout = self._following.timeout
        deadline = None if timeout is None else time.monotonic() + timeout
        asked = False
        if self._client._http.is_closed:
            raise StopIteration
        while (change := self._following.next()) is None:
            left = POLL if deadline is None else deadline - time.monotonic()
            if left <= 0 and asked:
                raise StopIteration
            try:
                self._client._drive(self._following.look(max(left, 0.0)))
            except CrdtkvError:
                if self._client._http.is_closed:  # while it waited
                    raise StopIteration from None
                raise
            asked = True
        return change
