"""What has to hold: one file a property, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crdtkv.sim.checkers.base import Checker

__all__ = ["CHECKERS", "checker"]

CHECKERS: dict[str, str] = {
    "converged": "converged", "nothing-lost": "nothing_lost",
}  # fmt: skip
"""Name -> the module, and the function in it."""


def checker(name: str) -> Checker:
    """The checker of that name."""
    from importlib import import_module

    module = import_module(f"crdtkv.sim.checkers.{CHECKERS[name]}")
    found: Checker = getattr(module, CHECKERS[name])
    return found
