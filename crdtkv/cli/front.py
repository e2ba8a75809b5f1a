"""The command's first page: its commands by what a person has in mind.

Rule: every command stands in one section.
"""

from typing import Any

from typer.core import TyperGroup

from crdtkv.cli.door import reworded

__all__ = ["SECTIONS", "Front"]

SECTIONS = {
    "Write": ("put", "delete", "patch", "incr", "add", "append", "remove", "expire", "revert"),
    "Read": ("get", "scan", "watch"),
    "Ask what a merge did": ("history", "diff", "blame", "conflicts"),
    "Say how keys merge": ("strategies", "rules"),
    "Exchange with other files": ("sync", "members"),
    "Look after a store": ("stats", "check", "compact", "backup", "restore", "export", "import"),
    "Serve colos": ("serve", "status", "namespaces", "tokens", "leave", "evict", "resolve"),
    "Try it": ("demo", "cluster", "simulate", "maelstrom"),
}


class Front(TyperGroup):
    """The group of all commands, which lists them in sections."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As typer's; in our words."""
        with reworded():
            return super().parse_args(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Each with its first line, in columns that are the same throughout."""
        width = max(map(len, self.commands))
        for title, names in SECTIONS.items():
            with formatter.section(title):
                first = ((name, self.commands[name].get_short_help_str(formatter.width - 6 - width)) for name in names)
                formatter.write_dl([(name.ljust(width), line) for name, line in first])
