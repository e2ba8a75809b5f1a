"""What all members of a namespace are known to have, so that no session has to say it.

Now and then it is noted what is here and up to which stamp that goes. When the purge floor, which
moves once all members have said that they have everything up to it, has passed that stamp, all of them
have what was noted. Law of this room: it is known late, and never too early.

Who was evicted is no member, and may not have heard of it: it lacks the act by which it was, and with that
anything that was written since. So the last acts are said in a session from which anything was left out.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from crdtkv.core.clocks import Vector
from crdtkv.core.views import link_dot
from crdtkv.node.session import Session
from crdtkv.replica import members
from crdtkv.store import door
from crdtkv.store.store import Store

__all__ = ["MAX_NOTES", "everywhere", "note", "trim"]

MAX_NOTES = 32
"""Notes that wait for the floor; of more, every other one goes."""


class _Notes:
    def __init__(self) -> None:
        self.everywhere: Vector = {}
        self.acts: dict[str, int] = {}
        self.waiting: list[tuple[int, dict[str, int]]] = []


_notes: WeakKeyDictionary[Store, _Notes] = WeakKeyDictionary()


def everywhere(store: Store) -> Vector:
    """What all members of its namespace have absorbed, for sure; {}: nothing is known. O(1)."""
    found = _notes.get(store)
    return {} if found is None else found.everywhere


def trim(session: Session, store: Store) -> None:
    """The session says no more of the store's namespace than it has to. O(its entries). Waits for nobody."""
    found = _notes.get(store)
    if found is not None and session.trim(store.namespace, found.everywhere):
        session.note(store.namespace, found.acts)


def note(store: Store) -> None:
    """What is here will be known to be everywhere, some time after it is. O(replicas). Waits for the lock.

    >>> import crdtkv; kv = crdtkv.open(colo="lhr")
    >>> kv["a"] = 1; note(kv); dict(everywhere(kv))
    {}
    """
    with door.holding(store):
        state = door.replica(store).state
        found = _notes.setdefault(store, _Notes())
        stamp = max(state.clock, *state.heard.values(), 0)
        if not found.waiting or found.waiting[-1][1] != state.vector:
            found.waiting.append((stamp, dict(state.vector)))
        while found.waiting and found.waiting[0][0] <= state.floor:
            found.everywhere = found.waiting.pop(0)[1]
        found.acts = dict(map(link_dot, sorted(members.heads(members.chain_links(door.replica(store))))))
        if len(found.waiting) > MAX_NOTES:
            del found.waiting[1::2]
