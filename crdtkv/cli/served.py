"""Commands that are of a colo that is served, and of no file: status, namespaces, leave, evict, resolve."""

import time
from contextlib import suppress
from typing import Annotated, Any

import typer

from crdtkv.cli.door import Command, Group, connected, example, fail, in_words, served, warn
from crdtkv.cli.options import At, Output

__all__ = ["DEFAULT", "add_to", "client_of", "printer_of"]

DEFAULT = "http://127.0.0.1:8801"
"""Where a colo is served that was not told where to listen."""

_LOOK = 0.2
_Name = Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="The namespace's name, or its id.")]


def add_to(app: typer.Typer) -> None:
    """The commands of this room."""
    shown = "crdtkv status\ncrdtkv status --at http://127.0.0.1:8802 -o json"
    app.command("status", cls=Command, epilog=example(shown))(_status)
    group = typer.Typer(
        cls=Group, epilog=example("crdtkv namespaces list"),
        help="The namespaces of a cluster; alone it lists them.",
    )  # fmt: skip
    for name, act, shown in (
        ("list", _list, "crdtkv namespaces list"),
        ("create", _create, "crdtkv namespaces create shop\ncrdtkv namespaces create eu --colo lhr --colo fra"),
        ("rename", _rename, "crdtkv namespaces rename shop store"),
        ("delete", _delete, "crdtkv namespaces delete shop"),
        ("host", _host, "crdtkv namespaces host shop sin"),
        ("unhost", _unhost, "crdtkv namespaces unhost shop lhr"),
    ):
        group.command(name, cls=Command, epilog=example(shown))(act)
    app.add_typer(group, name="namespaces")
    app.command("leave", cls=Command, epilog=example("crdtkv leave --at http://127.0.0.1:8802"))(_leave)
    app.command("evict", cls=Command, epilog=example("crdtkv evict gru"))(_evict)
    app.command("resolve", cls=Command, epilog=example("crdtkv resolve lhr~k3f9.41"))(_resolve)


def client_of(ctx: typer.Context, at: str | None) -> Any:
    """A client of the colo that is asked: by --at, CRDTKV_AT, or the one that this machine serves as a rule."""
    given = ctx.obj or {}
    if given.get("store") is not None:
        raise typer.BadParameter("this is of a colo that is served; of a file: crdtkv stats", param_hint="'--store'")
    return connected(served(None, at or given.get("at")) or DEFAULT)


def printer_of(ctx: typer.Context, output: Any) -> Any:
    """Where a command prints, in the form that stands before or behind it."""
    from crdtkv.cli.output import Printer

    return Printer(output or (ctx.obj or {}).get("output"))


def _status(ctx: typer.Context, at: At = None, output: Output = None) -> None:
    """How it stands with a colo: its namespaces, members, peers.

    Of each member, how long ago something of it was heard; of each other colo that it speaks to, whether that answers.
    Else than as a table: all that the colo says of itself.
    """
    from crdtkv.cli.options import Form

    out = printer_of(ctx, output)
    with in_words(), client_of(ctx, at) as kv:
        status = kv.status()
        if out.form not in (None, Form.table):
            out.one(status, ["colo"])
            return
        going = ", which has left" if status["left"] else ", which is leaving" if status["leaving"] else ""
        print(f"{status['colo']} at {kv.url}{going}\n")
        names = ("name", "replica", "digest", "bytes", "lost_writes", "purged_to_s_ago", "held_back_by")
        out.rows(names, map(_namespace_row, status["namespaces"]))
        print()
        out.rows(("namespace", "member", "heard_s_ago"), _member_rows(status))
        peers = status.get("transport", {}).get("peers", [])
        if peers:
            print()
            out.rows(("peer", "up", "failures", "queued", "urls", "error"), map(_peer_row, peers))


def _namespace_row(namespace: dict[str, Any]) -> dict[str, Any]:
    return namespace | {"purged_to_s_ago": _seconds(namespace["floor_ms_ago"])}


def _peer_row(peer: dict[str, Any]) -> dict[str, Any]:
    return peer | {"peer": peer["colo"], "urls": " ".join(peer["urls"]), "error": peer["error"] or None}


def _member_rows(status: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"namespace": n["name"], "member": member, "heard_s_ago": _seconds(n["heard_ms_ago"].get(member))}
        for n in status["namespaces"] for member in n["members"]
    ]  # fmt: skip


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else round(ms / 1000, 1)


_COLUMNS = ("name", "id", "colos", "without", "leaving", "hosted", "created")
_Colo = Annotated[str, typer.Argument(metavar="COLO", show_default=False, help="The colo's name.")]


def _list(ctx: typer.Context, at: At = None, output: Output = None) -> None:
    """The namespaces that there are."""
    out = printer_of(ctx, output)
    with in_words(), client_of(ctx, at) as kv:
        rows = (found | {"created": found["created"] or None} for found in kv.namespaces())  # (one was always there)
        out.rows(_COLUMNS, rows, ["name", "id"])


def _create(
    ctx: typer.Context, name: _Name,
    colo: Annotated[
        list[str] | None, typer.Option("--colo", metavar="NAME", help="It lives there, not everywhere. Repeatable.")
    ] = None,
    at: At = None, output: Output = None,
) -> None:  # fmt: skip
    """Make a namespace."""
    out = printer_of(ctx, output)
    with in_words(), client_of(ctx, at) as kv:
        out.record(_COLUMNS, kv.create_namespace(name, colo or None), ["id"])
        _tell_of_strange(kv, colo or [])


def _rename(
    ctx: typer.Context, name: _Name,
    new: Annotated[str, typer.Argument(metavar="NEW", show_default=False, help="What it is called from now on.")],
    at: At = None, output: Output = None,
) -> None:  # fmt: skip
    """Call a namespace otherwise; its keys stay what they are."""
    out = printer_of(ctx, output)
    with in_words(), client_of(ctx, at) as kv:
        out.record(_COLUMNS, kv.rename_namespace(name, new), ["id"])


def _delete(ctx: typer.Context, name: _Name, at: At = None, output: Output = None) -> None:
    """Delete a namespace with all its keys, at every colo, for ever."""
    out = printer_of(ctx, output)
    with in_words(), client_of(ctx, at) as kv:
        kv.delete_namespace(name)
        out.say(f"deleted {name!r}")


def _host(ctx: typer.Context, name: _Name, colo: _Colo, at: At = None, output: Output = None) -> None:
    """Put a namespace on a colo, too.

    It takes all of it from those that hold it, and serves it then.
    """
    out = printer_of(ctx, output)
    with in_words(), client_of(ctx, at) as kv:
        out.record(_COLUMNS, kv.host_namespace(name, colo), ["id"])
        _tell_of_strange(kv, [colo])


def _tell_of_strange(kv: Any, colos: list[str]) -> None:
    """A colo may be named before it is there; or by mistake."""
    from crdtkv.errors import Forbidden

    with suppress(Forbidden):  # who may do this need not be one who may look
        status = kv.status()
        there = sorted({status["colo"], *(peer["colo"] for peer in status.get("transport", {}).get("peers", ()))})
        for colo in sorted({*colos} - {*there}):
            warn(f"there is no colo {colo!r} yet; there are {', '.join(there)}")


def _unhost(ctx: typer.Context, name: _Name, colo: _Colo, at: At = None, output: Output = None) -> None:
    """Take a namespace off a colo.

    It serves it no more from now on. Its file goes when the others have all that is in it; until then the list shows it
    as leaving.
    """
    out = printer_of(ctx, output)
    with in_words(), client_of(ctx, at) as kv:
        out.record(_COLUMNS, kv.unhost_namespace(name, colo), ["id"])


def _leave(
    ctx: typer.Context,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0, help="Wait so long until it has; 0: do not.")
    ] = 60,
    at: At = None, output: Output = None,
) -> None:  # fmt: skip
    """Take a colo out of its cluster for good.

    It serves nothing from now on; the others take all that it has first. Its process is stopped afterwards.
    """
    out = printer_of(ctx, output)
    with in_words(), client_of(ctx, at) as kv:
        kv.leave_cluster()
        end, status = time.monotonic() + timeout, kv.status()
        while not status["left"] and time.monotonic() < end:
            time.sleep(_LOOK)
            status = kv.status()
        colo = status["colo"]
        if status["left"]:
            out.say(f"{colo} has left; stop its process, its folder is of no more use")
            return
    lacking = sorted({each for n in status.get("transport", {}).get("namespaces", ()) for each in n["lacking"]})
    words = f"; it waits for {', '.join(lacking)}" if lacking else ""
    if timeout:
        raise fail(f"{colo} has not left yet{words}", "it goes on by itself: look again with crdtkv status")
    out.say(f"{colo} is leaving{words}")


def _evict(ctx: typer.Context, colo: _Colo, at: At = None, output: Output = None) -> None:
    """Take a colo that is lost for ever out of the cluster.

    Out of each namespace that the colo that is asked holds, and of what all agree on. While a member is silent nothing
    deleted can be forgotten. If it comes back it takes everything anew.
    """
    out = printer_of(ctx, output)
    with in_words(), client_of(ctx, at) as kv:
        gone = kv.evict_everywhere(colo)
        out.rows(["namespace", "evicted"], [{"namespace": n, "evicted": id} for n, ids in gone.items() for id in ids])


def _resolve(
    ctx: typer.Context,
    link: Annotated[str, typer.Argument(metavar="LINK", show_default=False, help="The one that holds.")],
    at: At = None, output: Output = None,
) -> None:  # fmt: skip
    """Decide a membership conflict, in every namespace.

    At a colo of the side that holds; who is on the other side returns, as an evicted colo does.
    """
    out = printer_of(ctx, output)
    with in_words(), client_of(ctx, at) as kv:
        out.rows(["holds", "namespace"], [{"holds": link, "namespace": name} for name in kv.resolve_everywhere(link)])
