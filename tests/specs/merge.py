"""merge: the puts that no later put's or delete's base had seen, folded from the earliest."""

from collections.abc import Callable
from typing import Any

from crdtkv.strategies.base import ABSENT
from tests.specs.history import GONE, Effect, Event, Standing, covered, live, standing

Function = Callable[[Any, Any, Any], Any]


def value(events: list[Event], f: Function) -> Any:
    return read(standing(events, lambda event, now, base: effects(event, now, base, f)), f)


def effects(event: Event, now: Standing, base: Standing, f: Function) -> list[Effect]:
    said = now.get("it", [])
    if event.operation.name == "put":
        there = bool(live(said))
        before = read(base, f) if there else ABSENT
        pair = (None if before is ABSENT else before, event.operation.args[0])
        return [Effect("it", pair, "base" if there else "seen")]
    return [Effect("it", GONE, "base")] if covered(said, event) else []


def read(stands: Standing, f: Function) -> Any:
    found = live(stands.get("it", []))
    if not found:
        return ABSENT
    acc = found[0][1]
    for base, new in found[1:]:
        acc = f(base, acc, new)
    return acc
