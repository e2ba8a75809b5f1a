"""What lies under the rules: indexes, digests, messages, paths, clocks."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import msgpack

import crdtkv
from crdtkv.core import clocks, digest, envelope, parts, paths
from crdtkv.core.wire import decode, encode
from crdtkv.errors import (
    FormatTooNew,
    MessageInvalid,
)  # fmt: skip
from crdtkv.replica import superseding
from crdtkv.replica.core import Replica
from crdtkv.replica.memos import Memo, Memos
from crdtkv.storage import backup
from crdtkv.storage.dots import Numbers
from crdtkv.storage.index import Index
from crdtkv.store import selection
from crdtkv.strategies.document import Node, build
from tests.colos import Colos, arrive, cut, record, refuses, shows
from tests.guards.mutation import Line, guards

# indexes


@guards(
    "Where a sibling stands whose dot `vector` does not cover.",
    Line(Numbers.add, "found.add(place)", "pass"),
    Line(Numbers.add, "self._at[n] = {found, place}", "pass"),
    Line(Index.beyond, "vector.get(replica, 0)", "vector.get(replica, 0) + 1"),
)
def a_catch_up_has_all_that_is_new() -> None:
    """Two keys of one transaction, and the next one."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    with a.transaction() as t:
        t.put("x", 1)
        t.put("y", 1)
        t.put("w", 1)
    a.put("z", 1)
    arrive(b, cut(a, b))
    assert [shows(b, key) for key in "wxyz"] == [1, 1, 1, 1]


@guards(
    "The places of all numbers above n, lower numbers first.",
    Line(Numbers.beyond, "self._tidy()", "pass"),
)
def what_came_out_of_order_is_found_in_order() -> None:
    """As after a write that failed, which gives the place of what it had replaced back."""
    places = Numbers()
    for n in (5, 6, 1, 2):
        places.add(n, (str(n), b""))
    assert [key for key, _ in places.beyond(2)] == ["5", "6"]


@guards(
    "The cells that `core.cells.due` puts at or below `floor`.",
    Line(Index._change, "self._due.add((now, *place))", "pass"),
    Line(Index._change, "self._due.discard((was, *place))", "pass"),
)
def a_purge_finds_all_that_may_go_and_nothing_else() -> None:
    colos = Colos("a", "b")
    a = colos["a"]
    for key in "xy":
        a.put(key, 1)
        a.delete(key)
    a.put("y", 2)
    colos.purge()
    storage = a._replica.storage
    assert [len(storage.cells(key)) for key in "xy"] == [0, 1]
    assert storage.due(1 << 64) == [(k, p) for k, p in storage.due(1 << 64) if p in storage.cells(k)]


# digests and memos


@guards(
    "Two stores that have the same of both and not the same digest have a bug or bit rot between them.",
    Line(digest.digest_change, "change -= _hash(place + packed)", "pass"),
    Line(digest.digest_change, "place = said.place(said.text(key), path)", "place = said.text(key)"),
    Line(Replica.set_context, "self.state.digest = (self.state.digest + change) % MODULUS", "pass"),
    Line(Replica.touch, "state.digest = (state.digest + entry_change(key, replica, old, n)) % MODULUS", "pass"),
    Line(digest.entry_change, "new - _hash(said.entry(above, replica, old))", "new"),
    Line(digest.Lately.superseded, "came - went + entered", "came + entered"),
    Line(digest.Lately.superseded, "if found is not None and found[0] is was", "if found is not None"),
    Line(superseding.supersede, "state.digest = (state.digest + change) % MODULUS", "pass"),
    Line(digest.key_digest, "place = said.place(above, path)", "place = above"),
    Line(digest.context_digest, "said.entry(above, replica, n)", "above + said.text(replica)"),
)
def a_digest_is_of_all_cells_and_contexts() -> None:
    """It follows every change, and cells in other places, or contexts with other numbers, give another one."""
    kv = Colos("a")["a"]
    kv.put("k", 1)
    kv.put("k", 2)
    kv.delete("k")
    kv.put("k", ["x"], strategy="list")
    kv.put("undone", 1)
    with suppress(ZeroDivisionError), kv.transaction() as t:
        t.put("undone", 1 / len(t.put("undone", 2).key[:0]))
    kv.put("undone", 3)
    assert kv.check() == []
    cell = next(iter(kv._replica.storage.cells("k").values()))
    assert digest.key_digest("k", {b"sa\x00": cell}, {}) != digest.key_digest("k", {b"sb\x00": cell}, {})
    assert digest.context_digest("k", {"a~1": 1}) != digest.context_digest("k", {"a~1": 2})


@guards(
    "A cell of the key changed: what `build` remembers of the key follows.",
    Line(Memo.changed, "update(self.documents, path, new)", "pass"),
)
def what_is_remembered_of_a_document_follows_its_cells() -> None:
    kv = Colos("a")["a"]
    kv.put("doc", {"x": 1}, strategy="json")
    assert shows(kv, "doc") == {"x": 1}
    kv.json("doc").at("/x").put(2)
    assert shows(kv, "doc") == {"x": 2}


@guards(
    "The elements of a list in which nothing was moved, after some leaves changed",
    Line(Node.put_cell, "behind[1][component] = child", "pass"),
    Line(Node.caught_up, 'if behind is None or next(reversed(self.children), b"")[:1] != ELEMENT:', "if behind is None:"),
    Line(Node.caught_up, "left = [e for e in old if e.component not in changed]", "left = list(old)"),
    Line(Node.caught_up, "elements = old.copy()", "elements = old"),
)
def a_list_shows_what_was_changed_since_it_was_read() -> None:
    """Little and much; whoever holds what it showed before goes on with that; not after something was moved."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    here, there = a.list("l"), b.list("l")
    a.put("l", list(range(9)), strategy="json")
    colos.meet()
    assert here.value == list(range(9))
    held = build(a._replica.shown("l")[1]).elements
    here.append(9)
    assert here.value == list(range(10)) and len(held) == 9
    colos.meet()
    there.remove(0)
    for n in range(40):
        there.append(10 + n)
    colos.meet()
    assert here.value == list(range(1, 50))
    here.move(0, -1)
    assert here.value == [*range(2, 50), 1]
    here.set(-2, "last")
    assert here.value == [*range(2, 49), "last", 1]


# messages, paths, clocks


@guards(
    "Law of this room: `decode(encode(m)) == m`, and whatever bytes come in",
    Line(envelope.unseal, "if xxhash.xxh32_digest(data[:-_CHECK]) != data[-_CHECK:]:", "if False:"),
)
def a_message_that_was_altered_on_its_way_is_refused() -> None:
    data = record(Colos("a")["a"], lambda kv: kv.put("k", "value"))
    for at in range(len(data)):
        altered = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        assert refuses(MessageInvalid, lambda altered=altered: decode(altered)), at


@guards(
    "Keys of a catch-up, the cells of a key and the siblings of a cell are sorted, each there once.",
    Line(parts.in_order, "if not all(map(lt, places, places[1:])):", "if False:"),
    Line(parts.dot_in, "if not _count(n):", "if False:"),
    Line(parts._count, "if number(value) > MAX_N:", "if False:"),
    Line(parts.name_in, "and not 1 <= len(key.removeprefix(METADATA).encode()) <= MAX_KEY", "and False"),
    Line(parts.payload_in, "check_payload(payload)", "pass"),
    Line(parts.path_in, 'data.decode("utf-8")', "pass"),
)
def a_message_that_no_colo_sends_is_refused() -> None:
    """Doubled siblings would be joined as two, a key beyond its limits be nobody's, a transaction 0 be
    known to all, and one beyond 2^63 fit into no file."""
    colos = Colos("a", "b")
    colos["a"].put("k", 1)
    made = decode(cut(colos["a"], colos["b"]))
    found = made.keys[-1]
    [(path, (sibling,))] = found.cells
    for wrong in (
        found._replace(key="x" * 513),
        found._replace(cells=((path, (sibling, sibling)),)),
        found._replace(cells=((path, (sibling._replace(dot=("a~1", 0)),)),)),
        found._replace(cells=((path, (sibling._replace(dot=("a~1", 1 << 63)),)),)),
        found._replace(cells=((path, (sibling._replace(payload=b"\xc1h\x90"),)),)),
        found._replace(cells=((b"s\xff\0", (sibling,)),)),
    ):
        data = encode(made._replace(keys=(*made.keys[:-1], wrong)))
        assert refuses(MessageInvalid, lambda data=data: decode(data))


@guards(
    "Not the prefix and U+10FFFF: a key may go on with that, and further.",
    Line(selection._after, r'head = prefix.rstrip("\U0010ffff")', r'return prefix + "\U0010ffff"'),
    Line(selection._after, r'"\ue000" if head[-1] == "\ud7ff" else chr(ord(head[-1]) + 1)', "chr(ord(head[-1]) + 1)"),
)
def a_scan_has_all_keys_with_its_prefix_and_no_other() -> None:
    """Case 36: whatever characters they go on with."""
    kv = Colos("a")["a"]
    keys = ["zy", "zz", "zz\ud7ff", "zz\ud7ffa", "zz\ue000", "zz\U0010ffff", "zz\U0010ffff\U0010ffffb", "z{"]
    for key in keys:
        kv.put(key, 1)
    for prefix in (*keys, "z", "zz\U0010ffff\U0010ffff"):
        assert list(kv.keys(prefix)) == [key for key in sorted(keys) if key.startswith(prefix)]
    assert selection._after("zz\ud7ff") == "zz\ue000", "a bound that no storage could write down"


@guards(
    "A release speaks its own version, understands the one before and, of the one after, what it knows",
    Line(envelope.unseal, "if data[0] > VERSION + 1:", "if False:"),
)
def a_message_of_a_later_release_asks_for_an_upgrade() -> None:
    """And the refusal says so; one that was only altered asks to be sent again."""
    sent = decode(record(Colos("a")["a"], lambda kv: kv.put("k", "value")))
    body = msgpack.unpackb(encode(sent)[2:-4])
    assert decode(envelope.seal(b"r", [*body, [], "of a later release"], envelope.VERSION + 1)) == sent
    data = envelope.seal(b"r", body, envelope.VERSION + 2)
    assert refuses(FormatTooNew, lambda: decode(data))
    assert refuses(MessageInvalid, lambda: decode(bytes([envelope.VERSION]) + data[1:]))


@guards(
    "It is above `last` whatever the wall does, and as near the wall as that allows.",
    Line(clocks.tick, "wall if wall > last else last + 1", "wall"),
    Line(clocks.tick, "wall if wall > last else last + 1", "last + 1"),
)
def each_stamp_is_later_than_the_last() -> None:
    """While the wall stands still, and while it goes back a little; and when time passes, time is what they tell."""
    colos = Colos("a")
    kv = colos["a"]
    colos.clock.step = 0
    stamps = [decode(record(kv, lambda kv: kv.counter("n").add(1))).stamp for _ in range(2)]
    colos.clock.wait(-5)
    stamps.append(decode(record(kv, lambda kv: kv.counter("n").add(1))).stamp)
    assert stamps == sorted(set(stamps))
    colos.clock.wait(100)
    kv.put("k", 2)
    assert kv.get("k").stamp == int(colos.clock.now * 1000)


@guards(
    "Written: the tag, the data with each 0x00 as 0x00 0xff, then 0x00.",
    Line(paths.component, 'data = data.replace(b"\\0", b"\\0\\xff")', "pass"),
    Line(paths.component_end, 'while path[end : end + 1] == b"\\xff":', "while False:"),
)
def names_that_begin_alike_are_two() -> None:
    """A member `a` and a member that goes on with a NUL: neither lies in the other."""
    colos = Colos("a", "b")
    value = {"a": {"x": 1}, "a\0": {"x": 2}, "a\0mx": 3}
    colos["a"].put("doc", value, strategy="json")
    colos["a"].put("s", ["a", "a\0", "a\0\0"], strategy="set")
    colos.meet()
    assert colos.read("doc") == value
    colos["b"].json("doc").at("/a").delete()
    colos.meet()
    assert colos.read("doc") == {"a\0": {"x": 2}, "a\0mx": 3}
    assert colos.read("s") == ["a", "a\0", "a\0\0"]


@guards(
    "What was made of the system's keys, until one of them changes.",
    Line(Memos.begun, "self.touched(key)", "pass"),
)
def the_first_rule_is_known_where_a_catch_up_brings_it() -> None:
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    assert b.rules.of("k").strategy == "json"
    a.rules.set("k", "lww")
    arrive(b, cut(a, b))
    assert b.put("k", 1).strategy == "lww"


@guards(
    "What was made of the system's keys, until one of them changes.",
    Line(Memos.touched, "self.derived.clear()", "pass"),
)
def what_the_rules_say_and_who_belongs_is_known_at_once() -> None:
    """Here and where it is heard, and after a transaction that was undone."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    assert [kv.rules.of("k").strategy for kv in (a, b)] == ["json", "json"]
    a.rules.set("k", "lww")
    assert a.put("k", 1).strategy == "lww"
    colos.meet()
    assert b.rules.of("k").strategy == "lww" and len(b.members) == 2
    a.evict("b")
    assert a.members == [a.id]


@guards(
    "Others of a like name are somebody's own",
    Line(backup.pieces, "_BESIDE.fullmatch(at.name, len(path.name))", "True"),
    Line(backup.pieces, "[*sorted(ours, reverse=True), *([path] if path.exists() else [])]", "sorted(ours)"),
)
def the_pieces_of_a_store_are_its_own_files() -> None:
    """All that lies there while it is open; nothing that was moved away under a like name."""
    with TemporaryDirectory(prefix="crdtkv-") as folder:
        path = Path(folder) / "a.db"
        with crdtkv.open(path, colo="a") as kv:
            kv.put("k", 1)
            ours = sorted(os.listdir(folder))
            for rest in (".old", "-lost", "2", "-wal.old"):
                (Path(folder) / f"a.db{rest}").touch()
            found = [at.name for at in backup.pieces(path)]
        assert sorted(found) == ours and found[-1] == "a.db" and len(ours) > 2
