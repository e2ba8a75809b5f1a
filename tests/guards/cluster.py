"""What the colos of a cluster agree on: namespaces, by id and by name, tokens, sessions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from crdtkv.errors import BadRequest, NamespaceUnknown, StoreClosed, Unauthorized
from crdtkv.gossip import Gossip
from crdtkv.node import naming, session
from crdtkv.node.catalogue import Catalogue
from crdtkv.node.naming import DEFAULT_ID
from crdtkv.node.node import Node
from crdtkv.node.session import Session, missing
from crdtkv.node.tokens import EVERYWHERE, Scope, Tokens
from crdtkv.store import syncing
from tests.colos import refuses
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
    "who joins says nothing of it, so it takes what the cluster says.",
    Line(
        Catalogue.read,
        "found.setdefault(DEFAULT_ID, self._of(DEFAULT_ID, {}))",
        "DEFAULT_ID in found or self.rename(DEFAULT_ID, DEFAULT_NAME) or found.update({DEFAULT_ID: self._of(DEFAULT_ID, {})})",
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
        Line(Gossip.on_message, "if frame.name != desk.name:", "if False:"),
    ),
)
def stores_of_two_namespaces_are_not_mixed() -> None:
    with nodes("a", "b") as (a, b):
        shop = a.create("shop").id
        assert refuses(BadRequest, lambda: a.store(shop).sync(b.store("default")))


@guards(
    "who has absorbed it closes the store and removes its file, in this order, and at every start looks again for what may "
    "be left.",
    Line(Node._settle, "if each.deleted:", "if each.deleted and each.id in self._stores:"),
    Line(Node._settle, "for id in self._stores if not known[id].hosted", "for id in () if not known[id].hosted"),
)
def what_is_deleted_leaves_nothing() -> None:
    with TemporaryDirectory() as folder, nodes("a", "b", folder=Path(folder)) as (a, b):
        a.create("shop")
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
        assert not list((Path(folder) / "a").glob("namespace-[!d]*"))


def _fails(*_: object, **__: object) -> None:
    raise OSError("busy")


@guards(
    "A file of an id that the system namespace does not know (yet) is neither opened nor removed.",
    Line(
        Node._settle,
        "for each in known.values():",
        "for path in self._folder.glob('namespace-?.db'): path.unlink()\n"
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
    Line(Tokens._token, "token is None or not hmac.compare_digest(hashed, token.hash)", "token is None"),
)
def the_id_of_a_token_is_not_its_secret() -> None:
    with nodes("a") as (a,):
        token, _ = a.tokens.create("root", [Scope(EVERYWHERE, "", ("admin",))])
        assert refuses(Unauthorized, lambda: a.authorize(f"crdtkv_{token.id}_{'0' * 48}", "admin"))


@guards(
    "Of a replica that is gone, and whose colo is here under a later name, nothing is missed: what it had written and nobody "
    "knew comes under that name.",
    Line(session.missing, "if r in here or colo_of(r) not in colos", ""),
    Line(session.missing, "if r in here or colo_of(r) not in colos", "if r in here"),
)
def a_session_waits_for_what_can_come() -> None:
    with nodes("a", "b", "c") as (a, b, c):
        mine, theirs, far = (node.store("default") for node in (a, b, c))
        mine.sync(theirs)
        mine.evict("b")
        theirs.put("k", 1)
        seen = Session({DEFAULT_ID: {theirs.id: theirs.vector[theirs.id], far.id: 7}})
        mine.sync(theirs)
        assert mine["k"] == 1
        assert list(missing(seen, mine)) == [far.id]
