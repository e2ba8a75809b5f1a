"""Who belongs to the namespace, and what operators decide of it.

Law of this room: each act is a transaction of this replica's own. The rules are those
of `replica.members` and `replica.life`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from crdtkv.errors import Refused
from crdtkv.replica import life, members
from crdtkv.replica.core import Replica
from crdtkv.store.lock import ProcessLock
from crdtkv.store.writer import Writer

__all__ = ["Membership"]

_T = TypeVar("_T")


class Membership:
    """The part of a store that operators use."""

    _lock: ProcessLock
    _replica: Replica
    _writer: Writer

    @property
    def members(self) -> list[str]:
        """The replica ids that belong to the namespace, as known here. O(members). Raises StoreClosed.

        >>> import crdtkv; lhr, sin = (crdtkv.open(colo=colo) for colo in ("lhr", "sin"))
        >>> _ = lhr.sync(sin)
        >>> lhr.members == sorted([lhr.id, sin.id])
        True
        """
        with self._lock:
            self._writer.check_open()
            return sorted(members.members(self._replica))

    def leave(self) -> None:
        """Retire from the namespace: the others need not wait for this colo any more. It stays readable. O(1).

        Raises Refused if it is the only member: nobody would be left that can write, or let it in again.

        >>> import crdtkv; lhr, sin = (crdtkv.open(colo=colo) for colo in ("lhr", "sin"))
        >>> _ = lhr.sync(sin)
        >>> sin.leave(); _ = lhr.sync(sin)
        >>> lhr.members == [lhr.id]
        True
        """
        self._member_act(_leave)

    def evict(self, colo: str) -> list[str]:
        """An operator's act: `colo` is no member any more; the replicas that are out. O(members).

        It can return by a full join.
        At a copy that was restored: once all others are evicted, it is all that is left, and writes again.
        Raises NotAMember for who is none, or is this colo itself, and MembershipConflict while one stands.

        >>> import crdtkv; lhr, sin = (crdtkv.open(colo=colo) for colo in ("lhr", "sin"))
        >>> _ = lhr.sync(sin)
        >>> lhr.evict("sin") == [sin.id], lhr.members == [lhr.id]
        (True, True)
        """
        return self._member_act(lambda replica: life.evict(replica, colo), by_copy=True)

    def resolve(self, link: str) -> None:
        """An operator's act: of a membership conflict, the eviction `link` holds. O(1).

        Raises MembershipConflict for what is no link of a conflict that stands here.

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> kv.resolve("lhr~none.1")
        Traceback (most recent call last):
        crdtkv.errors.MembershipConflict: no membership conflict has the link 'lhr~none.1'; open are none
        """
        self._member_act(lambda replica: life.resolve(replica, link))

    @property
    def forks(self) -> list[tuple[str, ...]]:
        """The membership conflicts that stand, as the links that clash; while there is one nothing is purged. O(1).

        Raises StoreClosed.

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> kv.forks
        []
        """
        with self._lock:
            self._writer.check_open()
            return members.open_forks(self._replica)

    def _member_act(self, act: Callable[[Replica], _T], by_copy: bool = False) -> _T:
        with self._lock:
            self._writer.begin(by_copy)
            done = act(self._replica)
            self._writer.tell()
            return done


def _leave(replica: Replica) -> None:
    if members.members(replica) == {replica.state.id}:
        raise Refused(
            f"{replica.state.id} is the only member of its namespace: none would be left to write, or to return to",
            next_step="close it, and delete its file if nobody needs it",
        )
    life.leave(replica)
