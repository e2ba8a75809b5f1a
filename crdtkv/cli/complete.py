"""What the shell offers on TAB. It never fails and never writes: who cannot know offers nothing."""

import os
from pathlib import Path
from typing import Any

import typer

__all__ = ["MAX_OFFERED", "complete_key", "complete_pattern", "complete_strategy"]

MAX_OFFERED = 50


def complete_key(ctx: typer.Context, incomplete: str) -> list[str]:
    """The keys that begin so, of the store that the words before name."""
    named = ctx.params.get("store") or (ctx.obj or {}).get("store") or os.environ.get("CRDTKV_STORE")
    if not named or not Path(named).is_file():
        return []
    try:
        import crdtkv

        with crdtkv.open(named) as kv:
            return [entry.key for entry in kv.scan(incomplete, limit=MAX_OFFERED)]
    except Exception:  # locked, or no store: a shell must not see a traceback
        return []


def complete_strategy(incomplete: str) -> list[tuple[str, str]]:
    """The strategies, with what each holds."""
    from crdtkv.strategies import registry

    return [(name, registry.find(name).summary) for name in registry.names() if name.startswith(incomplete)]


def complete_pattern(ctx: typer.Context, incomplete: str) -> list[Any]:
    """The patterns that have a rule."""
    named = ctx.params.get("store") or (ctx.obj or {}).get("store") or os.environ.get("CRDTKV_STORE")
    if not named or not Path(named).is_file():
        return []
    try:
        import crdtkv

        with crdtkv.open(named) as kv:
            return [rule.pattern for rule in kv.rules.all() if rule.pattern.startswith(incomplete)]
    except Exception:
        return []
