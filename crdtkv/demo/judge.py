"""Counting what a merge got wrong, from what clients did and saw: the strategy is not asked.

PURE: acknowledged acts in, counts out. What a client *saw* is every act that had
reached its colo when it read, whether or not the strategy had kept it: a
strategy that forgets an entry does not make its loss somebody's wish.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple

__all__ = ["Act", "Counts", "judge"]


class Act(NamedTuple):
    """One acknowledged thing done to one entry: `kind` is add, edit or remove.

    `n` numbers the acts; `saw` holds bit n for each act that its client had seen.
    """

    n: int
    kind: str
    place: str
    saw: int


class Counts(NamedTuple):
    """Entries at the end that are not as their clients left them."""

    lost: int
    resurrected: int
    doubled: int


def judge(acts: Iterable[Act], found: Mapping[str, int], surely: Container[str] | None = None) -> Counts:
    """Compares what should be there with what is `found` (place -> how often).

    Where readers are shown siblings, `found` is what any of them holds and `surely`
    the places that all of them hold: a loss is in none, a resurrection in all.

    lost: some client added the entry, nobody who had seen that add removed it, and it
    is missing. resurrected: a client removed it, everyone who added or edited it was
    seen by someone who removed it, and it is there. Between the two (an edit, no add,
    that no remover had seen) either ending is right and none is counted. doubled: it
    is there more than once.

    >>> a = Act(0, "add", "5", saw=0b0)
    >>> judge([a, Act(1, "remove", "5", saw=0b1)], {"5": 1})
    Counts(lost=0, resurrected=1, doubled=0)
    >>> judge([a, Act(1, "remove", "5", saw=0b1), Act(2, "add", "5", saw=0b0)], {})
    Counts(lost=1, resurrected=0, doubled=0)
    >>> judge([a, Act(1, "edit", "5", saw=0b1), Act(2, "remove", "5", saw=0b1)], {"5": 2})
    Counts(lost=0, resurrected=0, doubled=1)
    """
    by_place: dict[str, list[Act]] = defaultdict(list)
    for act in acts:
        by_place[act.place].append(act)
    lost = resurrected = 0
    for place, done in by_place.items():
        seen_by_removers = 0
        for act in done:
            if act.kind == "remove":
                seen_by_removers |= act.saw
        open_kinds = {a.kind for a in done if a.kind != "remove" and not seen_by_removers >> a.n & 1}
        present = found.get(place, 0) > 0
        lost += "add" in open_kinds and not present
        resurrected += not open_kinds and present and (surely is None or place in surely)
    return Counts(lost, resurrected, sum(times > 1 for times in found.values()))
