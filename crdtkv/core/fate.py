"""What became of a transaction: all that was told of it while it was open looks here."""

from __future__ import annotations

__all__ = ["Fate"]


class Fate:
    """Of one transaction, which was undone or was not."""

    __slots__ = ("undone",)

    def __init__(self) -> None:
        self.undone = False
