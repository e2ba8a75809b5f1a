"""What both clients can do, each call named once: one of threads waits for it, one of an event loop awaits it.

Law of this room: a call has the name, the arguments, the result and the words that it has in `Caring`; how it is
carried is the client's. In a client it is a function as any other, made when its class is.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from crdtkv.client.caring import Caring
from crdtkv.client.steps import Steps
from crdtkv.client.talk import Talk

if TYPE_CHECKING:
    from crdtkv.client.blocking import Client
    from crdtkv.client.waiting import AsyncClient

__all__ = ["Call", "Calls"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Call(Generic[_P, _T]):
    """One of them, as `Caring` makes it."""

    def __init__(self, make: Callable[Concatenate[Caring, _P], Steps[_T]]) -> None:
        self.make = make

    if TYPE_CHECKING:

        @overload
        def __get__(self, client: Client, kind: object) -> Callable[_P, _T]: ...

        @overload
        def __get__(self, client: AsyncClient, kind: object) -> Callable[_P, Coroutine[Any, Any, _T]]: ...

        def __get__(self, client: object, kind: object) -> Any: ...

    def method(self) -> Callable[..., Any]:
        """The same for a client, which runs its steps by `_drive`."""
        make: Callable[..., Steps[Any]] = self.make

        @wraps(make)
        def call(client: Any, /, *args: Any, **given: Any) -> Any:
            return client._drive(make(client._calls, *args, **given))

        return call


class Calls:
    """Base of both clients: what is not defined by one of them otherwise."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if Calls in cls.__bases__:
            for name, each in vars(Calls).items():
                if isinstance(each, Call) and name not in vars(cls):
                    setattr(cls, name, each.method())

    _talk: Talk

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.namespace!r} at {self.url}>"

    @property
    def namespace(self) -> str:
        """The name of the namespace. Nothing is asked."""
        return self._talk.namespace

    @property
    def session(self) -> str:
        """What this client has read and written, as text: hand it to one that is to see no less. Nothing is asked."""
        return self._talk.sessions.said()

    @property
    def url(self) -> str:
        """The address of the colo. Nothing is asked."""
        return self._talk.url

    # keys

    put = Call(Caring.put)
    delete = Call(Caring.delete)
    patch = Call(Caring.patch)
    expire = Call(Caring.expire)
    operate = Call(Caring.operate)
    get_many = Call(Caring.get_many)
    scan = Call(Caring.scan)

    # versions, lost writes, care

    history = Call(Caring.history)
    diff = Call(Caring.diff)
    blame = Call(Caring.blame)
    revert = Call(Caring.revert)
    conflicts = Call(Caring.conflicts)
    restore = Call(Caring.restore)
    dismiss = Call(Caring.dismiss)
    check = Call(Caring.check)
    compact = Call(Caring.compact)
    evict = Call(Caring.evict)
    resolve = Call(Caring.resolve)
    leave = Call(Caring.leave)
    status = Call(Caring.status)
    standing = Call(Caring.standing)
    namespaces = Call(Caring.namespaces)
    create_namespace = Call(Caring.create_namespace)
    rename_namespace = Call(Caring.rename_namespace)
    delete_namespace = Call(Caring.delete_namespace)
    host_namespace = Call(Caring.host_namespace)
    unhost_namespace = Call(Caring.unhost_namespace)
    leave_cluster = Call(Caring.leave_cluster)
    evict_everywhere = Call(Caring.evict_everywhere)
    resolve_everywhere = Call(Caring.resolve_everywhere)
    backup_colo = Call(Caring.backup_colo)
    tokens = Call(Caring.tokens)
    create_token = Call(Caring.create_token)
    revoke_token = Call(Caring.revoke_token)
