"""What the views of a store's file say of what only the store can read: JSON text of values, as they are now.

Law of this room: it is told within a checkpoint, so it writes nothing, takes no lock, keeps
nothing for later readers, and a key that cannot be told is left out, never in the way.
"""

from __future__ import annotations

import base64
import json.encoder
from collections.abc import Callable
from typing import Any, Final

from crdtkv.core import values
from crdtkv.core.blob import Blob
from crdtkv.core.cells import is_value
from crdtkv.core.clocks import stamp_ms
from crdtkv.core.paths import STRATEGY
from crdtkv.core.versions import format_version
from crdtkv.replica.core import Replica
from crdtkv.storage.views import AS_IT_IS, Showing
from crdtkv.store.selection import USER_KEYS
from crdtkv.store.telling import passing

__all__ = ["as_json", "showing"]

_Row = tuple[Any, ...] | None

_quoted: Final = json.encoder.encode_basestring

_ROOTS: Final = {STRATEGY + spec.encode() + b"\0" for spec in AS_IT_IS}


def as_json(value: Any) -> str:
    """JSON text of any value; a blob in it is `{"base64": ..., "content_type": ...}`.

    >>> as_json([1, Blob(b"GIF", "image/gif")])
    '[1,{"base64":"R0lG","content_type":"image/gif"}]'
    """
    return values.to_json(_plain(value))


_SIMPLE = frozenset({str, int, float, bool, type(None)})


def _plain(value: Any) -> Any:
    if isinstance(value, Blob):
        return {"base64": base64.b64encode(value.data).decode(), "content_type": value.content_type}
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    if not isinstance(value, list | tuple):
        return value
    return value if set(map(type, value)) <= _SIMPLE else [_plain(item) for item in value]


def showing(replica: Replica) -> Showing:
    """How the keys, the past and the inbox of `replica` are told."""
    def key_row(key: str) -> _Row:
        entry = passing(replica, replica.now())(key, *replica.storage.standing(key)) if key >= USER_KEYS else None
        if entry is None:
            return None
        conflicts = as_json(list(entry.conflicts)) if entry.conflicts else None
        return (as_json(entry.value), entry.strategy, entry.version, entry.stamp, entry.expires, conflicts)

    return Showing(_or_not(key_row), _or_not(_past_row), _or_not(_lost_row))


def _or_not(tell: Callable[..., _Row]) -> Callable[..., _Row]:
    def told(*where: Any) -> _Row:
        try:
            return tell(*where)
        except Exception:  # a strategy or a merge function of a user's may raise anything, a payload be none
            return None

    return told


def _past_row(key: str, path: bytes, rows: Any) -> _Row:
    """A JSON array, of each of `rows` version, replica, milliseconds and the JSON text of its value. (Each write that
    replaces a value comes by here: it is put together of texts.)
    """
    if key < USER_KEYS or path not in _ROOTS:
        return None
    found: list[str] = []
    of_key, before, name = format_version(key, {}), "", '""'
    for ((replica, n), stamp, payload, _, _), _, _, _ in rows:
        if payload is None or is_value(payload):
            if replica != before:
                before, name = replica, _quoted(replica)
            found.append(f'["{of_key}_{name[1:-1]}.{n}",{name},{stamp_ms(stamp)},{_told(payload)}]')
    return (f"[{','.join(found)}]",) if found else None


def _told(payload: bytes | None) -> str:
    """The JSON text of the JSON text of a value."""
    if payload is None:
        return "null"
    value = values.unpack(payload)
    if type(value) is not str:
        return _quoted(as_json(value))
    text: str = _quoted(value)
    return f'"\\"{value}\\""' if len(text) == len(value) + 2 else _quoted(text)


def _lost_row(id: str, row: Any) -> _Row:
    origin, _, stamp, _ = row["lost"]
    value, winner = (None if row[part] is None else as_json(values.unpack(row[part])) for part in ("value", "winner"))
    return (row["key"], row["where"], row["reason"], value, winner, origin, stamp_ms(stamp))
