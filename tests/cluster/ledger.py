"""What clients were told, element by element, and what may therefore be there in the end.

Every element is added once at most, by a name of its own. Added: "yes", "no", or "unknown" where no
answer came; so with removals. What was acknowledged must be there (unless a removal may have taken it); what
was removed must not; what nobody asked for must not; of what is unknown either is right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

__all__ = ["Ledger"]


class Ledger:
    """The fates of the elements of one workload."""

    def __init__(self) -> None:
        self.added: dict[str, str] = {}
        self.removed: dict[str, str] = {}

    def add(self, element: str, happened: str) -> None:
        """A client was told whether this was added."""
        self.added[element] = happened

    def remove(self, element: str, happened: str) -> None:
        """A client that had seen the element was told whether it was removed."""
        if happened != "no" and self.removed.get(element) != "yes":
            self.removed[element] = happened

    def saw(self, element: str) -> None:
        """Somebody read it: so it was added."""
        if self.added.get(element) == "unknown":
            self.added[element] = "yes"

    @property
    def acknowledged(self) -> int:
        """How many acts are known to have happened."""
        return Counter([*self.added.values(), *self.removed.values()])["yes"]

    @property
    def unknown(self) -> int:
        """How many may have."""
        return Counter([*self.added.values(), *self.removed.values()])["unknown"]

    def judge(self, found: Iterable[str]) -> list[str]:
        """What is wrong with these being there in the end, in words: a lost one, a resurrected one, ..."""
        counts = Counter(list(found))
        wrong = [f"{element} stands {n} times" for element, n in counts.items() if n > 1]
        for element in counts:
            if self.added.get(element, "no") == "no":
                wrong.append(f"{element} is there, and was not added")
            elif self.removed.get(element) == "yes":
                wrong.append(f"resurrected: {element} is there, and was removed")
        for element, happened in self.added.items():
            if happened == "yes" and element not in self.removed and element not in counts:
                wrong.append(f"lost: {element} was acknowledged, and is not there")
        return sorted(wrong)
