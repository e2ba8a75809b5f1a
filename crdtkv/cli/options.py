"""The options and arguments that several commands take, each said once."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from crdtkv.cli.complete import complete_key, complete_strategy

__all__ = [
    "AsOf", "At", "Base", "Colo", "ContentType", "Durability", "Form", "IfVersion", "Key", "Keys", "Output", "Patch",
    "Pointer", "Prefix", "Source", "StoreFile", "StrategySpec", "Text", "Value", "Values",
]  # fmt: skip


class Form(StrEnum):
    """How results are printed."""

    table = "table"
    json = "json"
    ndjson = "ndjson"
    raw = "raw"


class Durability(StrEnum):
    """What a power cut may take."""

    full = "full"
    normal = "normal"


StoreFile = Annotated[
    Path | None,
    typer.Option(
        "--store",
        "-s",
        metavar="FILE",
        dir_okay=False,
        help="The store's file; else the variable CRDTKV_STORE names it.",
    ),
]
At = Annotated[
    str | None,
    typer.Option(
        "--at", metavar="URL", help="Instead of a file, a colo that is served there; else the variable CRDTKV_AT says."
    ),
]
Colo = Annotated[
    str | None,
    typer.Option("--colo", metavar="NAME", help="The colo of a new file (else the file's stem: lhr.db is lhr's)."),
]
Output = Annotated[
    Form | None,
    typer.Option("--output", "-o", help="table for people; json, ndjson for programs; raw: bare fields, tabs between."),
]
Key = Annotated[str, typer.Argument(metavar="KEY", autocompletion=complete_key, show_default=False, help="The key.")]
Keys = Annotated[
    list[str], typer.Argument(metavar="KEY", autocompletion=complete_key, show_default=False, help="The keys.")
]
Value = Annotated[
    str | None, typer.Argument(metavar="VALUE", show_default=False, help="JSON, else text; '-' for stdin.")
]
Patch = Annotated[
    str | None,
    typer.Argument(
        metavar="PATCH", show_default=False, help="A merge patch (object) or a JSON patch (list); '-' for stdin."
    ),
]
Values = Annotated[
    list[str] | None,
    typer.Argument(metavar="VALUE", show_default=False, help="JSON or text; '-': each line of stdin is one."),
]
Prefix = Annotated[str, typer.Option("--prefix", metavar="TEXT", help="Only keys that begin so.", show_default=False)]
Source = Annotated[
    Path | None,
    typer.Option("--file", "-f", metavar="FILE", dir_okay=False, exists=True, help="Read it from a file."),
]
ContentType = Annotated[
    str | None, typer.Option("--type", metavar="TYPE", help="Keep the bytes, under this content type.")
]
Text = Annotated[bool, typer.Option("--text", help="It is text as it stands, also where it looks like JSON.")]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", metavar="VERSION", help="As it read at that version; ~1: before the last write, ~2: ..."),
]
Base = Annotated[
    str | None,
    typer.Option(
        "--base", metavar="VERSION", help="The version you had read when you made this edit; ~1: before the last write."
    ),
]
IfVersion = Annotated[
    str | None, typer.Option("--if-version", metavar="VERSION", help="Only if the key is at this version here.")
]
Pointer = Annotated[
    str | None,
    typer.Option("--path", "-p", metavar="POINTER", help="In a JSON document: where, as in /items/0/tags."),
]
StrategySpec = Annotated[
    str | None,
    typer.Option(
        "--strategy", metavar="NAME", autocompletion=complete_strategy,
        help="How a new key merges; see: crdtkv strategies.",
    ),
]  # fmt: skip
