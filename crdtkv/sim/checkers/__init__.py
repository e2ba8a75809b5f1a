"""What has to hold: one file a property, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crdtkv.sim.checkers.base import Checker

__all__ = ["CHECKERS", "USUAL", "checker"]

CHECKERS: tuple[str, ...] = (
    "converged", "nothing-lost", "nothing-returns", "nothing-unasked", "no-duplicates", "transactions-whole", "causal",
    "sessions", "counters", "registers", "metadata-bounded", "quiet", "conditions",
)  # fmt: skip
"""Each in the module of its name."""

USUAL = ("converged", "quiet", "conditions")
"""Those that go for any run; the others go with what clients do."""


def checker(name: str) -> Checker:
    """The checker of that name."""
    from importlib import import_module

    module = name.replace("-", "_")
    found: Checker = getattr(import_module(f"crdtkv.sim.checkers.{module}"), module)
    return found
