"""Results as a person or a program wants them: a table, JSON, lines of JSON, bare fields.

Rule: what is said is the same on a terminal and in a pipe; colour, and the cutting of
long values to the width, are the terminal's alone. A table never prints a control
character: a key may hold any, and a terminal obeys them.
"""

import base64
import json
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from crdtkv.cli.options import Form
from crdtkv.cli.table import CUT, FOLDED, LEAST, table
from crdtkv.core.blob import Blob

__all__ = ["Printer", "Row", "progress"]

Row = dict[str, Any]

_TIMES = ("stamp", "expires", "purged_to", "created")
_SHORT = 6
_NONE: Any = object()
"""In a row that lacks a field; None is a value."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class Printer:
    """Where a command prints, in the form that was asked for (None: the command's own choice, a table)."""

    def __init__(self, form: Form | None = None) -> None:
        self.form = form

    @property
    def terminal(self) -> bool:
        """Whether a person reads it."""
        return sys.stdout.isatty()

    def rows(self, columns: Sequence[str], rows: Iterable[Row], raw: Sequence[str] = (), empty: str = "") -> None:
        """Rows of plain data. A table shows `columns`, raw the fields `raw`, JSON all. `empty`: what none means."""
        match self.form or Form.table:
            case Form.json:
                _json_array(rows)
            case Form.ndjson:
                for row in rows:
                    print(_json(row))
            case Form.raw:
                for row in rows:
                    print("\t".join(_field(name, row.get(name, _NONE)) for name in raw or columns))
            case Form.table:
                self._table(columns, rows, empty)

    def record(self, columns: Sequence[str], row: Row, raw: Sequence[str]) -> None:
        """One record that is short enough for a line of a table."""
        if self.form in (None, Form.table):
            self.rows(columns, [row])
        else:
            self.one(row, raw)

    def lines(self, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """Rows of a table that has no end: no head, two blanks between."""
        for row in rows:
            print("  ".join(_cell(name, row[name]).ljust(_SHORT) for name in columns if name in row).rstrip())

    def one(self, row: Row, raw: Sequence[str]) -> None:
        """One record: a table has a line for each field that is there."""
        match self.form or Form.table:
            case Form.json | Form.ndjson:
                print(_json(row))
            case Form.raw:
                print("\t".join(_field(name, row.get(name, _NONE)) for name in raw))
            case Form.table:
                width = max(map(len, row))
                room = self._screen - width - 2 if self.terminal else 0
                for name, value in row.items():
                    for i, line in enumerate(_block(name, value, room)):
                        print(f"{self._dim(('' if i else name).ljust(width))}  {line}".rstrip())

    def value(self, value: Any) -> None:
        """A value and nothing else: text as it is, a blob's bytes, else JSON (indented on a terminal if long)."""
        if isinstance(value, Blob):
            sys.stdout.flush()
            sys.stdout.buffer.write(value.data)
            return
        words = value if isinstance(value, str) else _json(value)
        if self.terminal and not isinstance(value, str) and len(words) > 80:
            words = json.dumps(_plain(value), ensure_ascii=False, indent=2)
        if self.terminal:  # what it would obey stays visible; lines and tabs stay lines and tabs
            words = re.sub(r"[^\n\t]+", lambda found: _escaped(found[0]), words)
        print(words)

    def say(self, words: str) -> None:
        """A sentence, where the form is for people."""
        if self.form in (None, Form.table):
            print(words)

    @property
    def _screen(self) -> int:
        return shutil.get_terminal_size().columns

    @property
    def _coloured(self) -> bool:
        return self.terminal and not os.environ.get("NO_COLOR")

    def _dim(self, words: str) -> str:
        return f"\x1b[2m{words}\x1b[0m" if self._coloured else words

    def _table(self, columns: Sequence[str], rows: Iterable[Row], empty: str) -> None:
        cells = ([_cell(name, row.get(name, _NONE)) for name in columns] for row in rows)
        line = None
        for line in table(columns, cells, self._screen if self.terminal else 0, self._coloured):
            print(line)
        if line is None and empty:
            print(empty)


def _block(name: str, value: Any, room: int = 0) -> list[str]:
    """The lines of text for a field: one for each part of a list, or for each name with what it names.

    `room`: columns of the screen; a sentence is folded to it.
    """
    if isinstance(value, list) and name not in CUT and value:
        return [_cell("", part) for part in value]
    if name in CUT or not isinstance(value, dict) or not value:
        return _folded(_cell(name, value), room if name in FOLDED else 0)
    width = max(map(len, value)) + 2
    return [
        f"{'' if i else _escaped(part):{width}}{line}"
        for part, named in value.items()
        for i, line in enumerate(_folded(_cell(part, named), max(room - width, LEAST) if room else 0))
    ]


def _folded(text: str, room: int) -> list[str]:
    """The lines that it takes between its words, `room` columns wide; 0 is any width."""
    return textwrap.wrap(text, max(room, LEAST)) or [""] if room else [text]


def _cell(name: str, value: Any) -> str:
    """One line of text for a field, without control characters."""
    if value is _NONE:
        return ""
    if name in CUT and name not in ("siblings", "conflicts"):
        return _escaped(value) if isinstance(value, str) else _blob_words(value)
    if value is None or value in ([], {}):
        return ""
    if name in _TIMES:
        return datetime.fromtimestamp(value / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _escaped(value) if isinstance(value, str) else _json(value)


def _blob_words(value: Any) -> str:
    return f"({value.content_type}, {len(value.data)} bytes)" if isinstance(value, Blob) else _escaped(_json(value))


def _field(name: str, value: Any) -> str:
    """A field between tabs: as JSON would escape it, so that a line is a row."""
    if value is _NONE or (value is None and name not in CUT):
        return ""
    return _escaped(value if isinstance(value, str) else _json(value))


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda found: json.dumps(found[0])[1:-1], text)


def _json(value: Any) -> str:
    return json.dumps(_plain(value), ensure_ascii=False, separators=(", ", ": "))


def _plain(value: Any) -> Any:
    """Blobs as `{"base64": ..., "content_type": ...}`: for reading; an export says which are blobs."""
    if isinstance(value, Blob):
        return {"base64": base64.b64encode(value.data).decode(), "content_type": value.content_type}
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, (list, tuple)) else value


def _json_array(rows: Iterable[Row]) -> None:
    """As they come: the array is never whole in memory."""
    before = "["
    for row in rows:
        print(before)
        print(f"  {_json(row)}", end="")
        before = ","
    print("[]" if before == "[" else "\n]")


class progress:
    """A bar on stderr while something takes long, if a person watches it; else nothing.

    >>> with progress("counting", total=2) as advance:
    ...     advance(2)
    """

    def __init__(self, words: str, total: float | None = None) -> None:
        self._words = words
        self._total = total
        self._bar: Any = None

    def __enter__(self) -> Any:
        if not sys.stderr.isatty():
            return lambda step=1: None
        from rich.console import Console
        from rich.progress import Progress

        self._bar = Progress(console=Console(stderr=True), transient=True)
        self._bar.start()
        task = self._bar.add_task(self._words, total=self._total)
        return lambda step=1: self._bar.advance(task, step)

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.stop()
