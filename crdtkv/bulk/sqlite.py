"""Items in tables of SQLite files that are the user's: sqlite-utils reads and writes them.

A store's own file is none of these: its tables are not to be written by hand, and what
reads in them are cells, not values.
"""

from __future__ import annotations

import sqlite3
from base64 import b64decode
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crdtkv.bulk.items import read_word
from crdtkv.bulk.sources import Found, found
from crdtkv.core import values
from crdtkv.core.blob import Blob
from crdtkv.errors import BadRequest

if TYPE_CHECKING:
    import sqlite_utils

__all__ = ["count", "is_sqlite", "rows", "write"]

_COLUMNS = ("key", "value", "expiration", "strategy", "content_type", "blobs", "metadata")
_STORE = b"crdt"
"""The application id in the header of a store."""
_ANOTHER = "name another file"
_MAGIC = b"SQLite format 3\x00"


def is_sqlite(path: Path) -> bool:
    """Whether the file begins as an SQLite database does."""
    return _head(path).startswith(_MAGIC)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(100)


def rows(path: Path, table: str | None, key: str | None, value: str | None, now: float) -> Iterator[Found]:
    """An item for each row; `line` is its number in the order of the primary key, from 1.

    `key`: the column of keys (else `key`, or the primary key); `value`: that of values
    (else `value`; where there is none, the row without its key, as an object). Text in
    the column of values is read as a word. Raises BadRequest for a file, table or column
    that does not fit.
    """
    with _opened(path) as db:
        try:
            name = _table(db, path, table)
            columns = [column.name for column in db[name].columns]
            key = _column(name, columns, key, "key") or _primary(db, name)
            value = _column(name, columns, value, "value")
            order = ", ".join(f"[{pk}]" for pk in _pks(db, name))
            for number, row in enumerate(db[name].rows_where(order_by=order or None), 1):
                yield found(number, number, lambda row=row: _members(row, key, value), now)  # type: ignore[misc]
        except sqlite3.DatabaseError as error:
            raise BadRequest(f"{str(path)!r} cannot be read: {error}", next_step=_ANOTHER) from None


def count(path: Path, table: str | None) -> int:
    """How many rows there are."""
    with _opened(path) as db:
        return int(db[_table(db, path, table)].count)


def write(items: Iterable[dict[str, Any]], path: Path, table: str, replace: bool) -> None:
    """The items as rows of a new table (`replace`: in the place of one that is there): all or none.

    A value is JSON text, or the bytes of a blob. Raises BadRequest where there is such a table already.
    """
    with _opened(path, new=not path.exists()) as db:
        try:
            _write(items, db, path, table, replace)
        except sqlite3.Error as error:
            raise BadRequest(f"{str(path)!r} cannot be written: {error}", next_step=_ANOTHER) from None


def _write(items: Iterable[dict[str, Any]], db: sqlite_utils.Database, path: Path, table: str, replace: bool) -> None:
    if table in db.view_names() or (table in db.table_names() and not replace):
        raise BadRequest(
            f"there is a {table!r} in {str(path)!r} already", next_step="name another by --table, or give --replace"
        )
    name = '"' + table.replace('"', '""') + '"'
    columns = ", ".join(f"{c} {'INTEGER' if c == 'expiration' else 'TEXT'}" for c in _COLUMNS[1:])
    with db.conn:
        db.conn.execute("BEGIN IMMEDIATE")
        db.conn.execute(f"DROP TABLE IF EXISTS {name}")
        db.conn.execute(f"CREATE TABLE {name} (key TEXT PRIMARY KEY, {columns})")
        marks = ", ".join("?" * len(_COLUMNS))
        db.conn.executemany(f"INSERT INTO {name} VALUES ({marks})", map(_row, items))


@contextmanager
def _opened(path: Path, new: bool = False) -> Iterator[sqlite_utils.Database]:
    """Closed after, and where it is no database at all."""
    import sqlite_utils

    if not new and _head(path)[68:72] == _STORE:
        raise BadRequest(f"{str(path)!r} is a store of crdtkv, no file of tables", next_step="see: crdtkv sync")
    with ExitStack() as open:
        try:
            connection = sqlite3.connect(path if new else f"{path.absolute().as_uri()}?mode=rw", uri=not new)
            db = open.enter_context(closing(sqlite_utils.Database(connection)))
            db.table_names()
        except sqlite3.Error as error:
            raise BadRequest(f"{str(path)!r} is no SQLite database: {error}", next_step=_ANOTHER) from None
        yield db


def _table(db: sqlite_utils.Database, path: Path, table: str | None) -> str:
    """The table that is meant: the one named, or the only one."""
    names = db.table_names() + db.view_names()
    if table is None and len(names) == 1:
        return names[0]
    if table is None or table not in names:
        asked = f"no table {table!r}" if table is not None else f"{len(names)} tables"
        listed = ", ".join(map(repr, names)) or "none"
        raise BadRequest(f"there is {asked} in {str(path)!r}; it has {listed}", next_step="name one by --table")
    return table


def _column(table: str, columns: list[str], wanted: str | None, usual: str) -> str | None:
    if wanted is None:
        return usual if usual in columns else None
    if wanted not in columns:
        raise BadRequest(f"{table!r} has no column {wanted!r}; it has {', '.join(map(repr, columns))}")
    return wanted


def _primary(db: sqlite_utils.Database, table: str) -> str:
    keys = _pks(db, table)
    if len(keys) != 1:
        raise BadRequest(f"{table!r} has no column 'key', and {len(keys)} in its primary key", next_step="name --key")
    return keys[0]


def _pks(db: sqlite_utils.Database, table: str) -> list[str]:
    """The columns of the primary key; none of a view, or where it is the row's number."""
    columns = sorted(db[table].columns, key=lambda column: column.is_pk)
    return [column.name for column in columns if column.is_pk]


def _members(row: dict[str, Any], key: str | None, value: str | None) -> dict[str, Any]:
    """A row as the members of an item."""
    name = row.get(key or "")
    plain: dict[str, Any] = {"key": str(name) if isinstance(name, int) else name}
    if value is None:
        inside = {column: Blob(part) if isinstance(part, bytes) else part for column, part in row.items()}
        return plain | {"value": {column: part for column, part in inside.items() if column != key}}
    found = row[value]
    plain["value"] = read_word(found) if isinstance(found, str) else found
    if isinstance(found, bytes):
        plain["value"] = Blob(found, row.get("content_type") or "application/octet-stream")
    blobs = row.get("blobs")
    more = {c: row[c] for c in ("expiration", "expiration_ttl", "metadata", "strategy") if row.get(c) is not None}
    if isinstance(more.get("metadata"), str):
        more["metadata"] = read_word(more["metadata"])
    return plain | more | ({"blobs": read_word(blobs)} if isinstance(blobs, str) else {})


def _row(item: dict[str, Any]) -> tuple[Any, ...]:
    value = b64decode(item["value"]) if item.get("base64") else values.to_json(item["value"])
    blobs = values.to_json(item["blobs"]) if "blobs" in item else None
    about = values.to_json(item["metadata"]) if "metadata" in item else None
    return (item["key"], value, item.get("expiration"), item.get("strategy"), item.get("content_type"), blobs, about)
