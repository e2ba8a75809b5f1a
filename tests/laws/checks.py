"""What must hold after every step, and the four definitions that it is held against."""

from __future__ import annotations

from typing import Any

from crdtkv.core.clocks import covers_all
from crdtkv.core.paths import pretty
from crdtkv.store.selection import USER_KEYS
from crdtkv.store.telling import of_roots
from crdtkv.strategies.base import ABSENT
from crdtkv.strategies.roots import TTL_PATH, expired, roots_in
from tests.laws.actions import FOR_EVER, MAX_SPEC_EVENTS, Failure
from tests.laws.disks import Colo
from tests.laws.ground import Ground
from tests.laws.operations import spec_of
from tests.laws.shadow import Shadow, forgotten
from tests.laws.views import PLAIN, same, show, view_of
from tests.specs.history import seen_by

__all__ = ["Checks"]


class Checks(Ground):
    """See the kinds of failure in `world`."""

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
        self._see(colo, dirty)
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
        self._ask_reader(colo, set(colo.disk.keys(USER_KEYS, None)))

    def _see(self, colo: Colo, dirty: set[str]) -> None:
        replica = colo.replica
        for key in dirty:
            old = colo.visible.pop(key, None)
            if old is not None:
                colo.print -= hash((key, old))
            new = view_of(colo.disk.cells(key), colo.disk.context(key), FOR_EVER, replica.memo(key))
            if new is not None:
                colo.visible[key] = new
                colo.print += hash((key, new))
        self._ask_reader(colo, dirty)

    def _ask_reader(self, colo: Colo, keys: set[str]) -> None:
        """What a reader is told, from memory or at a glance, is what is made of the cells anew."""
        now = colo.replica.now()
        for key in sorted(key for key in keys if key >= USER_KEYS):
            self.counts["oracle"] += 1
            cells = colo.disk.cells(key)
            wanted = of_roots(key, cells, colo.disk.context(key), list(roots_in(cells, expired(cells, now))))
            found, passed = colo.store.get(key), next(iter(colo.store.scan(start=key, end=key + "\1")), None)
            if not (repr(found) == repr(passed) == repr(wanted)) or (key in colo.store) != (wanted is not None):
                raise Failure("oracle", f"{colo.name}: {key!r} is told as {found}, scanned as {passed}; it is {wanted}")

    def _differ(self, colo: Colo, known: tuple[int, dict[str, Any], str]) -> None:
        _, theirs, name = known
        keys = [k for k in sorted(colo.visible.keys() | theirs.keys()) if colo.visible.get(k) != theirs.get(k)]
        words = "; ".join(f"{k!r}: {show(colo.visible.get(k))} != {show(theirs.get(k))}" for k in keys)
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
                mine = view_of(colo.disk.cells(key), colo.disk.context(key), at, colo.replica.memo(key))
                wanted = view_of(cells, context, at, {})
                if mine != wanted:
                    raise Failure("oracle", f"{colo.name} at {dict(vector)}: {key!r} shows {show(mine)}; its history "
                                  f"says {show(wanted)} (judged {'now' if at == now else 'later'})")  # fmt: skip
            self._ask_for_cells(colo, key, cells)

    def _ask_for_cells(self, colo: Colo, key: str, cells: Any) -> None:
        """To the sibling: what a store holds is a function of its vector and its floor."""
        mine, wanted = dict(colo.disk.cells(key)), dict(forgotten(cells, colo.replica.state.floor))
        if mine != wanted:
            words = [f"{pretty(p)}: {mine.get(p)} != {wanted.get(p)}" for p in sorted({*mine, *wanted})
                     if mine.get(p) != wanted.get(p)]  # fmt: skip
            raise Failure("oracle", f"{colo.name} at {colo.store.vector}, floor {colo.replica.state.floor}: {key!r} "
                          f"holds other cells than its history leaves: {'; '.join(words)}")  # fmt: skip

    def _specs(self) -> None:
        """The plain definitions over the whole history of operations, where it is one of single operations."""
        for key in self.events:
            for colo in self.colos:
                self._ask_spec(colo, key)

    def _ask_spec(self, colo: Colo, key: str) -> None:
        events, spec = self.events[key], spec_of(key)
        if key in self.untold or len(events) > MAX_SPEC_EVENTS or spec not in PLAIN:
            return
        if spec == "set?wins=remove" and any(e.operation.name != "add" for e in events):
            return  # a new life forgets removes; the spec does not
        wanted = PLAIN[spec](seen_by(colo.store.vector, events))
        entry = colo.store.get(key)
        self.counts["spec"] += 1
        if not same(entry.value if entry else None, None if wanted is ABSENT else wanted):
            raise Failure("spec", f"{colo.name}: {key!r} reads {entry}; its spec says {wanted!r}, after "
                          f"{[(e.dot, e.stamp, e.operation, e.seen, e.base) for e in events]}")  # fmt: skip
