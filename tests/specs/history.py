"""Histories: what was asked where, knowing what. The ground that every spec stands on.

A spec is the second, stupid definition of a strategy: what a whole history means,
without cells, joins or siblings. It says which *effects* an event has, given what
stood at its writer and at its base; an effect stands until a later one at the same
place replaces it: one that had seen it (`over="seen"`) or whose base had (`"base"`).
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Literal, NamedTuple

from crdtkv.core.clocks import covers
from crdtkv.trial.history import Event, seen_by

__all__ = ["GONE", "Effect", "Effects", "Event", "Said", "Standing", "covered", "live", "seen_by", "standing"]

GONE = object()
"""What an effect says that only takes away."""


class Effect(NamedTuple):
    place: Hashable
    said: Any
    over: Literal["seen", "base"]


Said = list[tuple[Event, Any]]
Standing = Mapping[Hashable, Said]
Effects = Callable[[Event, Standing, Standing], list[Effect]]
Done = list[tuple[Event, Effect]]


def standing(events: list[Event], effects: Effects) -> Standing:
    """What nobody has replaced, by place. `events` come in an order that respects causality."""
    done: Done = []
    for event in events:
        now = _reduce([(e, f) for e, f in done if covers(event.seen, e.dot)])
        base = _reduce([(e, f) for e, f in done if covers(event.base, e.dot)])
        done += [(event, effect) for effect in effects(event, now, base)]
    return _reduce(done)


def _reduce(done: Done) -> Standing:
    out: dict[Hashable, Said] = {}
    for event, effect in done:
        if not any(_replaces(by, how, event, effect) for by, how in done):
            out.setdefault(effect.place, []).append((event, effect.said))
    return out


def _replaces(by: Event, how: Effect, event: Event, effect: Effect) -> bool:
    return how.place == effect.place and covers(by.seen if how.over == "seen" else by.base, event.dot)


def live(said: Said) -> list[Any]:
    """What stands and is not a taking away, earliest first."""
    return [s for _, s in sorted(said, key=lambda pair: pair[0].rank) if s is not GONE]


def covered(said: Said, event: Event) -> bool:
    """Whether the base of `event` had seen something live of it."""
    return any(s is not GONE and covers(event.base, e.dot) for e, s in said)
