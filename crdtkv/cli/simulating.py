"""Commands of the simulator: run a scenario, compare strategies, replay a seed, shrink what fails, explain a key.

Exit codes of these commands are a verdict's: 0 valid, 1 invalid, 2 unknown, or the command or its scenario was
written wrongly.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from crdtkv.cli.door import example, many, off_store, warn

if TYPE_CHECKING:
    from crdtkv.cli.output import Printer
    from crdtkv.sim import Outcome, Scenario
    from crdtkv.sim.sweep import Judged

__all__ = ["add_to"]

_LAST = Path(".crdtkv_simulate")
"""Which scenario was run last in this folder, so that `replay` and `explain` need not be told."""
_NAMED = 6
"""So many colos of a fault are named."""
_EXIT = {"valid": 0, "invalid": 1, "unknown": 2}

_File = Annotated[
    Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, show_default=False, help="A scenario, in TOML.")
]
_LastFile = Annotated[
    Path | None,
    typer.Argument(
        metavar="FILE", exists=True, dir_okay=False, show_default=False, help="A scenario; else the one run last here."
    ),
]
_Seed = Annotated[int | None, typer.Option("--seed", min=0, help="The same seed is the same run; else the scenario's.")]
_Colos = Annotated[
    str | None, typer.Option("--colos", metavar="PRESET", help="At these colos instead: a preset, or LHR,SIN,SYD.")
]
_Strategy = Annotated[
    str | None,
    typer.Option("--strategy", metavar="NAMES", help="All keys under this strategy; of several, a run under each."),
]
_Html = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="A page with figures, that needs no network.")
]
_Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="All that is told of the run.")]
_Csv = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="The figures of the table.")]
_Trace = Annotated[
    Path | None, typer.Option("--trace", metavar="FILE", help="What became of one key, as a log for ShiViz.")
]
_Watch = Annotated[
    str | None,
    typer.Option("--watch", metavar="KEY", help="The key of the space-time diagram; else one that is written often."),
]


class _Group(TyperGroup):
    """A group whose first word may be a scenario: `simulate FILE` is `simulate run FILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As typer's, but for that."""
        own = args and (args[0] in self.commands or args[0] in ("-h", "--help"))
        return super().parse_args(ctx, args if own else ["run", *args])


def add_to(app: typer.Typer) -> None:
    """The commands of this room."""
    group = typer.Typer(
        cls=_Group, epilog=example("crdtkv simulate todo.toml\ncrdtkv simulate todo.toml --compare lww,set,list,json"),
        help="The real store at many colos, under virtual time.",
    )  # fmt: skip
    shown = "crdtkv simulate run todo.toml --seeds 1..1000 --jobs 2\ncrdtkv simulate todo.toml --html report.html"
    off_store(group, "run", shown)(_run)
    off_store(group, "replay", "crdtkv simulate replay 17 todo.toml --html seed-17.html")(_replay)
    off_store(group, "shrink", "crdtkv simulate shrink todo.toml --seed 17 --to small.toml")(_shrink)
    off_store(group, "explain", "crdtkv simulate explain todo/1 todo.toml --seed 17")(_explain)
    app.add_typer(group, name="simulate")


def _run(
    out: "Printer", file: _File, seed: _Seed = None,
    seeds: Annotated[
        str | None, typer.Option("--seeds", metavar="A..B", help="Each of these seeds; a line for each not valid.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, max=512, help="With --seeds: so many at a time.")] = 1,
    executor: Annotated[
        str | None, typer.Option("--executor", metavar="URL", help="With --seeds: on a cluster, as dask://HOST:8786.")
    ] = None,
    colos: _Colos = None, strategy: _Strategy = None,
    compare: Annotated[
        str | None,
        typer.Option("--compare", metavar="NAMES", help="The same under each of these strategies, as a table."),
    ] = None,
    watch: _Watch = None, html: _Html = None, json: _Json = None, csv: _Csv = None, trace: _Trace = None,
) -> None:  # fmt: skip
    """Run a scenario, and say in one line what it came to.

    `crdtkv simulate FILE` does so, too. Exit 0: valid; 1: invalid; 2: unknown, or the scenario is wrong.
    """
    files = {"html": html, "json": json, "csv": csv, "trace": trace}
    _one_of(seeds, "--seeds", {"--seed": seed, "--compare": compare, **{f"--{k}": v for k, v in files.items()}})
    _one_of(strategy, "--strategy", {"--compare": compare})
    if seeds is None and executor is not None:
        raise typer.BadParameter("it runs many seeds: give --seeds", param_hint="--executor")
    with _in_words():
        scenarios = _scenarios(file, colos, compare or strategy)
        _remember(file, colos, strategy)
        if seeds is not None:
            code = _sweep(out, file, scenarios, _seeds(seeds), jobs, executor)
        else:
            outcomes = [_outcome(scenario, seed, watch, any(_wanted(scenario, files))) for scenario in scenarios]
            _tell(out, outcomes, compare is not None, _again(file, colos, strategy))
            again, first = _again(file, colos, strategy), outcomes[0].seed
            again = f"{again} --compare {compare} --seed {first}" if compare else f"replay {first} {again}"
            _write(scenarios[0], outcomes, files, f"crdtkv simulate {again}")
            code = max(_EXIT[outcome.verdict] for outcome in outcomes)
    raise typer.Exit(code)


def _replay(
    out: "Printer",
    seed: Annotated[int, typer.Argument(metavar="SEED", min=0, show_default=False, help="As a run said it.")],
    file: _LastFile = None, colos: _Colos = None, strategy: _Strategy = None, watch: _Watch = None,
    html: _Html = None, json: _Json = None, csv: _Csv = None, trace: _Trace = None,
) -> None:  # fmt: skip
    """Run a seed again, and tell all: faults, checks, findings.

    The same scenario and seed come to the same on any machine.
    """
    files = {"html": html, "json": json, "csv": csv, "trace": trace}
    with _in_words():
        file, colos, strategy = _last(file, colos, strategy)
        scenarios = _scenarios(file, colos, strategy)
        outcomes = [_outcome(s, seed, watch, any(_wanted(s, files))) for s in scenarios]
        for outcome in outcomes:
            _tell_all(out, outcome)
        _tell(out, outcomes, False, _again(file, colos, strategy))
        _write(scenarios[0], outcomes, files, f"crdtkv simulate replay {seed} {_again(file, colos, strategy)}")
    raise typer.Exit(max(_EXIT[outcome.verdict] for outcome in outcomes))


def _shrink(
    out: "Printer", file: _File,
    seed: Annotated[int, typer.Option("--seed", min=0, show_default=False, help="One that is invalid.")],
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE", dir_okay=False, help="Where it goes; else beside the scenario."),
    ] = None,
    tries: Annotated[int, typer.Option("--tries", min=1, help="Runs that it may take.")] = 300,
    colos: _Colos = None, strategy: _Strategy = None,
) -> None:  # fmt: skip
    """Find the smallest scenario that still fails in the same way.

    Time, faults, workloads, colos, clients and operations are taken away, as long as the same checker finds something.
    """
    from crdtkv.cli.output import progress

    with _in_words():
        from crdtkv.sim.shrink import Shrinking
        from crdtkv.sim.writing import to_toml

        [scenario, *more] = _scenarios(file, colos, strategy)
        if more:
            raise typer.BadParameter("one strategy at a time is shrunk", param_hint="--strategy")
        with progress("shrinking", total=tries) as advance:
            search = Shrinking(scenario, seed, tries, tick=advance)
            small = search.shrunk()
        if not search.checker:
            out.say(f"valid: {scenario.name}, seed {seed}: there is nothing to shrink")
            return
        path = to or file.with_name(f"{file.stem}-seed-{seed}-small.toml")
        path.write_text(to_toml(small), encoding="utf-8")
    row = {
        "file": str(path), "checker": search.checker, "seconds": small.duration_s, "colos": len(small.colos.set),
        "faults": len(small.faults), "rate": sum(w.rate for w in small.workloads), "tries": tries - search.left,
    }  # fmt: skip
    out.record(list(row), row, ["file"])
    raise typer.Exit(1)


def _explain(
    out: "Printer", key: Annotated[str, typer.Argument(metavar="KEY", show_default=False, help="The key.")],
    file: _LastFile = None, seed: _Seed = None, colos: _Colos = None, strategy: _Strategy = None,
) -> None:  # fmt: skip
    """Tell what became of a key: every write, message and merge.

    In the order of virtual time. Exit 0, whatever the verdict: the answer is the table.
    """
    with _in_words():
        from crdtkv.sim.explain import row

        file, colos, strategy = _last(file, colos, strategy)
        for scenario in _scenarios(file, colos, strategy):
            outcome = _outcome(scenario, seed, key, True)
            rows = (row(event) for event in outcome.trace if event.key == key)
            out.rows(["seconds", "colo", "what", "dot", "words"], rows, empty=f"nothing happened to {key!r}")


# what is run


def _scenarios(file: Path, colos: str | None, strategies: str | None) -> "list[Scenario]":
    """One for each strategy that is named; the scenario's own if none is."""
    from crdtkv.sim import load
    from crdtkv.sim.changing import at_colos, colos_of, under

    scenario = load(file)
    if colos is not None:
        scenario = at_colos(scenario, colos_of(colos))
    names = [name.strip() for name in (strategies or "").split(",") if name.strip()]
    return [under(scenario, name) for name in names] or [scenario]


def _outcome(scenario: "Scenario", seed: int | None, watch: str | None, watched: bool) -> "Outcome":
    """Runs it, with a bar. `watched`: events of one key are wanted."""
    from crdtkv.cli.output import progress
    from crdtkv.sim import run
    from crdtkv.sim.verdict import likely_key

    key = watch or (likely_key(scenario) if watched and not scenario.check.watch else "")
    at = 0.0

    def tell(now: float, whole: float) -> None:
        nonlocal at
        advance(now - at)
        at = now

    with progress(scenario.name, total=scenario.duration_s + scenario.settle_s) as advance:
        return run(scenario, seed, progress=tell, watch=[key] if key else [])


def _sweep(
    out: "Printer", file: Path, scenarios: "Sequence[Scenario]", seeds: range, jobs: int, executor: str | None
) -> int:
    """Every seed under every scenario; says each that is not valid as it comes. The worst exit code."""
    from crdtkv.cli.output import progress
    from crdtkv.sim.compare import rule_words
    from crdtkv.sim.sweep import sweep

    worst, rows = 0, []
    for scenario in scenarios:
        counts = {"valid": 0, "invalid": 0, "unknown": 0}
        with progress(f"{scenario.name} under {rule_words(scenario)}", total=len(seeds)) as advance:
            for judged in sweep(scenario, seeds, jobs, executor):
                counts[judged.verdict] += 1
                if judged.verdict != "valid":
                    out.say(f"{judged.verdict}: seed {judged.seed}: {_found(judged)}; again: crdtkv simulate replay "
                            f"{judged.seed} {file}")  # fmt: skip
                rows.append({"scenario": scenario.name, "strategy": rule_words(scenario), **judged._asdict()})
                advance(1)
        worst = max([worst, *(_EXIT[verdict] for verdict, n in counts.items() if n)])
        said = ", ".join(f"{n:,} {verdict}" for verdict, n in counts.items() if n)
        out.say(f"{scenario.name} under {rule_words(scenario)}, {many(len(seeds), 'seed')}: {said}")
    if out.form is not None and out.form != "table":
        out.rows(["seed", "verdict"], sorted(rows, key=lambda row: (row["strategy"], row["seed"])))
    return worst


def _found(judged: "Judged") -> str:
    return "; ".join(f"{checker}: {words}" for checker, words in judged.found.items()) or "no checker says why"


def _seeds(words: str) -> range:
    from crdtkv.sim.sweep import seeds_of

    return seeds_of(words)


# what is told


def _tell(out: "Printer", outcomes: "Sequence[Outcome]", table: bool, again: str) -> None:
    """A line a run, or one table."""
    from crdtkv.sim import compare, verdict

    if out.form is not None and out.form != "table":
        out.rows(compare.COLUMNS, map(compare.figures, outcomes))
    elif table:
        out.rows(compare.COLUMNS, compare.table(outcomes))
    else:
        for outcome in outcomes:
            out.say(verdict.line(outcome))
            if outcome.verdict != "valid":
                out.say(f"again: crdtkv simulate replay {outcome.seed} {again}")


def _tell_all(out: "Printer", outcome: "Outcome") -> None:
    """Faults, checks and findings, each a line."""
    from crdtkv.sim.words import took

    for span in outcome.faults:
        where = ", ".join(span.where) if len(span.where) <= _NAMED else many(len(span.where), "colo")
        said = f": {span.words.strip()}" if span.words else ""
        out.say(f"{took(span.begin)} to {took(span.end)}: {span.kind} at {where}{said}")
    for name, verdict in outcome.checks.items():
        out.say(f"{name}: {verdict}")
    for finding in outcome.findings:
        out.say(f"{finding.checker}: {finding.words}")


def _wanted(scenario: "Scenario", files: dict[str, Path | None]) -> Iterator[Any]:
    """The reports of which a watched key is a part."""
    return (files[form] or scenario.report.get(form) for form in ("html", "trace"))


def _write(
    scenario: "Scenario", outcomes: "Sequence[Outcome]", files: dict[str, Path | None], again: str
) -> None:
    """The reports that the command or the scenario asks for."""
    from crdtkv.sim import report

    for form, file in files.items():
        path = file or (Path(scenario.report[form]) if form in scenario.report else None)
        if path is not None:
            size = report.write(outcomes, form, path, again)
            warn(f"{form}: {path}, {size:,} bytes")


# what was run last


def _again(file: Path, colos: str | None, strategy: str | None) -> str:
    """What stands behind the seed in the command that does it again."""
    given = {"--colos": colos, "--strategy": strategy}
    return " ".join([str(file), *(f"{option} {value}" for option, value in given.items() if value is not None)])


def _remember(file: Path, colos: str | None, strategy: str | None) -> None:
    """A note beside the caller; a folder that may not be written gets none."""
    import json
    from contextlib import suppress

    with suppress(OSError):
        _LAST.write_text(json.dumps({"file": str(file), "colos": colos, "strategy": strategy}), encoding="utf-8")


def _last(file: Path | None, colos: str | None, strategy: str | None) -> tuple[Path, str | None, str | None]:
    """The scenario that is named, or the one that was run last in this folder, as it was run."""
    import json

    if file is not None:
        return file, colos, strategy
    try:
        said = json.loads(_LAST.read_text(encoding="utf-8"))
        found = Path(said["file"])
        return found, colos or said["colos"], strategy or said["strategy"]
    except (OSError, ValueError, KeyError, TypeError):
        raise typer.BadParameter("no scenario was run in this folder yet; name its file", param_hint="FILE") from None


# what is wrong


@contextmanager
def _in_words() -> Iterator[None]:
    """Whatever is wrong with a scenario or a file is an error of usage: exit 1 says that a run was invalid."""
    from crdtkv.errors import CrdtkvError

    try:
        yield
    except CrdtkvError as error:
        raise typer.BadParameter(f"{error} (next: {error.next_step})" if error.next_step else str(error)) from None
    except OSError as error:
        if error.filename is None:
            raise
        raise typer.BadParameter(f"{str(error.filename)!r}: {(error.strerror or '').lower()}") from None


def _one_of(given: Any, name: str, others: dict[str, Any]) -> None:
    for other, value in others.items():
        if given is not None and value is not None:
            raise typer.BadParameter(f"give {name} or {other}, not both", param_hint=name)
