"""The life of a replica: beginning, joining, coming back, taking a new name, leaving.

No dot is ever minted twice: a new, wiped, restored or uncertain store takes a new
incarnation, and what it wrote before is kept as it is, minted anew, or shown in the
inbox; never twice, never silently dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from crdtkv.core.cells import is_live
from crdtkv.core.clocks import Dot, Stamp, make_stamp
from crdtkv.core.rules import DEFAULT
from crdtkv.core.show import show
from crdtkv.core.state import TIP_OF, State, state_in
from crdtkv.core.views import Ancestor, Portrait, colo_of
from crdtkv.core.wire import CatchUp, Record, chain
from crdtkv.errors import ChecksumFailed, MembershipConflict, NotAMember
from crdtkv.replica import members, past, taken
from crdtkv.replica.core import Replica
from crdtkv.replica.draft import Draft
from crdtkv.replica.exchange import take
from crdtkv.replica.members import CHAIN, MEMBERS, MEMBERS_SPEC
from crdtkv.replica.pending import give_up, uncovered
from crdtkv.storage.base import Storage
from crdtkv.strategies.base import Operation, Write

__all__ = [
    "MAX_ANCESTRY",
    "Made",
    "admit",
    "adopt",
    "begin",
    "evict",
    "is_behind",
    "is_old_copy",
    "leave",
    "mend",
    "rename",
    "resolve",
    "retire_ghosts",
    "return_to",
    "transact",
]

MAX_ANCESTRY = 64
"""Whose chain of sponsors is longer, and whose first sponsors nobody knows, has to return."""

Made = tuple[Record, bytes]


def begin(storage: Storage, colo: str, wall_ms: Callable[[], int], token: Callable[[], str], **options: Any) -> Replica:
    """The replica in `storage`: as it was left, or new, a namespace of its own with itself as the one member.

    Raises ChecksumFailed if the state that lies there is none. What it holds is checked as it is read.
    """
    state = state_in(storage.meta)
    if state is None and next(storage.keys("", None), None) is not None:
        raise ChecksumFailed("there are cells, and nothing says whose: the replica's state is missing")
    if state is not None:
        state.clock = max(state.clock, state.ceiling)
        replica = Replica(storage, state, wall_ms, token, **options)
        if _lies_elsewhere(replica):
            _wake_copy(replica)
        elif storage.uncertain() and members.is_live_member(replica):
            # Others may have what this disk has lost: its numbers are not given again.
            rename(replica)
        return replica
    id = f"{colo}~{token()}"
    state = State(id, [id], token() + token(), home=storage.home(), ancestry=[[id, id, 1]])
    replica = Replica(storage, state, wall_ms, token, **options)
    transact(replica, lambda draft: _admit(draft, id))
    return replica


# copies


def _lies_elsewhere(replica: Replica) -> bool:
    """Whether this is a copy: of another disk, or put back over what has written more since."""
    state, noted = replica.state, replica.storage.noted()
    if state.home != replica.storage.home():
        return True
    if noted is None:
        return False
    id, _, n = noted.partition(" ")
    return id not in state.lineage or (id == state.id and int(n) > state.vector.get(id, 0))


def _wake_copy(replica: Replica) -> None:
    """Others may know more of what a copy wrote than it does itself: it waits for a member that tells it.

    If it was the only member, as far as it knows, it goes on, as a namespace of its own.
    """
    with replica.transaction():
        state = replica.state
        state.home = replica.storage.home()
        state.copied = members.members(replica) != {state.id}
        if not state.copied:
            state.namespace = replica.token() + replica.token()
        made = None if state.copied else _rename(replica)
    replica.minted(made)


def is_behind(one: Portrait, other: Portrait) -> bool:
    """Whether the other knows more of what `one` wrote, under any of its names, than it does itself."""
    return any(other.vector.get(id, 0) > one.vector.get(id, 0) for id in one.view.lineage)


def is_old_copy(replica: Replica, peer: Portrait) -> bool:
    """Whether the peer knows other transactions of this replica than it does itself, or was told by it of more than it
    knew when it was opened: a copy that nothing gave away."""
    state = replica.state
    said = max(peer.announced.get(id, (0,))[0] for id in _own_names(state))
    if said > replica.announced and state.namespace == peer.namespace:
        return True
    n, known = state.vector.get(state.id, 0), peer.vector.get(state.id, 0)
    told = peer.chains.get(state.id)
    mine = state.chains.get(state.id) if known == n else _hash_of(replica, known)
    return known > n or (None not in (told, mine) and told != mine)


def _own_names(state: State) -> Iterator[str]:
    """Our id, and those before it that we gave ourselves, back to the one that a sponsor gave us."""
    for id, origin, _ in state.ancestry:
        yield id
        if origin != id:
            return


def _hash_of(replica: Replica, n: int) -> int | None:
    """The hash of our own transaction n, if it is at hand."""
    dot = (replica.state.id, n)  # one of the last, as a rule
    return next((chain(data) for at, data in reversed(replica.recent) if at == dot), None)


def adopt(replica: Replica, ancestry: list[Ancestor], message: CatchUp, believed: bool = True) -> None:
    """A restored copy that is a member still takes all that its sponsor has, and the new name that this one gave it.

    (Not one that it takes by itself: what it announced before it was copied, or since,
    it may know no more, and who has forgotten things for that must not take it for who
    it was.) What it holds stays as it is, and its past is minted by nobody again.
    """
    with replica.transaction():
        give_up(replica, "it waited in a copy that was restored")
        take(replica, message, believed)
        state = replica.state
        state.id, state.copied = ancestry[0][0], False
        state.lineage = [*state.lineage, state.id]
        state.ancestry = _kept(ancestry)
        state.clock = max(state.clock, _above(message))
        members.announce(replica)
    replica.spoken = {}


def _kept(ancestry: list[Ancestor]) -> list[list[Any]]:
    return [[id, *joined] for id, joined in ancestry[:MAX_ANCESTRY]]


def _above(message: CatchUp) -> Stamp:
    """Where our clock goes on: what members may have forgotten up to lies below the clock of each of them."""
    return message.heard.get(message.lineage[-1], 0)


# transactions on system keys


def transact(replica: Replica, act: Callable[[Draft], None]) -> Made | None:
    """One transaction on system keys."""
    with replica.transaction():
        made = _mint(replica, act)
    replica.minted(made)
    return made


def _mint(replica: Replica, act: Callable[[Draft], None]) -> Made | None:
    """Inside a transaction: what `act` drafts."""
    draft = Draft(replica, lambda key: DEFAULT)
    act(draft)
    return draft.record()


def _admit(draft: Draft, id: str) -> None:
    draft.operate(MEMBERS, Operation("add", (id,)), spec=MEMBERS_SPEC)


def _retire(draft: Draft, ids: Iterable[str]) -> None:
    """Also an id that is not known here: it may have been admitted elsewhere."""
    for id in sorted(ids):
        draft.rewrite(MEMBERS, Write(members.member_path(id), None), lambda dot: True)


# joining and coming back


def admit(replica: Replica, new: str, old: Iterable[str]) -> list[Ancestor]:
    """Make `new` a member and retire `old` and every other incarnation of its colo; who admitted `new`.

    Asked once more for the same, nothing is minted. Raises NotAMember where this replica is none itself, or where
    `new` was retired meanwhile.
    """
    if not members.is_live_member(replica):
        raise NotAMember(f"{replica.state.id} is not a member itself, so it cannot be a sponsor; join through another")
    cell = replica.storage.cells(MEMBERS).get(members.member_path(new), ())
    dot = max((s.dot for s in cell if is_live(s.payload)), default=None)
    if dot is None or not members.is_member(replica, new):
        if cell:
            raise NotAMember(f"{new} was retired before it had joined; join under another id")
        dot = _admit_new(replica, new, old)
    return [(new, dot), *members.view(replica).ancestry]


def _admit_new(replica: Replica, new: str, old: Iterable[str]) -> Dot:
    same = {id for id in members.standing(replica) if colo_of(id) == colo_of(new)}

    def act(draft: Draft) -> None:
        _admit(draft, new)
        _retire(draft, same | set(old))

    made = transact(replica, act)
    assert made is not None, f"making {new} a member wrote nothing"
    return made[0].dot


def return_to(
    replica: Replica, ancestry: list[Ancestor], namespace: str, snapshot: CatchUp, shared: int | None = None,
    believed: bool = True,
) -> None:  # fmt: skip
    """Take a full join under a new incarnation, whole or not at all. `believed`: as `exchange.absorb` has it.

    What we wrote and the snapshot lacks waits to be minted anew. `shared`: we are a
    copy that has written, and our numbers above this one are others' for something else.
    """
    new = ancestry[0][0]
    with replica.transaction():
        old = replica.state
        pending = [*old.pending, *uncovered(replica, snapshot.to, shared)]
        rows = {} if old.copied else taken.rows_of(replica, pending, snapshot.to)
        pending = [plain for plain in pending if plain["path"] or plain["taken"]]
        _forget_everything(replica)
        replica.state = State(
            new, [*old.lineage, new], namespace, clock=old.clock, ceiling=old.ceiling, home=old.home,
            ancestry=_kept(ancestry), pending=pending,
        )  # fmt: skip
        if old.copied:
            give_up(replica, "a copy that was restored held it, and its members had moved on")
        take(replica, snapshot, believed)
        replica.state.clock = max(replica.state.clock, _above(snapshot))
        members.announce(replica)
        replica.spoken, replica.implied = {}, {}  # what implied it may have been dropped
        made = _mint(replica, lambda draft: taken.leave(draft, rows)) if rows else None
    replica.waiting.clear()
    replica.recent.clear()
    replica.minted(made)


def _forget_everything(replica: Replica) -> None:
    for other in replica.state.vector:  # where they were is no place to go on from: the snapshot may not reach it
        replica.storage.put_meta(TIP_OF + other, None)
    for key in list(replica.storage.keys("", None)):
        for path in list(replica.storage.cells(key)):
            replica.storage.put_cell(key, path, ())
        replica.storage.put_context(key, {})
    for key in replica.storage.past_keys():
        past.begin_again(replica.storage, key, {})
    replica.changed = {}
    replica.memos.clear()


# other acts


def rename(replica: Replica) -> None:
    """Take a new incarnation, which is a member where the old one is."""
    with replica.transaction():
        made = _rename(replica)
    replica.minted(made)


def _rename(replica: Replica, out: Sequence[str] = ()) -> Made | None:
    """Inside a transaction: a new incarnation; its first transaction retires the old one and evicts `out`."""
    state = replica.state
    old, new = state.id, f"{colo_of(state.id)}~{replica.token()}"
    state.id = new
    state.lineage = [*state.lineage, new]
    state.ancestry = [[new, new, 1], *state.ancestry][:MAX_ANCESTRY]
    if replica.went_back():
        # The clock was mended: the new incarnation does not inherit the wrong time. But it
        # writes above all that the old one's word let others forget up to.
        state.wall_ms = replica.wall_ms()
        state.clock = state.ceiling = max(make_stamp(replica.wall_ms()), state.floor, state.low_ceiling)
    replica.spoken = {}

    def act(draft: Draft) -> None:
        _admit(draft, new)  # first: a key that is absent in between would begin a new life
        _retire(draft, [old])
        if out:
            _decide(draft, out, ())

    return _mint(replica, act)


def mend(replica: Replica) -> None:
    """Take a new incarnation if the wall clock went back by more than the bound.

    Its clock begins above every low that the old one announced: what others may have
    forgotten up to lies below that (`State.low_ceiling`).
    """
    if replica.went_back() and members.is_live_member(replica):
        replica.offsets.clear()
        rename(replica)


def retire_ghosts(replica: Replica) -> list[str]:
    """Take out of the set those that a later one of their colo stands before; nobody counts them already."""
    ghosts = sorted(members.standing(replica) - members.members(replica))
    if ghosts:
        transact(replica, lambda draft: _retire(draft, ghosts))
    return ghosts


def leave(replica: Replica) -> None:
    """Retire: the last transaction of this incarnation. It stays readable."""

    def act(draft: Draft) -> None:
        _retire(draft, [replica.state.id])
        replica.state.left = True

    transact(replica, act)
    replica.storage.sync()  # forgotten in a power cut, it would come back unasked


def evict(replica: Replica, colo: str) -> list[str]:
    """An operator's act: the members at `colo` are out."""
    if members.forked(replica):
        raise MembershipConflict(
            f"members are in conflict: {members.open_forks(replica)}; resolve it by picking one of these links first"
        )
    out = sorted(m for m in members.members(replica) if colo in (m, colo_of(m)))
    if not out or replica.state.id in out:
        known = ", ".join(sorted(map(colo_of, members.members(replica))))
        raise NotAMember(f"no other member at colo {show(colo)}; members are at {known}", next_step="name one of these")
    if replica.state.copied:
        _lose(replica, out)
    else:
        transact(replica, lambda draft: _decide(draft, out, ()))
    return out


def _lose(replica: Replica, out: list[str]) -> None:
    """Evicted at a copy, which can decide nothing as who it was: once all others are, it is all that is left."""
    made = None
    with replica.transaction():
        state = replica.state
        state.lost = sorted({*state.lost, *out})
        if members.members(replica) <= {state.id, *state.lost}:
            state.copied = False
            made = _rename(replica, out=state.lost)
            state.lost = []
    replica.minted(made)


def resolve(replica: Replica, winner: str) -> None:
    """An operator's act: of a membership conflict the side of `winner` holds; who is on the other side returns."""
    forks = [fork for fork in members.standing_forks(replica) if winner in fork["links"]]
    if not forks:
        open_links = ", ".join(link for fork in members.open_forks(replica) for link in fork)
        raise MembershipConflict(
            f"no membership conflict has the link {show(winner)}; open are {open_links or 'none'}",
            next_step="name a link that forks shows",
        )
    if winner not in {link.id for link in members.chain_links(replica)}:
        raise MembershipConflict(f"{winner!r} was decided on the other side; resolve there, or pick this side's link")
    over = sorted({id for fork in forks for id in fork["theirs"]})
    transact(replica, lambda draft: _decide(draft, (), over))


def _decide(draft: Draft, out: Sequence[str], over: Sequence[str]) -> None:
    """Write an act down; with the evicted goes whatever else of their colos stands in the set."""
    replica, (origin, n) = draft.replica, draft.dot
    after = members.heads(members.chain_links(replica))
    act = {"id": f"{origin}.{n}", "after": after, "out": list(out), "over": list(over)}
    _retire(draft, (m for m in members.standing(replica) if colo_of(m) in set(map(colo_of, out))))
    draft.operate(CHAIN, Operation("add", (act,)), spec="set")
