"""What a client is told: versions, receipts, feeds, rules."""

from __future__ import annotations

import pytest

import crdtkv
from crdtkv.core import rules, values, versions
from crdtkv.core.cells import MARK_OBJECT, Sibling
from crdtkv.core.paths import STRATEGY, component
from crdtkv.core.wire import Record, RecordWrite, decode, encode
from crdtkv.errors import (
    BaseNotHere,
    BaseRequired,
    BaseTooOld,
    PreconditionFailed,
    TooManySiblings,
    VersionInvalid,
)
from crdtkv.replica import leaf, memos
from crdtkv.replica.core import Replica
from crdtkv.replica.memos import Memos
from crdtkv.store import telling, watching
from crdtkv.store.operations import Operations
from crdtkv.store.reading import Reading
from crdtkv.store.store import Store
from crdtkv.store.writer import Open, Writer
from crdtkv.strategies import cell_reading, lone, merge, roots
from crdtkv.strategies.base import learn
from crdtkv.strategies.document_edit import Edit
from crdtkv.strategies.opaque import Opaque
from tests.colos import Colos, arrive, cells, cut, full_disk, limited, outbox, record, refuses, shows
from tests.guards.mutation import Line, guards

# puts and bases


@guards(
    "A put is compared with what its client had read, once, where it happens; only what changed is written.",
    Line(
        Edit._put_members,
        "self.put(path + part, (*at, name), *children, value[name])",
        "self.put(path + part, (*at, name), children[0], children[0], value[name])",
    ),
)
def a_put_says_what_its_client_changed() -> None:
    """a's client changed x, b's had changed y since and added z: x is a's, y and z are b's."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    base = a.put("doc", {"x": 1, "y": 1}, strategy="json?wins=delete").version
    colos.meet()
    b.put("doc", {"x": 1, "y": 2, "z": {"n": 3}})
    colos.meet()
    a.put("doc", {"x": 9, "y": 1}, base=base)
    colos.meet()
    assert colos.read("doc") == {"x": 9, "y": 2, "z": {"n": 3}}


@guards(
    "Raises BaseNotHere for a version naming what is still on its way, VersionInvalid for one nobody minted.",
    Line(Replica.check_absorbed, "if covers(self.state.vector, (origin, n)):", "if True:"),
    Line(Replica.check_absorbed, "if origin == self.state.id:", "if False:"),
    Line(Replica.check_absorbed, "if members.is_member(self, origin) or", "if False or"),
    Line(Replica.check_absorbed, "if known or members.member_at(self, colo_of(origin)) is not None:", "if True:"),
)
def a_base_that_is_not_here_is_no_base() -> None:
    """Case 50: b lacks v1, which a client read at a; and a version that a itself never gave is told as forged."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    v1 = a.put("k", 1, strategy="mv").version
    assert refuses(BaseNotHere, lambda: b.put("k", 2, base=v1))
    assert shows(b, "k") is None
    forged = v1.replace(".1", ".7").replace(".2", ".7").replace(".3", ".7")
    assert refuses(VersionInvalid, lambda: a.put("k", 2, base=forged))
    stranger = v1.split("_")[0] + "_zrh~q7w2.5"
    assert refuses(VersionInvalid, lambda: a.put("k", 2, base=stranger))


@guards(
    "BaseTooOld for what was minted under an id that was given up: it stands under another by now, or soon.",
    Line(Replica.check_absorbed, "if origin in self.state.lineage[:-1]:", "if False:"),
    Line(Replica.check_absorbed, "if known or members.member_at(self, colo_of(origin)) is not None:", "if False:"),
    Line(Replica.check_absorbed, "members.member_at(self, colo_of(origin)) is not None", "False"),
)
def a_base_of_before_a_return_is_too_old() -> None:
    """b was evicted meanwhile, and what it wrote is minted anew: its client reads again, and is not told that it lies.

    Nor elsewhere, also where that id was never heard of."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    colos.meet()
    before = b.put("k", [1]).version
    a.evict("b")
    colos.meet()
    assert colos.read("k") == [1]
    assert refuses(BaseTooOld, lambda: b.put("k", [1, 2], base=before))
    assert refuses(BaseTooOld, lambda: a.get("k", at=before))
    with pytest.raises(BaseTooOld, match="of an id that this colo has given up"):
        b.get("k", at=before)
    unheard = before.split("_")[0] + "_b~q7w2.5"
    assert refuses(BaseTooOld, lambda: a.get("k", at=unheard))


@guards(
    "BaseTooOld for what was minted under an id that was given up: it stands under another by now, or soon.",
    Line(Replica.check_absorbed, "(known and not members.agreed(self))", "False"),
)
def what_one_wrote_that_is_evicted_may_be_on_its_way() -> None:
    """c has it from b, which a evicts without having heard of it: as long as not all know, it comes under that id."""
    colos = Colos("a", "b", "c")
    a, b, c = colos.values()
    colos.meet()
    version = b.put("k", [1]).version
    arrive(c, cut(b, c))
    a.evict("b")
    assert refuses(BaseNotHere, lambda: a.get("k", at=version))
    arrive(a, cut(c, a))
    entry = a.get("k", at=version)
    assert entry is not None and entry.value == [1]


@guards(
    "A key's version as text: its key context, and a check that it is this key's.",
    Line(versions.parse_version, "if check != _check(key):", "if False:"),
)
def a_version_of_another_key_is_found_out() -> None:
    kv = Colos("a")["a"]
    version = kv.put("x", 1).version
    kv.put("y", 1)
    assert refuses(VersionInvalid, lambda: kv.put("y", 2, base=version))


@guards(
    "only if this is the version here (None: only if there is no such key)",
    Line(Operations._check_version, "if found != wanted:", "if False:"),
)
def a_put_on_a_condition_is_not_made_without_it() -> None:
    kv = Colos("a")["a"]
    version = kv.put("k", 1).version
    kv.put("k", 2)
    assert refuses(PreconditionFailed, lambda: kv.put("k", 3, if_version=version))
    assert refuses(PreconditionFailed, lambda: kv.put("k", 3, if_version=None))
    assert shows(kv, "k") == 2


@guards(
    "`require_base`: a put must name its base.",
    Line(Operations._check_base_given, "and self._rule_of(key).require_base", "and False"),
    Line(Operations._check_base_given, "and self._inside().present(key)", ""),
    Line(leaf.put, "or rule.require_base", ""),
)
def where_a_base_is_required_a_put_without_one_is_refused() -> None:
    """The first put has none to give."""
    kv = Colos("a")["a"]
    kv.rules.set("k", "json", require_base=True)
    version = kv.put("k", 1).version
    kv.rules.set("doc", "json", require_base=True)
    kv.put("doc", {})
    assert refuses(BaseRequired, lambda: kv.put("k", 2))
    assert kv.put("k", 2, base=version).value == 2


@guards(
    "the second time it is the receipt of the first",
    Line(Operations._once, "if done is not None:", "if False:"),
)
def a_write_that_is_tried_again_is_done_once() -> None:
    kv = Colos("a")["a"]
    first = kv.put("k", 1, idempotency_key="once")
    kv.put("k", 2)
    assert kv.put("k", 1, idempotency_key="once").version == first.version
    assert shows(kv, "k") == 2


@guards(
    "Concurrent values of one cell where none replaces the others.",
    Line(cell_reading.put_beside, "if standing >= MAX_SIBLINGS:", "if False:"),
)
def siblings_do_not_pile_up() -> None:
    """Case 48: beyond 64 it says "read again"."""
    kv = Colos("a")["a"]
    base = kv.put("k", 0, strategy="mv").version
    for value in range(64):
        kv.put("k", value, base=base)
    assert refuses(TooManySiblings, lambda: kv.put("k", 64, base=base))


# what is told, and when


@guards(
    "After the commit: a watcher or a peer must never know of an edit that a crash could take back.",
    Line(
        Open.__exit__,
        "made = self._draft.record()",
        "made = self._draft.record(); replica.minted(made); writer.tell()",
    ),
)
def what_a_crash_takes_back_nobody_was_told() -> None:
    kv = Colos("a")["a"]
    sent = outbox(kv)
    with full_disk(kv):
        kv.put("k", 1)
    assert sent == [] and len(kv._replica.recent) == 1


@guards(
    "Who lacks some of what was purged can't be told what was deleted: it gets one `reset`, then every key.",
    Line(watching.Feed._told, "if frm and not covers_all(frm, dropped):", "if False:"),
)
def a_feed_says_so_where_it_has_a_gap() -> None:
    """Case 37: z was deleted, and the delete forgotten, since the cursor."""
    colos = Colos("a", "b")
    kv = colos["a"]
    feed = kv.watch(timeout=0)
    kv.put("x", 1)
    kv.put("z", 1)
    cursor = [change.cursor for change in feed][-1]
    kv.delete("z")
    colos.purge()
    told = [(change.reset, change.key) for change in kv.watch(since=cursor, timeout=0)]
    assert told == [(True, ""), (False, "x")]


@guards(
    "Who reads on by himself, as far as a vector, is told each change once; and where there is a gap, that there is.",
    Line(watching.read_on, "if frm and not covers_all(frm, store._replica.state.dropped):", "if False:"),
    Line(watching.read_on, "to = vector", "to = dict(store._replica.state.vector)"),
    Line(watching.read_on, 'position = (to, to, "")', 'position = (frm, to, "")'),
    Line(Writer.tell, "for told in self.on_change:", "for told in ():"),
)
def who_reads_on_misses_nothing() -> None:
    """As far as where another stands; what changed again beyond that is left to what comes next."""
    colos = Colos("a", "b")
    kv = colos["a"]
    heard: list[int] = []
    kv._writer.on_change = [lambda: heard.append(1)]
    begin = watching.begin(kv, None)
    kv.put("x", 1)
    kv.put("y", 1)
    until = kv.vector
    kv.put("y", 2)
    assert len(heard) == 3
    told, there = watching.read_on(kv, "", begin, 10, until)
    more, end = watching.read_on(kv, "", there, 10)
    assert ([c.key for c in told], [c.key for c in more], end[2]) == (["x"], ["y"], "")
    assert watching.read_on(kv, "", end, 10) == ([], end)
    kv.delete("x")
    colos.purge()
    assert [c.reset for c in watching.read_on(kv, "", end, 10)[0]] == [True, False]


@guards(
    "What changed is what holds a sibling beyond `from`, so a feed begun at one colo goes on at another.",
    Line(watching.begin, "if not covers_all(vector, position[1]):", "if False:"),
    Line(watching._keys, "{key for key, _ in storage.beyond(frm)}", "{key for key, _ in storage.beyond(to)}"),
    Line(watching._keys, "found -= {key for key, _ in storage.beyond(to)}", "pass"),
    Line(watching._keys, "if to != store._replica.state.vector:", "if False:"),
    Line(watching.Feed._told, "if not last:", "if True:"),
)
def a_feed_goes_on_at_another_colo() -> None:
    """Each change once; and who lacks what the cursor has says so. A change of a key that was told is told again."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    feed = a.watch(timeout=0)
    for key in "wxy":
        a.put(key, 1)
    first = next(feed, None)
    assert first is not None and first.key == "w"
    assert refuses(BaseNotHere, lambda: b.watch(since=first.cursor, timeout=0))
    colos.meet()
    b.put("w", 2)
    b.put("z", 1)
    told = [(change.key, change.entry and change.entry.value) for change in b.watch(since=first.cursor, timeout=0)]
    assert told == [("x", 1), ("y", 1), ("w", 2), ("z", 1)]


@guards(
    "past all that it looked at and had nothing to tell of",
    Line(watching.Feed.cursor, "self._position", "({r: 1 for r in self._position[0]}, *self._position[1:])"),
)
def a_quiet_feed_moves_on() -> None:
    """What was deleted and forgotten of others' keys is no gap for it."""
    colos = Colos("a", "b")
    kv = colos["a"]
    feed = kv.watch("quiet/", timeout=0)
    kv.put("x", 1)
    kv.delete("x")
    assert list(feed) == []
    colos.purge()
    kv.put("quiet/1", 1)
    assert [(c.reset, c.key) for c in kv.watch("quiet/", since=feed.cursor, timeout=0)] == [(False, "quiet/1")]


# rules and strategies


@guards(
    "The rule of `key`: exact, then the longest literal prefix, a glob before a regex, `*` last; else DEFAULT.",
    Line(rules.choose, "if rule.pattern == key:", "if False:"),
    Line(rules.choose, "len(pattern.prefix)", "-len(pattern.prefix)"),
    Line(rules.choose, 'rule.pattern != "*"', 'rule.pattern == "*"'),
    Line(rules.choose, "not is_regex(rule.pattern)", "is_regex(rule.pattern)"),
)
def the_most_particular_rule_holds() -> None:
    kv = Colos("a")["a"]
    for pattern, strategy in (
        ("*", "set"), ("cart/*", "mv"), ("cart/7*", "json"), ("re:^cart/7", "list"), ("cart/77", "log"), ("x*", "mv"),
        ("x[*]", "set"),
    ):  # fmt: skip
        kv.rules.set(pattern, strategy)
    found = {key: kv.put(key, [1]).strategy for key in ("other", "cart/1", "cart/7", "cart/77", "x*")}
    assert found == {"other": "set", "cart/1": "mv", "cart/7": "json", "cart/77": "log", "x*": "mv"}


@guards(
    "Where two colos created it under different rules, the one with the latest live stamp; the other stays readable "
    "as a conflict.",
    Line(roots.pick, "return max(present,", "return min(present,"),
)
def of_two_strategies_the_later_is_read() -> None:
    """Case 39."""
    colos = Colos("a", "b")
    colos["a"].put("k", ["x"], strategy="set")
    colos["b"].put("k", 7, strategy="counter")
    colos.meet()
    assert colos.read("k") == 7
    assert colos["a"].get("k").conflicts == ({"strategy": "set", "value": ["x"]},)


@guards(
    "Elsewhere its keys show as a conflict that names it; nothing is lost, and nothing is edited or purged.",
    Line(Opaque.dead, "return ()", "return candidates"),
    Line(roots.known_strategy, "return Opaque(spec)", "raise"),
)
def what_this_colo_has_no_code_for_is_kept() -> None:
    """b receives cells of a strategy that is installed elsewhere only, a tombstone among them, and purges."""
    learn()  # nothing is known of a root that was met before
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    made = decode(record(a, lambda kv: kv.put("k", 1)))
    assert isinstance(made, Record)
    root = component(STRATEGY, b"foreign")
    writes = (RecordWrite("k", root, made.writes[0].payload), RecordWrite("k", root + b"mx\x00", None))
    assert arrive(b, encode(made._replace(writes=writes))) == "absorbed"
    assert b.get("k") is not None and b.get("k").strategy == "foreign"
    del colos["a"]
    b.evict("a")
    colos.purge()
    assert cells(b, "k") == 2


@guards(
    "A read writes nothing.",
    Line(Store._reading, "return self", "self._replica.tick(); return self"),
)
def a_read_leaves_no_trace() -> None:
    kv: crdtkv.Store = Colos("a")["a"]
    kv.put("k", 1)
    before = (kv._replica.state.to_plain(), kv.digest())
    assert kv.get("k") is not None and list(kv.keys()) == ["k"] and kv.history("k") and kv.blame("k")
    assert (kv._replica.state.to_plain(), kv.digest()) == before


@guards(
    "Of the keys asked for last; nothing here is more than time saved.",
    Line(Memos.of, "if len(self._kept) > MEMOS:", "if False:"),
    Line(Memos.tell, "if len(self._told) > TOLD:", "if False:"),
    Line(Memos.met, "met.clear()", "pass"),
    Line(telling.again, "if len(packed) > MAX_TOLD:", "if False:"),
    Line(telling.again_of_lone, "small and type", "type"),
)
def what_is_remembered_of_keys_is_bounded() -> None:
    kv = Colos("a")["a"]
    with limited(memos, "MEMOS", 3), limited(memos, "TOLD", 3), limited(telling, "MAX_TOLD", 50):
        for n in range(6):
            kv.put(f"k{n}", {"n": n}, strategy="json")
        assert [shows(kv, f"k{n}") for n in range(6)] == [{"n": n} for n in range(6)]
        assert len(kv._replica.memos) == len(kv._replica.memos._told) == 3
        for value in ("x" * 60, ["x" * 60]):
            kv.put("large", value)
            assert shows(kv, "large") == shows(kv, "large") == value and "large" not in kv._replica.memos._told
        for n in range(6):
            kv.put(f"one{n}", n)
        assert [shows(kv, f"one{n}") for n in range(6)] == list(range(6)) and len(kv._replica.memos._met) <= 3


@guards(
    "it says what the definition says (`roots.pick` of `roots.roots_in`, and what that strategy reads), or it says "
    "nothing",
    Line(lone._alone, "len(cell) != 1 or ", ""),
    Line(lone._alone, "payload[0] in _CONTAINERS and found.whole", "False"),
)
def what_is_read_at_a_glance_is_what_stands() -> None:
    """Not two siblings, a document's root, members in another order than a document gives, a state."""
    one, two = (Sibling((colo, 1), 1, values.pack(colo)) for colo in ("a~1", "b~1"))
    unsorted = one._replace(payload=values.pack({"b": 1, "a": 2}))
    for spec, cell in (
        ("lww", (one, two)), ("json", (one._replace(payload=MARK_OBJECT),)), ("json", (unsorted,)),
        ("latch?order=x,y", (one,)),
    ):  # fmt: skip
        assert lone.lone({component(STRATEGY, spec.encode()): cell}) is None
    assert lone.lone({component(STRATEGY, b"json"): (one,)}) is not None


@guards(
    "what was told is the reader's own",
    Line(telling.again, "None if shared else packed", "None"),
    Line(telling._tell_again, "tuple(map(values.copy, found))", "found"),
    Line(telling.again_of_lone, "and type(lone[3]) in _ATOMS", ""),
)
def who_changes_what_he_was_told_changes_nothing_else() -> None:
    """A value, a sibling; the third reader is told what the first was."""
    colos = Colos("a", "b")
    for kv in colos.values():
        kv.put("k", [kv.colo], strategy="mv")
    colos["b"].put("own", ["b"], strategy="lww")
    colos.meet()
    for _ in range(3):
        entry = colos["a"].get("k")
        assert entry.value == ["b"] and entry.siblings == (["a"], ["b"]) and shows(colos["a"], "own") == ["b"]
        for value in (entry.value, *entry.siblings, shows(colos["a"], "own")):
            value.append("more")


@guards(
    "what is given is what would be made anew, also when a strategy or a merge function was registered since",
    Line(Memos.changed, "self.touched(key)", "pass"),
    Line(Memos.clear, "self._told.clear()", "pass"),
    Line(Memos.told, "if self._learnt != learnt():", "if False:"),
    Line(Reading._entry, "self._now(now) < known.until", "True"),
    Line(Memos.stands, "self._told.get(key) is what and", ""),
    Line(Memos.stands, "and self._learnt == learnt()", ""),
)
def what_was_told_once_is_told_while_it_stands() -> None:
    """Another value, another version, a write that was undone, a date that passed, a function that came."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("k", 1)
    for write in (lambda: a.put("k", 2), lambda: a.expire("k", 5), lambda: b.put("k", 3)):
        assert a.get("k") is not None
        version = write().version
        colos.meet()
        assert a.get("k").version == version
    with pytest.raises(InterruptedError), a.transaction() as t:
        for value in (4, 5):
            t.put("k", value)
            assert t["k"] == value
        raise InterruptedError
    assert shows(a, "k") == 3
    a.put("k", 5, ttl=5)
    assert shows(a, "k") == 5
    colos.clock.wait(6)
    assert shows(a, "k") is None
    merge.install("later", lambda base, mine, theirs: theirs)
    a.put("sum", 1, strategy="merge:later")
    b.put("sum", 2, strategy="merge:later")
    colos.meet()
    assert shows(a, "sum") == 2
    told = a._replica.memos.told("sum")
    assert a._replica.memos.stands("sum", told)
    merge.install("later", lambda base, mine, theirs: mine + theirs)
    assert not a._replica.memos.stands("sum", told)
    assert shows(a, "sum") == 3
    told = a._replica.memos.told("sum")
    with pytest.raises(InterruptedError), a.transaction() as t:
        assert a._replica.memos.stands("sum", told) and told is not None
        t.put("sum", 4)
        assert not a._replica.memos.stands("sum", told), "nobody knows yet whether it will be"
        raise InterruptedError
