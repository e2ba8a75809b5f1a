"""Commands about who may use a cluster: tokens, which a colo that is served keeps as hashes."""

import time
from enum import StrEnum
from typing import Annotated

import typer

from crdtkv.cli.door import Command, Group, example, in_words, warn
from crdtkv.cli.options import At, Output
from crdtkv.cli.served import client_of, printer_of

__all__ = ["Action", "add_to"]


class Action(StrEnum):
    """What a token lets do."""

    read = "read"
    write = "write"
    admin = "admin"


def add_to(app: typer.Typer) -> None:
    """The commands of this room."""
    group = typer.Typer(
        cls=Group, epilog=example("crdtkv tokens list"), help="Who may use a cluster; alone it lists the tokens."
    )
    create = (
        "crdtkv tokens create web --in shop --prefix cart/ --may read --may write\n"
        "CRDTKV_TOKEN=$(crdtkv tokens create ann --may read -o raw)"
    )
    for name, act, shown in (
        ("list", _list, "crdtkv tokens list"), ("create", _create, create),
        ("revoke", _revoke, "crdtkv tokens revoke ID"),
    ):  # fmt: skip
        group.command(name, cls=Command, epilog=example(shown))(act)
    app.add_typer(group, name="tokens")


_COLUMNS = ("id", "label", "scopes", "created", "expires")


def _list(ctx: typer.Context, at: At = None, output: Output = None) -> None:
    """The tokens that are good, without their secrets."""
    out = printer_of(ctx, output)
    with in_words(), client_of(ctx, at) as kv:
        rows = (found | {"scopes": "; ".join(map(_said, found["scopes"]))} for found in kv.tokens())
        out.rows(_COLUMNS, rows, ["id", "label"], empty="no tokens")


def _said(scope: dict[str, object]) -> str:
    """A scope in words: `read, write of shop, cart/`."""
    actions = scope["actions"]
    assert isinstance(actions, list)
    prefix = f", {scope['prefix']}" if scope["prefix"] else ""
    return f"{', '.join(actions)} of {scope['namespace']}{prefix}"


def _create(
    ctx: typer.Context,
    label: Annotated[str, typer.Argument(metavar="LABEL", show_default=False, help="Whose it is.")],
    may: Annotated[list[Action] | None, typer.Option("--may", help="What; else read and write. Repeatable.")] = None,
    within: Annotated[str, typer.Option("--in", metavar="NAMESPACE", help="Of which namespace; '*': of all.")] = "*",
    prefix: Annotated[str, typer.Option("--prefix", metavar="TEXT", help="Only keys that begin so.")] = "",
    days: Annotated[
        float | None, typer.Option("--days", metavar="N", min=0, help="Good for so long; else until it is revoked.")
    ] = None,
    at: At = None, output: Output = None,
) -> None:  # fmt: skip
    """Make a token. Its secret is told this once.

    As long as there is none, nothing is asked of whoever is on this machine; the first one must be an admin's. Raw: the
    secret alone, as CRDTKV_TOKEN takes it.
    """
    out = printer_of(ctx, output)
    actions = [each.value for each in may or (Action.read, Action.write)]
    scope = {"namespace": within, "prefix": prefix, "actions": actions}
    expires = None if days is None else int((time.time() + days * 86_400) * 1000)
    with in_words(), client_of(ctx, at) as kv:
        made = kv.create_token(label, [scope], expires)
        out.one({name: made[name] for name in ("token", "id", "label", "expires")}, ["token"])
        warn("it is not shown again; send it as CRDTKV_TOKEN")


def _revoke(
    ctx: typer.Context,
    id: Annotated[str, typer.Argument(metavar="ID", show_default=False, help="As `crdtkv tokens list` shows.")],
    at: At = None, output: Output = None,
) -> None:  # fmt: skip
    """Take a token back, at every colo."""
    out = printer_of(ctx, output)
    with in_words(), client_of(ctx, at) as kv:
        kv.revoke_token(id)
        out.say(f"revoked {id}")
