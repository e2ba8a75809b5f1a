"""Four colos over the real engine, a network that loses, doubles and delays, and checks after every step.

Law of this room: what happens is a list of actions `(kind, colo, dice)`, plain data drawn
from a seed; each action resolves its numbers against what is there. So a failure
replays from its seed, and a list of actions can be shrunk.

What is checked, where (each has its own kind in `KINDS`):

- `visible`: equal vectors mean equal values and key contexts, now and at any earlier time;
- `digest`: equal (vector, floor) means equal digests;
- `oracle`: the records that a vector covers, applied one by one without purges (shadow.py), read the same;
- `spec`: so does the plain definition over the history of operations (tests/specs);
- `put-get`: a put on a current base reads as its normal form;
- `history`: the value at a version is what it was when it was read, or an error that says why not;
- `check`, `exception`, `refusal`: the store's own invariants; only errors of the tree; a refusal changed nothing;
- `twice`: no dot is minted twice; `converge`, `weight`: after healing all agree, and what was deleted weighs nothing.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from crdtkv.core import values
from crdtkv.core.clocks import covers_all, stamp_ms
from crdtkv.core.paths import pretty
from crdtkv.core.versions import parse_version
from crdtkv.core.wire import Record, decode, encode
from crdtkv.errors import BadRequest, BaseNotHere, BaseTooOld, Corrupt, CrdtkvError, StorageFailed, VersionInvalid
from crdtkv.replica import exchange, life, members
from crdtkv.replica.core import Replica
from crdtkv.storage.memory import MemoryStorage
from crdtkv.storage.sqlite import SqliteStorage
from crdtkv.store.store import Store
from crdtkv.strategies.base import ABSENT, Operation
from crdtkv.strategies.roots import TTL_PATH, expired, pick, roots_in
from tests.laws.operations import JSON_PATHS, SPECS, Wish, draw, norm, norm_read, spec_of
from tests.laws.shadow import Shadow, forgotten
from tests.specs import counter, flag, greatest, log, lww, merge, mv, words
from tests.specs import set as set_spec
from tests.specs.history import Event, seen_by

__all__ = ["IGNORED", "KINDS", "PROFILES", "Action", "Failure", "World", "plan", "run"]

START_MS = 1_767_261_600_000
FOR_EVER = 2**63
COLOS = "abcd"
HOUR_MS = 3_600_000
MAX_BOX = 48
MAX_READS = 12
MAX_SPEC_EVENTS = 12

KINDS = (
    "visible", "digest", "oracle", "spec", "put-get", "history", "check", "exception", "refusal", "twice",
    "converge", "weight",
)  # fmt: skip


class Action(NamedTuple):
    """What happens next: `kind` at colo number `at`, its details drawn from `dice`."""

    kind: str
    at: int
    dice: int


IGNORED: set[str] = set()
"""Kinds of failure that are passed over, to look for others behind them."""


class Failure(AssertionError):
    """A law that did not hold: its kind, and in words."""

    def __init__(self, kind: str, words: str) -> None:
        super().__init__(f"{kind}: {words}")
        self.kind = kind
        self.counts: Counter[str] = Counter()


# how often each thing happens, per thousand

_CALM = {"op": 470, "tx": 60, "deliver": 250, "cut": 110, "sync": 20, "compact": 50, "read": 40}
PROFILES: dict[str, dict[str, int]] = {
    "calm": _CALM,
    "purging": {**_CALM, "compact": 160, "cut": 160, "sync": 80, "delete": 120, "fault": 8, "rewrite": 60},
    "focus": {"op": 400, "delete": 90, "rewrite": 90, "expire": 40, "deliver": 120, "cut": 150, "sync": 140,
              "compact": 200, "read": 20, "restart": 8, "tx": 30},
    "restarts": {**_CALM, "restart": 20, "crash": 20, "fault": 10, "compact": 80},
    "expiry": {**_CALM, "expire": 140, "compact": 140, "sync": 80, "rule": 6, "delete": 30},
    "days": {**_CALM, "day": 25, "compact": 110, "restart": 8, "delete": 40},
    "rules": {**_CALM, "rule": 25, "migrate": 8, "clash": 120, "compact": 80, "delete": 60},
    "clocks": {**_CALM, "skew": 30, "compact": 90, "expire": 40, "delete": 40, "restart": 8},
    "inbox": {**_CALM, "regain": 60, "delete": 80, "rewrite": 40, "sync": 80, "compact": 90, "expire": 20},
    "members": {**_CALM, "wipe": 6, "restore": 6, "copy": 8, "leave": 5, "evict": 8, "sync": 90, "compact": 90,
                "restart": 8, "delete": 40},
    "splits": {**_CALM, "evict": 14, "sync": 70, "compact": 90, "resolve": 10, "delete": 40, "expire": 20},
    "everything": {**_CALM, "compact": 90, "delete": 60, "rewrite": 30, "expire": 40, "rule": 8, "clash": 30,
                   "restart": 8, "crash": 8, "fault": 5, "day": 4, "skew": 6, "wipe": 2, "restore": 2, "copy": 3,
                   "leave": 2, "evict": 3, "resolve": 2, "sync": 50, "migrate": 2},
}  # fmt: skip


_CLIENT = ("op", "tx", "delete", "rewrite", "expire", "clash", "fault", "rule", "migrate", "read", "regain")


def plan(seed: int, profile: str, steps: int) -> list[Action]:
    """The actions of a seed."""
    dice = Random(f"{seed}/{profile}")
    kinds, weights = zip(*PROFILES[profile].items(), strict=True)
    drawn = dice.choices(kinds, weights, k=steps)
    return [Action(kind, dice.randrange(len(COLOS)), dice.getrandbits(32)) for kind in drawn]


def run(
    seed: int, profile: str, steps: int, folder: Path | None = None, actions: list[Action] | None = None,
    story: list[str] | None = None,
) -> World:  # fmt: skip
    """A whole run: the actions, healing, forgetting. Raises Failure. `folder`: stores are files there."""
    world = World(seed, profile, folder)
    world.story = story
    try:
        for action in plan(seed, profile, steps) if actions is None else actions:
            world.step(action)
        world.finish()
    except Failure as failure:
        failure.counts = world.counts
        raise
    finally:
        world.close()
    return world


# storages that say what changed


class _Watched(MemoryStorage):
    """Says which keys may read otherwise since last asked; fails a commit when told to; lies where it is told to."""

    dirty: set[str]
    failing = False

    def put_cell(self, key: str, path: bytes, cell: Any) -> None:
        self.dirty.add(key)
        super().put_cell(key, path, cell)

    def put_context(self, key: str, context: Any) -> None:
        self.dirty.add(key)
        super().put_context(key, context)

    def _save(self, changed: set[tuple[str, Any]]) -> None:
        if self.failing:
            self.failing = False
            raise StorageFailed("the disk is full; nothing was written")
        super()._save(changed)


class MemoryDisk(_Watched):
    """A disk at a place; `witness`: what is noted beside each place, if anything is."""

    def __init__(self, place: str, witness: dict[str, str] | None = None) -> None:
        self.dirty = set()
        self.place, self.witness = place, witness
        super().__init__()

    def home(self) -> str:
        return self.place

    def note(self, words: str) -> None:
        if self.witness is not None:
            self.witness[self.place] = words

    def noted(self) -> str | None:
        return None if self.witness is None else self.witness.get(self.place, "")

    def copy(self, place: str = "") -> MemoryDisk:
        """Another disk with the same on it, at `place` or where this one is. Rows are copied: they are mutated."""
        other = MemoryDisk(place or self.place, self.witness)
        for key, cells in self._cells.items():
            for path, cell in cells.items():
                other._place(key, path, (), cell)
        other._contexts = {k: dict(c) for k, c in self._contexts.items()}
        other._past = {k: dict(p) for k, p in self._past.items()}
        other._horizons = dict(self._horizons)
        other._inbox = dict(self._inbox)
        other._meta = {k: _deep(v) for k, v in self._meta.items()}
        return other


class FileDisk(_Watched, SqliteStorage):
    def __init__(self, path: Path) -> None:
        self.dirty = set()
        SqliteStorage.__init__(self, path)

    def files(self) -> dict[str, bytes]:
        """What is on the disk now, by suffix, without the words noted beside it."""
        found = {suffix: Path(f"{self.path}{suffix}") for suffix in ("", "-wal")}
        return {suffix: path.read_bytes() for suffix, path in found.items() if path.exists()}


def lay(path: Path, files: dict[str, bytes]) -> None:
    """Write `files` over those at `path`, which stay the files they are."""
    for suffix in ("", "-wal", "-shm"):
        at = Path(f"{path}{suffix}")
        if suffix in files:
            at.write_bytes(files[suffix])
        else:
            at.unlink(missing_ok=True)


def _deep(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _deep(v) for k, v in value.items()}
    return [_deep(v) for v in value] if isinstance(value, list) else value


class _Spy(deque):  # type: ignore[type-arg]
    """A replica's recent records, all of which the world hears of."""

    def __init__(self, given: Iterable[Any], tell: Callable[[Record, bytes], None]) -> None:
        super().__init__(maxlen=4096)
        self.tell = tell
        self.extend(given)

    def append(self, made: Any) -> None:
        super().append(made)
        self.tell(*made)

    def extend(self, given: Iterable[Any]) -> None:
        for made in list(given):
            self.append(made)


class Colo:
    """One colo: its store, its disk, its clock."""

    def __init__(self, name: str, disk: Any, skew: int) -> None:
        self.name = name
        self.disk = disk
        self.skew = skew
        self.store: Store = None  # type: ignore[assignment]
        self.visible: dict[str, Any] = {}
        self.print = 0
        self.shadow = Shadow()
        self.seen: Any = None
        self.backup: Any = None
        self.token = Random(name)

    @property
    def replica(self) -> Replica:
        return self.store._replica


class Read(NamedTuple):
    """What a client read, as it was when the version was made; `vector` is what the colo had absorbed."""

    key: str
    version: str
    value: Any
    siblings: Any
    vector: dict[str, int]


class World:
    def __init__(self, seed: int, profile: str, folder: Path | None = None) -> None:
        self.seed, self.profile, self.folder = seed, profile, folder
        dice = Random(f"world/{seed}/{profile}")
        self.now_ms = START_MS
        self.box: list[tuple[int, bytes]] = []
        self.counts: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.records: dict[tuple[str, int], tuple[int, Record, bytes]] = {}
        self.by_vector: dict[Any, tuple[int, dict[str, Any], str]] = {}
        self.by_floor: dict[Any, tuple[int, str]] = {}
        self.reads: dict[str, list[Read]] = {}
        self.events: dict[str, list[Event]] = {}
        self.untold: set[str] = set()  # keys whose history is not one of single operations
        self.expected: tuple[str, ...] = ()  # the keys that the running operation may touch
        self.files = 0
        self.witness: dict[str, str] = {}
        self.before: Any = None
        self.story: list[str] | None = None
        specs = dice.sample(SPECS, dice.choice((2, 3, 4, len(SPECS)) if profile in ("calm", "everything") else (2, 3)))
        if profile in ("rules", "expiry", "purging") and not any(s.startswith("json") for s in specs):
            specs[0] = dice.choice([s for s in SPECS if s.startswith("json")])
        self.names: tuple[str, ...] = ()
        if profile == "focus":
            specs = [dice.choice((*SPECS, "json", "json?wins=delete", "json", "list", "set?wins=remove", "counter"))]
            self.names = tuple(
                dice.sample(("deep", "a", "hits", "tags", "out", "items", "arr", "notes", "text"), dice.choice((1, 2)))
            )
        self.keys = [f"{spec}#{n}" for spec in specs for n in range(1 if profile == "focus" else dice.choice((1, 2)))]
        self.step_ms = dice.choice((1, 1, 10, 50))
        skews = (0, 0, -300, 500, 2_000) if profile == "focus" else (0, 0, -7, 13, 40)
        self.pace = dice.choice((1, 5, 40))
        self.colos = [Colo(name, None, dice.choice(skews)) for name in COLOS]
        self.ruled = False
        for at, colo in enumerate(self.colos):
            colo.token = Random(f"token/{seed}/{at}")
            self._open(colo, self._disk(colo.name))
        first = self.colos[0].store
        for colo in self.colos[1:]:
            first.sync(colo.store)
        if dice.random() < 0.7:
            self.ruled = True
            first.rules.set("json*", "json", paths=JSON_PATHS)
            first.rules.set("json[?]*", "json", paths=JSON_PATHS, wins="delete")
            if dice.random() < 0.3:
                first.rules.set("l*", "list", keep_cells=dice.choice((1, 3)), ttl="min")
        for colo in self.colos[1:]:
            first.sync(colo.store)
        self._look_at_all()

    # disks

    def _disk(self, name: str) -> Any:
        self.files += 1
        if self.folder is None:
            return MemoryDisk(f"{name}/{self.files}", self.witness)
        return FileDisk(self.folder / f"{self.seed}-{name}-{self.files}.db")

    def _backup(self, colo: Colo) -> Any:
        """What is committed on `colo`'s disk now."""
        return colo.disk.copy() if self.folder is None else colo.disk.files()

    def _restored(self, colo: Colo, backup: Any, elsewhere: bool) -> Any:
        """A disk with a backup on it: laid over the disk of `colo`, or elsewhere."""
        if self.folder is None:
            self.files += 1
            return backup.copy(f"{colo.name}/{self.files}" if elsewhere else colo.disk.place)
        path = colo.disk.path
        if elsewhere:
            self.files += 1
            path = self.folder / f"{self.seed}-{colo.name}-{self.files}.db"
        lay(path, backup)
        return FileDisk(path)

    def _open(self, colo: Colo, disk: Any) -> None:
        colo.disk = disk
        wall = lambda: self.now_ms + colo.skew  # noqa: E731
        token = lambda: "".join(colo.token.choices("abcdefghijklmnopqrstuvwxyz234567", k=4))  # noqa: E731
        colo.store = Store(life.begin(disk, colo.name, wall, token), "default", True, self.step_ms)
        replica = colo.store._replica
        replica.recent = _Spy(replica.recent, self._heard)
        disk.dirty.update(disk.keys("", None))
        colo.visible, colo.print, colo.seen = {}, 0, None

    def close(self) -> None:
        for colo in self.colos:
            colo.store.close()
        if self.folder is not None:
            for path in self.folder.glob(f"{self.seed}-*"):
                path.unlink()

    def _heard(self, record: Record, data: bytes) -> None:
        known = self.records.get(record.dot)
        if known is None:
            self.records[record.dot] = (len(self.records), record, data)
            touched = {w.key for w in record.writes} - set(self.expected)
            self.untold |= {k for k in touched if k[:1] != members.SYSTEM}
        elif known[2] != data:
            raise Failure("twice", f"{record.dot} was minted twice: {known[1]} and {record}")

    def say(self, words: str) -> None:
        """For whoever wants to read what happens."""
        if self.story is not None:
            self.story.append(words)

    # steps

    def step(self, action: Action) -> None:
        self.now_ms += 1 + action.dice % self.pace
        self.say(f"-- {action.kind} {COLOS[action.at]} ms={self.now_ms - START_MS}")
        dice = Random(action.dice)
        colo = self.colos[action.at]
        self.before = self._state_of(colo)
        try:
            getattr(self, f"do_{action.kind}")(colo, dice)
        except Failure:
            raise
        except (Corrupt, AssertionError) as error:
            raise Failure("exception", f"{action}: {error!r}") from error
        except CrdtkvError as error:
            self.refusals[f"{action.kind}: {error.code}"] += 1
            if isinstance(error, BadRequest) and action.kind not in _CLIENT:
                raise Failure("exception", f"{action}: {error!r}") from error
            # (A store whose clock was mended takes a new name before it looks at what is asked.)
            renamed = colo.store.id != self.before[0]
            if action.kind in _CLIENT[:7] and self._state_of(colo) != self.before and not renamed:
                raise Failure("refusal", f"{action} said {error!r} and changed something") from error
        except Exception as error:
            raise Failure("exception", f"{action}: {error!r}") from error
        finally:
            self.expected = ()
        self._look_at_all()

    def _state_of(self, colo: Colo) -> Any:
        state = colo.replica.state
        if colo.store._draft is not None:
            raise Failure("refusal", f"{colo.name}: a transaction was left open")
        return state.id, state.digest, dict(state.vector), len(colo.disk.inbox())

    def _peer(self, colo: Colo, dice: Random) -> Colo:
        return dice.choice([c for c in self.colos if c is not colo])

    # clients

    def _key(self, dice: Random) -> str:
        return dice.choice(self.keys)

    def do_op(self, colo: Colo, dice: Random) -> None:
        key = self._key(dice)
        self._operate(colo, key, dice, spec_of(key))

    def do_delete(self, colo: Colo, dice: Random) -> None:
        key = self._key(dice)
        self._do(
            colo, key, Wish(spec_of(key).split("?")[0].split(":")[0], "delete", ()), self._base(colo, key, dice), None
        )

    def do_rewrite(self, colo: Colo, dice: Random) -> None:
        """Delete, and at once put anew."""
        key = self._key(dice)
        self._do(colo, key, Wish(spec_of(key).split("?")[0].split(":")[0], "delete", ()), None, None)
        self._look_at_all()
        self.before = self._state_of(colo)
        self._operate(colo, key, dice, spec_of(key), put=True)

    def do_clash(self, colo: Colo, dice: Random) -> None:
        """A key that different colos make under different strategies."""
        self._operate(colo, "clash#0", dice, dice.choice([spec_of(k) for k in self.keys] + ["lww", "json"]))

    def _operate(self, colo: Colo, key: str, dice: Random, spec: str, put: bool = False) -> None:
        entry = colo.store.get(key)
        base = self._base(colo, key, dice)
        shown = entry.value if entry else None
        if base is not None and dice.random() < 0.8:
            # Who sends a whole value with a base edits what the base showed.
            shown = next((r.value for r in self.reads.get(key, ()) if r.version == base), shown)
        used = entry.strategy if entry and dice.random() < 0.95 else spec
        wish = draw(dice, used, shown, self.now_ms + colo.skew, self.names)
        while put and wish.name == "delete":
            wish = draw(dice, used, shown, self.now_ms + colo.skew, self.names)
        self._do(colo, key, wish, base, None if entry else spec)

    def _base(self, colo: Colo, key: str, dice: Random) -> str | None:
        """The version to make an operation against: none, the current one, or one read earlier, maybe elsewhere."""
        pick = dice.random()
        if pick < 0.55:
            return None
        reads = self.reads.get(key)
        if pick < 0.7 or not reads:
            entry = colo.store.get(key)
            return entry.version if entry else None
        return dice.choice(reads).version

    def _do(self, colo: Colo, key: str, wish: Wish, base: str | None, spec: str | None) -> None:
        """One operation in a transaction of its own, and what must hold after it."""
        store, replica = colo.store, colo.replica
        # A clock that was mended and went back may show again what had expired by the old one: before we look.
        life.mend(replica)
        entry = store.get(key)
        before = dict(replica.state.vector)
        current = base is None or entry is None or covers_all(parse_version(key, base), replica.storage.context(key))
        dated = TTL_PATH in replica.storage.cells(key)
        self.expected = (key,)
        self.counts["operations"] += 1
        if dated or wish.path is not None or wish.name == "patch":
            self.untold.add(key)
        receipt = self._call(store, key, wish, base, spec)
        n = replica.state.vector.get(replica.state.id, 0)
        if n > before.get(replica.state.id, 0):
            self._tell(colo, key, wish, base, before, n)
            self._send(colo, replica.recent[-1][1])
        self.say(f"{colo.name}: {key} {wish} base={base} -> {receipt.value!r} {receipt.version}")
        if wish.name == "put" and wish.path is None and current:
            self.counts["put-get"] += 1
            was = entry.value if entry and entry.strategy == receipt.strategy else ABSENT
            wanted = norm(receipt.strategy, wish.args[0], was)
            read = norm_read(receipt.strategy, receipt.value, wanted)
            if not _same(read, wanted) or not _same(store.get(key).value, receipt.value):  # type: ignore[union-attr]
                raise Failure("put-get", f"{colo.name}: {key!r} was {entry}, put {wish.args[0]!r} (base {base}) reads "
                              f"{receipt.value!r}, not {wanted!r}")  # fmt: skip
        if wish.name == "delete" and wish.path is None and current and store.get(key) is not None:
            raise Failure("put-get", f"{colo.name}: {key!r} was {entry}, deleted (base {base}) reads {store.get(key)}")
        self._remember(colo, key)

    def _call(self, kv: Any, key: str, wish: Wish, base: str | None, spec: str | None) -> Any:
        family, name, args, path = wish
        if path is not None:
            return kv.operate(key, "json", "at", path, family, Operation(name, args), base=base, strategy=spec)
        if name == "patch":
            return kv.patch(key, args[0], base=base)
        if name == "put":
            return kv.put(key, args[0], base=base, strategy=spec)
        if name == "delete":
            return kv.delete(key, base=base)
        return kv.operate(key, family, name, *args, base=base, strategy=spec)

    def _remember(self, colo: Colo, key: str) -> None:
        entry = colo.store.get(key)
        if entry is not None:
            reads = self.reads.setdefault(key, [])
            value, siblings = _then(colo.disk.cells(key))
            reads.append(Read(key, entry.version, value, siblings, colo.store.vector))
            if len(reads) > MAX_READS:
                reads.pop(self.counts["operations"] % MAX_READS)

    def _tell(self, colo: Colo, key: str, wish: Wish, base: str | None, before: dict[str, int], n: int) -> None:
        """The operation becomes part of the key's history."""
        known = base and next((r.vector for r in self.reads.get(key, ()) if r.version == base), None)
        if base and known is None:
            known = before if covers_all(parse_version(key, base), colo.replica.storage.context(key)) else None
            if known is None:
                self.untold.add(key)
        origin = colo.store.id
        stamp = self.records[origin, n][1].stamp
        operation = Operation(wish.name, wish.args)
        self.events.setdefault(key, []).append(Event((origin, n), stamp, operation, before, known or before))
        self._ask_spec(colo, key)

    def do_tx(self, colo: Colo, dice: Random) -> None:
        """Several operations in one transaction; sometimes it is given up."""
        store = colo.store
        keys = [self._key(dice) for _ in range(dice.randrange(2, 4))]
        self.untold |= set(keys)
        self.expected = tuple(keys)
        vector = store.vector
        give_up = dice.random() < 0.15
        before = self._state_of(colo)
        try:
            with store.transaction() as t:
                for key in keys:
                    entry = t.get(key)
                    shown = entry.value if entry else None
                    wish = draw(dice, entry.strategy if entry else spec_of(key), shown, self.now_ms, self.names)
                    self.counts["operations"] += 1
                    self.say(f"{colo.name} tx: {key} {wish}")
                    try:
                        self._call(t, key, wish, self._base(_Within(t), key, dice), None if entry else spec_of(key))  # type: ignore[arg-type]
                    except CrdtkvError as error:
                        self.refusals[f"tx: {error.code}"] += 1
                        if dice.random() < 0.5:
                            raise
                if give_up:
                    raise _GivenUp
        except _GivenUp:
            if self._state_of(colo) != before and colo.store.id == before[0]:
                raise Failure("refusal", f"{colo.name}: a transaction was given up and left something") from None
        if store.vector != vector:
            self._send(colo, colo.replica.recent[-1][1])
            for key in keys:
                self._remember(colo, key)

    def do_expire(self, colo: Colo, dice: Random) -> None:
        key = self._key(dice)
        self.untold.add(key)
        vector = colo.store.vector
        ttl = dice.choice((0.004, 0.03, 0.2, 1.5))
        self.counts["operations"] += 1
        if dice.random() < 0.4:
            entry = colo.store.get(key)
            wish = draw(dice, entry.strategy if entry else spec_of(key), entry.value if entry else None, self.now_ms)
            if wish.name == "put" and wish.path is None:
                colo.store.put(
                    key,
                    wish.args[0],
                    ttl=ttl,
                    base=self._base(colo, key, dice),
                    strategy=None if entry else spec_of(key),
                )
        else:
            colo.store.expire(key, ttl if dice.random() < 0.8 else None)
        if colo.store.vector != vector:
            self._send(colo, colo.replica.recent[-1][1])
        self._remember(colo, key)

    def do_regain(self, colo: Colo, dice: Random) -> None:
        """A lost write is brought back from the inbox."""
        found = colo.store.conflicts()
        if found:
            conflict = dice.choice(found)
            self.untold.add(conflict.key)
            self.counts["operations"] += 1
            vector = colo.store.vector
            receipt = conflict.restore()
            self.say(f"{colo.name}: {conflict.key} {conflict.path} {conflict.value!r} is back -> {receipt.value!r}")
            if colo.store.vector != vector:
                self._send(colo, colo.replica.recent[-1][1])

    def do_fault(self, colo: Colo, dice: Random) -> None:
        """The disk refuses a commit."""
        colo.disk.failing = True
        try:
            self.do_op(colo, dice)
        finally:
            colo.disk.failing = False

    def do_read(self, colo: Colo, dice: Random) -> None:
        """The value at a version read earlier, maybe elsewhere."""
        for key in dice.sample(self.keys, min(3, len(self.keys))):
            for read in self.reads.get(key, ()):
                self._read_again(colo, read)

    def _read_again(self, colo: Colo, read: Read) -> None:
        if "history" in IGNORED:
            return
        try:
            entry = colo.store.get(read.key, at=read.version)
        except (BaseTooOld, BaseNotHere, VersionInvalid) as error:
            self.refusals[f"read: {error.code}"] += 1
            if isinstance(error, VersionInvalid) and covers_all(
                colo.store.vector, parse_version(read.key, read.version)
            ):
                raise Failure("history", f"{colo.name}: {read} is called forged: {error}") from error
            return
        self.counts["history"] += 1
        if entry is None or not _same(entry.value, read.value) or not _same(entry.siblings, read.siblings):
            raise Failure("history", f"{colo.name}: {read.key!r} at {read.version} was {read.value!r} "
                          f"{read.siblings}, is now {entry}")  # fmt: skip

    # the network

    def _send(self, colo: Colo, data: bytes) -> None:
        """Eager push: to each peer with a chance, once or twice."""
        dice = Random(len(data) * 7919 + len(self.records) + self.seed)
        for at, other in enumerate(self.colos):
            if other is not colo and dice.random() < 0.6:
                self.box.append((at, data))
        while len(self.box) > MAX_BOX:
            self.box.pop(dice.randrange(len(self.box)))

    def do_deliver(self, colo: Colo, dice: Random) -> None:
        for _ in range(dice.choice((1, 1, 2, 5))):
            if not self.box:
                return
            at = dice.randrange(len(self.box))
            target, data = self.box[at]
            fate = dice.random()
            if fate < 0.8:
                self.box.pop(at)
            if fate < 0.92:
                self._receive(self.colos[target], data, dice)

    def _receive(self, colo: Colo, data: bytes, dice: Random) -> None:
        message = decode(data)
        replica = colo.replica
        before = self._state_of(colo)
        words = (
            message.dot
            if isinstance(message, Record)
            else f"catch-up {message.lineage[-1]} {message.since} -> {message.to}"
        )
        self.say(f"{colo.name} <- {words}")
        if isinstance(message, Record):
            outcome = exchange.receive(replica, message, data)
            if outcome is exchange.Outcome.absorbed and dice.random() < 0.3:
                self._send(colo, data)
        else:
            outcome = exchange.absorb(replica, message)
        self.counts[f"message {outcome.value}"] += 1
        if outcome is not exchange.Outcome.absorbed and self._state_of(colo) != before:
            raise Failure("refusal", f"{colo.name}: a message was {outcome.value} and changed something")
        if outcome is exchange.Outcome.absorbed:
            self._repeat(colo, message, data, dice)

    def _repeat(self, colo: Colo, message: Any, data: bytes, dice: Random) -> None:
        """What was absorbed changes nothing a second time (weight)."""
        if dice.random() < 0.1:
            before = self._state_of(colo)
            if isinstance(message, Record):
                exchange.receive(colo.replica, message, data)
            else:
                exchange.absorb(colo.replica, message)
            if self._state_of(colo) != before:
                raise Failure("refusal", f"{colo.name}: the same message twice changed something")

    def do_cut(self, colo: Colo, dice: Random) -> None:
        """A catch-up for a peer, under the vector that it has now or less; it is on its way."""
        at = dice.randrange(len(self.colos))
        peer = self.colos[at]
        if peer is colo:
            return
        vector = peer.store.vector
        if dice.random() < 0.15 and peer.seen is not None:
            vector = {r: max(0, n - dice.randrange(3)) for r, n in vector.items()}
            vector = {r: n for r, n in vector.items() if n}
        data = encode(exchange.catch_up(colo.replica, vector))
        if dice.random() < 0.12:
            at = dice.randrange(len(self.colos))  # it reaches somebody else, who may lack what it starts from
            peer = self.colos[at]
        if dice.random() < 0.5:
            self._receive(peer, data, dice)
        else:
            self.box.append((at, data))

    def do_sync(self, colo: Colo, dice: Random) -> None:
        colo.store.sync(self._peer(colo, dice).store)

    def do_compact(self, colo: Colo, dice: Random) -> None:
        colo.store.compact()

    # time, rules

    def do_day(self, colo: Colo, dice: Random) -> None:
        self.now_ms += 13 * HOUR_MS

    def do_skew(self, colo: Colo, dice: Random) -> None:
        colo.skew = dice.choice((0, -200, 300, -5000, 5000, 59_000, 70_000, -HOUR_MS, HOUR_MS, 3 * 365 * 24 * HOUR_MS))

    def do_rule(self, colo: Colo, dice: Random) -> None:
        spec = dice.choice([spec_of(k) for k in self.keys])
        pick = dice.random()
        self.counts["operations"] += 1
        if pick < 0.3:
            colo.store.rules.set("clash*", dice.choice(SPECS), ttl=dice.choice(("max", "min")))
        elif pick < 0.6:
            options = {"paths": JSON_PATHS} if spec.startswith("json") and self.ruled else {}
            colo.store.rules.set(f"{spec.split('?')[0]}#*", spec.split("?")[0] if "latch" not in spec else spec,
                                 ttl=dice.choice(("max", "min")), keep_cells=dice.choice((2, 64)),
                                 **options)  # fmt: skip
        elif pick < 0.8:
            colo.store.rules.set(f"{spec}", spec, keep_hours=dice.choice((0.0, 1.0)))
        else:
            colo.store.rules.remove("clash*")

    def do_migrate(self, colo: Colo, dice: Random) -> None:
        colo.store.rules.migrate("clash*", dry_run=dice.random() < 0.2)

    # disks and members

    def do_restart(self, colo: Colo, dice: Random) -> None:
        disk = colo.disk
        colo.store.close()
        self._open(colo, disk if self.folder is None else FileDisk(disk.path))

    def do_crash(self, colo: Colo, dice: Random) -> None:
        """The process ends where it stands: what is on the disk is what was committed."""
        backup = self._backup(colo)
        colo.store.close()
        self._open(colo, self._restored(colo, backup, elsewhere=False))

    def do_wipe(self, colo: Colo, dice: Random) -> None:
        colo.store.close()
        self._open(colo, self._disk(colo.name))

    def do_copy(self, colo: Colo, dice: Random) -> None:
        """A backup is made, for a later `restore`."""
        colo.backup = self._backup(colo)

    def do_restore(self, colo: Colo, dice: Random) -> None:
        """An old copy takes the place of the store: over its file or elsewhere, with or without its witness."""
        if colo.backup is None:
            return
        backup, colo.backup = colo.backup, None
        colo.store.close()
        elsewhere, bare = dice.random() < 0.4, dice.random() < 0.3
        if bare:
            self._unnote(colo)
        self._open(colo, self._restored(colo, backup, elsewhere))

    def _unnote(self, colo: Colo) -> None:
        if self.folder is None:
            self.witness.pop(colo.disk.place, None)
        else:
            Path(f"{colo.disk.path}-witness").unlink(missing_ok=True)

    def do_leave(self, colo: Colo, dice: Random) -> None:
        if len(colo.store.members) > 2:
            colo.store.leave()

    def do_evict(self, colo: Colo, dice: Random) -> None:
        if len(colo.store.members) > 2:
            colo.store.evict(self._peer(colo, dice).name)

    def do_resolve(self, colo: Colo, dice: Random) -> None:
        for fork in colo.store.forks:
            colo.store.resolve(dice.choice(fork))

    # checks

    def _look_at_all(self) -> None:
        for colo in self.colos:
            try:
                self._look(colo)
            except Failure:
                raise
            except Exception as error:
                raise Failure("exception", f"reading {colo.name}: {error!r}") from error

    def _look(self, colo: Colo) -> None:
        """What must hold of a colo whenever something changed there."""
        state, disk = colo.replica.state, colo.disk
        seen = (state.vector, state.floor, state.digest)
        if seen == colo.seen and not disk.dirty:
            return
        colo.seen = (dict(state.vector), state.floor, state.digest)
        dirty, disk.dirty = disk.dirty, set()
        self._view(colo, dirty)
        at = frozenset(state.vector.items())
        known = self.by_vector.get(at)
        if known is None:
            self.by_vector[at] = (colo.print, dict(colo.visible), colo.name)
        else:
            self.counts["comparisons"] += 1
            if known[0] != colo.print:
                self._differ(colo, known)
        digest = self.by_floor.setdefault((at, state.floor), (state.digest, colo.name))
        self.counts["digests"] += 1
        if digest[0] != state.digest:
            raise Failure("digest", f"{colo.name} and {digest[1]} at {dict(at)}, floor {state.floor}: cells differ: "
                          f"{self._unequal_cells(colo, digest[1])}")  # fmt: skip
        self._ask_shadow(colo, dirty)
        if len(self.by_vector) % 8 == 0:
            self.check(colo)

    def check(self, colo: Colo) -> None:
        wrong = colo.store.check()
        if wrong:
            raise Failure("check", f"{colo.name}: {wrong}")

    def _view(self, colo: Colo, dirty: set[str]) -> None:
        replica = colo.replica
        for key in dirty:
            old = colo.visible.pop(key, None)
            if old is not None:
                colo.print -= hash((key, old))
            new = _view(colo.disk.cells(key), colo.disk.context(key), FOR_EVER, replica.memo(key))
            if new is not None:
                colo.visible[key] = new
                colo.print += hash((key, new))

    def _differ(self, colo: Colo, known: tuple[int, dict[str, Any], str]) -> None:
        _, theirs, name = known
        keys = [k for k in sorted(colo.visible.keys() | theirs.keys()) if colo.visible.get(k) != theirs.get(k)]
        words = "; ".join(f"{k!r}: {_show(colo.visible.get(k))} != {_show(theirs.get(k))}" for k in keys)
        raise Failure("visible", f"{colo.name} now and {name} once, at {colo.store.vector}: {words}")

    def _unequal_cells(self, colo: Colo, name: str) -> str:
        other = next(c for c in self.colos if c.name == name)
        if other is colo or other.store.vector != colo.store.vector:
            return "(the other has moved on)"
        out = []
        for key in sorted({*colo.disk.keys("", None), *other.disk.keys("", None)}):
            a, b = colo.disk.cells(key), other.disk.cells(key)
            out += [f"{key!r} {p!r}: {a.get(p)} != {b.get(p)}" for p in sorted({*a, *b}) if a.get(p) != b.get(p)]
            if colo.disk.context(key) != other.disk.context(key):
                out.append(f"{key!r} context: {colo.disk.context(key)} != {other.disk.context(key)}")
        return "; ".join(out)

    def _ask_shadow(self, colo: Colo, dirty: set[str]) -> None:
        """The oracle: the same records, applied one by one and never purged."""
        vector, shadow = colo.replica.state.vector, colo.shadow
        if shadow.vector != vector:
            if not covers_all(vector, shadow.vector):
                shadow = colo.shadow = Shadow()
                dirty = set(colo.visible)
            lacking = [
                (r, n) for r, last in vector.items() for n in range(shadow.vector.get(r, 0) + 1, last + 1)
            ]  # fmt: skip
            found = sorted(self.records[dot][:2] for dot in lacking)
            shadow.apply(record for _, record in found)
            dirty = dirty | {w.key for _, record in found for w in record.writes}
        now = colo.replica.now()
        for key in dirty:
            cells, context = shadow.cells.get(key, {}), shadow.contexts.get(key, {})
            for at in (FOR_EVER, now) if TTL_PATH in cells else (FOR_EVER,):
                self.counts["oracle"] += 1
                mine = _view(colo.disk.cells(key), colo.disk.context(key), at, colo.replica.memo(key))
                wanted = _view(cells, context, at, {})
                if mine != wanted:
                    raise Failure("oracle", f"{colo.name} at {dict(vector)}: {key!r} shows {_show(mine)}; its history "
                                  f"says {_show(wanted)} (judged {'now' if at == now else 'later'})")  # fmt: skip
            self._ask_for_cells(colo, key, cells)

    def _ask_for_cells(self, colo: Colo, key: str, cells: Any) -> None:
        """To the sibling: what a store holds is a function of its vector and its floor."""
        mine, wanted = dict(colo.disk.cells(key)), dict(forgotten(cells, colo.replica.state.floor))
        if mine != wanted:
            words = [f"{pretty(p)}: {mine.get(p)} != {wanted.get(p)}" for p in sorted({*mine, *wanted})
                     if mine.get(p) != wanted.get(p)]  # fmt: skip
            raise Failure("oracle", f"{colo.name} at {colo.store.vector}, floor {colo.replica.state.floor}: {key!r} "
                          f"holds other cells than its history leaves: {'; '.join(words)}")  # fmt: skip

    # the end

    def finish(self) -> None:
        """Heal; require that all agree; delete everything; require that nothing is left."""
        self.heal()
        self._specs()
        for colo in self.colos:
            self.check(colo)
            for reads in self.reads.values():
                for read in reads:
                    self._read_again(colo, read)
        self.forget()
        for colo in self.colos:
            self.check(colo)

    def heal(self) -> None:
        """All messages are lost, all clocks are right, everybody meets everybody."""
        self.box.clear()
        # Above every stamp there is: a clock that was years ahead has been mended.
        stamps = [r.stamp for _, r, _ in self.records.values()]
        latest = stamp_ms(max(*(c.replica.state.clock for c in self.colos), *stamps))
        for colo in self.colos:
            colo.skew = 0
        self.now_ms = max(self.now_ms, latest) + 2_000
        for colo in self.colos:
            if colo.replica.state.left:
                self.do_wipe(colo, Random(0))  # who left for good comes back as somebody new
        for _ in range(12):
            for a, b in _pairs(self.colos):
                self._try(lambda a=a, b=b: a.store.sync(b.store))
                self._look_at_all()
            self._resolve()
            self._let_go()
            if self._agree():
                return
        self.now_ms += 1
        words = {
            c.name: (c.store.id, c.store.vector, c.store.members, c.store.forks, len(c.replica.state.pending))
            for c in self.colos
        }
        raise Failure("converge", f"not after 12 rounds of all with all: {words}")

    def _agree(self) -> bool:
        vectors = [c.store.vector for c in self.colos]
        live = all(c.store.id in o.store.members for c in self.colos for o in self.colos)
        open_ends = any(c.replica.state.pending or c.store.forks for c in self.colos)
        return live and all(v == vectors[0] for v in vectors) and not open_ends

    def _resolve(self) -> None:
        for colo in self.colos:
            for fork in colo.store.forks:
                known = {link.id for link in members.chain_links(colo.replica)}
                mine = [link for link in fork if link in known]
                if mine and colo.store.id in colo.store.members and fork[0] in mine:
                    self._try(lambda colo=colo, link=fork[0]: colo.store.resolve(link))
                    self._look_at_all()
                    return

    def _let_go(self) -> None:
        """Of a namespace only copies are left: at one an operator says that the others are lost, so that it goes on."""
        for colo in self.colos:
            states = [c.replica.state for c in self.colos]
            alive = {state.namespace for state in states if not state.copied}
            if colo.replica.state.copied and colo.replica.state.namespace not in alive:
                for id in colo.store.members:
                    self._try(lambda colo=colo, id=id: colo.store.evict(id))
                self._look_at_all()

    def _try(self, act: Callable[[], Any]) -> None:
        try:
            act()
        except Failure:
            raise
        except (BadRequest, Corrupt) as error:
            raise Failure("exception", f"while healing: {error!r}") from error
        except CrdtkvError as error:
            self.refusals[f"heal: {error.code}"] += 1
        except Exception as error:
            raise Failure("exception", f"while healing: {error!r}") from error

    def forget(self) -> None:
        """Every key is deleted; after purges nothing of it weighs anything anywhere."""
        first = self.colos[0]
        for key in list(first.store.keys()):
            first.store.delete(key)
        self._look_at_all()
        for _ in range(5):
            self.now_ms += 60_000
            for a, b in _pairs(self.colos):
                a.store.sync(b.store)
            for colo in self.colos:
                colo.store.compact()
            self._look_at_all()
        for colo in self.colos:
            left = {k: dict(colo.disk.cells(k)) for k in colo.disk.keys("\x01", None)}
            if left:
                raise Failure("weight", f"{colo.name}: all was deleted and purged, and there is still {left}")
            contexts = [k for k in colo.disk._contexts if k[:1] != members.SYSTEM]
            if contexts:
                raise Failure("weight", f"{colo.name}: contexts without cells: {contexts}")
            alive = len(colo.disk.cells(members.MEMBERS))
            if alive != len(colo.store.members):
                raise Failure("weight", f"{colo.name}: {alive} cells for {len(colo.store.members)} members")

    def _specs(self) -> None:
        """The plain definitions over the whole history of operations, where it is one of single operations."""
        for key in self.events:
            for colo in self.colos:
                self._ask_spec(colo, key)

    def _ask_spec(self, colo: Colo, key: str) -> None:
        events, spec = self.events[key], spec_of(key)
        if key in self.untold or len(events) > MAX_SPEC_EVENTS or spec not in _SPEC:
            return
        if spec == "set?wins=remove" and any(e.operation.name != "add" for e in events):
            return  # a new life forgets removes; the spec does not
        wanted = _SPEC[spec](seen_by(colo.store.vector, events))
        entry = colo.store.get(key)
        self.counts["spec"] += 1
        if not _same(entry.value if entry else None, None if wanted is ABSENT else wanted):
            raise Failure("spec", f"{colo.name}: {key!r} reads {entry}; its spec says {wanted!r}, after "
                          f"{[(e.dot, e.stamp, e.operation, e.seen, e.base) for e in events]}")  # fmt: skip


class _GivenUp(Exception):
    pass


class _Within:
    """A transaction where a colo is asked for its store."""

    def __init__(self, t: Any) -> None:
        self.store = t


def _pairs(colos: list[Colo]) -> Iterator[tuple[Colo, Colo]]:
    for i, a in enumerate(colos):
        for b in colos[i + 1 :]:
            yield a, b


def _view(cells: Any, context: Any, now: int, memo: dict[bytes, Any]) -> Any:
    """What a reader sees of a key at `now`, as bytes, and the key's context; None if it is absent."""
    if not cells:
        return None
    shown = pick(list(roots_in(cells, expired(cells, now), memo)))
    if shown is None:
        return None
    found, tree = shown
    siblings = found.siblings(tree)
    return (
        found.spec, values.pack(found.read(tree)), values.pack(siblings) if siblings else b"",
        tuple(sorted(context.items())),
    )  # fmt: skip


def _then(cells: Any) -> tuple[Any, Any]:
    """What cells show to who reads them as soon as they are so: value and siblings."""
    stamp = max(s.stamp for cell in cells.values() for s in cell)
    shown = pick(list(roots_in(cells, expired(cells, stamp)))) or pick(list(roots_in(cells)))
    return (None, ()) if shown is None else (shown[0].read(shown[1]), tuple(shown[0].siblings(shown[1])))


def _show(view: Any) -> str:
    if view is None:
        return "absent"
    spec, packed, siblings, context = view
    more = f" siblings {values.unpack(siblings)!r}" if siblings else ""
    return f"{values.unpack(packed)!r}{more} ({spec}, context {dict(context)})"


def _same(a: Any, b: Any) -> bool:
    return values.pack_canonical(_listed(a)) == values.pack_canonical(_listed(b))


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _folded(base: Any, mine: Any, theirs: Any) -> Any:
    from tests.laws.operations import folded

    return folded(base, mine, theirs)


_SPEC: dict[str, Callable[[list[Event]], Any]] = {
    "lww": lww.value,
    "mv": mv.value,
    "max": lambda e: greatest.value(e, values.sort_key),
    "min": lambda e: greatest.value(e, lambda v: -v),
    "latch?order=open,paid,sent": lambda e: greatest.value(e, ["open", "paid", "sent"].index),
    "flag": lambda e: flag.value(e, True),
    "flag?wins=disable": lambda e: flag.value(e, False),
    "counter": counter.value,
    "set": lambda e: set_spec.value(e, True),
    "set?wins=remove": lambda e: set_spec.value(e, False),
    "log": log.value,
    "merge:folded": lambda e: merge.value(e, _folded),
    "words": words.value,
    "words?wins=delete": lambda e: words.value(e, True),
}
