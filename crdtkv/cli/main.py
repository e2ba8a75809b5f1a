"""The command's front: its groups of commands, and what stands before them."""

import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from crdtkv.cli import (
    care,
    cluster,
    colos,
    deciding,
    moving,
    reading,
    served,
    serving,
    simulating,
    tokens,
    trying,
    writing,
)
from crdtkv.cli.door import SETTINGS, Command, example, in_words
from crdtkv.cli.front import Front
from crdtkv.cli.options import At, Colo, Durability, Output, StoreFile

__all__ = ["app", "main"]

app = typer.Typer(
    cls=Front,
    help="A replicated key-value store whose concurrent writes merge, by the strategy you choose.",
    epilog=example("export CRDTKV_STORE=lhr.db\ncrdtkv put todo '[1, 2, 3]'\ncrdtkv get todo"),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # typer's panels cost 110 ms at every --help, most of it a Markdown parser
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"crdtkv {version('crdtkv')}")
        raise typer.Exit


@app.callback()
def _options(
    ctx: typer.Context,
    store: StoreFile = None,
    at: At = None,
    colo: Colo = None,
    output: Output = None,
    durability: Annotated[
        Durability | None,
        typer.Option(
            "--durability", envvar="CRDTKV_DURABILITY",
            help="full: what was written survives a power cut; normal: the last may not, and writing is quicker.",
        ),
    ] = None,
    cache_mb: Annotated[
        int | None,
        typer.Option("--cache-mb", metavar="MB", min=1, envvar="CRDTKV_CACHE_MB", help="Memory for what is read; 256."),
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option(
            "--namespace", metavar="NAME", envvar="CRDTKV_NAMESPACE",
            help="At a colo: whose keys; of files, those of different ones do not sync. Else default.",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    given = {"durability": durability and durability.value, "cache_mb": cache_mb, "namespace": namespace}
    SETTINGS.clear()
    SETTINGS.update({name: value for name, value in given.items() if value is not None})
    ctx.obj = {"store": store, "at": at, "colo": colo, "output": output}


for room in (writing, reading, deciding, colos, care, moving, serving, served, tokens, cluster, simulating, trying):
    room.add_to(app)


@app.command("demo", cls=Command, epilog=example("crdtkv demo --seed 2"))
def _demo(
    seed: Annotated[int, typer.Option(help="The same seed shows the same run.")] = 1,
    writes: Annotated[int, typer.Option(min=1, max=100_000, help="Writes a strategy is given in the workload.")] = 120,
    merges: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, readable=True, metavar="FILE",
            help="Instead, run three-way merges: JSON lines of {repo, path, commit, base, ours, theirs, merged}, "
            "plain or .gz.",
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="With --merges: a diff of each that differs.")
    ] = False,
) -> None:  # fmt: skip
    """Three colos write at the same time, exchange, and end equal."""
    with in_words():
        if merges is not None:
            from crdtkv.demo import merges as corpus

            if not corpus.show(merges, verbose=verbose):
                raise typer.Exit(1)
        else:
            from crdtkv.demo import thread, workload

            thread.show(seed)
            workload.show(seed, writes)


def main() -> None:
    """What the script `crdtkv` runs. Leaves with SystemExit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # else a locale without UTF-8 would end a command in the middle
            stream.reconfigure(errors="backslashreplace", encoding=None if stream.isatty() else "utf-8")
    app(prog_name="crdtkv")
