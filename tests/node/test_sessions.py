"""Sessions: what a client has seen at one colo is not unseen at another."""

from __future__ import annotations

import asyncio
import base64
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

import crdtkv
from crdtkv.core.versions import parse_version
from crdtkv.errors import BaseNotHere, VersionInvalid
from crdtkv.node import session as session_room
from crdtkv.node import waiting as waiting_room
from crdtkv.node.everywhere import everywhere, note, trim
from crdtkv.node.session import ANEW_MS, MAX_SESSION, Session, missing
from crdtkv.node.waiting import Waiting
from crdtkv.store.store import Store
from tests.colos import Clock

replicas = st.from_regex(r"[a-z]{3}~[a-z2-7]{4}", fullmatch=True)
contexts = st.dictionaries(replicas, st.integers(1, 2**63 - 1), min_size=1, max_size=6)
sessions = st.dictionaries(st.from_regex(r"~[a-z]{1,8}", fullmatch=True), contexts, max_size=4)


def shop(colo: str) -> Store:
    return crdtkv.open(colo=colo, namespace="~shop")


@given(sessions)
def test_what_is_encoded_is_decoded(seen: dict[str, dict[str, int]]) -> None:
    assert Session.decode(Session(seen).encode()).seen == seen


@given(sessions, sessions)
def test_a_join_has_seen_what_either_has(one: dict[str, dict[str, int]], other: dict[str, dict[str, int]]) -> None:
    joined = Session()
    joined.join(Session(one))
    joined.join(Session(other))
    for namespace in one | other:
        mine, theirs = one.get(namespace, {}), other.get(namespace, {})
        assert joined.seen[namespace] == {r: max(mine.get(r, 0), theirs.get(r, 0)) for r in mine | theirs}


def test_three_hundred_colos_fit_in_a_header() -> None:
    context = {f"c{i:03}~{i * 48271 % 2**20:05x}": 10**6 + i * 7919 for i in range(300)}
    text = Session({"~default": context}).encode()
    assert len(text) <= MAX_SESSION - 1_000
    assert Session.decode(text).seen == {"~default": context}


def test_a_session_never_grows_beyond_its_limit() -> None:
    """The namespaces seen last are kept whole; none is kept in part."""
    session = Session()
    for i in range(20):
        session.note(f"~n{i}", {f"c{j:03}~{(i * 300 + j) * 48271 % 2**20:05x}": 10**6 + j for j in range(100)})
    text = session.encode()
    assert len(text) <= MAX_SESSION
    kept = Session.decode(text).seen
    assert kept == {name: session.seen[name] for name in list(session.seen)[-len(kept) :]}
    assert kept


@given(st.integers(1, 400), st.integers(4, 32))
def test_one_namespace_alone_never_is_too_long_either(replicas: int, width: int) -> None:
    """What was seen last of it is kept."""
    session = Session()
    for j in range(replicas):
        session.note("~shop", {f"{j:0{width}x}~{j * 2654435761 % 2**40:08x}": 2**40 + j * 104729})
    session.note("~shop", {"sin~last": 7})
    text = session.encode()
    assert len(text) <= MAX_SESSION
    kept = list(Session.decode(text).seen["~shop"].items())
    assert kept == list(session.seen["~shop"].items())[-len(kept) :] and kept[-1] == ("sin~last", 7)


def test_what_all_members_have_is_not_said(tmp_path: Path) -> None:
    """Of what 100 colos wrote nothing is left in a token, once everybody has said to have it; what is new is."""
    clock = Clock()
    lhr, sin = (crdtkv.open(colo=c, namespace="~shop", clock=clock.of(c)) for c in ("lhr", "sin"))
    lhr.sync(sin)
    for i in range(100):
        third = crdtkv.open(colo=f"c{i:03}", namespace="~shop", clock=clock.of("lhr"))
        third.sync(lhr)
        third.set("all").add(i)
        third.leave()
        third.sync(lhr)
    context = parse_version("all", lhr.get("all").version)
    assert len(context) == 100
    session = Session()
    session.note("~shop", context)

    def a_while_later() -> int:
        clock.wait(20)
        for store in (lhr, sin):
            store.compact()
            note(store)
        trim(session, lhr)
        return len(session.seen["~shop"])

    assert [a_while_later() for _ in range(3)] == [100] * 3, "sin has not heard of it"
    assert len(session.encode()) > 500
    for _ in range(4):
        lhr.sync(sin)
        a_while_later()
    assert session.seen == {"~shop": {}} and len(session.encode()) < 20
    session.note("~shop", parse_version("b", sin.put("b", 1).version))
    trim(session, sin)
    assert missing(Session.decode(session.encode()), lhr, 0) == {sin.id: sin.vector[sin.id]}


def test_who_was_evicted_and_has_not_heard_of_it_shows_nothing_to_who_has_seen_more() -> None:
    """What all members have is not said: it is none, and has not that. It lacks the act, which is said."""
    clock = Clock()
    stores = lhr, sin, gru = [crdtkv.open(colo=c, namespace="~shop", clock=clock.of(c)) for c in ("lhr", "sin", "gru")]
    for _ in range(2):
        for one, other in ((lhr, sin), (gru, sin), (gru, lhr)):
            one.sync(other)
    lhr.put("k", "old")
    for store in (sin, gru):
        store.sync(lhr)
    lhr.evict("sin")
    session = Session()
    session.note("~shop", parse_version("k", lhr.put("k", "new").version))
    for _ in range(5):
        lhr.sync(gru)
        clock.wait(20)
        for store in (lhr, gru):
            store.compact()
            note(store)
    assert everywhere(lhr)[lhr.id] >= session.seen["~shop"][lhr.id]
    trim(session, lhr)
    assert sin["k"] == "old" and missing(session, sin, 0)
    assert not missing(session, gru, 0) and not missing(session, lhr, 0)
    lhr.sync(sin)
    assert sin["k"] == "new" and not missing(session, sin, 0)
    assert [store["k"] for store in stores] == ["new"] * 3


def test_a_copy_that_was_put_back_shows_nothing_to_who_has_seen_more(tmp_path: Path) -> None:
    """Its token may not say what all are known to have; the copy has not."""
    lhr, sin = crdtkv.open(tmp_path / "lhr.db", colo="lhr", namespace="~shop"), shop("sin")
    lhr.sync(sin)
    lhr.backup(tmp_path / "old.db")
    lhr.put("a", 1)
    lhr.sync(sin)
    lhr.close()
    (tmp_path / "old.db").replace(tmp_path / "lhr.db")
    with crdtkv.open(tmp_path / "lhr.db", namespace="~shop") as copy:
        assert missing(Session({"~shop": {}}), copy, 0)
        assert missing(Session(), copy, 0) == {}
        copy.sync(sin)
        assert missing(Session({"~shop": {}}), copy, 0) == {}
        assert copy["a"] == 1


def _text(rows: Any) -> str:
    return "a" + base64.urlsafe_b64encode(msgpack.packb(rows)).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    [
        "a", "b", "a!!!!", "é", "z", "a" * (MAX_SESSION + 1), "zAAAA", _text(7), _text([["~a", [["lhr", 1]]]]),
        _text([["shop", []]]), _text([["~a", [["lhr~a", 0]]]]), _text([["~a", [["lhr~a", True]]]]), _text([[1, 2, 3]]),
        _text([["~a", [["lhr~a", 2**63]]]]), _text([["~a", 7]]), _text([["~a", [["lhr~a"]]]]), _text({"~a": 1}),
        "z" + base64.urlsafe_b64encode(zlib.compress(b"\0" * 10**6)).decode(),
        "z" + base64.urlsafe_b64encode(zlib.compress(b"abc")[:-2]).decode(),
    ],
)  # fmt: skip
def test_what_is_no_session_is_refused(text: str) -> None:
    with pytest.raises(VersionInvalid, match="is not one"):
        Session.decode(text)


def test_what_a_client_wrote_at_one_colo_is_missing_at_another_until_it_arrives() -> None:
    lhr, sin = shop("lhr"), shop("sin")
    lhr.sync(sin)
    session = Session()
    session.note("~shop", parse_version("a", lhr.put("a", 1).version))
    session.note("~other", {"fra~a": 7})
    assert missing(session, lhr, 0) == {}
    assert missing(session, sin, 0) == {lhr.id: lhr.vector[lhr.id]}
    sin.sync(lhr)
    assert missing(session, sin, 0) == {}


def returned(clock: Clock) -> tuple[Store, Store, Session]:
    """sin was evicted, has written, and come back; a session that has seen what it wrote."""
    lhr, sin = (crdtkv.open(colo=c, namespace="~shop", clock=clock.of(c)) for c in ("lhr", "sin"))
    lhr.sync(sin)
    session = Session()
    lhr.evict("sin")
    session.note("~shop", parse_version("a", sin.put("a", 1).version))
    assert missing(session, lhr, 0)
    lhr.sync(sin)
    assert lhr["a"] == 1
    return lhr, sin, session


def test_nobody_waits_for_ever_for_what_a_colo_wrote_that_came_back_under_another_name() -> None:
    """What was acknowledged there and never sent is minted anew: its old number never comes. Its colo has to have told
    all that it has since, twice: the first time it may have been asked before."""
    lhr, sin, session = returned(Clock())
    assert missing(session, sin, 0) == {}
    assert missing(session, lhr, 0)  # it may be on its way
    assert missing(session, lhr, 100 * ANEW_MS)
    lhr.sync(sin)
    assert missing(session, lhr, 100 * ANEW_MS)
    lhr.sync(sin)
    assert missing(session, lhr, ANEW_MS - 1)
    assert missing(session, lhr, ANEW_MS) == {}


def test_a_clock_that_is_set_forward_ends_no_wait() -> None:
    """As one that was 30 s ahead did, and a client read less than it had written."""
    clock = Clock()
    lhr, sin, session = returned(clock)
    for seconds in (0.0, 50.0):
        clock.ahead["lhr"] = seconds
        lhr.sync(sin)
        lhr.sync(sin)
        with pytest.raises(BaseNotHere):
            asyncio.run(Waiting().caught_up(lhr, session, 0))


def test_who_came_back_waits_until_it_has_said_anew_what_it_wrote() -> None:
    _, sin, session = returned(Clock())
    sin._replica.state.pending = [["a put that waits"]]
    assert missing(session, sin, 0)


def test_a_colo_that_is_cut_off_waits_for_one_that_has_a_new_name_however_long() -> None:
    """It counts sin by its old name, has heard of no other, and nobody tells it."""
    clock = Clock()
    lhr, sin, gru = (crdtkv.open(colo=c, namespace="~shop", clock=clock.of(c)) for c in ("lhr", "sin", "gru"))
    clock.ahead["sin"] = 100.0
    for one, other in ((lhr, sin), (gru, sin), (gru, lhr)) * 2:
        one.sync(other)
    sin.put("k", "old")
    gru.sync(sin)
    lhr.sync(sin)
    old = sin.id
    clock.ahead["sin"] = 0.0
    session = Session()
    session.note("~shop", parse_version("k", sin.put("k", "new").version))
    assert sin.id != old
    for day in range(3):
        for lhr_says in range(3):
            lhr.put("other", lhr_says)
            gru.sync(lhr)
            assert missing(session, gru, day * 86_400_000), gru["k"]
    gru.sync(sin)
    assert missing(session, gru, 0) == {} and gru["k"] == "new"


def test_a_colo_that_is_cut_off_waits_for_what_is_minted_anew_however_long() -> None:
    """All have heard that sin came back, and gru of that; what sin then says anew does not reach gru."""
    clock = Clock()
    lhr, sin, gru = (crdtkv.open(colo=c, namespace="~shop", clock=clock.of(c)) for c in ("lhr", "sin", "gru"))
    for one, other in ((lhr, sin), (gru, sin), (gru, lhr)) * 2:
        one.sync(other)
    session = Session()
    session.note("~shop", parse_version("k", sin.put("k", "anew").version))
    lhr.evict("sin")
    for one, other in ((lhr, sin), (lhr, gru), (lhr, sin)):
        one.sync(other)
    assert lhr["k"] == "anew" and "k" not in gru
    assert missing(session, gru, 0) and missing(session, gru, 86_400_000)
    for _ in range(2):
        gru.sync(sin)
    assert missing(session, gru, 86_400_000) == {} and gru["k"] == "anew"


def test_a_replica_that_nobody_knows_is_waited_for_and_not_for_ever() -> None:
    """As of this colo's own disk that was lost, and of which no member has anything; or of a colo that is not known."""
    lhr = shop("lhr")
    session = Session({"~shop": {"lhr~new2": 2, "sin~none": 1}})
    assert missing(session, lhr, 0) == {"lhr~new2": 2, "sin~none": 1}
    assert missing(session, lhr, ANEW_MS - 1) == {"lhr~new2": 2, "sin~none": 1}
    assert missing(session, lhr, ANEW_MS) == {"sin~none": 1}  # no colo of that name is here: it may be cut off


def test_who_has_another_place_is_waited_for_anew() -> None:
    """What the one before had told says nothing of who stands there now."""
    lhr, sin, session = returned(Clock())
    assert missing(session, lhr, 0)
    for _ in range(2):
        lhr.sync(sin)
    lhr.evict("sin")
    lhr.sync(sin)
    assert missing(session, lhr, ANEW_MS)
    for _ in range(2):
        lhr.sync(sin)
    assert missing(session, lhr, 2 * ANEW_MS - 1)
    assert missing(session, lhr, 2 * ANEW_MS) == {}


def test_no_more_strangers_are_remembered_than_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_room, "MAX_STRANGERS", 3)
    lhr = shop("lhr")
    assert len(missing(Session({"~shop": {f"lhr~new{i}": 1 for i in range(9)}}), lhr, 0)) == 9
    assert list(session_room._waits[lhr]) == ["lhr~new6", "lhr~new7", "lhr~new8"]


# waiting


def absent(sin: Store) -> tuple[Store, Session]:
    lhr = shop("lhr")
    lhr.sync(sin)
    session = Session()
    session.note("~shop", parse_version("a", lhr.put("a", 1).version))
    return lhr, session


def test_a_wait_ends_when_it_has_arrived() -> None:
    """It is asked for at once; what else arrives meanwhile does not end it."""
    sin = shop("sin")
    lhr, session = absent(sin)
    room = Waiting()
    asked: list[tuple[str, dict[str, int]]] = []

    def pull(namespace: str, lacking: dict[str, int]) -> None:
        asked.append((namespace, lacking))
        if len(asked) == 1:
            room.arrived("~shop")  # nothing that was waited for
        else:
            threads.submit(lambda: (lhr.sync(sin), room.arrived("~shop")))

    room.pull = pull
    with ThreadPoolExecutor(1) as threads:
        asyncio.run(room.caught_up(sin, session, 60))
    assert asked == [("~shop", {lhr.id: lhr.vector[lhr.id]})] * 2
    assert sin["a"] == 1


def test_a_wait_ends_with_its_time() -> None:
    sin = shop("sin")
    _, session = absent(sin)
    with pytest.raises(BaseNotHere, match=r"the session has seen lhr~.*has not arrived at 'sin' yet") as caught:
        asyncio.run(Waiting().caught_up(sin, session, 0))
    assert caught.value.happened == "no"


def test_what_is_here_asks_nobody() -> None:
    sin = shop("sin")
    lhr, session = absent(sin)
    room = Waiting()
    room.pull = _never
    asyncio.run(room.caught_up(lhr, session, 0))


def _never(namespace: str, lacking: dict[str, int]) -> None:
    raise AssertionError("nothing is missing")


def test_too_many_do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    sin = shop("sin")
    _, session = absent(sin)
    monkeypatch.setattr(waiting_room, "MAX_WAITS", 0)
    with pytest.raises(BaseNotHere):
        asyncio.run(Waiting().caught_up(sin, session, 60))


def test_all_who_wait_are_told() -> None:
    sin = shop("sin")
    lhr, session = absent(sin)
    room = Waiting()
    begun: list[Callable[[], None]] = []

    async def run() -> None:
        room.pull = lambda namespace, lacking: begun.append(lambda: None)
        waits = [asyncio.create_task(room.caught_up(sin, session, 60)) for _ in range(50)]
        while len(begun) < 50:
            await asyncio.sleep(0)
        lhr.sync(sin)
        room.arrived("~shop")
        await asyncio.gather(*waits)

    asyncio.run(run())
