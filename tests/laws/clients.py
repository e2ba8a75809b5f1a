"""What clients do: operations on old bases, transactions, expiry, what the inbox gives back, and reads of the past."""

from __future__ import annotations

from random import Random
from typing import Any

from crdtkv.core.clocks import covers_all
from crdtkv.core.versions import parse_version
from crdtkv.errors import BaseNotHere, BaseTooOld, CrdtkvError, VersionInvalid
from crdtkv.replica import life
from crdtkv.strategies.base import ABSENT, Operation
from crdtkv.strategies.roots import TTL_PATH
from tests.laws.actions import IGNORED, MAX_READS, Failure
from tests.laws.disks import Colo
from tests.laws.ground import Ground, Read
from tests.laws.operations import Wish, draw, norm, norm_read, spec_of
from tests.laws.views import same, then_shown
from tests.specs.history import Event

__all__ = ["Clients"]


class _GivenUp(Exception):
    pass


class _Within:
    """A transaction where a colo is asked for its store."""

    def __init__(self, t: Any) -> None:
        self.store = t


class Clients(Ground):
    """Each operation is checked as soon as it is made: put-get, and that a refusal changes nothing."""

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
        current = base is None or covers_all(parse_version(key, base), replica.storage.context(key))
        if entry is None and base is not None and wish.name == "put":
            current = False  # of a list or set only what is new to who had read the base
            self.untold.add(key)
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
            if not same(read, wanted) or not same(store.get(key).value, receipt.value):  # type: ignore[union-attr]
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
            value, siblings = then_shown(colo.disk.cells(key))
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
        if wish.name == "add" and len(wish.args) == 2 and self._forgot_a_delete(colo, key):
            self.untold.add(key)  # a delete takes its idempotency keys along where it is forgotten; the spec has them
        self.events.setdefault(key, []).append(Event((origin, n), stamp, operation, before, known or before))
        self._ask_spec(colo, key)

    def _forgot_a_delete(self, colo: Colo, key: str) -> bool:
        floor = colo.replica.state.floor
        return any(e.operation.name == "delete" and e.stamp <= floor for e in self.events.get(key, ()))

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
        if entry is None or not same(entry.value, read.value) or not same(entry.siblings, read.siblings):
            raise Failure("history", f"{colo.name}: {read.key!r} at {read.version} was {read.value!r} "
                          f"{read.siblings}, is now {entry}")  # fmt: skip
