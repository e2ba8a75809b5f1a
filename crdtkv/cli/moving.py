"""Commands that move many keys: export, import."""

import inspect
import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, TextIO

import typer

from crdtkv.cli.door import Taking, fail, many, on_store, other, warn
from crdtkv.cli.options import Prefix

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crdtkv import KeyValue
    from crdtkv.bulk.loading import Loaded
    from crdtkv.bulk.sources import Found
    from crdtkv.cli.output import Printer

__all__ = ["Format", "add_to"]


class Format(StrEnum):
    """What a file of keys is written in."""

    ndjson = "ndjson"
    json = "json"
    csv = "csv"


_Format = Annotated[
    Format | None, typer.Option("--format", help="Else what the file's name says, as in keys.csv; else ndjson.")
]
_File = Annotated[
    Path, typer.Argument(metavar="FILE", show_default=False, help="NDJSON, JSON array, CSV, SQLite; '-': stdin.")
]
_MAX_TOLD = 20
"""Bad lines that are told one by one; the rest are counted."""


def add_to(app: typer.Typer) -> None:
    """The commands of this room."""
    on_store(app, "export", "crdtkv export keys.ndjson\ncrdtkv export --sqlite keys.sqlite", reads=True)(_export)
    on_store(
        app, "import", "crdtkv import keys.ndjson\ncrdtkv import app.sqlite --table users --prefix user/", makes=True,
        taking=Taking("file", (("file", _File, inspect.Parameter.empty),), _there),
    )(_import)  # fmt: skip


def _there(file: Path) -> Path:
    if file.is_dir():
        raise typer.BadParameter(f"{str(file)!r} is a folder; name a file in it", param_hint="FILE")
    if str(file) != "-" and not file.is_file():
        raise typer.BadParameter(f"there is no file {str(file)!r}", param_hint="FILE")
    return file


def _export(
    kv: "KeyValue", out: "Printer",
    file: Annotated[Path | None, typer.Argument(metavar="FILE", show_default=False, help="Else stdout.")] = None,
    form: _Format = None, prefix: Prefix = "",
    start: Annotated[str | None, typer.Option("--start", metavar="KEY", help="From this key on.")] = None,
    workers: Annotated[
        bool, typer.Option("--workers", help="Only what Workers KV takes: values as text, for wrangler kv bulk put.")
    ] = False,
    sqlite: Annotated[
        Path | None, typer.Option("--sqlite", metavar="FILE", help="Into a table of an SQLite file.")
    ] = None,
    table: Annotated[str, typer.Option("--table", metavar="NAME", help="Of that name.")] = "kv",
    replace: Annotated[bool, typer.Option("--replace", help="In the place of one that is there.")] = False,
) -> None:  # fmt: skip
    """Write all keys and values to a file, or to stdout.

    In key order; a file is there whole or not at all. Dates of expiry and strategies go with them; history, and
    what lost, do not.
    """
    from crdtkv.bulk import sqlite as tables
    from crdtkv.bulk.targets import WRITERS
    from crdtkv.cli.output import progress

    for path in (file, sqlite):
        if path is not None and path.is_dir():
            raise typer.BadParameter(f"{str(path)!r} is a folder; name a file in it", param_hint="FILE")
        if path is not None:
            other(path)
    if file is not None and file.is_file() and tables.is_sqlite(file):
        raise typer.BadParameter(f"{str(file)!r} is a database; --sqlite writes a table into one", param_hint="FILE")
    if file is not None and form is None and file.suffix.lower() in _TABLES:
        words = f"{str(file)!r} is named as a database is; --sqlite writes one, --format says what else it is to be"
        raise typer.BadParameter(words, param_hint="FILE")
    if file is not None and sqlite is not None:
        raise typer.BadParameter("give FILE or --sqlite FILE, not both", param_hint="--sqlite")
    to_file = file is not None and str(file) != "-"
    with progress("exporting", total=len(kv) if sys.stderr.isatty() else None) as advance:
        items = _Counted(kv, prefix, start, workers, advance)
        if sqlite is not None:
            tables.write(items, sqlite, table, replace)
        else:
            chosen = form or (_by_name(file) if file is not None else Format.ndjson)
            with _whole(file) if file is not None and to_file else nullcontext(sys.stdout) as stream:
                WRITERS[chosen](items, stream)
    if to_file or sqlite is not None:
        warn(many(items.count, "key"))


class _Counted:
    """The items of a store in key order, page by page."""

    def __init__(self, kv: "KeyValue", prefix: str, start: str | None, workers: bool, advance: Any) -> None:
        self.kv, self.prefix, self.start, self.workers, self.advance = kv, prefix, start, workers, advance
        self.count = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        from crdtkv.bulk.items import page_of, workers_of

        cursor = None
        while True:
            page, cursor = page_of(self.kv, prefix=self.prefix, start=self.start, limit=256, cursor=cursor)
            for plain in page:
                self.count += 1
                yield workers_of(plain) if self.workers else plain
            self.advance(len(page))
            if cursor is None:
                return


@contextmanager
def _whole(file: Path) -> Iterator[TextIO]:
    """A file that has the name only once all of it is written. What is no file, as a pipe, is written to as it is."""
    if file.exists() and not file.is_file():
        with file.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        return
    real = file.resolve()  # where it is a link, what that points to
    part = real.with_name(f".crdtkv-{secrets.token_hex(8)}.part")
    try:
        # ("x": what bears that name already would be somebody's)
        with part.open("x", encoding="utf-8", newline="") as stream, _gone_unless_done(part):
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
            part.replace(real)
    except OSError as error:
        if error.filename == str(part):
            error.filename = str(file)  # as the user named it
        raise


@contextmanager
def _gone_unless_done(part: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


_TABLES = (".db", ".sqlite", ".sqlite3")


def _by_name(file: Path) -> Format:
    ending = file.suffix.lower().lstrip(".")
    return Format(ending) if ending in set(Format) else Format.ndjson


def _import(
    kv: "KeyValue", out: "Printer",
    file: Any, form: _Format = None,
    prefix: Annotated[
        str, typer.Option("--prefix", metavar="TEXT", show_default=False, help="Put before each key.")
    ] = "",
    start: Annotated[int, typer.Option("--from", metavar="LINE", min=1, help="Pass over the lines before.")] = 1,
    if_absent: Annotated[bool, typer.Option("--if-absent", help="Leave keys alone that are here already.")] = False,
    table: Annotated[
        str | None, typer.Option("--table", metavar="NAME", help="Of an SQLite file; else its only one.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="COLUMN", help="Of CSV or SQLite: the keys; else 'key', or the primary key."),
    ] = None,
    value: Annotated[
        str | None, typer.Option("--value", metavar="COLUMN", help="The values; else 'value', or the rest of the row.")
    ] = None,
) -> None:  # fmt: skip
    """Put many keys from a file, an SQLite table or stdin.

    A line that is not right is told by its number, and the rest is imported. What is here already as the line
    says is passed over: to import again, or from an earlier line on, does no harm. Raw: how many were written, were
    the same, were kept (--if-absent), had expired, were bad.
    """
    from crdtkv.bulk.loading import load
    from crdtkv.errors import CrdtkvError

    other(file)
    telling = _Telling()
    try:
        with _source(file, form, table, key, value) as (found, size), telling.bar(size) as advance:
            telling.advance = advance
            done = load(
                kv, _prefixed(found, prefix), time.time, start=start, absent_only=if_absent,
                problem=telling.problem, advance=telling.done,
            )  # fmt: skip
    except (CrdtkvError, KeyboardInterrupt) as error:
        telling.end(out)
        then = f"go on with --from {telling.so_far.then}" if telling.so_far else "nothing was imported"
        if isinstance(error, CrdtkvError):
            error.next_step = f"{error.next_step}; {then}"
            raise
        raise fail("interrupted", then) from None
    telling.so_far = done
    telling.end(out)
    if done.unknown:
        from crdtkv.bulk.items import MEMBERS

        names, known = ", ".join(map(repr, sorted(done.unknown))), ", ".join(MEMBERS)
        warn(f"left out, for they mean nothing here: {names}; known are {known}")
    if done.metadata:
        where = "POST the lines to /v1/.../import, or import into the colo's own file"
        warn(f"the metadata of {many(done.metadata, 'key')} was left out: a client puts none; {where}")
    if done.bad:
        raise fail(
            f"{many(done.bad, 'line')} not imported", "mend them, and import again: what is here already is passed over"
        )


class _Telling:
    """What an import says while it goes on, and at its end."""

    def __init__(self) -> None:
        self.told = self.read = 0
        self.so_far: Loaded | None = None
        self.advance: Any = None

    def bar(self, size: int | None) -> Any:
        """Its progress."""
        from crdtkv.cli.output import progress

        return progress("importing", total=size)

    def problem(self, line: int, words: str) -> None:
        """A line that was not taken."""
        self.told += 1
        if self.told <= _MAX_TOLD:
            fail(f"line {line}: {words}")
        elif self.told == _MAX_TOLD + 1:
            fail("and more such lines, which are counted")

    def done(self, so_far: "Loaded", read: int) -> None:
        """A transaction was kept."""
        self.so_far = so_far
        self.advance(read - self.read)
        self.read = read

    def end(self, out: "Printer") -> None:
        """What became of the lines."""
        if self.so_far is not None:
            names = ("written", "same", "kept", "expired", "bad")
            out.one({name: getattr(self.so_far, name) for name in names}, names)


@contextmanager
def _source(
    file: Path, form: Format | None, table: str | None, key: str | None, value: str | None
) -> "Iterator[tuple[Iterable[Found], int | None]]":
    """What stands in the file, and how much there is to read, if that is known."""
    from crdtkv.bulk import sqlite as tables

    if str(file) == "-":
        yield _read(sys.stdin.buffer, form or Format.ndjson, table, key, value), None
        return
    if form is None and tables.is_sqlite(file):
        yield tables.rows(file, table, key, value, time.time()), tables.count(file, table)
        return
    with file.open("rb") as stream:
        yield _read(stream, form or _form_of(file, stream), table, key, value), file.stat().st_size


def _read(
    stream: BinaryIO, form: Format, table: str | None, key: str | None, value: str | None
) -> "Iterable[Found]":
    """What stands in lines of that form."""
    from crdtkv.bulk import sources

    if table is not None:
        raise typer.BadParameter("it is of SQLite files; this is none", param_hint="--table")
    if form is Format.csv:
        return sources.table(stream, time.time(), key, value)
    if (key, value) != (None, None):
        raise typer.BadParameter(f"--key and --value are of CSV and SQLite files; this is {form}", param_hint="--key")
    return sources.FORMATS[form](stream, time.time())


def _form_of(file: Path, stream: BinaryIO) -> Format:
    """By its name, or, where that says nothing, by how it begins."""
    if file.suffix.lower().lstrip(".") in set(Format):
        return _by_name(file)
    head = stream.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    stream.seek(0)
    return Format.json if head[:1] == b"[" else Format.ndjson


def _prefixed(found: "Iterable[Found]", prefix: str) -> "Iterator[Found]":
    for f in found:
        yield f if f.item is None or not prefix else f._replace(item=f.item._replace(key=prefix + f.item.key))
