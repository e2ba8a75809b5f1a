"""Commands to try what there is: strategies and their laws, and a node for Maelstrom."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crdtkv.cli.complete import complete_strategy
from crdtkv.cli.door import Command, Group, example, fail, in_words, off_store

if TYPE_CHECKING:
    from crdtkv.cli.output import Printer

__all__ = ["add_to"]

_Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        autocompletion=complete_strategy,
        show_default=False,
        help="With its options, as in 'set?wins=remove'.",
    ),
]
_Load = Annotated[
    list[Path] | None,
    typer.Option(
        "--load", metavar="FILE.py", exists=True, dir_okay=False, help="Run a file that registers strategies first."
    ),
]


def add_to(app: typer.Typer) -> None:
    """The commands of this room."""
    group = typer.Typer(
        cls=Group,
        epilog=example("crdtkv strategies list"),
        help="How keys merge; alone it lists what there is.",
    )
    off_store(group, "list", "crdtkv strategies list")(_list)
    off_store(group, "show", "crdtkv strategies show set")(_show)
    off_store(group, "test", "crdtkv strategies test counter\ncrdtkv strategies test first --load first.py")(_test)
    app.add_typer(group, name="strategies")
    app.command("maelstrom", cls=Command, epilog=example("crdtkv maelstrom --workload g-set"))(_maelstrom)


def _list(out: "Printer", load: _Load = None) -> None:
    """Every strategy, and what wins under it."""
    from crdtkv.strategies import registry

    _run(load)
    rows = (_said(registry.find(name)) for name in registry.names())
    out.rows(["name", "summary", "wins"], rows, ["name"])


def _show(out: "Printer", name: _Name, load: _Load = None) -> None:
    """All about one strategy.

    What wins, the anomaly that survives, its operations and its options.
    """
    from crdtkv.strategies import registry

    _run(load)
    out.one(_said(registry.find(name.partition("?")[0].partition(":")[0])), ["name"])


def _said(cls: Any) -> dict[str, Any]:
    row = {name: getattr(cls, name) for name in ("name", "summary", "wins", "anomaly", "cost")}
    return row | {"operations": dict(cls.operations)} | ({"options": dict(cls.options)} if cls.options else {})


def _test(
    out: "Printer", name: _Name, load: _Load = None,
    worlds: Annotated[int, typer.Option("--worlds", "-n", min=1, help="Histories that are tried.")] = 200,
    seed: Annotated[int, typer.Option("--seed", help="The same seed tries the same.")] = 1,
    value: Annotated[
        list[str] | None,
        typer.Option("--value", metavar="VALUE", help="A value that such keys hold, JSON or text. Repeatable."),
    ] = None,
) -> None:  # fmt: skip
    """Try the laws that every strategy keeps.

    In small worlds of three colos, drawn at random. Leaves with 1 if one is broken.
    """
    from crdtkv.bulk.items import read_word
    from crdtkv.cli.output import progress
    from crdtkv.trial import running

    _run(load)
    with progress("trying", total=worlds) as advance:
        verdicts = running.run(
            name, worlds=worlds, seed=seed, samples=[read_word(v) for v in value or []], tick=advance
        )
    names = ("law", "tried", "kept", "words")
    out.rows(names, ({n: getattr(verdict, n) for n in names} for verdict in verdicts), names)
    broken = [verdict for verdict in verdicts if not verdict.kept]
    if broken:
        raise fail(f"{name} breaks {len(broken)} of {len(verdicts)} laws", f"see it again: --seed {seed} -n {worlds}")


def _maelstrom(
    workload: Annotated[
        str | None,
        typer.Option("--workload", "-w", metavar="NAME", help="What a read means; else what was written says so."),
    ] = None,
) -> None:
    """Be a node of Maelstrom: JSON lines in and out.

    A store in memory and the gossip between colos, for echo, unique-ids, broadcast, g-set, g-counter and pn-counter.
    """
    from crdtkv.maelstrom import running
    from crdtkv.maelstrom.workloads import WORKLOADS

    if workload not in (None, *WORKLOADS):
        raise typer.BadParameter(f"no workload {workload!r}; there are {', '.join(WORKLOADS)}")
    with in_words():
        running.run(workload)


def _run(files: list[Path] | None) -> None:
    """Import the user's own files, each under its own name: they register what they hold."""
    from importlib.util import module_from_spec, spec_from_file_location

    for file in (file.resolve() for file in files or []):
        known = getattr(sys.modules.get(file.stem), "__file__", None)
        if file.stem in sys.modules and known != str(file):
            raise fail(f"there is a module {file.stem!r} already", f"give {file.name!r} another name")
        spec = spec_from_file_location(file.stem, file)
        if spec is None or spec.loader is None:
            raise fail(f"{file.name!r} is no Python file", "name one that ends in .py")
        sys.path.insert(0, str(file.parent))  # a merge function is tried in processes of its own, which import it
        module = sys.modules[file.stem] = module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            raise fail(f"{file.name!r} raised {type(error).__name__}: {error}", "mend it, and try again") from None
