"""Commands that look after a store: check, compact, backup, stats."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crdtkv.cli.door import fail, many, on_store

if TYPE_CHECKING:
    from crdtkv import KeyValue, Store
    from crdtkv.cli.output import Printer

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """The commands of this room."""
    on_store(app, "check", "crdtkv check", reads=True)(_check)
    on_store(app, "compact", "crdtkv compact")(_compact)
    elsewhere = "a colo makes its copies itself: POST /v1/backup"
    on_store(app, "backup", "crdtkv backup lhr-monday.db", here=elsewhere)(_backup)
    on_store(app, "stats", "crdtkv stats -o json", reads=True)(_stats)


def _check(kv: "KeyValue", out: "Printer") -> None:
    """Verify every invariant and the digest.

    Leaves with 1 if one does not hold.
    """
    from crdtkv.cli.output import progress

    with progress("checking"):
        wrong = kv.check()
    out.rows(
        ["wrong"],
        ({"wrong": words} for words in wrong),
        ["wrong"],
        empty=f"sound: {many(len(kv), 'key')}, digest {kv.digest()}",
    )
    if wrong:
        raise fail(
            f"{many(len(wrong), 'thing')} found wrong", "move the file away and join again from a peer, and report it"
        )


def _compact(kv: "KeyValue", out: "Printer") -> None:
    """Drop what is deleted everywhere, and old history.

    Raw: how many cells and replaced values went.
    """
    from crdtkv.cli.output import progress

    with progress("compacting"):
        dropped = kv.compact()
    out.one({"dropped": dropped, "purged_to": _purged_to(kv)}, ["dropped"])


def _backup(
    kv: "Store", out: "Printer",
    file: Annotated[
        Path, typer.Argument(metavar="FILE", show_default=False, help="The new file; it must not be there yet.")
    ],
) -> None:  # fmt: skip
    """Copy the store to a new file, whole or not at all.

    History and losers go with it. A copy can be read at once; it writes when it has met a member, if it has one.
    """
    from crdtkv.cli.output import progress

    with progress("copying"):
        kv.backup(file)
    out.say(f"{many(len(kv), 'key')} in {file}")


def _purged_to(kv: "KeyValue") -> int | None:
    """Milliseconds since 1970 up to which deleted cells are gone; None if none is."""
    from crdtkv.core.clocks import stamp_ms

    return stamp_ms(kv.floor) or None


def _stats(kv: "KeyValue", out: "Printer") -> None:
    """What there is, and who is who."""
    from collections import Counter

    strategies: Counter[str] = Counter()
    cursor = None
    while True:
        page = kv.scan(limit=1000, cursor=cursor)
        strategies.update(entry.strategy for entry in page)
        cursor = page.cursor
        if cursor is None:
            break
    row = {
        "colo": kv.colo, "replica": kv.id, "namespace": kv.namespace, "keys": strategies.total(),
        "strategies": dict(strategies.most_common()), "rules": len(kv.rules.all()), "lost_writes": len(kv.conflicts()),
        "members": kv.members, "forks": [list(fork) for fork in kv.forks], "vector": kv.vector,
        "digest": kv.digest(), "purged_to": _purged_to(kv), "bytes": kv.size,
    }  # fmt: skip
    out.one(row, ["keys"])
