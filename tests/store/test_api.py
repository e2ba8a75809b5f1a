"""The public API is what the issue promised: each method, each parameter, typed and with a doctest."""

from __future__ import annotations

import inspect
from collections.abc import MutableMapping

import pytest

import crdtkv
from crdtkv.store import handles
from crdtkv.store.operations import Operations
from crdtkv.store.rulebook import Rulebook

PROMISED: dict[str, set[str]] = {
    "put": {"key", "value", "base", "strategy", "ttl", "if_version", "idempotency_key"},
    "get": {"key", "at"},
    "get_many": {"keys"},
    "delete": {"key", "base", "if_version"},
    "patch": {"key", "patch", "base"},
    "expire": {"key", "ttl"},
    "counter": {"key"}, "set": {"key"}, "list": {"key"}, "log": {"key"}, "flag": {"key"}, "json": {"key"},
    "scan": {"prefix", "glob", "regex", "start", "end", "limit", "reverse", "cursor"},
    "keys": {"prefix", "glob", "regex", "start", "end", "reverse"},
    "transaction": set(),
    "history": {"key"},
    "diff": {"key", "a", "b"},
    "blame": {"key"},
    "revert": {"key", "version"},
    "conflicts": {"prefix"},
    "watch": {"prefix", "since"},
    "sync": {"other"},
    "digest": set(), "check": set(), "compact": set(), "leave": set(), "close": set(),
    "evict": {"colo"},
    "resolve": {"link"},
}  # fmt: skip
PROPERTIES = ("vector", "members", "id", "colo", "forks", "floor")


@pytest.mark.parametrize("name", PROMISED)
def test_each_method_takes_what_was_promised(name: str) -> None:
    method = getattr(crdtkv.Store, name)
    assert PROMISED[name] <= set(inspect.signature(method).parameters), name
    assert method.__doc__, f"{name} has no docstring"


def test_open_takes_what_was_promised() -> None:
    given = inspect.signature(crdtkv.open).parameters
    assert {"path", "colo", "namespace", "history", "clock", "random"} <= set(given)
    assert {"set", "migrate", "remove", "all", "of"} <= {n for n in dir(Rulebook) if not n.startswith("_")}
    assert {"pattern", "strategy", "paths", "ttl"} <= set(inspect.signature(Rulebook.set).parameters)
    assert {"pattern", "dry_run"} <= set(inspect.signature(Rulebook.migrate).parameters)


@pytest.mark.parametrize("name", PROPERTIES)
def test_properties(name: str) -> None:
    assert isinstance(inspect.getattr_static(crdtkv.Store, name), property)


def test_everything_public_has_words() -> None:
    """Store, transactions, rules and handles: each public name says in a line what holds after it."""
    for cls in (crdtkv.Store, crdtkv.Transaction, Rulebook, *(getattr(handles, n) for n in handles.__all__)):
        for name, member in inspect.getmembers(cls):
            if not name.startswith("_") and callable(member) and not hasattr(MutableMapping, name):
                assert inspect.getdoc(member), f"{cls.__name__}.{name}"


def test_a_transaction_has_the_methods_of_a_store() -> None:
    assert issubclass(crdtkv.Transaction, Operations) and issubclass(crdtkv.Store, Operations)


def test_results_are_frozen() -> None:
    kv = crdtkv.open(colo="lhr")
    receipt = kv.put("a", 1)
    for result in (receipt, kv.get("a"), kv.history("a")[0], kv.blame("a")[0], kv.sync(crdtkv.open(colo="sin"))):
        name = next(iter(getattr(result, "__dataclass_fields__", ["key"])))
        with pytest.raises(AttributeError):
            setattr(result, name, None)


def test_names_of_the_package() -> None:
    for name in crdtkv.__all__:
        assert getattr(crdtkv, name) is not None
    assert set(crdtkv.__all__) <= set(dir(crdtkv))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = crdtkv.nothing  # type: ignore[attr-defined]
