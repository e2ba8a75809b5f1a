"""A node: namespaces that several colos make, name and delete, and the files they lie in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import crdtkv
from crdtkv.errors import (
    BadRequest,
    NamespaceElsewhere,
    NamespaceExists,
    NamespaceInvalid,
    NamespaceUnknown,
    NotAMember,
    NotAStore,
    StoreClosed,
    StoreLocked,
    TooLarge,
)  # fmt: skip
from crdtkv.node import node as node_room
from crdtkv.node.naming import DEFAULT_ID
from crdtkv.node.node import Node
from crdtkv.store.store import Store


@pytest.fixture
def lhr(tmp_path: Path) -> Iterator[Node]:
    with Node(tmp_path / "lhr", colo="lhr") as node:
        yield node


@pytest.fixture
def sin(tmp_path: Path) -> Iterator[Node]:
    with Node(tmp_path / "sin", colo="sin") as node:
        yield node


def meet(*nodes: Node) -> None:
    """All system namespaces have absorbed the same, and every node has done what they say; then their data."""
    for _ in range(2):
        for one in nodes:
            for other in nodes:
                if one is not other:
                    one.system.sync(other.system)
    for node in nodes:
        node.refresh()
    for one in nodes:
        for other in nodes:
            for id in one.stores().keys() & other.stores().keys() if one is not other else ():
                one.stores()[id].sync(other.stores()[id])


def listed(node: Node) -> list[tuple[str, str, bool]]:
    return [(each.name, each.id, each.duplicate) for each in node.namespaces()]


def files(node: Node) -> set[str]:
    assert node.folder is not None
    return {path.name.split(".")[0] for path in node.folder.iterdir()}


def test_the_default_namespace_is_one_at_all_colos(lhr: Node, sin: Node) -> None:
    """It is there before anybody has met, and joining makes no second one."""
    lhr.store("default")["a"] = 1
    sin.store("default")["b"] = 2
    meet(lhr, sin)
    assert dict(lhr.store("default")) == dict(sin.store("default")) == {"a": 1, "b": 2}
    assert listed(lhr) == listed(sin) == [("default", DEFAULT_ID, False)]


def test_who_joins_takes_the_name_that_the_cluster_gave_the_default_namespace(lhr: Node, sin: Node) -> None:
    lhr.rename("default", "main")
    meet(lhr, sin)
    assert listed(sin) == [("main", DEFAULT_ID, False)]
    with pytest.raises(NamespaceUnknown, match="no namespace 'default'; there are main"):
        sin.store("default")


def test_a_namespace_made_at_one_colo_is_served_at_the_others(lhr: Node, sin: Node) -> None:
    made = lhr.create("shop")
    lhr.store("shop")["a"] = 1
    meet(lhr, sin)
    assert sin.store("shop")["a"] == 1
    assert sin.store(made.id) is sin.store("shop")
    assert "default" not in sin.store("shop").namespace


def test_two_colos_create_one_name_at_once(lhr: Node, sin: Node) -> None:
    """Both live with their data; the name stands for the same one at both, the other is shown, and reached by id."""
    first, second = lhr.create("shop"), sin.create("shop")
    lhr.store("shop")["a"] = "of lhr"
    sin.store("shop")["a"] = "of sin"
    meet(lhr, sin)
    chosen = lhr.namespace("shop").id
    assert chosen == sin.namespace("shop").id == min([first, second], key=lambda n: (n.created, n.id)).id
    assert listed(lhr) == listed(sin)
    assert [each.id for each in lhr.namespaces() if each.duplicate] == [({first.id, second.id} - {chosen}).pop()]
    assert [n.store(first.id)["a"] for n in (lhr, sin)] == ["of lhr"] * 2
    assert [n.store(second.id)["a"] for n in (lhr, sin)] == ["of sin"] * 2
    assert lhr.store("shop") is lhr.store(chosen)


def test_a_duplicate_takes_the_name_once_the_first_is_deleted_or_renamed(lhr: Node, sin: Node) -> None:
    lhr.create("shop")
    sin.create("shop")
    meet(lhr, sin)
    first = lhr.namespace("shop").id
    lhr.rename("shop", "old-shop")
    meet(lhr, sin)
    assert lhr.namespace("shop").id == sin.namespace("shop").id != first
    assert sin.namespace("old-shop").id == first


def test_renamed_and_deleted_at_once_it_is_deleted(lhr: Node, sin: Node) -> None:
    lhr.create("shop")
    meet(lhr, sin)
    sin.rename("shop", "market")
    lhr.delete("shop")
    meet(lhr, sin)
    assert listed(lhr) == listed(sin) == [("default", DEFAULT_ID, False)]


def test_what_is_deleted_is_closed_and_removed_at_every_colo(lhr: Node, sin: Node) -> None:
    id = lhr.create("shop").id
    meet(lhr, sin)
    there = sin.store("shop")
    assert f"namespace-{id[1:]}" in files(sin)
    lhr.delete("shop")
    meet(lhr, sin)
    for node in (lhr, sin):
        assert files(node) == {"system", "namespace-default"}
        with pytest.raises(NamespaceUnknown):
            node.store("shop")
        with pytest.raises(NamespaceUnknown):
            node.store(id)
        assert [each.id for each in node.namespaces(deleted=True) if each.deleted] == [id]
    with pytest.raises(StoreClosed):
        there["a"] = 1


def test_a_new_namespace_of_a_deleted_name_has_nothing_of_the_old(lhr: Node, sin: Node) -> None:
    old = lhr.create("shop").id
    lhr.store("shop")["a"] = 1
    meet(lhr, sin)
    lhr.delete("shop")
    new = lhr.create("shop").id
    meet(lhr, sin)
    assert new != old
    assert [dict(node.store("shop")) for node in (lhr, sin)] == [{}, {}]


def test_what_was_deleted_while_a_colo_was_down_is_never_served_there_again(tmp_path: Path, lhr: Node) -> None:
    """Its file lies in the folder still, and goes once the colo hears of it; then also for the starts to come."""
    with Node(tmp_path / "sin", colo="sin") as sin:
        id = lhr.create("shop").id
        meet(lhr, sin)
        sin.store("shop")["a"] = 1
    lhr.delete("shop")
    with Node(tmp_path / "sin") as sin:
        assert sin.store("shop")["a"] == 1  # it has not heard yet
        meet(lhr, sin)
        assert id not in sin.stores()
        (tmp_path / "sin" / f"namespace-{id[1:]}.db").write_bytes(b"put back by hand")
    with Node(tmp_path / "sin") as sin:
        assert id not in sin.stores()
        assert files(sin) == {"system", "namespace-default"}


def test_a_file_of_no_namespace_that_is_known_is_left_alone(tmp_path: Path) -> None:
    """As when the system namespace was lost: who joins the cluster again learns what it is of."""
    Node(tmp_path, colo="lhr").close()
    stray = tmp_path / "namespace-abc.db"
    stray.write_bytes(b"precious")
    with Node(tmp_path) as node:
        assert list(node.stores()) == [DEFAULT_ID]
    assert stray.read_bytes() == b"precious"


def test_one_file_that_cannot_be_read_keeps_no_other_from_being_served(tmp_path: Path) -> None:
    """What is wrong with it is said to who asks for it; put right, it is served at the next start."""
    with Node(tmp_path, colo="lhr") as node:
        id = node.create("shop").id
        node.create("other")
    path = tmp_path / f"namespace-{id[1:]}.db"
    good = path.read_bytes()
    path.write_bytes(b"no store at all" * 1_000)
    with Node(tmp_path) as node:
        assert node.store("other").colo == node.store("default").colo == "lhr"
        with pytest.raises(NotAStore):
            node.store("shop")
        assert list(node.troubles) == [id]
    path.write_bytes(good)
    with Node(tmp_path) as node:
        assert node.store("shop").colo == "lhr"
        assert not node.troubles


def test_a_namespace_of_some_colos_only(lhr: Node, sin: Node) -> None:
    made = lhr.create("eu", colos=["lhr", "fra"])
    meet(lhr, sin)
    assert made.hosted
    there = sin.namespace("eu")
    assert (there.hosted, there.colos) == (False, ("fra", "lhr"))
    with pytest.raises(NamespaceElsewhere, match="'eu' is not held by 'sin'; it is at fra, lhr"):
        sin.store("eu")
    lhr.host("eu", "sin")
    lhr.store("eu")["a"] = 1
    meet(lhr, sin)
    assert sin.store("eu")["a"] == 1


def test_two_that_let_other_colos_hold_it_at_once_have_both_done_so(lhr: Node, sin: Node) -> None:
    lhr.create("eu", colos=["lhr"])
    meet(lhr, sin)
    lhr.host("eu", "fra")
    sin.host("eu", "sin")
    meet(lhr, sin)
    assert lhr.namespace("eu").colos == sin.namespace("eu").colos == ("fra", "lhr", "sin")


def test_a_node_opens_what_it_had(tmp_path: Path) -> None:
    with Node(tmp_path, colo="lhr") as node:
        node.create("shop")
        node.store("shop")["a"] = 1
        with pytest.raises(StoreLocked):
            Node(tmp_path, colo="lhr")
    with Node(tmp_path) as node:
        assert (node.colo, node.store("shop")["a"]) == ("lhr", 1)
    with pytest.raises(BadRequest, match="belongs to colo 'lhr'"):
        Node(tmp_path, colo="sin")


def test_listeners_are_told_what_is_opened_and_closed(lhr: Node, sin: Node) -> None:
    told: list[tuple[str, Store | None]] = []
    sin.listeners.append(lambda id, store: told.append((id, store)))
    sin.listeners.insert(0, lambda id, store: 1 / 0)  # one that fails is logged
    id = lhr.create("shop").id
    meet(lhr, sin)
    opened = sin.store("shop")
    lhr.delete("shop")
    meet(lhr, sin)
    assert told == [(id, opened), (id, None)]


@pytest.mark.parametrize("name", ["", "a/b", "~default", "a" * 65, "über", "status", "Namespaces", ".", 7, None])
def test_what_a_namespace_may_not_be_called(lhr: Node, name: str) -> None:
    with pytest.raises(NamespaceInvalid):
        lhr.create(name)
    with pytest.raises(NamespaceInvalid):
        lhr.rename("default", name)
    assert listed(lhr) == [("default", DEFAULT_ID, False)]


def test_what_is_refused_changes_nothing(lhr: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    lhr.create("shop")
    before = (listed(lhr), lhr.system.vector)
    for error, act in [
        (NamespaceExists, lambda: lhr.create("shop")),
        (NamespaceExists, lambda: lhr.rename("shop", "default")),
        (NamespaceUnknown, lambda: lhr.rename("none", "other")),
        (NamespaceUnknown, lambda: lhr.delete("none")),
        (NamespaceInvalid, lambda: lhr.delete("default")),
        (BadRequest, lambda: lhr.create("eu", colos=[])),
        (BadRequest, lambda: lhr.create("eu", colos=["Paris"])),
        (BadRequest, lambda: lhr.host("shop", "Paris")),
    ]:
        with pytest.raises(error):
            act()
    monkeypatch.setattr(node_room, "MAX_NAMESPACES", 2)
    with pytest.raises(TooLarge):
        lhr.create("third")
    assert (listed(lhr), lhr.system.vector) == before


def test_what_another_release_wrote_of_a_namespace_is_left_out(lhr: Node) -> None:
    lhr.system.put("namespace/~x", {"name": ["odd"], "created": "soon", "colos": "all", "colour": 7}, strategy="json")
    lhr.system.put("namespace/no-id", {"name": "odd"}, strategy="json")
    lhr.system.put("namespace/~y", "no document", strategy="lww")
    lhr.refresh()
    assert listed(lhr) == [("", "~x", False), ("default", DEFAULT_ID, False)]
    assert lhr.store("~x").colo == "lhr"


def test_the_default_namespace_cannot_be_deleted_by_a_cell(lhr: Node) -> None:
    lhr.system.put("namespace/~default", {"deleted": True, "colos": {}, "created": 9**9}, strategy="json")
    lhr.refresh()
    assert listed(lhr) == [("default", DEFAULT_ID, False)]


def test_a_namespace_in_a_store_of_another_is_not_mixed(lhr: Node) -> None:
    lhr.create("shop")
    with pytest.raises(BadRequest, match="they do not sync"):
        lhr.store("shop").sync(crdtkv.open(colo="sin", namespace=DEFAULT_ID))


def test_who_is_alone_evicts_nobody() -> None:
    with Node(None, colo="lhr") as node, pytest.raises(NotAMember, match="at colo 'lhr'; there is none beside 'lhr'"):
        node.evict("lhr")
