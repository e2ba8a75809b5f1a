"""What other programs read in a store's file: views `kv`, `history` and `conflicts`, with JSON text.

Law of this room: plain SQL, no function of ours. A plain key is read where it stands. What
only the store can read (documents, sets, counters, several siblings, a date) is written in
its words beside it, by the same step of a checkpoint that writes the key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["AS_IT_IS", "TOLD", "VIEWS", "Showing"]

AS_IT_IS = ("json", "lww", "mv", "max", "min")
"""The strategies of which a plain key's value is what is shown."""

TOLD = {
    "shown": ("key TEXT, value TEXT, strategy TEXT, version TEXT, ms INTEGER, expires INTEGER, conflicts TEXT", "key"),
    "was": ("key TEXT, path BLOB, n INTEGER, shown TEXT", "key, path, n"),
    "lost": ("id TEXT, key TEXT, path TEXT, reason TEXT, value TEXT, winner TEXT, replica TEXT, ms INTEGER", "id"),
}
"""Table -> its columns, and its primary key. They say nothing that is not elsewhere."""

_TIME = "strftime('%Y-%m-%dT%H:%M:%fZ', {} / 1000.0, 'unixepoch')"
_PAST_MS = "json_extract(each.value, '$[2]')"
_NOW = "CAST(strftime('%s', 'now') AS INTEGER) * 1000"
_PLAIN = (
    "FROM cell JOIN name AS o ON o.id = origin JOIN name AS r ON r.id = root "
    f"WHERE cell.value IS NOT NULL AND key >= char(1) AND r.name IN {AS_IT_IS!r}"
)
_VERSION = "printf('%04x_%s.%d', mark >> 31, o.name, n)"

VIEWS = {
    "kv": "SELECT key, json_quote(cell.value) AS value, r.name AS strategy, "
    f"{_VERSION} AS version, {_TIME.format('(stamp >> 16)')} AS time, NULL AS expires, NULL AS conflicts {_PLAIN} "
    f"UNION ALL SELECT key, value, strategy, version, {_TIME.format('ms')}, {_TIME.format('expires')}, conflicts "
    f"FROM shown WHERE expires IS NULL OR expires > {_NOW}",
    "history": "SELECT was.key AS key, json_extract(each.value, '$[0]') AS version, "
    f"{_TIME.format(_PAST_MS)} AS time, json_extract(each.value, '$[1]') AS replica, "
    "json_extract(each.value, '$[3]') AS value FROM was, json_each(was.shown) AS each "
    f"UNION ALL SELECT key, {_VERSION}, {_TIME.format('(stamp >> 16)')}, o.name, json_quote(cell.value) {_PLAIN}",
    "conflicts": f"SELECT id, key, path, reason, value, winner, replica, {_TIME.format('ms')} AS time FROM lost",
}
"""View -> its statement."""


class Showing(NamedTuple):
    """How the store tells what it alone can read: rows of `TOLD` without their key; None: nothing is to be told."""

    key: Callable[[str], tuple[Any, ...] | None]
    past: Callable[[str, bytes, Any], tuple[Any, ...] | None]
    lost: Callable[[str, Any], tuple[Any, ...] | None]
