"""Which colos hold a namespace: put on one, taken off one, and a colo that leaves altogether.

Law of this room: what one colo has alone it does not give up. Who is to give up a namespace serves it
no more, stays until all others have what it has, and then goes; where no other is to go on holding
it, it is served as before. Of two that are told to go at once neither counts on the other, once it knows.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Iterable

from crdtkv.core.show import show
from crdtkv.core.views import colo_of
from crdtkv.errors import BadRequest, NotAMember, Refused
from crdtkv.node.catalogue import Catalogue, stays
from crdtkv.node.naming import SYSTEM_ID, Namespace
from crdtkv.store.opening import is_colo
from crdtkv.store.store import Store

__all__ = ["Holding", "check_colos", "where_is"]


class Holding:
    """The part of a node that says who holds what."""

    system: Store
    colo: str
    _lock: threading.RLock
    _catalogue: Catalogue
    _known: dict[str, Namespace]
    _going: frozenset[str]
    _departed: frozenset[str]
    _draining: list[str]

    @abstractmethod
    def refresh(self) -> bool:
        """What the system namespace has absorbed is done here."""

    @abstractmethod
    def _settle(self) -> None:
        """Exactly the stores are open that should be."""

    @abstractmethod
    def namespace(self, name: str) -> Namespace:
        """The one that is called so."""

    @abstractmethod
    def stores(self) -> dict[str, Store]:
        """Those that are open here, by id."""

    @abstractmethod
    def namespaces(self, deleted: bool = False) -> list[Namespace]:
        """All."""

    def host(self, name: str, colo: str) -> Namespace:
        """That colo holds the namespace from now on, too. Two commits at most. Raises NamespaceUnknown, BadRequest.

        >>> from crdtkv.node.node import Node
        >>> node = Node(None, colo="lhr")
        >>> _ = node.create("shop", colos=["sin"])
        >>> node.host("shop", "lhr").colos, node.store("shop").colo
        (('lhr', 'sin'), 'lhr')
        """
        (colo,) = check_colos([colo])
        with self._lock:
            self.refresh()
            found = self.namespace(name)
            if not found.held_by(colo) or colo in found.leaving:
                self._catalogue.host(found, colo)
                self._settle()
            return self._known[found.id]

    def unhost(self, name: str, colo: str) -> Namespace:
        """It is to be taken off that colo: what that has is with the others first, then its file goes. Two commits.

        Raises NamespaceUnknown, BadRequest for a colo that does not hold it, Refused where no other would.

        >>> from crdtkv.node.node import Node
        >>> node = Node(None, colo="lhr")
        >>> node.unhost("default", "lhr")
        Traceback (most recent call last):
        crdtkv.errors.Refused: namespace 'default' would be held by no colo that is there; hold it at another one first
        """
        (colo,) = check_colos([colo])
        with self._lock:
            self.refresh()
            found = self.namespace(name)
            if not found.held_by(colo):
                raise BadRequest(f"namespace {name!r} is not held by {colo!r}; it is at {where_is(found)}")
            if colo not in found.leaving:
                self._check_stays(found, colo)
                self._catalogue.unhost(found.id, colo)
                self._settle()
            return self._known[found.id]

    def leave(self) -> None:
        """This colo is to leave the cluster: what it has is with the others first. One commit.

        From then on it serves no namespace. Raises Refused where there is no other, or one of its namespaces is
        held by no other.

        >>> from crdtkv.node.node import Node
        >>> Node(None, colo="lhr").leave()
        Traceback (most recent call last):
        crdtkv.errors.Refused: 'lhr' is the only colo that stays in its cluster; end its process instead
        """
        with self._lock:
            self.refresh()
            if self.leaving:
                return
            if not self.staying():
                raise Refused(
                    f"{self.colo!r} is the only colo that stays in its cluster; end its process instead",
                    next_step="end its process, and remove its folder if nobody needs it",
                )
            for found in self.namespaces():
                if found.held_by(self.colo):
                    self._check_stays(found, self.colo)
            self._catalogue.leave()
            self._settle()

    def evict(self, colo: str) -> dict[str, list[str]]:
        """An operator's act: that colo, which is lost, belongs to no namespace that is held here, nor to the cluster.
        By name of the namespace, the replicas that are out. A commit for each.

        Raises NotAMember for who is none anywhere, or is this colo itself, and MembershipConflict while one stands.

        >>> from crdtkv.node.node import Node
        >>> with Node(None, colo="lhr") as lhr, Node(None, colo="sin") as sin:
        ...     _ = lhr.system.sync(sin.system), lhr.store("default").sync(sin.store("default"))
        ...     sorted(lhr.evict("sin")), lhr.system.members == [lhr.system.id]
        (['default', 'system'], True)
        """
        (colo,) = check_colos([colo])
        with self._lock:
            where = [(name, store) for name, store in self._named() if _counts(store, colo)]
            if not where or colo == self.colo:
                others = ", ".join(sorted(self._present() - {self.colo}))
                words = f"others are at {others}" if others else f"there is none beside {self.colo!r}"
                raise NotAMember(f"no other member at colo {colo!r}; {words}", next_step="name another colo")
            out = {name: store.evict(colo) for name, store in where}
            self._catalogue.hide(colo)
            self._settle()
            return out

    def resolve(self, link: str) -> list[str]:
        """An operator's act: of a membership conflict the eviction `link` holds. The names of namespaces in which it
        does. Raises MembershipConflict where none is open over it.
        """
        with self._lock:
            where = [(name, store) for name, store in self._named() if any(link in fork for fork in store.forks)]
            for _, store in where:
                store.resolve(link)
            if not where:
                self.system.resolve(link)  # it says which are open
            return [name for name, _ in where]

    def _named(self) -> list[tuple[str, Store]]:
        """The stores that are open here, by the name of their namespaces; the system's last."""
        stores = self.stores()
        named = [(each.name or each.id, stores[each.id]) for each in self.namespaces() if each.id in stores]
        return [*named, ("system", self.system)]

    def _check_stays(self, found: Namespace, colo: str) -> None:
        if not self.staying(found.id) - {colo}:
            name = found.name or found.id
            raise Refused(
                f"namespace {name!r} would be held by no colo that is there; hold it at another one first",
                next_step="crdtkv namespaces host, and wait until that one is a member; or delete the namespace",
            )

    # what is to go

    @property
    def leaving(self) -> bool:
        """Whether this colo is about to leave the cluster, or has. O(1)."""
        return self.colo in self._going

    @property
    def departed(self) -> frozenset[str]:
        """The colos that have left the cluster, as far as is known here. O(1)."""
        return self._departed

    def staying(self, id: str = SYSTEM_ID) -> set[str]:
        """The colos that hold the namespace of that id and are to go on doing so, as far as is known here. Of the
        system's: those of the cluster but this one. O(colos).
        """
        present = self._present()
        return {*present - self._going - {self.colo}} if id == SYSTEM_ID else stays(self._known[id], present)

    def draining(self) -> list[str]:
        """The ids of the namespaces that this colo holds and serves no more: they are to be taken off it. O(n)."""
        return list(self._draining)

    def gone(self, id: str) -> None:
        """What this colo had of it is with the others: its file goes. One commit. Of a whole colo that leaves its
        files stay.
        """
        with self._lock:
            if not self.leaving and id in self.draining():
                self._catalogue.gone(id, self.colo)
                self._settle()

    def _present(self) -> frozenset[str]:
        return frozenset(map(colo_of, self.system.members))


def _counts(store: Store, colo: str) -> bool:
    return any(colo_of(id) == colo for id in store.members)


def where_is(found: Namespace) -> str:
    """Where it is, in words."""
    return ", ".join(colo for colo in found.colos or () if colo not in found.leaving) or "other colos"


def check_colos(colos: Iterable[str]) -> tuple[str, ...]:
    """Names of colos, each once, at least one. Raises BadRequest."""
    found = tuple(dict.fromkeys([colos] if isinstance(colos, str) else colos))
    wrong = [colo for colo in found if not isinstance(colo, str) or not is_colo(colo)]
    if wrong or not found:
        raise BadRequest(f"colos are {show(found)}; names of 1 to 32 of a-z, 0-9 and '-' are wanted, at least one")
    return found
