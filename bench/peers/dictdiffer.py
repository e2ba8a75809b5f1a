"""dictdiffer's Merger: two lists of differences against the base, made one."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import dictdiffer
from dictdiffer.merge import Merger, UnresolvedConflictsException

from bench.peers import CONFLICT

__all__ = ["merge"]


def merge(base: Any, ours: Any, theirs: Any) -> Any:
    """The merged value, or CONFLICT."""
    merger = Merger(base, ours, theirs, {})
    try:
        merger.run()
    except UnresolvedConflictsException:
        return CONFLICT
    return dictdiffer.patch(merger.unified_patches, deepcopy(base))
