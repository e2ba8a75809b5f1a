"""One adapter a peer: what each workload asks, in the peer's own best way.

An adapter is a module (`.mjs` for Node). `replica(n)` gives a replica with the id n; what it has not got, a workload
finds missing and says so. A replica of a document:

| | |
|---|---|
| `append(value)`, `extend(values)` | to its list, a transaction each; all in one |
| `entries()` | of the list |
| `add(element)`, `add_all(elements)`, `discard(element)`, `elements()` | its set, or a map's keys |
| `increment(n)`, `count()` | its counter |
| `put(key, value)`, `put_all(mapping)`, `get(key)` | its keys and values, bytes |
| `write(value)`, `read()` | a document written as a whole, as a plain PUT does, and read |
| `splice(at, deleted, inserted)`, `text()` | its text |
| `save()` | the state as bytes: what a new replica takes |

`fork(replica, n)` is another replica with the same state, `meet(a, b)` exchanges both ways until both have all, and
gives the bytes that went over and how many round trips they took (0 and 0: that the peer does not tell). `replica` of
a server or a file is a client of the one there is: no `fork`, no `meet`.

What merges three documents has `merge(base, ours, theirs)`, which gives a value, or words: CONFLICT, or why there is
none.
"""

from __future__ import annotations

import json
from typing import Any

__all__ = ["CONFLICT", "CannotDo", "file_name", "from_lines", "need", "to_lines"]

CONFLICT = "a conflict"

_LACKING = {
    "append": "lists", "extend": "lists", "remove": "lists", "entries": "lists",
    "add": "sets", "discard": "sets", "elements": "sets", "increment": "counters", "count": "counters",
    "splice": "text", "text": "text", "put": "keys", "get": "keys", "edit": "members", "members": "members",
    "add_all": "transactions of several writes", "put_all": "transactions of several writes",
}  # fmt: skip
"""What who lacks a name of the table above lacks, in words. (The same in worker.mjs.)"""


class CannotDo(Exception):
    """What the peer lacks, in words: that is its result."""


def need(peer: Any, *names: str) -> None:
    """CannotDo unless it, or a replica of it, has these."""
    replica = getattr(peer, "Replica", peer)
    for name in names:
        if not hasattr(peer, name) and not hasattr(replica, name):
            raise CannotDo(f"cannot: no {_LACKING.get(name, name)}")


def file_name(peer: str) -> str:
    """`loro-js` is in loro_js."""
    return peer.replace("-", "_").replace(" ", "_")


def to_lines(value: Any) -> list[str]:
    """JSON, an entry a line, for what merges lines."""
    return json.dumps(value, indent=1, ensure_ascii=False).splitlines(keepends=True)


def from_lines(text: str) -> Any:
    """The value, or that it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return "no JSON"
