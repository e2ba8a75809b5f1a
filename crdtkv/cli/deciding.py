"""Commands about what wins: the inbox of lost writes, and the rules by which keys are made."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crdtkv.cli.complete import complete_pattern, complete_strategy
from crdtkv.cli.door import Group, example, fail, many, on_store, warn
from crdtkv.cli.options import Key, Prefix

if TYPE_CHECKING:
    from crdtkv import Conflict, KeyValue
    from crdtkv.cli.output import Printer

__all__ = ["add_to"]

_Ids = Annotated[list[str], typer.Argument(metavar="ID", show_default=False, help="As `crdtkv conflicts list` shows.")]
_Pattern = Annotated[
    str,
    typer.Argument(
        metavar="PATTERN", autocompletion=complete_pattern, show_default=False,
        help="A key, a glob as in 'cart/*', or re: and a regular expression.",
    ),
]  # fmt: skip


def add_to(app: typer.Typer) -> None:
    """The commands of this room."""
    inbox = typer.Typer(
        cls=Group, epilog=example("crdtkv conflicts list"),
        help="Writes that lost; alone it lists them.",
    )  # fmt: skip
    on_store(inbox, "list", "crdtkv conflicts list --prefix cart/", reads=True)(_conflicts)
    on_store(inbox, "restore", "crdtkv conflicts restore ID")(_restore)
    on_store(inbox, "dismiss", "crdtkv conflicts dismiss ID\ncrdtkv conflicts dismiss --all")(_dismiss)
    app.add_typer(inbox, name="conflicts")
    rules = typer.Typer(
        cls=Group, epilog=example("crdtkv rules set 'cart/*' json --path /tags=set"),
        help="How new keys are made; alone it lists the rules.",
    )  # fmt: skip
    on_store(rules, "list", "crdtkv rules list", reads=True)(_rules)
    on_store(rules, "of", "crdtkv rules of cart/7", reads=True)(_rule_of)
    on_store(
        rules, "set", "crdtkv rules set 'vote/*' 'set?wins=remove'\ncrdtkv rules set 'cart/*' json --path /tags=set",
        makes=True,
    )(_set_rule)  # fmt: skip
    on_store(rules, "remove", "crdtkv rules remove 'vote/*'")(_remove_rule)
    on_store(rules, "migrate", "crdtkv rules migrate 'vote/*' --dry-run")(_migrate)
    app.add_typer(rules, name="rules")


def _conflicts(kv: "KeyValue", out: "Printer", prefix: Prefix = "") -> None:
    """The lost writes, oldest first."""
    names = ("id", "key", "path", "reason", "value", "winner", "replica", "stamp")
    rows = ({name: getattr(conflict, name) for name in names} for conflict in kv.conflicts(prefix))
    out.rows(names[:6], rows, names, empty="no conflicts")


def _restore(kv: "KeyValue", out: "Printer", ids: _Ids) -> None:
    """Write lost values again.

    As new writes, which have seen what beat them.
    """
    receipts = [conflict.restore() for conflict in _picked(kv, ids)]
    names = ("key", "strategy", "version", "value")
    out.rows(names, ({name: getattr(receipt, name) for name in names} for receipt in receipts), ["version"])


def _dismiss(
    kv: "KeyValue", out: "Printer",
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Which.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that there are.")] = False, prefix: Prefix = "",
) -> None:  # fmt: skip
    """Take lost writes out of the inbox."""
    if every == bool(ids) or (prefix and not every):
        raise typer.BadParameter("give the ID of each, or --all and perhaps --prefix", param_hint="ID...")
    picked = kv.conflicts(prefix) if every else _picked(kv, ids or [])
    for conflict in picked:
        conflict.dismiss()
    out.say(f"dismissed {len(picked)}")


def _picked(kv: "KeyValue", ids: list[str]) -> "list[Conflict]":
    """The conflicts of those ids; none is touched if one is not there."""
    there = {conflict.id: conflict for conflict in kv.conflicts()}
    missing = [id for id in ids if id not in there]
    if missing:
        raise fail(f"no conflict {missing[0]!r} in the inbox", "see: crdtkv conflicts list")
    return [there[id] for id in dict.fromkeys(ids)]


def _rules(kv: "KeyValue", out: "Printer") -> None:
    """The rules, by pattern."""
    names = ("pattern", "strategy", "paths", "ttl", "keep_cells", "keep_hours", "require_base")
    rows = (rule.to_plain() for rule in kv.rules.all())
    out.rows(names, rows, names, empty="no rules: keys are made under json")


def _rule_of(kv: "KeyValue", out: "Printer", key: Key) -> None:
    """The rule that holds for a key when it is made.

    Raw: its strategy.
    """
    out.one(kv.rules.of(key).to_plain(), ["strategy"])


def _set_rule(
    kv: "KeyValue", out: "Printer", pattern: _Pattern,
    strategy: Annotated[
        str,
        typer.Argument(
            metavar="STRATEGY", autocompletion=complete_strategy, show_default=False,
            help="And its options, as in 'set?wins=remove'; see: crdtkv strategies list.",
        ),
    ],
    path: Annotated[
        list[str] | None,
        typer.Option("--path", "-p", metavar="POINTER=STRATEGY", help="In a document: what stands there. Repeatable."),
    ] = None,
    ttl: Annotated[str, typer.Option("--ttl", metavar="max|min", help="Of concurrent expiries, which holds.")] = "max",
    keep_cells: Annotated[int, typer.Option("--keep-cells", help="Replaced values kept per cell.")] = 64,
    keep_hours: Annotated[float, typer.Option("--keep-hours", help="And for how long.")] = 24.0,
    require_base: Annotated[bool, typer.Option("--require-base", help="A put must say its base.")] = False,
) -> None:  # fmt: skip
    """Make keys that match PATTERN under STRATEGY from now on.

    Those that are there stay what they are, until `crdtkv rules migrate` rewrites them.
    """
    options: dict[str, Any] = {"ttl": ttl, "keep_cells": keep_cells, "keep_hours": keep_hours}
    rule = kv.rules.set(pattern, strategy, paths=_paths(path or []), require_base=require_base, **options)
    out.one(rule.to_plain(), ["pattern", "strategy"])


def _paths(words: list[str]) -> dict[str, Any]:
    """`/tags=set`, or `/items={"list": {"key": ["sku"]}}`."""
    found: dict[str, Any] = {}
    for word in words:
        pointer, equals, spec = word.partition("=")
        if not equals:
            raise typer.BadParameter(
                f"{word!r}: a path is written POINTER=STRATEGY, as in /tags=set", param_hint="--path"
            )
        try:
            found[pointer] = json.loads(spec) if spec.lstrip()[:1] == "{" else spec
        except ValueError as error:
            raise typer.BadParameter(f"{spec!r} is not JSON: {error}", param_hint="--path") from None
    return found


def _remove_rule(kv: "KeyValue", out: "Printer", pattern: _Pattern) -> None:
    """Take a rule away; keys keep what they are."""
    kv.rules.remove(pattern)
    out.say(f"removed the rule of {pattern!r}")


def _migrate(
    kv: "KeyValue", out: "Printer",
    pattern: _Pattern,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would do, and do nothing.")] = False,
) -> None:  # fmt: skip
    """Rewrite old keys that their rule would make otherwise now."""
    names = ("key", "old", "new", "before", "after", "problem")
    done = kv.rules.migrate(pattern, dry_run=dry_run)
    rows = ({name: getattr(migration, name) for name in names} for migration in done)
    out.rows(names, rows, names, empty="nothing to migrate")
    left = sum(migration.problem is not None for migration in done)
    if left:
        raise fail(f"{left} of {many(len(done), 'key')} left as they are", "put what fits, or change the rule")
    if dry_run and done:
        warn("nothing was written: a dry run")
