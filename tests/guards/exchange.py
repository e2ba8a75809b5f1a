"""Exchange: records, catch-ups, full joins."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import crdtkv
from crdtkv.core.wire import Record, decode, encode
from crdtkv.errors import DigestMismatch
from crdtkv.replica import cutting, exchange, life, purge, recent
from crdtkv.replica.core import Replica
from crdtkv.replica.draft import Draft
from crdtkv.replica.recent import Recent, Waiting
from crdtkv.storage.transactions import Transactions
from crdtkv.store import syncing
from tests.colos import Colos, Disks, arrive, cells, come_in, cut, full_disk, limited, record, refuses, shows
from tests.guards.mutation import Line, guards

# records


@guards(
    "Absorbed when the origin's previous dot and those entries are here",
    Line(exchange._ready, "n == vector.get(origin, 0) + 1 and", ""),
    Line(exchange._absorb_records, "absorbed += _absorb_waiting(replica)", "pass"),
    Line(recent._wanted, "yield origin, n - 1", "yield origin, n - 2"),
    Line(exchange._judge, "replica.waiting.admit(record, data)", "pass"),
    Line(exchange._judge, "if not _ready(replica, record):", "if False:"),
)
def a_record_waits_for_the_one_before_it() -> None:
    """The third arrives first, then the first; both others are taken in when the second is here."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    first, second, third = (record(a, lambda kv, key=key: kv.put(key, 1)) for key in "xyz")
    assert arrive(b, third) == "waiting"
    assert arrive(b, first) == "absorbed"
    assert arrive(b, second) == "absorbed"
    assert [shows(b, key) for key in "xyz"] == [1, 1, 1]


@guards(
    "Absorb the waiting records whose time has come, drop those that are known.",
    Line(exchange._absorb_waiting, "moved = True\n            else", "moved = False\n            else"),
    Line(exchange.absorb, "release(replica)", "pass"),
)
def what_waits_is_absorbed_as_soon_as_it_can_be() -> None:
    """a's waits for b's second, which waits for the first, which comes in a catch-up."""
    colos = Colos("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    b.put("x", 1)
    first = cut(b, c)
    second = record(b, lambda kv: kv.put("x", 2))
    arrive(a, cut(b, a))
    third = record(a, lambda kv: kv.put("x", 3))
    for told in (third, second):
        assert arrive(c, told) == "waiting"
    assert arrive(c, first) == "absorbed"
    assert shows(c, "x") == 3 and c._replica.waiting == {}


@guards(
    "What is absorbed one by one is at what it builds on when the last of these comes",
    Line(recent._wanted, "if r != origin", "if False"),
    Line(exchange._absorb_waiting, "replica.waiting.pop(record.dot)", "pass"),
)
def what_waits_for_another_origin_is_absorbed_when_that_comes() -> None:
    """And one that continues another chain waits no more, once it is its turn."""
    colos = Colos("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    first = record(b, lambda kv: kv.put("x", 1))
    arrive(a, first)
    second = record(a, lambda kv: kv.put("x", 2))
    strange = decode(record(a, lambda kv: kv.put("x", 3)))
    assert isinstance(strange, Record)
    assert arrive(c, encode(strange._replace(previous=strange.previous ^ 1))) == "waiting"
    assert arrive(c, second) == "waiting"
    assert arrive(c, first) == "absorbed"
    assert shows(c, "x") == 2 and c._replica.waiting == {} and a.id in c._replica.state.quarantined


@guards(
    "records where they are at hand, catch-ups for the rest.",
    Line(exchange._absorb_records, "replica.took(absorbed)", "pass"),
)
def a_record_is_passed_on() -> None:
    colos = Colos("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    arrive(b, record(a, lambda kv: kv.put("k", 1)))
    report = b.sync(c)
    assert (report.records, report.cells) == (1, 0)


@guards(
    "each cell holding a sibling beyond from",
    Line(cutting._roots_of, "if TTL_PATH in given else", "if given else"),
)
def a_catch_up_ships_no_more_than_it_must() -> None:
    """One element more in a set of a hundred."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("s", list(range(100)), strategy="set")
    colos.meet()
    a.set("s").add("one more")
    message = decode(cut(a, b))
    assert [len(key.cells) for key in message.keys] == [1]


@guards(
    "`chains`: hash of each replica's last record, where known.",
    Line(exchange._advance, "chains.pop(origin, None)", "pass"),
)
def who_is_not_told_a_chain_believes_the_next_record() -> None:
    """A catch-up came without chains: what is known here is not the last one's."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("k", 1)
    colos.meet()
    a.put("k", 2)
    arrive(b, encode(decode(cut(a, b))._replace(chains={})))
    assert arrive(b, record(a, lambda kv: kv.put("k", 3))) == "absorbed"


@guards(
    "Absorbed when the origin's previous dot and those entries are here",
    Line(exchange._ready, "all(m <= vector.get(r, 0) for r, m in record.needs.items() if r != origin)", "True"),
    Line(Draft.record, "ahead(ahead(state.vector, replica.spoken), replica.implied)", "{}"),
)
def a_record_waits_for_what_its_writer_had_seen() -> None:
    """a puts 2 over b's 1; c hears of the 2 first: the 1 does not come after it."""
    colos = Colos("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    one = record(b, lambda kv: kv.put("k", 1, strategy="mv"))
    arrive(a, one)
    two = record(a, lambda kv: kv.put("k", 2))
    arrive(c, two)
    assert shows(c, "k") is None
    arrive(c, one)
    assert c.get("k").siblings == (2,)


@guards(
    "the vector entries that changed since the origin's previous transaction (all, on the first after each open)",
    Line(Replica.__init__, "self.spoken: dict[str, int] = {}", "self.spoken = dict(state.vector)"),
)
def after_a_restart_a_record_waits_for_all_that_its_writer_had_seen() -> None:
    """Case 51: the same, with a stop between a's reading of the 1 and its 2."""
    colos = Disks("a", "b", "c")
    one = record(colos["b"], lambda kv: kv.put("k", 1, strategy="mv"))
    arrive(colos["a"], one)
    colos.open("a")
    two = record(colos["a"], lambda kv: kv.put("k", 2))
    arrive(colos["c"], two)
    assert shows(colos["c"], "k") is None
    arrive(colos["c"], one)
    assert colos["c"].get("k").siblings == (2,)


@guards(
    "but for those that a record absorbed since needs as well",
    Line(Replica.took, "implied[origin] = n", "implied[origin] = n + 1"),
)
def what_is_left_out_of_what_a_record_needs_is_waited_for_all_the_same() -> None:
    """b's record needs c's first; a, which has both and then c's second, names what b's did not need."""
    colos = Colos("a", "b", "c", "x")
    a, b, c, x = (colos[name] for name in "abcx")
    c1 = record(c, lambda kv: kv.put("c", 1))
    arrive(b, c1)
    b1 = record(b, lambda kv: kv.put("b", 1))
    c2 = record(c, lambda kv: kv.put("c", 2))
    for told in (c1, b1, c2):
        assert arrive(a, told) == "absorbed"
    a1 = record(a, lambda kv: kv.put("a", 1))
    assert [arrive(x, told) for told in (c1, b1, a1, c2)] == ["absorbed", "absorbed", "waiting", "absorbed"]
    assert shows(x, "a") == 1


@guards(
    "(all, on the first after each open)",
    Line(life.return_to, "replica.spoken, replica.implied = {}, {}", "replica.spoken = {}"),
)
def who_returned_names_all_that_is_here() -> None:
    """What implied some of it may be among what was dropped when e returned."""
    colos = Colos("a", "b", "c", "e")
    a, b, c, e = (colos[name] for name in "abce")
    c1 = record(c, lambda kv: kv.put("c", 1))
    arrive(b, c1)
    b1 = record(b, lambda kv: kv.put("b", 1))
    for told in (c1, b1):
        arrive(e, told)
    arrive(a, c1)
    a.evict("e")
    come_in(e, a)
    made = decode(record(e, lambda kv: kv.put("k", 1)))
    assert isinstance(made, Record) and made.needs.get(c.id) == c.vector[c.id]


@guards(
    "then at each cell remove parents, add the sibling",
    Line(exchange._write_one, "old, cell, by=dot)  # most", "old, make_cell([*cell, *old]), by=dot)"),
    Line(exchange._write_one, "gone = set(parents)", "gone = set()"),
    Line(exchange._write_one, "if was[0] == parents[0]:", "if True:"),
)
def a_record_takes_away_what_it_replaced() -> None:
    """One or two, and of what it had not seen nothing."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("k", 1, strategy="mv")
    colos.meet()
    arrive(b, record(a, lambda kv: kv.put("k", 2)))
    assert b.get("k").siblings == (2,)
    b.put("k", 3)
    arrive(b, record(a, lambda kv: kv.put("k", 4)))
    assert sorted(b.get("k").siblings) == [3, 4]
    colos.meet()
    arrive(b, record(a, lambda kv: kv.put("k", 5)))
    assert b.get("k").siblings == (5,)


@guards(
    "purge to its S; sweeps; then at each cell remove parents, add the sibling.",
    Line(exchange._take_record, "purge_to(replica, record.floor)", "pass"),
)
def a_record_is_absorbed_after_what_its_writer_had_purged() -> None:
    """Case 54: a purges the deleted key and makes it anew; at b, which has not purged, its tombstone goes first."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    b.put("k", 1)
    colos.meet()
    b.delete("k")
    for _ in range(2):
        colos.clock.wait(20)
        colos.meet(2)
    a.compact()
    assert cells(a, "k") == 0 and a.floor > b.floor
    arrive(b, record(a, lambda kv: kv.put("k", ["x"], strategy="set")))
    assert a.get("k").version == b.get("k").version and cells(a, "k") == cells(b, "k") == 1


@guards(
    "A record that does not continue its origin's chain puts the origin into quarantine and is refused.",
    Line(
        exchange._absorb_record, "if state.chains.get(origin, previous) != previous:", "if False:"
    ),
    Line(exchange._may_absorb, "record.dot[0] not in replica.state.quarantined and", ""),
)
def a_record_out_of_another_chain_is_refused_and_so_is_all_that_follows() -> None:
    """Two processes wrote one dot (a copied disk): nothing of that origin is believed until somebody looks."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("x", 1)
    colos.meet()
    real = decode(record(a, lambda kv: kv.put("x", 2)))
    assert isinstance(real, Record)
    assert arrive(b, encode(real._replace(previous=real.previous ^ 1))) == "refused"
    assert arrive(b, encode(real)) == "refused"
    assert shows(b, "x") == 1 and any(a.id in words for words in b.check())


@guards(
    "Both are idempotent and may be lost, doubled or late.",
    Line(exchange._judge, "if covers(replica.state.vector, record.dot):", "if False:"),
)
def a_record_that_comes_twice_is_known() -> None:
    """It does not wait for ever for what came before it."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    told = record(a, lambda kv: kv.counter("n").add(1))
    assert [arrive(b, told), arrive(b, told)] == ["absorbed", "known"]
    assert shows(b, "n") == 1 and b._replica.waiting == {}


@guards(
    "Records that wait for what they build on, each with its bytes. What is too much is not kept: a catch-up heals.",
    Line(Waiting.admit, "len(self) < MAX_WAITING and", ""),
    Line(Waiting.admit, "and self._bytes + len(data) <= WAITING_BYTES", ""),
    Line(Waiting.admit, "and record.dot not in self", ""),
    Line(Waiting.pop, "self._bytes -= len(made[1])", "pass"),
)
def what_waits_is_bounded() -> None:
    """In records and in bytes; what comes twice counts once, and what waits no more counts no more."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    for limit, many in (("MAX_WAITING", lambda data: 3), ("WAITING_BYTES", lambda data: 3 * len(data) + 2)):
        first, *rest = [record(a, lambda kv, i=i: kv.put("x", i)) for i in range(10, 16)]
        with limited(recent, limit, many(rest[0])):
            for data in [rest[0], *rest]:
                assert arrive(b, data) == "waiting"
            assert len(b._replica.waiting) == 3
        arrive(b, first)
        colos.meet()
        assert shows(b, "x") == 15 and b._replica.waiting == {}


@guards(
    "Either is absorbed in one transaction: seen whole or not at all.",
    Line(Replica.undo, "self._put_back(before)", "pass"),
    Line(Replica.undo, "self.memos.clear()", "pass"),
    Line(Transactions.rollback, "in reversed(self._undo[mark:]):", "in ():"),
)
def a_commit_that_fails_leaves_nothing() -> None:
    """The disk is full when a record of two keys is absorbed, and when a client writes: all is as it was."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("doc", {"x": 1}, strategy="json")
    colos.meet()
    assert shows(b, "doc") == {"x": 1}

    def both(kv: crdtkv.Store) -> None:
        with kv.transaction() as t:
            t.json("doc").at("/x").put(2)
            t.put("other", 2)

    told = record(a, both)
    for act in (lambda: arrive(b, told), lambda: both(b)):
        before = b.vector
        with full_disk(b):
            act()
        assert (shows(b, "doc"), shows(b, "other"), b.vector) == ({"x": 1}, None, before)
        assert b.check() == []
    assert arrive(b, told) == "absorbed" and shows(b, "doc") == {"x": 2}


@guards(
    "All that happens inside is kept whole, or undone whole if anything raises.",
    Line(Replica.undo, "self.storage.rollback()", "pass"),
)
def a_transaction_that_is_given_up_leaves_nothing() -> None:
    class GivenUp(Exception):
        pass

    kv = Colos("a")["a"]
    before = kv.vector
    with suppress(GivenUp), kv.transaction() as t:
        t.put("x", 1)
        raise GivenUp
    assert shows(kv, "x") is None and kv.vector == before and kv.check() == []


@guards(
    "it holds so many records and bytes, and no more.",
    Line(Recent.append, "len(kept) > RECENT_RECORDS or", ""),
    Line(Recent.append, "self._bytes > RECENT_BYTES and len(kept) > 1", "False"),
    Line(Recent.append, "len(kept) > 1", "True"),
    Line(Recent.append, "self._bytes -= len(kept.popleft()[1])", "kept.popleft()"),
    Line(Recent.extend, "self.append(each)", "self._kept.append(each)"),
    Line(Recent.clear, "self._bytes = 0", "pass"),
)
def what_is_kept_for_who_lacks_few() -> None:
    kept, data = Recent(), record(Colos("a")["a"], lambda kv: kv.put("k", 1))
    message, size = decode(data), len(data)
    assert isinstance(message, Record)
    made = (message.dot, data)

    def given(records: int, bytes: int, fill: Callable[[], object]) -> int:
        with limited(recent, "RECENT_RECORDS", records), limited(recent, "RECENT_BYTES", bytes):
            kept.clear()
            fill()
            return len(kept)

    one_by_one = lambda: [kept.append(made) for _ in range(9)]  # noqa: E731
    together = lambda: kept.extend([made] * 9)  # noqa: E731
    for fill in (one_by_one, together, one_by_one):
        assert given(4, 100 * size, fill) == 4
        assert given(100, 5 * size, fill) == 5
        assert given(100, size // 2, fill) == 1


# catch-ups


@guards(
    "Absorbed iff our vector covers from",
    Line(exchange.absorb, "if not covers_all(state.vector, message.since):", "if False:"),
)
def a_catch_up_that_starts_beyond_is_not_absorbed() -> None:
    """Cut for c, which had x, it reaches b, which had not: b would believe that it has x."""
    colos = Colos("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    a.put("x", 1)
    a.sync(c)
    a.put("y", 2)
    arrive(b, cut(a, c))
    colos.meet()
    assert (shows(b, "x"), shows(b, "y")) == (1, 2)


@guards(
    "each cell holding a sibling beyond from, and with it every cell below it",
    Line(cutting._paths_beyond, "along(paths, cells) if", "() if"),
)
def a_catch_up_ships_what_lies_below() -> None:
    """The mark of c is new, y in it is not: a receiver takes what is not sent below a cell for gone."""
    colos = Colos("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    a.put("doc", {"c": {"x": 1, "y": 2}}, strategy="json")
    colos.meet()
    a.json("doc").at("/c").delete()
    b.json("doc").at("/c/x").put(9)
    colos.meet()
    a.json("doc").at("/c/x").put(10)
    arrive(c, cut(a, c))
    assert shows(c, "doc") == {"c": {"x": 10, "y": 2}}


@guards(
    "join as empty every cell here below a cell sent that was not sent",
    Line(exchange._join_key, "else along(cells, mine)", "else ()"),
    Line(exchange._join_key, "if not mine.keys() <= cells.keys():", "if False:"),
    Line(cutting._below, "if path > root:", "if False:"),
)
def what_is_not_sent_below_a_cell_that_is_has_gone() -> None:
    """Case 53: P purges a deleted container and makes it anew; the leaves that Q still holds do not reappear."""
    colos = Colos("p", "q")
    p, q = colos["p"], colos["q"]
    p.put("doc", {"c": {"old": 1}}, strategy="json")
    colos.meet()
    p.json("doc").at("/c").delete()
    for _ in range(2):
        colos.clock.wait(20)
        colos.meet(2)
    p.compact()
    p.json("doc").at("/c").put({"new": 1})
    arrive(q, cut(p, q))
    assert shows(q, "doc") == {"c": {"new": 1}}
    colos.check()


@guards(
    "join contexts; merge vectors; join F by max; take announcements; only then purge to its S",
    Line(
        exchange.take,
        "_join(replica, message, before)",
        "purge_to(replica, message.floor.stamp); _join(replica, message, before)",
    ),
)
def a_catch_up_is_joined_before_it_is_purged() -> None:
    """Case 41, remove-wins: A removes, X has that tombstone, Y adds later; A has both and purges between the two.

    Had X purged first, Y's add would stand alone there.
    """
    colos = Colos("a", "x", "y")
    a, x, y = colos["a"], colos["x"], colos["y"]
    a.rules.set("s", "set", wins="remove")
    a.set("s").add("e")
    colos.meet()
    a.set("s").remove("e")
    arrive(x, cut(a, x))
    colos.clock.wait(10)
    for source, target in ((y, x), (a, x), (x, a)):
        arrive(target, cut(source, target))
    colos.clock.wait(10)
    y.set("s").add("e")
    for source, target in ((y, a), (a, y), (y, a)):
        arrive(target, cut(source, target))
    a.compact()
    arrive(x, cut(a, x))
    assert shows(a, "s") == shows(x, "s") is None
    colos.check()


@guards(
    "Equal vectors and floors mean equal cells: if not, the sender is named.",
    Line(exchange.take, "_compare(replica, message, sender, believed)", "pass"),
    Line(exchange._tells_nothing, "and not (alike and strange)", ""),
    Line(syncing._quarantines, "in sorted(state.quarantined.items())", "in ()"),
)
def two_that_should_be_equal_and_are_not_say_so() -> None:
    """A bit rots at b: the next exchange names it, and the next sync."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("k", 1)
    colos.meet()
    b._replica.state.digest ^= 1
    arrive(a, cut(b, a))
    assert any(b.id in words for words in a.check())
    assert any(b.id in words for words in a.sync(b).quarantined)


# full joins


@guards(
    "A full join has from empty and a cell not sent counts as empty, for all keys.",
    Line(
        cutting.since_for,
        "{} if full or not covers_all(vector, replica.state.dropped) else dict(vector)",
        "dict(vector)",
    ),
    Line(exchange._join, "if message.full:", "if False:"),
    Line(exchange._join_key, "mine if message.full else along(cells, mine)", "along(cells, mine)"),
    Line(exchange._advance, "merge([state.dropped, message.floor.dots])", "state.dropped"),
    Line(purge._purge_key, "state.dropped[origin] = max(n, state.dropped.get(origin, 0))", "pass"),
)
def who_lacks_what_was_purged_is_sent_all_there_is() -> None:
    """Cases 24, 46: disks fall back behind deletes that all have forgotten. b catches up from a, and c from b."""
    colos = Disks("a", "b", "c")
    a = colos["a"]
    a.put("k", 1)
    a.put("s", ["x", "y"], strategy="set")
    colos.meet()
    copies = {name: colos.copy(name) for name in "bc"}
    a.delete("k")
    a.set("s").remove("x")
    colos.purge()
    assert all(cells(kv, "k") == 0 and cells(kv, "s") == 1 for kv in colos.values())
    b, c = [colos.put_back(name, copy) for name, copy in copies.items()]
    arrive(b, cut(a, b))
    arrive(c, cut(b, c))
    assert [(shows(kv, "k"), shows(kv, "s")) for kv in (a, b, c)] == [(None, ["y"])] * 3
    colos.check()


@guards(
    "Where they differ, and his own cells add up to his, nothing of it is taken",
    Line(exchange._compare, "if believed and message.keys and _is_sound(replica):", "if False:"),
)
def what_a_colo_has_lost_is_not_taken_for_what_it_has() -> None:
    """A cell is gone from a disk. Who joins, and who had seen less, takes nothing, and then all from another."""
    for joins in (False, True):
        colos = Disks("a", "b", "c")
        colos["a"].put("k", 1)
        colos["a"].put("l", 1)
        colos["a"].sync(colos["b"])
        colos["a"]._replica.recent.clear()
        storage = colos.disks["a"]
        [(path, cell)] = storage.cells("k").items()
        storage.begin()
        storage.put_cell("k", path, ())
        storage.commit()
        c = colos.wipe("c") if joins else colos["c"]
        before = c.vector
        assert cell and refuses(DigestMismatch, lambda a=colos["a"], c=c: c.sync(a))
        assert c.vector == before and c.check() == []
        assert c.sync(colos["b"]).equal and dict(c) == {"k": 1, "l": 1}
