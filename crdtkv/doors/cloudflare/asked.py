"""A request as the handlers of this door see it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from crdtkv.core import values
from crdtkv.doors.items import guessing
from crdtkv.errors import BadRequest, ValueInvalid
from crdtkv.server.asking import CONNECTION, Ask, Reply
from crdtkv.server.doors import admit
from crdtkv.server.plain import Wish

if TYPE_CHECKING:
    from crdtkv.core.cells import Context
    from crdtkv.server.serving import Serving
    from crdtkv.store.results import Entry
    from crdtkv.store.store import Store
    from crdtkv.store.transaction import Transaction

__all__ = ["BULK", "Asked", "Handler", "Known"]

BULK = 100 * 1024 * 1024
"""Bytes of a bulk write."""
_SMALL = 65_536
_T = TypeVar("_T")


class Asked(NamedTuple):
    """`ask` has the namespace, the key and the body; `store`: of that namespace, where there is one in the path."""

    serving: Serving
    ask: Ask
    store: Store
    readers: guessing.Readers
    session: Context | None = None
    """What the client has seen of the namespace, by the session that it sent."""

    async def write(self, act: Callable[[Transaction], _T]) -> _T:
        """As `Serving.write`, where all is that its session has seen."""
        return await self.serving.write(self.store, act, self.ask.covered)

    def told(self, entry: Entry) -> None:
        """The reply tells of it."""
        self.readers.told(*self._who(), self.store.namespace, entry)

    def absent(self, key: str) -> None:
        """The reply tells that there is none."""
        self.readers.note(*self._who(), self.store.namespace, key, {})

    def writer(self) -> guessing.Writer:
        """Who asks, as one who puts."""
        return self.readers.writer(self.store, *self._who(), self.session)

    def _who(self) -> tuple[str, guessing.Seen | None]:
        token, own = guessing.who_asks(self.ask.scope["headers"])
        return token, self.ask.scope.get(CONNECTION) if own else None

    async def json(self) -> Any:
        """The JSON value in the body; a large one is read in a thread. Raises BadRequest."""
        body = self.ask.body
        try:
            if len(body) <= _SMALL:
                return values.parse_json(body)
            return await self.serving.slow(values.parse_json, body)
        except ValueInvalid as error:
            raise BadRequest(f"the body is {error}") from None

    async def members(self) -> dict[str, Any]:
        """The JSON object in the body. Raises BadRequest."""
        found = await self.json()
        if not isinstance(found, dict):
            raise BadRequest(f"the body is {found!r:.80}; an object is wanted")
        return found

    async def listed(self) -> list[Any]:
        """The JSON array in the body. Raises BadRequest."""
        found = await self.json()
        if not isinstance(found, list):
            raise BadRequest(f"the body is {found!r:.80}; an array is wanted")
        return found

    def admit(self, action: str, *keys: str) -> None:
        """Whoever asks may do that to these keys; of none, to all. Raises Unauthorized, Forbidden."""
        if self.serving.node.guarded:
            for key in keys or ("",):
                admit(self.serving, self.ask.scope, action, self.ask.namespace, key)


class Known(NamedTuple):
    """What a route needs: `action` on its key, or all keys (`whole`), or, "", what the handler asks for itself.

    `limit`: bytes of its body; 0: it has none. `cluster`: it is of no namespace's keys. `wish`: the same of a small
    body, where nothing is waited for but the commit.
    """

    handle: Handler
    action: str = ""
    limit: int = 0
    cluster: bool = False
    wish: Callable[[Asked], Wish] | None = None


Handler = Callable[[Asked], Awaitable[Reply]]
