"""The command `crdtkv`: a door. It translates words to calls and errors to one line.

Rule of this room: nothing but typer is imported until a command runs, so that
`crdtkv --help` stays quick. Exit 0: done; 1: an error of the crdtkv tree, printed as
`error: ...` with its next step, or merges that failed; 2: the command was written wrongly.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app", "main"]

app = typer.Typer(
    help="A replicated key-value store whose concurrent writes merge, by the strategy you choose.",
    no_args_is_help=True,
    add_completion=False,
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
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    pass


@app.command("demo")
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
    try:
        app(prog_name="crdtkv")
    except Exception as error:
        from crdtkv.errors import CrdtkvError

        if not isinstance(error, CrdtkvError):
            raise
        next_step = f" (next: {error.next_step})" if error.next_step else ""
        print(f"error: {error}{next_step}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
