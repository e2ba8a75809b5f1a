"""max, min, latch: the furthest along some order of all puts that still stand.

A put stands until one further along has seen it, or a delete's base has.
"""

from collections.abc import Callable
from typing import Any

from crdtkv.strategies.base import ABSENT
from tests.specs.history import GONE, Effect, Event, Standing, covered, live, standing

Place = Callable[[Any], Any]


def value(events: list[Event], place: Place) -> Any:
    return read(standing(events, lambda event, now, base: effects(event, now, place)), place)


def effects(event: Event, now: Standing, place: Place) -> list[Effect]:
    if event.operation.name == "put":
        new, shown = event.operation.args[0], read(now, place)
        return [Effect("it", new, "seen")] if shown is ABSENT or place(new) > place(shown) else []
    return [Effect("it", GONE, "base")] if covered(now.get("it", []), event) else []


def read(stands: Standing, place: Place) -> Any:
    return max(live(stands.get("it", [])), key=place, default=ABSENT)
