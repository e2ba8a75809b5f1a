"""Commands that read keys, now and as they were: get, scan, history, diff, blame."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crdtkv.cli.door import fail, on_store, warn
from crdtkv.cli.options import AsOf, Form, Key, Keys

if TYPE_CHECKING:
    from crdtkv import Entry, KeyValue
    from crdtkv.cli.output import Printer

__all__ = ["add_to", "entry_row"]

_PAGE = 256


def add_to(app: typer.Typer) -> None:
    """The commands of this room."""
    on_store(app, "get", "crdtkv get todo\ncrdtkv get todo --as-of ~1 -o table", reads=True)(_get)
    scan = "crdtkv scan cart/ --limit 20\ncrdtkv scan --glob 'cart/*/items' -o ndjson"
    on_store(app, "scan", scan, reads=True)(_scan)
    on_store(app, "history", "crdtkv history todo", reads=True)(_history)
    on_store(app, "diff", "crdtkv diff todo ~2 ~1", reads=True)(_diff)
    on_store(app, "blame", "crdtkv blame todo", reads=True)(_blame)


def entry_row(entry: "Entry") -> dict[str, Any]:
    """An entry as plain data; what there is none of is left out."""
    names = ("key", "value", "version", "strategy", "stamp")
    more = ("expires", "siblings", "conflicts")
    return {name: getattr(entry, name) for name in names} | {
        name: found for name in more if (found := getattr(entry, name))
    }


def _get(kv: "KeyValue", out: "Printer", keys: Keys, as_of: AsOf = None) -> None:
    """Print the value of a key, or of several.

    Text as it is, else JSON. With -o table or -o json: all that is known of the key, its version too.
    """
    from crdtkv.cli.words import version_of
    from crdtkv.core.blob import Blob

    if as_of is not None and len(keys) > 1:
        raise typer.BadParameter("a version is of one key; name one KEY with it", param_hint="KEY...")
    found = {keys[0]: kv.get(keys[0], at=version_of(kv, keys[0], as_of))} if as_of else kv.get_many(keys)
    entries = [entry for entry in found.values() if entry is not None]
    if out.form in (None, Form.raw):
        if out.terminal and any(isinstance(entry.value, Blob) for entry in entries):
            raise fail(f"{entries[0].key!r} holds bytes, and this is a terminal", "send them to a file, as in > FILE")
        for entry in entries:
            out.value(entry.value)
    elif len(keys) == 1:
        for entry in entries:
            out.one(entry_row(entry), ["value"])
    else:
        out.rows(["key", "strategy", "version", "value"], map(entry_row, entries))
    missing = [key for key, entry in found.items() if entry is None]
    if missing:
        then = f" at {as_of}" if as_of else ""
        raise fail(f"there is no {', '.join(map(repr, missing))}{then}", "see what there is: crdtkv scan")


def _scan(
    kv: "KeyValue", out: "Printer",
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", show_default=False, help="Keys that begin so.")] = "",
    glob: Annotated[str | None, typer.Option("--glob", metavar="PATTERN", help="As in 'cart/*/items'.")] = None,
    regex: Annotated[str | None, typer.Option("--regex", metavar="PATTERN", help="A regular expression (RE2).")] = None,
    start: Annotated[str | None, typer.Option("--start", metavar="KEY", help="From this key on.")] = None,
    end: Annotated[str | None, typer.Option("--end", metavar="KEY", help="Up to, and without, this key.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="At most so many.")] = None,
    reverse: Annotated[bool, typer.Option("--reverse", "-r", help="The last key first.")] = False,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on where a limit ended.")] = None,
    keys: Annotated[bool, typer.Option("--keys", "-k", help="Only the keys.")] = False,
    long: Annotated[bool, typer.Option("--long", "-l", help="A table of all that is known.")] = False,
) -> None:  # fmt: skip
    """List keys and values in key order."""
    where = {"glob": glob, "regex": regex, "start": start, "end": end, "reverse": reverse}
    more: list[str | None] = []

    def rows() -> Iterator[dict[str, Any]]:
        if keys and limit is None and cursor is None:  # no value need be read
            yield from ({"key": key} for key in kv.keys(prefix, **where))  # type: ignore[arg-type]
            return
        left, behind = limit, cursor
        while True:
            page = kv.scan(prefix, **where, limit=min(_PAGE, left or _PAGE), cursor=behind)  # type: ignore[arg-type]
            yield from ({"key": entry.key} if keys else entry_row(entry) for entry in page)
            left, behind = left and left - len(page), page.cursor
            if behind is None or left == 0:
                more.append(behind)
                return

    shown = ["key"] if keys else ["key", "strategy", "stamp", "version", "value"] if long else ["key", "value"]
    out.rows(shown, rows(), ["key"] if keys else ["key", "value"], empty="no keys")
    if more and more[0] is not None:
        warn(f"there are more; go on with --cursor {more[0]}")


def _history(kv: "KeyValue", out: "Printer", key: Key) -> None:
    """The writes of a key, oldest first.

    As far back as they are kept here: by default 64 of a cell, for 24 hours.
    """
    names = ("stamp", "replica", "version", "value", "known")
    rows = [{name: getattr(revision, name) for name in names} for revision in kv.history(key)]
    for row in rows:
        if not row["known"] and out.form in (None, Form.table):
            row["value"] = "(not kept)"
    if not rows:
        raise fail(f"there is no {key!r}, and nothing is known of it", "see what there is: crdtkv scan")
    out.rows(names[:4], rows, ["version", "stamp", "replica", "value"])


def _diff(
    kv: "KeyValue", out: "Printer", key: Key,
    a: Annotated[
        str | None,
        typer.Argument(metavar="FROM", show_default=False, help="A version; else what was before the last write."),
    ] = None,
    b: Annotated[
        str | None, typer.Argument(metavar="TO", show_default=False, help="A version; else what is there now.")
    ] = None,
) -> None:  # fmt: skip
    """What changed between two versions of a key.

    With -o json it is a JSON patch, which `crdtkv patch` takes.
    """
    from crdtkv.cli.words import version_of

    first = a is None and len(kv.history(key)) == 1  # it was not there before
    rows = kv.diff(key, None if first else version_of(kv, key, a or "~1"), version_of(kv, key, b))
    out.rows(["op", "path", "value"], rows, ["op", "path", "value"], empty="no difference")


def _blame(kv: "KeyValue", out: "Printer", key: Key) -> None:
    """Who wrote each part of what a key shows, last."""
    names = ("path", "replica", "stamp", "value")
    rows = [{name: getattr(part, name) for name in names} for part in kv.blame(key)]
    if not rows and key not in kv:
        raise fail(f"there is no {key!r}", "see what there is: crdtkv scan")
    out.rows(names, rows, names)
