"""Commands between colos and for what follows changes: sync, watch."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crdtkv.cli.door import (
    Command,
    Group,
    connected,
    example,
    fail,
    in_words,
    named,
    on_store,
    open_named,
    served,
    warn,
)
from crdtkv.cli.options import At, Form, Output, StoreFile

if TYPE_CHECKING:
    from crdtkv import Change, KeyValue, Store
    from crdtkv.cli.output import Printer

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """The commands of this room."""
    on_store(
        app, "sync", "crdtkv sync sin.db gru.db -s lhr.db", makes=True,
        here="sync is of files; colos that are served exchange by themselves",
    )(_sync)  # fmt: skip
    group = typer.Typer(
        cls=Group, epilog=example("crdtkv members list"), help="Who belongs to the namespace; alone it lists them."
    )  # fmt: skip
    on_store(group, "list", "crdtkv members list", reads=True)(_members)
    on_store(group, "leave", "crdtkv members leave")(_leave)
    on_store(group, "evict", "crdtkv members evict sin")(_evict)
    on_store(group, "resolve", "crdtkv members resolve LINK")(_resolve)
    app.add_typer(group, name="members")
    app.command("watch", cls=Command, epilog=example("crdtkv watch cart/ -o ndjson"))(_watch)


def _sync(
    kv: "Store", out: "Printer",
    others: Annotated[list[Path], typer.Argument(metavar="FILE", show_default=False, help="Stores of other colos.")],
) -> None:  # fmt: skip
    """Exchange with other stores, both ways.

    At the first time the two become one namespace. A file that is not there is made, a new colo.
    """
    from crdtkv.cli.output import progress

    rows: list[dict[str, Any]] = []
    wrong: list[str] = []
    for path in others:
        with open_named(path, None, makes=True) as other:
            with progress(f"exchanging with {other.colo}"):
                report = kv.sync(other)
            rows.append({
                "colo": other.colo, "replica": other.id, "records": report.records, "cells": report.cells,
                "bytes": report.bytes, "rounds": report.rounds, "equal": report.equal,
                "refused": list(report.refused), "quarantined": list(report.quarantined),
            })  # fmt: skip
            # Who has left takes nothing more: no fault where the others have all that it wrote.
            wrong += [*(() if report.equal else report.refused), *report.quarantined]
    out.rows(["colo", "replica", "records", "cells", "bytes", "rounds", "equal"], rows)
    if wrong:
        raise fail("; ".join(dict.fromkeys(wrong)), "see: crdtkv members list, and chapter 12 of docs/guide.md")


def _members(kv: "KeyValue", out: "Printer") -> None:
    """The members, as they are known here.

    And on stderr the membership conflicts that stand, each with the links that `resolve` takes.
    """
    vector = kv.vector
    rows = [{"replica": m, "absorbed": vector.get(m, 0), "here": m == kv.id} for m in kv.members]
    out.rows(["replica", "absorbed", "here"], rows)
    for fork in kv.forks:
        warn(f"a conflict stands: {' against '.join(fork)}")


def _leave(kv: "KeyValue", out: "Printer") -> None:
    """Retire this colo from the namespace.

    It stays readable and writes no more. Sync it once more, so that the others have all that it wrote.
    """
    kv.leave()
    out.say(f"{kv.id} has left; sync it once more with a member")


def _evict(
    kv: "KeyValue", out: "Printer",
    lost: Annotated[str, typer.Argument(metavar="COLO", show_default=False, help="The colo that is lost for ever.")],
) -> None:  # fmt: skip
    """Take a colo out that is lost for ever.

    While a member is silent nothing deleted can be forgotten. If it comes back it takes everything anew.
    """
    out.rows(["evicted"], [{"evicted": replica} for replica in kv.evict(lost)], empty=f"no member of colo {lost!r}")


def _resolve(
    kv: "KeyValue", out: "Printer",
    link: Annotated[str, typer.Argument(metavar="LINK", show_default=False, help="The one that holds.")],
) -> None:  # fmt: skip
    """Decide a membership conflict.

    At a colo of the side that holds; who is on the other side returns, as an evicted colo does.
    """
    kv.resolve(link)
    out.say(f"{link} holds")


def _watch(
    ctx: typer.Context,
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", show_default=False, help="Keys that begin so.")] = "",
    since: Annotated[str | None, typer.Option("--since", metavar="CURSOR", help="Go on where a watch ended.")] = None,
    timeout: Annotated[
        float | None, typer.Option("--timeout", metavar="SECONDS", min=0, help="End after so long without a change.")
    ] = None,
    every: Annotated[float, typer.Option("--every", metavar="SECONDS", min=0.05, help="How often to look.")] = 0.5,
    store: StoreFile = None, at: At = None, output: Output = None,
) -> None:  # fmt: skip
    """Follow the changes of keys, until Ctrl-C.

    A file is open only while it looks for them, so that other commands can write meanwhile; a colo tells them at once.
    """
    given = ctx.obj or {}
    path, form = store or given.get("store"), output or given.get("output")
    from crdtkv.cli.output import Printer

    if form is Form.json:
        raise typer.BadParameter(
            "a watch has no end, so it prints no array; use ndjson", param_hint="'--output' / '-o'"
        )
    with in_words():
        url = served(path, at or given.get("at"))
        watch = _Watch(path, prefix, since, timeout, every, Printer(form))
        watch.run() if url is None else watch.at(url)


_PATIENT = 10_000
"""Tries, at most five seconds apart: who watches a colo waits for it while it is away."""


class _Watch:
    """Opens the store, says what changed, lets go of it, and waits: one process has a file at a time."""

    def __init__(
        self, path: Path | None, prefix: str, since: str | None, timeout: float | None, every: float, out: "Printer"
    ) -> None:
        self.path, self.prefix, self.cursor = path, prefix, since
        self.timeout, self.every, self.out = timeout, every, out
        self.seen: tuple[int, int] | None = (0, 0)

    def run(self) -> None:
        """Until Ctrl-C, or until nothing has changed for the timeout."""
        quiet_since = time.monotonic()
        try:
            while True:
                if self._look():
                    quiet_since = time.monotonic()
                left = self.every if self.timeout is None else quiet_since + self.timeout - time.monotonic()
                if left <= 0:
                    break
                time.sleep(min(self.every, left))
        except KeyboardInterrupt:
            print()
        if self.cursor is not None:
            warn(f"go on with --since {self.cursor}")

    def at(self, url: str) -> None:
        """The same of a colo, which tells of each change when it comes."""
        try:
            with connected(url) as kv:  # it is there, and the watch begins now
                now = kv.watch(self.prefix, timeout=0).cursor
                self.cursor = self.cursor or now
            with connected(url, tries=_PATIENT) as kv:
                feed = kv.watch(self.prefix, since=self.cursor, timeout=self.timeout)
                for change in feed:
                    self._tell(change)
                    self.cursor = change.cursor
                self.cursor = feed.cursor
        except KeyboardInterrupt:
            print()
        finally:
            if self.cursor is not None:
                warn(f"go on with --since {self.cursor}")

    def _look(self) -> bool:
        """Whether there was something to tell."""
        from crdtkv.errors import StoreLocked

        told = False
        if self._stand() == self.seen:
            return False  # opening reads the whole file
        try:
            with open_named(self.path, None) as kv:
                feed = kv.watch(self.prefix, since=self.cursor, timeout=0)
                for change in feed:
                    told = True
                    self._tell(change)
                    self.cursor = change.cursor
                self.cursor = feed.cursor
                self.seen = self._stand()  # while nobody else can write
        except StoreLocked:
            pass  # its turn comes
        return told

    def _stand(self) -> tuple[int, int] | None:
        """By which it is seen that nothing was written to the file since."""
        path = named(self.path)
        found = path.stat() if path.exists() else None
        return None if found is None else (found.st_mtime_ns, found.st_size)

    def _tell(self, change: "Change") -> None:
        rows: Iterator[dict[str, Any]] = iter([_change_row(change)])
        if self.out.form in (None, Form.table):
            self.out.lines(["what", "key", "value"], rows)
        else:
            self.out.rows([], rows, ["what", "key", "value"])
        sys.stdout.flush()  # who reads the pipe is to hear of it now


def _change_row(change: "Change") -> dict[str, Any]:
    entry = change.entry
    what = "reset" if change.reset else "put" if entry is not None else "delete"
    row: dict[str, Any] = {"what": what, "key": change.key, "cursor": change.cursor}
    if entry is None:
        return row
    return row | {"value": entry.value, "version": entry.version, "strategy": entry.strategy, "stamp": entry.stamp}
