"""What the shell offers on TAB. It never fails and never writes: who cannot know offers nothing."""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from crdtkv import KeyValue

__all__ = ["MAX_OFFERED", "complete_key", "complete_pattern", "complete_strategy"]

MAX_OFFERED = 50


def complete_key(ctx: typer.Context, incomplete: str) -> list[str]:
    """The keys that begin so, of the store or the colo that the words before name."""
    return _asked(ctx, lambda kv: (entry.key for entry in kv.scan(incomplete, limit=MAX_OFFERED)))


def complete_strategy(incomplete: str) -> list[tuple[str, str]]:
    """The strategies, with what each holds."""
    from crdtkv.strategies import registry

    return [(name, registry.find(name).summary) for name in registry.names() if name.startswith(incomplete)]


def complete_pattern(ctx: typer.Context, incomplete: str) -> list[Any]:
    """The patterns that have a rule."""
    return _asked(ctx, lambda kv: (rule.pattern for rule in kv.rules.all() if rule.pattern.startswith(incomplete)))


def _asked(ctx: typer.Context, ask: Callable[["KeyValue"], Iterable[str]]) -> list[str]:
    def named(option: str, variable: str) -> Any:
        return ctx.params.get(option) or (ctx.obj or {}).get(option) or os.environ.get(variable)

    store, at = named("store", "CRDTKV_STORE"), named("at", "CRDTKV_AT")
    with suppress(Exception):  # locked, or no store, or no colo: a shell must not see a traceback
        import crdtkv
        from crdtkv.cli.door import connected

        if at:
            with connected(str(at), timeout=1.0, tries=1) as client:
                return list(ask(client))
        if store and Path(store).is_file():
            with crdtkv.open(store) as kv:
                return list(ask(kv))
    return []
