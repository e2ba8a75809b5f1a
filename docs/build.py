"""Prints the pages that come from the registries: docs/strategies.md and docs/errors.md.

    python -m docs.build            writes them
    python -m docs.build --check    exit 1, with the names, if one is not what would be written

What a page says of a strategy or an error stands in its class, and nowhere else.
"""

import inspect
import sys
from pathlib import Path

from crdtkv.errors import CrdtkvError, all_errors
from crdtkv.strategies import registry
from crdtkv.strategies.base import Strategy

__all__ = ["errors_page", "main", "pages", "strategies_page"]

_FOLDER = Path(__file__).parent
_PRINTED = "<!-- Printed by `make docs`: change the classes, not this page. -->"


def pages() -> dict[Path, str]:
    """File -> what stands in it."""
    return {_FOLDER / "strategies.md": strategies_page(), _FOLDER / "errors.md": errors_page()}


def strategies_page() -> str:
    """A table of all strategies, then each with its operations and its module's words."""
    found = [registry.find(name) for name in registry.names()]
    rows = [(f"[`{s.name}`](#{s.name})", s.summary, s.wins, s.anomaly, s.cost) for s in found]
    return "\n\n".join(
        [
            "# The strategies",
            _PRINTED,
            "A strategy is named by a rule, or by the first put of a key. What it cannot do is said as plainly as what "
            "it can: the user chose it for its anomaly, too.",
            _table(("strategy", "holds", "of concurrent writes, what wins", "the anomaly that survives", "cost"), rows),
            *(_strategy(s) for s in found),
        ]
    ) + "\n"  # fmt: skip


def errors_page() -> str:
    """Every error of the tree: its code, whether it happened, what to do."""
    errors = all_errors()
    rows = [
        (f"{'&emsp;' * (len(_line(e)) - 1)}`{e.__name__}`", f"`{e.code}`", str(e.status), _happened(e),
         (inspect.getdoc(e) or "").splitlines()[0], e.next_step)
        for e in errors
    ]  # fmt: skip
    return "\n\n".join(
        [
            "# The errors",
            _PRINTED,
            "All derive from `crdtkv.errors.CrdtkvError`; catch as wide or as narrow as you need. `code` never "
            "changes. *happened* says whether the write was made: with `no` it is safe to try again, with `unknown` "
            "read first. A single error may know better than its class: ask `error.happened`.",
            _table(("error", "code", "HTTP", "happened", "what it is", "next step"), rows),
        ]
    ) + "\n"  # fmt: skip


def main(words: list[str]) -> int:
    """Writes the pages, or with --check compares them. Gives the exit code."""
    if words not in ([], ["--check"]):
        print(f"error: {' '.join(words)!r} is not an option; there is --check", file=sys.stderr)
        return 2
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if words:
            print(f"error: {path.name} is not what the registries say; run: make docs", file=sys.stderr)
        else:
            path.write_text(pages()[path], encoding="utf-8")
            print(f"wrote docs/{path.name}")
    return 1 if stale and words else 0


def _strategy(cls: type[Strategy]) -> str:
    operations = [(f"`{name}`", words) for name, words in cls.operations.items()]
    parts = [f"## {cls.name}", inspect.cleandoc(sys.modules[cls.__module__].__doc__ or cls.__doc__ or "")]
    parts.append(_table(("operation", "how"), operations))
    if cls.options:
        parts.append(_table(("option", "values"), [(f"`{name}`", words) for name, words in cls.options.items()]))
    return "\n\n".join(parts)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _line(error: type[CrdtkvError]) -> list[type]:
    """The error and its parents within the tree, itself first."""
    return [c for c in error.__mro__ if issubclass(c, CrdtkvError)]


def _happened(error: type[CrdtkvError]) -> str:
    return f"**{error.happened}**" if error.happened == "unknown" else error.happened


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
