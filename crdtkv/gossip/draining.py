"""Who is about to go: which members have all that is here.

They are asked to ask us, each second, until they have: what an `Ask` is sent for tells all that its
sender has. Law of this room: a member counts as having it all when what it has covers what was
here when this began, and nothing of what it has is lacking here (who has left takes nothing more).
"""

from __future__ import annotations

from crdtkv.core.clocks import Vector, covers_all
from crdtkv.gossip.desk import Desk, Peer
from crdtkv.gossip.pulling import probe
from crdtkv.replica import members

__all__ = ["Draining"]


class Draining:
    """What has to be with others, and with whom it is; nothing until `begin`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._goal: dict[str, int] | None = None
        self._id = ""
        self._have: set[str] = set()
        self._asked_ms: int | None = None

    def begin(self) -> None:
        """All that is here now is to be with the others."""
        state = self._desk.replica.state
        self._goal, self._id, self._have, self._asked_ms = dict(state.vector), state.id, set(), None

    def end(self) -> None:
        """Nobody has to have anything."""
        self._goal = None

    def has_begun(self) -> bool:
        """Whether nothing was minted here since it began, and nobody has joined another since, under another id."""
        state, goal = self._desk.replica.state, self._goal
        return goal is not None and self._id == state.id and goal.get(self._id) == state.vector.get(self._id)

    def having(self) -> set[str]:
        """The replicas known to have all of it."""
        return set(self._have)

    def lacking(self) -> list[str]:
        """The other members that are not known to have all of it; none, where nobody has to."""
        replica = self._desk.replica
        if self._goal is None:
            return []
        return sorted(members.members(replica) - self._have - {replica.state.id})

    def note(self, peer: Peer, has: Vector) -> None:
        """A peer that was met has that. O(replicas) while this goes on."""
        if self._goal is not None and covers_all(has, self._goal):
            state = self._desk.replica.state
            if state.left or covers_all(state.vector, has):
                self._have.add(peer.id)

    def on_tick(self) -> None:
        """Ask who is not known to have it."""
        desk = self._desk
        if self._goal is None or (self._asked_ms is not None and desk.now_ms - self._asked_ms < desk.settings.probe_ms):
            return
        self._asked_ms = desk.now_ms
        for peer in desk.met():
            if peer.id not in self._have and not peer.leaving:
                desk.send(peer, probe(desk, answer=False, pull=True))
