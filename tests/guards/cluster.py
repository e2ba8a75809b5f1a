"""What the colos of a cluster agree on: namespaces, by id and by name, tokens, sessions."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import crdtkv
from crdtkv.core.versions import parse_version
from crdtkv.errors import BadRequest, BaseNotHere, NamespaceUnknown, StoreClosed, Unauthorized, Unavailable
from crdtkv.gossip import Gossip
from crdtkv.gossip.draining import Draining
from crdtkv.node import everywhere, naming, session
from crdtkv.node.catalogue import Catalogue
from crdtkv.node.naming import DEFAULT_ID, SYSTEM_ID
from crdtkv.node.node import Node
from crdtkv.node.session import ANEW_MS, Session, missing
from crdtkv.node.tokens import EVERYWHERE, Scope, Tokens
from crdtkv.node.waiting import Covered, Waiting
from crdtkv.replica import exchange
from crdtkv.server import doors
from crdtkv.server.serving import Serving
from crdtkv.store import syncing
from crdtkv.transport import letters
from crdtkv.transport.leaving import Leaving
from crdtkv.transport.letters import HEAD_SIZE, Keyring, Letter, Seen, Unwelcome, pack, unpack
from crdtkv.transport.link import Link
from crdtkv.transport.office import Office
from tests.colos import Clock, refuses
from tests.guards.mutation import Both, Line, guards


@contextmanager
def nodes(*colos: str, folder: Path | None = None) -> Iterator[list[Node]]:
    made = [Node(folder and folder / colo, colo=colo) for colo in colos]
    try:
        yield made
    finally:
        for node in made:
            node.close()


def meet(one: Node, other: Node) -> None:
    one.system.sync(other.system)
    one.refresh()
    other.refresh()


@guards(
    "All that the session has seen of the store's namespace is absorbed here.",
    Line(Waiting.caught_up, "if not lacking:", "if True:"),
)
def a_session_waits_for_what_it_has_seen() -> None:
    """Case 35: who wrote at lhr is told at sin that it is not there yet, and not that there is nothing."""
    with nodes("lhr", "sin") as (here, there):
        seen, store = Session(), there.store("default")
        seen.note(store.namespace, here.store("default").put("a", 1)._context)
        assert refuses(BaseNotHere, lambda: asyncio.run(there.waiting.caught_up(store, seen, 0)))
        here.store("default").sync(store)
        asyncio.run(there.waiting.caught_up(store, seen, 0))
        assert store["a"] == 1


@guards(
    "who joins says nothing of it, so it takes what the cluster says.",
    Line(
        Catalogue.read,
        "found.setdefault(DEFAULT_ID, self._of(DEFAULT_ID, {}, present, going))",
        "DEFAULT_ID in found or self.rename(DEFAULT_ID, DEFAULT_NAME) or found.update({DEFAULT_ID: self._of(DEFAULT_ID, {}, present, going)})",
    ),
)
def who_joins_takes_the_name_of_the_default_namespace() -> None:
    with nodes("a") as (a,):
        a.rename("default", "main")
        with nodes("b") as (b,):
            meet(a, b)
            assert a.store("main").namespace == b.store("main").namespace == DEFAULT_ID


@guards(
    "its members name, colos, deleted merge one by one",
    Line(
        Catalogue.rename,
        'self._system.json(NAMESPACES + id).at("/name").put(name)',
        'self._system.put(NAMESPACES + id, {**self._system[NAMESPACES + id], "name": name}, strategy="lww")',
    ),
    Line(Catalogue._of, 'told.get("deleted") is True', 'told.get("deleted") is True and not told.get("name")'),
)
def nothing_takes_a_deletion_back() -> None:
    """b renames what a deletes."""
    with nodes("a", "b") as (a, b):
        id = a.create("shop").id
        meet(a, b)
        a.delete("shop")
        b.rename("shop", "market")
        meet(a, b)
        for node in (a, b):
            assert refuses(NamespaceUnknown, partial(node.store, id))


@guards(
    "A name stands for the living namespace of that name that was made first, on a tie for the lesser id",
    Line(naming.resolved, "made = (each.created, each.id)", "made = (0 if each.hosted else 1, each.id)"),
    Line(naming.resolved, "if each.name and not each.deleted:", "if each.name:"),
)
def a_name_stands_for_the_same_at_every_colo() -> None:
    """Both have made one, each for itself alone; then the first goes."""
    with nodes("a", "b") as (a, b):
        a.create("shop", colos=["a"])
        b.create("shop", colos=["b"])
        meet(a, b)
        first = min((n.created, n.id) for n in a.namespaces() if n.name == "shop")[1]
        assert a.namespace("shop").id == b.namespace("shop").id == first
        a.delete(first)
        meet(a, b)
        assert a.namespace("shop").id == b.namespace("shop").id != first


@guards(
    "a store of one is never mixed with one of another",
    Both(
        Line(syncing.sync, "if one.namespace != other.namespace:", "if False:"),
        Line(Gossip._frame, "if frame.name != desk.name:", "if False:"),
    ),
)
def stores_of_two_namespaces_are_not_mixed() -> None:
    with nodes("a", "b") as (a, b):
        shop = a.create("shop").id
        assert refuses(BadRequest, lambda: a.store(shop).sync(b.store("default")))


@guards(
    "Where it was created it begins with a write more than that",
    Line(Node.create, "if id in self._stores:", "if False:"),
    Line(Node.found, "if store is not None and is_new(store):", "if False:"),
)
def who_founds_a_namespace_never_joins_another_s() -> None:
    """Whatever its id is: of two with as many writes the lesser joins."""
    for other in ("b", "c"):
        with nodes("a", "b", "c") as found:
            one = found[0] if other == "c" else found[2]
            two = found[1]
            one.found()
            begun = one.create("shop").id
            ids = (one.system.id, one.store("default").id, one.store(begun).id)
            meet(one, two)
            for id in (DEFAULT_ID, begun):
                one.store(id).sync(two.store(id))
            assert ids == (one.system.id, one.store("default").id, one.store(begun).id)


@guards(
    "who has absorbed it closes the store and removes its file, in this order, and at every start looks again for what may "
    "be left.",
    Line(Node._settle, "if each.deleted or", "if (each.deleted and each.id in self._stores) or"),
    Line(Node._settle, "for id in self._stores if id in over or", "for id in () if id in over or"),
)
def what_is_deleted_leaves_nothing() -> None:
    with TemporaryDirectory() as folder, nodes("a", "b", folder=Path(folder)) as (a, b):
        id = a.create("shop").id
        meet(a, b)
        there = a.store("shop")
        b.delete("shop")
        a.system.sync(b.system)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "unlink", _fails)
            a.refresh()
        assert refuses(StoreClosed, lambda: there.put("k", 1))
        a.close()
        Node(Path(folder) / "a").close()
        assert not [file for file in (Path(folder) / "a").iterdir() if id.strip("~") in file.name]


@guards(
    "serves it no more, unless no other\n  colo of the cluster is to go on holding it",
    Line(Catalogue._of, "stay = own not in leaving or not stays(found, present) - {own}", "stay = own not in leaving"),
)
def the_last_goes_on_serving_it() -> None:
    with nodes("a", "b") as (a, b):
        a.create("shop")
        meet(a, b)
        a.unhost("shop", "b")
        b.unhost("shop", "a")
        meet(a, b)
        assert (a.namespace("shop").hosted, b.namespace("shop").hosted) == (True, True)


@guards(
    "or `here` where it was put back",
    Line(Node._is_over, "found.hosted and found.again and", "False and"),
)
def who_has_left_and_is_put_back_begins_anew() -> None:
    with nodes("a", "b") as (a, b):
        id = a.create("shop").id
        meet(a, b)
        a.store(id).sync(b.store(id))
        a.unhost("shop", "b")
        meet(a, b)
        b.stores()[id].leave()
        a.host("shop", "b")
        meet(a, b)
        b.store(id)["k"] = 1
        assert b.store(id)["k"] == 1


@guards(
    "A store that is new where others hold the namespace is not served before it has met one of them",
    Line(Node._open, "if self.meets and self._is_elsewhere(self._known[id]) and is_new(store):", "if False:"),
    Line(Node._missing, "if not is_new(self._stores[known.id]):", "if False:"),
    Line(Node._is_elsewhere, "any(found.held_by(colo) for", "any(found.held_by(colo) and colo not in found.leaving for"),
)
def nobody_is_shown_an_empty_namespace_that_has_not_come_yet() -> None:
    with nodes("a", "b") as (a, b):
        b.meets = True
        id = a.create("shop").id
        a.store(id)["k"] = 1
        meet(a, b)
        assert refuses(Unavailable, lambda: b.store("shop"))
        a.unhost("shop", "a")
        meet(a, b)
        assert refuses(Unavailable, lambda: b.store("shop")), "who is to give it up has it still"
        b.stores()[id].sync(a.stores()[id])
        assert b.store("shop")["k"] == 1


@guards(
    "It retires when all other members have all that was here when it stopped taking writes",
    Line(Draining.note, "covers_all(has, self._goal)", "True"),
)
def what_a_peer_lacks_is_not_with_it() -> None:
    a, b = (crdtkv.open(colo=colo) for colo in "ab")
    a.sync(b)
    a["k"] = 1
    draining = Draining(Gossip(a._replica, peers=["b"])._desk)
    draining.begin()
    peer = draining._desk.peers["b"]
    peer.id = b.id
    draining.note(peer, b.vector)
    assert draining.lacking() == [b.id]
    a.sync(b)
    draining.note(peer, b.vector)
    assert draining.lacking() == []


@guards(
    "and lacking\n  nothing that it knows: so it knows that this one goes",
    Line(Draining.note, "state.left or covers_all(state.vector, has)", "True"),
)
def who_knows_more_may_be_about_to_go() -> None:
    a, b = (crdtkv.open(colo=colo) for colo in "ab")
    a.sync(b)
    draining = Draining(Gossip(a._replica, peers=["b"])._desk)
    draining.begin()
    b["k"] = 1
    peer = draining._desk.peers["b"]
    peer.id = b.id
    draining.note(peer, b.vector)
    assert draining.having() == set()


class _Told:
    """The machine of a store, and what a peer is said to have, as a transport would hear it."""

    def __init__(self, store: crdtkv.Store) -> None:
        self.id, self.store = store.namespace, store
        self._machine = Gossip(store._replica, peers="bc")

    def look(self, act: Callable[[Gossip], object]) -> object:
        return act(self._machine)

    def tell(self, other: crdtkv.Store) -> None:
        peer = self._machine._desk.peers[other.colo]
        peer.id = other.id
        self._machine.draining.note(peer, other.vector)


@guards(
    "and one of those, which is to stay, has been met in the system namespace with all that is known here",
    Line(Leaving._retired, "elif not draining.lacking() and aware & {", "elif not draining.lacking() and {"),
    Line(Leaving._retired, "elif not draining.lacking() and", "elif"),
    Line(Leaving._retired, "if door.replica(actor.store).state.pending:", "if False:"),
    Line(Leaving._retired, "if not draining.has_begun():", "if False:"),
)
def who_goes_retires_when_all_is_with_the_others() -> None:
    with nodes("a", "b") as (a, b):
        id = a.create("shop").id
        meet(a, b)
        c = crdtkv.open(colo="c", namespace=id)
        for _ in range(2):
            a.store(id).sync(b.store(id))
            a.store(id).sync(c)
        a.unhost("shop", "a")
        meet(a, b)
        shop, system = _Told(a.stores()[id]), _Told(a.system)
        leaving = Leaving(a, {id: shop, SYSTEM_ID: system}, lambda: None)  # type: ignore[dict-item]
        replica = shop.store._replica
        leaving.step()
        shop.tell(b.store(id))
        shop.tell(c)
        leaving.step()
        assert not replica.state.left, "b may not know that a goes"
        system.tell(b.system)
        replica.state.pending = [["a write that waits"]]
        leaving.step()
        assert not replica.state.left, "not all is said"
        replica.state.pending = []
        shop.store["late"] = 1
        leaving.step()
        assert not replica.state.left, "b lacks what was written last"
        system.tell(b.system)
        a.stores()[id].sync(b.store(id))
        shop.tell(b.store(id))
        leaving.step()
        assert not replica.state.left, "c lacks it still"
        a.stores()[id].sync(c)
        shop.tell(c)
        leaving.step()
        assert replica.state.left and id in a.stores(), "nobody may know of that yet"
        shop.store.sync(b.store(id))
        shop.tell(b.store(id))
        leaving.step()
        assert id not in a.stores() and b.store(id)["late"] == 1


def _fails(*_: object, **__: object) -> None:
    raise OSError("busy")


@guards(
    "A file of an id that the system namespace does not know (yet) is neither opened nor removed.",
    Line(
        Node._settle,
        "for each in known.values():",
        "for path in self.folder.glob('namespace-?.db'): path.unlink()\n"
        "        for each in known.values():",
    ),
)
def a_file_of_nobody_is_left_alone() -> None:
    with TemporaryDirectory() as folder:
        stray = Path(folder) / "namespace-x.db"
        stray.write_bytes(b"precious")
        with Node(folder, colo="a") as a:
            assert list(a.stores()) == [DEFAULT_ID]
        assert stray.exists()


@guards(
    "Nothing takes back that one was revoked.",
    Line(Tokens.refresh, "for token in self._read()", "for token in [*self._known.values(), *self._read()]"),
)
def a_revoked_token_opens_nothing_anywhere() -> None:
    with nodes("a", "b") as (a, b):
        _, root = a.tokens.create("root", [Scope(EVERYWHERE, "", ("admin",))])
        token, text = a.tokens.create("app", [Scope(EVERYWHERE, "", ("read",))])
        meet(a, b)
        b.authorize(text, "read")
        a.tokens.revoke(token.id)
        meet(a, b)
        b.authorize(root, "admin")
        assert refuses(Unauthorized, lambda: b.authorize(text, "read"))


@guards(
    "The secret is drawn here, shown once, and nowhere kept",
    Line(Tokens.known, "token is None or not hmac.compare_digest(hashed, token.hash)", "token is None"),
)
def the_id_of_a_token_is_not_its_secret() -> None:
    with nodes("a") as (a,):
        token, _ = a.tokens.create("root", [Scope(EVERYWHERE, "", ("admin",))])
        assert refuses(Unauthorized, lambda: a.authorize(f"crdtkv_{token.id}_{'0' * 48}", "admin"))


@guards(
    "Of a replica that is gone nothing is missed, once what it wrote and nobody knew has come under another name.",
    Line(session.missing, "if not _gone(store, replica, now_ms)", ""),
    Line(session._gone, "return not state.pending", "return True"),
    Line(session._gone, "now_ms - began.ms >= ANEW_MS and ", ""),
    Line(session._gone, "- began.told >= 2", "- began.told >= 1"),
)
def a_session_waits_for_what_can_come() -> None:
    a, b, seen = returned(Clock())
    assert missing(seen, a, 0) and not missing(seen, b, 0)
    a.sync(b)
    assert missing(seen, a, ANEW_MS)
    a.sync(b)
    assert missing(seen, a, ANEW_MS - 1) and not missing(seen, a, ANEW_MS)
    stranger = Session({"~shop": {"b~new2": 1, "c~none": 1}})
    assert missing(stranger, a, 0)
    a.sync(b)
    a.sync(b)
    assert missing(stranger, a, ANEW_MS) == {"c~none": 1}
    b._replica.state.pending = [["a put that waits"]]
    assert missing(seen, b, 0)


def returned(clock: Clock) -> tuple[crdtkv.Store, crdtkv.Store, Session]:
    """b was evicted, has written, and come back; a session that has seen what it wrote."""
    a, b = (crdtkv.open(colo=colo, namespace="~shop", clock=clock.of(colo)) for colo in "ab")
    a.sync(b)
    a.evict("b")
    b.put("k", 1)
    seen = Session({"~shop": {b.id: b.vector[b.id]}})
    a.sync(b)
    assert a["k"] == 1
    return a, b, seen


@guards(
    "not by stamps nor by the wall, which are wrong at times",
    Line(session._gone, "now_ms - began.ms >= ANEW_MS", "replica.wall_ms() - began.ms >= ANEW_MS"),
    Line(session._gone, "now_ms - began.ms >= ANEW_MS", "(state.clock >> 16) - began.ms >= ANEW_MS"),
)
def a_session_waits_also_where_a_clock_is_wrong() -> None:
    clock = Clock()
    a, b, seen = returned(clock)
    now = int(clock.now * 1000)
    assert missing(seen, a, now)
    for colo in "ab":
        clock.ahead[colo] = 50.0
    a.put("k2", 1)
    a.sync(b)
    a.sync(b)
    assert missing(seen, a, now + 1)


@guards(
    "not by time alone: who is cut off hears of no new name either",
    Line(session._gone, "told and now_ms", "now_ms"),
    Line(
        exchange.absorb,
        "replica.told[sender] += 1\n        return",
        "replica.told.update(dict.fromkeys(state.vector, 1))\n        return",
    ),
)
def a_session_waits_where_nothing_comes_from_a_colo_with_a_new_name() -> None:
    """Neither a nor c hears that b is another: its clock was mended."""
    clock = Clock()
    clock.ahead["b"] = 100.0
    a, b, c = (crdtkv.open(colo=colo, namespace="~shop", clock=clock.of(colo)) for colo in "abc")
    meet_all([a, b, c])
    b.put("k", "old")
    meet_all([a, b, c])
    clock.ahead["b"] = 0.0
    seen = Session({"~shop": parse_version("k", b.put("k", "new").version)})
    for n in range(3):
        c.put("other", n)
        a.sync(c)
        assert missing(seen, a, n * 86_400_000)
    a.sync(b)
    assert a["k"] == "new" and not missing(seen, a, 0)


@guards(
    "Another has done so some time after it came back and all have heard of that",
    Line(session._gone, " and members.agreed(replica)", ""),
)
def a_session_waits_as_long_as_one_has_not_heard() -> None:
    """Until c has heard that b is another what it had written is not minted anew."""
    clock = Clock()
    a, b, c = (crdtkv.open(colo=colo, namespace="~shop", clock=clock.of(colo)) for colo in "abc")
    meet_all([a, b, c])
    b.put("k", 1)
    seen = Session({"~shop": {b.id: b.vector[b.id]}})
    a.evict("b")
    a.sync(b)
    assert missing(seen, a, 0) and "k" not in a
    for _ in range(3):
        a.sync(b)
    assert missing(seen, a, ANEW_MS)
    meet_all([a, b, c])
    assert a["k"] == 1 and not missing(seen, a, ANEW_MS)


@guards(
    "So the last acts are said in a session from which anything was left out.",
    Line(everywhere.trim, "session.note(store.namespace, found.acts)", "pass"),
    Line(everywhere.note, "found.acts = ", "_ = "),
    Line(Session.trim, "return True", "return False"),
)
def a_session_waits_at_who_was_evicted_and_has_not_heard_of_it() -> None:
    """All that a has written since is known to be at all members; b is none."""
    clock = Clock()
    a, b, c = stores = [crdtkv.open(colo=colo, namespace="~shop", clock=clock.of(colo)) for colo in "abc"]
    meet_all(stores)
    a.evict("b")
    seen = Session({"~shop": parse_version("k", a.put("k", "new").version)})
    for _ in range(5):
        a.sync(c)
        clock.wait(20)
        a.compact()
        c.compact()
        everywhere.note(a)
    everywhere.trim(seen, a)
    assert missing(seen, b, 0) and not missing(seen, a, 0) and not missing(seen, c, 0)
    a.sync(b)
    assert not missing(seen, b, 0)


@guards(
    "what was found to be here may be gone where it is read, or written upon.",
    Line(Covered.check, "self.store.id != self._id and ", "False and "),
    Line(Covered.check, "not self._met and ", ""),
    Line(Covered.before, "self.check()\n", "pass\n"),
    Line(Serving.write, "act if covered is None else covered.before(act)", "act"),
    Line(doors.as_seen, "if covered is not None:\n        covered", "if False:\n        covered"),
    Line(doors.as_seen, "if covered is not None:\n            covered", "if False:\n            covered"),
)
def what_a_session_has_seen_is_here_where_it_is_read_and_written() -> None:
    """b comes back between its look at a session and the remove, and the read: what only it knew waits."""
    clock = Clock()
    stores = a, b, _ = [crdtkv.open(colo=colo, namespace="~shop", clock=clock.of(colo)) for colo in "abc"]
    meet_all(stores)
    a.evict("b")
    seen = Session({"~shop": parse_version("k", b.set("k").add("mine").version)})

    async def refused() -> None:
        covered = await Waiting().caught_up(b, seen, 0)
        a.sync(b)
        assert "k" not in b
        with Node(None, colo="d") as node:
            assert await not_here(Serving(node).write(b, lambda t: t.set("k").remove("mine"), covered))
        for reply in (told, absent):
            assert await not_here(doors.as_seen(covered, reply()))

    async def not_here(reply: Awaitable[object]) -> bool:
        try:
            await reply
        except BaseNotHere:
            return True
        except NamespaceUnknown:
            pass
        return False

    async def told() -> str:
        return "nothing"

    async def absent() -> str:
        raise NamespaceUnknown("k")

    asyncio.run(refused())
    meet_all(stores)
    covered = asyncio.run(Waiting().caught_up(b, seen, 0))
    b.submit(covered.before(lambda t: t.set("k").remove("mine")))
    a.evict("b")
    b.put("pending", 1)
    a.sync(b)
    covered.check()
    meet_all(stores)
    assert "k" not in a


def meet_all(stores: Sequence[crdtkv.Store]) -> None:
    """All meet all, until they agree."""
    for _ in range(3):
        for one, other in itertools.combinations(stores, 2):
            one.sync(other)


# letters


def letter(number: int = 1, ring: Keyring | None = None) -> bytes:
    packing, plain, payload = pack("a", "", [("~default", b"message" * 300)], False)
    return (ring or Keyring([b"secret"])).seal(payload, False, packing, plain, b"receiver", b"sender01", number)


def opened(data: bytes) -> Letter:
    ring = Keyring([b"secret"])
    head = ring.open(data[:HEAD_SIZE], 10_000)
    ring.check(head, data[HEAD_SIZE:])
    return unpack(head, data[HEAD_SIZE:])


@guards(
    "A letter is taken once: it names a life of its receiver, which remembers the numbers that it has seen of each sender's.",
    Line(Seen.take, "if to != self.life:", "if False:"),
    Line(Seen.take, "behind >= WINDOW or mask >> behind & 1", "behind >= WINDOW"),
    Line(Seen.take, "behind >= WINDOW or mask >> behind & 1", "mask >> behind & 1"),
    Line(Seen.take, "mask | (1 << behind) if behind < WINDOW else mask", "mask"),
    Line(Seen.take, "mask << min(-behind, WINDOW)", "mask << 1"),
)
def a_letter_is_taken_once() -> None:
    seen = Seen(b"receiver")

    def again(number: int) -> bool:
        return refuses(Unwelcome, lambda: seen.take(b"receiver", b"sender01", number))

    assert not any(map(again, (3, 1, 5, 4)))
    assert all(map(again, (1, 3, 4, 5)))
    assert not again(letters.WINDOW + 4)
    assert all(map(again, (1, 3, 4, 5, letters.WINDOW + 4)))
    assert not any(map(again, (6, letters.WINDOW + 3)))
    assert refuses(Unwelcome, lambda: seen.take(b"a life ago", b"sender01", 7))


@guards(
    "it is authenticated by HMAC and carries the hash of the payload, so a stranger is refused before the payload is read.",
    Line(Keyring.open, "if not hmac.compare_digest(", "if False and not hmac.compare_digest("),
    Line(Keyring.open, "if max(packed, plain) > most:", "if packed > most:"),
    Line(Keyring.open, "if len(head) > 3 and not max(1, VERSION - 1) <= head[3] <= VERSION + 1:", "if False:"),
    Line(Keyring.check, "if not hmac.compare_digest(_hash(payload), head.hash):", "if False:"),
    Line(letters.unpack, "if not out.eof or len(payload) != head.plain:", "if not out.eof:"),
)
def a_letter_that_is_not_wholly_ours_is_refused() -> None:
    good = letter()
    assert opened(good).messages
    for at in (3, 8, 30, HEAD_SIZE - 1, len(good) - 1):
        assert refuses(Unwelcome, partial(opened, good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])), at
    assert refuses(Unwelcome, lambda: opened(letter(ring=Keyring([b"another"]))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(letters, "VERSION", 3)
        later = letter()
    assert refuses(Unwelcome, lambda: opened(later))
    for large, said in ((20_000, 0), (20_000, 9_000), (5_000, 9_000)):
        packing, plain, payload = pack("a", "", [("~default", bytes(large))], True)
        sealed = Keyring([b"secret"]).seal(payload, False, packing, said or plain, b"receiver", b"sender01", 1)
        assert refuses(Unwelcome, partial(opened, sealed)), said


@guards(
    "A reply bears its request's number, so nothing else passes for one.",
    Line(Office.expect, "not head.reply or head.to", "head.to"),
    Line(Office.expect, "or head.number != number", ""),
    Line(Office.expect, "head.to != self.life or", ""),
    Line(Office.take, "if head.reply:", "if False:"),
)
def only_the_answer_to_a_letter_is_its_answer() -> None:
    a, b = Office("a", [b"secret"]), Office("b", [b"secret"])
    number, sealed = a.request([], b.life)
    head = b.open(sealed[:HEAD_SIZE])
    b.take(head)
    answer = a.open(b.reply(head)[:HEAD_SIZE])
    a.expect(answer, number)
    assert refuses(Unwelcome, lambda: a.expect(answer, number + 1))
    assert refuses(Unwelcome, lambda: Office("a", [b"secret"]).expect(answer, number))
    assert refuses(Unwelcome, lambda: a.take(answer))
    assert refuses(Unwelcome, lambda: b.expect(a.open(a.request([], a.life)[1][:HEAD_SIZE]), 2))
    own = a.request([], a.life)
    assert refuses(Unwelcome, lambda: a.expect(a.open(own[1][:HEAD_SIZE]), own[0]))


@guards(
    "what cannot be sent is dropped and counted, never kept for later",
    Line(Link.put, "len(self._queue) > MAX_QUEUE or", "False or"),
    Line(Link.put, "self._queued > MAX_QUEUED and len(self._queue) > 1", "False"),
    Line(Link._failed, "self._queue.clear()", "pass"),
)
def what_waits_for_a_colo_has_a_bound() -> None:
    link = object.__new__(Link)
    link._queue, link._queued, link._office, link.failures = deque(), 0, Office("a"), 0
    link._idle, link._see = asyncio.Event(), lambda: None  # type: ignore[method-assign]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("crdtkv.transport.link.MAX_QUEUE", 3)
        patch.setattr("crdtkv.transport.link.MAX_QUEUED", 100)
        link.put([("~default", b"x")] * 5)
        assert (link.queued, link._office.dropped["queue full"]) == (3, 2)
        link.put([("~default", bytes(99))])
        assert (link.queued, link._office.dropped["queue full"]) == (2, 4)
    link._failed([("~default", b"x")], OSError("away"))
    assert (link.queued, link._office.dropped["unreached"]) == (0, 3)
