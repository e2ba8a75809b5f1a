"""merge3, as Breezy merges text: the document as JSON, an entry a line."""

from __future__ import annotations

from typing import Any

from merge3 import Merge3

from bench.peers import CONFLICT, from_lines, to_lines

__all__ = ["merge"]


def merge(base: Any, ours: Any, theirs: Any) -> Any:
    """The merged value, CONFLICT, or that what came out is no JSON."""
    groups = list(Merge3(to_lines(base), to_lines(ours), to_lines(theirs)).merge_groups())
    if any(group[0] == "conflict" for group in groups):
        return CONFLICT
    return from_lines("".join(line for group in groups for line in group[1]))
