"""What a replica knows besides cells: who it is, what it has absorbed, what was forgotten.

One plain object, saved with each transaction: its tip, which is what an own write moves, or where
another's record has moved that replica to, and the rest where something of it has changed. `vector`
moves only together with cells; `heard`, `announced` and the floor follow the rules of docs/replication.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from crdtkv.core.clocks import Stamp
from crdtkv.core.show import show
from crdtkv.errors import ChecksumFailed

__all__ = ["TIP_OF", "Announcement", "At", "Mark", "State", "state_in"]

Announcement = tuple[int, Stamp, int]
"""`(total, low, facts)`: of all members all stamped up to `low` was heard, and `facts` is what is known of who
belongs, as a hash. `total`, the transactions absorbed then, says which of two announcements is the later."""

At = tuple[int, Stamp, int]
"""`(n, heard, chain)`, what `vector`, `heard` and `chains` say of a replica; 0 where they say nothing."""

Mark = tuple[At, Stamp, Stamp, int, int]
"""Where a state's own replica is, its clock, its ceiling, its wall time and its digest."""

TIP_OF = "tip/"
"""Before a replica in the name of the row of meta that says where it was moved to since `state` was written."""


@dataclass
class State:
    """Invariant: `vector[id]` is the number of transactions minted under `id`."""

    id: str
    lineage: list[str]
    """The incarnations of this store, `id` last."""
    namespace: str
    vector: dict[str, int] = field(default_factory=dict)
    heard: dict[str, Stamp] = field(default_factory=dict)
    """replica -> a stamp up to which everything from it was absorbed."""
    chains: dict[str, int] = field(default_factory=dict)
    """replica -> hash of its last record, where known."""
    clock: Stamp = 0
    ceiling: Stamp = 0
    """Reserved on disk: after a crash the clock reopens above it."""
    wall_ms: int = 0
    """The latest wall time this incarnation has stamped by."""
    low_ceiling: Stamp = 0
    """Reserved on disk: above every low that this replica has announced."""
    floor: Stamp = 0
    dropped: dict[str, int] = field(default_factory=dict)
    """F: per replica the highest n ever dropped, by a purge here or where a catch-up came from."""
    announced: dict[str, Announcement] = field(default_factory=dict)
    """member -> the last word it gave."""
    digest: int = 0
    ancestry: list[list[Any]] = field(default_factory=list)
    """`[id, replica, n]`: ourselves and the dot (replica, n) by which we became a member, who admitted us, ..."""
    pending: list[Any] = field(default_factory=list)
    """What an earlier incarnation wrote and nobody covers, to be minted anew."""
    forks: list[dict[str, Any]] = field(default_factory=list)
    """Replicas met that refuse us as we do them: `peer`, who of its colo was a member here, the two `links` that
    clash, all acts of `theirs` that are unknown here."""
    quarantined: dict[str, str] = field(default_factory=dict)
    """replica -> why its records are refused."""
    share_floor: int = 0
    """The highest total of an own counter share ever dropped by a purge: new shares begin there."""
    home: str = ""
    """Where the store lies: a copy lies elsewhere."""
    left: bool = False
    """It retired by itself, and does not return unasked."""
    copied: bool = False
    """A restored copy: it writes once it has met a member, or an operator has evicted all others: `lost`, so far."""
    lost: list[str] = field(default_factory=list)

    def shared(self) -> State:
        """Another of the same entries. Of what the two share, one may change in its place what a tip says, or where a
        replica is; who changes more calls `unshare` first. O(1)."""
        return State(*self._said())

    def unshare(self) -> None:
        """What is changed in its place is this state's own from now on. O(its entries)."""
        for name in _MUTABLE:
            setattr(self, name, getattr(self, name).copy())

    def alike(self, other: State) -> bool:
        """Whether the other is the same, but for its tip. O(their entries)."""
        if self.id != other.id:
            return False
        self.move(other.tip())
        return self == other

    def at(self, replica: str) -> At:
        """Where a replica is. O(1)."""
        return self.vector.get(replica, 0), self.heard.get(replica, 0), self.chains.get(replica, 0)

    def place(self, replica: str, at: At) -> None:
        """It is there. O(1)."""
        n, heard, chain = at
        _say(self.vector, replica, n)
        _say(self.heard, replica, heard)
        _say(self.chains, replica, chain)

    def tip(self) -> tuple[Any, ...]:
        """What a write of our own moves, as plain data. O(1)."""
        n, heard, chain = self.at(self.id)
        return n, heard, chain, self.clock, self.ceiling, self.wall_ms, self.digest.to_bytes(16, "big")

    def mark(self) -> Mark:
        """As `tip`, for `back_to`. O(1)."""
        return self.at(self.id), self.clock, self.ceiling, self.wall_ms, self.digest

    def back_to(self, mark: Mark) -> None:
        """Put it where it was. O(1)."""
        at, self.clock, self.ceiling, self.wall_ms, self.digest = mark
        self.place(self.id, at)

    def move(self, tip: Any) -> None:
        """Put it where `tip` says. O(1)."""
        n, heard, chain, self.clock, self.ceiling, self.wall_ms, digest = tip
        self.place(self.id, (n, heard, chain))
        self.digest = int.from_bytes(digest, "big")

    def to_plain(self) -> dict[str, Any]:
        """For the meta table. Of what a tip moves in its place it has copies; the rest it shares, as `shared` does.
        O(its entries)."""
        # MessagePack has no integer of 128 bits.
        moved = {name: getattr(self, name).copy() for name in ("vector", "heard", "chains")}
        return {**dict(zip(_NAMES, self._said(), strict=True)), **moved, "digest": self.digest.to_bytes(16, "big")}

    def _said(self) -> list[Any]:
        return [getattr(self, name) for name in _NAMES]


def state_in(meta: Callable[[str], Any]) -> State | None:
    """What the rows of meta say: `state`, and where it was moved to since. None: there is none. O(its entries).

    Raises ChecksumFailed for what is none.
    """
    plain = meta("state")
    if plain is None:
        return None
    try:
        said = {name: _shallow(value) for name, value in plain.items() if name in _NAMES}
        announced = {m: (a[0], a[1], a[2]) for m, a in said.pop("announced", {}).items()}
        state = State(**{**said, "announced": announced, "digest": int.from_bytes(said["digest"], "big")})
        for replica, n in list(state.vector.items()):
            at = meta(TIP_OF + replica)
            if at is not None and at[0] > n:  # (else it was written before `state`)
                state.place(replica, (at[0], at[1], at[2]))
        if (tip := meta("tip")) is not None:
            state.move(tip)
    except (TypeError, KeyError, AttributeError, IndexError, ValueError) as error:
        raise ChecksumFailed(f"{show(plain)} is no state of a replica ({error})") from error
    return state


_NAMES = tuple(f.name for f in fields(State))

_MUTABLE = ("vector", "heard", "chains", "dropped", "quarantined")
"""What a transaction changes in its place. (Lists and announcements are not: another takes their place.)"""


def _say(of: dict[str, int], replica: str, said: int) -> None:
    if said:
        of[replica] = said
    else:
        of.pop(replica, None)


def _shallow(value: Any) -> Any:
    return value.copy() if isinstance(value, dict | list) else value
