"""The life of a replica: beginning, joining, coming back, taking a new name, leaving.

No dot is ever minted twice: a new, wiped, restored or uncertain store takes a new
incarnation, and what it wrote before is kept as it is, minted anew, or shown in the
inbox; never twice, never silently dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from crdtkv.core.cells import Cell, Sibling, is_live, newest_stamp
from crdtkv.core.clocks import Dot, covers, covers_all, make_stamp, merge
from crdtkv.core.paths import is_counted
from crdtkv.core.rules import DEFAULT, Rule
from crdtkv.core.state import State
from crdtkv.core.wire import CatchUp, Record
from crdtkv.errors import MembershipConflict, NotAMember
from crdtkv.replica import inbox, members, past
from crdtkv.replica.core import CLOCK_BOUND_MS, Replica
from crdtkv.replica.draft import Draft
from crdtkv.replica.exchange import absorb, catch_up
from crdtkv.replica.members import CHAIN, MEMBERS, MEMBERS_SPEC, SYSTEM, colo_of
from crdtkv.storage.base import Storage
from crdtkv.strategies.base import Operation, Write
from crdtkv.strategies.counter_cells import joined_payload
from crdtkv.strategies.roots import roots_in

__all__ = [
    "MAX_ANCESTRY",
    "Ancestry",
    "System",
    "ancestry",
    "begin",
    "evict",
    "leave",
    "mend",
    "remint",
    "rename",
    "rename_copy",
    "resolve",
    "retire_ghosts",
    "return_to",
    "sponsor",
    "transact",
]

MAX_ANCESTRY = 64
Ancestry = list[list[Any]]
"""See State.ancestry."""

System = list[tuple[str, Operation, str]]
"""What to do to system keys: (key, operation, strategy spec)."""


def begin(storage: Storage, colo: str, wall_ms: Callable[[], int], token: Callable[[], str], **options: Any) -> Replica:
    """The replica in `storage`: as it was left, or new, a namespace of its own with itself as the one member."""
    plain = storage.meta("state")
    if plain is not None:
        state = State.from_plain(plain)
        state.clock = max(state.clock, state.ceiling)
        replica = Replica(storage, state, wall_ms, token, **options)
        if state.home != storage.home():
            _wake_copy(replica)
        return replica
    id = f"{colo}~{token()}"
    replica = Replica(storage, State(id, [id], token() + token(), home=storage.home()), wall_ms, token, **options)
    transact(replica, [(MEMBERS, members.add([id]), MEMBERS_SPEC)])
    return replica


def _wake_copy(replica: Replica) -> None:
    """A store that lies elsewhere than it did: others may know more of what it wrote than it does itself."""
    with replica.transaction():
        replica.state.home = replica.storage.home()
        replica.state.copied = members.members(replica) != {replica.state.id}
    if not replica.state.copied:
        rename(replica)


def transact(replica: Replica, operations: System) -> tuple[Record, bytes] | None:
    """One transaction on system keys."""
    with replica.transaction():
        draft = Draft(replica, lambda key: DEFAULT)
        for key, operation, spec in operations:
            draft.operate(key, operation, spec=spec)
        made = draft.record()
        members.announce(replica)
    replica.spoken = dict(replica.state.vector)
    if made is not None:
        replica.recent.append(made)
    return made


# joining and coming back


def ancestry(replica: Replica) -> Ancestry:
    """The chain of sponsors that begins with this replica."""
    return [_ancestor(replica.state.id, replica.state.joined), *replica.state.ancestry][:MAX_ANCESTRY]


def _ancestor(id: str, joined: Dot | None) -> list[Any]:
    return [id, joined[1], joined[0]] if joined else [id, 0, ""]


def sponsor(replica: Replica, new: str, old: Iterable[str]) -> tuple[Dot, CatchUp]:
    """Make `new` a member and retire `old` and every other incarnation of its colo; then cut the snapshot."""
    if not members.is_member(replica, replica.state.id):
        raise NotAMember(f"{replica.state.id} is not a member itself, so it cannot be a sponsor; join through another")
    same = {m for m in members.members(replica) if colo_of(m) == colo_of(new)}
    retire = sorted((same | set(old)) - {new})
    operations: System = [(MEMBERS, members.remove([m]), MEMBERS_SPEC) for m in retire]
    made = transact(replica, [*operations, (MEMBERS, members.add([new]), MEMBERS_SPEC)])
    assert made is not None, f"making {new} a member wrote nothing"
    return made[0].dot, catch_up(replica, {}, full=True)


def return_to(replica: Replica, sponsor_dot: Dot, snapshot: CatchUp, new: str, sponsors: Ancestry) -> None:
    """Take a full join under the incarnation `new`; what we wrote and the snapshot lacks waits to be minted anew."""
    pending = _uncovered(replica, snapshot)
    before = dict(replica.state.vector)
    with replica.transaction():
        _forget_everything(replica)
        old = replica.state
        replica.state = State(
            new, [*old.lineage, new], old.namespace, clock=old.clock, ceiling=old.ceiling,
            joined=sponsor_dot, home=old.home, ancestry=sponsors,
            pending=[*old.pending, *pending],
        )  # fmt: skip
        replica.state.pending = [p if "vector" in p else {**p, "vector": before} for p in replica.state.pending]
    replica.spoken, replica.waiting = {}, {}
    replica.recent.clear()
    absorb(replica, snapshot, welcome=True)
    with replica.transaction():
        replica.state.clock = max(replica.state.clock, snapshot.heard.get(snapshot.lineage[-1], 0))
        members.announce(replica)


def _uncovered(replica: Replica, snapshot: CatchUp) -> list[dict[str, Any]]:
    """Our own siblings that the snapshot's vector does not cover, with what stood beside them."""
    found = []
    for key in replica.storage.keys("", None):
        if key.startswith(SYSTEM) and key in (MEMBERS, CHAIN):
            continue
        for path, cell in replica.storage.cells(key).items():
            for s in cell:
                if s.dot[0] in replica.state.lineage and not covers(snapshot.to, s.dot):
                    beside = [list(other.dot) for other in cell if other is not s]
                    found.append(
                        {
                            "dot": list(s.dot),
                            "stamp": s.stamp,
                            "key": key,
                            "path": path,
                            "payload": s.payload,
                            "beside": beside,
                            "first": not s.parents,
                        }
                    )
    return found


def _forget_everything(replica: Replica) -> None:
    for key in list(replica.storage.keys("", None)):
        for path in list(replica.storage.cells(key)):
            replica.storage.put_cell(key, path, ())
        replica.storage.put_context(key, {})
    for key in replica.storage.past_keys():
        past.begin_again(replica.storage, key, {})
    replica.changed = {}
    replica.forget_memos()


def remint(replica: Replica, rule_of: Callable[[str], Rule]) -> int:
    """Mint anew what waits, once every member has spoken under a vector that covers our joining; how many writes."""
    state = replica.state
    if not state.pending or not members.is_member(replica, state.id):
        return 0
    # Each must know of our joining and of every change of members that we know: who has not
    # heard of an eviction may still absorb from the evicted what we are about to mint anew.
    known = merge([dict([state.joined]) if state.joined else {}, replica.storage.context(MEMBERS)])
    others = members.members(replica) - {state.id}
    if not all(_knows(replica, m, known) for m in others):
        return 0
    by_dot: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for item in state.pending:
        by_dot.setdefault((item["dot"][0], item["dot"][1]), []).append(item)
    minted = 0
    for dot in sorted(by_dot, key=lambda d: (by_dot[d][0]["stamp"], d)):
        minted += _remint_one(replica, rule_of, dot, by_dot[dot])
    with replica.transaction():
        replica.state.pending = []
    return minted


def _knows(replica: Replica, member: str, changes: dict[str, int]) -> bool:
    """Whether a member has absorbed these changes of members: it said so itself, or its word was passed on."""
    state = replica.state
    if covers_all(state.spoke.get(member, {}), changes):
        return True
    low, n, retired = state.announced.get(member, (0, 0, {}))
    # All stamped up to its low it has heard from every member; of the others it says what it has.
    latest = max((newest_stamp(cell) for cell in replica.storage.cells(MEMBERS).values()), default=0)
    own = {**retired, member: n}
    here = members.members(replica)
    return low >= latest and all(r in here or m <= own.get(r, 0) for r, m in changes.items())


def _remint_one(replica: Replica, rule_of: Callable[[str], Rule], dot: Dot, items: list[dict[str, Any]]) -> int:
    if covers(replica.state.vector, dot):
        return 0
    with replica.transaction():
        draft = Draft(replica, rule_of)
        for item in items:
            _remint_cell(replica, draft, item)
        made = draft.record()
        replica.state.pending = [p for p in replica.state.pending if tuple(p["dot"]) != dot]
    if made is not None:
        replica.spoken = dict(replica.state.vector)
        replica.recent.append(made)
    return len(items)


def _remint_cell(replica: Replica, draft: Draft, item: dict[str, Any]) -> None:
    key, path, payload = item["key"], item["path"], item["payload"]
    lost = Sibling((item["dot"][0], item["dot"][1]), item["stamp"], payload)
    cell = replica.storage.cells(key).get(path, ())
    beside = {(d[0], d[1]) for d in item["beside"]}

    def covered(dot: Dot) -> bool:
        return covers(item["vector"], dot) and dot not in beside

    reason = _lost_on_return(replica, item, lost, cell, covered)
    if reason is not None:
        inbox.put(replica, inbox.entry(replica, reason, key, path, lost, None))
        return
    if is_counted(path):
        # Verbatim, in its own old cell: the max of each part counts just what nobody has seen.
        draft.rewrite(key, Write(path, joined_payload(path, (lost, *cell)), all=True), covered)
        return
    draft.rewrite(key, Write(path, payload), covered)


def _lost_on_return(
    replica: Replica, item: dict[str, Any], lost: Sibling, cell: Cell, covered: Callable[[Dot], bool]
) -> str | None:
    """Why a write of an earlier incarnation is not minted anew, None if it is."""
    path = item["path"]
    found, _ = next(roots_in({path: (lost,)}), (None, None))
    ranks = found is not None and found.name == "lww"
    if ranks and is_live(lost.payload) and any(not covered(s.dot) and s.stamp > lost.stamp for s in cell):
        return "a later write stood when this colo came back"
    lacks = not covers_all(item["vector"], replica.state.dropped)
    if lacks and not cell and is_counted(path) and not item["first"]:
        return "what it added to may have been deleted while this colo was away"
    if lacks and not cell and is_live(lost.payload) and found is not None:
        if ranks and lost.stamp <= replica.state.floor:
            return "it was deleted while this colo was away"
        if found.spec == "set?wins=remove":
            return "it may have been removed while this colo was away"
    return None


# other acts


def rename(replica: Replica) -> None:
    """Take a new incarnation in the first transaction: after an unclean close, or when the clock was mended."""
    old = replica.state.id
    new = f"{colo_of(old)}~{replica.token()}"
    was = members.is_member(replica, old)
    with replica.transaction():
        state = replica.state
        state.id = new
        state.lineage = [*state.lineage, new]
        state.ancestry = [_ancestor(old, state.joined), *state.ancestry]
        state.joined = (new, 1)
        wall = make_stamp(replica.wall_ms())
        if replica.wall_ms() < state.wall_ms - CLOCK_BOUND_MS:
            state.wall_ms = replica.wall_ms()
            # The clock was mended: the new incarnation does not inherit the wrong time.
            # But it writes above all that the old one's word let others forget up to.
            state.clock = state.ceiling = max(wall, state.floor, state.low_ceiling)
    replica.spoken = {}
    if was:
        transact(replica, [(MEMBERS, members.remove([old]), MEMBERS_SPEC), (MEMBERS, members.add([new]), MEMBERS_SPEC)])


def mend(replica: Replica) -> None:
    """Take a new incarnation if the wall clock went back by more than the bound.

    Its clock begins above every low that the old one announced: what others may have
    forgotten up to lies below that (`State.low_ceiling`).
    """
    if not replica.state.copied and replica.wall_ms() < replica.state.wall_ms - CLOCK_BOUND_MS:
        replica.offsets.clear()
        rename(replica)


def rename_copy(replica: Replica, sponsor_dot: Dot, snapshot: CatchUp, new: str, sponsors: Ancestry) -> None:
    """A restored copy joins in place: its cells stay as they are, and its past is minted by nobody again."""
    with replica.transaction():
        state = replica.state
        state.id, state.lineage, state.copied = new, [*state.lineage, new], False
        if replica.wall_ms() < state.wall_ms - CLOCK_BOUND_MS:
            state.wall_ms = replica.wall_ms()
            state.clock = state.ceiling = max(
                make_stamp(replica.wall_ms()), snapshot.heard.get(snapshot.lineage[-1], 0)
            )
        state.joined, state.ancestry = sponsor_dot, sponsors
        state.chains.pop(new, None)
        for item in state.pending:
            lost = Sibling((item["dot"][0], item["dot"][1]), item["stamp"], item["payload"])
            words = "it waited in a copy that was restored"
            inbox.put(replica, inbox.entry(replica, words, item["key"], item["path"], lost, None))
        state.pending = []
    replica.spoken, replica.waiting = {}, {}
    replica.recent.clear()
    absorb(replica, snapshot, welcome=True)


def retire_ghosts(replica: Replica) -> list[str]:
    """Retire, of two members of one colo, the one that joined earlier: a disk that was wiped before it was known."""
    newest: dict[str, tuple[Any, str]] = {}
    for id in members.members(replica):
        colo = colo_of(id)
        newest[colo] = max(newest.get(colo, ((0, ("", 0)), "")), (members.joined_at(replica, id), id))
    ghosts = sorted(members.members(replica) - {id for _, id in newest.values()} - {replica.state.id})
    if ghosts:
        transact(replica, [(MEMBERS, members.remove([g]), MEMBERS_SPEC) for g in ghosts])
    return ghosts


def leave(replica: Replica) -> None:
    """Retire: the last transaction of this incarnation. It stays readable."""
    transact(replica, [(MEMBERS, members.remove([replica.state.id]), MEMBERS_SPEC)])
    with replica.transaction():
        replica.state.left = True


def evict(replica: Replica, colo: str) -> list[str]:
    """An operator's act: the members at `colo` are out. Names the link of the chain that it was decided on."""
    if members.forked(replica):
        raise MembershipConflict(
            f"members are in conflict: {members.open_forks(replica)}; resolve it by picking one of these links first"
        )
    out = sorted(m for m in members.members(replica) if colo in (m, colo_of(m)))
    if not out or replica.state.id in out:
        known = ", ".join(sorted(map(colo_of, members.members(replica))))
        raise NotAMember(f"no other member at colo {colo!r}; members are at {known}")
    _link(replica, members.head(members.chain_links(replica)), out, (), [])
    return out


def resolve(replica: Replica, winner: str) -> None:
    """An operator's act: of a membership conflict the link `winner`, or the branch it is on, holds.

    The other branch's evictions are undone; who was evicted by the winning one stays out, and may return.
    """
    links = members.chain_links(replica)
    line = members.branch(links, winner)
    forks = [fork for fork in members.open_forks(replica) if set(fork) & set(line or [winner])]
    if not forks:
        open_links = ", ".join(link for fork in members.open_forks(replica) for link in fork)
        raise MembershipConflict(f"no membership conflict has the link {winner!r}; open are {open_links or 'none'}")
    if not line:
        raise MembershipConflict(f"{winner!r} was decided on the other side; resolve there, or pick this side's link")
    over = sorted({link for fork in forks for link in fork} - set(line))
    end = members.head([li for li in links if li.id not in over], line[0])
    kept = members.branch(links, end)
    out = {m for li in links if li.id in kept for m in li.out}
    undone = members.overruled([*links, members.Link("", end, (), tuple(over))])
    # Whose colo has come back under another incarnation since is not brought back besides.
    here = {colo_of(m) for m in members.members(replica)}
    back = sorted(m for m in {m for li in links if li.id in undone for m in li.out} - out if colo_of(m) not in here)
    _link(replica, end, [], tuple(over), back)


def _link(replica: Replica, parent: str, out: list[str], over: tuple[str, ...], back: list[str]) -> None:
    state = replica.state
    id = f"{state.id}.{state.vector.get(state.id, 0) + 1}"
    link = {"id": id, "parent": parent, "out": out, "over": list(over)}
    operations: System = [(MEMBERS, members.remove([m]), MEMBERS_SPEC) for m in out]
    operations += [(MEMBERS, members.add([m]), MEMBERS_SPEC) for m in back]
    transact(replica, [*operations, (CHAIN, Operation("add", (link,)), "set")])
