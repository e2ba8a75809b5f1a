"""The command that serves a colo over HTTP."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crdtkv.cli.door import Command, example, in_words
from crdtkv.cli.options import Durability
from crdtkv.errors import BadRequest

if TYPE_CHECKING:
    from crdtkv.node.settings import Settings
    from crdtkv.server.ports import Port
    from crdtkv.server.serving import Serving

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """The commands of this room."""
    shown = (
        "crdtkv serve --colo lhr --data lhr\n"
        "crdtkv serve --colo sin --data sin --listen 127.0.0.1:8802 --join http://127.0.0.1:8801\n"
        "crdtkv serve --config crdtkv.toml"
    )
    app.command("serve", cls=Command, epilog=example(shown))(_serve)


def _serve(
    colo: Annotated[
        str | None, typer.Option("--colo", metavar="NAME", help="The colo's name: 1 to 32 of a-z, 0-9, '-'.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="The folder of its files; made if it is not there.")
    ] = None,
    listen: Annotated[
        str | None, typer.Option("--listen", metavar="HOST:PORT", help="Where; else 127.0.0.1:8801. Port 0: any.")
    ] = None,
    join: Annotated[
        list[str] | None, typer.Option("--join", metavar="URL", help="Another colo, by which it joins. Repeatable.")
    ] = None,
    advertise: Annotated[
        str | None, typer.Option("--advertise", metavar="URL", help="Where other colos reach it, if not as it listens.")
    ] = None,
    workers: Annotated[
        str | None, typer.Option("--workers", metavar="HOST:PORT", help="Where KV bindings of Workers come in.")
    ] = None,
    redis: Annotated[
        str | None, typer.Option("--redis", metavar="HOST:PORT", help="Where clients of Redis come in; else nowhere.")
    ] = None,
    durability: Annotated[
        Durability | None, typer.Option("--durability", help="full: what was answered survives a power cut.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="A TOML file of these, and of what no flag says.")
    ] = None,
) -> None:  # fmt: skip
    """Serve a colo over HTTP, until it is stopped.

    What no flag says is looked for in CRDTKV_* of the environment, then in the file.
    """
    with in_words():
        from crdtkv.doors.cloudflare.door import Cloudflare
        from crdtkv.doors.workers.port import make as workers_port
        from crdtkv.node.settings import load
        from crdtkv.server.running import run

        settings = partial(
            load, config, colo=colo, data=data, listen=listen, join=tuple(join) if join else None, advertise=advertise,
            workers=workers, redis=redis, durability=None if durability is None else durability.value,
        )  # fmt: skip
        run(settings(), _said, again=settings, ports=(workers_port, _redis), doors=(Cloudflare,))


def _redis(serving: "Serving", settings: "Settings") -> "Port | None":
    if not settings.redis:
        return None
    try:
        import hiredis  # noqa: F401
    except ImportError:
        raise BadRequest("clients of Redis want hiredis, which is not installed: pip install hiredis") from None
    from crdtkv.doors.redis.port import RedisPort

    return RedisPort(serving, settings)


def _said(line: str) -> None:
    print(line, flush=True)
