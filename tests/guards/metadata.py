"""Metadata: that of the key's last write, and none of a key that is gone."""

from __future__ import annotations

from typing import Any

from crdtkv.core.keys import METADATA
from crdtkv.doors.items import holding
from crdtkv.store import maintenance, metadata
from tests.colos import Colos
from tests.guards.mutation import Line, guards


def put(kv: Any, key: str, body: bytes, about: Any = None) -> None:
    with kv.transaction() as t:
        holding.put(t, holding.Put(key, body, metadata=about))


def told(kv: Any, key: str) -> Any:
    item = holding.get(kv, key)
    return item and item.metadata


@guards(
    "it is shown only while nothing that shows in the key was written later",
    Line(metadata.metadata_of, "or _newest(found) < _newest(shown)", ""),
)
def who_knows_nothing_of_metadata_leaves_none() -> None:
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    put(a, "k", b"[1]", "old")
    colos.meet()
    assert told(b, "k") == "old"
    b.put("k", [1, 2])
    del b["k"]
    b.put("k", [1])
    colos.meet()
    assert told(a, "k") is None and told(b, "k") is None


@guards(
    "Metadata goes whose key is gone (deleted by who knew nothing of it, or expired), at the colo that wrote it.",
    Line(maintenance._is_widowed, "if not siblings or replica.shown(key.removeprefix(METADATA)) is not None:",
         "if not siblings:"),
    Line(maintenance._is_widowed, "return origin in replica.state.lineage or", "return"),
    Line(maintenance._is_widowed, "or not members.is_member(replica, origin)", "or True"),
    Line(maintenance.compact, "_drop_metadata(replica, rule_of, _of_metadata(replica))", "pass"),
)  # fmt: skip
def of_a_key_that_is_gone_no_metadata_is_kept() -> None:
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    put(a, "gone", b"1", "m")
    put(a, "stays", b"1", "m")
    colos.meet()
    del b["gone"]
    colos.meet()
    before = b.vector
    b.compact()
    assert b.vector == before
    a.compact()
    assert a._replica.shown(METADATA + "gone") is None and told(a, "stays") == "m"
