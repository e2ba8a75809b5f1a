"""Commands that look after a store: check, compact, backup, restore, stats."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crdtkv.cli.door import Command, example, fail, hear, in_words, many, on_store

if TYPE_CHECKING:
    from crdtkv import Client, KeyValue, Store
    from crdtkv.cli.output import Printer

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """The commands of this room."""
    on_store(app, "check", "crdtkv check", reads=True)(_check)
    on_store(app, "compact", "crdtkv compact")(_compact)
    on_store(
        app, "backup", "crdtkv backup lhr-monday.db\ncrdtkv backup monday --at http://127.0.0.1:8801"
    )(_backup)  # fmt: skip
    shown = "crdtkv restore lhr-monday.db lhr.db\ncrdtkv restore lhr/monday lhr-again"
    app.command("restore", cls=Command, epilog=example(shown))(_restore)
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
    kv: "Store | Client", out: "Printer",
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", show_default=False,
            help="The new file; it must not be there yet. Of a colo: a new folder below its own.",
        ),
    ],
) -> None:  # fmt: skip
    """Copy the store to a new file, whole or not at all.

    History and losers go with it. A copy can be read at once; it writes when it has met a member, if it has one. A colo
    copies each namespace that it holds, on its own machine.
    """
    from crdtkv.cli.output import progress
    from crdtkv.store.store import Store

    if isinstance(kv, Store):
        with progress("copying"):
            kv.backup(file)
        out.say(f"{many(len(kv), 'key')} in {file}")
    else:
        with progress("copying"):
            files = kv.backup_colo(str(file))
        out.rows(["file"], ({"file": name} for name in files))


def _restore(
    ctx: typer.Context,
    copy: Annotated[
        Path,
        typer.Argument(
            metavar="COPY", show_default=False, exists=True, readable=True,
            help="A file that backup made, or the folder of a colo's.",
        ),
    ],
    to: Annotated[
        Path, typer.Argument(metavar="TO", show_default=False, help="The store's file, or the colo's data folder.")
    ],
) -> None:  # fmt: skip
    """Put a backup in the place of a store that is lost.

    Nothing is overwritten: move what is left of the old one away first. What is put back is known for a copy: it may
    have forgotten what it had written, so it takes a new id with the first member it meets, and writes from then on.
    """
    from crdtkv.cli.output import Printer

    with in_words():
        rows = _all_put_back(_targets(copy, to))
        Printer((ctx.obj or {}).get("output")).rows(["file", "colo", "replica", "keys", "writes"], rows, ["file"])


def _targets(copy: Path, to: Path) -> list[tuple[Path, Path]]:
    """Each file of a copy, and where it goes. Fails with words if there is none."""
    if not copy.is_dir():
        return [(copy, to)]
    pairs = [(each, to / each.name) for each in sorted(copy.glob("*.db"))]
    if not pairs:
        raise fail(f"there is no copy in {str(copy)!r}", "name the folder that a colo made its copy in")
    to.mkdir(parents=True, exist_ok=True)
    return pairs


def _all_put_back(pairs: list[tuple[Path, Path]]) -> list[dict[str, object]]:
    """What each of them holds; all are there, or, where one is not sound, none."""
    from crdtkv.cli.output import progress
    from crdtkv.storage.backup import pieces, restore

    made: list[Path] = []
    try:
        with progress("copying"):
            for source, target in pairs:
                restore(source, target)
                made.append(target)
        with progress("checking"):
            return [_put_back(target) for target in made]
    except BaseException:
        for each in (piece for target in made for piece in pieces(target)):
            each.unlink()
        raise


def _put_back(path: Path) -> dict[str, object]:
    """What a file that was put back holds. Fails with words if it is not sound."""
    import crdtkv

    hear(quiet=True)  # the row says it
    with crdtkv.open(path) as kv:
        wrong = kv.check()
        if wrong:
            raise fail(f"the copy is not sound, and was not put back: {wrong[0]}", "take another copy")
        writes = "at once: it was the only member" if kv.members == [kv.id] else "once it has met a member"
        return {"file": str(path), "colo": kv.colo, "replica": kv.id, "keys": len(kv), "writes": writes}


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
