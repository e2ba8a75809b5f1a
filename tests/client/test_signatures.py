"""A Store and a Client take the same and give the same: one protocol, compared name by name."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import crdtkv
from crdtkv.client.asking import Asking
from crdtkv.client.caring import Caring
from crdtkv.client.protocol import Changes, KeyValue, Rules, Writing
from crdtkv.client.rulebook import RemoteRules
from crdtkv.client.transaction import RemoteTransaction
from crdtkv.client.waited_handles import AsyncRules
from crdtkv.client.waiting import AsyncFeed, AsyncTransaction
from crdtkv.store.rulebook import Rulebook
from crdtkv.store.watching import Feed

OWN = {"sync", "submit", "asubmit", "backup", "on_commit"}
"""What only a store does that is open here."""

ASKED = ("put", "delete", "patch", "expire", "operate", "get", "get_many", "scan", "history", "diff", "blame", "revert",
         "conflicts", "check", "compact", "evict", "resolve", "leave")  # fmt: skip


def named(cls: Any) -> dict[str, Any]:
    """Public methods and properties, and those of a mapping."""
    found = {n: inspect.getattr_static(cls, n) for n in dir(cls) if not n.startswith("_")}
    items = ("__getitem__", "__setitem__", "__delitem__")
    return found | {n: inspect.getattr_static(cls, n) for n in items if hasattr(cls, n)}


def parameters(method: Any) -> list[tuple[str, Any, bool]]:
    """Name, kind, and whether it may be left out, of each but self."""
    found = list(inspect.signature(method).parameters.values())[1:]
    return [(p.name, p.kind, p.default is p.empty) for p in found]


def defaults(method: Any) -> list[Any]:
    return [p.default for p in inspect.signature(method).parameters.values() if type(p.default) is not object]


@pytest.mark.parametrize(
    ("protocol", "classes"),
    [
        (KeyValue, (crdtkv.Store, crdtkv.Client)),
        (Writing, (crdtkv.Transaction, RemoteTransaction)),
        (Rules, (Rulebook, RemoteRules)),
        (Changes, (Feed,)),
    ],
)  # fmt: skip
def test_what_the_protocol_says_both_take(protocol: Any, classes: tuple[Any, ...]) -> None:
    wanted = named(protocol)
    assert wanted
    for cls in classes:
        for name, member in wanted.items():
            if isinstance(member, property):
                continue
            own = inspect.getattr_static(cls, name)
            assert parameters(own) == parameters(member), (cls.__name__, name)
            assert defaults(own) == defaults(member), (cls.__name__, name)


def test_the_protocol_has_all_that_a_store_has_and_a_client_can() -> None:
    store = set(named(crdtkv.Store)) - OWN
    assert store - set(named(KeyValue)) == set()
    assert set(named(KeyValue)) - {"rules", "namespace"} <= store
    assert set(named(KeyValue)) <= set(named(crdtkv.Client)) | {"rules"}


def test_both_are_one() -> None:
    kv = crdtkv.open(colo="lhr")
    assert isinstance(kv, KeyValue)
    with kv.transaction() as t:
        assert isinstance(t, Writing)
    with crdtkv.connect("http://127.0.0.1:9") as client, client.transaction() as remote:
        assert isinstance(remote, Writing)  # (of a client each property would be asked of the colo)


@pytest.mark.parametrize("name", ASKED)
def test_the_client_for_an_event_loop_takes_the_same(name: str) -> None:
    assert parameters(getattr(crdtkv.AsyncClient, name)) == parameters(getattr(crdtkv.Client, name))
    assert inspect.getdoc(getattr(crdtkv.AsyncClient, name))


def test_whatever_is_public_says_what_it_does() -> None:
    for cls in (crdtkv.Client, crdtkv.AsyncClient, RemoteTransaction, AsyncTransaction, RemoteRules, AsyncRules,
                AsyncFeed, Asking, Caring):  # fmt: skip
        for name, member in named(cls).items():
            assert name.startswith("__") or inspect.getdoc(member), f"{cls.__name__}.{name}"
