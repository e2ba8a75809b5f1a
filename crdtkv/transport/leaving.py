"""A colo that goes: namespaces that are taken off it, and the whole of it.

Each goes in steps, a look at a time: the others have all that is here; the colo retires from it, by its
last transaction; another has that one too; then it is gone. Law of this room: nothing is given up that
another colo, which is to go on holding it, is not known to have; and that one knows that this colo goes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from crdtkv.core.views import colo_of
from crdtkv.errors import CrdtkvError
from crdtkv.gossip.machine import Gossip
from crdtkv.node.naming import SYSTEM_ID
from crdtkv.node.node import Node
from crdtkv.store import door
from crdtkv.transport.actor import Actor

__all__ = ["Leaving"]

_log = logging.getLogger("crdtkv")


class Leaving:
    """Of `node`, whose machines are `actors`, by id. `hide`: others are no more told where it is reached.

    Its steps may wait for locks and disks: in a thread, one at a time.
    """

    def __init__(self, node: Node, actors: Mapping[str, Actor], hide: Callable[[], None]) -> None:
        self._node, self._actors, self._hide = node, actors, hide
        self._under_way: set[str] = set()
        self.left = False
        """It has left the cluster, and another colo knows."""

    @property
    def due(self) -> bool:
        """Whether anything is to go, or was just now."""
        return bool(self._under_way or self._node.draining() or self._node.leaving)

    def step(self) -> None:
        """What can be done now."""
        node = self._node
        going, whole = node.draining(), node.leaving
        for id in self._under_way - {*going, *([SYSTEM_ID] if whole else [])}:
            self._end(id)  # it was put back, or is gone
        try:
            done = [self._one(id) for id in going]
            if whole and all(done) and not self.left:
                self._last()
        except CrdtkvError as error:
            _log.warning("not yet: %s", error)

    def _end(self, id: str) -> None:
        self._under_way.discard(id)
        actor = self._actors.get(id)
        if actor is not None:
            actor.look(lambda machine: machine.draining.end())

    def _one(self, id: str) -> bool:
        """A namespace: whether it is gone, or, where the whole colo goes, all know that it was left."""
        actor = self._actors.get(id)
        if actor is None and id not in self._node.stores():
            self._node.gone(id)  # there never was anything
            return True
        if actor is None or not self._retired(actor):
            return False
        if not self._node.leaving:
            _log.info("namespace %s: what was here is with the others; its file goes", id)
            self._node.gone(id)
        return True

    def _last(self) -> None:
        """The system namespace, when all others have been left."""
        self._hide()
        if self._retired(self._actors[SYSTEM_ID]):
            _log.info("%s has left the cluster", self._node.colo)
            self._node.note_left()
            self.left = True

    def _retired(self, actor: Actor) -> bool:
        """Whether this colo has retired from it, and another knows. Else the next step to it is done."""
        new = actor.id not in self._under_way
        if new:
            self._under_way.add(actor.id)
            # That these go has to be known to whoever stays: that is what the system namespace is looked at for.
            for each in {actor, self._actors[SYSTEM_ID]}:
                each.look(lambda machine: machine.draining.begin())
        if door.replica(actor.store).state.left:
            return bool(actor.look(lambda machine: bool(machine.draining.having())))
        staying = self._node.staying(actor.id)
        known = self._actors[SYSTEM_ID].look(_having) or set()
        aware = {colo_of(id) for id in known} & staying

        def retire(machine: Gossip) -> None:
            draining = machine.draining
            if door.replica(actor.store).state.pending:
                return  # what it came back with is not said yet
            if not draining.has_begun():
                draining.begin()  # something was written since
            elif not draining.lacking() and aware & {colo_of(id) for id in draining.having()}:
                actor.store.leave()
                draining.begin()

        actor.look(retire)
        return False


def _having(machine: Gossip) -> set[str]:
    """Who is known to have all that is here; asked anew where something was written here since."""
    if not machine.draining.has_begun():
        machine.draining.begin()
    return machine.draining.having()
