"""Care for a store: the inbox of lost writes, checks of every invariant, compaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from crdtkv.core import values
from crdtkv.core.cells import Cell, Context, is_hider, is_live
from crdtkv.core.clocks import covers, stamp_ms
from crdtkv.core.digest import MODULUS, key_digest
from crdtkv.core.keys import METADATA
from crdtkv.core.paths import ONCE, STRATEGY, component, first, pretty
from crdtkv.core.rules import Rule
from crdtkv.core.show import show
from crdtkv.core.tree import Cells, Tree
from crdtkv.errors import BadRequest, ChecksumFailed
from crdtkv.replica import life, members, past
from crdtkv.replica.core import Replica
from crdtkv.replica.draft import Draft
from crdtkv.replica.pending import KEEP_MINTED_MS, MINTED
from crdtkv.replica.purge import purge
from crdtkv.storage.base import Storage
from crdtkv.store import idempotency
from crdtkv.store.receipt import Receipt
from crdtkv.store.results import Conflict
from crdtkv.strategies.base import Env, Operation, Write
from crdtkv.strategies.counter_cells import fold
from crdtkv.strategies.roots import known_strategy, root_path

if TYPE_CHECKING:
    from crdtkv.store.operations import Operations
    from crdtkv.store.store import Store

__all__ = [
    "check",
    "compact",
    "conflicts",
    "dismiss",
    "forget",
    "restore",
    "tend",
]

_KEYED = root_path("counter") + ONCE
"""In the path of each keyed increment, wherever its counter stands."""


# the inbox


def conflicts(store: Store, prefix: str) -> list[Conflict]:
    """The lost writes of keys with `prefix`, oldest first."""
    with store._lock:
        store._writer.check_idle()
        rows = [(id, row) for id, row in store._replica.storage.inbox().items() if row["key"].startswith(prefix)]
    return [_conflict(store, id, row) for id, row in sorted(rows)]


def _conflict(store: Store, id: str, row: dict[str, Any]) -> Conflict:
    origin, _, stamp, _ = row["lost"]

    value, winner = (None if row[part] is None else values.unpack(row[part]) for part in ("value", "winner"))
    return Conflict(
        id, row["key"], row["where"], row["reason"], value, winner, origin, stamp_ms(stamp),
        lambda id: restore(store, id), lambda id: dismiss(store, id),
    )  # fmt: skip


def dismiss(kv: Operations, id: str) -> None:
    """That lost write is out of the inbox, if it is in it. A transaction, or in one."""
    kv._run(lambda draft: draft.replica.storage.put_inbox(id, None))


def restore(kv: Operations, id: str) -> Receipt:
    """That lost write is written again, and out of the inbox. A transaction, or in one. Raises BadRequest for none."""

    def act(draft: Draft) -> Receipt:
        row = draft.replica.storage.inbox().get(id)
        if row is None:
            raise BadRequest(f"no conflict {id!r} in the inbox; it was restored or dismissed already")
        draft.restore(row["key"], row["path"], row["lost"][3])
        draft.replica.storage.put_inbox(id, None)
        return kv._receipt(draft, row["key"])

    return kv._run(act)


# compaction


def compact(replica: Replica, rule_of: Callable[[str], Rule], keep_of: Callable[[str], past.Keep], step_ms: int) -> int:
    """Purge, fold, trim; how many cells and superseded siblings went."""
    if members.is_member(replica, replica.state.id):
        with replica.transaction():
            replica.state.heard[replica.state.id] = replica.tick()
        life.retire_ghosts(replica)
        _fold(replica, rule_of, replica.storage.compound("\x01"))
        _drop_metadata(replica, rule_of, _of_metadata(replica))
    gone = purge(replica, step_ms)
    with replica.transaction():
        for key in replica.storage.past_keys():
            gone += past.trim(replica.storage, key, keep_of(key), replica.wall_ms())
        _drop_old(replica)
    replica.storage.settle()
    return gone


def forget(store: Store) -> int:
    """What is known to be deleted everywhere is dropped; how many cells went. O(what goes), with the store's lock."""
    with store._lock:
        store._writer.check_idle()
        replica = store._replica
        if members.is_member(replica, replica.state.id):
            life.retire_ghosts(replica)
        gone = purge(replica, store._purge_step_ms)
        store._writer.tell()
        return gone


def tend(store: Store, many: int = 100) -> Iterator[int]:
    """The rest of `compact`, but for packing the file, bit by bit: how much went, after each.

    Each step looks through so many keys, holds the store's lock meanwhile, and commits only where something goes.
    """
    replica, keep_of = store._replica, store._replica.keep_of
    with store._lock:
        store._writer.check_idle()
        old, keyed = replica.storage.past_keys(), list(replica.storage.compound("\x01"))
        beside = list(_of_metadata(replica))
    for some in _slices(old, many):
        with store._lock:
            store._writer.check_idle()
            now = replica.wall_ms()
            due = [key for key in some if past.is_due(replica.storage, key, keep_of(key), now)]
            gone = 0
            if due:
                with replica.transaction():
                    gone = sum(past.trim(replica.storage, key, keep_of(key), now) for key in due)
        yield gone
    for some in _slices(keyed, many):
        with store._lock:
            store._writer.check_idle()
            if members.is_live_member(replica):
                _fold(replica, store._rule_of, some)
                store._writer.tell()
        yield 0
    for some in _slices(beside, many):
        with store._lock:
            store._writer.check_idle()
            if members.is_live_member(replica):
                _drop_metadata(replica, store._rule_of, some)
                store._writer.tell()
        yield 0
    with store._lock:
        store._writer.check_idle()
        with replica.transaction():
            _drop_old(replica)
    yield 0


def _slices(keys: list[str], many: int) -> Iterator[list[str]]:
    return (keys[at : at + many] for at in range(0, len(keys), many))


def _drop_old(replica: Replica) -> None:
    idempotency.drop_old(replica)
    replica.storage.drop_meta(MINTED, lambda row: replica.wall_ms() - row[2] > KEEP_MINTED_MS)


def _fold(replica: Replica, rule_of: Callable[[str], Rule], keys: Iterable[str]) -> None:
    """Once-increments that this store owns, stable and a day old, become part of its own total."""
    storage = replica.storage
    due = [key for key in keys if any(_KEYED in path for path in storage.cells(key))]
    if not due:
        return
    with replica.transaction():
        draft = Draft(replica, rule_of)
        for key in due:
            draft.maintain(key, lambda tree, env: _folded(replica, tree, env))
        made = draft.record()
    replica.minted(made)


def _of_metadata(replica: Replica) -> Iterator[str]:
    return replica.storage.keys(METADATA, METADATA[:-1] + chr(ord(METADATA[-1]) + 1))


def _drop_metadata(replica: Replica, rule_of: Callable[[str], Rule], keys: Iterable[str]) -> None:
    """Metadata goes whose key is gone (deleted by who knew nothing of it, or expired), at the colo that wrote it."""
    due = [key for key in keys if _is_widowed(replica, key)]
    if not due:
        return
    with replica.transaction():
        draft = Draft(replica, rule_of)
        for key in due:
            draft.operate(key, Operation("delete"))
        made = draft.record()
    replica.minted(made)


def _is_widowed(replica: Replica, key: str) -> bool:
    siblings = [s for cell in replica.storage.cells(key).values() for s in cell if is_live(s.payload)]
    if not siblings or replica.shown(key.removeprefix(METADATA)) is not None:
        return False
    origin = max(siblings).dot[0]
    return origin in replica.state.lineage or not members.is_member(replica, origin)


def _folded(replica: Replica, tree: Tree, env: Env) -> list[Write]:
    lineage = set(replica.state.lineage)
    return fold(tree, replica.state.floor, replica.wall_ms(), lambda owner: owner in lineage, env)


# checks


def check(replica: Replica) -> list[str]:
    """What is wrong, in words."""
    storage, state = replica.storage, replica.state
    wrong = [f"{origin} is in quarantine: {why}" for origin, why in state.quarantined.items()]
    wrong += storage.faults()
    digest, unread = 0, []
    try:
        for key, found in _each(storage):
            if found is None:
                unread.append(key)
            else:
                digest += key_digest(key, *found)
                wrong += _check_key(replica, key, *found)
    except ChecksumFailed as error:
        return [*wrong, f"keys cannot be listed: {error}"]
    if unread:
        wrong.append(
            f"{len(unread)} keys cannot be read, the first is {show(unread[0])}: so of the digest nothing is known"
        )
    elif digest % MODULUS != state.digest:
        wrong.append(f"digest is {state.digest:032x}; the cells give {digest % MODULUS:032x}")
    return wrong


def _each(storage: Storage) -> Iterator[tuple[str, tuple[Cells, Context] | None]]:
    """Each key that has cells, and what stands in it; None where that cannot be read. Raises ChecksumFailed."""
    low = ""
    while True:
        try:
            for key, *found in storage.passing(low, None, False, None, lambda *found: found):
                yield key, (found[0], found[1])
                low = max(low, key + "\0")
            return
        except ChecksumFailed:
            broken = next(storage.keys(low, None), "")
            if broken < low:  # where pages lie in the place of others, keys come in no order
                raise
            yield broken, None
            low = broken + "\0"


def _check_key(replica: Replica, key: str, cells: Cells, context: Context) -> list[str]:
    wrong = [
        f"context of {key!r} names {r}.{n}, beyond the vector"
        for r, n in context.items()
        if not covers(replica.state.vector, (r, n))
    ]
    for path, cell in cells.items():
        wrong += _check_cell(replica, key, path, cell)
    return wrong if context else [*wrong, f"{key!r} has cells and no context"]


def _check_cell(replica: Replica, key: str, path: bytes, cell: Cell) -> list[str]:
    wrong = [f"holds {s.dot}, beyond the vector" for s in cell if not covers(replica.state.vector, s.dot)]
    if len(cell) > 1 and (list(cell) != sorted(cell) or len({s.dot for s in cell}) != len(cell)):
        wrong.append("has siblings that are out of order or doubled")
    if not cell:
        wrong.append("is an empty cell")
    if path and _is_hider_outside(path, cell):
        wrong.append("holds a hider outside a document")
    return [f"{key!r} at {pretty(path)} {words}" for words in wrong]


def _is_hider_outside(path: bytes, cell: Cell) -> bool:
    tag, data, _ = first(path)
    root = component(tag, data)
    at_root = tag == STRATEGY and path == root
    return at_root and any(is_hider(s.payload) for s in cell) and not known_strategy(data.decode()).whole
