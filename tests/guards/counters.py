"""Counters: every add counts once, a reset takes away what it saw."""

from __future__ import annotations

from crdtkv.core.cells import due
from crdtkv.core.paths import is_counted
from crdtkv.errors import Overflow
from crdtkv.replica.core import Replica
from crdtkv.replica.draft import Draft
from crdtkv.store import maintenance
from crdtkv.strategies import counter, counter_cells, json
from crdtkv.strategies.base import Operation
from tests.colos import Colos, arrive, cells, cut, refuses, shows
from tests.guards.mutation import Line, guards

DAY = 25 * 3600


@guards(
    "siblings read as the max of each",
    Line(
        counter_cells.share,
        "Share(*map(max, zip(*said, strict=True))) if said else _NO_SHARE",
        "said[-1] if said else _NO_SHARE",
    ),
    Line(counter_cells.share, "map(max,", "map(min,"),
)
def a_reset_and_a_concurrent_add_leave_the_add() -> None:
    """Case 32, whichever of the two comes first by its dot."""
    for resets, adds in ("ab", "ba"):
        colos = Colos("a", "b")
        colos[adds].counter("n").add(5)
        colos.meet()
        colos[resets].counter("n").reset()
        colos[adds].counter("n").add(3)
        colos.meet()
        assert colos.read("n") == 3


@guards(
    "each only growing (additions and subtractions apart)",
    Line(counter_cells.plus, "if n >= 0 else (up, up_gone, down - n, down_gone)", "if True else self"),
)
def a_subtraction_is_not_undone_by_a_reset_that_saw_more() -> None:
    """b takes 4 off its 10 while a resets the 10: what stands is the subtraction."""
    colos = Colos("a", "b")
    colos["b"].counter("n").add(10)
    colos.meet()
    colos["a"].counter("n").reset()
    colos["b"].counter("n").add(-4)
    colos.meet()
    assert colos.read("n") == -4


@guards(
    "An add replaces all siblings of the own cell by (max total + n, max cancelled).",
    Line(counter.Counter._add, "share(cell) if cell", "share(cell[:1]) if cell"),
    Line(counter.Counter._add, "(path, packed(own), True, False)", "(path, packed(own), False, False)"),
)
def an_add_goes_on_from_all_that_stands_in_its_cell() -> None:
    """b's share has two siblings, its own and a's reset; adds in a document, on an old base, leave one."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    b.rules.set("doc", "json", paths={"/n": "counter"})
    base = b.put("doc", {"n": 5}).version
    colos.meet()
    a.json("doc").counter("/n").reset()
    b.json("doc").counter("/n").add(1)
    colos.meet()
    at = ("n",)
    for _ in range(2):
        b.operate("doc", "json", "at", at, "counter", Operation("add", (1,)), base=base)
    colos.meet()
    assert colos.read("doc") == {"n": 3}
    assert max(len(cell) for path, cell in b._replica.storage.cells("doc").items() if is_counted(path)) == 1


@guards(
    "A reset writes, in each replica's cell its base shows, (total at base, cancelled := total at base)",
    Line(counter.cancel, "for path, seen in env.base.below():", "for path, seen in tree.below():"),
)
def a_reset_takes_away_what_its_base_saw() -> None:
    colos = Colos("a", "b")
    colos["a"].counter("n").add(5)
    base = colos["a"].get("n").version
    colos["a"].counter("n").add(3)
    colos["a"].counter("n").reset(base=base)
    colos.meet()
    assert colos.read("n") == 3


@guards(
    "A delete is a reset whose writes are dead: a counter is absent when every sibling in every cell is dead.",
    Line(counter._cancel_share, "after.pack(dead=delete and after == after.cancelled_to(after))", "after.pack()"),
)
def a_deleted_counter_is_absent() -> None:
    colos = Colos("a", "b")
    for kv in colos.values():
        kv.counter("n").add(5)
    colos.meet()
    colos["a"].delete("n")
    colos.meet()
    assert colos.read("n") is None


@guards(
    "What the base had not seen must stay alive beside this.",
    Line(counter._cancel_share, "if delete and any(", "if False and any("),
)
def a_delete_leaves_what_its_base_had_not_seen() -> None:
    """On an old base: the counter is there, with what came since, and if that was a reset, at 0."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    base = a.put("n", 5, strategy="counter").version
    a.counter("n").add(3)
    a.delete("n", base=base)
    colos.meet()
    assert colos.read("n") == 3
    b.counter("m").add(5)
    colos.meet()
    a.counter("m").reset()
    version = b.counter("m").add(1).version
    colos.meet()
    b.delete("m", base=version)
    colos.meet()
    assert colos.read("m") == 0


@guards(
    "What this transaction added itself after its base stays: what is dead counts nothing.",
    Line(counter._cancel_share, "after.pack(dead=delete and after == after.cancelled_to(after))", "after.pack(dead=delete)"),
)
def a_delete_leaves_what_its_own_transaction_added() -> None:
    """On a base from before the transaction."""
    colos = Colos("a", "b")
    base = colos["a"].put("n", 5, strategy="counter").version
    with colos["a"].transaction() as t:
        t.counter("n").add(3)
        t.delete("n", base=base)
    colos.meet()
    assert colos.read("n") == 3


@guards(
    "Dead cells are dropped like tombstones.",
    Line(due, 'payload is None or (payload[:1] == b"\\xc1" and len(payload) != 2)', "payload is None"),
)
def a_deleted_counter_weighs_nothing() -> None:
    colos = Colos("a", "b")
    colos["a"].counter("n").add(5)
    colos["a"].delete("n")
    colos.purge()
    assert [cells(kv, "n") for kv in colos.values()] == [0, 0]


@guards(
    "A share that a purge drops, here or where a catch-up comes from, never begins at 0 again, "
    "but above the highest total this replica ever dropped.",
    Line(counter.Counter._add, "Share(floor, floor, floor, floor)", "Share()"),
    Line(Replica._note_share, "max(self.state.share_floor, said.up, said.down)", "0"),
    Line(Replica.replace_cell, "if not cell:", "if not cell and until is not None:"),
)
def a_share_goes_on_above_what_was_dropped() -> None:
    """The counter is deleted, purged and begun anew by b; a reset at a on an old base takes nothing of the new."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    b.counter("n").add(100)
    old = b.get("n").version
    colos.meet()
    a.delete("n")
    colos.purge()
    assert cells(a, "n") == 0
    b.counter("n").add(7)
    colos.meet()
    a.counter("n").reset(base=old)
    colos.meet()
    assert colos.read("n") == 7


@guards(
    "by a purge here or by one that a catch-up tells of: the next begins above it",
    Line(Replica.replace_cell, "if not cell:", "if not cell and until is None:"),
)
def a_share_goes_on_above_what_was_dropped_elsewhere() -> None:
    """The same where b has not purged: a catch-up of a, where the counter began anew twice since, has no share of b."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    b.counter("n").add(100)
    old = b.get("n").version
    colos.meet()
    a.delete("n")
    colos.purge_only("a")
    a.counter("n").add(5)
    a.delete("n")
    a.counter("n").add(1)
    arrive(b, cut(a, b))
    b.counter("n").add(7)
    colos.meet()
    a.counter("n").reset(base=old)
    colos.meet()
    assert colos.read("n") == 8


# keyed adds


@guards(
    "Counted here before, whatever became of it since: a tombstone remembers as well.",
    Line(counter.Counter._add_once, "if cell:", "if False:"),
)
def a_key_tried_again_after_it_was_folded_counts_once() -> None:
    colos = Colos("a", "b")
    kv = colos["a"]
    kv.counter("n").add(1, idempotency_key="k")
    colos.purge()
    colos.clock.wait(DAY)
    before = kv.vector
    kv.compact()
    assert kv.vector != before
    kv.counter("n").add(1, idempotency_key="k")
    colos.meet()
    assert colos.read("n") == 1


@guards(
    "once every sibling is at or below S and a day old",
    Line(counter_cells.fold, "or latest(cell).stamp > floor", ""),
)
def a_key_is_not_folded_before_all_have_heard_of_it() -> None:
    """Tried at a and at b, which are apart for a day: it counts once."""
    colos = Colos("a", "b")
    for kv in colos.values():
        kv.counter("n").add(1, idempotency_key="k")
    colos.clock.wait(DAY)
    for kv in colos.values():
        kv.compact()
    colos.meet()
    assert colos.read("n") == 1
    colos.purge(DAY)
    colos.meet()
    assert colos.read("n") == 1


@guards(
    "once every sibling is at or below S and a day old",
    Line(counter_cells.fold, "stamp_ms(latest(cell).stamp) + FOLD_AFTER_MS > now_ms", "False"),
)
def a_key_is_remembered_for_a_day() -> None:
    colos = Colos("a", "b")
    colos["a"].counter("n").add(1, idempotency_key="k")
    colos.purge()
    colos.purge()
    colos["a"].counter("n").add(1, idempotency_key="k")
    colos.meet()
    assert colos.read("n") == 1


@guards(
    "not folded and not cancelled -> adds the amount to its own total and sets folded",
    Line(counter_cells.fold, "shares[at] = mine.plus(keyed.amount)", "pass"),
    Line(counter_cells.fold, "if keyed.folded or keyed.gone:", "if keyed.gone:"),
)
def a_key_is_folded_once_and_then_forgotten() -> None:
    colos = Colos("a", "b")
    colos["a"].counter("n").add(1, idempotency_key="k")
    for _ in range(3):
        colos.purge(DAY)
    assert colos.read("n") == 1 and [cells(kv, "n") for kv in colos.values()] == [1, 1]


@guards(
    "nothing if only cancelled",
    Line(
        counter_cells.Once.value, "0 if self.folded or self.gone else self.amount", "0 if self.folded else self.amount"
    ),
    Line(
        counter._cancel_once, "yield Write(path, after.pack(dead=delete))", "yield Write(path, base.pack(dead=delete))"
    ),
)
def a_key_that_was_reset_counts_no_more() -> None:
    colos = Colos("a", "b")
    colos["a"].counter("n").add(1, idempotency_key="k")
    colos["a"].counter("n").add(2)
    colos["a"].counter("n").reset()
    colos.meet()
    assert colos.read("n") == 0


@guards(
    "the lowest dot owns it",
    Line(counter_cells.fold, "not owner_is(keyed.owner)", "False"),
)
def one_colo_folds_a_key() -> None:
    """Both know of it, both compact: it is in one share."""
    colos = Colos("a", "b")
    for kv in colos.values():
        kv.counter("n").add(1, idempotency_key="k")
    colos.meet()
    for _ in range(2):
        colos.clock.wait(DAY)
        colos.meet(2)
    for kv in colos.values():
        kv.compact()
        kv.compact()
    colos.meet()
    assert colos.read("n") == 1


@guards(
    "folded := 2 (cancelled inside the share) in what it shows folded",
    Line(
        counter_cells.Once.cancelled,
        "self._replace(folded=2) if self.folded else self._replace(gone=1)",
        "self._replace(gone=1)",
    ),
)
def a_reset_that_sees_the_share_takes_a_folded_key_once() -> None:
    colos = Colos("a", "b")
    colos["a"].counter("n").add(1, idempotency_key="k")
    for _ in range(2):
        colos.clock.wait(DAY)
        colos.meet(2)
        colos["a"].compact()
    colos["a"].counter("n").reset()
    colos.meet()
    assert colos.read("n") == 0


@guards(
    "folded and cancelled -> adds the amount to its own cancelled and tombstones",
    Line(counter_cells.fold, "shares[at] = mine.minus_folded(keyed.amount)", "pass"),
    Line(counter_cells.Once.value, "-self.amount if self.gone else 0", "0"),
)
def a_key_folded_while_it_is_reset_is_taken_off_again() -> None:
    """Case 49: b resets what a folds at the same time: 0, then and for ever."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.counter("n").add(1, idempotency_key="k")
    colos.purge()
    colos.clock.wait(DAY)
    b.counter("n").reset()
    a.compact()
    colos.meet()
    assert colos.read("n") == 0
    colos.purge(DAY)
    colos.meet()
    assert colos.read("n") == 0


@guards(
    "The owner is written into the payload when the cell is rewritten.",
    Line(counter_cells.fold, "folded=1, owner=env.replica", "folded=1"),
)
def a_key_is_taken_off_the_share_it_was_folded_into() -> None:
    """The same, where a bears a new name when it folds what it wrote under the old one."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.counter("n").add(1, idempotency_key="k")
    colos.purge()
    colos.clock.ahead["a"] = -120
    old = a.id
    a.put("renamed", 1)
    assert a.id != old
    colos.meet()
    colos.clock.wait(DAY)
    b.counter("n").reset()
    a.compact()
    colos.meet()
    colos.purge(DAY)
    colos.meet()
    assert colos.read("n") == 0


@guards(
    "No reading changes.",
    Line(counter_cells.fold, "shares[own] = share(tree.cell(own))", "pass"),
)
def a_counter_that_was_reset_stays_at_nothing_when_its_key_is_forgotten() -> None:
    """It reads 0, not absent."""
    colos = Colos("a", "b")
    colos["a"].counter("n").add(1, idempotency_key="k")
    colos["a"].counter("n").reset()
    colos.purge(DAY)
    assert colos.read("n") == 0


@guards(
    "Refuse what leaves 64 bits; a step back toward them is welcome.",
    Line(counter._check, "abs(shown + n) >= abs(shown)", "False"),
    Line(counter._check, "and abs(shown + n) >= abs(shown)", ""),
)
def what_leaves_64_bits_is_refused_and_the_way_back_is_not() -> None:
    """Case 33."""
    colos = Colos("a", "b")
    big = 2**62 + 2**61
    for kv in colos.values():
        kv.counter("n").add(big)
    colos.meet()
    assert refuses(Overflow, lambda: colos["a"].counter("n").add(1))
    colos["a"].counter("n").add(-1)
    assert shows(colos["a"], "n") == 2 * big - 1


@guards(
    "Only what is shown: a write below what is deleted would bring it back.",
    Line(
        json._counted,
        "shown = reader.shown(node)",
        "shown = reader.shown(node) or Shown(MARK_OBJECT, (0, ('', 0)), None)",
    ),
)
def what_is_deleted_is_not_folded() -> None:
    """The increments are stable and a day old; the delete of what they are in is not."""
    colos = Colos("a", "b")
    a = colos["a"]
    a.rules.set("doc", "json", paths={"/c/n": "counter"})
    a.put("doc", {"c": {"n": 0}, "x": 0})
    a.json("doc").counter("/c/n").add(5, idempotency_key="k")
    colos.purge(DAY)
    a.put("other", 0)
    a.json("doc").counter("/c/n").add(5, idempotency_key="l")
    colos.meet()
    colos.clock.wait(DAY)
    colos.meet()
    a.compact()
    colos.clock.wait(DAY)
    a.json("doc").at("/c").delete()
    a.compact()
    assert shows(a, "doc") == {"x": 0}


@guards(
    "Writes that keep the key's counters in order, be it in a document, and change no reading.",
    Line(Draft.maintain, "tree.sub(place).raw() if found.whole else tree", "tree.sub(place)"),
    Line(maintenance._fold, "any(_KEYED in path for path in storage.cells(key))", "False"),
)
def a_document_kept_by_a_later_edit_keeps_what_was_counted_before() -> None:
    """b did not know of the date, which has passed: all is shown, and what is folded is added to all that was counted."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.rules.set("doc", "json", paths={"/n": "counter"})
    a.put("doc", {"n": 0})
    colos.meet()
    b.json("doc").counter("/n").add(7)
    colos.meet()
    a.expire("doc", 10)
    colos.clock.wait(20)
    b.json("doc").counter("/n").add(5, idempotency_key="k")
    colos.meet()
    assert colos.read("doc") == {"n": 12}
    before = cells(b, "doc")
    for _ in range(2):
        colos.purge(DAY)
        colos.meet()
        assert colos.read("doc") == {"n": 12}
    assert cells(b, "doc") < before
