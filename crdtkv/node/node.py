"""A node: the stores of one colo, each namespace's in a file of its own.

Law of this room: a file is opened only for a namespace that the system namespace knows
and this colo holds; a deletion is durable there before anything is closed, and closed
before it is removed. What is deleted is never opened again, whatever lies in the folder.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from crdtkv.core.keys import SYSTEM
from crdtkv.core.show import show
from crdtkv.errors import (
    CrdtkvError,
    NamespaceElsewhere,
    NamespaceExists,
    NamespaceInvalid,
    NamespaceUnknown,
    Refused,
    StoreClosed,
    TooLarge,
    Unavailable,
)  # fmt: skip
from crdtkv.node.catalogue import Catalogue
from crdtkv.node.clock import SetClock
from crdtkv.node.holding import Holding, check_colos, where_is
from crdtkv.node.naming import DEFAULT_ID, MAX_NAMESPACES, SYSTEM_ID, Namespace, check_name
from crdtkv.node.tokens import Tokens
from crdtkv.node.waiting import Waiting
from crdtkv.replica import life
from crdtkv.replica.draft import Draft
from crdtkv.storage.backup import pieces
from crdtkv.store import door
from crdtkv.store.opening import open_store
from crdtkv.store.store import Store
from crdtkv.strategies.base import Operation

__all__ = ["FOUNDER", "LEFT", "SYSTEM_CACHE_MB", "Listener", "Node", "is_new"]

SYSTEM_CACHE_MB = 16
LEFT = "left"
"""The file in a node's folder that says that the colo has left its cluster."""

FOUNDER = SYSTEM + "founder"
"""A system key, of every namespace: the colo that began it."""

_log = logging.getLogger("crdtkv")

Listener = Callable[[str, Store | None], None]
"""Called with the id of a namespace and its store, just opened; None: it is about to be closed."""


class Node(Holding):
    """One colo: `store(name)` is its store of a namespace. Thread-safe. A context manager that closes.

    >>> with Node(None, colo="lhr") as node:
    ...     shop = node.create("shop")
    ...     node.store("shop")["a"] = 1
    ...     node.store(shop.id)["a"], [each.name for each in node.namespaces()]
    (1, ['default', 'shop'])
    """

    def __init__(
        self, folder: str | os.PathLike[str] | None, *, colo: str | None = None, tokens: Iterable[str] = (),
        **options: Any,
    ) -> None:  # fmt: skip
        """Opens, or begins, the node in `folder`; None: in this process's memory only.

        `tokens`: whole tokens that may all, of the settings. `options` are those of `crdtkv.open` for
        each store. Raises as that does, and Refused where the colo has left its cluster.
        """
        self.folder = None if folder is None else Path(folder)
        """Of its files; None: it has none."""
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            if (self.folder / LEFT).is_file():
                raise Refused(
                    f"the colo in {str(self.folder)!r} has left its cluster, which counts it no more",
                    next_step="begin in a new folder, with --join to belong to it again; this one may be removed",
                )
        self._options = options
        self.durable: bool = options.get("durability", "full") == "full"
        """Whether what was committed survives a power cut."""
        clock = options.get("clock")
        self.clock = clock if isinstance(clock, SetClock) else None
        """What says the time, if it is one that a test suite sets."""
        self._lock = threading.RLock()
        self._closed = False
        self.listeners: list[Listener] = []
        self.waiting = Waiting()
        self.meets = False
        """Whether its stores meet those of other colos."""
        own = {name: value for name, value in options.items() if name != "quota_mb"}
        own["cache_mb"] = min(SYSTEM_CACHE_MB, options.get("cache_mb", SYSTEM_CACHE_MB))
        self.system = open_store(self.path(SYSTEM_ID), colo=colo, namespace=SYSTEM_ID, **own)
        self.colo = self.system.colo
        self._catalogue = Catalogue(self.system, self.colo)
        self.tokens = Tokens(self.system, tokens)
        self.troubles: dict[str, CrdtkvError] = {}
        """Id -> why its store could not be opened; tried again each time the system namespace moves."""
        self._known: dict[str, Namespace] = {}
        self._ids: dict[str, str] = {}
        self._stores: dict[str, Store] = {}
        self._by_name: dict[str, Store] = {}
        self._made: set[str] = set()
        self._withheld: frozenset[str] = frozenset()
        self._draining: list[str] = []
        self._going: frozenset[str] = frozenset()
        self._departed: frozenset[str] = frozenset()
        self._seen: dict[str, int] = {}
        try:
            self._settle()
        except BaseException:
            self.close()
            raise

    # reading

    def store(self, name: str) -> Store:
        """The open store of the namespace that is called so, or has that id. O(1).

        Raises NamespaceUnknown for what is none, or was deleted, NamespaceElsewhere for one that this
        colo does not hold, StoreClosed, and what is wrong with its file.

        >>> node = Node(None, colo="lhr")
        >>> node.store("default") is node.store("~default")
        True
        """
        found = self._by_name.get(name)
        return found if found is not None else self._missing(name)

    def namespaces(self, deleted: bool = False) -> list[Namespace]:
        """All that are known here, also those that this colo does not hold; by name, then by age. O(n log n).

        >>> [(each.id, each.hosted) for each in Node(None, colo="lhr").namespaces()]
        [('~default', True)]
        """
        found = (each for each in self._known.values() if deleted or not each.deleted)
        return sorted(found, key=lambda each: (each.name, each.created, each.id))

    def namespace(self, name: str) -> Namespace:
        """The one that is called so, or has that id. O(1). Raises NamespaceUnknown.

        >>> Node(None, colo="lhr").namespace("default").id
        '~default'
        """
        known = self._known
        found = known.get(self._ids.get(name, name))
        if found is None or found.deleted:
            raise self._unknown(name)
        return found

    def stores(self) -> dict[str, Store]:
        """Id -> open store, of every namespace that this colo holds; not the system's. O(n).

        >>> list(Node(None, colo="lhr").stores())
        ['~default']
        """
        return dict(self._stores)

    def holds(self, id: str, colo: str) -> bool:
        """Whether that colo, too, holds the namespace of that id, as far as is known here. O(1).

        >>> Node(None, colo="lhr").holds("~default", "sin")
        True
        """
        found = self._known.get(id)
        return found is not None and found.held_by(colo)

    def founder(self, id: str) -> str:
        """The colo that created the namespace of that id, if it is another than this one and has it still; else "".
        O(colos).

        >>> Node(None, colo="lhr").founder("~default")
        ''
        """
        found = self._known.get(id)
        if found is None or found.founder in (self.colo, *self._departed) or not found.held_by(found.founder):
            return ""
        return found.founder

    @property
    def guarded(self) -> bool:
        """Whether anything is asked of who comes: there is a token, of the settings or in the system namespace. O(1).

        >>> Node(None, colo="lhr").guarded
        False
        """
        return self.tokens.guarded

    def authorize(self, text: str | None, action: str, namespace: str | None = None, key: str | None = None) -> None:
        """Whether the token `text` may "read", "write" or "admin" the key, or keys of that prefix, of a namespace.

        No namespace: the cluster; no key: the whole namespace. By name or id. Some 2 us. Raises
        Unauthorized, Forbidden.

        >>> Node(None, colo="lhr").authorize(None, "admin")
        """
        tokens = self.tokens
        if tokens.guarded:
            tokens.authorize(text, action, namespace and self._ids.get(namespace, namespace), key)

    # acts

    def create(self, name: str, colos: Iterable[str] | None = None) -> Namespace:
        """There is a namespace of that name, at every colo or at `colos` only. One commit.

        Two colos that create one name at once make two: the name stands for the first of them
        everywhere, the other is reached by its id. Raises NamespaceInvalid, NamespaceExists, TooLarge
        beyond 1,000, BadRequest for what is no colo.

        >>> node = Node(None, colo="lhr")
        >>> node.create("shop", colos=["sin"]).hosted
        False
        """
        check_name(name)
        where = None if colos is None else check_colos(colos)
        with self._lock:
            self.refresh()
            living = self.namespaces()
            if any(each.name == name for each in living):
                raise NamespaceExists(f"namespace {name!r} is there already; its id is {self.namespace(name).id!r}")
            if len(living) >= MAX_NAMESPACES:
                raise TooLarge(f"there are {len(living):,} namespaces; at most {MAX_NAMESPACES:,}")
            id = self._catalogue.add(name, where, door.wall_ms(self.system))
            self._made.add(id)
            self._settle()
            if id in self._stores:
                _found(self._stores[id])
            return self._known[id]

    def found(self) -> None:
        """This colo begins a cluster: of the system and the default namespace others' new stores join its own.

        Nothing where either has been written to. Two commits at most.

        >>> with Node(None, colo="lhr") as node, Node(None, colo="sin") as other:
        ...     node.found(); before = node.system.id
        ...     _ = node.system.sync(other.system)
        ...     node.system.id == before
        True
        """
        for store in (self.system, self._stores.get(DEFAULT_ID)):
            if store is not None and is_new(store):
                _found(store)

    def rename(self, name: str, new: str) -> Namespace:
        """The namespace `name` (or of that id) is called `new`; its data is what it was. One commit.

        Raises NamespaceUnknown, NamespaceInvalid, NamespaceExists.

        >>> node = Node(None, colo="lhr")
        >>> node.rename("default", "main").id, node.store("main") is node.store("~default")
        ('~default', True)
        """
        check_name(new)
        with self._lock:
            self.refresh()
            id = self.namespace(name).id
            if any(each.name == new and each.id != id for each in self.namespaces()):
                raise NamespaceExists(f"namespace {new!r} is there already; its id is {self.namespace(new).id!r}")
            self._catalogue.rename(id, new)
            self._settle()
            return self._known[id]

    def delete(self, name: str) -> None:
        """The namespace and all its data are gone, at every colo that hears of it, for ever. One commit.

        Raises NamespaceUnknown, NamespaceInvalid for the default one.

        >>> node = Node(None, colo="lhr"); _ = node.create("shop")
        >>> node.delete("shop"); [each.name for each in node.namespaces()]
        ['default']
        """
        with self._lock:
            self.refresh()
            id = self.namespace(name).id
            if id == DEFAULT_ID:
                raise NamespaceInvalid(
                    f"namespace {name!r} is the default one, which every cluster has; delete its keys instead"
                )
            self._catalogue.delete(id)
            self._settle()

    def meet(self) -> None:
        """Its stores meet those of other colos from now on, says who carries messages. One that is new here, while
        others hold the namespace, is not served before it has met one.
        """
        with self._lock:
            self.meets = True
            new = {id for id, store in self._stores.items() if is_new(store) and self._is_elsewhere(self._known[id])}
            self._withheld |= new
            self._name()

    def serve(self, id: str) -> None:
        """The store of that namespace, which is new here, has met another, or need not wait for one any more. O(n)."""
        with self._lock:
            self._withheld -= {id}
            self._name()

    def note_left(self) -> None:
        """It has left the cluster, and others know: the folder is of no more use. Idempotent."""
        if self.folder is not None:
            (self.folder / LEFT).write_text(f"{self.colo} has left its cluster\n")

    @property
    def withheld(self) -> frozenset[str]:
        """The ids of the namespaces that are not served yet: new here, and nobody was met that has them. O(1).

        >>> Node(None, colo="lhr").withheld
        frozenset()
        """
        return self._withheld

    # following the system namespace

    def refresh(self) -> bool:
        """What the system namespace has absorbed is done here: stores opened and closed; whether it has. O(replicas).

        Whoever exchanges with other colos calls it after each time.

        >>> Node(None, colo="lhr").refresh()
        False
        """
        with self._lock:
            if self.system.vector == self._seen:
                return False
            self._settle()
            return True

    def _settle(self) -> None:
        """Exactly the stores are open that should be."""
        with self._lock:
            self._seen = self.system.vector  # first: what comes meanwhile is looked at next time
            self.tokens.refresh()
            self._known = known = self._catalogue.read()
            self._going = self._catalogue.going()
            self._departed = self._going - self._present()
            over = {id for id in self._stores if self._is_over(known[id])}
            for id in [id for id in self._stores if id in over or not known[id].held_by(self.colo)]:
                self._drop(id)
            for each in known.values():
                if each.deleted or self.colo in each.without or each.id in over:
                    self._remove(each.id)
                if each.held_by(self.colo) and each.id not in self._stores and (each.hosted or self._has(each.id)):
                    self._open(each.id)
            self._draining = [each.id for each in known.values() if each.held_by(self.colo) and not each.hosted]
            self._withheld = frozenset(id for id in self._withheld if self._is_elsewhere(known[id]))
            self._name()

    def _name(self) -> None:
        """What is served is reached by its id, and by its name if that stands for it."""
        known = self._known
        self._ids = names = {each.name: each.id for each in known.values() if each.stands_for == each.id}
        stores = {id: s for id, s in self._stores.items() if known[id].hosted and id not in self._withheld}
        self._by_name = {**stores, **{name: stores[id] for name, id in names.items() if id in stores}}

    def _is_over(self, found: Namespace) -> bool:
        """Whether its store has left, and it was put back since: it begins anew, by what the others have."""
        store = self._stores.get(found.id)
        return found.hosted and found.again and store is not None and door.replica(store).state.left

    def _has(self, id: str) -> bool:
        return self.folder is not None and Path(self.path(id)).exists()

    def _open(self, id: str) -> None:
        try:
            store = open_store(self.path(id), colo=self.colo, namespace=id, **self._options)
        except CrdtkvError as error:
            if id not in self.troubles:
                _log.error("namespace %s is not served: %s", id, error)
            self.troubles[id] = error
            return
        self.troubles.pop(id, None)
        self._stores[id] = store
        if self.meets and self._is_elsewhere(self._known[id]) and is_new(store):
            self._withheld |= {id}
        self._tell(id, store)

    def _is_elsewhere(self, found: Namespace) -> bool:
        """Whether others have more of it than a new store here, be they about to give it up. (Of the default one nobody
        does, where all begin.)
        """
        begun_here = found.id in self._made or (found.id == DEFAULT_ID and not found.again)
        return not begun_here and any(found.held_by(colo) for colo in self._present() - {self.colo})

    def _drop(self, id: str) -> None:
        self._withheld -= {id}
        self._made.discard(id)
        self._tell(id, None)
        store = self._stores.pop(id)
        self._by_name = {name: other for name, other in self._by_name.items() if other is not store}
        store.close()

    def _remove(self, id: str) -> None:
        """Its file, and what lies beside it; what cannot be removed is tried again at the next start."""
        if self.folder is None:
            return
        path = Path(self.path(id))
        for each in pieces(path):
            try:
                each.unlink(missing_ok=True)
            except OSError as error:
                _log.warning("%s of a deleted namespace could not be removed: %s", each, error)

    def _tell(self, id: str, store: Store | None) -> None:
        for listener in list(self.listeners):
            try:
                listener(id, store)
            except Exception:
                _log.exception("a listener of the node failed at namespace %s", id)

    def path(self, id: str) -> str:
        """The file of a namespace, whether it is there or not; `:memory:` where there are none."""
        if self.folder is None:
            return ":memory:"
        name = "system.db" if id == SYSTEM_ID else f"namespace-{id.removeprefix('~')}.db"
        return str(self.folder / name)

    def _missing(self, name: str) -> Store:
        if self._closed:
            raise StoreClosed(f"the node of {self.colo!r} is closed; open it again")
        self.refresh()
        found = self._by_name.get(name)
        if found is not None:
            return found
        known = self.namespace(name)
        if known.id in self.troubles:
            raise self.troubles[known.id]
        if known.hosted and known.id in self._stores:
            if not is_new(self._stores[known.id]):
                self.serve(known.id)
                return self._stores[known.id]
            raise Unavailable(
                f"namespace {name!r} is new at {self.colo!r}, which has met no other that holds it yet",
                next_step="try again shortly, or at another colo",
            )
        raise NamespaceElsewhere(f"namespace {name!r} is not held by {self.colo!r}; it is at {where_is(known)}")

    def _unknown(self, name: str) -> NamespaceUnknown:
        names = sorted({each.name for each in self.namespaces() if each.name})
        told = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
        return NamespaceUnknown(f"no namespace {show(name)}; there are {told}")

    # end

    def close(self) -> None:
        """Every store is closed. Idempotent.

        >>> node = Node(None, colo="lhr"); node.close()
        >>> node.store("default")
        Traceback (most recent call last):
        crdtkv.errors.StoreClosed: the node of 'lhr' is closed; open it again
        """
        with self._lock, ExitStack() as stack:
            self._closed = True
            self._by_name = {}
            stack.callback(self.system.close)
            for id in list(self._stores):
                stack.callback(self._drop, id)

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Node {self.colo} of {len(self._stores)} namespaces>"


def is_new(store: Store) -> bool:
    """Whether nobody has written to it, or met it. Without its lock: an event loop asks."""
    return door.absorbed(store) <= 1


def _found(store: Store) -> None:
    """It has a write more than a new one: of two that meet the one with fewer joins, and says anew what it wrote."""
    with door.holding(store):
        life.transact(door.replica(store), lambda draft: _sign(draft, store.colo))
        door.tell(store)


def _sign(draft: Draft, colo: str) -> None:
    draft.operate(FOUNDER, Operation("put", (colo,)), spec="lww")
