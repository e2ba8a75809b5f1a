"""nbdime's three-way merge of JSON."""

from __future__ import annotations

from typing import Any

from nbdime.merging.decisions import apply_decisions
from nbdime.merging.generic import decide_merge

from bench.peers import CONFLICT

__all__ = ["merge"]


def merge(base: Any, ours: Any, theirs: Any) -> Any:
    """The merged value, or CONFLICT."""
    decisions = decide_merge(base, ours, theirs)
    return CONFLICT if any(d.conflict for d in decisions) else apply_decisions(base, decisions)
