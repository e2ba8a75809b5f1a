"""A store with something of every kind in it, and all that it is asked for."""

from __future__ import annotations

from typing import Any

import crdtkv

__all__ = ["everything", "fill"]


def fill(kv: crdtkv.Store) -> None:
    """Something of every kind, concurrent writes and old versions too."""
    kv.rules.set("doc", "json", paths={"/tags": "set", "/hits": "counter"})
    kv.put("doc", {"tags": ["b", "a"], "hits": 2, "l": [1, {"x": None}], "é": 1.0})
    kv.put("doc", {"tags": ["b"], "hits": 3, "l": [{"x": None}], "é": -0.0, "big": 2**70})
    kv.list("row").append("a", "b", "c")
    kv.list("row").move(0, 2)
    kv.counter("n").add(5, idempotency_key="once")
    kv.counter("n").reset()
    kv.log("log").append("x")
    kv.flag("on").enable()
    kv.put("blob", crdtkv.Blob(b"\x00", "image/gif"))
    kv.put("mv", 1, strategy="mv")
    kv.put("ttl", 1, ttl=1000)
    kv.put("gone", 1)
    kv.delete("gone")
    kv.put("\U0001f600" * 100, 1)


def everything(kv: crdtkv.Store) -> Any:
    return (
        kv.id,
        kv.vector,
        kv.digest(),
        kv.members,
        [repr(e) for e in kv.scan()],
        kv.rules.all(),
        kv.floor,
        {k: [repr(r) for r in kv.history(k)] for k in ("doc", "row", "n", "gone")},
        [repr(c.value) for c in kv.conflicts()],
    )
