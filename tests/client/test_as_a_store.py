"""What the store's own tests say of a store holds of a client: they run here over one, as they are.

Those of one store alone; what needs a file, a sync, or what is inside is no matter of a client.
"""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

from tests.store import (
    test_handles,
    test_history,
    test_mapping,
    test_reading,
    test_receipts,
    test_rules,
    test_telling,
    test_transactions,
    test_versions,
    test_watch,
    test_words,
    test_writing,
)

MODULES = (
    test_handles, test_history, test_mapping, test_reading, test_receipts, test_rules, test_telling, test_transactions,
    test_versions, test_watch, test_words, test_writing,
)  # fmt: skip

OTHERWISE: dict[str, str] = {}
"""Test -> why it is none of a client."""


def of_one_store(module: ModuleType) -> dict[str, Any]:
    """The tests that take the store, perhaps its clock, and what they are parametrized with."""
    found = {}
    for name, test in vars(module).items():
        if not name.startswith("test_") or not inspect.isfunction(test) or name in OTHERWISE:
            continue
        marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
        given = {n for mark in marks for n in ([mark.args[0]] if isinstance(mark.args[0], str) else mark.args[0])}
        given = {part.strip() for names in given for part in names.split(",")}
        needs = set(inspect.signature(test).parameters) - given
        if "kv" in needs and needs <= {"kv", "clock"}:
            found[f"{name}_of_{module.__name__.rpartition('test_')[2]}"] = test
    return found


for _module in MODULES:
    globals().update(of_one_store(_module))
